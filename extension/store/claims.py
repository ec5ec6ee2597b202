"""How due runs get an owner, and how attempts end whose owner is gone.

A claim is a lease: `lease_owner` (the worker) until `lease_until` by the
database's clock. The run's process then takes the run over itself: it moves
PENDING → RUNNING of its own attempt by compare-and-set, so that of two
processes started for one attempt only one ever runs user code. SCHEDULED runs
are claimable only while nobody owns them: a flow that waits for its own retry
keeps its `owner_id`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch, Change
from headrace.core.runs import Run
from headrace.core.states import TERMINAL, StateType
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import dumps, row_run
from headrace.store.writing import write_batch

#: A lease that its worker has not renewed for so long may be taken by another host's worker, seconds.
LEASE_SECONDS = 45.0
_OWNED = ("PENDING", "RUNNING", "PAUSED", "CANCELLING")
_TERMINAL = tuple(s.value for s in TERMINAL)
AWAITING_RETRY = "AwaitingRetry"
#: Triggers of runs that nobody asked for by hand.
_BY_ITSELF = ("schedule", "backfill")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How an attempt ended that could not say so itself.

    Parameters
    ----------
    reason : str
        One line for the state's message.
    state_type, state_name : str
        What the run becomes when no retry is left (or when it was being cancelled: CANCELLED).
    error : mapping or None
        `{type, message, traceback}`.
    retry : bool, default True
        Whether the attempt may be followed by another one.
    """

    reason: str
    state_type: str = "CRASHED"
    state_name: str = "Crashed"
    error: Mapping[str, Any] | None = None
    retry: bool = True


class _Limits(NamedTuple):
    """What keeps runs of one deployment apart: the most at once, how many are on, and whom it does not concern."""

    most: dict[str, int]
    on: dict[str, int]
    only_scheduled: set[str]


class Claims:
    """The store's verbs for workers that claim and end runs.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def claim(
        self,
        worker: str,
        *,
        pools: Sequence[str],
        owner: str | None,
        limit: int,
        host: str,
        lease_seconds: float = LEASE_SECONDS,
    ) -> list[Run]:
        """Take due runs: each goes to exactly one worker.

        Parameters
        ----------
        worker : str
            The claiming process's owner id.
        pools : sequence of str
        owner : str or None
            Only this person's runs; None when the worker was configured for the pools by name.
        limit : int
            How many at most.
        host : str
        lease_seconds : float, default 45

        Returns
        -------
        list of Run
            PENDING now, highest priority first.
        """
        if limit <= 0:
            return []
        with self._db.write(durable=True) as connection:
            now = self._db.now_us(connection)
            picked = self._pick(connection, now, pools, owner, limit)
            if not picked:
                return []
            batch = Batch()
            for run in picked:
                attempt = run.attempt + 1 if run.state_name == AWAITING_RETRY else run.attempt
                patch = {
                    "lease_owner": worker,
                    "lease_until": now + int(lease_seconds * 1_000_000),
                    "owner_id": worker,
                    "host": host,
                    "heartbeat_at": now,
                    "pid": None,
                }
                batch.changes.append(Change(run.id, run.root_id, attempt, "PENDING", "Submitted", "", now, patch))
            write_batch(self._db, connection, batch)
            rows = connection.execute(sa.select(t.runs).where(t.runs.c.id.in_([r.id for r in picked])))
            claimed = {row.id: row_run(row) for row in rows}
        return [claimed[run.id] for run in picked]

    def _pick(self, connection: Connection, now: int, pools: Sequence[str], owner: str | None, limit: int) -> list[Run]:
        room = self._room(connection, pools)
        open_pools = [name for name in pools if room.get(name, 1) > 0]
        if not open_pools:
            return []
        limits = self._limited(connection)
        limited, active, unhurried = limits.most, limits.on, limits.only_scheduled
        full = {i for i, most in limited.items() if active.get(i, 0) >= most}
        picked: list[Run] = []
        c = t.runs.c
        while len(picked) < limit:
            query = sa.select(t.runs).where(
                c.state_type == "SCHEDULED",
                c.parent_id.is_(None),
                c.pool.in_(open_pools),
                c.scheduled_at <= now,
                c.owner_id.is_(None),
            )
            if owner is not None:
                query = query.where(c.owner == owner)
            if full:
                by_hand = sa.and_(c.deployment_id.in_(sorted(unhurried)), c.trigger.not_in(_BY_ITSELF))
                query = query.where(sa.or_(c.deployment_id.is_(None), c.deployment_id.not_in(sorted(full)), by_hand))
            if picked:
                query = query.where(c.id.not_in([r.id for r in picked]))
            query = query.order_by(c.priority.desc(), c.scheduled_at, c.id).limit(limit - len(picked))
            if self._db.dialect != "sqlite":
                query = query.with_for_update(skip_locked=True)
            rows = connection.execute(query).all()
            for run in map(row_run, rows):
                waits = run.deployment_id in full and (run.deployment_id not in unhurried or run.trigger in _BY_ITSELF)
                if waits or room.get(run.pool or "", 1) <= 0:
                    continue
                picked.append(run)
                if run.pool in room:
                    room[run.pool] -= 1
                    if room[run.pool] <= 0:
                        open_pools.remove(run.pool)
                if run.deployment_id in limited:
                    active[run.deployment_id] = active.get(run.deployment_id, 0) + 1
                    if active[run.deployment_id] >= limited[run.deployment_id]:
                        full.add(run.deployment_id)
            if not rows or not open_pools:
                break
        return picked

    def _room(self, connection: Connection, pools: Sequence[str]) -> dict[str, int]:
        """Return how many more runs each limited or paused pool may have on."""
        found: dict[str, int] = {}
        for row in connection.execute(sa.select(t.pools).where(t.pools.c.name.in_(pools))):
            if row.paused:
                found[row.name] = 0
            elif row.run_limit is not None:
                c = t.runs.c
                on = sa.select(sa.func.count()).where(
                    c.state_type.in_(_OWNED), c.parent_id.is_(None), c.pool == row.name
                )
                found[row.name] = int(row.run_limit) - int(connection.execute(on).scalar() or 0)
        return found

    def _limited(self, connection: Connection) -> _Limits:
        """Return which deployments may have only so many runs on at once, and how many are on."""
        d, c = t.deployments.c, t.runs.c
        query = sa.select(d.id, d.concurrency_limit, d.overlap).where(
            sa.or_(d.concurrency_limit.is_not(None), d.overlap != "allow")
        )
        waiting = sa.select(c.deployment_id).where(
            c.state_type == "SCHEDULED", c.parent_id.is_(None), c.owner_id.is_(None), c.deployment_id.is_not(None)
        )
        rows = connection.execute(query.where(d.id.in_(waiting))).all()
        limits = _Limits({}, {}, set())
        for row in rows:
            limits.most[row.id] = int(row.concurrency_limit or 1)
            # "skip" keeps scheduled runs apart from each other; a person who asks for one now gets it now.
            if row.overlap == "skip" and row.concurrency_limit is None:
                limits.only_scheduled.add(row.id)
        if limits.most:
            on = (
                sa.select(c.deployment_id, sa.func.count())
                .where(c.state_type.in_(_OWNED), c.parent_id.is_(None), c.deployment_id.is_not(None))
                .group_by(c.deployment_id)
            )
            limits.on.update({row[0]: int(row[1]) for row in connection.execute(on)})
        return limits

    def next_due(self, *, pools: Sequence[str], owner: str | None) -> int | None:
        """Return when the next unclaimed run of these pools is due, µs; None when there is none."""
        c = t.runs.c
        query = sa.select(sa.func.min(c.scheduled_at)).where(
            c.state_type == "SCHEDULED", c.parent_id.is_(None), c.pool.in_(pools), c.owner_id.is_(None)
        )
        if owner is not None:
            query = query.where(c.owner == owner)
        with self._db.read() as connection:
            value = connection.execute(query).scalar()
        return None if value is None else int(value)

    def due_pools(self, *, owner: str) -> list[str]:
        """Return the pools in which this person has runs that wait for a worker (due or not)."""
        c = t.runs.c
        query = (
            sa.select(c.pool)
            .where(
                c.state_type == "SCHEDULED",
                c.parent_id.is_(None),
                c.pool.is_not(None),
                c.owner_id.is_(None),
                c.owner == owner,
            )
            .distinct()
        )
        with self._db.read() as connection:
            return sorted(row.pool for row in connection.execute(query))

    def started(self, run_id: str, *, worker: str, pid: int) -> None:
        """Note the process that was started for a claimed run."""
        with self._db.write() as connection:
            connection.execute(
                sa.update(t.runs)
                .where(t.runs.c.id == run_id, t.runs.c.lease_owner == worker, t.runs.c.state_type.not_in(_TERMINAL))
                .values(pid=pid)
            )

    def renew(self, worker: str, *, lease_seconds: float = LEASE_SECONDS) -> None:
        """Renew the lease of everything that a worker holds: its heartbeat."""
        c = t.runs.c
        with self._db.write() as connection:
            now = self._db.now_us(connection)
            connection.execute(
                sa.update(t.runs)
                .where(c.lease_owner == worker, c.state_type.in_((*_OWNED, "SCHEDULED")), c.parent_id.is_(None))
                .values(lease_until=now + int(lease_seconds * 1_000_000), heartbeat_at=now)
            )

    def owned(self) -> list[Run]:
        """Return every unfinished run that a process owns or a worker holds, of any kind."""
        c = t.runs.c
        with self._db.read() as connection:
            query = sa.select(t.runs).where(c.state_type.in_(_OWNED), c.owner_id.is_not(None))
            return [row_run(row) for row in connection.execute(query)]

    def owners(self) -> dict[str, int]:
        """Return the owner ids of unfinished runs with their latest heartbeat, µs (0: none)."""
        c = t.runs.c
        query = (
            sa.select(c.owner_id, sa.func.max(sa.func.coalesce(c.heartbeat_at, 0)))
            .where(c.state_type.in_(_OWNED), c.owner_id.is_not(None))
            .group_by(c.owner_id)
        )
        retrying = (
            sa.select(c.owner_id, sa.func.max(sa.func.coalesce(c.heartbeat_at, 0)))
            .where(c.state_type == "SCHEDULED", c.owner_id.is_not(None), c.parent_id.is_(None))
            .group_by(c.owner_id)
        )
        with self._db.read() as connection:
            rows = [*connection.execute(query), *connection.execute(retrying)]
        return {row[0]: int(row[1]) for row in rows}

    def of_owner(self, owner_id: str) -> list[Run]:
        """Return the unfinished runs of a process, roots first."""
        c = t.runs.c
        query = sa.select(t.runs).where(c.owner_id == owner_id, c.state_type.in_((*_OWNED, "SCHEDULED")))
        with self._db.read() as connection:
            return [row_run(row) for row in connection.execute(query.order_by(c.parent_id.is_not(None), c.id))]

    def held(self, worker: str) -> list[Run]:
        """Return the unfinished root runs whose lease a worker holds."""
        c = t.runs.c
        query = sa.select(t.runs).where(
            c.lease_owner == worker, c.parent_id.is_(None), c.state_type.in_((*_OWNED, "SCHEDULED"))
        )
        with self._db.read() as connection:
            return [row_run(row) for row in connection.execute(query)]

    def leased(self, *, pools: Sequence[str]) -> list[Run]:
        """Return the unfinished root runs of some pools that were claimed, whoever holds them."""
        c = t.runs.c
        query = sa.select(t.runs).where(
            c.state_type.in_(_OWNED), c.parent_id.is_(None), c.lease_owner.is_not(None), c.pool.in_(pools)
        )
        with self._db.read() as connection:
            return [row_run(row) for row in connection.execute(query)]

    def take_over(self, run: Run, *, worker: str, lease_seconds: float = LEASE_SECONDS) -> bool:
        """Take the lease of a run whose worker is gone and whose process lives; False if another worker was faster."""
        c = t.runs.c
        with self._db.write() as connection:
            now = self._db.now_us(connection)
            changed = connection.execute(
                sa.update(t.runs)
                .where(
                    c.id == run.id, c.lease_owner == run.lease_owner, c.attempt == run.attempt, c.state_type.in_(_OWNED)
                )
                .values(lease_owner=worker, lease_until=now + int(lease_seconds * 1_000_000), heartbeat_at=now)
            )
            return changed.rowcount == 1

    def requeue(self, run: Run, *, reason: str) -> bool:
        """Give a claimed run back that never started: nothing of the attempt is used up."""
        return self._move(run, "SCHEDULED", "Scheduled", reason, expected=("PENDING",))

    def release(self, run: Run) -> None:
        """Take the dead process's hands off a run that waits for its next attempt."""
        c = t.runs.c
        with self._db.write() as connection:
            changed = connection.execute(
                sa.update(t.runs)
                .where(c.id == run.id, c.attempt == run.attempt, c.state_type == "SCHEDULED")
                .values(owner_id=None, lease_owner=None, lease_until=None, pid=None)
            )
            if changed.rowcount:
                change = Change(
                    run.id, run.root_id, run.attempt, "", "", "", self._db.clock.now_us(), {}, "run.updated"
                )
                write_batch(self._db, connection, Batch(changes=[change]))

    def _move(self, run: Run, state_type: str, state_name: str, reason: str, *, expected: Iterable[str]) -> bool:
        c = t.runs.c
        with self._db.write(durable=True) as connection:
            query = sa.select(c.id).where(
                c.id == run.id, c.attempt == run.attempt, c.owner_id == run.owner_id, c.state_type.in_(list(expected))
            )
            if self._db.dialect != "sqlite":
                query = query.with_for_update()
            if connection.execute(query).first() is None:
                return False
            patch = {"owner_id": None, "lease_owner": None, "lease_until": None, "pid": None}
            now = self._db.clock.now_us()
            change = Change(run.id, run.root_id, run.attempt, state_type, state_name, reason, now, patch)
            return not write_batch(self._db, connection, Batch(changes=[change]))

    def end_attempt(self, run: Run, ending: Ending) -> Run | None:
        """End an attempt whose process is gone: retried if it may be, else final; with everything below it.

        Parameters
        ----------
        run : Run
            As it was read, with an owner: another attempt or another owner by now is left alone.
        ending : Ending

        Returns
        -------
        Run or None
            The run as it is now, None when somebody was faster.
        """
        c = t.runs.c
        with self._db.write(durable=True) as connection:
            query = sa.select(t.runs).where(
                c.id == run.id,
                c.attempt == run.attempt,
                c.state_type.in_((*_OWNED, "SCHEDULED")),
                c.owner_id == run.owner_id,
            )
            if self._db.dialect != "sqlite":
                query = query.with_for_update()
            row = connection.execute(query).first()
            if row is None:
                return None
            held, now, batch = row_run(row), self._db.clock.now_us(), Batch()
            batch.changes.append(_last(held, ending, now))
            self._end_below(connection, held, ending, now, batch)
            if write_batch(self._db, connection, batch):
                return None
            return row_run(connection.execute(sa.select(t.runs).where(c.id == run.id)).one())

    def _end_below(self, connection: Connection, run: Run, ending: Ending, now: int, batch: Batch) -> None:
        """End the unfinished runs below a run, except those that another process owns."""
        c = t.runs.c
        level = [run.id]
        while level:
            query = sa.select(c.id, c.root_id, c.attempt, c.owner_id, c.state_type, c.started_at).where(
                c.root_id == run.root_id, c.parent_id.in_(level)
            )
            rows = connection.execute(query).all()
            level = [row.id for row in rows]
            for row in rows:
                if row.state_type in _TERMINAL or row.owner_id not in (None, run.owner_id):
                    continue
                began = row.started_at is not None
                cancelled = run.state_type is StateType.CANCELLING or not began
                kind, name = ("CANCELLED", "Cancelled" if began else "NotRun") if cancelled else ("CRASHED", "Crashed")
                patch: dict[str, Any] = {"ended_at": now} if began else {}
                batch.changes.append(Change(row.id, row.root_id, row.attempt, kind, name, ending.reason, now, patch))


def _last(run: Run, ending: Ending, now: int) -> Change:
    """Return the state change that ends a run's attempt."""
    patch: dict[str, Any] = {"lease_owner": None, "lease_until": None, "pid": None}
    if ending.error is not None:
        patch["error"] = dumps(dict(ending.error))
    launch = run.details.get("launch")
    if run.state_type is StateType.CANCELLING:
        kind, name = "CANCELLED", "Cancelled"
    elif ending.retry and launch is not None and run.parent_id is None and run.attempt < run.max_attempts:
        kind, name = "SCHEDULED", AWAITING_RETRY
        patch.update(owner_id=None, scheduled_at=now + int(retry_delay(launch, run.attempt) * 1_000_000))
    else:
        kind, name = ending.state_type, ending.state_name
    if kind != "SCHEDULED":
        patch["ended_at"] = now
    return Change(run.id, run.root_id, run.attempt, kind, name, ending.reason, now, patch)


def retry_delay(launch: Mapping[str, Any], attempt: int) -> float:
    """Return how long to wait after this attempt, seconds: one delay for all, or the attempt's own (the last repeats)."""
    delay = launch.get("retry_delay_seconds") or 0
    if isinstance(delay, list | tuple):
        return float(delay[min(attempt, len(delay)) - 1]) if delay else 0.0
    return float(delay)
