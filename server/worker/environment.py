"""Which environment variables a run's process gets: an allow-list, so that no token of Jupyter or the hub reaches a kernel."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from headrace.core import settings
from headrace.core.errors import UsageError

#: Variables by which a run's process knows its attempt and where to leave facts (`kernel.json`) for whoever reaps.
RUN_ID = "HEADRACE_RUN_ID"
ATTEMPT = "HEADRACE_RUN_ATTEMPT"
ATTEMPT_DIR = "HEADRACE_ATTEMPT_DIR"
ALLOWED = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "TMPDIR", "TMP", "TEMP"),
    *("PYTHON*", "VIRTUAL_ENV", "CONDA_*", "MAMBA_*", "PIXI_*", "UV_*", "R_*", "JULIA_*", "JAVA_HOME", "NODE_PATH"),
    *("LD_LIBRARY_PATH", "DYLD_*", "XDG_*", "SSL_CERT_*", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
    *("OMP_*", "MKL_*", "OPENBLAS_*", "NUMEXPR_*", "CUDA_*", "NVIDIA_*", "HF_HOME", "TORCH_HOME", "MPLCONFIGDIR"),
    *("MPLBACKEND", "IPYTHONDIR", "JUPYTER_PATH", "JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_CONFIG_PATH"),
    *("JUPYTER_RUNTIME_DIR", "JUPYTER_NO_CONFIG", "JUPYTER_PREFER_ENV_PATH", "JUPYTER_PLATFORM_DIRS", "HEADRACE_*"),
    *("SYSTEMROOT", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "COMSPEC", "PATHEXT", "WINDIR"),
)
#: Never handed on, whatever is allowed besides.
DENIED = (
    *("JUPYTER_TOKEN", "JUPYTERHUB_*", "JPY_*", "HEADRACE_TOKEN", "JUPYTER_GATEWAY_AUTH_TOKEN"),
    # The file goes with the server that wrote it, and runs outlive the server: the store is handed on by value.
    settings.HANDED,
)


def clean_environment(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what of an environment a run's process gets.

    Parameters
    ----------
    source : mapping or None, default this process's environment
        `HEADRACE_WORKER_ENV` in it names further variables ("AWS_*,DATABASE_URL").
    """
    found = dict(os.environ if source is None else source)
    more = [part.strip() for part in found.get("HEADRACE_WORKER_ENV", "").split(",") if part.strip()]
    allowed = (*ALLOWED, *more)
    return {
        name: value
        for name, value in found.items()
        if any(fnmatchcase(name, p) for p in allowed) and not any(fnmatchcase(name, p) for p in DENIED)
    }


def outside_of_runs(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without the marks of the run that it may come from: a worker belongs to none."""
    return {name: value for name, value in environment.items() if name not in (RUN_ID, ATTEMPT, ATTEMPT_DIR)}


def store_variables(place: settings.StorePlace) -> dict[str, str]:
    """Return the variables that make a child process find the same store, as the same person.

    The hub's own variables are not handed on, its name for the person among them.
    """
    return {
        settings.DATABASE_URL: place.url,
        settings.DATA_DIR: str(place.data_dir),
        settings.OWNER: settings.user_name(),
    }


def read_env_file(path: str) -> dict[str, str]:
    """Return the variables of a file of NAME=value lines; blank lines and lines with # are left out.

    Raises
    ------
    UsageError
        The file cannot be read, or a line has no `=`.
    """
    found: dict[str, str] = {}
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UsageError(f"The environment file {path} cannot be read ({error.strerror}).", field="env_file") from error
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise UsageError(f"Line {number} of {path} is not NAME=value.", field="env_file")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
