"""A real kernel, started once a module, and what it says."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Said:
    """What a kernel answered to one cell."""

    status: str
    reply: dict[str, Any]
    messages: list[dict[str, Any]] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """stdout and stderr."""
        return "".join(m["content"]["text"] for m in self.messages if m["msg_type"] == "stream")

    @property
    def result(self) -> str:
        """The last expression's text."""
        found = [m["content"]["data"].get("text/plain", "") for m in self.messages if m["msg_type"] == "execute_result"]
        return found[-1] if found else ""

    @property
    def displays(self) -> list[dict[str, Any]]:
        """What was displayed, as MIME bundles."""
        return [m["content"]["data"] for m in self.messages if m["msg_type"] in ("display_data", "execute_result")]

    @property
    def error(self) -> str:
        """The traceback as text, without colours."""
        import re

        lines = [line for m in self.messages if m["msg_type"] == "error" for line in m["content"]["traceback"]]
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))


class Kernel:
    """A kernel that runs cells as JupyterLab sends them."""

    def __init__(self, cwd: Path, **environment: str) -> None:
        from jupyter_client.manager import start_new_kernel

        self.manager, self.client = start_new_kernel(
            kernel_name="python3", cwd=str(cwd), env={**os.environ, **environment}
        )

    def send(self, code: str, metadata: Mapping[str, Any] | None = None, *, asks: bool = False) -> str:
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": asks,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata=dict(metadata or {}))
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def wait(self, message_id: str, seconds: float = 30.0, answers: Sequence[str] = ()) -> Said:
        deadline = time.monotonic() + seconds
        messages: list[dict[str, Any]] = []
        questions: list[str] = []
        left = list(answers)
        while True:
            if left and self.client.stdin_channel.msg_ready():
                questions.append(self.client.get_stdin_msg(timeout=1)["content"]["prompt"])
                self.client.input(left.pop(0))
            try:
                message = self.client.get_iopub_msg(timeout=0.02 if left else max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                if left and time.monotonic() < deadline:
                    continue
                raise
            if message["parent_header"].get("msg_id") != message_id:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                break
            messages.append(message)
        while True:
            reply = self.client.get_shell_msg(timeout=max(0.01, deadline - time.monotonic()))
            if reply["parent_header"].get("msg_id") == message_id:
                return Said(reply["content"]["status"], reply["content"], messages, questions)

    def run(
        self, code: str, cell_id: str = "", seconds: float = 30.0, answers: Sequence[str] = (), **metadata: Any
    ) -> Said:
        """Run a cell, answer what it asks, and return what it said."""
        sent = {**metadata, **({"cellId": cell_id} if cell_id else {})}
        return self.wait(self.send(code, sent, asks=bool(answers)), seconds, answers)

    def value(self, expression: str) -> str:
        """Return an expression's repr."""
        return self.run(expression).result

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with Headrace loaded and a store of its own; `kernel.data_dir` names it."""
    folder = tmp_path_factory.mktemp("kernel")
    opened = Kernel(folder, HEADRACE_DATA_DIR=str(folder / "headrace"))
    opened.data_dir = folder / "headrace"  # type: ignore[attr-defined]
    said = opened.run("%load_ext headrace")
    assert said.status == "ok", said.error
    yield opened
    opened.close()


@pytest.fixture
def start_kernel(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    """Start kernels of one's own; they are closed at the end."""
    opened: list[Kernel] = []

    def start(**environment: str) -> Kernel:
        opened.append(Kernel(tmp_path, **environment))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


Empty = queue.Empty
