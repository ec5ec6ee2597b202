"""The output notebook's file: what nbformat would write, always whole, unchanged cells copied."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest

from headrace.core.errors import UsageError
from headrace.server import output_file
from headrace.server.output_file import OutputFile, OutputUnwritable, check_output_path, encode_notebook
from notebooks import code, markdown, notebook


def rich_notebook() -> Any:
    found = nbformat.from_dict(notebook("x = 1\nx", markdown("# Häuser\n\U0001f600"), code("y\u2028z\r\nw")))
    found.cells[0].outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a\nb\rc\r\nd"),
        nbformat.v4.new_output("execute_result", data={"text/plain": "1\n2", "application/json": {"a": [1.5, None]}}),
        nbformat.v4.new_output("display_data", data={"image/svg+xml": "<s>\n</s>", "image/png": "aGk=\n"}),
        nbformat.v4.new_output("error", ename="E", evalue="v", traceback=["\x1b[31mred\x1b[0m"]),
    ]
    found.cells[1].attachments = {"a.png": {"image/png": "aGk=\n"}}
    found.metadata.title = "t"
    return found


def test_a_notebook_is_written_as_nbformat_writes_it() -> None:
    found = rich_notebook()
    assert encode_notebook(found).decode() == nbformat.writes(found) + "\n"
    empty = nbformat.from_dict(notebook())
    assert encode_notebook(empty).decode() == nbformat.writes(empty) + "\n"


def test_saves_that_copy_unchanged_cells_are_equal_to_whole_ones(tmp_path: Path) -> None:
    found, path = rich_notebook(), tmp_path / "out.ipynb"
    file = OutputFile(str(path))
    file.save(found)
    for step in range(4):
        found.cells[step % 3].source += f"\n# {step}"
        file.touched(found.cells[step % 3])
        file.save(found)
        assert path.read_text() == nbformat.writes(found) + "\n"
    found.cells.insert(0, nbformat.from_dict(markdown("new", "n")))
    file.save(found, final=True)
    assert path.read_text() == nbformat.writes(found) + "\n"
    assert os.listdir(tmp_path) == ["out.ipynb"]
    file.close()


def test_a_cell_that_did_not_change_is_not_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = nbformat.from_dict(notebook(*[f"x = {i}" for i in range(50)]))
    encoded: list[str] = []
    monkeypatch.setattr(
        output_file, "encode_cell", lambda cell, real=output_file.encode_cell: encoded.append(cell["id"]) or real(cell)
    )
    file = OutputFile(str(tmp_path / "out.ipynb"))
    file.save(found)
    encoded.clear()
    file.touched(found.cells[7])
    file.save(found)
    assert encoded == ["c8"]
    file.close()


def test_a_file_replaced_by_somebody_else_does_not_spoil_the_next_save(tmp_path: Path) -> None:
    found, path = rich_notebook(), tmp_path / "out.ipynb"
    file = OutputFile(str(path))
    file.save(found)
    other = tmp_path / "other"
    other.write_text("{}")
    other.replace(path)
    file.save(found)
    assert path.read_text() == nbformat.writes(found) + "\n"
    file.close()


def test_what_json_lacks_becomes_text(tmp_path: Path) -> None:
    found = nbformat.from_dict(notebook("1"))
    found.cells[0].outputs = [
        nbformat.from_dict(
            {"output_type": "display_data", "metadata": {}, "data": {"application/json": {"a": float("nan")}}}
        ),
        nbformat.from_dict({"output_type": "stream", "name": "stdout", "text": "half a pair: \ud83d"}),
    ]
    path = tmp_path / "out.ipynb"
    file = OutputFile(str(path))
    file.save(found)
    file.close()
    read = nbformat.read(path, 4)
    assert read.cells[0].outputs[0]["data"]["application/json"] == {"a": "nan"}
    assert read.cells[0].outputs[1]["text"] == "half a pair: ?"


def test_a_save_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, path = rich_notebook(), tmp_path / "out.ipynb"
    file = OutputFile(str(path))
    file.save(found)
    before = path.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    file.touched(found.cells[0])
    with pytest.raises(OutputUnwritable, match="No space left on device"):
        file.save(found)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["out.ipynb"]
    file.close()


def test_any_fsspec_url_can_be_written() -> None:
    import fsspec

    found = rich_notebook()
    file = OutputFile("memory://runs/out.ipynb")
    file.save(found)
    file.touched(found.cells[0])
    file.save(found)
    with fsspec.open("memory://runs/out.ipynb", "r") as remote:
        assert remote.read() == nbformat.writes(found) + "\n"
    file.close()


def test_saves_keep_their_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(output_file.time, "monotonic", lambda: now[0])
    found = nbformat.from_dict(notebook("1"))
    file = OutputFile(str(tmp_path / "out.ipynb"), autosave_seconds=2)
    assert file.due_in() == 2
    plan = file.plan(found)
    file.write(plan)
    file.commit(plan)
    assert file.due_in() is None, "nothing has changed"
    file.touched(found.cells[0])
    now[0] += 1.5
    assert file.due_in() == pytest.approx(0.5)
    plan = file.plan(found)
    plan.seconds = 1.0
    file.write(plan)
    file.commit(plan)
    file.touched(found.cells[0])
    assert file.due_in() == pytest.approx(20.0), "twenty times what the last one took"
    file.close()


def test_output_paths_that_cannot_be_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.ipynb"
    source.write_text("{}")
    (tmp_path / "link.ipynb").symlink_to(source)
    for path, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "out.ipynb", "does not exist"),
        (source, "is the input itself"),
        (tmp_path / "link.ipynb", "is the input itself"),
    ):
        with pytest.raises(UsageError, match=words):
            check_output_path(str(path), str(source))
