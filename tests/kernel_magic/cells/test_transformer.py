"""Cells as plain Python: by IPython's transformer, and by whatever else somebody has added to it."""

from __future__ import annotations

from IPython.core.inputtransformer2 import TransformerManager

from headrace.kernel_magic.cells.transformer import plain_python


def test_a_plain_cell_is_left_as_it_is_and_syntax_of_ipython_becomes_calls() -> None:
    manager = TransformerManager()
    assert plain_python(manager, "x = 1\ny = x") == "x = 1\ny = x\n"
    assert plain_python(manager, "x = 1\n!ls") == "x = 1\nget_ipython().system('ls')\n"


def test_what_somebody_else_makes_of_a_plain_cell_counts() -> None:
    manager = TransformerManager()
    manager.cleanup_transforms.append(lambda lines: [line.replace("two", "2") for line in lines])
    assert plain_python(manager, "x = two") == "x = 2\n"
