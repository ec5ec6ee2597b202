"""Generated notebooks that run, for properties of the dataflow graph: values, aliases, functions, classes, generators."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

INTS = ("a", "b", "c", "d")
LISTS = ("p", "q", "r")
TABLES = ("m", "n")  # lists of lists
FUNCTIONS = ("f", "g", "h")  # each calls only those before it: no endless recursion
CHANGERS = ("u", "v")  # functions that are given a list
MAKERS = ("mk", "nk")  # functions that return functions
CLASSES = ("K", "L")
OBJECTS = ("o", "w")
GENERATORS = ("it", "jt")


@dataclass
class Writer:
    """Writes statements that can run, given what is defined so far.

    Parameters
    ----------
    draw : callable
        Hypothesis' draw.
    """

    draw: Any
    defined: set[str] = field(default_factory=set)
    needs: dict[str, set[str]] = field(default_factory=dict)  # callable → names that must be there when it runs
    depth: int = 0

    def pick(self, options: Any) -> Any:
        return self.draw(st.sampled_from(sorted(options)))

    def chance(self, percent: int) -> bool:
        return bool(self.draw(st.integers(0, 99)) < percent)

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
        if form == "walrus":
            return f"({self.pick(ints)} := {self.draw(st.integers(0, 9))})"
        return str(self.draw(st.integers(0, 9)))

    def list_of(self) -> str:
        lists, tables = self.have(LISTS), self.have(TABLES)
        forms = ["display"]
        forms += ["alias", "alias", "copy", "plus", "comp", "either"] if lists else []
        forms += ["row", "flat"] if tables else []
        forms += ["inside"] if self.ready(OBJECTS) else []
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
        return [str(self.draw(st.sampled_from(forms)))]

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
        every = (*INTS, *LISTS, *TABLES, *FUNCTIONS, *CHANGERS, *MAKERS, *CLASSES, *OBJECTS, *GENERATORS)
        return words & set(every)

    def _function(self) -> list[str]:
        place = self.draw(st.integers(0, len(FUNCTIONS) - 1))
        name = FUNCTIONS[place]
        hidden = {n for n in (*FUNCTIONS[place:], *CHANGERS, *MAKERS, *OBJECTS, *GENERATORS)}
        inner = Writer(self.draw, self._reach() - hidden, dict(self.needs), depth=3)
        value = inner.number()
        form = self.pick(["plain", "lambda", "default", "writes", "changes", "nested"])
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
        place = self.draw(st.integers(0, len(CHANGERS) - 1))
        name = CHANGERS[place]
        hidden = {*FUNCTIONS, *CHANGERS, *MAKERS, *OBJECTS, *GENERATORS}
        inner = Writer(self.draw, self._reach() - hidden, dict(self.needs), depth=3)
        bodies = [
            f"    xs.append({inner.number(local='len(xs)')})",
            "    ys = xs\n    ys.append(1)",
            "    xs = list(xs)\n    xs.append(1)",
            "    xs += [2]",
        ]
        if place and CHANGERS[0] in self.defined:
            bodies.append(f"    {CHANGERS[0]}(xs)")
        body = str(self.draw(st.sampled_from(bodies)))
        lines = [f"def {name}(xs):", *body.split("\n"), "    return len(xs)"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _maker(self) -> list[str]:
        name = self.pick(MAKERS)
        hidden = {*FUNCTIONS, *CHANGERS, *MAKERS, *OBJECTS, *GENERATORS}
        inner = Writer(self.draw, self._reach() - hidden, dict(self.needs), depth=3)
        lines = [f"def {name}():", f"    return lambda: {inner.number()}"]
        self._define(name, self._body_needs(lines) - {name})
        return lines

    def _made(self) -> list[str]:
        maker, name = self.pick(self.ready(MAKERS)), self.pick(FUNCTIONS)
        self._define(name, {maker} | self.needs.get(maker, set()))
        return [f"{name} = {maker}()"]

    def _class(self) -> list[str]:
        name = self.pick(CLASSES)
        hidden = {*FUNCTIONS, *CHANGERS, *MAKERS, *OBJECTS, *GENERATORS, *CLASSES}
        inner = Writer(self.draw, self._reach() - hidden, dict(self.needs), depth=3)
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
        ]
        self._define(name, self._body_needs(lines[2:]) - {name})
        return lines

    def _object(self) -> list[str]:
        kind, name = self.pick(self.ready(CLASSES)), self.pick(OBJECTS)
        self._define(name, {kind} | self.needs.get(kind, set()))
        return [f"{name} = {kind}()"]

    def _generator(self) -> list[str]:
        hidden = {*FUNCTIONS, *CHANGERS, *MAKERS, *OBJECTS, *GENERATORS}
        inner = Writer(self.draw, self._reach() - hidden, dict(self.needs), depth=3)
        source, name, value = self.pick(self.have(LISTS)), self.pick(GENERATORS), inner.number(local="x")
        self._define(name, self._body_needs([value]) - {name})
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
        lines = [f"    {line}" for _ in range(self.draw(st.integers(1, 2))) for line in self.statement()]
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
    writer = Writer(draw)
    cells = []
    for _ in range(draw(st.integers(3, most))):
        lines = []
        for _ in range(draw(st.integers(1, 3))):
            lines += writer.statement()
        cells.append("\n".join(lines))
    return cells
