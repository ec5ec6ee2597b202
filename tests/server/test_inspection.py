"""What a notebook file says about itself: kernel, language, parameters; bounded, and executing nothing."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable
from typing import Any

import nbformat
import papermill
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from headrace.core.errors import InvalidNotebook, InvalidParameter
from headrace.server.inspection import MAX_CELL_CHARACTERS, read_for_inspection
from headrace.server.parameters import (
    declared_parameters,
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


ODD_METADATA: list[Any] = [None, 5, "parameters", [["parameters"]], {"parameters": 1}]


@pytest.mark.parametrize("odd", ODD_METADATA, ids=repr)
def test_metadata_of_any_kind_is_looked_at_without_harm(odd: Any, file: Callable[[Any], pathlib.Path]) -> None:
    cell = {"cell_type": "code", "source": ["x = 1"], "metadata": {"tags": odd}}
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "cells": [cell],
        "metadata": {"kernelspec": odd, "language_info": odd},
    }
    found = inspect_notebook_file(file(json.dumps(content)))
    assert (found.parameters, found.kernel_name, found.language) == ((), "", "")


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
