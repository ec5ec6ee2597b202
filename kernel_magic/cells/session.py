"""What one kernel knows of its cells: which ran, which run last wrote a name, what is under way.

One `CellSession` belongs to one IPython shell. It is made when the extension
is loaded and gives everything back when it is unloaded.
"""

from __future__ import annotations

import atexit
import builtins
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import ModuleType
from typing import Any

from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.dataflow import CellFlow, analyse
from headrace.core.settings import declare_kernel, find_store
from headrace.core.states import State, StateType
from headrace.kernel_magic.cells.background import Background
from headrace.kernel_magic.cells.capture import CellOutputs, KernelTap, watch_streams
from headrace.kernel_magic.cells.lazy import Lazy
from headrace.kernel_magic.cells.notebook import Cell, Notebook, find_notebook, session_path
from headrace.kernel_magic.cells.routing import REQUEST, goes_to_front
from headrace.kernel_magic.cells.runners import CellRunners
from headrace.kernel_magic.cells.staleness import small_values
from headrace.kernel_magic.cells.transformer import plain_python

#: Names that IPython itself puts into a namespace.
_IPYTHON_NAMES = frozenset(
    {"get_ipython", "In", "Out", "exit", "quit", "display", "_", "__", "___", "_i", "_ii", "_iii", "_dh", "_oh", "_ih"}
)
#: Runs of a cell that are told apart when it is asked which of them another cell saw.
_RUNS_KEPT = 100

#: Background cells have so long to end when the kernel is shut down, seconds; Jupyter kills it after five.
SHUTDOWN_SECONDS = 2.0


@dataclass(slots=True)
class LastRun:
    """The newest run of a cell in this kernel.

    Attributes
    ----------
    run_id : str
    state_type : StateType
    state_name : str
    source : str
        What ran.
    duration_seconds : float or None
    version : str
        Stands for what it made: the key of its stored outputs, else the run.
    files : dict of str to str
        File it read → mark at that time.
    at : int, µs
    count : int
        How many runs of cells had ended in this kernel, it included.
    seen : dict of str to str
        Name it read → its value in words, of small plain values.
    """

    run_id: str
    state_type: StateType
    state_name: str
    source: str
    duration_seconds: float | None = None
    version: str = ""
    files: dict[str, str] = field(default_factory=dict)
    at: int = 0
    count: int = 0
    seen: dict[str, str] = field(default_factory=dict)


class CellSession:
    """The state of one shell.

    Parameters
    ----------
    shell : InteractiveShell
    """

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.kernel = getattr(shell, "kernel", None)
        self.background = Background(self)
        self.tap = KernelTap(self.kernel.session) if self.kernel is not None else None
        #: cell key → what ran last.
        self.last: dict[str, LastRun] = {}
        #: cells in the order in which they first ran, by key.
        self.ran: dict[str, Cell] = {}
        #: name → run that last wrote it.
        self.writers: dict[str, str] = {}
        #: task name → its newest run.
        self.tasks: dict[str, str] = {}
        #: cell key → when its newest runs ended, as a count of all runs of cells, and what stands for what each made.
        self.history: dict[str, list[tuple[int, str]]] = {}
        #: The document's cells by the ids of the graph that was built last.
        self.cells_by_id: dict[str, Cell] = {}
        self._analysed: dict[str, CellFlow] = {}
        self._plain: dict[str, str] = {}
        self._digests: dict[str, tuple[int, str]] = {}
        #: cell key → when the run under way began, µs.
        self.running: dict[str, int] = {}
        #: Called whenever a cell has begun or ended: pictures that follow.
        self.followers: list[Callable[[], None]] = []
        #: Cell that shows the graph → its picture.
        self.graphs: dict[str, Any] = {}
        #: Clients that put the outputs of cells into their own places, by their session ids.
        self.fronts: set[str] = set()
        self.runners = CellRunners(self)
        self.lazy = Lazy(self)
        self.cell_runner: Any = None
        #: The notebook's cells as the client said them with its last `%flow`; None where it does not.
        self.live: list[dict[str, Any]] | None = None
        self._document: tuple[str, str] | None = None
        self._found: tuple[str, str] | None = None

        self._declaration = self._declare()
        if self.kernel is not None:
            self._shut_down = self.kernel.do_shutdown
            self.kernel.do_shutdown = self._before_shutdown

    def _before_shutdown(self, restart: bool) -> Any:
        """End background cells, and leave pictures where widgets were: those end with the kernel."""
        if self.background.names:
            from headrace.kernel_magic.engine.session import session

            self.background.end_all("the kernel was shut down", SHUTDOWN_SECONDS)
            session().recorder.flush()
        graphs, self.graphs = self.graphs, {}
        for graph in graphs.values():
            graph.close(leave_picture=True)
        return self._shut_down(restart)

    def _declare(self) -> Path | None:
        """Say beside the kernel's connection file which store it records into."""
        app = getattr(self.kernel, "parent", None)
        connection = str(getattr(app, "abs_connection_file", "") or "")
        if not connection or self.kernel_id is None:
            return None
        try:
            path = declare_kernel(Path(connection).parent, self.kernel_id, find_store())
        except OSError:
            return None
        atexit.register(path.unlink, missing_ok=True)
        return path

    def close(self) -> None:
        """Give back what was changed in the shell."""
        if self._declaration is not None:
            self._declaration.unlink(missing_ok=True)
        if self.tap is not None:
            self.tap.close()
        if self.kernel is not None:
            del self.kernel.do_shutdown
        self.runners.close()

    @property
    def request(self) -> Mapping[str, Any]:
        """The execute request under way: its header and metadata; empty in a terminal."""
        acted = REQUEST.get()
        if acted is not None:
            return acted
        if self.kernel is None:
            return {}
        try:
            parent = self.kernel.get_parent("shell")
        except (AttributeError, LookupError, TypeError):
            parent = getattr(self.kernel, "_parent_header", None)
        return parent or {}

    @property
    def cell_metadata(self) -> dict[str, Any]:
        """The metadata that the client sent with the cell (JupyterLab sends the cell's own)."""
        return dict(self.request.get("metadata") or {})

    @property
    def is_interactive(self) -> bool:
        """Whether a person's client sent the request under way: it says which cell it executes, and takes questions."""
        content = self.request.get("content") or {}
        return bool(self.cell_metadata.get("cellId")) and bool(content.get("allow_stdin"))

    @property
    def kernel_id(self) -> str | None:
        """Jupyter's id of this kernel, from its connection file; None in a terminal."""
        app = getattr(self.kernel, "parent", None)
        name = str(getattr(app, "connection_file", "") or "").rpartition("/")[2]
        return name.removeprefix("kernel-").removesuffix(".json") or None

    def analyse(self, source: str) -> CellFlow:
        """Return a cell's names; the same source is analysed once.

        Raises
        ------
        CellSyntaxError
        """
        flow = self._analysed.get(source)
        if flow is None:
            if len(self._analysed) > 2000:
                self._analysed.clear()
            flow = self._analysed[source] = analyse(source, transform=self.plain_python)
        return flow

    def plain_python(self, source: str) -> str:
        """Return a cell as plain Python: IPython's syntax becomes calls; the same source is looked at once."""
        plain = self._plain.get(source)
        if plain is None:
            if len(self._plain) > 2000:
                self._plain.clear()
            plain = self._plain[source] = plain_python(self.shell.input_transformer_manager, source)
        return plain

    @contextmanager
    def listening(self, outputs: CellOutputs) -> Iterator[None]:
        """Collect what the cell under way shows."""
        message = (self.request.get("header") or {}).get("msg_id", "")
        with self.tap.listen(message, outputs) if self.tap is not None and message else watch_streams(outputs):
            yield

    @property
    def notebook_path(self) -> str:
        """The path of this kernel's notebook, "" where it is not known."""
        return session_path(self.shell.user_ns)

    def notebook(self) -> Notebook:
        """Return this kernel's notebook, from the best source there is."""
        from headrace.kernel_magic.engine.session import session

        live = self.live if goes_to_front(self) else None
        return find_notebook(session().store, self.kernel_id, self.notebook_path, list(self.ran.values()), live)

    def document_key(self) -> str:
        """Return what names this notebook in keys: its document's id; "" where it has no file."""
        request = str((self.request.get("header") or {}).get("headrace_parent", "")) or str(
            (self.request.get("header") or {}).get("msg_id", "")
        )
        if self._document is None or self._document[0] != request:
            self._document = (request, self._identify())
        return self._document[1]

    def _identify(self) -> str:
        """Find the document that this kernel's notebook is, or make it: its id stays when the file is renamed."""
        from headrace.kernel_magic.cells.notebook import read_file
        from headrace.kernel_magic.engine.session import session
        from headrace.store.documents import Document

        here, path = session(), self.notebook_path
        if here.store is None or not path:
            return ""
        documents = here.store.documents
        open_one = documents.source_of_kernel(self.kernel_id, owner=here.owner) if self.kernel_id else None
        if open_one is not None and open_one[1] == "panel":
            return str(open_one[0])
        if self._found is not None and self._found[0] == path:
            return self._found[1]
        cells = read_file(path) or []
        ids = [str(cell.get("id")) for cell in cells if cell.get("id")]
        found = documents.identify(path, ids, owner=here.owner)
        if found is None or found.path != path:
            kept = [{key: cell.get(key) for key in ("id", "cell_type", "source", "metadata")} for cell in cells]
            found = documents.save(
                Document(
                    id=found.id if found is not None else "", path=path, owner=here.owner, cells=kept, source="file"
                ),
                force=True,
            )
        self._found = (path, found.id)
        return str(found.id)

    @property
    def document_id(self) -> str | None:
        """The id of this notebook's document: the panel finds a cell's newest run by it. None while none is known."""
        return self.document_key() or None

    def digest(self, name: str, value: Any) -> str:
        """Return the digest of a variable's value; it is remembered until a cell has run.

        Raises
        ------
        UnhashableInput
        """
        from headrace.kernel_magic.results.hashing import digest

        held = self._digests.get(name)
        if held is None or held[0] != id(value):
            held = self._digests[name] = (id(value), digest(value, name=name))
        return held[1]

    def module_digest(self, module: Any) -> str:
        """Return the digest of a module that a cell uses: an own one's file, an installed one's version."""
        from headrace.kernel_magic.results.source import module_digest

        return module_digest(module)

    def own_modules(self, flow: CellFlow) -> list[ModuleType]:
        """Return the modules outside site-packages that a cell reaches."""
        from headrace.kernel_magic.cells.modules import own_modules

        return own_modules(flow.reads | flow.binds, flow.imports, self.shell.user_ns)

    def file_marks(self, flow: CellFlow, options: Any = None, *, as_imported: bool = True) -> dict[str, str]:
        """Return the marks of the files that a cell reads, and of the modules of one's own that it reaches.

        Parameters
        ----------
        flow : CellFlow
        options : CellOptions or None
        as_imported : bool, default True
            Modules as they were when they were imported, which is what a cell runs; False for what the files are now.
        """
        from headrace.core.dataflow.files import resolve_path
        from headrace.kernel_magic.cells.files import marks
        from headrace.kernel_magic.cells.modules import current_marks, imported_marks

        paths = list(flow.file_reads)
        if flow.path_templates:
            constants = {
                name: str(v)
                for name, v in self.shell.user_ns.items()
                if isinstance(v, str | PurePath) and not name.startswith("_")
            }
            resolved = (resolve_path(template, constants) for template in flow.path_templates)
            paths += [path for path in resolved if path is not None]
        modules = self.own_modules(flow)
        found = imported_marks(modules) if as_imported else current_marks(modules)
        return found | marks(paths, options.reads if options is not None else ())

    def known_names(self) -> frozenset[str]:
        """Return the names that are there without any cell: builtins and IPython's."""
        return frozenset(dir(builtins)) | _IPYTHON_NAMES

    def show(self, shown: Any) -> None:
        """Show something with a text and a MIME bundle: a display in a notebook, text in a terminal."""
        if self.kernel is None:
            print(shown)
        else:
            self.shell.display_pub.publish(shown.bundle())

    def note_start(self, key: str, cell: Cell) -> None:
        """Remember that a cell ran."""
        known = self.ran.get(key)
        index = known.index if known is not None and not cell.id else cell.index
        self.ran[key] = Cell(
            id=cell.id, index=index, source=cell.source, metadata=cell.metadata, task=cell.task, error=cell.error
        )
        if cell.task is not None:
            self.running[key] = SYSTEM_CLOCK.now_us()
            self.tell()

    def tell(self) -> None:
        """Have pictures look again."""
        for follow in list(self.followers):
            follow()

    def note_end(
        self,
        key: str,
        cell: Cell,
        run_id: str | None,
        flow: CellFlow | None,
        state: State | None,
        *,
        seconds: float | None = None,
        version: str = "",
    ) -> None:
        """Remember what a cell wrote, how it ended, and how long it took.

        Parameters
        ----------
        key : str
        cell : Cell
        run_id : str or None
            None for a plain cell, which is no run.
        flow : CellFlow or None
        state : State or None
        seconds : float or None
        version : str, default the run
            Stands for what it made.
        """
        self._digests.clear()
        self._count += 1
        made = version or run_id or f"plain {self._count}"
        self.history[key] = [*self.history.get(key, ())[-_RUNS_KEPT:], (self._count, made)]
        if flow is not None:
            if self.lazy:
                self.lazy.forget(flow.binds | flow.deletes)
            for name in flow.binds | flow.mutates | flow.deletes:
                if run_id is None:
                    self.writers.pop(name, None)
                else:
                    self.writers[name] = run_id
        now = SYSTEM_CLOCK.now_us()
        seen = small_values(self.shell.user_ns, flow.reads) if flow is not None else {}
        ended = state if state is not None else State(type=StateType.COMPLETED)
        files = self.file_marks(flow, cell.task.options if cell.task is not None else None) if flow is not None else {}
        self.last[key] = LastRun(
            run_id or "", ended.type, ended.name, cell.source, seconds, made, files, now, self._count, seen
        )
        if run_id is not None and cell.task is not None and cell.task.options.name:
            self.tasks[cell.task.options.name] = run_id
        if self.running.pop(key, None) is not None:
            self.tell()

    _count = 0
