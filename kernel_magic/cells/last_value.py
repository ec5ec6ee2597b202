"""The value of a cell's last expression, where IPython's own display hook would take another cell for it, or is not there.

IPython shows a value under the newest cell, counts it as that one's `Out`, and
looks for a `;` in that one's code. A background cell ends while others run,
and a cell within `%flow run` is not the newest.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from headrace.kernel_magic.cells.routing import show

if TYPE_CHECKING:
    from headrace.kernel_magic.cells.session import CellSession

#: Takes the values of this context instead of IPython's hook.
_TAKEN_BY: ContextVar[LateValues | None] = ContextVar("headrace_values_taken_by", default=None)
_QUIET: ContextVar[bool] = ContextVar("headrace_quiet", default=False)
#: A last value travels between processes and is stored up to this size, bytes.
VALUE_BYTES = 8 << 20
_NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)


def ends_quietly(python: str) -> bool:
    """Return whether code ends with a `;`: the value of its last expression is not shown then."""
    if ";" not in python:
        return False
    try:
        found = [
            token for token in tokenize.generate_tokens(io.StringIO(python).readline) if token.type not in _NO_CODE
        ]
    except (tokenize.TokenError, SyntaxError):
        return False
    return bool(found) and found[-1].string == ";"


class ValueHook:
    """Stands in front of the hook that IPython puts into `sys.displayhook` while a cell runs.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self._trap = shell.display_trap
        self._plain = self._trap.hook
        self._trap.hook = self

    def close(self) -> None:
        """Give the shell its own hook back."""
        self._trap.hook = self._plain

    def __call__(self, value: Any = None) -> None:
        """Show a value."""
        taken_by = _TAKEN_BY.get()
        if taken_by is not None:
            taken_by(value)
        elif not _QUIET.get():
            self._plain(value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)


@contextmanager
def quiet(python: str) -> Iterator[None]:
    """Let the code that runs in the block decide by itself whether its value is shown."""
    token = _QUIET.set(ends_quietly(python))
    try:
        yield
    finally:
        _QUIET.reset(token)


class LateValues:
    """Shows values under a cell that others may have followed, and keeps them as its `Out`; `_` is the person's newest.

    Parameters
    ----------
    session : CellSession
    source : str
        The cell's.
    """

    def __init__(self, session: CellSession, source: str) -> None:
        self._session = session
        self._request: Mapping[str, Any] = session.request
        self._count = session.shell.displayhook.prompt_count
        self._is_quiet = ends_quietly(session.plain_python(source))

    def __call__(self, value: Any) -> None:
        """Take a value."""
        if value is None or self._is_quiet:
            return
        data, metadata = self._session.shell.display_formatter.format(value)
        self.keep(value)
        self.show({"output_type": "execute_result", "data": data, "metadata": metadata})

    def keep(self, value: Any) -> None:
        """Keep a value as the cell's `Out`."""
        space = self._session.shell.user_ns
        space["_oh"][self._count] = space[f"_{self._count}"] = value

    def show(self, output: Mapping[str, Any]) -> None:
        """Show an output under the cell."""
        counted = {"execution_count": self._count} if output["output_type"] == "execute_result" else {}
        show(self._session, {**output, **counted}, self._request)

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take the values of what runs in the block."""
        token = _TAKEN_BY.set(self)
        try:
            # In the trap: outside of it `sys.displayhook` is Python's own, which prints, and sets `_` for good.
            with self._session.shell.display_trap:
                yield
        finally:
            _TAKEN_BY.reset(token)


class LastValue:
    """The value of a cell's last expression; it does not travel where it cannot.

    Parameters
    ----------
    value : object
    """

    def __init__(self, value: Any) -> None:
        self.value = value
        self.there = True

    def __reduce__(self) -> Any:
        from headrace.kernel_magic.pickling import dumps

        try:
            data = dumps(self.value)
        except Exception:
            data = b""
        return (_last_value, (data if len(data) <= VALUE_BYTES else b"",))


def _last_value(data: bytes) -> LastValue:
    import pickle

    last = LastValue(None)
    try:
        last.value = pickle.loads(data)  # noqa: S301  from the process that ran the cell for us
    except Exception:
        last.there = False
    return last
