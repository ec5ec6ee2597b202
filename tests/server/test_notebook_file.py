"""Reading notebooks: what is refused says why, what is mended keeps its meaning, nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headrace.core.errors import InvalidNotebook, NotFound, UsageError
from headrace.server.notebook_file import parse_notebook, read_notebook
from notebooks import code, notebook

BAD: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "it is empty"),
    "no JSON": (b'{"cells": [\n  1,,\n]}', "line 2, column 5"),
    "no UTF-8": (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
    "a list": (b"[]", "no JSON object"),
    "nested too deeply": (b"[" * 100_000, "nested too deeply"),
    "version 3": (b'{"nbformat": 3, "worksheets": []}', "its format is 3; open it in JupyterLab"),
    "no version": (b"{}", "its format is None"),
    "no cells": (b'{"nbformat": 4}', "no list of cells"),
    "a cell that is none": (b'{"nbformat": 4, "cells": [7]}', "cell 1 is no object"),
    "an unknown cell type": (
        b'{"nbformat": 4, "cells": [{"cell_type": "heading"}]}',
        "cell 1 has the cell_type 'heading'",
    ),
    "a source that is a number": (b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 1}]}', "no text"),
}


@pytest.mark.parametrize(("data", "words"), BAD.values(), ids=BAD.keys())
def test_a_bad_notebook_is_refused_in_one_line(data: bytes, words: str) -> None:
    with pytest.raises(InvalidNotebook) as caught:
        parse_notebook(data, "n.ipynb")
    assert words in str(caught.value)
    assert "n.ipynb" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_paths_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no notebook .*none\.ipynb"):
        read_notebook(str(tmp_path / "none.ipynb"))
    with pytest.raises(UsageError, match="is a folder"):
        read_notebook(str(tmp_path))
    with pytest.raises(NotFound, match="memory://none"):
        read_notebook("memory://none.ipynb")


def test_cells_without_ids_get_the_same_ones_at_every_reading() -> None:
    content = notebook("a", "a", "b")
    for cell in content["cells"]:
        del cell["id"]
    content["nbformat_minor"] = 2
    data = json.dumps(content).encode()
    first, second = (parse_notebook(data, "n").content for _ in range(2))
    ids = [cell["id"] for cell in first["cells"]]
    assert ids == [cell["id"] for cell in second["cells"]]
    assert len(set(ids)) == 3
    assert first["nbformat_minor"] == 5


def test_doubled_ids_are_mended_and_told() -> None:
    found = parse_notebook(json.dumps(notebook(code("a", cell_id="x"), code("b", cell_id="x"))).encode(), "n")
    assert [cell["id"] for cell in found.content["cells"]] == ["x", "x-2"]
    assert "Cell 2 has the id 'x'" in found.warnings[0]


def test_lines_are_joined_and_papermills_bare_nan_is_read() -> None:
    content: Any = notebook("x")
    content["cells"][0]["source"] = ["a\n", "b"]
    content["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["1\n", "2"]}]
    text = json.dumps(content).replace('"metadata": {"kernelspec"', '"metadata": {"papermill": NaN, "kernelspec"')
    found = parse_notebook(text.encode(), "n")
    assert found.content["cells"][0]["source"] == "a\nb"
    assert found.content["cells"][0]["outputs"][0]["text"] == "1\n2"
    assert found.content["metadata"]["papermill"] == "NaN"
    assert (found.kernel_name, found.language) == ("python3", "python")
