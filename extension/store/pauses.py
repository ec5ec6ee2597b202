"""Runs that wait for a person: what they ask, what they are answered, and how they go on.

A *paused* run's process lives and looks at its question (`answer_of`); it moves
its own run on. A *suspended* run has no process: answered, it is SCHEDULED
again and a worker takes it up. Both ask by a row of `run_inputs`; a pause
without input is a question without a schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from headrace.core.batch import Batch, Change
from headrace.core.errors import Conflict
from headrace.core.events import RUN_UPDATED
from headrace.core.runs import Run
from headrace.core.states import StateType
from headrace.store import liveness
from headrace.store import schema as t
from headrace.store.database import Database
from headrace.store.rows import dumps
from headrace.store.writing import write_batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a paused run asks.

    Parameters
    ----------
    run_id, key : str
    schema : mapping
        JSON schema of the answer; empty where none is asked for.
    asked_at : int, µs
    answered_at : int or None, µs
    value : object
        The answer.
    """

    run_id: str
    key: str
    schema: Mapping[str, Any]
    asked_at: int
    answered_at: int | None = None
    value: Any = None


class Pauses:
    """The store's verbs for questions to people.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def ask(self, run_id: str, key: str, schema: Mapping[str, Any] | None = None) -> Question:
        """Keep a run's question; the same key asked again keeps an answer that was given meanwhile."""
        c = t.run_inputs.c
        with self._db.write(durable=True) as connection:
            row = connection.execute(sa.select(t.run_inputs).where(c.run_id == run_id, c.key == key)).first()
            if row is not None:
                return _question(row)
            values = {"run_id": run_id, "key": key, "input_schema": dumps(dict(schema or {}))}
            asked = self._db.clock.now_us()
            connection.execute(sa.insert(t.run_inputs).values(**values, asked_at=asked))
        return Question(run_id=run_id, key=key, schema=dict(schema or {}), asked_at=asked)

    def open(self, run_id: str) -> list[Question]:
        """Return a run's questions that are not answered, oldest first."""
        c = t.run_inputs.c
        query = sa.select(t.run_inputs).where(c.run_id == run_id, c.answered_at.is_(None)).order_by(c.asked_at)
        with self._db.read() as connection:
            return [_question(row) for row in connection.execute(query)]

    def answer_of(self, run_id: str, key: str) -> Question | None:
        """Return a question with its answer, None while there is none."""
        c = t.run_inputs.c
        with self._db.read() as connection:
            row = connection.execute(
                sa.select(t.run_inputs).where(c.run_id == run_id, c.key == key, c.answered_at.is_not(None))
            ).first()
        return None if row is None else _question(row)

    def answer(self, run: Run, value: Any = None) -> None:
        """Answer a paused run's oldest question, and let the run go on.

        Raises
        ------
        Conflict
            It is not paused.
        """
        if run.state_type is not StateType.PAUSED:
            raise Conflict(f"Run {run.name} is {run.state_name}, not paused.", field="run_id")
        c, now = t.run_inputs.c, self._db.clock.now_us()
        waits_in_a_process = run.owner_id is not None and liveness.is_alive(run.owner_id) is not False
        with self._db.write(durable=True) as connection:
            query = sa.select(c.key).where(c.run_id == run.id, c.answered_at.is_(None)).order_by(c.asked_at).limit(1)
            key = connection.execute(query).scalar()
            if key is not None:
                where = sa.and_(c.run_id == run.id, c.key == key)
                connection.execute(sa.update(t.run_inputs).where(where).values(value=dumps(value), answered_at=now))
            state = (run.id, run.root_id, run.attempt)
            if waits_in_a_process:
                change = Change(*state, run.state_type.value, run.state_name, "answered", now, {}, RUN_UPDATED)
            else:
                patch = {"owner_id": None, "lease_owner": None, "lease_until": None, "pid": None, "scheduled_at": now}
                change = Change(*state, StateType.SCHEDULED.value, "Resuming", "answered", now, patch)
            if write_batch(self._db, connection, Batch(changes=[change])):
                raise Conflict(f"Run {run.name} ended meanwhile.", field="run_id")


def _question(row: Any) -> Question:
    return Question(
        run_id=row.run_id,
        key=row.key,
        schema=json.loads(row.input_schema or "{}"),
        asked_at=row.asked_at,
        answered_at=row.answered_at,
        value=None if row.value is None else json.loads(row.value),
    )
