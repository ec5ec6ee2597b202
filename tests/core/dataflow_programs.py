"""Generated notebooks that run, for properties of the dataflow graph: values, aliases, functions, classes, generators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

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
class Writer:
    """Writes statements that can run, given what is defined so far.

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

    # statements: each returns its lines and marks what it defines

    def statement(self) -> list[str]:
        lists, tables = self.have(LISTS), self.have(TABLES)
        forms = ["int", "int", "list", "list", "table", "function", "maker"]
        forms += ["augment"] if self.have(INTS) else []
        forms += ["append", "append", "change", "extend", "changer", "generator"] if lists else []
        forms += ["row", "rows"] if tables else []
        forms += ["several", "dict", "giver", "unpack"] if lists else []
        forms += ["item", "items"] if self.have(DICTS) else []
        forms += ["bound", "partial"] if lists and not self.depth else []
        forms += ["counter", "dispatch", "decorator"] if not self.depth else []
        forms += ["attribute", "use"] if self.ready(OBJECTS) and lists else []
        forms += ["decorated"] if self.ready(DECORATORS) and not self.depth else []
        forms += ["space"] if self.have(INTS) else []
        forms += ["class"] if not self.depth else []
        forms += ["object"] if self.ready(CLASSES) else []
        forms += ["made"] if self.ready(MAKERS) else []
        forms += ["call"] if self.ready(FUNCTIONS + CHANGERS) else []
        if self.depth < 2 and self.defined:
            forms += ["if", "for", "try", "while", "with", "match"]
        forms += ["delete"] if not self.depth and len(self.defined) > 4 else []
        return list(getattr(self, "_" + self.pick(forms))())

    def _define(self, name: str, needs: set[str] | None = None) -> None:
        if self.depth:  # only perhaps: what may be missing stays so, what has needs may keep the old ones
            if name in self.defined:
                self.needs[name] = self.needs.get(name, set()) | (needs or set())
            return
        self.defined.add(name)
        self.needs[name] = needs or set()

    def _int(self) -> list[str]:
        value, name = self.number(), self.pick(INTS)
        self._define(name)
        return [f"{name} = {value}"]

    def _augment(self) -> list[str]:
        return [f"{self.pick(self.have(INTS))} += {self.number()}"]

    def _list(self) -> list[str]:
        value, name = self.list_of(), self.pick(LISTS)
        self._define(name)
        return [f"{name} = {value}"]

    def _table(self) -> list[str]:
        lists = self.have(LISTS)
        parts = [self.pick(lists) if lists and self.chance(70) else "[1]" for _ in range(2)]
        name = self.pick(TABLES)
        self._define(name)
        return [f"{name} = [{', '.join(parts)}]"]

    def _append(self) -> list[str]:
        return [f"{self.pick(self.have(LISTS))}.append({self.number()})"]

    def _extend(self) -> list[str]:
        return [f"{self.pick(self.have(LISTS))}.extend({self.pick(self.have(LISTS))}[:3])"]

    def _change(self) -> list[str]:
        name = self.pick(self.have(LISTS))
        forms = [f"{name} += [{self.number()}]", f"{name}[:1] = [{self.number()}]", f"{name}.sort()", f"del {name}[:1]"]
        forms += [f"{name}.reverse()", f"list.append({name}, {self.number()})"]
        return [self.one_of(forms)]

    def _row(self) -> list[str]:
        return [f"{self.pick(self.have(TABLES))}[0].append({self.number()})"]

    def _rows(self) -> list[str]:
        return [f"for row in {self.pick(self.have(TABLES))}[:2]:", f"    row.append({self.number()})"]

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
        inner = Writer(self.number_to, self._reach() - hidden, dict(self.needs), depth=3)
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
        inner = Writer(self.number_to, self._reach() - hidden, dict(self.needs), depth=3)
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
        inner = Writer(self.number_to, self._reach() - hidden, dict(self.needs), depth=3)
        lines = [f"def {name}():", f"    return lambda: {inner.number()}"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _made(self) -> list[str]:
        maker, name = self.pick(self.ready(MAKERS)), self.pick(FUNCTIONS)
        self._define(name, {maker} | self.needs.get(maker, set()))
        return [f"{name} = {maker}()"]

    def _several(self) -> list[str]:
        lists = self.have(LISTS)
        forms = [f"{self.pick(LISTS)} = {self.pick(LISTS)} = [{self.number()}]"]
        if len(lists) > 1:
            forms.append(f"{lists[0]}, {lists[1]} = {lists[1]}, {lists[0]}")
        line = self.one_of(forms)
        for name in LISTS if " = [" in line else ():
            if f"{name} =" in line:
                self._define(name)
        return [str(line)]

    def _unpack(self) -> list[str]:
        value, one, rest = self.pick(self.have(LISTS)), self.pick(INTS), self.pick(LISTS)
        self._define(one)
        self._define(rest)
        return [f"{one}, *{rest} = {value} + [1]"]

    def _dict(self) -> list[str]:
        name = self.pick(DICTS)
        line = f"{name} = {{'k': {self.pick(self.have(LISTS))}}}"
        self._define(name)
        return [line]

    def _item(self) -> list[str]:
        name, lists = self.pick(self.have(DICTS)), self.have(LISTS)
        forms = [f"{name}['k'].append({self.number()})", f"{name}.setdefault('z', []).append({self.number()})"]
        if lists:
            forms += [f"{name}['j'] = {self.pick(lists)}", f"{name}.update(k={self.pick(lists)})"]
        return [str(self.one_of(forms))]

    def _items(self) -> list[str]:
        return [f"for key, v in {self.pick(self.have(DICTS))}.items():", f"    v.append({self.number_to(9)})"]

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
        inner = Writer(self.number_to, self._reach() - set(CODE), dict(self.needs), depth=3)
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
        inner = Writer(self.number_to, self._reach() - set(CODE), dict(self.needs), depth=3)
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
        inner = Writer(self.number_to, self.defined - set(CODE), dict(self.needs), depth=3)
        lines = ["@deco", "def f():", f"    return {inner.number()}"]
        self._define("f", self._body_needs(lines) - {"f"})
        return lines

    def _attribute(self) -> list[str]:
        return [f"{self.pick(self.ready(OBJECTS))}.kept = {self.pick(self.have(LISTS))}"]

    def _use(self) -> list[str]:
        name = self.pick(self.ready(OBJECTS))
        return [
            "def use(b):",
            "    return b.put(1)",
            f"use({name})" if self.chance(50) else f"list(map(use, [{name}]))",
        ]

    def _space(self) -> list[str]:
        name = self.pick(self.have(INTS))
        forms = [f"globals()['{name}'] = {self.number()}", f"exec('{name} = {self.number_to(9)}')"]
        return [str(self.one_of([*forms, f"{name} = eval('{self.pick(self.have(INTS))} + 1')"]))]

    def _class(self) -> list[str]:
        name = self.pick(CLASSES)
        hidden = set(CODE)
        inner = Writer(self.number_to, self._reach() - hidden, dict(self.needs), depth=3)
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
        inner = Writer(self.number_to, self._reach() - hidden, dict(self.needs), depth=3)
        source, name, value = self.pick(self.have(LISTS)), self.pick(GENERATORS), inner.number(local="x")
        self._define(name, self._body_needs([value]) - {name})
        if self.chance(40):
            lines = ["def gen():", f"    for x in list({source})[:5]:", f"        yield x + {value}", f"{name} = gen()"]
            self.needs[name] = self.needs.get(name, set()) | {source}
            return lines
        return [f"{name} = (x + {value} for x in list({source})[:5])"]

    def _call(self) -> list[str]:
        if self.ready(FUNCTIONS) and (self.chance(60) or not (self.ready(CHANGERS) and self.have(LISTS))):
            return [f"{self.pick(self.ready(FUNCTIONS))}()"]
        if self.ready(CHANGERS) and self.have(LISTS):
            name, given = self.pick(self.ready(CHANGERS)), self.pick(self.have(LISTS))
            return [f"{name}({given})" if self.chance(60) else f"list(map({name}, [{given}]))"]
        return ["pass"]

    def _block(self) -> list[str]:
        self.depth += 1
        lines = [f"    {line}" for _ in range(self.number_to(1) + 1) for line in self.statement()]
        self.depth -= 1
        return lines

    def _if(self) -> list[str]:
        lines = [f"if {self.number()} % 2:", *self._block()]
        return [*lines, "else:", *self._block()] if self.chance(50) else lines

    def _for(self) -> list[str]:
        lists = self.have(LISTS)
        over = f"list({self.pick(lists)})[:2]" if lists else "range(2)"
        body = self._block()
        if self.chance(30):
            body += [f"    if {self.number()} % 2:", "        " + self.pick(["break", "continue"])]
        return [f"for i in {over}:", *body]

    def _while(self) -> list[str]:
        return ["k = 2", "while k:", "    k -= 1", *self._block()]

    def _try(self) -> list[str]:
        lines = ["try:", *self._block(), f"    if {self.number()} % 3 == 0: raise ValueError", *self._block()]
        lines += ["except ValueError as e:", *self._block()]
        lines += ["else:", *self._block()] if self.chance(30) else []
        return [*lines, "finally:", *self._block()] if self.chance(30) else lines

    def _with(self) -> list[str]:
        return [
            "import contextlib",
            "with contextlib.suppress(ValueError):",
            *self._block(),
            f"    if {self.number()} % 3 == 0: raise ValueError",
            *self._block(),
        ]

    def _match(self) -> list[str]:
        lists = self.have(LISTS)
        subject = self.pick(lists) if lists else "[1]"
        return [f"match {subject}:", "    case [first]:", *("    " + x for x in self._block())]

    def _delete(self) -> list[str]:
        name = self.pick(self.defined)
        self.defined.discard(name)
        return [f"del {name}"]


@st.composite
def notebooks(draw: Any, most: int = 12) -> list[str]:
    """Cells that run in document order (but for the rare fault that only running shows)."""
    return write_notebook(lambda top: int(draw(st.integers(0, top))), most)


def write_notebook(number_to: Callable[[int], int], most: int = 12) -> list[str]:
    """Write the cells of a notebook by the dice given."""
    writer = Writer(number_to)
    cells = []
    for _ in range(number_to(most - 3) + 3):
        lines = []
        for _ in range(number_to(2) + 1):
            lines += writer.statement()
        cells.append("\n".join(lines))
    return cells
