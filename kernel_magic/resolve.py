"""Finding futures, states and earlier results in arguments and returned values.

Walks lists, tuples, sets, dicts, dataclasses and pydantic models; never a
DataFrame, an array or a string. Of a large collection only the ends are looked
at first, so that a million numbers or rows cost nothing.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.states import State
from headrace.kernel_magic.engine.live import LiveRun
from headrace.kernel_magic.engine.outcome import Kind, Outcome, Skipped
from headrace.kernel_magic.futures import TaskFuture, allow_failure, quote, unmapped

#: Types that hold nothing.
PLAIN: frozenset[type] = frozenset({int, float, str, bool, bytes, type(None), complex, bytearray})
#: Collections longer than this are only searched if their first or last hundred entries hold something to find.
SEARCHED = 20_000
DEEPEST = 20
#: So many results of one flow are remembered by identity, to draw edges for plain values.
LINKS = 10_000
#: Built-in collections cannot be watched for their end; only small ones are held on to.
HELD = 1_000

Leaf = Callable[[Any], Any]


def rebuild(value: Any, leaf: Leaf, depth: int = 0) -> Any:
    """Return `value` with every future, state and wrapper in it replaced by what `leaf` returns.

    Collections in which nothing is replaced are returned as they are, not copied.

    Parameters
    ----------
    value : object
    leaf : callable
        Called with each future, state and wrapper.
    depth : int, default 0
    """
    kind = type(value)
    if kind in PLAIN or depth > DEEPEST:
        return value
    if isinstance(value, _LEAVES):
        return leaf(value)
    if isinstance(value, list | tuple | set | frozenset):
        if not _worth_a_walk(value):
            return value
        items = [rebuild(item, leaf, depth + 1) for item in value]
        if all(new is old for new, old in zip(items, value, strict=True)):
            return value
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return kind(*items)
        return _like(value)(items)
    if isinstance(value, dict):
        if not value or not _worth_a_walk(value.values()):
            return value
        found = {key: rebuild(item, leaf, depth + 1) for key, item in value.items()}
        return value if all(found[key] is value[key] for key in value) else found
    names = _field_names(kind)
    if names:
        return _rebuild_fields(value, names, leaf, depth)
    return value


def _like(value: Any) -> type:
    for base in (list, tuple, frozenset, set):
        if isinstance(value, base):
            return base
    return list


def _worth_a_walk(value: Any) -> bool:
    """Return whether a collection may hold something to find, without looking into each entry of a large one."""
    if len(value) > SEARCHED:
        ends = (value[:100], value[-100:]) if isinstance(value, list | tuple) else (islice(value, 200),)
        return any(map(_holds_something, chain(*ends)))
    return not set(map(type, value)) <= PLAIN


def _holds_something(value: Any) -> bool:
    found: list[Any] = []

    def leaf(something: Any) -> Any:
        found.append(something)
        return something

    rebuild(value, leaf)
    return bool(found)


def _field_names(kind: type) -> tuple[str, ...]:
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is None:
        fields = getattr(kind, "__pydantic_fields__", None)
    return tuple(fields) if isinstance(fields, dict) else ()


def _rebuild_fields(value: Any, names: Iterable[str], leaf: Leaf, depth: int) -> Any:
    """Replace fields in a shallow copy: neither `__init__` nor `__post_init__` nor validators run again."""
    changed = {}
    for name in names:
        old = getattr(value, name, None)
        new = rebuild(old, leaf, depth + 1)
        if new is not old:
            changed[name] = new
    if not changed:
        return value
    twin = copy.copy(value)
    for name, new in changed.items():
        object.__setattr__(twin, name, new)
    return twin


_LEAVES = (TaskFuture, State, allow_failure, quote, unmapped)


# ------------------------------------------------------------------------------------------------- arguments


def needs_look(values: Iterable[Any]) -> bool:
    """Return whether any argument is more than a number or text."""
    return any(type(value) not in PLAIN for value in values)


def upstream_of(run: LiveRun, parameters: Mapping[str, Any], wait_for: Any = None) -> list[TaskFuture[Any]]:
    """Record the edges to everything that the arguments come from; return the futures among it.

    Raises
    ------
    InvalidParameter
        An argument is a coroutine that nobody awaited.
    """
    futures: list[TaskFuture[Any]] = []
    links = run.flow.links if run.parent is not None else None
    for name, value in parameters.items():
        if type(value) in PLAIN:
            continue
        if hasattr(value, "cr_await"):
            raise InvalidParameter(
                f"{run.kind} {run.definition.name!r}: the argument {name!r} is a coroutine "
                f"({getattr(value, '__qualname__', '')}) that was not awaited; write `await` before the call that "
                "makes it, or use .submit().",
                field=name,
            )

        def leaf(found: Any, name: str = name) -> Any:
            _note(run, found, name, "data", futures)
            return found

        rebuild(value, leaf)
        if links:
            _link_edges(run, links, value, name)
    if wait_for is not None:
        for item in wait_for if isinstance(wait_for, list | tuple | set | frozenset) else [wait_for]:

            def order(found: Any) -> Any:
                _note(run, found, "", "order", futures)
                return found

            rebuild(item, order)
            if links and type(item) not in PLAIN:
                _link_edges(run, links, item, "", "order")
    return futures


def _note(run: LiveRun, found: Any, name: str, kind: str, futures: list[TaskFuture[Any]]) -> None:
    if isinstance(found, quote):
        return
    if isinstance(found, allow_failure | unmapped):
        rebuild(found.value, lambda inner: _note(run, inner, name, kind, futures))
        return
    if isinstance(found, TaskFuture):
        found._looked_at = True
        futures.append(found)
        run.edge(found.task_run_id, name, kind)
    elif isinstance(found, State) and found.run_id is not None:
        run.edge(found.run_id, name, kind)


def values(
    run: LiveRun, parameters: Mapping[str, Any], wait_for: Any = None
) -> tuple[Outcome | None, Mapping[str, Any]]:
    """Put values in the place of futures, all of which have ended.

    Returns
    -------
    (Outcome or None, dict)
        Why the run must not start, if so; and the arguments.
    """
    refusals: list[Outcome] = []
    what = f"{run.kind} run {run.name!r}"

    def leaf(found: Any) -> Any:
        if isinstance(found, quote):
            return found.value
        if isinstance(found, unmapped):
            return rebuild(found.value, leaf)
        if isinstance(found, allow_failure):
            return rebuild(found.value, lambda inner: _whatever(inner, leaf))
        state = found._state if isinstance(found, TaskFuture) else found
        who = f"{found.name!r}" if isinstance(found, TaskFuture) else "a run"
        return _value_of(state, what, who, refusals)

    replaced = {name: value if type(value) in PLAIN else rebuild(value, leaf) for name, value in parameters.items()}
    for value in replaced.values():
        if type(value) is Skipped:
            refusals.append(_skipped(value.reason))
    if wait_for is not None:
        rebuild(list(wait_for) if isinstance(wait_for, set | frozenset | tuple | list) else [wait_for], leaf)
    same = all(replaced[name] is value for name, value in parameters.items())
    failed = [refusal for refusal in refusals if refusal.kind is Kind.UPSTREAM]
    refusal = failed[0] if failed else refusals[0] if refusals else None
    return refusal, parameters if same else replaced


def _whatever(found: Any, leaf: Leaf) -> Any:
    """Return the result of a run, or the exception that it ended with."""
    state = found._state if isinstance(found, TaskFuture) else found
    if isinstance(state, State):
        return state.result(raise_on_failure=False)
    return leaf(found)


def _value_of(state: State | None, what: str, who: str, refusals: list[Outcome]) -> Any:
    from headrace.kernel_magic.engine.outcome import upstream_failed

    if state is None or not state.is_completed():
        refusals.append(upstream_failed(what, who, "unfinished" if state is None else state.name))
        return None
    if isinstance(state.data, Skipped):
        refusals.append(_skipped(state.data.reason))
    return state.data


def _skipped(reason: str) -> Outcome:
    from headrace.kernel_magic.engine.common import StopUpstream

    reason = f"upstream was skipped: {reason}" if reason else "upstream was skipped"
    return Outcome(Kind.STOP, Skipped(reason), StopUpstream(reason))


# ------------------------------------------------------------------------------------------------- returned values


def look_through(value: Any) -> tuple[Any, list[State]]:
    """Return a returned value with results in the place of futures, and every state found in it."""
    found: list[State] = []

    def leaf(item: Any) -> Any:
        if isinstance(item, TaskFuture):
            item._looked_at = True
            state = item._state
            assert state is not None
            found.append(state)
            return state.data
        if isinstance(item, State):
            found.append(item)
            return item
        return rebuild(item.value, leaf) if not isinstance(item, quote) else item.value

    if isinstance(value, TaskFuture):
        value._looked_at = True
        return value._state, []
    return rebuild(value, leaf), found


# ------------------------------------------------------------------------------------------------- links


def link(run: LiveRun, value: Any) -> None:
    """Remember which run made a value, so that a later call with it gets an edge.

    Only by identity; numbers and texts have none. What can be watched is held
    weakly; small built-in collections are held until the flow ends.
    """
    if run.parent is None:
        return
    flow = run.parent.flow
    links = flow.links
    if links is None:
        links = flow.links = {}
    if len(links) >= LINKS:
        for key in list(links)[: LINKS // 2]:
            del links[key]
    try:
        links[id(value)] = (weakref.ref(value), run.id)
    except TypeError:
        if isinstance(value, list | dict | tuple | set | frozenset) and len(value) <= HELD:
            links[id(value)] = (_Held(value), run.id)


class _Held:
    """A strong reference with a weak one's manner."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self) -> Any:
        return self.value


def _link_edges(run: LiveRun, links: dict[int, Any], value: Any, name: str, kind: str = "data") -> None:
    """Record edges to the runs that made a value, or an entry of a small collection."""
    hit = links.get(id(value))
    if hit is not None and hit[0]() is value:
        run.edge(hit[1], name, kind)
        return
    if isinstance(value, list | tuple | dict) and len(value) <= HELD:
        for item in value.values() if isinstance(value, dict) else value:
            hit = links.get(id(item))
            if hit is not None and hit[0]() is item:
                run.edge(hit[1], name, kind)
