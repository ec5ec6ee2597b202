"""A process that runs bodies for its parent: `python -m headrace.kernel_magic.runners.child`.

Standard input and output are the channel; text that the body prints travels to
the parent, too, so that it appears where the parent's own prints do. The
script's `__main__` is not imported again: functions from there travel by value.
"""

from __future__ import annotations

import io
import itertools
import os
import queue
import sys
import threading
from typing import Any

from headrace.kernel_magic.engine import interrupt
from headrace.kernel_magic.engine.call import call
from headrace.kernel_magic.engine.live import CANCELS, LiveRun
from headrace.kernel_magic.engine.outcome import raised
from headrace.kernel_magic.runners.relay import relay_records
from headrace.kernel_magic.runners.wire import Channel, forget, pack_outcome, unpack_call


class _Relayed(io.TextIOBase):
    """A text stream that travels to the parent."""

    def __init__(self, name: str, channel: Channel) -> None:
        self._name = name
        self._channel = channel

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self._channel.send("text", self._name, text)
        return len(text)


class Child:
    """The loop of such a process.

    Parameters
    ----------
    channel : Channel
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._work: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._run: LiveRun | None = None
        self._numbers = itertools.count()
        self._asked: dict[int, queue.SimpleQueue[bytes]] = {}

    def main(self) -> None:
        """Do what the parent sends until it closes the channel."""
        hello = self._channel.receive()
        if hello is None:
            return
        greeting: dict[str, Any] = hello[1]
        sys.path[:] = greeting["path"]
        relay = relay_records(lambda text: self._channel.send("records", text), self._ask, greeting["owner_id"])
        interrupt.listen()
        threading.Thread(target=self._read, name="headrace-parent", daemon=True).start()
        if greeting["initializer"] is not None:
            self._initialize(greeting["initializer"])
        while True:
            data = self._work.get()
            if data is None:
                return
            self._channel.send("done", *self._do(data))
            relay.recorder.flush()

    def _initialize(self, data: bytes) -> None:
        import pickle

        initializer, arguments = pickle.loads(data)  # noqa: S301  from the parent
        initializer(*arguments)

    def _ask(self, question: bytes) -> bytes:
        """Ask the parent; a parent that is gone takes this process with it, so that an answer comes."""
        number = next(self._numbers)
        answer = self._asked[number] = queue.SimpleQueue()
        self._channel.send("ask", number, question)
        return answer.get()

    def _do(self, data: bytes) -> tuple[str, bytes]:
        from headrace.kernel_magic.engine.session import session

        try:
            run, body = unpack_call(data)
        except BaseException as error:
            return _refused(error)
        self._run = run
        if run.prints:
            from headrace.kernel_magic.run_logging import record_prints

            record_prints()
        self._channel.send("begun")
        try:
            outcome = call(run, body)
            if run.flow.futures:
                from headrace.kernel_magic.futures import settle_all

                settle_all(run.flow, outcome)
        except BaseException as error:
            outcome = raised(error)
        finally:
            self._run = None
        session().recorder.flush()
        forget(run)
        return pack_outcome(run, outcome)

    def _read(self) -> None:
        while True:
            message = self._channel.receive()
            if message is None:
                # The parent has closed the channel, or died: what runs here has nobody left to run for.
                self._work.put(None)
                if self._run is not None:
                    os._exit(1)
                return
            if message[0] == "run":
                self._work.put(message[1])
            elif message[0] == "answer":
                self._asked.pop(message[1]).put(message[2])
            elif message[0] == "cancel" and self._run is not None:
                CANCELS.asked = True
                self._run.cancel_reason = message[1]
                interrupt.interrupt(self._run)


def _refused(error: BaseException) -> tuple[str, bytes]:
    from headrace.core.errors import FailedRun, one_line
    from headrace.kernel_magic.engine.outcome import Kind
    from headrace.kernel_magic.engine.tracebacks import traceback_text
    from headrace.kernel_magic.pickling import dumps

    failure = FailedRun(
        f"The call could not be opened in the process that was to run it: {type(error).__name__}: {one_line(error)}."
    )
    return Kind.ERROR.value, dumps((None, failure, traceback_text(error)))


def main() -> None:
    """Entry point."""
    reader = os.fdopen(os.dup(0), "rb")
    writer = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    channel = Channel(reader, writer)
    sys.stdout = _Relayed("stdout", channel)
    Child(channel).main()


if __name__ == "__main__":
    main()
