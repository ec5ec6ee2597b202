"""Lists of runs: a page takes as little from a million runs as from a hundred, whatever the filter and the order.

An index for each pair of filter and order would cost every run more than its
work, so a page is read in one of three ways, each of which looks at a bounded
number of rows:

walk    along an index that has the list's own order, over `SEARCHED` rows at most; what one page did not reach, the
        next page looks at. The index may be the order's own, or that of one filter for lists by time.
gather  all rows of the narrowest filter, where a look into its index says that they are `FEW`, and sort them.
sort    everything: only for parts of runs in an order other than their own, which no list of the panel offers.

No planner is given a choice, for it would guess how many rows a value has, and be wrong a million times over: what
only tests rows is wrapped in `coalesce`, as no index has it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from headrace.core.errors import UsageError
from headrace.core.ids import first_id
from headrace.core.runs import RunFilter
from headrace.store import schema as t

#: What lists may be sorted by. `duration` is of finished runs.
SORTS: dict[str, Any] = {
    "created_at": t.runs.c.created_at,
    "started_at": sa.literal_column(f"({t.STARTED.text})", sa.BigInteger),
    "ended_at": sa.literal_column(f"({t.ENDED.text})", sa.BigInteger),
    "name": t.runs.c.name,
    "duration": sa.literal_column(f"({t.TOOK.text})", sa.BigInteger),
}
#: A page looks at so many runs at a time (about 30 ms); the next page looks further on.
SEARCHED = 20_000
#: So many runs are sorted for a page (about 20 ms).
FEW = 10_000
#: Ids and `created_at` are of two looks at the clock, perhaps of two clocks, µs.
ID_SLACK_US = 3_600_000_000

_ROOTS = t.runs.c.parent_id.is_(None)
_TAGGED = sa.literal_column(t.IS_TAGGED.text, sa.Boolean)


class Mark(NamedTuple):
    """Where a page ended: the last run's sort value and id."""

    value: Any
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Narrowing:
    """A condition of a filter that an index serves.

    Parameters
    ----------
    columns : tuple of column
        The index's first ones.
    values : tuple of tuple
        Their values, any of these.
    also : tuple of clause, default ()
        Whatever else the index is limited to.
    walks : bool
        Whether the index has the rows of its one value in the list's own order.
    """

    columns: tuple[Any, ...]
    values: tuple[tuple[Any, ...], ...]
    also: tuple[Any, ...] = ()
    walks: bool

    def tested(self, c: Any) -> Any:
        """Return the condition for rows that another index found."""
        if self.columns == (_TAGGED,):
            return sa.true()
        columns = [_unindexed(c[column.name]) for column in self.columns]
        return sa.or_(*(sa.and_(*(a == b for a, b in zip(columns, each, strict=True))) for each in self.values))


class _Path:
    """A way through an index: past the rows that share the values of its first columns, in the order of the next ones.

    PostgreSQL would weigh an index that has the order alone against this one. There the values are a range and their
    columns a part of the order, which no other index has.
    """

    def __init__(
        self,
        key: Any,
        *,
        descending: bool,
        postgresql: bool,
        along: _Narrowing | None = None,
        run_id: Any = t.runs.c.id,
    ) -> None:
        columns = () if along is None else along.columns
        values = () if along is None else tuple(map(sa.literal, along.values[0]))
        self.way = list(along.also) if along is not None else []
        for column, value in zip(columns, values, strict=True):
            self.way += [column >= value, column <= value] if postgresql else [column == value]
        self._columns = columns if postgresql else ()
        self._values = values if postgresql else ()
        self._key = key
        self._id = run_id
        self._descending = descending

    @property
    def order(self) -> list[Any]:
        columns = [*self._columns, self._key, self._id]
        return [column.desc() for column in columns] if self._descending else columns

    def after(self, mark: Mark) -> Any:
        """Return the condition of what follows a mark."""
        place, last = self._places(mark)
        # The key alone is what SQLite seeks by where it is an expression.
        if self._descending:
            return sa.and_(place < last, self._key <= mark.value)
        return sa.and_(place > last, self._key >= mark.value)

    def until(self, mark: Mark) -> Any:
        """Return the condition of what a mark ends; its own row belongs to it."""
        place, last = self._places(mark)
        if self._descending:
            return sa.and_(place >= last, self._key >= mark.value)
        return sa.and_(place <= last, self._key <= mark.value)

    def _places(self, mark: Mark) -> tuple[Any, Any]:
        return sa.tuple_(*self._columns, self._key, self._id), sa.tuple_(*self._values, *map(sa.literal, mark))

    def between(self, since: Any, until: Any) -> list[Any]:
        """Return the conditions of a range of the key."""
        place = sa.tuple_(*self._columns, self._key)
        found = [place >= sa.tuple_(*self._values, sa.literal(since))] if since is not None else []
        return found + ([place < sa.tuple_(*self._values, sa.literal(until))] if until is not None else [])


def encode_cursor(value: Any, last_id: str) -> str:
    """Return an opaque page mark."""
    return base64.urlsafe_b64encode(json.dumps([value, last_id]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[Any, str]:
    """Return what `encode_cursor` was given.

    Raises
    ------
    UsageError
        The text is no page mark of ours.
    """
    try:
        value, last = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(last, str) or not isinstance(value, int | float | str):
            raise ValueError(cursor)
    except (ValueError, TypeError) as error:
        raise UsageError(
            "The cursor is not one that a page before gave out; begin without one.", field="cursor"
        ) from error
    return value, last


def read_page(
    connection: Connection, where: RunFilter, *, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[Any], str | None]:
    """Read a page of rows and the mark of the next one; see `Runs.page`.

    Raises
    ------
    UsageError
    """
    key = sort.lstrip("-")
    if key not in SORTS:
        raise UsageError(f"Runs cannot be sorted by {key!r}; known: {', '.join(SORTS)}.", field="sort")
    mark = Mark(*decode_cursor(cursor)) if cursor else None
    return _Reader(connection, where, key, descending=sort.startswith("-")).page(limit, mark)


class _Reader:
    """Reads one page: chooses the way, asks."""

    def __init__(self, connection: Connection, where: RunFilter, key: str, *, descending: bool) -> None:
        self._connection = connection
        self._where = where
        self._roots = where.roots_only and where.parent_id is None and where.root_id is None
        self._by_time = key == "created_at"
        # Ids begin with the millisecond in which they were made, and the primary key costs nothing: that is the order
        # of parts of runs, of which there may be a hundred times as many.
        self._key = t.runs.c.id if self._by_time and not self._roots else SORTS[key]
        self._descending = descending

    def page(self, limit: int, mark: Mark | None) -> tuple[Sequence[Any], str | None]:
        """Read the page after a mark."""
        if mark is not None and isinstance(mark.value, str) != isinstance(self._key.type, sa.Text):
            raise UsageError("The cursor belongs to a list in another order; begin without one.", field="cursor")
        narrowings = self._narrowings()
        walkers = [each for each in narrowings if each.walks]
        if not (walkers and len(narrowings) == 1):
            few = next((each for each in narrowings if self._is_few(each)), None)
            if few is not None or not (self._roots or self._by_time):
                return self._gather(few, narrowings, limit, mark)
        return self._walk(walkers[0] if walkers else None, narrowings, limit, mark)

    def _path(self, key: Any, **options: Any) -> _Path:
        options.setdefault("descending", False)
        return _Path(key, postgresql=self._connection.dialect.name == "postgresql", **options)

    def _walk(
        self, along: _Narrowing | None, narrowings: list[_Narrowing], limit: int, mark: Mark | None
    ) -> tuple[Sequence[Any], str | None]:
        """Read along an index that has the list's order."""
        path = self._path(self._key, along=along, descending=self._descending)
        way = [*path.way, *self._scope(), *(path.between(*self._time_span()) if self._by_time else [])]
        way += [path.after(mark)] if mark is not None else []
        tests = [*self._tests(t.runs.c), *(each.tested(t.runs.c) for each in narrowings if each is not along)]
        bound = None
        if tests:
            last = sa.select(self._key, t.runs.c.id).where(*way).order_by(*path.order).offset(SEARCHED).limit(1)
            row = self._connection.execute(last).first()
            bound = None if row is None else Mark(*row)
        query = sa.select(t.runs, self._key.label("sort_value")).where(*way, *tests)
        if bound is not None:
            query = query.where(path.until(bound))
        rows = self._connection.execute(query.order_by(*path.order).limit(limit + 1)).all()
        if len(rows) > limit or bound is None:
            return _cut(rows, limit)
        return rows, encode_cursor(*bound)

    def _gather(
        self, few: _Narrowing | None, narrowings: list[_Narrowing], limit: int, mark: Mark | None
    ) -> tuple[Sequence[Any], str | None]:
        """Read every run of one filter, or of all, and sort them."""
        wanted = (t.runs, self._key.label("sort_value"))
        parts = [sa.select(*wanted)] if few is None else [sa.select(p.subquery()) for p in self._few(few, *wanted)]
        found = sa.union_all(*parts).subquery()
        rest = [each.tested(found.c) for each in narrowings if each is not few]
        path = self._path(found.c.sort_value, run_id=found.c.id, descending=self._descending)
        tests = [*self._tests(found.c), *rest, *(self._time_tests(found.c) if self._roots and self._by_time else [])]
        tests += [path.after(mark)] if mark is not None else []
        tests += [found.c.parent_id.is_(None)] if self._roots else []
        query = sa.select(found).where(*tests).order_by(*path.order)
        return _cut(self._connection.execute(query.limit(limit + 1)).all(), limit)

    def _is_few(self, narrowing: _Narrowing) -> bool:
        """Whether the runs of a narrowing are few enough to be sorted."""
        found = 0
        for some in self._few(narrowing, sa.literal(1).label("one")):
            count = sa.select(sa.func.count()).select_from(some.subquery())
            found += int(self._connection.execute(count).scalar_one())
            if found > FEW:
                return False
        return True

    def _few(self, narrowing: _Narrowing, *wanted: Any) -> list[Any]:
        """Return the query for the runs of each value of a narrowing, of no more than are few."""
        found = []
        for values in narrowing.values:
            path = self._path(narrowing.columns[0], along=replace(narrowing, values=(values,)))
            some = sa.select(*wanted).select_from(t.runs).where(*path.way)
            found.append(some.order_by(*narrowing.columns).limit(FEW + 1))
        return found

    def _scope(self) -> list[Any]:
        return [_ROOTS] if self._roots else []

    def _narrowings(self) -> list[_Narrowing]:
        """Return the conditions that have an index, what usually leaves the fewest runs first."""
        c, where, found = t.runs.c, self._where, []

        def narrow(column: Any, *wanted: Any, walks: bool, also: Sequence[Any] = ()) -> None:
            if wanted and wanted[0] is not None:
                values = tuple((value,) for value in wanted)
                found.append(
                    _Narrowing(
                        columns=(column,),
                        values=values,
                        also=tuple(also),
                        walks=walks and len(wanted) == 1,
                    )
                )

        by_time = self._by_time and self._roots
        narrow(c.resumed_from_id, where.resumed_from_id, walks=False)
        if where.document_id is not None and where.cell_id is not None:
            columns, values = (c.document_id, c.cell_id), (where.document_id, where.cell_id)
            found.append(_Narrowing(columns=columns, values=(values,), walks=by_time))
        else:
            narrow(c.document_id, where.document_id, walks=False)
        narrow(c.schedule_id, where.schedule_id, walks=by_time)
        narrow(c.deployment_id, where.deployment_id, walks=by_time)
        narrow(c.root_id, where.root_id or self._root_of(where.parent_id), walks=self._by_time)
        if not self._roots:
            if where.state_types and set(where.state_types) <= set(t.UNSUCCESSFUL):
                narrow(c.state_type, *where.state_types, walks=self._by_time, also=[t.IS_UNSUCCESSFUL])
            return found
        if where.tags:
            also = (_ROOTS, sa.text("tags != '[]'"))
            found.append(_Narrowing(columns=(_TAGGED,), values=((True,),), also=also, walks=by_time))
        narrow(c.state_name, *where.state_names, walks=by_time, also=[_ROOTS])
        narrow(c.state_type, *where.state_types, walks=by_time, also=[_ROOTS])
        narrow(c.trigger, where.trigger, walks=by_time, also=[_ROOTS])
        narrow(c.kind, *where.kinds, walks=by_time, also=[_ROOTS])
        narrow(c.pool, where.pool, walks=by_time, also=[_ROOTS])
        if self._owners_have_an_index:
            narrow(c.owner, where.owner, walks=by_time, also=[_ROOTS])
        return found

    @property
    def _owners_have_an_index(self) -> bool:
        return self._roots and self._connection.dialect.name == "postgresql"

    def _root_of(self, parent_id: str | None) -> str | None:
        """Return the root of a run's children: their index is the tree's."""
        if parent_id is None:
            return None
        query = sa.select(t.runs.c.root_id).where(t.runs.c.id == parent_id)
        return self._connection.execute(query).scalar() or parent_id

    def _time_span(self) -> tuple[Any, Any]:
        """Return the bounds in time, as the key of a list by time has them."""
        since, until = self._where.since, self._where.until
        if self._roots:
            return since, until
        first = None if since is None else first_id(max(0, since - ID_SLACK_US))
        return first, None if until is None else first_id(until + ID_SLACK_US)

    def _time_tests(self, c: Any) -> list[Any]:
        made, where = _unindexed(c.created_at), self._where
        found = [made >= where.since] if where.since is not None else []
        return found + ([made < where.until] if where.until is not None else [])

    def _tests(self, c: Any) -> list[Any]:
        """Return the conditions that no index serves, for columns."""
        where = self._where
        found: list[Any] = [_says(name, c.name, c.definition) for name in where.names]
        if where.text:
            # Tags are a JSON text, of which nobody searches the punctuation.
            found.append(_says(where.text, c.name, c.definition, *([] if set(where.text) & set('[]",') else [c.tags])))
        found += [c.tags.contains(json.dumps(tag, ensure_ascii=False), autoescape=True) for tag in where.tags]
        equal: list[tuple[Any, Any]] = [(c.parent_id, where.parent_id)]
        if where.document_id is None:
            equal.append((c.cell_id, where.cell_id))
        if not self._owners_have_an_index:
            equal.append((c.owner, where.owner))
        if not self._roots:
            equal += [(c.trigger, where.trigger), (c.pool, where.pool)]
            sets: list[tuple[Any, tuple[str, ...]]] = [(c.state_name, where.state_names), (c.kind, where.kinds)]
            if not set(where.state_types) <= set(t.UNSUCCESSFUL):
                sets.append((c.state_type, where.state_types))
            found += [_unindexed(column).in_(values) for column, values in sets if values]
        if not (self._roots and self._by_time):
            found += self._time_tests(c)
        return found + [_unindexed(column) == value for column, value in equal if value is not None]


def _unindexed(column: Any) -> Any:
    """Return a column as no index has it."""
    return sa.func.coalesce(column, "" if isinstance(column.type, sa.Text) else 0)


def _says(text: str, *columns: Any) -> Any:
    return sa.or_(*(column.icontains(text, autoescape=True) for column in columns))


def _cut(rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], str | None]:
    """Return a page and its mark out of up to one row more."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], encode_cursor(rows[limit - 1].sort_value, rows[limit - 1].id)
