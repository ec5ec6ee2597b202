"""Much code held by one name, as one piece of code that may do what any of it does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from headrace.core.dataflow.records import NONE, Deferred

#: Pieces of code that a name holds are told apart up to here (an object with hundreds of callbacks is no reason to be slow).
MOST_CODE = 32
#: The parameter of joined code that every argument lands in.
ANY_PARAMETER = "*"


def bounded(code: Iterable[Deferred]) -> tuple[Deferred, ...]:
    """Return code without doubles, in one piece where it is much; classes stay as they are."""
    found = tuple({id(d): d for d in code}.values())
    plain = [d for d in found if not d.is_class]
    return found if len(plain) <= MOST_CODE else (*(d for d in found if d.is_class), joined(plain))


def joined(code: Sequence[Deferred]) -> Deferred:
    """Return one piece of code that reads, binds, changes and gives what any of these does.

    Which of them would land in which parameter is forgotten: if one may change what it is given, all arguments count.
    """

    def union(field: str) -> frozenset[Any]:
        return frozenset().union(*(getattr(d, field) for d in code))

    every = frozenset({ANY_PARAMETER})
    return Deferred(
        name=code[0].name,
        reads=union("reads"),
        binds=union("binds"),
        deletes=union("deletes"),
        changes=union("changes"),
        augments=union("augments"),
        holds_code=any(d.holds_code for d in code),
        consumable=any(d.consumable for d in code),
        deep_params=every if any(d.sites or d.mutates_params or d.deep_params for d in code) else NONE,
        keeps=union("keeps"),
        returns=union("returns"),
        keeps_params=every if any(d.keeps_params for d in code) else NONE,
        returns_params=every if any(d.returns_params for d in code) else NONE,
        stateful=any(d.stateful for d in code),
        changes_holder=any(d.changes_holder for d in code),
        yields=any(d.yields for d in code),
        spread=ANY_PARAMETER,
        sites=tuple(dict.fromkeys(s for d in code for s in d.sites)),
        opaque=union("opaque"),
    )
