"""Parameters in a notebook: where they are placed, what is kept, what a real kernel makes of them, what is refused."""

from __future__ import annotations

import base64
import datetime
import json
import logging
import math
import pathlib
import pickle
from collections.abc import Iterator
from typing import Any

import nbformat
import numpy
import papermill
import pytest
from hostile import running_kernel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from headrace.core.errors import InvalidParameter
from headrace.core.parameters import EnumMember, decode
from headrace.core.parameters.literals import same
from headrace.server.parameters import (
    inject,
    injected_values,
)

PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
BASH = {"name": "bash", "display_name": "Bash", "language": "bash"}


def notebook(*cells: Any, spec: dict[str, str] | None = None) -> Any:
    return new_notebook(cells=list(cells), metadata={"kernelspec": dict(spec or PYTHON)})


def code(source: str, *tags: str) -> Any:
    return new_code_cell(source, metadata={"tags": list(tags)} if tags else {})


def sources(nb: Any) -> list[str]:
    return [cell.source for cell in nb.cells]


# --- placing -------------------------------------------------------------------------------------------------------

PLACES: dict[str, tuple[list[Any], int]] = {
    "after the parameters cell": ([code("a = 1"), code("x = 1", "parameters"), code("b = 2")], 2),
    "after the first of two": ([code("x = 1", "parameters"), code("x = 2", "parameters")], 1),
    "in place of the injected cell": (
        [code("x = 1", "parameters"), code("b = 1"), code("x = 5", "injected-parameters")],
        2,
    ),
    "in place of the first injected cell": (
        [code("x = 5", "injected-parameters"), code("x = 6", "injected-parameters")],
        0,
    ),
    "at the top": ([new_markdown_cell("# T"), code("a = 1")], 0),
    "in an empty notebook": ([], 0),
}


@pytest.mark.parametrize(("cells", "index"), PLACES.values(), ids=PLACES.keys())
def test_the_cell_is_placed_as_papermill_places_it(cells: list[Any], index: int) -> None:
    nb = notebook(*cells)
    out = inject(nb, {"x": 3})
    theirs = papermill.parameterize.parameterize_notebook(_for_papermill(nb), {"x": 3})
    assert out.cells[index].source == "# Parameters\nx = 3"
    assert [s.strip() for s in sources(out)] == [s.strip() for s in sources(theirs)]
    nbformat.validate(out)


def _for_papermill(nb: Any) -> Any:
    """A copy as papermill's own reader makes it."""
    copied = nbformat.reads(nbformat.writes(nb), as_version=4)
    for cell in copied.cells:
        cell.metadata.setdefault("tags", [])
    copied.metadata.papermill = {}
    return copied


def test_a_notebook_without_a_parameters_cell_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        inject(notebook(code("a")), {"x": 1})
    assert "tagged 'parameters'" in caplog.text


def test_nothing_is_injected_when_nothing_is_given() -> None:
    nb = notebook(code("x = 1", "parameters"))
    assert inject(nb, {}) is nb
    again = inject(inject(nb, {"x": 3}), {})
    assert sources(again) == ["x = 1", "# Parameters\nx = 3"]


def test_the_given_notebook_is_not_changed_and_other_cells_are_shared() -> None:
    nb = notebook(code("x = 1", "parameters"), code("print(x)"))
    before = nbformat.writes(nb)
    out = inject(nb, {"x": 3})
    assert nbformat.writes(nb) == before
    assert out.cells[2] is nb.cells[1]
    before = nbformat.writes(out)
    inject(out, {"x": 4})
    assert nbformat.writes(out) == before


def test_comment_and_report_mode_are_papermills() -> None:
    out = inject(notebook(code("x = 1", "parameters")), {"x": 3}, comment="Values of March", report_mode=True)
    assert out.cells[1].source.startswith("# Values of March\n")
    assert out.cells[1].metadata.jupyter == {"source_hidden": True}


@pytest.mark.parametrize("comment", ["a\nimport os", "a\rb", "*) x", "a\u2028b", '"', "\\", "a\0"])
def test_a_comment_cannot_bring_code(comment: str) -> None:
    with pytest.raises(InvalidParameter, match="one line"):
        inject(notebook(), {"x": 1}, comment=comment)


@pytest.mark.parametrize("minor", [4, 5])
def test_a_cell_has_an_id_exactly_where_the_format_has_ids(minor: int) -> None:
    nb = notebook(code("x = 1", "parameters"))
    nb.nbformat_minor = minor
    for cell in nb.cells if minor < 5 else ():
        cell.pop("id")
    out = inject(nb, {"x": 3})
    assert ("id" in out.cells[1]) is (minor == 5)
    nbformat.validate(out)


# --- what is kept when an output is run again ----------------------------------------------------------------------


def test_earlier_values_are_kept_unless_given_anew() -> None:
    day = datetime.date(2026, 1, 31)
    first = inject(notebook(code("x = 1", "parameters")), {"x": 3, "day": day, "share": math.nan})
    second = inject(first, {"x": 4})
    assert injected_values(second) | {"share": None} == {"x": 4, "day": day, "share": None}
    assert math.isnan(injected_values(second)["share"])
    assert second.cells[1].id == first.cells[1].id
    assert len(second.cells) == 2
    assert second.metadata.papermill.parameters == {"x": 4, "day": "2026-01-31", "share": "NaN"}


def test_values_that_papermill_injected_are_kept() -> None:
    nb = _for_papermill(notebook(code("x = 1", "parameters")))
    theirs = papermill.parameterize.parameterize_notebook(
        nb, {"x": 3, "t": "a'b", "n": None, "f": math.inf, "l": [1, {"a": 2}]}
    )
    assert injected_values(inject(theirs, {"x": 4})) == {
        "x": 4,
        "t": "a'b",
        "n": None,
        "f": math.inf,
        "l": [1, {"a": 2}],
    }


def test_values_edited_by_hand_count_before_the_metadata() -> None:
    out = inject(notebook(code("x = 1", "parameters")), {"x": 3, "y": 1})
    out.cells[1].source = "# Parameters\nx = 30\n"
    assert injected_values(inject(out, {"z": 1})) == {"x": 30, "z": 1}


def test_code_written_by_hand_into_the_cell_is_kept_above_the_new_values() -> None:
    out = inject(notebook(code("x = 1", "parameters")), {"x": 3, "y": 1})
    out.cells[1].source = "x = len('abc')\ny = 1"
    again = inject(out, {"z": 5})
    assert again.cells[1].source == "x = len('abc')\ny = 1\n# Parameters\nz = 5"


def test_values_of_another_language_are_kept_by_the_metadata() -> None:
    first = inject(notebook(code("x=1", "parameters"), spec=BASH), {"x": "it's", "n": 3})
    second = inject(first, {"n": 4})
    assert injected_values(second) == {"x": "it's", "n": 4}
    assert second.cells[1].source == "# Parameters\nx=$'it\\047s'\nn=4\n"
    second.cells[1].source = "x=other\n"  # by hand: what the metadata says is no longer so
    assert inject(second, {"n": 5}).cells[1].source == "x=other\n\n# Parameters\nn=5\n"


def test_values_that_papermill_injected_into_another_language_are_kept() -> None:
    nb = _for_papermill(notebook(code("x=1", "parameters"), spec=BASH))
    theirs = papermill.parameterize.parameterize_notebook(nb, {"x": "a b", "n": 3})
    assert injected_values(inject(theirs, {"n": 4})) == {"x": "a b", "n": 4}


@pytest.mark.parametrize("spec", [PYTHON, BASH], ids=["python", "bash"])
@pytest.mark.parametrize(
    "odd", [None, 5, [], {"parameters": 5}, {"parameters": {"x": {"$python": "open('canary', 'w')"}}}]
)
def test_odd_metadata_of_an_injected_cell_does_no_harm(odd: Any, spec: dict[str, str]) -> None:
    cell = code("x=1", "injected-parameters")
    cell.metadata["headrace"] = odd
    nb = notebook(cell, spec=spec)
    nb.metadata["papermill"] = odd
    out = inject(nb, {"y": 2})
    assert "x=1" in out.cells[0].source.replace(" ", "")
    assert out.metadata.papermill.parameters["y"] == 2


def test_an_enum_of_the_notebook_is_written_as_its_member_and_kept() -> None:
    cell = "class Color(Enum):\n    RED = 1\n    BLUE = 2\nx = Color.RED"
    out = inject(notebook(code(cell, "parameters")), {"x": EnumMember("Color", "BLUE")})
    assert out.cells[1].source == "# Parameters\nx = Color.BLUE"
    assert injected_values(inject(out, {"y": 1}))["x"] == EnumMember("Color", "BLUE")


# --- the file ------------------------------------------------------------------------------------------------------


def test_nan_is_never_bare_in_the_file() -> None:
    out = inject(notebook(code("x = 1", "parameters")), {"x": [math.nan, {"a": -math.inf}], "s": "\ud800"})

    def refuse(constant: str) -> Any:
        raise AssertionError(f"bare {constant}")

    text = nbformat.writes(out).encode("utf-8").decode("utf-8")
    read = json.loads(text, parse_constant=refuse)
    stored = {name: decode(value) for name, value in read["cells"][1]["metadata"]["headrace"]["parameters"].items()}
    assert same([math.nan, {"a": -math.inf}], stored["x"])
    assert stored["s"] == "\ud800"
    assert read["metadata"]["papermill"]["parameters"] == {"x": ["NaN", {"a": "-Infinity"}], "s": "\\ud800"}


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["not valid", "class", "x=1;import os;y", "__builtins__", "a\nb", "$(touch x)", "", "a" * 65]
)
@pytest.mark.parametrize("spec", [PYTHON, BASH], ids=["python", "bash"])
def test_a_name_that_is_no_identifier_is_refused_in_every_language(name: str, spec: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter, match="parameter"):
        inject(notebook(spec=spec), {name: 1})


def test_a_value_without_a_literal_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidParameter, match=r"parameters\['x'\]\[1\] is a builtins.object"):
        inject(notebook(), {"x": [1, object()]})


@pytest.mark.parametrize("source", ["key: SecretStr = ...", "key = ''  # the API secret"])
def test_a_secret_never_enters_a_cell(source: str) -> None:
    with pytest.raises(InvalidParameter, match="never written into a cell") as caught:
        inject(notebook(code(source, "parameters")), {"key": "p4ssw0rd"})
    assert "p4ssw0rd" not in str(caught.value)


def test_a_broken_parameters_cell_is_left_to_the_run() -> None:
    assert inject(notebook(code("x = (", "parameters")), {"x": 1}).cells[1].source == "# Parameters\nx = 1"


# --- in a real kernel ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, pathlib.Path]]:
    """One ipykernel for the module; its client and its empty folder."""
    with running_kernel(tmp_path_factory.mktemp("kernel"), "ipykernel_launcher", "python") as running:
        yield running


def run_cell(client: Any, source: str) -> Any:
    """Execute a cell as a notebook run does; return the value of `x` in the kernel."""
    expression = "__import__('base64').b64encode(__import__('pickle').dumps(x)).decode()"
    reply = client.execute(source, reply=True, timeout=30, store_history=False, user_expressions={"x": expression})
    content = reply["content"]
    assert content["status"] == "ok", content
    found = content["user_expressions"]["x"]
    assert found["status"] == "ok", found
    return pickle.loads(base64.b64decode(found["data"]["text/plain"].strip("'")))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters())
    | st.text(alphabet="%!?;'\"\\\n\t`${}#&()|a ")
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones(), allow_imaginary=False)
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
)
KEYS = st.text() | st.integers() | st.none() | st.tuples(st.text(), st.booleans())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.dictionaries(KEYS, inner, max_size=4)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.kernel
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(value=VALUES)
def test_a_hundred_random_values_arrive_in_a_real_kernel(value: Any, kernel: tuple[Any, pathlib.Path]) -> None:
    client, work = kernel
    source = inject(notebook(), {"x": value}).cells[0].source
    assert same(value, run_cell(client, source))
    assert not list(work.iterdir())


HOSTILE: list[Any] = [
    "'; import os; os.system('touch canary'); '",
    '"""\nopen("canary", "w")\n"""',
    "%%bash\ntouch canary",
    "!touch canary",
    "%run canary",
    "\n%%writefile canary\nx",
    "print?",
    "{open('canary','w')}",
    "\\",
    "\\'",
    ">>> open('canary', 'w')",
    "In [1]: x",
    "\r\nopen('canary', 'w')\r\n",
    "\u2028open('canary', 'w')",
    "\x00\x1a\x1b[31m",
    {"'; open('canary', 'w'); '": ["%%bash", ("!touch canary",)]},
    pathlib.PurePosixPath("'); open('canary', 'w'); ('"),
    b"'; open('canary', 'w'); '",
    numpy.str_("'; open('canary', 'w'); '"),
    numpy.array(["'; open('canary', 'w'); '", "%%bash"]),
]


@pytest.mark.kernel
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:30])
def test_a_hostile_value_is_only_a_value_in_a_real_kernel(value: Any, kernel: tuple[Any, pathlib.Path]) -> None:
    client, work = kernel
    assert same(value, run_cell(client, inject(notebook(), {"x": value}).cells[0].source))
    assert not list(work.iterdir())
