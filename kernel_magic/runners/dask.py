"""Dask: bodies run on a `distributed` cluster, decisions and records stay with the submitter.

States, logs and the runs that a body begins travel over the cluster's own event
topics; nothing on the cluster opens the store. A worker that is lost ends the
attempt as CRASHED: Dask's own re-runs are kept from running a body twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from headrace.core.errors import InvalidOption, MissingDependency, one_line
from headrace.core.ids import new_id
from headrace.core.states import StateType
from headrace.kernel_magic.engine import common
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Outcome, crashed, raised, timed_out
from headrace.kernel_magic.engine.timers import timers
from headrace.kernel_magic.runners.job import Job
from headrace.kernel_magic.runners.pool import shared_pool
from headrace.kernel_magic.runners.relay import Gate
from headrace.kernel_magic.runners.wire import pack_call, unpack_outcome

#: A cluster has so long to take a connection, seconds.
CONNECT_SECONDS = 60.0


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
        An existing cluster's scheduler, e.g. "tcp://10.0.0.5:8786".
    cluster_class : class, callable or str or None, default a cluster of processes on this machine
        Makes a cluster for the flow run; it is closed afterwards. A text is its import path.
    cluster_kwargs : mapping or None
    adapt_kwargs : mapping or None
        For `cluster.adapt(…)`.
    client_kwargs : mapping or None
    n_workers : int or None
        Shorthand for `cluster_kwargs={"n_workers": …}`.
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
    ) -> None:
        if address is not None and (cluster_class is not None or cluster_kwargs or adapt_kwargs or n_workers):
            raise InvalidOption(
                "Give DaskTaskRunner an address, or what a cluster is made with; not both.", field="address"
            )
        if n_workers is not None and (isinstance(n_workers, bool) or not isinstance(n_workers, int) or n_workers < 1):
            raise InvalidOption(f"n_workers must be a whole number, 1 or more; it is {n_workers!r}.", field="n_workers")
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


class DaskRunner:
    """A client of a cluster, for one flow run.

    Parameters
    ----------
    asked : DaskTaskRunner
    """

    def __init__(self, asked: DaskTaskRunner) -> None:
        self._asked = asked
        self._lock = threading.Lock()
        self._client: Any = None
        self._cluster: Any = None
        self._gate: Gate | None = None
        self._calls: dict[str, _Call] = {}
        self._topic = f"headrace-{new_id()}"
        self._checks_in = False

    # ---------------------------------------------------------------- the cluster

    def _connect(self, run: LiveRun) -> Any:
        with self._lock:
            if self._client is None:
                distributed = _distributed()
                target: Any = self._asked.address
                if target is None:
                    target = self._cluster = self._make_cluster(distributed)
                client = distributed.Client(
                    target, **{"timeout": CONNECT_SECONDS, "set_as_default": False, **self._asked.client_kwargs}
                )
                self._gate = Gate(run.session.recorder)
                client.subscribe_topic(self._topic, self._hear)
                self._checks_in = self._reruns(client)
                self._client = client
        return self._client

    def _make_cluster(self, distributed: Any) -> Any:
        import dask

        kind = self._asked.cluster_class
        if isinstance(kind, str):
            from importlib import import_module

            module, _, name = kind.replace(":", ".").rpartition(".")
            kind = getattr(import_module(module), name)
        kwargs = dict(self._asked.cluster_kwargs)
        with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
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

    def _hear(self, event: tuple[Any, Any]) -> None:
        """Take in what a worker said: that a body began, or what it recorded."""
        kind, text = event[1]
        if kind == "records":
            assert self._gate is not None
            self._gate.take_in(text)
        elif kind == "begun":
            found = self._calls.get(text)
            if found is not None:
                found.begun()

    # ---------------------------------------------------------------- jobs

    def start(self, job: Job) -> None:
        """Run a job on the cluster; nothing here waits in a thread for it."""
        shared_pool().do(lambda: job.context.run(self._run, job))

    def _run(self, job: Job) -> None:
        if job.take():
            job.run(self._park(job), self._caller(job), self._begin)

    def _go_on(self, job: Job, answer: Any) -> None:
        shared_pool().do(
            lambda: job.context.copy().run(job.go_on, answer, self._park(job), self._caller(job), self._begin)
        )

    def _park(self, job: Job) -> Callable[[float], None]:
        return lambda seconds: timers().add(seconds, job.run_, lambda answer: self._go_on(job, answer))

    def _begin(self, run: LiveRun, attempt: int) -> None:
        """Record that the attempt waits for a worker: it runs when one has begun."""
        run.attempt = attempt
        run.move(StateType.PENDING, "Submitted", "waits for a worker of the cluster")

    def _caller(self, job: Job) -> Callable[[LiveRun, Callable[[], Any]], Outcome | None]:
        def call_there(run: LiveRun, body: Callable[[], Any]) -> Outcome | None:
            try:
                data = pack_call(run, body)
                client = self._connect(run)
            except Exception as error:
                return raised(error)
            call = _Call(self, run, lambda outcome: self._go_on(job, outcome))
            self._calls[call.token] = call
            return call.submit(client, data)

        return call_there

    def close(self) -> None:
        """Leave the cluster; one that was made for this flow run is closed."""
        with self._lock:
            client, self._client = self._client, None
            cluster, self._cluster = self._cluster, None
        if client is not None:
            client.close()
        if cluster is not None:
            cluster.close()


class _Call:
    """One body on the cluster.

    Parameters
    ----------
    runner : DaskRunner
    run : LiveRun
    go_on : callable(Outcome)
    """

    def __init__(self, runner: DaskRunner, run: LiveRun, go_on: Callable[[Outcome], None]) -> None:
        self.token = f"{run.id}-{run.attempt}"
        self._runner = runner
        self._run = run
        self._go_on = go_on
        self._lock = threading.Lock()
        self._over = False
        self._begun = False
        self._future: Any = None
        self._queue: Any = None

    def submit(self, client: Any, data: bytes) -> Outcome | None:
        """Hand the body to the scheduler; None: its outcome comes later."""
        runner, run = self._runner, self._run
        try:
            if runner._checks_in:
                self._queue = _distributed().Queue(self.token, client=client)
                self._queue.put(1)
            run.handle = self
            self._future = client.submit(
                run_on_worker,
                data,
                runner._topic,
                self.token,
                run.session.owner_id,
                self._queue is not None,
                key=f"{run.definition.name}-{self.token}",
                pure=False,
                retries=0,
                priority=0,
            )
        except Exception as error:
            run.handle = None
            return crashed(f"the cluster could not take {run.kind} run {run.name!r}: {one_line(error)}")
        self._future.add_done_callback(self._done)
        return None

    def begun(self) -> None:
        """Record that the body runs; its limit counts from now."""
        with self._lock:
            if self._begun or self._over:
                return
            self._begun = True
            common.begin(self._run, self._run.attempt)
        limit = self._run.options.timeout_seconds
        if limit is not None:
            timers().add(limit, self._run, self._on_limit)

    def _on_limit(self, answer: Any) -> None:
        if answer is None and not self._over:
            limit = self._run.options.timeout_seconds or 0.0
            self._stop("the time limit has passed")
            self._end(timed_out(f"{self._run.kind} run {self._run.name!r}", limit))

    def _done(self, future: Any) -> None:
        """Take the outcome; called in a thread of Dask's."""
        try:
            outcome = unpack_outcome(*future.result())
        except BaseException as error:
            outcome = self._failed(error)
        self._end(outcome)

    def _failed(self, error: BaseException) -> Outcome:
        run = self._run
        if run.cancelled_above():
            from headrace.core.errors import CancelSignal

            return raised(CancelSignal(run.reason_above()))
        why = f"{type(error).__name__}: {one_line(error).partition('. ')[0]}"
        return crashed(f"the worker that ran {run.kind} run {run.name!r} was lost ({why})")

    def _end(self, outcome: Outcome) -> None:
        with self._lock:
            if self._over:
                return
            self._over = True
            if not self._begun:
                self._run.begin(self._run.attempt)
        self._run.handle = None
        self._runner._calls.pop(self.token, None)
        if outcome.kind.value == "crash" and self._runner._gate is not None:
            self._runner._gate.crash(str(outcome.error), below=self._run.id)
        if self._queue is not None:
            self._queue.close()
        self._go_on(outcome)

    def _stop(self, reason: str) -> None:
        client = self._runner._client
        if client is None or self._future is None:
            return
        if not self._begun:
            self._future.cancel()
            return
        from headrace.kernel_magic.runners.there import interrupt_there

        try:
            client.run(interrupt_there, self._run.id, reason)
        except Exception:  # the cluster is gone: the call ends by that
            return

    def interrupt(self, run: LiveRun, reason: str) -> None:
        """Interrupt the body on its worker, or take the call back before it has begun."""
        threading.Thread(target=self._stop, args=(reason,), daemon=True).start()


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
    here = there.channel(topic, lambda text: worker.log_event(topic, ["records", text]), owner_id)
    return there.do(data, here, lambda: worker.log_event(topic, ["begun", token]))
