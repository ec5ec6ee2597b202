"""What a call changes and gives, once the code that it calls is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from headrace.core.dataflow.keys import NO_KEYS, NOTHING, CallResult, Inside, Key, Keys, Roots
from headrace.core.dataflow.records import CallSite, Deferred, Names

Lookup = Callable[[str], Iterable[Deferred]]

#: Calls within calls are followed so far; what is deeper counts as changing all it is given.
DEEPEST = 40


def changed_by(site: CallSite, lookup: Lookup, path: tuple[int, ...] = ()) -> Keys:
    """Return the objects among those given to a call that it may change.

    Parameters
    ----------
    site : CallSite
    lookup : callable
        Name → the code that it may hold.
    path : tuple of int, default ()
        Code whose calls are being followed.

    Returns
    -------
    frozenset of Key
    """
    found: set[Key] = set()
    code = list(lookup(site.callee)) if site.callee else []
    for deferred in code:
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
        direct, deep = changed_params(called, lookup, path)
        for shift in shifts:
            if shift and called.params:
                found |= _picked(site.receiver, called.params[:1], direct, deep)
                if site.method is not None and _changes_self(site.method, code):
                    found |= site.receiver.everything
            for argument in site.arguments:
                hit = _params_at(argument.place, called, shift)
                found |= _picked(argument.roots, hit, direct, deep)
                for param, method_name in called.self_calls:  # `def use(box): box.put(1)`: the box knows what that does
                    if param in hit and _changes_itself(argument.roots, method_name, lookup):
                        found |= argument.roots.everything
    for name in site.code:
        # Code that changes its parameters, handed to something that will call it with the other things given: map(f, xs)
        if any(any(changed_params(d, lookup, path)) for d in lookup(name) if not d.is_class):
            found |= site.receiver.everything
            for other in site.arguments:
                found |= other.roots.everything - {name, Inside(name)}
    return frozenset(found)


def changed_params(deferred: Deferred, lookup: Lookup, path: tuple[int, ...] = ()) -> tuple[Names, Names]:
    """Return the parameters whose objects a function may change, and those in which it may change what they hold.

    Calls of the function to others are followed.
    """
    if not deferred.sites or id(deferred) in path:
        return deferred.mutates_params, deferred.deep_params
    if len(path) >= DEEPEST:
        return frozenset(deferred.params), frozenset(deferred.params)
    direct, deep = set(deferred.mutates_params), set(deferred.deep_params)
    for site in deferred.sites:
        for key in changed_by(site, lookup, (*path, id(deferred))):
            if isinstance(key, Inside):
                if type(key.key) is tuple and key.key[0] == deferred.scope:
                    deep.add(key.key[1])
            elif type(key) is tuple and key[0] == deferred.scope:
                direct.add(key[1])
    return frozenset(direct), frozenset(deep)


def _picked(roots: Roots, params: Iterable[str], direct: Names, deep: Names) -> Keys:
    found = NO_KEYS
    for param in params:
        if param in deep:
            return roots.everything
        if param in direct:
            found = roots.itself
    return found


def _params_at(place: int | str, called: Deferred, shift: int) -> tuple[str, ...]:
    """Return the parameters that an argument may land in."""
    if isinstance(place, str):
        return (place,)
    if place < 0:
        return (*called.params[shift:], *((called.spread,) if called.spread else ()))
    if place + shift < len(called.params):
        return (called.params[place + shift],)
    return (called.spread,) if called.spread else ()


def _changes_itself(roots: Roots, method_name: str, lookup: Lookup) -> bool:
    return any(_changes_self(method_name, list(lookup(name))) for name in roots.itself if isinstance(name, str))


def _changes_self(method_name: str, code: Sequence[Deferred]) -> bool:
    """Tell whether a method changes its instance, by itself or through other methods of the classes at hand."""
    pending, seen = [method_name], {method_name}
    while pending:
        name = pending.pop()
        for deferred in code:
            method = deferred.methods.get(name) if deferred.is_class else None
            if method is None or not method.params:
                continue
            if method.params[0] in method.mutates_params | method.deep_params:
                return True
            for param, called in method.self_calls:
                if param == method.params[0] and called not in seen:
                    seen.add(called)
                    pending.append(called)
    return False


def results_of(call: CallResult, code: Iterable[Deferred]) -> Roots:
    """Return the objects that a call's value may be and hold, given the code that its callee holds."""
    found = NOTHING
    for deferred in code:
        if deferred.is_class and call.method is not None:
            method = deferred.methods.get(call.method)
            if method is not None:
                given = call.receiver | call.given if method.returns_params else NO_KEYS
                found = found.joined(Roots(method.returns | given, method.returns | given))
        elif deferred.is_class:
            bases = frozenset(CallResult(base, None, NO_KEYS, call.given) for base in deferred.bases)
            found = found.joined(Roots(NO_KEYS, deferred.keeps | call.given | bases))
        else:
            given = call.given if deferred.returns_params or call.method is not None else NO_KEYS
            found = found.joined(Roots(deferred.returns | given, deferred.returns | given))
    return found


def methods_changing_self(methods: dict[str, Deferred]) -> dict[str, Names]:
    """Return, for each method of a class, the parameters that it changes, calls of its own methods included."""
    changed = {name: method.mutates_params | method.deep_params for name, method in methods.items()}
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
