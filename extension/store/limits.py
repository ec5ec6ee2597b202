"""Concurrency and rate limits: slots are leases tied to a living holder.

A slot is freed when it is released, when its holder's process is dead (same
host: the owner file tells at once), or when its lease ran out (other hosts).
A limit with decay frees slots by itself, one every 1 / decay seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.batch import Batch
from headrace.core.errors import InvalidOption, NotFound
from headrace.core.events import LIMIT_CHANGED
from headrace.core.ids import new_id
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.writing import write_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit as it stands.

    Parameters
    ----------
    name : str
    limit : int
        How many slots there are.
    active : int
        How many are taken.
    slot_decay_per_second : float
        How many free themselves in a second; 0: only when released.
    holders : tuple of (holder, run_id, occupy)
    """

    name: str
    limit: int
    active: int = 0
    slot_decay_per_second: float = 0.0
    holders: tuple[tuple[str, str | None, int], ...] = ()


class Limits:
    """The store's verbs for limits.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def save(self, name: str, limit: int, *, slot_decay_per_second: float = 0.0) -> Limit:
        """Make a limit, or change it.

        Raises
        ------
        InvalidOption
            Negative numbers, or an empty name.
        """
        if not name or len(name) > 255:
            raise InvalidOption("A limit's name has 1 to 255 characters.", field="name")
        if not 0 <= limit <= 1_000_000:
            raise InvalidOption(f"A limit is from 0 to 1,000,000, not {limit}.", field="limit")
        if not 0 <= slot_decay_per_second < 1e6:
            raise InvalidOption("slot_decay_per_second is 0 or more.", field="slot_decay_per_second")
        now = self._db.clock.now_us()
        values = {"slots": limit, "slot_decay_per_second": slot_decay_per_second, "updated_at": now}
        with self._db.write(durable=True) as connection:
            changed = connection.execute(sa.update(t.limits).where(t.limits.c.name == name).values(**values))
            if changed.rowcount == 0:
                connection.execute(sa.insert(t.limits).values(name=name, created_at=now, **values))
            self._say(connection, name)
        return Limit(name=name, limit=limit, slot_decay_per_second=slot_decay_per_second)

    def delete(self, name: str) -> None:
        """Remove a limit.

        Raises
        ------
        NotFound
        """
        with self._db.write(durable=True) as connection:
            if connection.execute(sa.delete(t.limits).where(t.limits.c.name == name)).rowcount == 0:
                raise NotFound(f"There is no limit {name!r}.", field="name")
            connection.execute(sa.delete(t.limit_slots).where(t.limit_slots.c.limit_name == name))
            self._say(connection, name)

    def all(self) -> Sequence[Limit]:
        """Return every limit with its holders, by name."""
        now = self._db.clock.now_us()
        with self._db.read() as connection:
            slots: dict[str, list[Any]] = {}
            for row in connection.execute(sa.select(t.limit_slots)):
                if row.lease_until is None or row.lease_until > now:
                    slots.setdefault(row.limit_name, []).append(row)
            return [
                Limit(
                    name=row.name,
                    limit=row.slots,
                    active=sum(slot.occupy for slot in slots.get(row.name, ())),
                    slot_decay_per_second=row.slot_decay_per_second,
                    holders=tuple((slot.holder, slot.run_id, slot.occupy) for slot in slots.get(row.name, ())),
                )
                for row in connection.execute(sa.select(t.limits).order_by(t.limits.c.name))
            ]

    def known(self, names: Sequence[str]) -> set[str]:
        """Return which of the names are limits."""
        with self._db.read() as connection:
            return {
                row.name
                for row in connection.execute(sa.select(t.limits.c.name).where(t.limits.c.name.in_(list(names))))
            }

    def acquire(
        self,
        names: Sequence[str],
        *,
        occupy: int = 1,
        holder: str,
        run_id: str | None = None,
        lease_seconds: float = 300.0,
    ) -> tuple[list[str], float | None]:
        """Take slots of every limit named, or of none.

        Parameters
        ----------
        names : sequence of str
            Names that are no limits do not limit.
        occupy : int, default 1
        holder : str
            The owner id of the process that holds them.
        run_id : str or None
        lease_seconds : float, default 300
            For holders on other hosts; renewed by `renew`.

        Returns
        -------
        (list of str, float or None)
            The ids of the slots taken, and None; or nothing, and how many seconds to wait at most before it is worth trying again.

        Raises
        ------
        InvalidOption
            More is asked for than a limit has.
        """
        with self._db.write() as connection:
            query = sa.select(t.limits).where(t.limits.c.name.in_(sorted(set(names)))).order_by(t.limits.c.name)
            found = connection.execute(query.with_for_update() if self._db.dialect != "sqlite" else query).all()
            now = self._db.now_us(connection)
            wait: float | None = None
            plans = []
            for row in found:
                if occupy > row.slots:
                    raise InvalidOption(
                        f"The limit {row.name!r} has {row.slots} slots; {occupy} were asked for.", field="occupy"
                    )
                held = self._live_slots(connection, row, now)
                if sum(slot.occupy for slot in held) + occupy > row.slots:
                    pause = 1.0
                    if row.slot_decay_per_second:
                        pause = max(0.0, (min(slot.lease_until for slot in held) - now) / 1e6)
                    wait = pause if wait is None else max(wait, pause)
                plans.append((row, held))
            if wait is not None:
                return [], wait
            taken = []
            for row, held in plans:
                taken.append(new_id())
                until = now + int(lease_seconds * 1e6)
                if row.slot_decay_per_second:
                    # One slot frees itself every 1/decay seconds, in turn: n slots allow a burst of n, then a steady rate.
                    begin = max([now, *(slot.lease_until for slot in held)])
                    until = begin + int(occupy / row.slot_decay_per_second * 1e6)
                values = {"id": taken[-1], "limit_name": row.name, "occupy": occupy, "holder": holder}
                connection.execute(
                    sa.insert(t.limit_slots).values(**values, run_id=run_id, acquired_at=now, lease_until=until)
                )
            return taken, None

    def _live_slots(self, connection: Connection, limit: Any, now: int) -> list[Any]:
        """Return a limit's taken slots; what decayed, what dead holders held and ended leases are removed."""
        live: list[Any] = []
        dead: list[Any] = []
        for slot in connection.execute(sa.select(t.limit_slots).where(t.limit_slots.c.limit_name == limit.name)):
            ended = slot.lease_until is not None and slot.lease_until <= now
            if limit.slot_decay_per_second:
                gone = ended
            else:
                alive = liveness.is_alive(slot.holder)
                gone = alive is False or (ended and alive is None)
            (dead if gone else live).append(slot)
        if dead:
            connection.execute(sa.delete(t.limit_slots).where(t.limit_slots.c.id.in_([slot.id for slot in dead])))
        return live

    def release(self, slot_ids: Sequence[str]) -> None:
        """Give slots back; waiters wake at once."""
        if slot_ids:
            with self._db.write() as connection:
                connection.execute(sa.delete(t.limit_slots).where(t.limit_slots.c.id.in_(list(slot_ids))))
                self._db.notify(connection)

    def renew(self, slot_ids: Sequence[str], *, lease_seconds: float) -> int:
        """Prolong leases; return how many of them are still held."""
        with self._db.write() as connection:
            until = self._db.now_us(connection) + int(lease_seconds * 1e6)
            query = sa.update(t.limit_slots).where(t.limit_slots.c.id.in_(list(slot_ids))).values(lease_until=until)
            return int(connection.execute(query).rowcount)

    def _say(self, connection: Connection, name: str) -> None:
        event = (self._db.clock.now_us(), LIMIT_CHANGED, None, None, name, None, "{}")
        write_batch(self._db, connection, Batch(events=[event]))
