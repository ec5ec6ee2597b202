"""What a process writes, however wild, becomes bounded lines of text (reliability.md, F-33 and F-34)."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.core.ids import new_id
from headrace.core.runs import Run
from headrace.core.states import StateType
from headrace.server.worker import capture
from headrace.server.worker.capture import LINE_LIMIT, Tail

RUN = Run(id=new_id(), root_id=new_id(), state_type=StateType.RUNNING, state_at=1, created_at=1)


def read_all(folder: Path, *, final: bool = True) -> list[str]:
    tail, found = Tail(RUN, folder), []
    while True:
        lines, marks = tail.read(1, final=final)
        found += [line[5] for line in lines]
        if not marks:
            return found


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        pytest.param(b"one\ntwo\n", ["one", "two"], id="lines"),
        pytest.param(b"half", ["half"], id="no newline at the end"),
        pytest.param(b"\xff\xfe\x80 x\n", ["\ufffd\ufffd\ufffd x"], id="no UTF-8"),
        pytest.param(b"a\x00b\n", ["a␀b"], id="NUL"),
        pytest.param(b" 10%\r 50%\r100%\n", ["100%"], id="a progress bar's last state"),
        pytest.param(b"windows\r\n", ["windows"], id="Windows' newline"),
        pytest.param(b"\n\n", ["", ""], id="empty lines"),
    ],
)
def test_bytes_become_text(tmp_path: Path, written: bytes, lines: list[str]) -> None:
    (tmp_path / "stdout.log").write_bytes(written)
    assert read_all(tmp_path) == lines


def test_a_line_without_end_is_cut_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "stdout.log").write_bytes(b"x" * 10_000_000)
    lines = read_all(tmp_path)
    assert all(len(line) <= LINE_LIMIT + 30 for line in lines)
    assert "bytes more]" in lines[0]
    assert len(lines) <= 10


def test_an_unfinished_line_waits_for_its_end(tmp_path: Path) -> None:
    (tmp_path / "stdout.log").write_bytes(b"one\nha")
    tail = Tail(RUN, tmp_path)
    assert [line[5] for line in tail.read(1)[0]] == ["one"]
    with (tmp_path / "stdout.log").open("ab") as file:
        file.write(b"lf\n")
    assert [line[5] for line in tail.read(1)[0]] == ["half"]


def test_more_than_a_streams_limit_stays_in_the_file_and_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "STREAM_LIMIT", 2_000)
    monkeypatch.setattr(capture, "CHUNK", 1_000)
    (tmp_path / "stdout.log").write_bytes(b"0123456789\n" * 1_000)
    lines = read_all(tmp_path)
    assert sum(map(len, lines)) < 4_000
    assert [line for line in lines if "the rest is in" in line] == [lines[-1]]
