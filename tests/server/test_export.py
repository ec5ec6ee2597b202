"""A run as one HTML file: whole, offline, harmless and without secrets."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from server_help import Api

from headrace.core.ids import new_id
from headrace.server.services import Services

HOSTILE = "<script>alert(1)</script>\x1b[31m red" + "x" * 10_000


class Reader(HTMLParser):
    """Collects what a page would run or load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.frames: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.loads += [str(found[name]) for name in ("src", "data", "background") if name in found]
        assert not any(name.startswith("on") for name in found)
        if tag == "iframe":
            self.frames.append(found)


def failed_notebook(services: Services) -> str:
    """Record a notebook run whose second cell failed."""
    store, now = services.store, services.store.clock.now_us()
    root = new_id()
    common = {"root_id": root, "owner": services.owner, "state_at": now, "created_at": now, "started_at": now}
    ended = {**common, "ended_at": now + 2_000_000}
    error = {"type": "ValueError", "message": HOSTILE, "traceback": "File x, line 3\n    secret_line(api_key='k9')"}
    store.recorder.open(
        {
            **ended,
            "id": root,
            "kind": "notebook",
            "name": f"report {HOSTILE}",
            "state_type": "FAILED",
            "state_name": "Failed",
            "parameters": {"month": 3, "db_password": "swordfish", "note": "<b>x</b>"},
            "error": error,
        }
    )
    cells = [new_id(), new_id()]
    for index, cell in enumerate(cells):
        bad = index == 1
        store.recorder.open(
            {
                **ended,
                "id": cell,
                "parent_id": root,
                "kind": "cell",
                "name": f"cell-{'ab'[index]} <i>",
                "state_type": "FAILED" if bad else "COMPLETED",
                "state_name": "Failed" if bad else "Completed",
                "cell_id": f"c{index}",
                "cell_index": index,
                "error": error if bad else None,
                "details": {"source": f"source_of_cell = {index}"},
            }
        )
    store.recorder.edge(cells[1], cells[0])
    outputs: list[dict[str, Any]] = [
        {"output_type": "stream", "name": "stdout", "text": ["login with swordfish\r\n", HOSTILE]},
        {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "picture"}, "metadata": {}},
        {"output_type": "display_data", "data": {"text/html": "<script src='http://x'></script>"}, "metadata": {}},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["traceback_of_output"]},
    ]
    for position, output in enumerate(outputs):
        store.recorder.output(cells[0], root, position, now, output)
    store.recorder.log(cells[1], root, now, 40, "x", f"about to fail {HOSTILE}")
    table = json.dumps({"table": [{"a": "<u>", "token": "t0"}]})
    store.recorder.artifact((new_id(), root, root, None, "table", "Rows <s>", services.owner, table, now, now))
    link = json.dumps({"link": "javascript:alert(1)"})
    store.recorder.artifact((new_id(), root, root, None, "link", "", services.owner, link, now, now))
    store.recorder.flush()
    return root


@pytest.mark.parametrize("code", [True, False], ids=["with code", "without code"])
async def test_a_report_is_whole_harmless_and_without_secrets(api: Api, services: Services, code: bool) -> None:
    root = failed_notebook(services)
    status, page = await api("GET", f"/runs/{root}/export", code=str(code).lower())
    assert status == 200
    reader = Reader()
    reader.feed(page)
    assert "script" not in reader.tags
    assert [address.partition(":")[0] for address in reader.loads] == ["data"]
    assert [frame["sandbox"] for frame in reader.frames] == [""]
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "swordfish" not in page
    assert "t0" not in page
    assert 'href="javascript' not in page
    assert "k9" not in page
    for text in ("What failed", "about to fail", "Parameters", "<svg", "cell-a", "Rows &lt;s&gt;", "login with •••"):
        assert text in page
    for text in ("source_of_cell", "traceback_of_output", "secret_line"):
        assert (text in page) is code


async def test_there_is_no_report_of_a_run_that_does_not_exist(api: Api) -> None:
    status, answer = await api("GET", f"/runs/{new_id()}/export")
    assert (status, answer["reason"]) == (404, "not_found")


async def test_the_stream_and_the_list_tell_of_artifacts(api: Api, services: Services) -> None:
    from headrace.server.changes import Reader as Journal

    journal = Journal(services)
    root = failed_notebook(services)
    batch = journal.next(0)
    assert batch is not None
    assert batch.rest["artifacts"] == [root]
    _, answer = await api("GET", f"/runs/{root}/artifacts")
    assert [item["kind"] for item in answer["artifacts"]] == ["link", "table"]
