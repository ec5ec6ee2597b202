"""Statements: the ways through a cell, and what is sure on each."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence

from headrace.core.dataflow.definitions import DefinitionWalker
from headrace.core.dataflow.errors import CellSyntaxError
from headrace.core.dataflow.expressions import chain_last
from headrace.core.dataflow.keys import NOTHING, roots_of_variable, without_new
from headrace.core.dataflow.patterns import is_irrefutable, visit_pattern
from headrace.core.dataflow.scopes import bound_names
from headrace.core.dataflow.state import Loop, State, merge

_CATCH_NAME_ERROR = frozenset({"NameError", "Exception", "BaseException", "UnboundLocalError"})
#: Loops within loops whose bodies are visited twice: each one more doubles the work.
_MOST_REPEATS = 3
_SWALLOWING = frozenset({"suppress", "raises", "assertRaises"})


class StatementWalker(DefinitionWalker):
    """Responsibilities: control flow, and which statement is visited by what."""

    def __init__(self, *, walrus: bool, future_annotations: bool, filename: str) -> None:
        super().__init__(walrus=walrus, future_annotations=future_annotations)
        self.filename = filename
        self.scratch: set[str] = set()
        self.last_state: State = State(set(), set(), {})
        self.repeats = 0

    def block(self, body: Iterable[ast.stmt]) -> None:
        """Visit statements in order, as far as they can be reached."""
        for statement in body:
            if self.state is None:
                return
            self.last_state = self.state
            self.tick += 1
            handler = _HANDLERS.get(type(statement))
            if handler is None:
                self.expr(statement)
            else:
                handler(self, statement)

    def inline_block(self, body: Sequence[ast.stmt], *, local: bool) -> None:
        """Visit code that stands in a string; what it binds stays local where `exec` was called in a function."""
        if local:
            names, declared = bound_names(body, walrus=True)
            self.scopes.append(self.new_scope("comprehension", names, declared))
        self.block(body)
        if local:
            self.scopes.pop()

    def fault(self, node: ast.stmt, message: str) -> CellSyntaxError:
        return CellSyntaxError(message, filename=self.filename, line=node.lineno, column=node.col_offset + 1)

    def _if(self, node: ast.If) -> None:
        exits: list[State | None] = []
        self.depth += 1
        branch: ast.If | None = node
        while branch is not None:
            if branch is not node:
                self.tick += 1
            self.depth -= branch is node
            passed, failed = self.test(branch.test)
            self.depth += branch is node
            known = constant_truth(branch.test)
            self.state = None if known is False else passed
            self.block(branch.body)
            exits.append(self.state)
            self.state = None if known is True else failed
            rest = branch.orelse
            branch = rest[0] if len(rest) == 1 and isinstance(rest[0], ast.If) and self.state is not None else None
            if branch is None:
                self.block(rest)
                exits.append(self.state)
        self.depth -= 1
        self.state = merge(*exits)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        start = len(self.uses)
        self.expr(node.iter)
        uses = self.uses[start:]
        roots = self.roots(node.iter).element()
        entry = self.here.copy()
        loop = self._enter_loop()

        def turn() -> None:
            self.store(node.target, roots, uses)
            self.block(node.body)

        turned = self._turns(turn, loop, entry)
        self._leave_loop(node, loop, turned, merge(entry, turned), entry)

    def _while(self, node: ast.While) -> None:
        known = constant_truth(node.test)
        passed, failed = self.test(node.test)
        loop = self._enter_loop()
        entry = self.here.copy()
        self.state = None if known is False else passed
        turned = self._turns(lambda: self.block(node.body), loop, entry)
        self._leave_loop(node, loop, turned, None if known is True else merge(failed, turned), entry)

    def _enter_loop(self) -> Loop:
        loop = Loop()
        self.loops.append(loop)
        return loop

    def _turns(self, turn: Callable[[], None], loop: Loop, entry: State) -> State | None:
        """Visit a loop's body; a second time if what names stand for has changed, for the first lines then see that."""
        code = dict(self.code)
        turn()
        end = merge(self.state, *loop.continues)
        if end is None or self.repeats >= _MOST_REPEATS:
            return end
        same = self.code.keys() == code.keys() and all(self.code[n] is code[n] for n in code)
        if same and not _news(entry, end):
            return end
        self.repeats += 1
        self.soft += 1
        self.state = end.copy()
        turn()
        self.soft -= 1
        self.repeats -= 1
        return merge(end, self.state, *loop.continues)

    def _leave_loop(
        self,
        node: ast.For | ast.AsyncFor | ast.While,
        loop: Loop,
        turned: State | None,
        end: State | None,
        entry: State,
    ) -> None:
        self.loops.pop()
        every = merge(turned, *loop.breaks)
        if every is not None and not self.depth and self.unit is self.cell:
            self.loop_bound.update(n for n in every.sure - entry.sure if isinstance(n, str))
        self.state = end
        self.block(node.orelse)
        self.state = merge(self.state, *loop.breaks)

    def _break(self, node: ast.Break) -> None:
        if not self.loops:
            raise self.fault(node, "'break' outside loop")
        self.loops[-1].breaks.append(self.here)
        self.state = None

    def _continue(self, node: ast.Continue) -> None:
        if not self.loops:
            raise self.fault(node, "'continue' not properly in loop")
        self.loops[-1].continues.append(self.here)
        self.state = None

    def _raise(self, node: ast.Raise) -> None:
        self.expr(node.exc)
        self.expr(node.cause)
        self.state = None

    def _return(self, node: ast.Return) -> None:
        if self.unit is self.cell:
            raise self.fault(node, "'return' outside function")
        self.used(node.value)
        self.expr(node.value)
        self.unit.returns |= self.roots(node.value, masks=True).everything
        self.state = None

    def _nonlocal(self, node: ast.Nonlocal) -> None:
        self.unit.stateful = True
        if not self.scopes:
            raise self.fault(node, "nonlocal declaration not allowed at module level")

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        swallows = False
        entry = self.here
        for item in node.items:
            start = len(self.uses)
            self.used(item.context_expr)
            self.expr(item.context_expr)
            func = item.context_expr.func if isinstance(item.context_expr, ast.Call) else None
            name = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", None)
            if name in _SWALLOWING and not swallows:
                swallows, entry = True, self.here.copy()
                self.depth += 1
            if item.optional_vars is not None:
                self.store(item.optional_vars, self.roots(item.context_expr).element(), self.uses[start:])
        self.soft += swallows
        self.block(node.body)
        self.soft -= swallows
        if swallows:
            self.depth -= 1
            self.state = merge(entry, self.state)

    def _try(self, node: ast.Try) -> None:
        entry = self.here.copy()
        logged = len(self.unbound_log)
        forgiving = any(catches_name_error(h) for h in node.handlers)
        self.depth += 1
        self.soft += forgiving
        self.block(node.body)
        self.soft -= forgiving
        caught = entry.copy()  # an exception may come at any point of the body
        caught.sure.difference_update(self.unbound_log[logged:])
        for state in (self.state, self.last_state):
            for key, roots in state.alias.items() if state is not None else ():
                caught.alias[key] = caught.alias.get(key, NOTHING).joined(roots)
        self.block(node.orelse)
        exits = [self.state]
        for handler in node.handlers:
            self.state = caught.copy()
            self._handler(handler)
            exits.append(self.state)
        if not node.finalbody:
            self.depth -= 1
            self.state = merge(*exits)
            return
        end = merge(*exits)
        caught.sure.difference_update(self.unbound_log[logged:])
        logged = len(self.unbound_log)
        self.state = caught if end is None else merge(caught, end)
        self.depth -= 1
        self.block(node.finalbody)
        if end is None or self.state is None:
            self.state = None
            return
        end.sure.difference_update(self.unbound_log[logged:])
        end.sure |= self.state.sure
        end.gone |= self.state.gone
        end.alias.update(self.state.alias)
        self.state = end

    def _handler(self, handler: ast.ExceptHandler) -> None:
        self.expr(handler.type)
        name = handler.name
        if name is None:
            self.block(handler.body)
            return
        key = self.key(name)
        fresh = key == name and name not in self.unit.binds
        loop = self.loops[-1] if self.loops else None
        jumps = (len(loop.breaks), len(loop.continues)) if loop is not None else (0, 0)
        self.bind(name)
        self.block(handler.body)
        if self.state is not None:
            self.unbind(name)
        elif key == name:
            self.unit.deletes.add(name)
        if loop is not None:  # whoever jumps out of the handler leaves the name behind as well
            for state in (*loop.breaks[jumps[0] :], *loop.continues[jumps[1] :]):
                state.sure.discard(key)
            self.unbound_log.append(key)
        if fresh:
            self.unit.binds.discard(name)
            self.scratch.add(name)

    def _match(self, node: ast.AST) -> None:
        subject: ast.expr = node.subject  # type: ignore[attr-defined]
        start = len(self.uses)
        self.expr(subject)
        uses = self.uses[start:]
        roots = self.roots(subject).element()
        exits: list[State | None] = []
        self.depth += 1
        for case in node.cases:  # type: ignore[attr-defined]
            before = self.here.copy()
            visit_pattern(self, case.pattern, roots, uses)
            passed, failed = self.test(case.guard) if case.guard is not None else (self.here, None)
            after = merge(before, failed) if failed is not None else before
            self.state = passed
            self.block(case.body)
            exits.append(self.state)
            self.state = after
            if case.guard is None and is_irrefutable(case.pattern):
                self.state = None
                break
        self.depth -= 1
        self.state = merge(*exits, self.state)


def _news(before: State, after: State) -> bool:
    """Tell whether names may stand for, or hold, other known objects than before."""
    for variable, roots in after.alias.items():
        old = before.alias.get(variable, NOTHING).joined(roots_of_variable(variable))
        found = without_new(roots)
        if not (found.itself <= old.itself and found.inside <= old.inside):
            return True
    return False


def constant_truth(test: ast.expr) -> bool | None:
    """Return what a condition always is: literals, `TYPE_CHECKING`, and `__name__ == "__main__"`, true in a notebook."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = constant_truth(test.operand)
        return None if inner is None else not inner
    if chain_last(test) == "TYPE_CHECKING":
        return False
    if (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
    ):
        return test.comparators[0].value == "__main__"
    return None


def catches_name_error(handler: ast.ExceptHandler) -> bool:
    """Tell whether a handler catches the error of a missing name."""
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(chain_last(kind) in _CATCH_NAME_ERROR for kind in kinds)


_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.Assign: StatementWalker._assign,
    ast.AugAssign: StatementWalker._aug_assign,
    ast.AnnAssign: StatementWalker._ann_assign,
    ast.Expr: StatementWalker._expr_statement,
    ast.Delete: StatementWalker._delete,
    ast.Import: StatementWalker._import,
    ast.ImportFrom: StatementWalker._import_from,
    ast.FunctionDef: StatementWalker._function,
    ast.AsyncFunctionDef: StatementWalker._function,
    ast.ClassDef: StatementWalker._class,
    ast.If: StatementWalker._if,
    ast.For: StatementWalker._for,
    ast.AsyncFor: StatementWalker._for,
    ast.While: StatementWalker._while,
    ast.Break: StatementWalker._break,
    ast.Continue: StatementWalker._continue,
    ast.Raise: StatementWalker._raise,
    ast.Return: StatementWalker._return,
    ast.Nonlocal: StatementWalker._nonlocal,
    ast.With: StatementWalker._with,
    ast.AsyncWith: StatementWalker._with,
    ast.Try: StatementWalker._try,
    ast.Match: StatementWalker._match,
    ast.Global: lambda walker, node: None,
    ast.Pass: lambda walker, node: None,
    **({ast.TryStar: StatementWalker._try} if hasattr(ast, "TryStar") else {}),
    **({ast.TypeAlias: StatementWalker._type_alias} if hasattr(ast, "TypeAlias") else {}),
}
