"""Dask: bodies run on a `distributed` cluster, decisions and records stay with the submitter.

States, logs and the runs that a body begins travel over the cluster's own event
topics; nothing on the cluster opens the store. A worker that is lost ends the
attempt as CRASHED: Dask's own re-runs are kept from running a body twice.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from headrace.core.addresses import check_cluster
from headrace.core.errors import InvalidOption, MissingDependency
from headrace.core.ids import new_id
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.runners.cluster import ClusterRunner, RemoteCall
from headrace.kernel_magic.runners.relay import Gate

#: A cluster has so long to take a connection, seconds.
CONNECT_SECONDS = 60.0
#: A worker of a cluster that we start is lost when nothing was heard of it for so long, seconds (reliability.md, F-39).
FROZEN_SECONDS = 45.0


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MissingDependency(
            'DaskTaskRunner needs distributed, which is not installed. Bring it with: pip install "headrace[dask]"'
        ) from error
    return distributed


class DaskTaskRunner:
    """Run submitted tasks on a Dask cluster.

    Parameters
    ----------
    address : str or None
        An existing cluster's scheduler, e.g. "tls://10.0.0.5:8786".
    cluster_class : class, callable or str or None, default a cluster of processes on this machine
        Makes a cluster for the flow run; it is closed afterwards. A text is its import path.
    cluster_kwargs : mapping or None
    adapt_kwargs : mapping or None
        For `cluster.adapt(…)`.
    client_kwargs : mapping or None
    n_workers : int or None
        Shorthand for `cluster_kwargs={"n_workers": …}`.
    allow_insecure : bool, default False
        Join a cluster on another machine that is reached without TLS: the network is trusted.

    Raises
    ------
    UsageError
        The address is on another machine, without TLS.
    """

    def __init__(
        self,
        address: str | None = None,
        cluster_class: Any = None,
        cluster_kwargs: Mapping[str, Any] | None = None,
        adapt_kwargs: Mapping[str, Any] | None = None,
        client_kwargs: Mapping[str, Any] | None = None,
        *,
        n_workers: int | None = None,
        allow_insecure: bool = False,
    ) -> None:
        if address is not None and (cluster_class is not None or cluster_kwargs or adapt_kwargs or n_workers):
            raise InvalidOption(
                "Give DaskTaskRunner an address, or what a cluster is made with; not both.", field="address"
            )
        if n_workers is not None and (isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1):
            raise InvalidOption(f"n_workers must be a whole number, 1 or more; it is {n_workers!r}.", field="n_workers")
        check_cluster(address, allow_insecure=allow_insecure)
        self.address = address
        self.cluster_class = cluster_class
        self.cluster_kwargs = {**(cluster_kwargs or {}), **({} if n_workers is None else {"n_workers": n_workers})}
        self.adapt_kwargs = dict(adapt_kwargs or {})
        self.client_kwargs = dict(client_kwargs or {})

    def open(self) -> DaskRunner:
        """Return what a flow run submits to; the cluster is started or joined with the first task."""
        _distributed()
        return DaskRunner(self)

    def __repr__(self) -> str:
        return f"DaskTaskRunner({self.address or self.cluster_class or 'local'!r})"


class DaskRunner(ClusterRunner):
    """A client of a cluster, for one flow run.

    Parameters
    ----------
    asked : DaskTaskRunner
    """

    def __init__(self, asked: DaskTaskRunner) -> None:
        super().__init__()
        self._asked = asked
        self._client: Any = None
        self._cluster: Any = None
        self._topic = f"headrace-{new_id()}"
        self._checks_in = False

    def connect(self, run: LiveRun) -> None:
        """Start or join the cluster, once."""
        if self._client is not None:
            return
        distributed = _distributed()
        target: Any = self._asked.address
        if target is None:
            target = self._cluster = self._cluster or self._make_cluster(distributed)
        client = distributed.Client(
            target, **{"timeout": CONNECT_SECONDS, "set_as_default": False, **self._asked.client_kwargs}
        )
        self.gate = Gate(run.session)
        client.subscribe_topic(self._topic, lambda event: self.hear(*event[1]))
        self._checks_in = self._reruns(client)
        self._client = client

    def _make_cluster(self, distributed: Any) -> Any:
        import dask

        kind = self._asked.cluster_class
        if isinstance(kind, str):
            from importlib import import_module

            module, _, name = kind.replace(":", ".").rpartition(".")
            kind = getattr(import_module(module), name)
        kwargs = dict(self._asked.cluster_kwargs)
        ttl = f"{FROZEN_SECONDS:g}s"
        settings = {"distributed.scheduler.allowed-failures": 0, "distributed.scheduler.worker-ttl": ttl}
        with dask.config.set(settings), _variable("DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL", ttl):
            if kind is None:
                # Subprocesses, not LocalCluster: multiprocessing would import a script's `__main__` again.
                from distributed.deploy.subprocess import SubprocessCluster

                kwargs.setdefault("dashboard_address", None)
                kwargs.setdefault("host", "127.0.0.1")
                kwargs.setdefault("scheduler_kwargs", {"allowed_failures": 0})
                kind = SubprocessCluster
            cluster = kind(**kwargs)
        if self._asked.adapt_kwargs:
            cluster.adapt(**self._asked.adapt_kwargs)
        return cluster

    def _reruns(self, client: Any) -> bool:
        """Return whether the scheduler would run a lost worker's task again by itself."""
        try:
            return bool(client.run_on_scheduler(_allowed_failures))
        except Exception:
            return True

    def hand_over(self, call: RemoteCall, data: bytes) -> None:
        """Give a packed body to the scheduler."""
        if self._checks_in:
            call.extra = _distributed().Queue(call.token, client=self._client)
            call.extra.put(1)
        call.future = self._client.submit(
            run_on_worker,
            data,
            self._topic,
            call.token,
            call.run.session.owner_id,
            call.extra is not None,
            key=f"{call.run.definition.name}-{call.token}",
            pure=False,
            retries=0,
        )
        call.future.add_done_callback(call.came)

    def answer(self, gate: Gate, asked: Any) -> None:
        """Fetch a worker's question, and bring the answer: the scheduler keeps what it passes on, but not these."""
        number, address = asked
        question = self._client.run(_question, number, workers=[address])[address]
        self._client.run(_answered, number, gate.answer(question), workers=[address])

    def ended(self, call: RemoteCall) -> None:
        """Forget a call whose outcome has come."""
        super().ended(call)
        if call.extra is not None:
            call.extra.close()

    def stop(self, call: RemoteCall, reason: str) -> None:
        """Interrupt a body on its worker, or take it back before it has begun."""
        if call.future is None or self._client is None:
            return
        if not call.is_begun:
            call.future.cancel()
            return
        from headrace.kernel_magic.runners.there import interrupt_there

        try:
            self._client.run(interrupt_there, call.run.id, reason)
        except Exception:  # the cluster is gone: the call ends by that
            return

    def close(self) -> None:
        """Leave the cluster; one that was made for this flow run is closed."""
        with self._lock:
            client, self._client = self._client, None
            cluster, self._cluster = self._cluster, None
        if client is not None:
            client.close()
        if cluster is not None:
            cluster.close()


class _Asked:
    """A question of this worker's that waits for its answer."""

    def __init__(self, question: bytes) -> None:
        self.question = question
        self.answer = b""
        self.answered = threading.Event()


_asked: dict[str, _Asked] = {}


def _question(number: str) -> bytes:
    return _asked[number].question


def _answered(number: str, answer: bytes) -> None:
    asked = _asked.pop(number)
    asked.answer = answer
    asked.answered.set()


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the processes that are started meanwhile, where the person has not set it."""
    before = os.environ.get(name)
    os.environ.setdefault(name, value)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)


def _allowed_failures(dask_scheduler: Any = None) -> int:
    return int(dask_scheduler.allowed_failures)


def run_on_worker(data: bytes, topic: str, token: str, owner_id: str, checks_in: bool) -> tuple[str, bytes]:
    """Run a body on a worker of the cluster (called by Dask)."""
    from distributed import Queue, get_worker

    from headrace.kernel_magic.runners import there

    if checks_in:
        try:
            Queue(token).get(timeout=5)
        except Exception:
            return there.lost(token)
    worker = get_worker()

    def ask(question: bytes) -> bytes:
        number = new_id()
        asked = _asked[number] = _Asked(question)
        worker.log_event(topic, ["asks", [number, worker.address]])
        if not asked.answered.wait(there.ANSWER_SECONDS):
            raise there.unanswered()
        return asked.answer

    here = there.channel(topic, lambda text: worker.log_event(topic, ["records", text]), ask, owner_id)
    return there.do(data, here, lambda: worker.log_event(topic, ["begun", token]))
