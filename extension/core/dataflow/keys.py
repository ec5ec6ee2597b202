"""Objects without types: an object is known by the variable that held it first."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple


class Inside(NamedTuple):
    """Whatever an object from outside holds.

    Parameters
    ----------
    key : str or (int, str)
        The object's variable.
    """

    key: Any


class CallResult(NamedTuple):
    """What a call gave whose code is not in the cell.

    Parameters
    ----------
    callee : str
        The global name called, or the root of what is called.
    method : str or None
        The last attribute of the callee.
    receiver, given : frozenset of Key
        What the method was called on, and the arguments.
    depth : int, default 0
        How many results of calls stand within each other in it.
    """

    callee: str
    method: str | None
    receiver: frozenset[Any]
    given: frozenset[Any]
    depth: int = 0


#: A variable: a global by its name, a local by its scope's number and its name.
Variable = str | tuple[int, str]
#: An object. A local with a negative number is made in the code at hand.
Key = str | tuple[int, str] | Inside | CallResult
Keys = frozenset[Key]
NO_KEYS: Keys = frozenset()


#: Results of calls that were given results of calls are told apart so far (`x = f(x)` in a loop would go on for ever).
DEEPEST_RESULT = 2


def call_result(callee: str, method: str | None, receiver: Keys, given: Keys) -> CallResult:
    """Return what stands for a call's result; what is nested too deeply in it counts as handed over by each call."""
    receiver_depth, given_depth = _depth(receiver), _depth(given)
    if receiver_depth >= DEEPEST_RESULT:
        receiver, receiver_depth = _flat(receiver), 1
    if given_depth >= DEEPEST_RESULT:
        given, given_depth = _flat(given), 1
    return CallResult(callee, method, receiver, given, max(receiver_depth, given_depth))


def _depth(keys: Keys) -> int:
    return max((k.depth + 1 for k in keys if isinstance(k, CallResult)), default=0)


def _flat(keys: Keys) -> Keys:
    found: set[Key] = set()
    pending = list(keys)
    while pending:
        key = pending.pop()
        if isinstance(key, CallResult):
            found.add(CallResult(key.callee, key.method, NO_KEYS, NO_KEYS))
            pending += [*key.receiver, *key.given]
        else:
            found.add(key)
    return frozenset(found)


class Roots(NamedTuple):
    """The objects that a value may be, and those that it may hold.

    Parameters
    ----------
    itself, inside : frozenset of Key
    """

    itself: Keys = NO_KEYS
    inside: Keys = NO_KEYS

    @property
    def everything(self) -> Keys:
        """Objects reached through it."""
        return self.itself | self.inside

    def element(self) -> Roots:
        """Return what a part of the value may be: a view of it, or something that it holds."""
        return Roots(self.itself | self.inside, self.inside) if self else NOTHING

    def contained(self) -> Roots:
        """Return the roots of a new object that holds the value, or its elements."""
        return Roots(NO_KEYS, self.itself | self.inside) if self else NOTHING

    def joined(self, other: Roots) -> Roots:
        """Return the roots of a value that is this or the other."""
        if not other:
            return self
        return Roots(self.itself | other.itself, self.inside | other.inside) if self else other

    def __bool__(self) -> bool:
        return bool(self.itself or self.inside)


NOTHING = Roots()


@lru_cache(maxsize=5000)
def roots_of_variable(variable: Variable) -> Roots:
    """Return the roots of a variable's own object."""
    return Roots(frozenset({variable}), frozenset({Inside(variable)}))


def local(key: Key) -> tuple[int, str] | None:
    """Return the local variable whose object this is, None for other objects."""
    return key if type(key) is tuple else None  # type: ignore[return-value]


def is_local(key: Key) -> bool:
    """Tell whether an object is that of a local variable, or was made in the code at hand."""
    return type(key) is tuple or (isinstance(key, Inside) and type(key.key) is tuple)


def outer_names(keys: Iterable[Key]) -> frozenset[str]:
    """Return the global names among objects, and those whose contents are among them."""
    found = set()
    for key in keys:
        name = key.key if isinstance(key, Inside) else key
        if isinstance(name, str):
            found.add(name)
    return frozenset(found)


def params_in(keys: Iterable[Key], number: int) -> tuple[frozenset[str], frozenset[str]]:
    """Return the variables of a scope among objects, and those whose contents are among them.

    Parameters
    ----------
    keys : iterable of Key
    number : int
        The scope's.

    Returns
    -------
    (frozenset of str, frozenset of str)
    """
    direct: set[str] = set()
    deep: set[str] = set()
    for key in keys:
        if isinstance(key, CallResult):
            for inner in (*params_in(key.receiver, number), *params_in(key.given, number)):
                direct |= inner
        elif isinstance(key, Inside):
            if type(key.key) is tuple and key.key[0] == number:
                deep.add(key.key[1])
        elif not isinstance(key, str) and key[0] == number:
            direct.add(key[1])
    return frozenset(direct), frozenset(deep)


def without_locals(keys: Iterable[Key]) -> Keys:
    """Return the objects that are known outside the code in which they were found."""
    found: set[Key] = set()
    for key in keys:
        if isinstance(key, CallResult):
            found.add(key._replace(receiver=without_locals(key.receiver), given=without_locals(key.given)))
        elif not is_local(key):
            found.add(key)
    return frozenset(found)


def without_new(roots: Roots) -> Roots:
    """Return roots without the objects made in the code at hand."""
    return Roots(
        frozenset(k for k in roots.itself if (mine := local(k)) is None or mine[0] > 0),
        frozenset(k for k in roots.inside if (mine := local(k)) is None or mine[0] > 0),
    )
