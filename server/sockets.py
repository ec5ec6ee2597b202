"""Where a run's kernel listens: on Unix sockets in a folder of this login's, else on TCP at 127.0.0.1.

A kernel on TCP is open to every login of the machine: what it publishes (all
outputs) is sent to whoever connects. A socket in a folder of mode 0700 is not.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from headrace.core import settings
from headrace.core.errors import StoreUnavailable

#: Modules whose kernels are known to listen on sockets: ipykernel does, and what is built on its application.
#: Deno 2.9 ends at once when it is told to ("startJupyterKernel"), and of others nothing is known.
KNOWN = frozenset({"ipykernel_launcher", "ipykernel", "bash_kernel"})
#: In the sockets' names, before jupyter_client's "-<number>".
_NAME = "s"
#: A kernel has bound its sockets so long after its folder was made, or never will, seconds.
_SETTLED_SECONDS = 600.0


def why_not(spec: Any) -> str:
    """Return why a kernelspec's kernels listen on TCP; "" where sockets are theirs.

    Parameters
    ----------
    spec : jupyter_client's KernelSpec
    """
    if not hasattr(socket, "AF_UNIX") or os.name == "nt":
        return "this system has no Unix sockets for kernels"
    if settings.text("KERNEL_TRANSPORT") == "tcp":
        return "HEADRACE_KERNEL_TRANSPORT says so"
    provisioner = (spec.metadata.get("kernel_provisioner") or {}).get("provisioner_name", "local-provisioner")
    if provisioner != "local-provisioner":
        return f"the provisioner {provisioner} has it elsewhere"
    words = [str(word) for word in spec.argv]
    modules = {module for flag, module in pairwise(words) if flag == "-m"}
    if not words or not re.fullmatch(r"(python|pypy)[\d.]*", os.path.basename(words[0])) or not modules & KNOWN:
        return "its kernel is not known to listen on sockets"
    return ""


def make_folder(kernel_id: str) -> str | None:
    """Make a folder for a kernel's sockets, mode 0700.

    Returns
    -------
    str or None
        What the sockets' paths begin with (jupyter_client's `ip`); None where no socket can be made. A path has at most
        103 bytes on macOS and 107 on Linux (`sun_path` of unix(7)), and some file systems have no sockets.
    """
    for make in (_in_the_runtime_folder, _in_the_temporary_folder):
        try:
            folder = make(kernel_id)
        except (OSError, StoreUnavailable):
            continue
        if _takes_sockets(folder):
            return str(folder / _NAME)
        shutil.rmtree(folder, ignore_errors=True)
    return None


def remove(prefix: str) -> None:
    """Remove the folder of a kernel that has ended.

    Parameters
    ----------
    prefix : str
        As `make_folder` returned it.
    """
    shutil.rmtree(os.path.dirname(prefix), ignore_errors=True)


def remove_forgotten() -> None:
    """Remove the folders of kernels that were killed together with whoever would have done it."""
    for folder in _folders():
        try:
            if time.time() - folder.stat().st_mtime > _SETTLED_SECONDS and not any(map(listens, folder.iterdir())):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def listens(path: str | Path) -> bool:
    """Return whether a process listens on a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(str(path))
        except TimeoutError:
            return True
        except OSError:
            return False
    return True


def _folders() -> Iterator[Path]:
    try:
        yield from (settings.runtime_dir() / "k").iterdir()
    except (OSError, StoreUnavailable):
        return


def _in_the_runtime_folder(kernel_id: str) -> Path:
    above = settings.runtime_dir() / "k"
    above.mkdir(mode=0o700, exist_ok=True)
    folder = above / kernel_id.replace("-", "")[:12]
    folder.mkdir(mode=0o700)
    return folder


def _in_the_temporary_folder(kernel_id: str) -> Path:
    return Path(tempfile.mkdtemp(prefix="headrace-k-"))


def _takes_sockets(folder: Path) -> bool:
    """Return whether nobody else can enter a folder, and a socket with a name of the longest kind fits into it."""
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return False
    probe = folder / f"{_NAME}-00"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        try:
            tried.bind(str(probe))
        except OSError:
            return False
    probe.unlink(missing_ok=True)
    return True
