"""Running a cell task: the engine decides, IPython executes, and the person sees what a plain cell would show.

IPython runs a cell's statements in `run_ast_nodes`. We stand in front of it:
the engine calls it once per attempt. While retries remain, a failed attempt is
shown folded; the last failure is shown as IPython shows any error, with the
user's own lines.
"""

from __future__ import annotations

import ast
import inspect
import logging
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from headrace.core.cells import CellTask
from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import HeadraceError, InvalidOption, StopSignal, StoreError, one_line
from headrace.core.states import State, StateType
from headrace.kernel_magic.cells.capture import CellOutputs
from headrace.kernel_magic.cells.engine_options import run_options
from headrace.kernel_magic.cells.failures import Failures, Tracebacks
from headrace.kernel_magic.cells.figures import show_figures
from headrace.kernel_magic.cells.frames import one_line_error, own_traceback
from headrace.kernel_magic.cells.keeping import CellKeeper, asked_policy, identity
from headrace.kernel_magic.cells.last_value import LateValues, ValueHook
from headrace.kernel_magic.cells.loading import LoadingCell, digest_of
from headrace.kernel_magic.cells.naming import check_names
from headrace.kernel_magic.cells.notebook import Cell, id_in_file
from headrace.kernel_magic.cells.routing import REQUEST
from headrace.kernel_magic.cells.transformer import task_of

if TYPE_CHECKING:
    from headrace.core.dataflow import CellFlow
    from headrace.kernel_magic.cells.session import CellSession

_AWAIT = getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0)
#: Longest source that is kept with a run, characters.
SOURCE_KEPT = 20_000
#: The cell under way here: whom it acts for, and its request. What it runs itself (`%%capture`, `%run`) is part of it.
_UNDER_WAY: ContextVar[tuple[Any, str] | None] = ContextVar("headrace_cell_under_way", default=None)


class CellRunner:
    """Stands in front of a shell's `run_ast_nodes`.

    Parameters
    ----------
    session : CellSession
    """

    def __init__(self, session: CellSession) -> None:
        self._session = session
        self._shell = session.shell
        self._plain: Callable[..., Any] = session.shell.run_ast_nodes
        session.shell.run_ast_nodes = self.run_ast_nodes
        session.cell_runner = self
        self.tracebacks = Tracebacks(session.shell)
        self._value_hook = ValueHook(session.shell)
        self._loading = LoadingCell(session, self._cell, self._flow)

    def close(self) -> None:
        """Give the shell its own methods back."""
        del self._shell.run_ast_nodes
        self.tracebacks.close()
        self._value_hook.close()
        self._loading.close()

    async def run_ast_nodes(
        self,
        nodelist: list[ast.stmt],
        cell_name: str,
        interactivity: str = "last_expr",
        compiler: Any = compile,
        result: Any = None,
    ) -> bool:
        """Run a cell's statements, as a task if the cell is one (see IPython's method of this name)."""
        info = getattr(result, "info", None)
        source = getattr(info, "raw_cell", "") or ""

        def statements(into: Any = result) -> Any:
            return self._plain(list(nodelist), cell_name, interactivity, compiler, into)

        if not source.strip() or getattr(info, "silent", False):
            return bool(await statements())
        request = self._session.request
        place = REQUEST.get(), str((request.get("header") or {}).get("msg_id", ""))
        is_part = _UNDER_WAY.get() == place
        metadata = {} if is_part else self._session.cell_metadata
        try:
            task = task_of(source, metadata, self._shell.user_ns)
            if task is None and is_part:
                return bool(await statements())
            cell = self._cell(source, metadata, task)
            check_names(self._session, cell)
        except HeadraceError as error:
            return self._refuse(result, error)
        token = _UNDER_WAY.set(place)
        try:
            return await self._run(cell, nodelist, cell_name, compiler, result, statements)
        finally:
            _UNDER_WAY.reset(token)

    async def _run(
        self,
        cell: Cell,
        nodelist: list[ast.stmt],
        cell_name: str,
        compiler: Any,
        result: Any,
        statements: Callable[..., Any],
    ) -> bool:
        flow = self._flow(cell)
        try:
            self._session.background.wait_for(flow, cell)
            self._session.lazy.load_for(flow)
        except HeadraceError as error:
            return self._refuse(result, error)
        except KeyboardInterrupt as interrupt:
            result.error_in_exec = interrupt
            self._shell.showtraceback((KeyboardInterrupt, interrupt, None), exception_only=True)
            return True
        task = cell.task
        named = task is not None and task.options.name
        key = cell.id or (f"task:{cell.name}" if named else digest_of(cell.source))
        if task is not None and flow is None:
            return bool(await statements())  # IPython says what is wrong with the code
        self._session.note_start(key, cell)
        if task is None:
            failed = bool(await statements())
            self._session.note_end(key, cell, None, flow, State(type=StateType.FAILED) if failed else None)
            return failed
        try:
            awaits = not task.options.runner and _is_async(nodelist, cell_name, compiler)
            if task.options.background and REQUEST.get() is None:  # a flow waits for its cells anyway
                if awaits:
                    raise InvalidOption(
                        f"{cell.name}: a --background cell cannot await at its top level.", field="background"
                    )
                shown = Shown()  # the cell's own result is IPython's answer, which is given at once
                attempt = CellAttempt(self._session, self, cell, shown, lambda: statements(shown))
                self._session.background.start(attempt, key, cell, flow)
                return False
            attempt = CellAttempt(self._session, self, cell, result, statements)
            state = await attempt.run_async(key) if awaits else attempt.run_sync(key)
        except HeadraceError as error:
            return self._refuse(result, error)
        return not state.is_completed()

    def _cell(self, source: str, metadata: dict[str, Any], task: CellTask | None) -> Cell:
        ours = metadata.get("headrace")
        handed = ours if isinstance(ours, dict) else {}
        sent = str(metadata.get("cellId") or handed.get("cell_id") or "")
        name = task.options.name if task is not None else ""
        cell_id = id_in_file(self._session.notebook_path, sent, name, source)
        index = handed.get("cell_index")
        place = index if isinstance(index, int) else len(self._session.ran)
        return Cell(id=cell_id, index=place, source=source, metadata=metadata, task=task)

    def _flow(self, cell: Cell) -> CellFlow | None:
        try:
            return self._session.analyse(cell.source)
        except (HeadraceError, SyntaxError):
            return None

    def _refuse(self, result: Any, error: HeadraceError) -> bool:
        """Say in one line what is wrong; no traceback of ours."""
        from IPython.core.error import UsageError

        shown = UsageError(str(error))
        result.error_before_exec = shown
        self._shell.showtraceback((UsageError, shown, None))
        return True


class Shown:
    """Stands for IPython's result of a cell that IPython does not run."""

    error_in_exec: BaseException | None = None
    error_before_exec: BaseException | None = None


class CellAttempt:
    """One cell task on its way through the engine."""

    def __init__(
        self,
        session: CellSession,
        runner: CellRunner,
        cell: Cell,
        result: Any,
        statements: Callable[[], Any],
        where: str = "",
    ) -> None:
        assert cell.task is not None
        self._session = session
        self._runner = runner
        self._shell = session.shell
        self._cell = cell
        self._task: CellTask = cell.task
        self._result = result
        self._statements = statements
        self._where = where or cell.task.options.runner or ""
        self._late = LateValues(session, cell.source) if isinstance(result, Shown) else None
        self._failures = Failures(self._shell, result, cell.task.options.retries)
        ours = cell.metadata.get("headrace")
        self._handed: dict[str, Any] = ours if isinstance(ours, dict) and "run_id" in ours else {}
        self.run_id: str | None = self._handed.get("run_id")
        self._began = 0
        self._run: Any = None
        self._flow = session.analyse(cell.source)
        self._keeper = CellKeeper(
            session, identity(session, cell.id, cell.name), cell.name, cell.source, self._flow, cell.task.options
        )
        self._keeper.result = result

    def run_sync(self, key: str) -> State:
        """Run it to its end in this thread."""
        from headrace.kernel_magic.engine.interrupt import KEYBOARD
        from headrace.kernel_magic.engine.sync import execute_sync

        late = self._late.taking() if self._late is not None else nullcontext()
        with KEYBOARD.held_back():
            with self._session.listening(outputs := CellOutputs(self._say)), late:
                self._keeper.outputs = outputs
                body = self._body_in_runner if self._where else self._body_sync
                state = execute_sync(self._definition(), body, **self._call())
                self._failures.end(state)
            return self._finish(key, state, outputs)

    async def run_async(self, key: str) -> State:
        """Run it to its end on the kernel's event loop."""
        from headrace.kernel_magic.engine.asynchronous import execute_async

        with self._session.listening(outputs := CellOutputs(self._say)):
            self._keeper.outputs = outputs
            state = await execute_async(self._definition(), self._body_async, **self._call())
            self._failures.end(state)
        return self._finish(key, state, outputs)

    def _definition(self) -> Any:
        from headrace.kernel_magic.definition import Definition

        kind = "flow" if self._task.kind == "flow" else "cell"
        key = identity(self._session, self._cell.id, self._cell.name)
        definition = Definition(
            kind, self._cell.name, key, run_options(self._task.options), source=self._cell.source[:SOURCE_KEPT]
        )
        definition.keeper = self._keeper
        return definition

    def _call(self) -> dict[str, Any]:
        """The arguments of `execute_sync` and `execute_async`."""
        from headrace.kernel_magic.engine.session import session

        recorder = session().recorder
        handed = self._handed
        record = None
        if handed:
            record = recorder.adopt(
                handed["run_id"], handed.get("root_id") or handed["run_id"], int(handed.get("attempt") or 1)
            )
        flow = self._flow
        fields = {
            "cell_id": self._cell.id or None,
            "cell_index": self._cell.index,
            "notebook_path": self._session.notebook_path or None,
            "document_id": self._session.document_id,
            "kernel_id": self._session.kernel_id,
            "trigger": "cell",
        }
        return {
            "record": record,
            "name": self._cell.name,
            "fields": fields,
            "upstream": [] if handed else self._upstream(flow),
            "details": {"reads": sorted(flow.reads), "binds": sorted(flow.binds), "mutates": sorted(flow.mutates)},
        }

    def _upstream(self, flow: CellFlow) -> list[tuple[str, str]]:
        """The newest run that wrote each name this cell reads, and the tasks it is told to come after."""
        writers = self._session.writers
        found = [(writers[name], name) for name in sorted(flow.reads | flow.mutates) if name in writers]
        for name in self._task.options.after:
            run_id = self._session.tasks.get(name)
            if run_id is not None:
                found.append((run_id, ""))
        return found

    def _say(self, level: int, logger: str, line: str) -> None:
        """Keep a printed line as a log line of the run under way."""
        if self._handed or not self._task.options.log_prints:
            return
        run = self._run
        if run is not None:
            run.log(level, logger, line)

    def _before(self) -> None:
        from headrace.kernel_magic.engine.live import current

        self._run = current()
        self._began = self._began or SYSTEM_CLOCK.now_us()
        self.run_id = self._run.id
        self._failures.begin_attempt()
        skip_if = self._task.options.skip_if
        if skip_if is not None and self._is_true(skip_if):
            raise StopSignal(f"--skip-if {skip_if}")

    def _is_true(self, expression: str) -> bool:
        try:
            return bool(eval(expression, self._shell.user_global_ns, self._shell.user_ns))  # noqa: S307
        except Exception as error:
            text = f"{self._cell.name}: --skip-if {expression}: {type(error).__name__}: {one_line(error)}"
            raise one_line_error(InvalidOption(text, field="skip_if")) from None

    def _after(self) -> Any:
        show_figures()
        error = self._failures.error
        if error is not None:
            raise error
        return None

    def _body_sync(self) -> Any:
        self._before()
        with self._runner.tracebacks.held_by(self._failures):
            coroutine = self._statements()
            try:
                # No statement of a sync cell awaits anything: one step runs them all.
                coroutine.send(None)
            except StopIteration:
                pass
            else:
                raise RuntimeError("a cell without top-level await waited for something")
        return self._after()

    async def _body_async(self) -> Any:
        self._before()
        with self._runner.tracebacks.held_by(self._failures):
            await self._statements()
        return self._after()

    def _body_in_runner(self) -> Any:
        self._before()
        # The namespace is the person's own: where the cell runs is said by its options, or by `%flow run`.
        late = self._late or LateValues(self._session, self._cell.source)
        try:
            last = self._session.runners.run(self._where, self._run, self._cell, self._flow, late.show)
        except Exception as error:
            self._failures.hold(error, own_traceback(error.__traceback__), {"tb_offset": 0})
            raise
        if last is not None:
            (late.keep if self._late is not None else self._shell.displayhook.update_user_ns)(last.value)
        return None

    def _finish(self, key: str, state: State, outputs: CellOutputs) -> State:
        self._keep_outputs(outputs)
        seconds = max(0, state.at_us - self._began) / 1e6 if self._began else None
        decision = self._keeper.decision
        asked = asked_policy(self._task.options) is not None and state.is_completed()
        version = (decision.key or "") if asked and decision is not None else ""
        self._session.note_end(key, self._cell, self.run_id, self._flow, state, seconds=seconds, version=version)
        return state

    def _keep_outputs(self, outputs: CellOutputs) -> None:
        """Keep what was shown with the run, unless a runner that executes the notebook does so; commit the run's end."""
        from headrace.kernel_magic.engine.session import session

        found = outputs.finish()
        recorder = session().recorder
        run = self._run or self._keeper.run
        if run is not None and not self._handed:
            self.run_id = run.id
            now = SYSTEM_CLOCK.now_us()
            for position, output in enumerate(found):
                recorder.output(run.id, run.root_id, position, now, output)
        try:
            recorder.flush()
        except StoreError as error:
            logging.getLogger("headrace.cells").warning("the cell's end and outputs are not recorded: %s", error)


def _is_async(nodelist: list[ast.stmt], cell_name: str, compiler: Any) -> bool:
    """Return whether the statements await at their top level."""
    if not any(
        isinstance(n, ast.Await | ast.AsyncFor | ast.AsyncWith | ast.comprehension)
        for s in nodelist
        for n in ast.walk(s)
    ):
        return False
    try:
        code = compile(ast.Module(list(nodelist), []), cell_name, "exec", flags=_AWAIT, dont_inherit=True)
    except SyntaxError:  # IPython says so when it compiles it
        return False
    return bool(code.co_flags & inspect.CO_COROUTINE)
