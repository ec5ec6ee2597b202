"""Parameters in a notebook: where they are placed, what is kept, what a real kernel makes of them, what is refused."""

from __future__ import annotations

import base64
import datetime
import json
import logging
import math
import os
import pathlib
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any

import nbformat
import numpy
import papermill
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jupyter_client.manager import KernelManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from headrace.core.errors import InvalidNotebook, InvalidParameter
from headrace.core.parameters import EnumMember, decode
from headrace.core.parameters.literals import same
from headrace.server.inspection import MAX_CELL_CHARACTERS, read_for_inspection
from headrace.server.parameters import (
    declared_parameters,
    inject,
    injected_values,
    inspect_notebook,
    inspect_notebook_file,
    kernel_and_language,
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


@pytest.mark.parametrize(
    ("metadata", "given", "expected"),
    [
        ({"kernelspec": PYTHON}, {}, ("python3", "python")),
        ({"kernelspec": {"name": "ir"}, "language_info": {"name": "R"}}, {}, ("ir", "R")),
        ({}, {}, ("", "")),
        ({"kernelspec": PYTHON}, {"kernel_name": "bash", "language": "bash"}, ("bash", "bash")),
        ({"kernelspec": PYTHON}, {"kernel_name": "not-installed"}, ("not-installed", "python")),
        ({"kernelspec": BASH}, {"kernel_name": "spec-of-test"}, ("spec-of-test", "julia")),
    ],
)
def test_the_language_is_that_of_the_kernel_that_will_run(
    metadata: dict[str, Any], given: dict[str, str], expected: tuple[str, str], tmp_path: pathlib.Path, monkeypatch: Any
) -> None:
    spec = tmp_path / "kernels" / "spec-of-test"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(json.dumps({"argv": ["x"], "display_name": "x", "language": "julia"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert kernel_and_language({"metadata": metadata, "cells": []}, **given) == expected


# --- inspection ----------------------------------------------------------------------------------------------------

DECLARED = "month: int = 3  # the month\nregion: Literal['n', 's'] = 'n'\nyear: int\nkey = 'p4ss'  # secret"


@pytest.fixture
def file(tmp_path: pathlib.Path) -> Callable[[Any], pathlib.Path]:
    def write(content: Any) -> pathlib.Path:
        path = tmp_path / "report.ipynb"
        path.write_text(content if isinstance(content, str) else nbformat.writes(content))
        return path

    return write


def test_inspection_has_papermills_keys_and_ours(file: Callable[[Any], pathlib.Path]) -> None:
    path = file(notebook(code("import x"), code(DECLARED, "parameters")))
    found = inspect_notebook(path)
    assert found == inspect_notebook(str(path)) == inspect_notebook(nbformat.read(path, 4))
    theirs = papermill.inspect_notebook(str(path))
    assert found["month"].items() >= theirs["month"].items()
    assert (found["month"]["schema"]["type"], found["month"]["required"]) == ("integer", False)
    assert (found["year"]["required"], found["region"]["choices"]) == (True, ["n", "s"])
    assert found["key"]["secret"]
    assert "p4ss" not in json.dumps(found["key"])


PAPERMILL_SEES = [
    "x = 1",
    "x = 1.5  # help",
    "x: int = 1",
    "x: str = 'a'  # the text",
    "x = [1,\n 2]",
    "x = 1  # type: int help",
]


@pytest.mark.parametrize("source", PAPERMILL_SEES)
def test_what_papermill_finds_is_found_alike(source: str, file: Callable[[Any], pathlib.Path]) -> None:
    path = file(notebook(code(source, "parameters")))
    ours, theirs = inspect_notebook(path)["x"], papermill.inspect_notebook(str(path))["x"]
    assert {key: "".join(ours[key].split()) for key in theirs} == {key: "".join(v.split()) for key, v in theirs.items()}


@pytest.mark.parametrize("source", ["x = dict(a=1)", "x: str | None = None", "x = 'a=b'", "x: int"])
def test_what_is_invisible_to_papermill_is_found(source: str, file: Callable[[Any], pathlib.Path]) -> None:
    path = file(notebook(code(source, "parameters")))
    assert "x" in inspect_notebook(path)
    assert "x" not in papermill.inspect_notebook(str(path))


def test_statements_inside_if_are_no_parameters(file: Callable[[Any], pathlib.Path]) -> None:
    assert list(inspect_notebook(file(notebook(code("if 1:\n    y = 1\nx = 1", "parameters"))))) == ["x"]


def test_a_path_template_is_filled_for_inspection(file: Callable[[Any], pathlib.Path]) -> None:
    path = file(notebook(code("x = 1", "parameters")))
    assert "x" in inspect_notebook(str(path).replace("report", "{name}"), {"name": "report"})
    with pytest.raises(InvalidParameter, match=r"known are \{name\}"):
        inspect_notebook("{nmae}.ipynb", {"name": "report"})


def test_a_notebook_of_another_language_declares_nothing_that_can_be_told(file: Callable[[Any], pathlib.Path]) -> None:
    path = file(notebook(code("x=1", "parameters"), spec=BASH))
    assert declared_parameters(nbformat.read(path, 4)) is None
    assert inspect_notebook(path) == {}
    found = inspect_notebook_file(path)
    assert (found.parameters, found.language, found.has_parameters_cell) == (None, "bash", True)
    assert found.schema["additionalProperties"] is True


def test_a_file_is_inspected_with_its_schema(file: Callable[[Any], pathlib.Path]) -> None:
    found = inspect_notebook_file(file(notebook(code(DECLARED, "parameters"))))
    assert found.schema["required"] == ["year"]
    assert (found.kernel_name, found.language) == ("python3", "python")
    assert inspect_notebook_file(file(notebook(code("x = 1")))).parameters == ()


def test_any_fsspec_url_is_inspected() -> None:
    import fsspec

    with fsspec.open("memory://in/report.ipynb", "w") as target:
        target.write(nbformat.writes(notebook(code("x = 1", "parameters"))))
    assert list(inspect_notebook("memory://in/report.ipynb")) == ["x"]
    with pytest.raises(InvalidNotebook, match="cannot be read"):
        inspect_notebook("memory://in/other.ipynb")


FILES: dict[str, tuple[str, str]] = {
    "not json": ("{", "is not a notebook"),
    "empty": ("", "is not a notebook"),
    "a list": ("[]", "no cells"),
    "no cells": ('{"metadata": {}, "nbformat": 4}', "no cells"),
    "no metadata": ('{"cells": [], "nbformat": 4}', "no cells or no metadata"),
    "cells that are none": ('{"cells": [1], "metadata": {}, "nbformat": 4}', "not an object"),
    "format 3": ('{"worksheets": [], "metadata": {}, "nbformat": 3}', "format 3; convert"),
    "deeply nested": ("[" * 100_000, "is not a notebook"),
    "not text": ("\x80", "is not a notebook"),
    "a parameters cell of another language": (
        nbformat.writes(notebook(code("x <- (1", "parameters"))),
        "not Python: line 1",
    ),
    "a parameters cell without end": (
        nbformat.writes(notebook(code("#" * (MAX_CELL_CHARACTERS + 1), "parameters"))),
        "more than 200,000 characters",
    ),
}


@pytest.mark.parametrize(("content", "message"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_no_notebook_is_refused_in_one_line(content: str, message: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "x.ipynb"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidNotebook, match=message) as caught:
        inspect_notebook_file(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_missing_file_names_the_near_one(tmp_path: pathlib.Path) -> None:
    (tmp_path / "report.ipynb").touch()
    with pytest.raises(InvalidNotebook, match=r"reprot\.ipynb does not exist; did you mean 'report\.ipynb'"):
        inspect_notebook_file(tmp_path / "reprot.ipynb")
    with pytest.raises(InvalidNotebook, match="no folder"):
        inspect_notebook_file(tmp_path / "a" / "b.ipynb")
    with pytest.raises(InvalidNotebook, match="is a folder"):
        inspect_notebook_file(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "x.ipynb")
    with pytest.raises(InvalidNotebook, match="is not a file"):
        inspect_notebook_file(tmp_path / "x.ipynb")


def test_a_file_above_the_limit_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "x.ipynb").write_text(nbformat.writes(notebook()))
    with pytest.raises(InvalidNotebook, match="larger than 10 bytes"):
        read_for_inspection(tmp_path / "x.ipynb", max_bytes=10)


def test_inspection_executes_nothing(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    hostile = "x = open('canary', 'w')\ny: exec(\"open('canary', 'w')\") = 1\n!touch canary\n%run canary.py\nclass E(Enum):\n    A = open('canary', 'w')"
    assert list(inspect_notebook(notebook(code(hostile, "parameters")))) == ["x", "y"]
    assert not list(tmp_path.iterdir())


# --- in a real kernel ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, pathlib.Path]]:
    """One ipykernel for the module, in an empty folder; its client and the folder."""
    folder = tmp_path_factory.mktemp("kernel")
    spec = folder / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python", "language": "python"}))
    work = folder / "work"
    work.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(folder))
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(work))
        client = manager.blocking_client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            yield client, work
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


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
