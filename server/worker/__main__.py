"""`python -m headrace.server.worker`: the worker's process, with a scheduler in it, so that schedules fire with Lab closed."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.deployments import DEFAULT_POOL
from headrace.core.errors import HeadraceError, one_line
from headrace.core.settings import find_store, user_name
from headrace.server.worker.start import RENEW, take_lock

if TYPE_CHECKING:
    from headrace.core.runs import Run
    from headrace.store import Store

log = logging.getLogger("headrace.worker")


def main(arguments: list[str] | None = None) -> int:
    """Run a worker until it is told to stop or has nothing left to wait for.

    Parameters
    ----------
    arguments : list of str or None, default the command line's

    Returns
    -------
    int
        The exit code.
    """
    parser = argparse.ArgumentParser(prog="headrace worker", description="Claim due runs and give each a process.")
    parser.add_argument("--pool", default=DEFAULT_POOL)
    parser.add_argument("--limit", type=int, default=os.cpu_count() or 2, help="runs at once")
    parser.add_argument("--name", default="")
    parser.add_argument("--any-owner", action="store_true", help="take other people's runs of this pool too")
    parser.add_argument(
        "--auto", action="store_true", help="leave when another worker has the pool, or after idle time"
    )
    parser.add_argument("--pool-type", choices=("local", "dask"), default="local")
    parser.add_argument("--address", default="", help="with --pool-type dask: the cluster's scheduler")
    parser.add_argument(
        "--allow-insecure", action="store_true", help="the cluster may be another machine's, without TLS"
    )
    parser.add_argument("--idle-seconds", type=float, default=None)
    parser.add_argument("--wait-seconds", type=float, default=0, help="with --auto: the other one is about to leave")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        renewed = _run(options)
    except HeadraceError as error:
        print(f"headrace worker: {one_line(error)}", file=sys.stderr)
        return error.exit_code
    if renewed:
        # One more wish for the same must not end it before it listens again.
        signal.signal(RENEW, signal.SIG_IGN)
        words = sys.argv[1:] if arguments is None else arguments
        os.execv(sys.executable, [sys.executable, "-m", "headrace.server.worker", *words])  # noqa: S606 - itself
    return 0


def _run(options: argparse.Namespace) -> bool:
    """Work; return whether to begin anew with the code that is there now."""
    place = find_store()
    lock = take_lock(place, options.pool) if options.auto else None
    deadline = SYSTEM_CLOCK.monotonic() + options.wait_seconds
    while options.auto and lock is None:
        if SYSTEM_CLOCK.monotonic() >= deadline:
            return False
        SYSTEM_CLOCK.sleep(0.2)
        lock = take_lock(place, options.pool)
    from headrace.server.notices.notifier import Notifier
    from headrace.server.scheduler import Scheduler
    from headrace.server.worker import command
    from headrace.server.worker.worker import IDLE_SECONDS, Worker
    from headrace.store import get_store, liveness

    store = get_store()
    idle = options.idle_seconds if options.idle_seconds is not None else (IDLE_SECONDS if options.auto else None)
    build: Callable[[Store, Run], command.Command] = command.build
    if options.pool_type == "dask":
        from headrace.server.worker.dask import builder

        build = builder(options.address, store, allow_insecure=options.allow_insecure)
        store.workers.set_pool(options.pool, type="dask", details={"address": options.address})
    worker = Worker(
        store,
        build=build,
        pool=options.pool,
        owner=user_name(),
        limit=max(1, options.limit),
        any_owner=options.any_owner,
        name=options.name,
        idle_seconds=idle,
    )

    renewing = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        if number == RENEW and number != signal.SIGTERM:
            renewing.set()
        worker.drain()

    for number in (signal.SIGTERM, signal.SIGINT, RENEW):
        signal.signal(number, on_signal)
    scheduler = Scheduler(store)
    thread = threading.Thread(target=scheduler.run, name="headrace-scheduler", daemon=True)
    thread.start()
    notifier = Notifier(store)
    notifying = threading.Thread(target=notifier.run, name="headrace-notices", daemon=True)
    notifying.start()
    log.info("worker of pool %s begins (store %s)", options.pool, place.data_dir)
    try:
        worker.run()
    finally:
        scheduler.stop()
        notifier.stop()
        thread.join(timeout=5)
        notifying.join(timeout=12)
        store.close()
        liveness.release()
        if lock is not None:
            lock.close()
    log.info("worker of pool %s ends; %d runs go on without it", options.pool, len(worker.children))
    return renewing.is_set()


if __name__ == "__main__":
    sys.exit(main())
