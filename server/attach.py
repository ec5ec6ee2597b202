"""A provisioner that attaches to a kernel that runs already, instead of starting one.

Kept kernels of failed runs are continued through it by the runner, and opened
in Lab: a kernelspec made for the kept kernel names it (entry point
`headrace-attach` of `jupyter_client.kernel_provisioners`).
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Integer, Unicode

from headrace.server.processes import process_start

PROVISIONER = "headrace-attach"
_POLL_SECONDS = 0.05


class AttachProvisioner(KernelProvisionerBase):
    """Stands for a kernel process that somebody else started on this host."""

    connection_file = Unicode(help="The kernel's connection file.").tag(config=True)
    pid = Integer(help="The kernel's process, which leads its process group.").tag(config=True)
    started = Unicode(help="When it started, as `headrace.server.processes.process_start` tells.").tag(config=True)

    @property
    def has_process(self) -> bool:
        return self._is_alive()

    @property
    def pgid(self) -> int:
        """The process group."""
        return int(self.pid)

    def _is_alive(self) -> bool:
        if self.started and process_start(self.pid) != self.started:
            return False
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return not _is_zombie(self.pid)

    async def poll(self) -> int | None:
        """Return None while it lives; its exit code is its own parent's to know."""
        return None if self._is_alive() else 0

    async def wait(self) -> int | None:
        while self._is_alive():
            await asyncio.sleep(_POLL_SECONDS)
        return 0

    async def send_signal(self, signum: int) -> None:
        if self._is_alive():
            try:
                os.killpg(self.pid, signum)
            except OSError:
                os.kill(self.pid, signum)

    async def kill(self, restart: bool = False) -> None:
        await self.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))

    async def terminate(self, restart: bool = False) -> None:
        await self.send_signal(signal.SIGTERM)

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Refuse to start anything: a kernel that has ended cannot be brought back."""
        if not self._is_alive():
            raise RuntimeError("The kept kernel has ended; run the notebook again, or continue its run.")
        return {**kwargs, "cmd": [], "env": kwargs.get("env") or {}}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        info = json.loads(Path(self.connection_file).read_text(encoding="utf-8"))
        info["key"] = info["key"].encode()
        return info

    async def cleanup(self, restart: bool = False) -> None:
        """Leave everything as it is: ports and files are the kernel's."""


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
