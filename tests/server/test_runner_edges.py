"""The graph of a notebook run is told from the cells' code."""

from __future__ import annotations

from headrace.core.runs import EdgeKind
from headrace.server.runner.edges import analyse_cells, cell_edges
from headrace.server.runner.plan import plan_cells


def cells(*sources: str) -> list[dict[str, object]]:
    return [{"id": f"c{n}", "cell_type": "code", "source": s, "metadata": {}} for n, s in enumerate(sources)]


def edges(*sources: str, language: str = "python") -> set[tuple[str, str, str, str]]:
    plans = plan_cells(cells(*sources))
    names = {plan.run_id: plan.cell_id for plan in plans}
    return {
        (names[up], names[run], kind.value, name)
        for run, up, kind, name in cell_edges(plans, analyse_cells(plans, language))
    }


def test_a_cell_comes_after_the_last_writer_of_what_it_reads() -> None:
    found = edges("%%task a\nx = [1]", "%%task b\nx.append(2)", "%time y = x", "%%task c\nprint(y)")
    assert found == {("c0", "c1", "data", "x"), ("c1", "c2", "data", "x"), ("c2", "c3", "data", "y")}


def test_after_is_an_edge_of_order() -> None:
    assert edges("%%task a\npass", "%%task b --after a\npass") == {("c0", "c1", EdgeKind.ORDER.value, "")}


def test_a_cell_that_is_no_python_leaves_the_others_their_edges() -> None:
    assert edges("x = 1", "y = = 2", "print(x)") == {("c0", "c2", "data", "x")}


def test_other_languages_have_only_what_they_are_told() -> None:
    assert edges("x=1", "echo $x", language="bash") == set()
    assert edges("%%task a\nx=1", "%%task b --after a\necho $x", language="bash") == {("c0", "c1", "order", "")}


def test_plain_cells_are_called_what_a_person_would_call_them() -> None:
    sources = ("%load_ext headrace\nimport os\nx = os", "# Load the data\ndata = 1", "%matplotlib inline", "y = 3")
    names = [plan.name for plan in plan_cells(cells(*sources))]
    assert names == ["imports", "Load the data", "cell 3", "y = 3"]
    tagged = [{"id": "p", "cell_type": "code", "source": "month = 3", "metadata": {"tags": ["parameters"]}}]
    assert [plan.name for plan in plan_cells(tagged)] == ["parameters"]


def test_cells_that_begin_alike_are_told_apart() -> None:
    assert edges("go()\nx = 1", "go()\ny = x", "go()\nprint(y)") >= {
        ("c0", "c1", "data", "x"),
        ("c1", "c2", "data", "y"),
    }
