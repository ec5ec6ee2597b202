"""What is kept of a cell's outputs: a head and a tail, and a note of what was between."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headrace.kernel_magic.cells.capture import HEAD_BYTES, TAIL_BYTES, CellOutputs


def printed(*texts: str, name: str = "stdout") -> CellOutputs:
    outputs = CellOutputs()
    for text in texts:
        outputs.add("stream", {"name": name, "text": text})
    return outputs


def test_what_is_printed_in_pieces_is_one_output() -> None:
    assert printed("a", "b\n", "c").finish() == [{"output_type": "stream", "name": "stdout", "text": "ab\nc"}]


def test_a_million_lines_leave_the_first_the_last_and_how_much_is_missing() -> None:
    lines = [f"line {n}\n" for n in range(300_000)]
    head, note, tail = printed(*lines).finish()
    assert head["text"].startswith("line 0\n")
    assert tail["text"].endswith("line 299999\n")
    assert len(head["text"]) <= HEAD_BYTES
    assert len(tail["text"]) <= TAIL_BYTES
    missing = sum(map(len, lines)) - len(head["text"]) - len(tail["text"])
    assert note == {
        "output_type": "stream",
        "name": "stderr",
        "text": f"… {missing:,} bytes of output are not kept …\n",
    }


@pytest.mark.parametrize("between", [lambda o: None, lambda o: o.snapshot()], ids=["", "looked at meanwhile"])
def test_one_long_line_is_cut_and_what_comes_after_it_is_kept(between: Callable[[CellOutputs], object]) -> None:
    outputs = printed("before\n", "x" * 50_000_000)
    between(outputs)
    outputs.add("stream", {"name": "stdout", "text": "after\n"})
    found = outputs.finish()
    assert sum(len(output["text"]) for output in found) < HEAD_BYTES + TAIL_BYTES
    assert found[0]["text"] == "before\n"
    assert found[-1]["text"].endswith("after\n")
