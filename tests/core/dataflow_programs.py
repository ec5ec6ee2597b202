"""Generated notebooks that run, for properties of the dataflow graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from .dataflow_definitions import (
    CHANGERS,
    CLASSES,
    DECORATORS,
    DICTS,
    FUNCTIONS,
    INTS,
    LISTS,
    MAKERS,
    OBJECTS,
    TABLES,
    Definitions,
)


class Writer(Definitions):
    """Writes statements that can run, given what is defined so far."""

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
        over = f"[*{self.pick(lists)}[:2], 1]" if lists else "range(2)"  # always a turn: see `usually_binds`
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
