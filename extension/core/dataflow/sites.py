"""What a call changes, once the code that it calls is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from headrace.core.dataflow.records import CallSite, Deferred, Names

Lookup = Callable[[str], Iterable[Deferred]]

#: Calls within calls are followed so far; what is deeper counts as changing all it is given.
DEEPEST = 40


def changed_by(site: CallSite, lookup: Lookup) -> set[str]:
    """Return the outer names whose objects a call may change.

    Parameters
    ----------
    site : CallSite
    lookup : callable
        Name → the code that it may hold.

    Returns
    -------
    set of str
    """
    return _changed(site, lookup, params=False, path=())


def changed_params(deferred: Deferred, lookup: Lookup, path: tuple[int, ...] = ()) -> Names:
    """Return the parameters whose objects a function may change, by itself or through what it calls."""
    if not deferred.sites or id(deferred) in path:
        return deferred.mutates_params
    if len(path) >= DEEPEST:
        return frozenset(deferred.params)
    found = set(deferred.mutates_params)
    for site in deferred.sites:
        if site.receiver_params or any(a.params for a in site.arguments):
            found |= _changed(site, lookup, params=True, path=(*path, id(deferred)))
    return frozenset(found)


def _changed(site: CallSite, lookup: Lookup, *, params: bool, path: tuple[int, ...]) -> set[str]:
    found: set[str] = set()
    for deferred in lookup(site.callee) if site.callee else ():
        called = deferred
        shifts: tuple[int, ...] = (0,)
        if deferred.is_class:
            method = deferred.methods.get(site.method or "__init__")
            if method is None:
                continue
            # through the class itself, as `Class.method(instance, …)`, the instance is an argument like others
            through_class = site.method is not None and site.callee == deferred.name
            called = method
            shifts = (0,) if method.static else (0, 1) if through_class else (1,)
        changed = changed_params(called, lookup, path)
        for shift in shifts if changed else ():
            if shift and called.params and called.params[0] in changed:
                found |= site.receiver_params if params else site.receiver
            for argument in site.arguments:
                names = argument.params if params else argument.names
                if names and _hits(argument.place, called, shift, changed):
                    found |= names
    for name in site.code:
        # Code that changes its parameters, handed to something that will call it with the other things given: map(f, xs)
        if any(changed_params(d, lookup, path) for d in lookup(name) if not d.is_class):
            for other in site.arguments:
                found |= (other.params if params else other.names) - {name}
            found |= site.receiver_params if params else site.receiver
    return found


def _hits(place: int | str, called: Deferred, shift: int, changed: Names) -> bool:
    if isinstance(place, str):
        return place in changed
    if place < 0:
        return True
    if place + shift < len(called.params):
        return called.params[place + shift] in changed
    return called.spread is not None and called.spread in changed


def methods_changing_self(methods: dict[str, Deferred]) -> dict[str, Names]:
    """Return, for each method of a class, the parameters that it changes, calls of its own methods included."""
    changed = {name: method.mutates_params for name, method in methods.items()}
    moved = True
    while moved:
        moved = False
        for name, method in methods.items():
            for param, called in method.self_calls:
                inner = methods.get(called)
                if inner is None or param in changed[name] or not inner.params:
                    continue
                if inner.params[0] in changed[called]:
                    changed[name] = changed[name] | {param}
                    moved = True
    return changed
