"""What a call changes and gives, once the code that it calls is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from headrace.core.dataflow.joining import ANY_PARAMETER
from headrace.core.dataflow.keys import NO_KEYS, NOTHING, CallResult, Inside, Key, Keys, Roots, call_result
from headrace.core.dataflow.records import CallSite, Deferred, Names

Lookup = Callable[[str], Iterable[Deferred]]


class CallJudge:
    """Responsibilities: what calls change, given the code that names hold; each function is judged once.

    Parameters
    ----------
    lookup : callable
        Name → the code that it may hold. While the judge is used, the answers must stay the same.
    """

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._judged: dict[int, tuple[Names, Names]] = {}
        self._kept: list[Deferred] = []  # `_judged` goes by identity, so what was judged must live on

    def changed_by(self, site: CallSite) -> Keys:
        """Return the objects among those given to a call that it may change."""
        found: set[Key] = set()
        code = list(self._lookup(site.callee)) if site.callee else []
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
            direct, deep = self.changed_params(called)
            for shift in shifts:
                if shift and called.params:
                    found |= _picked(site.receiver, called.params[:1], direct, deep)
                    if site.method is not None and _changes_self(site.method, code):
                        found |= site.receiver.everything
                for argument in site.arguments:
                    hit = _params_at(argument.place, called, shift)
                    found |= _picked(argument.roots, hit, direct, deep)
                    for (
                        param,
                        method_name,
                    ) in called.self_calls:  # `def use(box): box.put(1)`: the box knows what that does
                        if param in hit and self._changes_itself(argument.roots, method_name):
                            found |= argument.roots.everything
        for name in site.code:
            # Code that changes its parameters, handed to something that will call it with the other things given: map(f, xs)
            if any(any(self.changed_params(d)) for d in self._lookup(name) if not d.is_class):
                found |= site.receiver.everything
                for other in site.arguments:
                    found |= other.roots.everything - {name, Inside(name)}
        return frozenset(found)

    def changed_params(self, deferred: Deferred) -> tuple[Names, Names]:
        """Return the parameters whose objects a function may change, and those in which it may change what they hold.

        Its calls of others are followed.
        """
        if not deferred.sites:
            return deferred.mutates_params, deferred.deep_params
        if id(deferred) not in self._judged:
            self._judge(deferred)
        return self._judged[id(deferred)]

    def _judge(self, start: Deferred) -> None:
        """Judge a function together with those that it reaches: again and again along the calls, until nothing is added."""
        callers: dict[int, dict[int, Deferred]] = {}
        waiting: dict[int, Deferred] = {}
        pending = [start]
        while pending:
            deferred = pending.pop()
            if id(deferred) in self._judged or not deferred.sites:
                continue
            self._judged[id(deferred)] = deferred.mutates_params, deferred.deep_params
            self._kept.append(deferred)
            waiting[id(deferred)] = deferred
            for callee in self._callees(deferred):
                callers.setdefault(id(callee), {})[id(deferred)] = deferred
                pending.append(callee)
        while waiting:
            number, deferred = waiting.popitem()
            direct, deep = set(deferred.mutates_params), set(deferred.deep_params)
            for site in deferred.sites:
                for key in self.changed_by(site):
                    if isinstance(key, Inside):
                        if type(key.key) is tuple and key.key[0] == deferred.scope:
                            deep.add(key.key[1])
                    elif type(key) is tuple and key[0] == deferred.scope:
                        direct.add(key[1])
            after = frozenset(direct), frozenset(deep)
            if after != self._judged[number]:
                self._judged[number] = after
                waiting.update(callers.get(number, ()))

    def _callees(self, deferred: Deferred) -> Iterable[Deferred]:
        for site in deferred.sites:
            for code in self._lookup(site.callee) if site.callee else ():
                called = code.methods.get(site.method or "__init__") if code.is_class else code
                if called is not None:
                    yield called
            for name in site.code:
                yield from (d for d in self._lookup(name) if not d.is_class)

    def _changes_itself(self, roots: Roots, method_name: str) -> bool:
        return any(_changes_self(method_name, list(self._lookup(n))) for n in roots.itself if isinstance(n, str))


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
    if called.spread == ANY_PARAMETER:
        return (ANY_PARAMETER,)
    if isinstance(place, str):
        return (place,)
    if place < 0:
        return (*called.params[shift:], *((called.spread,) if called.spread else ()))
    if place + shift < len(called.params):
        return (called.params[place + shift],)
    return (called.spread,) if called.spread else ()


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


def results_of(call: CallResult, code: Iterable[Deferred], *, given_only: bool = False) -> Roots:
    """Return the objects that a call's value may be and hold.

    Parameters
    ----------
    call : CallResult
    code : iterable of Deferred
        What its callee holds.
    given_only : bool, default False
        Whether what the code gives whatever it is given is known from another call of it.
    """
    itself: set[Key] = set()
    inside: set[Key] = set()
    for deferred in code:
        if deferred.is_class and call.method is not None:
            method = deferred.methods.get(call.method)
            if method is not None:
                if not given_only:
                    itself |= method.returns
                if method.returns_params:
                    itself |= call.receiver
                    itself |= call.given
        elif deferred.is_class:
            if not given_only:
                inside |= deferred.keeps
            inside |= call.given
            inside.update(call_result(base, None, NO_KEYS, call.given) for base in deferred.bases)
        else:
            if not given_only:
                itself |= deferred.returns
            if deferred.returns_params or call.method is not None:
                itself |= call.given
    return Roots(frozenset(itself), frozenset(itself | inside)) if itself or inside else NOTHING


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
