"""IPython's syntax in cells: what magics, shell commands, `?` and `await` read and bind."""

from __future__ import annotations

import ast
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.core.dataflow import CellFlow, CellInput, CellSyntaxError, analyse, build_graph, sparing

pytestmark = pytest.mark.lab

#: id, cell, reads, binds, mutates
CASES = [
    ("shell", "!ls -l", "", "", ""),
    ("shell-braces", "!head -n {n} {path}", "n path", "", ""),
    ("shell-dollar", "!echo $name", "name", "", ""),
    ("shell-escapes", "!echo $$HOME {{x}} && awk '{print $1}'", "", "", ""),
    ("shell-expression", "!echo {', '.join(xs)}", "xs", "", ""),
    ("shell-assignment", "files = !ls {folder}", "folder", "files", ""),
    ("shell-list", "!!ls {folder}", "folder", "", ""),
    ("shell-in-block", "for f in fs:\n    !cat {f}", "fs", "f", ""),
    ("magic-assignment", "rows = %sql select 1", "", "rows", ""),
    ("magic-interpolation", "%cd {folder}", "folder", "", ""),
    ("matplotlib", "%matplotlib inline\nx = 1", "", "x", ""),
    ("line-time", "%time y = f(x)", "f x", "y", ""),
    ("line-timeit", "%timeit -n 3 -r 2 f(x)", "f x", "", ""),
    ("line-timeit-binds-nothing", "%timeit y = x", "x", "", ""),
    ("line-prun", "%prun -s cumulative f(x)", "f x", "", ""),
    ("env", "%env MODE=fast", "", "", ""),
    ("load-ext", "%load_ext autoreload\n%autoreload 2", "", "", ""),
    ("store", "%store x y", "x y", "", ""),
    ("store-restore", "%store -r x", "", "x", ""),
    ("help", "df.head?", "df", "", ""),
    ("help-source", "clean??", "clean", "", ""),
    ("help-in-front", "?clean", "clean", "", ""),
    ("cell-time", "%%time\ny = f(x)", "f x", "y", ""),
    ("cell-time-with-line", "%%time z = 1\ny = z", "", "y z", ""),
    ("cell-timeit", "%%timeit s = setup(x)\nf(s, y)", "setup x f y", "", ""),
    ("cell-capture", "%%capture out\ny = f(x)", "f x", "y out", ""),
    ("cell-capture-options", "%%capture --no-stderr out\ny = x", "x", "y out", ""),
    ("cell-capture-nameless", "%%capture\ny = x", "x", "y", ""),
    ("cell-task", "%%task clean --retries 3\ny = f(x)", "f x", "y", ""),
    ("cell-task-interpolated", "%%task clean --retries {n}\ny = x", "n x", "y", ""),
    ("cell-flow", "%%flow nightly\ny = f(x)", "f x", "y", ""),
    ("cell-in-cell", "%%time\n%%capture out\ny = x", "x", "y out", ""),
    ("magic-within-body", "%%time\n%matplotlib inline\nfiles = !ls {d}", "d", "files", ""),
    ("bash", "%%bash\nfor f in *; do echo $f; done", "", "", ""),
    ("bash-out", "%%bash --out text --err wrong\nls", "", "text wrong", ""),
    ("script-out", "%%script python3 --out said\nprint(x)", "", "said", ""),
    ("sh-interpolated-line", "%%sh -s {name}\necho $1", "name", "", ""),
    ("writefile", "%%writefile tool.py\nprint(x)", "", "", ""),
    ("writefile-interpolated", "%%writefile {path}\nx", "path", "", ""),
    ("html", "%%html\n<b>{x}</b>", "", "", ""),
    ("markdown", "%%markdown\n# {x}", "", "", ""),
    ("javascript", "%%javascript\nlet x = y;", "", "", ""),
    ("latex", "%%latex\n$x$", "", "", ""),
    ("sql", "%%sql result <<\nselect * from t where a = :limit", "limit", "result", ""),
    ("r-in-and-out", "%%R -i frame -o fitted\nfitted <- lm(y ~ x, frame)", "frame", "fitted", ""),
    ("top-level-await", "page = await fetch(url)", "fetch url", "page", ""),
    ("top-level-async-for", "async for x in source(n):\n    xs.append(x)", "source n xs", "x", "xs"),
    ("top-level-async-with", "async with lock:\n    d['k'] = v", "lock d v", "", "d"),
    ("await-in-expression", "print([await f(x) for x in xs])", "f xs", "", ""),
    ("autocall", "/f x", "f x", "", ""),
    ("prompts", ">>> y = x\n... ", "x", "y", ""),
    ("semicolon", "df.plot();", "df", "", ""),
    ("history", "y = _ + Out[3]", "", "y", ""),
]


@pytest.fixture(scope="module")
def transform() -> Callable[[str], str]:
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell  # type: ignore[no-any-return]


@pytest.mark.parametrize(("source", "reads", "binds", "mutates"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_ipythons_syntax_is_looked_through(
    transform: Callable[[str], str], source: str, reads: str, binds: str, mutates: str
) -> None:
    flow = analyse(source, transform=transform)
    found = (set(flow.reads) - {"_"}, set(flow.binds), set(flow.mutates))
    assert found == (set(reads.split()), set(binds.split()), set(mutates.split()))


@pytest.mark.parametrize("source", ["%run other.py", "%reset -f", "%pylab", "%load -r 1-3 lib.py", "%rerun 3"])
def test_magics_after_which_the_namespace_is_anyones_guess_keep_their_place(
    transform: Callable[[str], str], source: str
) -> None:
    flow: CellFlow = analyse(source, transform=transform)
    assert flow.opaque
    cells = [CellInput(id=i, source=s) for i, s in (("a", "x = 1"), ("b", source), ("c", "y = 2"))]
    graph = build_graph(cells, transform=transform)
    assert {(e.upstream, e.downstream) for e in graph.edges} == {("a", "b"), ("b", "c")}


def test_a_script_that_is_run_counts_as_a_file_that_is_read(transform: Callable[[str], str]) -> None:
    assert analyse("%run tools/clean.py", transform=transform).file_reads == ("tools/clean.py",)


def test_a_file_written_by_a_cell_comes_before_the_cell_that_reads_it(transform: Callable[[str], str]) -> None:
    cells = [
        CellInput(id="write", source="%%writefile tool.py\nx = 1"),
        CellInput(id="run", source="text = open('tool.py').read()"),
    ]
    graph = build_graph(cells, transform=transform)
    assert [(e.upstream, e.downstream, e.kind, e.names) for e in graph.edges] == [
        ("write", "run", "data", ("tool.py",))
    ]


@pytest.mark.parametrize(
    ("source", "line"),
    [("x = 1\ny = = 2", 2), ("%%time\ny = (", 1), ("if x:\n!ls", 2), ("for", 1), ("'''never ended", 1), ("x = 1 +", 1)],
)
def test_a_syntax_error_says_which_cell_and_line(transform: Callable[[str], str], source: str, line: int) -> None:
    with pytest.raises(CellSyntaxError) as caught:
        build_graph([CellInput(id="a", source="x = 1"), CellInput(id="b", source=source)], transform=transform)
    assert (caught.value.cell_id, caught.value.line) == ("b", line)
    assert str(caught.value).startswith(f"Cell 2, line {line}: ")


PIECES = ["x = 1", "f(", ")", "'''", "'a", '"""', "\\", "# c", ",f a", ";f a", "/f 1", "%time y", "!ls", "a?", "a %b"]
PIECES += [">>> x", "... y", "In [1]: z", "   ...: z", "if x:", "...", "@d", "a, b = c", "", "1 / 2"]


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "", "", " ", "    ", "\t"]),
            st.sampled_from(PIECES),
            st.sampled_from(["\n", "\n", "\n", "\r\n", "\x0c", "\u2028", ""]),
        ),
        max_size=6,
    )
)
def test_what_ipythons_transformer_is_spared_it_would_have_left_as_it_was(lines: list[tuple[str, str, str]]) -> None:
    from IPython.core.inputtransformer2 import TransformerManager

    source, transform = "".join(map("".join, lines)), TransformerManager().transform_cell

    def outcome(how: Callable[[str], str]) -> str:
        try:
            plain = how(source)
            ast.parse(plain)
        except SyntaxError:
            return "no Python"
        return plain

    assert outcome(sparing(transform)) == outcome(transform)
