"""A `%%task` cell is like the plain cell in all that a person can see: each runs as one and as the other in one kernel."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .conftest import Kernel, Said
from .plain_cells import CASES, Case

pytestmark = [pytest.mark.kernel, pytest.mark.lab]

#: What differs between two runs of one plain cell: counts, addresses, ids, names of files.
_CHANGING = (
    (r"In ?\[\d+\]", "In[N]"),
    (r"\b\d+\.py", "N.py"),
    (r"0x[0-9a-f]+", "ADDRESS"),
    (r"(IPY_MODEL_|\b)[0-9a-f]{32}\b", "ID"),
    (r"[\d.]+(e\+\d+)? (ns|\\u03bcs|ms|s)\b", "TIME"),
    (r'"msg_id": "[^"]+"', "ID"),
    (r'"execution_count": \d+', "N"),
    (r"# plain|%%task like", ""),
)


def seen(said: Said) -> str:
    """Return everything that a person can see of what a kernel said."""
    shown: list[Any] = []
    for message in said.messages:
        kind, content = message["msg_type"], dict(message["content"])
        if kind in ("status", "execute_input"):
            continue
        if kind == "stream" and shown and shown[-1][:2] == [kind, content["name"]]:
            shown[-1][2] += content["text"]
        else:
            shown.append([kind, content["name"], content["text"]] if kind == "stream" else [kind, content])
    reply = {name: said.reply.get(name) for name in ("status", "ename", "evalue", "traceback", "payload")}
    text = re.sub(r"\\u001b\[[0-9;]*m", "", json.dumps([*shown, reply, said.questions], indent=1))
    for pattern, word in _CHANGING:
        text = re.sub(pattern, word, text)
    return text


def run(kernel: Kernel, case: Case, first: str, **metadata: Any) -> tuple[str, str]:
    """Run a case below a first line and return what was seen of it, and of the cell after it."""
    if case.before:
        assert kernel.run(case.before).status == "ok"
    shown = seen(kernel.run(first + case.code, answers=case.answers, **metadata))
    after = seen(kernel.run(case.after, answers=case.later)) if case.after else ""
    if case.undo:
        kernel.run(case.undo)
    return shown, after


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_task_cell_shows_what_the_plain_cell_shows(kernel: Kernel, case: Case) -> None:
    above = "\n" if case.code.startswith("%%") else "# plain\n"  # line numbers are the same then
    plain = run(kernel, case, above)
    assert run(kernel, case, "%%task like\n") == plain
    assert run(kernel, case, above, tags=["task"]) == plain
