"""Runs through the API, with a store but without a worker."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from server_help import Api, record

from headrace.core.runs import Run, RunKind
from headrace.core.states import StateType
from headrace.server.secret_values import waiting_for
from headrace.server.services import Services


async def started(api: Api, write_notebook: Any, **body: Any) -> dict[str, Any]:
    """Start a run of a notebook and return it."""
    write_notebook("r.ipynb")
    code, answer = await api("POST", "/runs", {"notebook": "r.ipynb", **body})
    assert code == 201, answer
    found: dict[str, Any] = answer["run"]
    return found


def ended(services: Services, run_id: str, state: StateType, name: str) -> Run:
    """End a run as its process would."""
    store = services.store
    store.runs.advance(run_id, StateType.RUNNING, "Running", attempt=1, patch={"started_at": store.clock.now_us()})
    return store.runs.advance(run_id, state, name, attempt=1, patch={"ended_at": store.clock.now_us()})


async def test_a_started_run_waits_for_a_worker_and_knows_all_that_its_process_needs(
    api: Api, services: Services, write_notebook: Any
) -> None:
    run = await started(api, write_notebook, parameters={"month": 3}, retries=2, tags=["a"], timeout_seconds=5)
    assert (run["state_type"], run["kind"], run["notebook_path"]) == ("SCHEDULED", "notebook", "r.ipynb")
    assert (run["parameters"], run["max_attempts"], run["tags"]) == ({"month": 3}, 3, ["a"])
    stored = services.store.runs.get(run["id"])
    assert stored.details["launch"]["timeout_seconds"] == 5
    assert stored.details["launch"]["cwd"] == str(services.root.folder)
    assert stored.notebook_path == f"{services.root.folder}/r.ipynb"


async def test_what_nobody_runs_yet_is_cancelled_at_once(api: Api, write_notebook: Any) -> None:
    run = await started(api, write_notebook)
    code, answer = await api("POST", f"/runs/{run['id']}/cancel", {})
    assert (code, answer["run"]["state_type"]) == (202, "CANCELLED")
    code, answer = await api("POST", f"/runs/{run['id']}/cancel", {})
    assert (code, answer["reason"]) == (409, "conflict")


async def test_a_running_run_is_asked_to_end(api: Api, services: Services, write_notebook: Any) -> None:
    run = await started(api, write_notebook)
    services.store.runs.advance(run["id"], StateType.RUNNING, "Running", attempt=1, patch={"owner_id": "x.1.y"})
    code, answer = await api("POST", f"/runs/{run['id']}/cancel", {})
    assert (code, answer["run"]["state_type"]) == (202, "CANCELLING")
    code, _ = await api("DELETE", f"/runs/{run['id']}")
    assert code == 409


async def test_the_same_again_is_a_new_run(api: Api, services: Services, write_notebook: Any) -> None:
    run = await started(api, write_notebook, parameters={"month": 3})
    ended(services, run["id"], StateType.COMPLETED, "Completed")
    code, answer = await api("POST", f"/runs/{run['id']}/rerun", {"parameters": {"month": 4}})
    assert (code, answer["run"]["parameters"], answer["run"]["trigger"]) == (201, {"month": 4}, "retry")
    assert answer["run"]["id"] != run["id"]
    assert answer["run"]["resumed_from_id"] is None
    code, answer = await api("POST", f"/runs/{run['id']}/rerun", {"parameters": {"mont": 4}})
    assert (code, answer["errors"][0]["field"]) == (422, "mont")


async def test_a_failed_run_is_continued_as_a_new_run_in_a_chain(
    api: Api, services: Services, write_notebook: Any
) -> None:
    run = await started(api, write_notebook)
    ended(services, run["id"], StateType.FAILED, "Failed")
    code, answer = await api("POST", f"/runs/{run['id']}/resume", {})
    assert (code, answer["run"]["resumed_from_id"], answer["run"]["state_name"]) == (201, run["id"], "Resuming")
    _, chain = await api("GET", f"/runs/{answer['run']['id']}/attempts")
    assert [item["id"] for item in chain["chain"]] == [run["id"], answer["run"]["id"]]


async def test_a_completed_run_is_not_continued(api: Api, services: Services, write_notebook: Any) -> None:
    run = await started(api, write_notebook)
    ended(services, run["id"], StateType.COMPLETED, "Completed")
    assert (await api("POST", f"/runs/{run['id']}/resume", {}))[0] == 409


async def test_a_run_of_a_kernel_or_script_cannot_be_run_again_from_here(api: Api, services: Services) -> None:
    run = Run(
        id="01890000-0000-7000-8000-000000000001",
        root_id="01890000-0000-7000-8000-000000000001",
        owner=services.owner,
        kind=RunKind.FLOW,
        name="mine",
        state_type=StateType.FAILED,
        state_name="Failed",
        state_at=1,
        created_at=1,
    )
    services.store.runs.create(run)
    code, answer = await api("POST", f"/runs/{run.id}/rerun", {})
    assert (code, answer["reason"]) == (409, "conflict")
    assert (await api("GET", f"/runs/{run.id}"))[1]["run"]["can_rerun"] is False


async def test_many_runs_at_once_answer_each_for_itself(api: Api, write_notebook: Any) -> None:
    run = await started(api, write_notebook)
    code, answer = await api("POST", "/runs/bulk", {"action": "cancel", "ids": [run["id"], "nothing"]})
    assert code == 200
    assert [(item["id"], item["ok"]) for item in answer["results"]] == [(run["id"], True), ("nothing", False)]
    code, answer = await api("POST", "/runs/bulk", {"action": "delete", "ids": [run["id"]]})
    assert answer["results"] == [{"id": run["id"], "ok": True, "message": ""}]
    assert (await api("GET", f"/runs/{run['id']}"))[0] == 404


async def test_pages_follow_each_other_without_gap_or_repeat(api: Api, services: Services, write_notebook: Any) -> None:
    made = [(await started(api, write_notebook, name=f"r{n}"))["id"] for n in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        _, answer = await api("GET", "/runs", limit="3", cursor=cursor)
        seen += [run["id"] for run in answer["runs"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize("sort", ["-created_at", "name", "-duration", "started_at", "-ended_at"])
async def test_every_order_of_the_list_answers(api: Api, write_notebook: Any, sort: str) -> None:
    await started(api, write_notebook)
    code, answer = await api("GET", "/runs", sort=sort)
    assert (code, len(answer["runs"])) == (200, 1)


async def test_lists_are_filtered(api: Api, write_notebook: Any) -> None:
    await started(api, write_notebook, name="alpha", tags=["x"])
    await started(api, write_notebook, name="beta", tags=["y"])

    async def names(**query: str) -> list[str]:
        _, answer = await api("GET", "/runs", **query)
        return [run["name"] for run in answer["runs"]]

    assert await names(tag="x") == ["alpha"]
    assert await names(text="BET") == ["beta"]
    assert await names(state_type="FAILED") == []
    assert await names(kind="notebook", trigger="api") == ["beta", "alpha"]


async def test_logs_are_read_by_ranges_and_from_the_end(api: Api, services: Services, write_notebook: Any) -> None:
    run = await started(api, write_notebook)
    lines = [(run["id"], run["id"], n, 40 if n % 10 == 0 else 20, "stdout", f"line {n}") for n in range(100)]
    services.store.captures.append(lines, {})
    _, answer = await api("GET", f"/runs/{run['id']}/logs", offset="10", limit="2")
    assert [(line["number"], line["message"]) for line in answer["lines"]] == [(10, "line 10"), (11, "line 11")]
    assert answer["total"] == 100
    _, answer = await api("GET", f"/runs/{run['id']}/logs", tail="true", limit="3")
    assert [line["number"] for line in answer["lines"]] == [97, 98, 99]
    _, answer = await api("GET", f"/runs/{run['id']}/logs", level="40", search="line 5")
    assert (answer["matches"], [line["message"] for line in answer["lines"]]) == (1, ["line 50"])
    _, text = await api("GET", f"/runs/{run['id']}/logs/download")
    assert len(text.splitlines()) == 100


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"$ref": "http://127.0.0.1:9/schema.json"}, id="an address"),
        pytest.param({"$ref": "file:///etc/passwd"}, id="a file"),
        pytest.param({"type": "nonsense"}, id="no schema"),
        pytest.param({"properties": {"a": {"pattern": "("}}}, id="no pattern"),
    ],
)
async def test_a_runs_question_makes_the_server_fetch_nothing(
    api: Api, services: Services, monkeypatch: pytest.MonkeyPatch, schema: dict[str, Any]
) -> None:
    import urllib.request

    asked: list[object] = []
    monkeypatch.setattr(urllib.request, "urlopen", lambda *args, **_options: asked.append(args))
    run_id = record(services)
    with services.store.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE runs SET state_type = 'PAUSED', state_name = 'Paused' WHERE id = ?", (run_id,)
        )
    services.store.pauses.ask(run_id, "x", schema)
    code, answer = await api("POST", f"/runs/{run_id}/answer", {"values": {"a": "b"}})
    assert code == 422, answer
    assert asked == []


async def test_a_download_that_the_store_interrupts_is_cut_off_and_not_taken_for_whole(
    api: Api, services: Services, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from headrace.core.errors import StoreUnavailable
    from headrace.server.managers.run_parts import RunPartsManager

    def pieces() -> Iterator[str]:
        yield "first\n"
        raise StoreUnavailable("locked")

    run_id = record(services)
    monkeypatch.setattr(RunPartsManager, "log_pieces", lambda *_: ("x.log", pieces()))
    with pytest.raises(Exception) as caught:
        await jp_fetch("headrace", "api", "runs", run_id, "logs", "download")
    assert getattr(caught.value, "code", 599) == 599
    assert "fault" not in caplog.text


async def test_a_download_is_an_attachment_that_no_browser_runs(
    api: Api, services: Services, write_notebook: Any, jp_fetch: Any
) -> None:
    run = await started(api, write_notebook, name='<img src=x onerror="x">')
    answer = await jp_fetch("headrace", "api", "runs", run["id"], "logs", "download")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert "<" not in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")


async def test_the_graph_holds_the_tree_and_its_edges(api: Api, services: Services, write_notebook: Any) -> None:
    run = await started(api, write_notebook)
    recorder = services.store.recorder
    ids = [f"01890000-0000-7000-8000-00000000000{n}" for n in (1, 2)]
    for run_id in ids:
        recorder.open(
            {
                "id": run_id,
                "root_id": run["id"],
                "parent_id": run["id"],
                "kind": "cell",
                "name": run_id[-1],
                "owner": services.owner,
                "state_type": "PENDING",
                "state_name": "Pending",
                "state_at": 1,
                "created_at": 1,
            }
        )
    recorder.edge(ids[1], ids[0], "data", "df")
    recorder.flush()
    _, graph = await api("GET", f"/runs/{run['id']}/graph")
    assert [node["id"] for node in graph["nodes"]] == ids
    assert graph["edges"] == [{"source": ids[0], "target": ids[1], "kind": "data", "name": "df"}]
    assert graph["run"]["id"] == run["id"]
    _, later = await api("GET", f"/runs/{run['id']}/graph", since_seq=str(graph["seq"]))
    assert later["nodes"] == []


async def test_health_and_home_answer_for_an_empty_store(api: Api) -> None:
    code, health = await api("GET", "/health")
    assert (code, health["status"], health["workers"]) == (200, "ok", 0)
    code, home = await api("GET", "/overview", days="3")
    assert (code, len(home["days"]), home["running"]) == (200, 3, [])
    code, counts = await api("GET", "/counts")
    assert counts == {"running": 0, "scheduled": 0, "failed_24h": 0, "crashed_24h": 0, "late": 0}
    assert (await api("GET", "/workers"))[1]["fires_when_closed"] is False
    assert (await api("GET", "/artifacts"))[1] == {"artifacts": []}
    assert "python3" in [spec["name"] for spec in (await api("GET", "/kernelspecs"))[1]["kernelspecs"]]


async def test_a_store_that_is_too_new_leaves_jupyter_working_and_says_why(
    api: Api, services: Services, jp_fetch: Any
) -> None:
    services.store.close()
    services._store = None
    path = services.place.sqlite_path
    assert path is not None
    import sqlite3

    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    code, health = await api("GET", "/health")
    assert (code, health["status"]) == (200, "degraded")
    assert "9999" in health["message"]
    code, answer = await api("GET", "/runs")
    assert (code, answer["reason"]) == (503, "store_too_new")
    assert (await jp_fetch("api", "contents")).code == 200


SCHEMA = {"type": "object", "properties": {"rows": {"type": "integer"}}, "required": ["rows"]}


async def test_a_suspended_run_is_answered_and_waits_for_a_worker_again(
    api: Api, services: Services, write_notebook: Any
) -> None:
    run = await started(api, write_notebook)
    path = f"/runs/{run['id']}"
    assert (await api("POST", f"{path}/unpause", {}))[0] == 409
    store = services.store
    store.runs.advance(run["id"], StateType.RUNNING, "Running", attempt=1)
    store.pauses.ask(run["id"], "approve", SCHEMA)
    store.runs.advance(run["id"], StateType.PAUSED, "Suspended", attempt=1, patch={"owner_id": None})
    shown = (await api("GET", path))[1]["run"]
    assert [(q["key"], q["schema"]) for q in shown["questions"]] == [("approve", SCHEMA)]
    code, answer = await api("POST", f"{path}/answer", {"values": {"rows": "many"}})
    assert (code, answer["errors"][0]["field"]) == (422, "rows")
    assert (await api("POST", f"{path}/unpause", {}))[0] == 422
    code, answer = await api("POST", f"{path}/answer", {"values": {"rows": 3}})
    assert (code, answer["run"]["state_type"], answer["run"]["state_name"]) == (202, "SCHEDULED", "Resuming")
    question = store.pauses.answer_of(run["id"], "approve")
    assert question is not None
    assert question.value == {"rows": 3}
    assert [r.id for r in store.claims.claim("w", pools=["default"], owner=services.owner, limit=1, host="h")] == [
        run["id"]
    ]


async def test_a_paused_run_whose_process_lives_moves_itself_on(
    api: Api, services: Services, write_notebook: Any
) -> None:
    from headrace.store import liveness

    run = await started(api, write_notebook)
    store = services.store
    store.runs.advance(run["id"], StateType.RUNNING, "Running", attempt=1, patch={"owner_id": liveness.owner_id()})
    store.pauses.ask(run["id"], "pause")
    store.runs.advance(run["id"], StateType.PAUSED, "Paused", attempt=1)
    code, answer = await api("POST", f"/runs/{run['id']}/unpause", {})
    assert (code, answer["run"]["state_type"], answer["run"]["questions"]) == (202, "PAUSED", [])
    assert store.pauses.answer_of(run["id"], "pause") is not None


async def test_secrets_are_masked_in_the_run_and_not_kept_with_deployments(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("s.ipynb", parameters="month = 1\ntoken: str = ''  # secret")
    body = {"notebook": "s.ipynb", "parameters": {"token": "opensesame"}}
    code, answer = await api("POST", "/runs", body)
    run = answer["run"]
    assert (code, run["parameters"]) == (201, {"token": "•••"})
    assert waiting_for(services.store, run["id"]) == {"token": "opensesame"}
    ended(services, run["id"], StateType.FAILED, "Failed")
    code, answer = await api("POST", f"/runs/{run['id']}/resume", {"parameters": {"month": 2}})
    assert (code, answer["message"]) == (422, "The secret parameter 'token' is not kept: give it again.")
    code, _ = await api("POST", f"/runs/{run['id']}/resume", {"parameters": {"token": "opensesame"}})
    assert code == 201
    code, answer = await api("POST", "/deployments", {"name": "d", **body})
    assert (code, answer["errors"][0]["field"]) == (422, "token")
    assert "let the notebook read it from the environment" in answer["message"]
