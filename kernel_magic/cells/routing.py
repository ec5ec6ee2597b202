"""Where the outputs of a cell go that `%flow run` runs: into the cell's own place in JupyterLab, else under the caller.

Each cell that a flow runs acts for a request of its own: the caller's, with
another message id and the cell's id. JupyterLab with Headrace's extension (it
says so when it attaches, see `headrace.kernel_magic.magics.attach`) puts what
has such a parent into that cell; for every other client the messages are
given back the caller's id (see `headrace.kernel_magic.cells.capture`).
"""

from __future__ import annotations

import contextvars
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.notebook import Cell
    from headrace.kernel_magic.cells.session import CellSession

#: The request that the code of this context acts for; None: the kernel's.
REQUEST: contextvars.ContextVar[Mapping[str, Any] | None] = contextvars.ContextVar("headrace_request", default=None)
#: Tells JupyterLab that a cell begins or has ended.
CELL_MESSAGE = "headrace_cell"


def goes_to_front(session: CellSession) -> bool:
    """Return whether the client of the request under way puts outputs into their own cells."""
    return str((session.request.get("header") or {}).get("session", "")) in session.fronts


@contextmanager
def acting_for(session: CellSession, cell: Cell, *, apart: str = "") -> Iterator[None]:
    """Let what runs in this block be the given cell of the document.

    Parameters
    ----------
    session : CellSession
    cell : Cell
    apart : str, default ""
        Other cells run beside it: what it shows under the caller is shown when it has ended, below this line.
    """
    before = session.request
    metadata = {**cell.metadata, "cellId": cell.id, "cell_index": cell.index}
    header = dict(before.get("header") or {})
    kernel = session.kernel
    front = bool(cell.id) and goes_to_front(session)
    if kernel is not None and header.get("msg_id"):
        header["headrace_parent"] = header.get("headrace_parent") or header["msg_id"]
        header["msg_id"] = f"{header['headrace_parent']}#{cell.id or cell.index}"
        header["headrace_cell"] = cell.id
        if front:
            header["headrace_front"] = "1"
    request = {**before, "header": header, "metadata": metadata}
    token = REQUEST.set(request)
    ident = _ident(kernel)
    try:
        if kernel is None or "msg_id" not in header:
            yield
            return
        sys.stdout.flush()
        sys.stderr.flush()
        kernel.set_parent(ident, request)
        if front:
            _tell(session, request, cell, "running")
        if apart and not front:
            assert session.tap is not None
            with session.tap.holding_back(header["msg_id"]):
                print(apart, flush=True)
                yield
        else:
            yield
    finally:
        REQUEST.reset(token)
        if kernel is not None and "msg_id" in header:
            sys.stdout.flush()
            sys.stderr.flush()
            if front:
                _tell(session, request, cell, "ended")
            kernel.set_parent(ident, before)


def _ident(kernel: Any) -> Any:
    if kernel is None:
        return b""
    try:
        return kernel._get_shell_context_var(kernel._shell_parent_ident)
    except AttributeError:
        return getattr(kernel, "_parent_ident", {}).get("shell", b"")


def _tell(session: CellSession, request: Mapping[str, Any], cell: Cell, word: str) -> None:
    count = session.shell.displayhook.prompt_count
    publish(session, CELL_MESSAGE, {"cell_id": cell.id, "state": word, "execution_count": count}, request)


def publish(session: CellSession, kind: str, content: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Send a message to the client as caused by a request."""
    kernel: Any = session.kernel
    topic = kind.encode() if kind != "stream" else f"stream.{content['name']}".encode()
    kernel.session.send(kernel.iopub_socket, kind, dict(content), parent=dict(request), ident=topic)


def show(session: CellSession, output: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    """Show an output where a request's outputs go.

    Parameters
    ----------
    session : CellSession
    output : mapping
        As nbformat has it; `clear_output` and `update_display_data` too.
    request : mapping
    """
    content = {name: value for name, value in output.items() if name != "output_type"}
    kind = str(output["output_type"])
    if session.kernel is not None:
        if kind != "stream":  # what was printed before it comes before it
            sys.stdout.flush()
            sys.stderr.flush()
        if kind == "execute_result":
            content.setdefault("execution_count", session.shell.displayhook.prompt_count)
        if kind in ("display_data", "update_display_data"):
            content.setdefault("transient", {})
        publish(session, kind, content, request)
    elif kind == "stream":
        (sys.stderr if output["name"] == "stderr" else sys.stdout).write(str(output["text"]))
    elif kind != "clear_output":
        print(output["data"].get("text/plain", ""))
