"""What depends on what among the cells of a notebook."""

from __future__ import annotations

import pytest

from headrace.core.dataflow import CellGraph, CellInput, CellSyntaxError, analyse, build_graph
from headrace.core.errors import CycleError, UsageError


def notebook(*sources: str, **options: object) -> CellGraph:
    """The graph of cells named a, b, c … by their place."""
    cells = [CellInput(id="abcdefghijklmnopqrstuvwxyz"[i], source=s) for i, s in enumerate(sources)]
    return build_graph(cells, **options)  # type: ignore[arg-type]


def edges(graph: CellGraph) -> str:
    """Edges as text: `a-b` data, `a.b` order, `a>b` after."""
    mark = {"data": "-", "order": ".", "after": ">"}
    return " ".join(f"{e.upstream}{mark[e.kind]}{e.downstream}" for e in graph.edges)


#: id, cells, edges
CASES = [
    ("chain", ["x = 1", "y = x", "z = y"], "a-b b-c"),
    ("diamond", ["x = 1", "y = x", "z = x", "w = y + z"], "a-b a-c b-d c-d"),
    ("independent", ["x = 1", "y = 2"], ""),
    ("last-writer-above", ["x = 1", "x = 2", "y = x"], "a.b b-c"),
    ("reader-before-overwriter", ["x = 1", "y = x", "x = 2"], "a-b a.c b.c"),
    ("mutation-in-between", ["xs = []", "xs.append(1)", "n = len(xs)"], "a-b b-c"),
    ("two-mutations-keep-order", ["xs = []", "xs.append(1)", "xs.append(2)"], "a-b b-c"),
    ("reader-before-mutation", ["xs = []", "n = len(xs)", "xs.append(1)"], "a-b a-c b.c"),
    ("two-writers-without-reader", ["i = 1", "i = 2"], "a.b"),
    ("may-binding-shows-both", ["x = 1", "c = 0", "if c:\n    x = 2", "y = x"], "b-c a.c a-d c-d"),
    ("augmented", ["n = 0", "n += 1", "print(n)"], "a-b b-c"),
    ("function-reads-at-call", ["def f():\n    return rate", "rate = 1", "y = f()"], "a-c b-c"),
    (
        "function-reads-writer-above-call",
        ["rate = 1", "def f():\n    return rate", "y = f()", "rate = 2", "z = f()"],
        "a-c b-c a.d c.d b-e d-e",
    ),
    (
        "function-through-function",
        ["def g():\n    return k", "def f():\n    return g()", "k = 1", "y = f()"],
        "a-d b-d c-d",
    ),
    ("function-writes-global", ["n = 0", "def bump():\n    global n\n    n += 1", "bump()", "print(n)"], "a-c b-c c-d"),
    (
        "function-changes-global",
        ["log = []", "def note(x):\n    log.append(x)", "note(1)", "note(2)", "print(log)"],
        "a-c b-c b-d c-d d-e",
    ),
    (
        "function-changes-argument",
        ["df = {}", "def clean(d):\n    d['x'] = 1", "clean(df)", "print(df)"],
        "a-c b-c c-d",
    ),
    (
        "function-changes-argument-through-function",
        ["def inner(d):\n    d['x'] = 1", "def outer(d):\n    inner(d)", "df = {}", "outer(df)", "print(df)"],
        "a-d b-d c-d d-e",
    ),
    (
        "method-changes-instance",
        [
            "class Box:\n    def __init__(self):\n        self.items = []\n    def put(self, x):\n        self.items.append(x)",
            "box = Box()",
            "box.put(1)",
            "box.put(2)",
            "print(box.items)",
        ],
        "a-b b-c c-d d-e",
    ),
    (
        "method-reads-global",
        ["class A:\n    def f(self):\n        return rate", "a = A()", "rate = 1", "y = a.f()"],
        "a-b b.c b-d c-d",
    ),
    (
        "instance-kept-in-list",
        ["class A:\n    def f(self):\n        return rate", "xs = [A()]", "rate = 1", "y = xs[0].f()"],
        "a-b b.c b-d c-d",
    ),
    ("lambda-in-dict", ["fs = {}", "fs['k'] = lambda: rate", "rate = 1", "y = fs['k']()"], "a-b b-d c-d"),
    (
        "plain-result-carries-nothing",
        ["rate = 1", "def f():\n    return rate", "y = f()", "rate = 2", "print(y)"],
        "a-c b-c a.d c.d c-e",
    ),
    (
        "closure-result-carries",
        ["rate = 1", "def make():\n    return lambda: rate", "h = make()", "rate = 2", "y = h()"],
        "a-c b-c a.d c.d c-e d-e",
    ),
    (
        "generator-reads-late",
        ["xs = [1]", "k = 2", "g = (x * k for x in xs)", "k = 3", "t = sum(g)"],
        "a-c b.d c-e d-e",
    ),
    (
        "generator-used-up-in-order",
        ["g = (x for x in 'ab')", "a = next(g)", "b = list(g)", "c = list(g)"],
        "a-b b-c c-d",
    ),
    ("alias-across-cells", ["a = []", "b = a", "b.append(1)", "print(a)"], "a-b a-c b-c c-d"),
    ("alias-of-part-across-cells", ["d = {'k': []}", "k = d['k']", "k.append(1)", "print(d)"], "a-b a-c b-c c-d"),
    ("alias-ended-by-rebinding", ["a = []", "b = a", "b = []", "b.append(1)", "print(a)"], "a-b b.c c-d a-e"),
    ("copy-is-no-alias", ["a = []", "b = a.copy()", "b.append(1)", "print(a)"], "a-b b-c a-d"),
    ("delete-waits-for-readers", ["x = 1", "y = x", "del x"], "a-b a-c b.c"),
    ("shadowed-builtin", ["print(max([1]))", "max = min", "y = max([1])"], "b-c"),
    (
        "handler-names-do-not-order",
        ["try:\n    f = 1\nexcept E as e:\n    pass", "try:\n    g = 1\nexcept E as e:\n    pass"],
        "",
    ),
    ("loop-variable-orders", ["for i in 'ab':\n    pass", "for i in 'cd':\n    pass"], "a.b"),
    ("module-is-not-changed-by-its-functions", ["import tools", "tools.update(1)", "tools.update(2)"], "a-b a-c"),
    ("module-state-is-changed", ["import matplotlib.pyplot as plt", "plt.rcParams['x'] = 1", "plt.plot()"], "a-b b-c"),
    ("exec-keeps-its-place", ["x = 1", "code = 'y = x'", "exec(code)", "z = 2"], "a.c b-c c.d"),
    ("star-import-may-define", ["from math import *", "y = cos(1)"], "a-b"),
    (
        "decorator-of-the-notebook-runs-it",
        ["def now(f):\n    return f()", "k = 1", "@now\ndef y():\n    return k", "print(y)"],
        "a-c b-c b-d c-d",
    ),
    (
        "imported-decorator-only-wraps",
        ["from headrace import task", "k = 1", "@task\ndef f():\n    return k", "y = f()"],
        "a-c b-d c-d",
    ),
    (
        "file-written-before-it-is-read",
        [
            "df = 1",
            "import pandas as pd\npd.DataFrame(df).to_csv('out/x.csv')",
            "import pandas as pd\ny = pd.read_csv('out//x.csv')",
        ],
        "a-b b-c",
    ),
    ("file-read-before-it-is-overwritten", ["a = open('x').read()", "b = open('x', 'w').write('')"], "a.b"),
    ("file-of-a-pattern", ["f = open('data/a.csv', 'w')", "import glob\nnames = glob.glob('data/*.csv')"], "a-b"),
    (
        "path-written-by-name",
        ["out = make_path()", "frame.to_csv(out)", "t = open(out).read()"],
        "a-b b-c",
    ),
    ("figure-and-axes-are-one", ["fig, ax = plt.subplots()", "ax.plot(x)", "fig.savefig('a.png')"], "a-b b-c"),
    ("cursor-and-connection-are-one", ["cur = con.cursor()", "cur.execute(q)", "t = read(con)"], "a-b b-c"),
    ("view-made-by-a-module", ["a = [1]", "v = np.asarray(a)", "v[0] = 2", "print(a)"], "a-b a-c b-c c-d"),
    ("shell-assignment", ["x = 1", "files = get_ipython().getoutput('ls {x}')", "print(files)"], "a-b b-c"),
]


@pytest.mark.parametrize(("cells", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_cells_depend_on_the_last_writers_above(cells: list[str], expected: str) -> None:
    assert edges(notebook(*cells)) == " ".join(sorted(expected.split(), key=lambda e: (e[2], e[0])))


def test_edges_say_their_names() -> None:
    graph = notebook("x = y = 1", "z = x + y")
    assert graph.edges[0].names == ("x", "y")
    assert graph.links["b"].inputs == {"x": ("a",), "y": ("a",)}


def test_a_name_that_no_cell_defines_is_reported_with_its_cell() -> None:
    graph = notebook("x = 1", "y = x + missing")
    assert graph.undefined == {"b": {"missing"}}
    assert graph.problems[0].message == "Cell 2 reads 'missing': no cell defines it; define it in a cell above."
    assert notebook("x = 1", "y = x + missing", known={"missing"}).problems == ()


def test_a_name_defined_only_below_is_reported_with_both_cells() -> None:
    graph = notebook("y = x", "x = 1")
    assert graph.defined_below == {"a": {"x": "b"}}
    assert graph.problems[0].message == "Cell 1 reads 'x': it is defined only below, in cell 2; move cell 2 up."


def test_what_a_called_function_needs_is_reported_at_the_call() -> None:
    graph = notebook("def f():\n    return missing", "y = f()")
    assert (
        graph.problems[0].message
        == "Cell 2 calls f(), which reads 'missing': no cell defines it; define it in a cell above."
    )
    assert notebook("def f():\n    return missing").problems == ()


def test_a_deleted_name_is_reported_with_the_deletion() -> None:
    graph = notebook("x = 1", "del x", "y = x")
    assert [p.kind for p in graph.problems] == ["deleted"]
    assert graph.problems[0].other_cell_id == "b"


@pytest.mark.parametrize(
    "cells",
    [
        ("try:\n    x\nexcept NameError:\n    x = 1",),
        ("if 'x' not in globals():\n    x = 1\nprint(x)",),
        ("for i in [1]:\n    pass\nprint(i)",),
        ("def f():\n    return g()", "def g():\n    return 1", "f()"),
        ("on_click(lambda: later())", "def later():\n    pass"),
        ("print(_, __, _1, _i2, In, Out)",),
        ("class A:\n    def f(self) -> 'A':\n        return A()",),
        ("from math import *", "cos(1)"),
        ("exec(input())", "anything"),
        ("def f(x: int = 1) -> 'Unknown':\n    pass",),
    ],
)
def test_names_that_may_well_be_there_are_not_reported(cells: tuple[str, ...]) -> None:
    graph = notebook(*cells, known={"on_click"})
    assert graph.problems == ()


def named(*cells: tuple[str, str, tuple[str, ...]]) -> CellGraph:
    return build_graph([CellInput(id=n, name=n, source=s, after=after, is_task=True) for n, s, after in cells])


def test_after_orders_cells_that_share_nothing() -> None:
    graph = named(("one", "x = 1", ("two",)), ("two", "y = 2", ()))
    assert graph.order == ("two", "one")
    assert [(e.upstream, e.downstream, e.kind) for e in graph.edges] == [("two", "one", "after")]


def test_after_may_name_an_id() -> None:
    graph = build_graph(
        [CellInput(id="i1", name="one"), CellInput(id="i2", after=("i1",)), CellInput(id="i3", after=("one",))]
    )
    assert {(e.upstream, e.downstream) for e in graph.edges} == {("i1", "i2"), ("i1", "i3")}


def test_an_after_circle_is_an_error_that_names_the_path() -> None:
    with pytest.raises(
        CycleError, match=r"one → two \(--after\) → one \(--after\)|two → one \(--after\) → two \(--after\)"
    ):
        named(("one", "", ("two",)), ("two", "", ("one",)))


def test_an_after_against_the_data_is_an_error_that_names_both_reasons() -> None:
    with pytest.raises(CycleError) as caught:
        named(("load", "x = 1", ("use",)), ("use", "y = x", ()))
    assert "through x" in str(caught.value)
    assert "--after" in str(caught.value)


def test_a_cell_after_itself_is_an_error() -> None:
    with pytest.raises(CycleError, match="one → one"):
        named(("one", "", ("one",)))


def test_an_unknown_after_names_the_closest_cell() -> None:
    with pytest.raises(UsageError, match="report: --after names 'clea', which is no cell here; did you mean 'clean'"):
        named(("clean", "", ()), ("report", "", ("clea",)))


@pytest.mark.parametrize("field", ["id", "name"])
def test_two_cells_of_one_id_or_name_are_an_error(field: str) -> None:
    one, two = {"id": "1", "name": "n"}, {"id": "2", "name": "m"}
    two[field] = one[field]
    with pytest.raises(UsageError, match=r"[Cc]ells 1 and 2"):
        build_graph([CellInput(**one), CellInput(**two)])


def test_a_syntax_error_names_the_cell_and_the_line() -> None:
    with pytest.raises(CellSyntaxError) as caught:
        notebook("x = 1", "y = (\nz =")
    assert caught.value.cell_id == "b"
    assert str(caught.value).startswith("Cell 2, line ")


def test_a_syntax_error_can_be_kept_among_the_problems() -> None:
    graph = notebook("x = 1", "y = = 2", "z = x", keep_going=True)
    assert edges(graph) == "a-c"
    assert [(p.cell_id, p.kind) for p in graph.problems] == [("b", "syntax")]


def test_closures_follow_the_kinds_asked_for() -> None:
    graph = notebook("x = 1", "y = x", "z = y", "x = 2", "w = x")
    assert graph.upstream_closure(["c"]) == ("a", "b", "c")
    assert graph.downstream_closure(["a"]) == ("a", "b", "c")
    assert graph.stale_closure(["d"]) == ("d", "e")
    assert graph.downstream_closure(["a"], kinds=("data", "order")) == ("a", "b", "c", "d", "e")


def test_star_names_make_a_star_import_exact() -> None:
    graph = notebook("pi = 3", "from math import *", "y = pi", "z = nothing", star_names=lambda m: ["pi", "cos"])
    assert edges(graph) == "a.b b-c"
    assert graph.undefined == {"d": {"nothing"}}


def test_declared_mutations_count() -> None:
    graph = build_graph(
        [
            CellInput(id="a", source="m = load()"),
            CellInput(id="b", source="tune(m)", mutates=frozenset({"m"})),
            CellInput(id="c", source="m.predict()"),
        ],
        known={"load", "tune"},
    )
    assert edges(graph) == "a-b b-c"


def test_paths_are_followed_through_names_of_other_cells() -> None:
    graph = notebook(
        "from pathlib import Path\ndata = Path('data')", "import pandas as pd\nb = pd.read_csv(data / 'b.csv')"
    )
    assert graph.links["b"].file_reads == ("data/b.csv",)


def test_a_flow_may_be_given_instead_of_a_source() -> None:
    graph = build_graph([CellInput(id="a", flow=analyse("x = 1")), CellInput(id="b", flow=analyse("y = x"))])
    assert edges(graph) == "a-b"


def test_functions_that_call_each_other_on_many_ways_are_judged_once_each() -> None:
    """There are 2**80 ways through these calls: who walks each does not come back."""
    last = 80
    cells = [f"def f{i}(x):\n    f{i + 1}(x)\n    f{i + 1}(x)\n    f0(x) if x else 0" for i in range(last)]
    cells = [*cells, f"def f{last}(x):\n    x.append(1)", "xs = []", "f0(xs)", "print(xs)"]
    graph = build_graph([CellInput(id=str(i), source=s) for i, s in enumerate(cells)])
    assert graph.links[str(last + 2)].mutates == {"xs"}
    assert analyse("\n".join(cells)).mutates == frozenset()
    assert analyse("\n".join([*cells[: last + 1], "f0(ys)"])).mutates == {"ys"}


def test_results_of_results_of_results_do_not_grow() -> None:
    calls = "\n".join("x, y = f(x, y), g(y, x, f(x, x))" for _ in range(40))
    flow = analyse(f"{calls}\nx.append(1)")
    assert {"x", "y"} <= flow.reads
    cells = [CellInput(id=str(i), source=f"x, y = f(x, y), g(y, x, f(x, {i}))") for i in range(60)]
    cells = [CellInput(id="first", source="def f(a, b):\n    return [a, b]\ng = f\nx = y = []"), *cells]
    assert len(build_graph(cells).upstream_closure(["59"])) == 61


def test_an_object_with_hundreds_of_callbacks_is_no_trouble() -> None:
    cells = ["class App:\n    def on(self, f):\n        self.fs.append(f)\napp = App()\nk = 1"]
    cells += [f"app.on(lambda x: app.run(lambda y: x + y + k + {i}))" for i in range(150)]
    graph = build_graph([CellInput(id=str(i), source=s) for i, s in enumerate([*cells, "k = 2", "app.run()"])])
    assert "151" in {e.upstream for e in graph.upstream["152"]}


def test_ten_thousand_cells_are_no_trouble() -> None:
    cells = [
        CellInput(id=str(i), flow=analyse(f"x{i} = x{i - 1} if c else x{i // 2}" if i else "x0 = c = 1"))
        for i in range(10_000)
    ]
    graph = build_graph(cells)
    assert graph.order == tuple(c.id for c in cells)
    assert len(graph.upstream_closure(["9999"])) == 10_000
