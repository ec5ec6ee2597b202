"""What travels between a submitter and a process that runs bodies for it: calls, outcomes, records."""

from __future__ import annotations

import functools
import pickle
import struct
import sys
import threading
import types
from collections.abc import Mapping
from typing import Any, BinaryIO

from headrace.core.errors import FailedRun, InvalidParameter, UnserializableResult, one_line
from headrace.kernel_magic.definition import Definition, FunctionDefinition, importable
from headrace.kernel_magic.engine.live import LIVE, LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, raised
from headrace.kernel_magic.engine.session import Session, session
from headrace.kernel_magic.options import RunOptions

#: Options of a flow that are its tasks' defaults.
_KEEPING = ("persist_result", "result_storage", "result_serializer")
_LENGTH = struct.Struct(">Q")


class Channel:
    """Messages over a pair of byte streams, each a length and a pickle.

    Both ends are processes of one program on one machine, started by each
    other: what is unpickled here was pickled by ourselves.
    """

    def __init__(self, reader: BinaryIO, writer: BinaryIO) -> None:
        self._reader = reader
        self._writer = writer
        self._lock = threading.Lock()

    def send(self, *message: Any) -> None:
        """Send a message.

        Raises
        ------
        OSError, ValueError
            The other end is gone.
        """
        data = pickle.dumps(message)
        with self._lock:
            self._writer.write(_LENGTH.pack(len(data)))
            self._writer.write(data)
            self._writer.flush()

    def receive(self) -> tuple[Any, ...] | None:
        """Wait for a message; None when the other end is gone."""
        try:
            head = self._reader.read(_LENGTH.size)
            if len(head) < _LENGTH.size:
                return None
            size = _LENGTH.unpack(head)[0]
            data = self._reader.read(size)
            if len(data) < size:
                return None
            message: tuple[Any, ...] = pickle.loads(data)  # noqa: S301  from our own process at the other end
            return message
        except (OSError, ValueError):
            return None

    def end(self) -> None:
        """Tell the other end that nothing more comes."""
        with self._lock:
            try:
                self._writer.close()
            except OSError:
                pass

    def close(self) -> None:
        """Close both streams."""
        for stream in (self._writer, self._reader):
            try:
                stream.close()
            except OSError:
                pass


def facts_of(run: LiveRun) -> list[dict[str, Any]]:
    """Return what the code in a run may know about it and the runs around it, outermost first."""
    facts: list[dict[str, Any]] = []
    above: LiveRun | None = run
    while above is not None:
        facts.append(
            {
                "id": above.id,
                "name": above.name,
                "kind": above.kind,
                "definition": above.definition.name,
                "key": above.definition.key,
                "version": above.definition.version,
                "attempt": above.attempt,
                "tags": above.tags,
                "prints": above.prints,
                "state_at": above.state_at,
                "chain_id": above.chain_id,
                "fields": dict(above.fields or {}),
                "keeping": {name: getattr(above.options, name) for name in _KEEPING},
            }
        )
        above = above.parent
    return facts[::-1]


def pack_call(run: LiveRun, body: Any) -> bytes:
    """Return a body with its arguments as bytes.

    Parameters
    ----------
    run : LiveRun
    body : callable
        With `fn`, `args` and `kwargs` where it is a call of a task's function, else any callable.

    Raises
    ------
    InvalidParameter
        Something in it cannot be sent to another process; the message names the argument.
    """

    fn: Any = body
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(body, functools.partial) or (hasattr(body, "fn") and hasattr(body, "kwargs")):
        fn = body.func if isinstance(body, functools.partial) else body.fn
        args, kwargs = body.args, dict(body.kwargs if hasattr(body, "kwargs") else body.keywords)
    try:
        return pickle_by_value((facts_of(run), run.options, _sendable(run, fn), args, kwargs), fn)
    except Exception as error:
        raise InvalidParameter(_why_not(run, fn, args, kwargs, error)) from error


def pickle_by_value(value: Any, fn: Any) -> bytes:
    """Return a value as bytes; what stands in the function's module goes by value if nobody can import that."""
    from headrace.kernel_magic.pickling import by_value, dumps

    module = sys.modules.get(getattr(fn, "__module__", None) or "")
    if module is None or module.__name__ == "__main__" or importable(module.__name__):
        return dumps(value)
    with by_value(module):
        return dumps(value)


class _ByTask:
    """A task's function, found through the task where the other process can import that."""

    def __init__(self, task: Any) -> None:
        self.task = task

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.task.fn(*args, **kwargs)


def _sendable(run: LiveRun, fn: Any) -> Any:
    definition = run.definition
    handle = definition.handle
    if isinstance(definition, FunctionDefinition) and definition.fn is fn and handle is not None:
        reduced = handle.__reduce__()
        if len(reduced[1]) == 2 and isinstance(reduced[1][0], str):
            return _ByTask(handle)
    if isinstance(fn, types.MethodType):
        return functools.partial(fn.__func__, fn.__self__)
    return fn


def _why_not(run: LiveRun, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], error: Exception) -> str:
    import cloudpickle

    what = f"{run.kind} {run.definition.name!r} cannot be sent to another process"
    named: dict[Any, Any] = dict(run.parameters) if run.parameters else dict(enumerate(args))
    for name, value in {**named, **kwargs}.items():
        try:
            cloudpickle.dumps(value)
        except Exception:
            return f"{what}: its argument {name!r} ({type(value).__name__}) cannot be pickled: {one_line(error)}."
    return f"{what}: its function refers to something that cannot be pickled: {one_line(error)}."


def unpack_call(data: bytes, here: Session | None = None) -> tuple[LiveRun, Any]:
    """Return a shadow of the run, and its body, in the process that is to call it."""
    facts, options, fn, args, kwargs = pickle.loads(data)  # noqa: S301  packed by the submitter
    run = shadow(facts, options, here or session())
    return run, functools.partial(fn, *args, **kwargs)


def shadow(facts: list[dict[str, Any]], options: RunOptions, here: Session) -> LiveRun:
    """Return a run that is moved on by another process, with the runs around it: context for the code in it."""
    run: LiveRun | None = None
    root_id = facts[0]["id"]
    for fact in facts:
        own = options if fact is facts[-1] else RunOptions(**fact["keeping"])
        definition = Definition(fact["kind"], fact["definition"], fact["key"], own, version=fact["version"])
        record = here.recorder.adopt(fact["id"], root_id, fact["attempt"])
        run = LiveRun(definition, run, name=fact["name"], record=record, fields=fact["fields"], session_=here)
        run.tags, run.prints, run.state_at = fact["tags"], fact["prints"], fact["state_at"]
        run.chain_id, run.late = fact["chain_id"], None
    assert run is not None
    return run


def forget(run: LiveRun) -> None:
    """Take a shadow out of the list of this process's runs."""
    above: LiveRun | None = run
    while above is not None:
        LIVE.pop(above.id, None)
        above = above.parent


def pack_outcome(run: LiveRun, outcome: Outcome) -> tuple[str, bytes]:
    """Return an outcome as a kind and bytes; what cannot be pickled becomes an error that says so."""
    from headrace.kernel_magic.engine.tracebacks import traceback_text
    from headrace.kernel_magic.pickling import dumps

    text = "" if outcome.error is None else traceback_text(outcome.error)
    try:
        return outcome.kind.value, dumps((outcome.value, outcome.error, text))
    except Exception as error:
        if outcome.error is not None:
            stand_in: Exception = FailedRun(f"{type(outcome.error).__name__}: {one_line(outcome.error)}")
            return outcome.kind.value, dumps((None, stand_in, text))
        failure = UnserializableResult(
            f"{run.kind} {run.definition.name!r} returned a {type(outcome.value).__name__}, which cannot be sent back "
            f"from the process that ran it: {one_line(error)}."
        )
        return Kind.ERROR.value, dumps((None, failure, ""))


def unpack_outcome(kind: str, data: bytes) -> Outcome:
    """Return the outcome that another process sent; its traceback stays with the error."""
    try:
        value, error, text = pickle.loads(data)  # noqa: S301  packed by the process that ran the body
    except Exception as failure:
        return raised(
            UnserializableResult(
                f"The result cannot be opened here: {type(failure).__name__}: {one_line(failure)}. "
                "Is its type importable in this process?"
            )
        )
    if error is not None and text:
        try:
            error.headrace_traceback = text
        except AttributeError:
            pass
    return Outcome(Kind(kind), value, error)
