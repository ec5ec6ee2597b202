"""What is known at a point of the code, and what a piece of code has done so far."""

from __future__ import annotations

from headrace.core.dataflow.keys import Key, Roots, Variable
from headrace.core.dataflow.records import CallSite


class State:
    """What is known about variables at one point of the code.

    Parameters
    ----------
    sure : set of Variable
        Bound by this code whichever way it came here.
    gone : set of str
        Unbound by this code whichever way it came here.
    alias : dict of Variable to Roots
        Variable → objects that it may be and hold, beside its own from outside.
    """

    __slots__ = ("alias", "gone", "sure")

    def __init__(self, sure: set[Variable], gone: set[Variable], alias: dict[Variable, Roots]) -> None:
        self.sure = sure
        self.gone = gone
        self.alias = alias

    def copy(self) -> State:
        return State(set(self.sure), set(self.gone), dict(self.alias))


def merge(*states: State | None) -> State | None:
    """Join the states of several ways to one point; None is a way that does not get there.

    Returns
    -------
    State or None
        What holds whichever way was taken; a new object, or None where no way leads here.
    """
    alive = [s for s in states if s is not None]
    if not alive:
        return None
    result = alive[0].copy()
    for other in alive[1:]:
        result.sure &= other.sure
        result.gone &= other.gone
        for key, roots in other.alias.items():
            mine = result.alias.get(key)
            if mine is not roots:
                result.alias[key] = roots if mine is None else mine.joined(roots)
    return result


class Unit:
    """What a piece of code does with global names: a cell, or a function that is run later."""

    __slots__ = (
        "augments",
        "binds",
        "called",
        "changes",
        "deletes",
        "holds_code",
        "keeps",
        "kept",
        "opaque",
        "reads",
        "requires",
        "returns",
        "self_calls",
        "sites",
        "stateful",
        "yields",
    )

    def __init__(self) -> None:
        self.reads: set[str] = set()
        self.requires: set[str] = set()
        self.binds: set[str] = set()
        self.deletes: set[str] = set()
        self.changes: set[Key] = set()  # objects changed in place, those of locals included
        self.augments: set[str] = set()
        self.called: set[str] = set()
        self.kept: set[str] = set()  # names read other than by calling them
        self.keeps: set[Key] = set()
        self.returns: set[Key] = set()
        self.sites: list[CallSite] = []
        self.self_calls: set[tuple[int, str, str]] = set()
        self.opaque: set[str] = set()
        self.holds_code = False
        self.stateful = False
        self.yields = False


class Loop:
    """Where the jumps out of and back to the head of a loop gather."""

    __slots__ = ("breaks", "continues")

    def __init__(self) -> None:
        self.breaks: list[State] = []
        self.continues: list[State] = []
