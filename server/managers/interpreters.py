"""The Pythons behind kernels: whether Headrace is in them, and installing it into one with its output shown."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
from importlib import metadata
from typing import IO, TYPE_CHECKING, Any

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import Conflict, NotFound

if TYPE_CHECKING:
    from headrace.server.services import Services

#: A Python is asked again after so long, seconds: somebody may have installed Headrace in a terminal.
ASKED_SECONDS = 30.0
#: It answers within so long or is taken for broken, seconds.
ANSWER_SECONDS = 20.0
#: So much of an installation's output is shown, bytes.
SHOWN = 64_000
_PYTHON = re.compile(r"python[\d.]*(\.exe)?", re.IGNORECASE)
_QUESTION = (
    "import importlib.util as u, json, sys;"
    "print(json.dumps({'python': sys.executable, 'headrace': u.find_spec('headrace') is not None,"
    " 'pip': u.find_spec('pip') is not None}))"
)


class Interpreters:
    """What requests ask about the Python of a kernel.

    Parameters
    ----------
    services : Services
    source : str, default ""
        What pip installs into a kernel's Python. Empty: what this server runs, from where it was installed.
    """

    def __init__(self, services: Services, source: str = "") -> None:
        self._services = services
        self._source = source
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[float, dict[str, Any]]] = {}
        self._installing: dict[str, tuple[subprocess.Popen[bytes], IO[bytes]]] = {}

    def _spec(self, name: str) -> dict[str, Any]:
        if name not in self._services.kernelspecs():
            raise NotFound(f"There is no kernel {name!r} here.", field="name")
        return self._services.kernel_spec(name)

    def _environment(self, spec: dict[str, Any]) -> dict[str, str]:
        """Return what the kernel's process is started with."""
        own = spec.get("env") or {}
        return {**os.environ, **{str(key): str(value) for key, value in own.items()}}

    def look(self, name: str) -> dict[str, Any]:
        """Return a kernel's Python and whether Headrace can be imported there.

        Returns
        -------
        dict
            `{name, display_name, language, interpreter, headrace, pip}`; `headrace` is None where it is not known:
            another language, or a kernel that is started by something else than a Python.

        Raises
        ------
        NotFound
        """
        spec = self._spec(name)
        program = str((spec.get("argv") or [""])[0])
        found: dict[str, Any] = {
            "name": name,
            "display_name": str(spec.get("display_name") or name),
            "language": str(spec.get("language") or ""),
            "interpreter": program or None,
            "headrace": None,
            "pip": None,
        }
        if not _PYTHON.fullmatch(os.path.basename(program)):
            return found
        with self._lock:
            at, answer = self._answers.get(name, (float("-inf"), {}))
            if SYSTEM_CLOCK.monotonic() - at > ASKED_SECONDS:
                answer = self._ask(program, spec)
                self._answers[name] = (SYSTEM_CLOCK.monotonic(), answer)
        return {**found, **answer}

    def _ask(self, program: str, spec: dict[str, Any]) -> dict[str, Any]:
        try:
            done = subprocess.run(
                [program, "-c", _QUESTION],
                env=self._environment(spec),
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=ANSWER_SECONDS,
                check=True,
            )
            said = json.loads(done.stdout)
        except (OSError, subprocess.SubprocessError, ValueError):
            return {}
        return {"headrace": bool(said["headrace"]), "pip": bool(said["pip"])}

    def install(self, name: str) -> dict[str, Any]:
        """Begin to install Headrace into a kernel's Python.

        Raises
        ------
        NotFound
        Conflict
            It is there already, its Python is not known, or has no pip.
        """
        spec, found = self._spec(name), self.look(name)
        if found["headrace"] is not False:
            known = "has Headrace already" if found["headrace"] else "is not run by a Python that is known here"
            raise Conflict(f"Kernel {name!r} {known}.", field="name")
        program = str(found["interpreter"])
        if not found["pip"]:
            raise Conflict(
                f"{program} has no pip: install Headrace there with what manages that environment.", field="name"
            )
        with self._lock:
            running = self._installing.get(name)
            if running is None or running[0].poll() is not None:
                output = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as pip writes)
                command = [program, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", self.source()]
                process = subprocess.Popen(
                    command,
                    env=self._environment(spec),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
                self._installing[name] = (process, output)
        return self.installation(name)

    def installation(self, name: str) -> dict[str, Any]:
        """Return how an installation stands.

        Returns
        -------
        dict
            `{name, command, state: "running"|"done"|"failed", output}`

        Raises
        ------
        NotFound
        """
        with self._lock:
            if name not in self._installing:
                raise NotFound(f"Nothing was installed for kernel {name!r} here.", field="name")
            process, output = self._installing[name]
            code = process.poll()
            if code is not None:
                self._answers.pop(name, None)
            size = os.fstat(output.fileno()).st_size
            shown = os.pread(output.fileno(), SHOWN, max(0, size - SHOWN))
        arguments = process.args
        assert isinstance(arguments, list)
        return {
            "name": name,
            "command": " ".join(map(str, arguments)),
            "state": "running" if code is None else "done" if code == 0 else "failed",
            "output": shown.decode("utf-8", "replace"),
        }

    def close(self) -> None:
        """Let go of what installations have written; pip itself goes on."""
        with self._lock:
            for _, output in self._installing.values():
                output.close()
            self._installing.clear()

    def source(self) -> str:
        """Return what pip is told to install: this very Headrace, from where it came from."""
        if self._source:
            return self._source
        from headrace import __version__

        try:
            # Where pip says that a package came from a file or a folder (PEP 610); absent for an index.
            origin = metadata.distribution("headrace").read_text("direct_url.json")
        except metadata.PackageNotFoundError:
            origin = None
        url = json.loads(origin).get("url") if origin else None
        return f"headrace @ {url}" if url else f"headrace=={__version__}"
