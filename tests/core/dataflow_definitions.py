"""Expressions and definitions of generated notebooks: values, aliases, functions, classes, generators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

INTS = ("a", "b", "c", "d")
LISTS = ("p", "q", "r")
TABLES = ("m", "n")  # lists of lists
FUNCTIONS = ("f", "g", "h")  # each calls only those before it: no endless recursion
CHANGERS = ("u", "v")  # functions that are given a list
GIVERS = ("gv", "gw")  # functions that give back a list
MAKERS = ("mk", "nk")  # functions that return functions
CLASSES = ("K", "L")
OBJECTS = ("o", "w")
GENERATORS = ("it", "jt")
DICTS = ("dd", "ee")  # of lists
TABLES_OF_CODE = ("fs",)
BOUND = ("add", "put")  # methods taken from lists
DECORATORS = ("deco",)
CODE = (*FUNCTIONS, *CHANGERS, *GIVERS, *MAKERS, *OBJECTS, *GENERATORS, *CLASSES, *TABLES_OF_CODE, *BOUND, *DECORATORS)
EVERY = (*INTS, *LISTS, *TABLES, *DICTS, *CODE)


@dataclass
class Definitions:
    """Writes expressions and definitions that can run, given what is defined so far.

    Parameters
    ----------
    number_to : callable
        Largest number → a number from 0 to it: the dice, or Hypothesis.
    """

    number_to: Callable[[int], int]
    defined: set[str] = field(default_factory=set)
    needs: dict[str, set[str]] = field(default_factory=dict)  # callable → names that must be there when it runs
    depth: int = 0

    def pick(self, options: Any) -> Any:
        return self.one_of(sorted(options))

    def one_of(self, options: Any) -> Any:
        return options[self.number_to(len(options) - 1)]

    def chance(self, percent: int) -> bool:
        return bool(self.number_to(99) < percent)

    def have(self, kind: tuple[str, ...]) -> list[str]:
        return [n for n in kind if n in self.defined]

    def ready(self, kind: tuple[str, ...]) -> list[str]:
        """Callables of a kind whose needs are all met, those of what they call included."""
        return [n for n in self.have(kind) if self._met(n, frozenset())]

    def _met(self, name: str, path: frozenset[str]) -> bool:
        if name in path:
            return True
        return name in self.defined and all(self._met(n, path | {name}) for n in self.needs.get(name, ()))

    # expressions

    def number(self, *, local: str | None = None) -> str:
        forms = ["const"]
        ints, lists = self.have(INTS), self.have(LISTS)
        forms += ["int", "int", "sum2"] if ints else []
        forms += ["len", "total", "comp"] if lists else []
        forms += ["local", "local"] if local else []
        forms += ["call"] if self.ready(FUNCTIONS) else []
        forms += ["given"] if lists and self.ready(CHANGERS) else []
        forms += ["method"] if self.ready(OBJECTS) else []
        forms += ["next"] if self.ready(GENERATORS) else []
        forms += ["walrus"] if ints and not self.depth else []
        forms += ["bound"] if self.ready(BOUND) else []
        forms += ["dispatch"] if self.ready(TABLES_OF_CODE) else []
        forms += ["size", "property"] if self.ready(OBJECTS) else []
        form = self.pick(forms)
        if form == "int":
            return str(self.pick(ints))
        if form == "sum2":
            return f"{self.pick(ints)} + {self.pick(ints)}"
        if form == "len":
            return f"len({self.pick(lists)})"
        if form == "total":
            return f"sum({self.pick(lists)})"
        if form == "comp":
            name = self.pick(lists)
            inner = self.pick(ints) if ints else "1"
            return f"sum(x * {inner} for x in {name})" if self.chance(50) else f"len([{inner} for x in {name} if x])"
        if form == "local":
            return str(local)
        if form == "call":
            name = self.pick(self.ready(FUNCTIONS))
            return f"{name}()" if self.chance(70) else f"[k() for k in [{name}]][0]"
        if form == "given":
            return f"{self.pick(self.ready(CHANGERS))}({self.pick(lists)})"
        if form == "method":
            return f"{self.pick(self.ready(OBJECTS))}.put({self.pick(ints) if ints else 1})"
        if form == "next":
            return f"next({self.pick(self.ready(GENERATORS))}, 0)"
        if form == "bound":
            return f"({self.pick(self.ready(BOUND))}({self.number_to(9)}) or 1)"
        if form == "dispatch":
            return f"{self.pick(self.ready(TABLES_OF_CODE))}['f']()"
        if form == "size":
            return f"len({self.pick(self.ready(OBJECTS))})"
        if form == "property":
            return f"{self.pick(self.ready(OBJECTS))}.top"
        if form == "walrus":
            return f"({self.pick(ints)} := {self.number_to(9)})"
        return str(self.number_to(9))

    def list_of(self) -> str:
        lists, tables = self.have(LISTS), self.have(TABLES)
        forms = ["display"]
        forms += ["alias", "alias", "copy", "plus", "comp", "either"] if lists else []
        forms += ["row", "flat"] if tables else []
        forms += ["inside"] if self.ready(OBJECTS) else []
        forms += ["item", "get"] if self.have(DICTS) else []
        forms += ["given"] if lists and self.ready(GIVERS) else []
        forms += ["drain"] if self.ready(GENERATORS) else []
        form = self.pick(forms)
        if form == "alias":
            return str(self.pick(lists))
        if form == "copy":
            return f"list({self.pick(lists)})" if self.chance(50) else f"{self.pick(lists)}.copy()"
        if form == "plus":
            return f"{self.pick(lists)} + {self.pick(lists)}"
        if form == "comp":
            return f"[x + {self.number()} for x in {self.pick(lists)}[:5]]"
        if form == "either":
            return f"{self.pick(lists)} if {self.number()} % 2 else {self.pick(lists)}"
        if form == "row":
            return f"{self.pick(tables)}[0]"
        if form == "flat":
            return f"[x for row in {self.pick(tables)} for x in row]"
        if form == "item":
            return f"{self.pick(self.have(DICTS))}['k']"
        if form == "get":
            return f"{self.pick(self.have(DICTS))}.get('j', {self.pick(lists) if lists else '[]'})"
        if form == "given":
            return f"{self.pick(self.ready(GIVERS))}({self.pick(lists)})"
        if form == "inside":
            return f"{self.pick(self.ready(OBJECTS))}.kept"
        if form == "drain":
            return f"list({self.pick(self.ready(GENERATORS))})"
        return f"[{self.number()}, {self.number()}]"

    # definitions: each returns its lines and marks what it defines

    def inner(self, defined: set[str]) -> Definitions:
        """A writer for a body that runs later, when other names may be there."""
        return type(self)(self.number_to, defined, dict(self.needs), depth=3)

    def _define(self, name: str, needs: set[str] | None = None) -> None:
        if self.depth:  # only perhaps: what may be missing stays so, what has needs may keep the old ones
            if name in self.defined:
                self.needs[name] = self.needs.get(name, set()) | (needs or set())
            return
        self.defined.add(name)
        self.needs[name] = needs or set()

    def _body_needs(self, lines: list[str]) -> set[str]:
        words = set()
        for line in lines:
            word = ""
            for letter in line + " ":
                if letter.isalnum() or letter == "_":
                    word += letter
                else:
                    words.add(word)
                    word = ""
        return words & set(EVERY)

    def _function(self) -> list[str]:
        place = self.number_to(len(FUNCTIONS) - 1)
        name = FUNCTIONS[place]
        hidden = set(CODE) - set(FUNCTIONS[:place])
        inner = self.inner(self._reach() - hidden)
        value = inner.number()
        form = self.pick(["plain", "lambda", "default", "writes", "changes", "nested", "rebinds", "kept", "stores"])
        if form == "lambda":
            lines = [f"{name} = lambda: {value}"]
        elif form == "default":
            now = self.number()
            lines = [f"def {name}(k={now}):", f"    return k + {value}"]
        elif form == "writes" and inner.have(INTS):
            target = self.pick(inner.have(INTS))
            lines = [f"def {name}():", f"    global {target}", f"    {target} = {value}", f"    return {target}"]
        elif form == "changes" and inner.have(LISTS):
            lines = [f"def {name}():", f"    {self.pick(inner.have(LISTS))}.append({value})", "    return 1"]
        elif form == "rebinds" and len(inner.have(LISTS)) > 1:
            one, two = inner.pick(inner.have(LISTS)), inner.pick(inner.have(LISTS))
            lines = [f"def {name}():", f"    global {one}", f"    {one} = {two}", f"    return {value}"]
        elif form == "kept" and self.have(LISTS):
            lines = [f"def {name}(xs={self.pick(self.have(LISTS))}):", "    xs.append(1)", f"    return {value}"]
        elif form == "stores" and inner.have(TABLES) and inner.have(LISTS):
            lines = [f"def {name}():", f"    {inner.pick(inner.have(TABLES))}[1] = {inner.pick(inner.have(LISTS))}"]
            lines += [f"    return {value}"]
        elif form == "nested":
            lines = [f"def {name}():", f"    def deep(): return {value}", "    return deep()"]
        else:
            lines = [f"def {name}():", f"    return {value}"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _reach(self) -> set[str]:
        """What a function may name: also what is not defined yet."""
        return self.defined | {n for n in (*INTS, *LISTS) if self.chance(30)}

    def _changer(self) -> list[str]:
        place = self.number_to(len(CHANGERS) - 1)
        name = CHANGERS[place]
        hidden = set(CODE)
        inner = self.inner(self._reach() - hidden)
        bodies = [
            f"    xs.append({inner.number(local='len(xs)')})",
            "    ys = xs\n    ys.append(1)",
            "    xs = list(xs)\n    xs.append(1)",
            "    xs += [2]",
        ]
        if place and CHANGERS[0] in self.defined:
            bodies.append(f"    {CHANGERS[0]}(xs)")
        body = self.one_of(bodies)
        lines = [f"def {name}(xs):", *body.split("\n"), "    return len(xs)"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _maker(self) -> list[str]:
        name = self.pick(MAKERS)
        hidden = set(CODE)
        inner = self.inner(self._reach() - hidden)
        lines = [f"def {name}():", f"    return lambda: {inner.number()}"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _made(self) -> list[str]:
        maker, name = self.pick(self.ready(MAKERS)), self.pick(FUNCTIONS)
        self._define(name, {maker} | self.needs.get(maker, set()))
        return [f"{name} = {maker}()"]

    def _giver(self) -> list[str]:
        name, reach = self.pick(GIVERS), sorted(self._reach() & set(LISTS))
        other = self.pick(reach) if reach else "[]"
        bodies = ["return xs", f"return {other}", "return list(xs)", "xs.append(0); return xs", f"return xs or {other}"]
        lines = [f"def {name}(xs):", f"    {self.one_of(bodies)}"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _bound(self) -> list[str]:
        name, value = self.pick(BOUND), self.pick(self.have(LISTS))
        self._define(name)
        return [f"{name} = {value}.append"]

    def _partial(self) -> list[str]:
        changers = self.ready(CHANGERS)
        if not changers:
            return ["pass"]
        changer, name = self.pick(changers), self.pick(FUNCTIONS)
        self._define(name, {changer})
        return ["import functools", f"{name} = functools.partial({changer}, {self.pick(self.have(LISTS))})"]

    def _counter(self) -> list[str]:
        name, lists = self.pick(FUNCTIONS), self.have(LISTS)
        inner = self.inner(self._reach() - set(CODE))
        value = inner.number()
        if lists and self.chance(50):
            lines = ["def made(xs):", "    def step():", "        xs.append(1)", f"        return {value}"]
            lines += ["    return step", f"{name} = made({self.pick(lists)})"]
        else:
            lines = ["def made():", "    n = 0", "    def step():", "        nonlocal n", f"        n += {value}"]
            lines += ["        return n", "    return step", f"{name} = made()"]
        self._define(name, self._body_needs([value]) - {name})
        return lines

    def _dispatch(self) -> list[str]:
        inner = self.inner(self._reach() - set(CODE))
        value = inner.number()
        self._define("fs", self._body_needs([value]))
        return [f"fs = {{'f': lambda: {value}}}"]

    def _decorator(self) -> list[str]:
        lists = sorted(self._reach() & set(LISTS))
        noted = f"{self.pick(lists)}.append(1)" if lists else "pass"
        lines = ["def deco(fn):", "    def wrapped(*a):", f"        {noted}", "        return fn(*a)"]
        if self.chance(30):
            lines += ["    wrapped()"]
        lines += ["    return wrapped"]
        self._define("deco", self._body_needs(lines) - {"deco"})
        return lines

    def _decorated(self) -> list[str]:
        inner = self.inner(self.defined - set(CODE))
        lines = ["@deco", "def f():", f"    return {inner.number()}"]
        self._define("f", self._body_needs(lines) - {"f"})
        return lines

    def _class(self) -> list[str]:
        name = self.pick(CLASSES)
        hidden = set(CODE)
        inner = self.inner(self._reach() - hidden)
        start = self.pick(self.have(LISTS)) if self.have(LISTS) and self.chance(40) else "[]"
        lines = [
            f"class {name}:",
            f"    base = {self.number()}",
            "    def __init__(self):",
            f"        self.kept = {start}",
            "    def put(self, k):",
            "        self.note(k)",
            f"        return {inner.number(local='k')} + self.base",
            "    def note(self, k):",
            "        self.kept.append(k)",
            "    def __len__(self):",
            "        self.note(7)" if self.chance(30) else "        pass",
            "        return len(self.kept)",
            "    @property",
            "    def top(self):",
            f"        return {inner.number()} + len(self.kept)",
        ]
        self._define(name, self._body_needs(lines[2:]) - {name})
        return lines

    def _object(self) -> list[str]:
        kind, name = self.pick(self.ready(CLASSES)), self.pick(OBJECTS)
        self._define(name, {kind} | self.needs.get(kind, set()))
        return [f"{name} = {kind}()"] if self.chance(80) else [f"class K2({kind}): pass", f"{name} = K2()"]

    def _generator(self) -> list[str]:
        hidden = set(CODE)
        inner = self.inner(self._reach() - hidden)
        source, name, value = self.pick(self.have(LISTS)), self.pick(GENERATORS), inner.number(local="x")
        self._define(name, self._body_needs([value]) - {name})
        if self.chance(40):
            lines = ["def gen():", f"    for x in list({source})[:5]:", f"        yield x + {value}", f"{name} = gen()"]
            self.needs[name] = self.needs.get(name, set()) | {source}
            return lines
        return [f"{name} = (x + {value} for x in list({source})[:5])"]
