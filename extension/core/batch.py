"""What a process wants recorded, as plain data: the contract between recorders and sinks.

A `Batch` holds JSON values only, so that the same batch can be written to the
store, appended to a journal file, or sent over a kernel's comm or a cluster's
channel (see DESIGN.md, "RecordSink").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from headrace.core.events import RUN_STATE
from headrace.core.runs import RUN_COLUMNS

#: A row of `runs`, values in the order of RUN_COLUMNS, JSON columns already text.
RunRow = tuple[Any, ...]
ArtifactRow = tuple[str, str | None, str | None, str | None, str, str, str, str, int, int]
#: The parts of a batch whose rows are tuples as they are, in the order in which they are written.
PLAIN_PARTS = ("edges", "logs", "outputs", "events", "artifacts")


@dataclass(slots=True)
class Change:
    """A state change of a run that is (or will be) in the store.

    Parameters
    ----------
    run_id, root_id : str
    attempt : int
        The attempt that it belongs to: the fence.
    state_type, state_name, message : str
    at : int, µs
    patch : mapping
        Further columns of the run to set, JSON columns already text.
    kind : str, default "run.state"
        Event kind; anything else leaves the run's state alone and only patches.
    payload : str, default "{}"
        JSON text kept with the event.
    """

    run_id: str
    root_id: str
    attempt: int
    state_type: str
    state_name: str
    message: str
    at: int
    patch: Mapping[str, Any] = field(default_factory=dict)
    kind: str = RUN_STATE
    payload: str = "{}"


@dataclass(slots=True)
class Batch:
    """A piece of record-keeping that is written in one transaction, in this order.

    Parameters
    ----------
    runs : list of RunRow
        New runs, as they stand at the end of the batch (born and perhaps ended in it).
    births : list of Change
        State changes of the runs in `runs`: their history, already part of the row.
    changes : list of Change
        State changes of runs written before.
    edges : list of (run_id, upstream_id, kind, name)
    logs : list of (run_id, root_id, at, level, logger, message)
    outputs : list of (run_id, root_id, position, at, output) with `output` as JSON text; "" cuts off from `position` on
    events : list of (at, kind, run_id, root_id, subject_id, owner, payload)
    artifacts : list of (id, run_id, root_id, key, kind, title, owner, data, created_at, updated_at)
        `data` as JSON text; an id that is there already gets the new data.
    """

    runs: list[RunRow] = field(default_factory=list)
    births: list[Change] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    edges: list[tuple[str, str, str, str]] = field(default_factory=list)
    logs: list[tuple[str, str, int, int, str, str]] = field(default_factory=list)
    outputs: list[tuple[str, str, int, int, str]] = field(default_factory=list)
    events: list[tuple[int, str, str | None, str | None, str | None, str | None, str]] = field(default_factory=list)
    artifacts: list[ArtifactRow] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.runs or self.births or self.changes) or any(getattr(self, name) for name in PLAIN_PARTS)

    def storable(self) -> Batch:
        """Return the batch with text that every database can keep: no NUL, no half characters."""
        return Batch(
            runs=[_storable(row) for row in self.runs],
            births=[Change(*_storable(_fields(c))) for c in self.births],
            changes=[Change(*_storable(_fields(c))) for c in self.changes],
            edges=[_storable(row) for row in self.edges],
            logs=[_storable(row) for row in self.logs],
            outputs=[_storable(row) for row in self.outputs],
            events=[_storable(row) for row in self.events],
            artifacts=[_storable(row) for row in self.artifacts],
        )

    def parts(self) -> Iterator[Batch]:
        """Yield the batch record by record, in its order, for the case that one of them cannot be written."""
        place = RUN_COLUMNS.index("id")
        for row in self.runs:
            yield Batch(runs=[row], births=[birth for birth in self.births if birth.run_id == row[place]])
        for name in ("changes", *PLAIN_PARTS):
            for item in getattr(self, name):
                yield Batch(**{name: [item]})

    def to_json(self) -> str:
        """Return the batch as one line of JSON."""
        return json.dumps(
            {
                "columns": RUN_COLUMNS,
                "runs": self.runs,
                "births": [_fields(c) for c in self.births],
                "changes": [_fields(c) for c in self.changes],
                "edges": self.edges,
                "logs": self.logs,
                "outputs": self.outputs,
                "events": self.events,
                "artifacts": self.artifacts,
            },
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, line: str) -> Batch:
        """Rebuild a batch from `to_json`'s line; unknown columns of another version are dropped.

        Raises
        ------
        ValueError
            The line is no batch.
        """
        data = json.loads(line)
        if not isinstance(data, dict) or "runs" not in data:
            raise ValueError("not a batch of records")
        columns = list(data["columns"])
        place = [columns.index(name) if name in columns else None for name in RUN_COLUMNS]
        return cls(
            runs=[tuple(None if i is None else row[i] for i in place) for row in data["runs"]],
            births=[Change(*c) for c in data["births"]],
            changes=[Change(*c) for c in data["changes"]],
            edges=[tuple(e) for e in data["edges"]],
            logs=[tuple(e) for e in data["logs"]],
            outputs=[tuple(e) for e in data["outputs"]],
            events=[tuple(e) for e in data["events"]],
            # A process of an earlier version writes none.
            artifacts=[tuple(e) for e in data.get("artifacts", ())],
        )


def _fields(change: Change) -> list[Any]:
    return [getattr(change, name) for name in Change.__slots__]


def _storable(values: Iterable[Any]) -> Any:
    found: list[Any] = []
    for value in values:
        if isinstance(value, Mapping):
            found.append(dict(zip(value, _storable(value.values()), strict=True)))
        else:
            found.append(storable_text(value) if isinstance(value, str) else value)
    return tuple(found)


def storable_text(text: str) -> str:
    """Return text that every database can keep: half characters replaced, NUL shown as a sign.

    A program may print either (a file's name that is no UTF-8, a binary).
    """
    # By UTF-16, for there two halves that belong together become the character that they are.
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "\N{SYMBOL FOR NULL}")


class RecordSink(Protocol):
    """Where batches go: the store, a journal file, or a relay to another process."""

    def write(self, batch: Batch) -> list[str]:
        """Record a batch durably, all or nothing.

        Returns
        -------
        list of str
            Ids of runs whose changes were refused by the fence (a newer attempt or a final state stands).

        Raises
        ------
        headrace.core.errors.StoreError
            Nothing was recorded; the same batch may be tried again.
        """
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...
