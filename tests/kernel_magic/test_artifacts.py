"""What runs show beside their results."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import flow, task
from headrace.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from headrace.core.batch import Batch
from headrace.core.errors import InvalidOption, NotFound
from headrace.kernel_magic import artifacts as made
from headrace.kernel_magic.runners.processes import ProcessPoolTaskRunner
from headrace.store import get_store


def kept(**where: Any) -> list[dict[str, Any]]:
    store = get_store()
    store.recorder.flush()
    return store.overview.artifacts(**{"root_id": None, **where})


@task
def report(n: int) -> str:
    return create_markdown_artifact(f"# {n} <b>rows</b>", key="report", description="Rows")


@flow
def pipeline() -> str:
    report(3)
    create_link_artifact("https://example.org/a", link_text="the data", key="data")
    create_table_artifact({"a": [1, 2.5], "b": [float("nan"), {1}]}, key="table")
    create_image_artifact("data:image/png;base64,AAAA")
    progress = create_progress_artifact(10)
    update_progress_artifact(progress, 55.5, description="Half")
    return progress


@pytest.mark.usefixtures("book")
def test_artifacts_of_every_kind_hang_on_the_run_around_them_and_on_its_root() -> None:
    progress = pipeline()
    (root,) = [run for run in get_store().runs.page()[0] if run.parent_id is None]
    found = {item["kind"]: item for item in kept(root_id=root.id)}
    assert found["markdown"]["data"] == {"markdown": "# 3 <b>rows</b>"}
    assert (found["markdown"]["title"], found["markdown"]["key"]) == ("Rows", "report")
    assert found["markdown"]["run_id"] != root.id
    assert found["link"]["data"] == {"link": "https://example.org/a", "link_text": "the data"}
    assert found["table"]["data"] == {"table": [{"a": 1, "b": None}, {"a": 2.5, "b": "{1}"}]}
    assert found["image"]["data"]["image_url"].startswith("data:image/png")
    assert (found["progress"]["id"], found["progress"]["data"]) == (progress, {"progress": 55.5})
    assert found["progress"]["title"] == "Half"
    events = [event for event in get_store().journal.after(0, limit=500) if event.kind == "artifact.created"]
    assert {event.root_id for event in events} == {root.id}


@pytest.mark.usefixtures("book")
def test_a_progress_of_another_process_can_be_updated_and_an_unknown_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    progress = create_progress_artifact(1, key="load", description="Loading")
    get_store().recorder.flush()
    monkeypatch.setattr(made, "_progress", type(made._progress)())
    update_progress_artifact(progress, 100)
    (found,) = kept()
    assert (found["data"], found["title"], found["key"]) == ({"progress": 100.0}, "Loading", "load")
    with pytest.raises(NotFound):
        update_progress_artifact("no such", 5)


@pytest.mark.usefixtures("book")
def test_artifacts_made_in_other_processes_come_back_with_their_records() -> None:
    @flow(task_runner=ProcessPoolTaskRunner(max_workers=1))
    def spread() -> None:
        report.submit(7).result()

    spread()
    assert [item["data"] for item in kept()] == [{"markdown": "# 7 <b>rows</b>"}]


@pytest.mark.parametrize(
    ("call", "field"),
    [
        pytest.param(lambda: create_markdown_artifact("x", key="Not A Key"), "key", id="key"),
        pytest.param(lambda: create_markdown_artifact(3), "markdown", id="no text"),  # type: ignore[arg-type]
        pytest.param(lambda: create_progress_artifact(101), "progress", id="too much"),
        pytest.param(lambda: create_progress_artifact(float("nan")), "progress", id="NaN"),
        pytest.param(lambda: create_table_artifact("abc"), "table", id="no table"),
        pytest.param(lambda: create_markdown_artifact("x" * 6_000_000), "markdown", id="too long"),
    ],
)
@pytest.mark.usefixtures("book")
def test_what_cannot_be_an_artifact_is_refused_and_nothing_is_kept(call: Any, field: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        call()
    assert caught.value.field == field
    assert kept() == []


def test_a_batch_of_a_version_without_artifacts_is_still_read() -> None:
    line = Batch(artifacts=[("i", None, None, None, "link", "", "", "{}", 1, 1)]).to_json()
    assert Batch.from_json(line).artifacts[0][0] == "i"
    assert Batch.from_json(line.replace('"artifacts"', '"later"')).artifacts == []
