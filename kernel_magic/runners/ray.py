"""Ray: bodies run on a Ray cluster, decisions and records stay with the submitter.

What workers say travels through one small actor of the flow run, the mailbox,
which the submitter empties. Ray's own retries are off: an attempt is one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.addresses import check_cluster
from headrace.core.errors import InvalidOption, MissingDependency
from headrace.core.ids import new_id
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.runners.cluster import ClusterRunner, RemoteCall
from headrace.kernel_magic.runners.relay import Gate

#: How long the mailbox keeps a question open when it has nothing, seconds.
OPEN_SECONDS = 5.0
#: A body that was asked to end has so long to clean up before its process is killed, seconds.
CLEAN_UP_SECONDS = 1.5
#: How often a cluster on this machine is begun: Ray itself gives up after 30 s, which a busy machine may need longer.
START_TRIES = 3


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependency(
            'RayTaskRunner needs ray, which is not installed. Bring it with: pip install "headrace[ray]"'
        ) from error
    return ray


class RayTaskRunner:
    """Run submitted tasks on a Ray cluster.

    Parameters
    ----------
    address : str or None
        An existing cluster ("auto" or its address); None starts one on this machine, or uses the one that this
        process is connected to already.
    init_kwargs : mapping or None
        For `ray.init(…)`.
    task_options : mapping or None
        For `.options(…)` of each remote call, e.g. `{"num_cpus": 0.5}`.
    allow_insecure : bool, default False
        Join a cluster on another machine without Ray's TLS (RAY_USE_TLS=1): the network is trusted.

    Raises
    ------
    UsageError
        The address is on another machine, without TLS.
    """

    def __init__(
        self,
        address: str | None = None,
        init_kwargs: Mapping[str, Any] | None = None,
        task_options: Mapping[str, Any] | None = None,
        *,
        allow_insecure: bool = False,
    ) -> None:
        if address is not None and not isinstance(address, str):
            raise InvalidOption(f"address must be text; it is {address!r}.", field="address")
        check_cluster(address, allow_insecure=allow_insecure, is_encrypted=os.environ.get("RAY_USE_TLS") == "1")
        self.address = address
        self.init_kwargs = dict(init_kwargs or {})
        self.task_options = dict(task_options or {})

    def open(self) -> RayRunner:
        """Return what a flow run submits to; Ray is started or joined with the first task."""
        _ray()
        return RayRunner(self)

    def __repr__(self) -> str:
        return f"RayTaskRunner({self.address or 'local'!r})"


class RayRunner(ClusterRunner):
    """A flow run's way to Ray.

    Parameters
    ----------
    asked : RayTaskRunner
    """

    def __init__(self, asked: RayTaskRunner) -> None:
        super().__init__()
        self._asked = asked
        self._ray: Any = None
        self._mailbox: Any = None
        self._remote: Any = None
        self._started = False
        self._open = False
        self._listener: threading.Thread | None = None

    def connect(self, run: LiveRun) -> None:
        """Start or join Ray, once."""
        if self._ray is not None:
            return
        ray = _ray()
        if not ray.is_initialized():
            self._init(ray)
            self._started = True
        self._mailbox = ray.remote(num_cpus=0, max_concurrency=1000)(Mailbox).remote()
        self._remote = ray.remote(run_on_worker)
        self.gate = Gate(run.session)
        self._ray, self._open = ray, True
        self._listener = threading.Thread(target=self._listen, name="headrace-ray", daemon=True)
        self._listener._headrace_run = None  # type: ignore[attr-defined]
        self._listener.start()

    def _init(self, ray: Any) -> None:
        settings = {"include_dashboard": False, "log_to_driver": True, "logging_level": 40, **self._asked.init_kwargs}
        tries = START_TRIES if self._asked.address is None else 1
        while True:
            tries -= 1
            try:
                ray.init(address=self._asked.address, **settings)
                return
            except Exception:
                ray.shutdown()  # what has begun to start
                if not tries:
                    raise

    def _listen(self) -> None:
        while True:
            try:
                messages = self._ray.get(self._mailbox.take.remote(OPEN_SECONDS if self._open else 0.0))
            except Exception:  # Ray is gone: the calls end by that
                return
            for kind, text in messages:
                self.hear(kind, text)
            if not messages and not self._open:
                return

    def hand_over(self, call: RemoteCall, data: bytes) -> None:
        """Give a packed body to Ray."""
        options = {"max_retries": 0, "name": call.run.name, **self._asked.task_options}
        call.future = self._remote.options(**options).remote(data, self._mailbox, call.token, call.run.session.owner_id)
        call.future.future().add_done_callback(call.came)

    def answer(self, gate: Gate, asked: Any) -> None:
        """Leave the answer to a worker's question in the mailbox."""
        number, question = asked
        self._ray.get(self._mailbox.put_answer.remote(number, gate.answer(question)))

    def stop(self, call: RemoteCall, reason: str) -> None:
        """Interrupt a body, and kill its process if that does not end it."""
        if call.future is None:
            return
        try:
            self._ray.cancel(call.future, force=False)
            done, _ = self._ray.wait([call.future], timeout=CLEAN_UP_SECONDS)
            if not done:
                self._ray.cancel(call.future, force=True)
        except Exception:  # Ray is gone: the call ends by that
            return

    def close(self) -> None:
        """Take in what the workers still had to say; stop Ray where it was started for this flow run."""
        ray = self._ray
        if ray is None:
            return
        self._open = False
        self._mailbox.wake.remote()
        if self._listener is not None:
            self._listener.join(10.0)
        ray.kill(self._mailbox)
        if self._started:
            ray.shutdown()
        self._ray = None


class Mailbox:
    """Keeps what workers say until the submitter takes it (an actor)."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._messages: list[tuple[str, Any]] = []
        self._answers: dict[str, bytes] = {}
        self._woken = False

    def put(self, kind: str, text: Any) -> None:
        """Leave a message."""
        with self._lock:
            self._messages.append((kind, text))
            self._lock.notify_all()

    def put_answer(self, number: str, answer: bytes) -> None:
        """Leave the answer to a question."""
        with self._lock:
            self._answers[number] = answer
            self._lock.notify_all()

    def take_answer(self, number: str, seconds: float) -> bytes | None:
        """Wait for the answer to a question, at most `seconds`."""
        with self._lock:
            self._lock.wait_for(lambda: number in self._answers, seconds)
            return self._answers.pop(number, None)

    def wake(self) -> None:
        """Answer an open question at once."""
        with self._lock:
            self._woken = True
            self._lock.notify_all()

    def take(self, seconds: float) -> list[tuple[str, Any]]:
        """Take all messages; wait for the first one at most `seconds`."""
        deadline = time.monotonic() + seconds
        with self._lock:
            while not self._messages and not self._woken:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._lock.wait(left)
            messages, self._messages = self._messages, []
            return messages


def run_on_worker(data: bytes, mailbox: Any, token: str, owner_id: str) -> tuple[str, bytes]:
    """Run a body on a worker (called by Ray)."""
    import ray

    from headrace.kernel_magic.runners import there

    def tell(kind: str) -> Callable[[str], None]:
        # Waited for: what was said before a body's end is in the mailbox when its outcome arrives.
        return lambda text: ray.get(mailbox.put.remote(kind, text))

    def ask(question: bytes) -> bytes:
        number = new_id()
        ray.get(mailbox.put.remote("asks", (number, question)))
        answer: bytes | None = ray.get(mailbox.take_answer.remote(number, there.ANSWER_SECONDS))
        if answer is None:
            raise there.unanswered()
        return answer

    here = there.channel(mailbox._actor_id.hex(), tell("records"), ask, owner_id)
    return there.do(data, here, lambda: tell("begun")(token))
