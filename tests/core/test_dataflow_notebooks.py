"""Real notebooks in a real shell: any order that the graph allows, and what cells really read and change."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.core.dataflow import CellGraph, CellInput, build_graph

from .dataflow_notebooks import NOTEBOOKS, ROOT
from .dataflow_trace import Tracer, missing_edges, namespace_picture, shuffled

pytestmark = [
    pytest.mark.lab,
    # pyparsing's old names within matplotlib, and the loop that IPython leaves to the next cell that awaits
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
GIVEN = ("get_ipython", "exit", "quit", "open", "In", "Out", "session")


class Shell:
    """An IPython shell whose namespace can be emptied."""

    def __init__(self) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        config = Config()
        config.HistoryManager.enabled = False
        self.shell: Any = InteractiveShell(config=config)
        self.space: dict[str, Any] = self.shell.user_ns

    def run(self, source: str) -> None:
        result = self.shell.run_cell(source, store_history=False)
        result.raise_error()

    def names(self) -> list[str]:
        return sorted(n for n in self.space if not n.startswith("_") and n not in GIVEN)

    def all(self, cells: list[str], order: Iterable[int]) -> list[Any]:
        """Run cells in an empty namespace; return what it holds then."""
        self.shell.reset(new_session=False)
        for place in order:
            self.run(cells[place])
        return namespace_picture(self.space, self.names())

    def graph(self, cells: list[str]) -> CellGraph:
        inputs = [CellInput(id=str(i), source=source) for i, source in enumerate(cells)]
        return build_graph(inputs, transform=self.shell.input_transformer_manager.transform_cell)


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    import matplotlib

    before, backend = Path.cwd(), matplotlib.get_backend()
    matplotlib.use("Agg")
    os.chdir(ROOT / "binder")
    yield Shell()
    os.chdir(before)
    matplotlib.use(backend)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_any_order_of_a_real_notebooks_graph_gives_the_namespace_of_document_order(shell: Shell, name: str) -> None:
    cells = NOTEBOOKS[name]
    graph = shell.graph(cells)
    assert graph.problems == ()
    expected = shell.all(cells, range(len(cells)))
    choices: list[Callable[[list[str]], str]] = [
        lambda ready: ready[-1],
        random.Random(1).choice,
        random.Random(2).choice,
    ]
    for choose in choices:
        order = shuffled(graph, choose)
        assert shell.all(cells, order) == expected, order


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_trace_of_a_real_notebook_finds_no_missing_edge(shell: Shell, name: str) -> None:
    cells = NOTEBOOKS[name]
    shell.shell.reset(new_session=False)
    tracer = Tracer(shell.space, shell.names)
    for source in cells:
        tracer.run(lambda source=source: shell.run(source))  # type: ignore[misc]
    assert missing_edges(shell.graph(cells), tracer.facts) == []
    assert sum(len(fact.reads) for fact in tracer.facts) > len(cells)


def test_real_notebooks_depend_on_no_more_than_they_use(shell: Shell) -> None:
    """A graph in which everything comes after everything would pass all that is above."""
    for cells in NOTEBOOKS.values():
        graph = shell.graph(cells)
        pairs = len(cells) * (len(cells) - 1) / 2
        assert sum(e.kind == "data" for e in graph.edges) < 0.4 * pairs
