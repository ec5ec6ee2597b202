"""One kernel of one run: started early, asked when it is ready, interrupted, stopped, and what it died of.

Responsibilities: find the kernelspec; start its process in a group of its own
with the run's directory and environment; say which processes must be reaped
when the runner dies. Executing cells is `headrace.server.runner.client`.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import IO, Any

from headrace.core import settings
from headrace.core.errors import HeadraceError, UnknownKernel, UsageError, one_line
from headrace.core.settings import DATA_DIR, DATABASE_URL, StorePlace
from headrace.server import sockets
from headrace.server.processes import Limits, describe_exit, kill_group, process_facts

#: What a kernel printed before it died is kept up to here, characters.
TAIL_LENGTH = 4000
#: A kernel that was asked to leave gets this long before SIGTERM, and again before SIGKILL, seconds
#: (jupyter_client's `shutdown_wait_time` halved, as it does).
LEAVE_SECONDS = 2.5
#: ipykernel 7 can lock itself up in its very last step (its control thread waits for the output thread that was
#: closed before it; seen in 4 of 100 shutdowns). That step comes behind every `atexit` function and begins with
#: closing the heartbeat; a kernel that is still there so long after it is killed, seconds.
CLOSED_SECONDS = 0.3
_POLL_SECONDS = 0.01
#: A kernel that subscribed late misses the answer on iopub; it is asked again after this long, seconds.
_ASK_AGAIN_SECONDS = 0.05

#: Processes of kernels that were left running: Python complains of a forgotten process that still runs.
_left_running: list[Any] = []


class KernelStartError(HeadraceError):
    """A kernel did not start, or did not answer in time."""

    code = "kernel_start"


@dataclass(slots=True)
class Kernel:
    """A started kernel process and the channels to it.

    Attributes
    ----------
    name : str
        The kernelspec's.
    manager, client : jupyter_client's AsyncKernelManager and AsyncKernelClient
    info : mapping
        The kernel's answer to `kernel_info_request`, once it is ready.
    exit_code : int or None
        Once it has ended.
    on_tcp_because : str
        Why other logins of the machine can reach it; "" where it listens on sockets of this login.
    watched : Path or None
        The note at which the kernel's keeper looks (see `headrace.server.runner.keeping`).
    continued : bool
        It was the kept kernel of an earlier run.
    """

    name: str
    manager: Any
    client: Any = None
    info: Mapping[str, Any] = field(default_factory=dict)
    exit_code: int | None = None
    on_tcp_because: str = ""
    watched: Path | None = None
    continued: bool = False
    _errors: IO[bytes] | None = None
    _pid: int | None = None

    @property
    def language(self) -> str:
        """The language that the kernelspec names, in lower case."""
        spec = self.manager.kernel_spec
        return (spec.language or "").lower() if spec is not None else ""

    @property
    def pid(self) -> int | None:
        """The kernel's process, None where a provisioner has it elsewhere."""
        return self._pid

    def set_process(self, pid: int) -> None:
        """Say which process it is, where it was not started here."""
        self._pid = pid

    async def set_variable(self, name: str, value: str) -> None:
        """Set an environment variable in a kernel that runs already (Python; others keep what they were started with)."""
        if self.language != "python":
            return
        code = f"__import__('os').environ[{name!r}] = {value!r}"
        wanted = self.client.execute(code, silent=True, store_history=False)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            message = await self._next(self.client.shell_channel, until)
            if message is not None and message["parent_header"].get("msg_id") == wanted:
                return

    def let_go(self) -> None:
        """Close the channels and leave the kernel running."""
        if self.client is not None:
            self.client.stop_channels()
        self.manager.context.destroy(linger=100)
        # A manager removes its connection file when it is collected; the kernel's is needed by whoever comes next.
        self.manager.connection_file = ""
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        process = getattr(self.manager.provisioner, "process", None)
        if process is not None:
            _left_running.append(process)

    def facts(self) -> dict[str, Any]:
        """Return what the store keeps: enough to name the kernel, and to reap its process group when we are dead."""
        spec = self.manager.kernel_spec
        return {
            "name": self.name,
            "display_name": spec.display_name if spec is not None else self.name,
            "language": self.language,
            "id": self.manager.kernel_id,
            "transport": self.manager.transport,
            **({"on_tcp_because": self.on_tcp_because} if self.on_tcp_because else {}),
            **process_facts(self._pid),
        }

    async def ready(self, timeout_seconds: float) -> None:
        """Wait until the kernel answers on shell and iopub.

        `wait_for_ready` of jupyter_client also waits 0.2 s for silence on iopub at the end; here the answer's own
        `idle` is waited for, which proves the same.

        Raises
        ------
        KernelStartError
            It died, or did not answer in time; the message has what it printed last.
        """
        if self.info:
            return
        deadline = time.monotonic() + timeout_seconds
        self.client = self.manager.client()
        self.client.start_channels(hb=False)
        self.client.allow_stdin = False
        asked: set[str] = set()
        idle, answer = False, None
        wait = 1.0
        while not (idle and answer):
            asked.add(self.client.kernel_info())
            until = time.monotonic() + wait
            shell = asyncio.ensure_future(self._next(self.client.shell_channel, until))
            iopub = asyncio.ensure_future(self._next(self.client.iopub_channel, until))
            while time.monotonic() < until and not (idle and answer):
                await asyncio.wait({shell, iopub}, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
                if shell.done():
                    message = shell.result()
                    if message is not None and message["msg_type"] == "kernel_info_reply":
                        answer = message
                        if not idle:
                            until = min(until, time.monotonic() + _ASK_AGAIN_SECONDS)
                    shell = asyncio.ensure_future(self._next(self.client.shell_channel, until))
                if iopub.done():
                    message = iopub.result()
                    if message is not None and message["parent_header"].get("msg_id") in asked:
                        idle = idle or message["content"].get("execution_state") == "idle"
                    iopub = asyncio.ensure_future(self._next(self.client.iopub_channel, until))
                if not await self.manager.is_alive():
                    break
            for task in (shell, iopub):
                task.cancel()
            await asyncio.gather(shell, iopub, return_exceptions=True)
            if idle and answer:
                break
            if not await self.manager.is_alive():
                raise KernelStartError(
                    f"The kernel {self.name} died while it started ({await self.death()}).{self._tail_text()}"
                )
            if time.monotonic() > deadline:
                raise KernelStartError(
                    f"The kernel {self.name} did not answer within {timeout_seconds:g} s; "
                    f"--start-timeout gives it longer.{self._tail_text()}"
                )
            wait = 1.0 if answer is None else max(_ASK_AGAIN_SECONDS, wait / 2)
        self.info = answer["content"]
        self.client._handle_kernel_info_reply(answer)

    async def _next(self, channel: Any, until: float) -> Any:
        try:
            return await channel.get_msg(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            return None

    async def alive(self) -> bool:
        """Return whether the kernel's process lives."""
        return bool(await self.manager.is_alive())

    async def interrupt(self) -> None:
        """Interrupt what the kernel executes."""
        if await self.alive():
            await self.manager.interrupt_kernel()

    async def signal(self, number: int) -> None:
        """Send a signal to the kernel's process group."""
        if await self.alive():
            await self.manager.signal_kernel(number)

    async def kill(self) -> None:
        """Kill the kernel's process group at once."""
        await self._note_exit()
        if self.manager.has_kernel:
            await self.manager.provisioner.kill()
            await self._gone(LEAVE_SECONDS)

    async def stop(self, *, now: bool = False) -> None:
        """End the kernel: ask it to leave, kill its group when it does not; give back files and channels.

        Parameters
        ----------
        now : bool, default False
            Kill it without asking.
        """
        await self._note_exit()
        try:
            if await self.alive():
                if not now:
                    await self.manager.request_shutdown()
                    if not await self._gone(LEAVE_SECONDS):
                        await self.manager.signal_kernel(signal.SIGTERM)
                        now = not await self._gone(LEAVE_SECONDS)
                if now:
                    await self.manager.provisioner.kill()
                    await self._gone(LEAVE_SECONDS)
            if self._pid is not None:
                kill_group(self._pid)
        finally:
            if self.client is not None:
                self.client.stop_channels()
            await self.manager.cleanup_resources()
            if self.manager.transport == "ipc":
                sockets.remove(self.manager.ip)
            if self._errors is not None:
                self._errors.close()
                self._errors = None

    async def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        closed_at: float | None = None
        look_at = time.monotonic() + 0.1
        while (now := time.monotonic()) < deadline:
            if not await self.alive():
                await self._note_exit()
                return True
            if self.manager.ipykernel and self._pid is not None and now > look_at:
                look_at = now + 0.1
                if closed_at is None and self._heart_is_closed():
                    closed_at = now
                if closed_at is not None and now - closed_at > CLOSED_SECONDS:
                    await self.manager.provisioner.kill()
            await asyncio.sleep(_POLL_SECONDS)
        return not await self.alive()

    def _heart_is_closed(self) -> bool:
        """Return whether the kernel has closed its heartbeat's port."""
        if self.manager.transport == "ipc":
            return not sockets.listens(f"{self.manager.ip}-{self.manager.hb_port}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            return probe.connect_ex((self.manager.ip, self.manager.hb_port)) == errno.ECONNREFUSED

    async def _note_exit(self) -> None:
        if self.exit_code is None and self.manager.has_kernel:
            self.exit_code = await self.manager.provisioner.poll()

    async def death(self) -> str:
        """Return what the kernel died of, in a few words."""
        await self._note_exit()
        return describe_exit(self.exit_code)

    def tail(self) -> str:
        """Return the last of what the kernel's process wrote to its own standard error."""
        if self._errors is None:
            return ""
        self._errors.flush()
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - TAIL_LENGTH))
        return self._errors.read().decode(errors="replace").strip()

    def _tail_text(self) -> str:
        tail = self.tail()
        return f" It wrote: {tail}" if tail else ""


def _runtime_folder() -> str:
    from jupyter_core.paths import jupyter_runtime_dir

    folder = str(jupyter_runtime_dir())
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder


def installed_kernels() -> list[str]:
    """Return the names of the installed kernelspecs, sorted."""
    from jupyter_client.kernelspec import KernelSpecManager

    return sorted(KernelSpecManager().find_kernel_specs())


def unknown_kernel(name: str | None, path: str) -> UnknownKernel:
    """Return the error for a kernel that is not there, or not named at all; it lists what is installed."""
    names = ", ".join(installed_kernels()) or "none"
    if name is None:
        return UnknownKernel(f"{path} names no kernel; choose one with -k (installed: {names}).", field="kernel_name")
    return UnknownKernel(f"There is no kernel {name!r}; installed: {names}. Choose one with -k.", field="kernel_name")


async def launch(
    name: str,
    *,
    path: str = "",
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    independent: bool = False,
    limits: Limits | None = None,
) -> Kernel:
    """Start a kernel's process; return before it is ready.

    Parameters
    ----------
    name : str
        A kernelspec's name.
    path : str, default ""
        The notebook, for messages.
    cwd : str or None, default None
        Working directory; None is this process's.
    env : mapping or None, default None
        The whole environment; None is this process's.
    independent : bool, default False
        Let it outlive this process.
    limits : Limits or None, default None
        Of memory and processor time.

    Raises
    ------
    UnknownKernel, UsageError, KernelStartError
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from jupyter_client.manager import AsyncKernelManager

    if cwd is not None and not Path(cwd).is_dir():
        raise UsageError(f"The working directory {cwd} does not exist.", field="cwd")
    kernel_id = str(uuid.uuid4())
    # Named as Jupyter names it, so that the kernel knows its own id and others can connect to it.
    connection = os.path.join(_runtime_folder(), f"kernel-{kernel_id}.json")
    manager = AsyncKernelManager(kernel_name=name, kernel_id=kernel_id, connection_file=connection)
    try:
        spec = manager.kernel_spec
    except NoSuchKernel:
        raise unknown_kernel(name, path) from None
    if spec is None:
        raise unknown_kernel(name, path)
    on_tcp_because = _listen_on_sockets(manager, spec)
    errors = tempfile.TemporaryFile()  # noqa: SIM115
    # What reaches the kernel's own standard streams is not notebook output: it is kept for the case that it dies.
    options: dict[str, Any] = {"stdout": errors, "stderr": errors, "independent": independent}
    if manager.ipykernel:
        # Kernels that run at once must not share a history database.
        options["extra_arguments"] = ["--HistoryManager.hist_file=:memory:"]
    if cwd is not None:
        options["cwd"] = cwd
    try:
        await manager.start_kernel(env=dict(os.environ if env is None else env), **options)
    except Exception as error:
        # A provisioner of a cluster may raise anything.
        errors.close()
        if manager.transport == "ipc":
            sockets.remove(manager.ip)
        why = f"{error.strerror}: {spec.argv[0]}" if isinstance(error, OSError) and error.strerror else one_line(error)
        raise KernelStartError(f"The kernel {name} does not start: {why}") from error
    kernel = Kernel(name=name, manager=manager, on_tcp_because=on_tcp_because)
    kernel._errors = errors
    kernel._pid = getattr(manager.provisioner, "pid", None)
    if limits is not None and kernel._pid is not None:
        limits.apply(kernel._pid)
    return kernel


def _listen_on_sockets(manager: Any, spec: Any) -> str:
    """Let a kernel that is to be started listen where only this login can reach it; return why it cannot, else ""."""
    sockets.remove_forgotten()
    why = sockets.why_not(spec)
    if why:
        return why
    prefix = sockets.make_folder(manager.kernel_id)
    if prefix is None:
        return f"{settings.runtime_dir()} has no place for sockets"
    manager.transport, manager.ip = "ipc", prefix
    return ""


def kernel_environment(place: StorePlace, notebook_path: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a run's kernel: this process's, the store's place, the notebook's path, the run's own."""
    env = dict(os.environ)
    env[DATA_DIR] = str(place.data_dir)
    if place.url == f"sqlite:///{place.data_dir / 'headrace.db'}":
        env.pop(DATABASE_URL, None)
    else:
        env[DATABASE_URL] = place.url
    if notebook_path:
        env["JPY_SESSION_NAME"] = notebook_path
    # Warns of frozen modules otherwise, on the kernel's standard error.
    env.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    env.update(extra)
    return env
