"""Requests are read strictly and answered with words: no 500, nothing dropped in silence, nothing done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from server_help import Api, record

from headrace.server.routes import MAX_BODY, all_routes
from headrace.server.services import Services

ANY_ID = "01890000-0000-7000-8000-000000000000"

BAD_BODIES = [
    pytest.param(b"{", 400, None, id="no JSON"),
    pytest.param(b"\xff\xfe", 400, None, id="no UTF-8"),
    pytest.param(b'{"notebook": "a.ipynb", "notebook": "b.ipynb"}', 400, None, id="a name twice"),
    pytest.param(b'{"timeout_seconds": NaN}', 400, None, id="NaN"),
    pytest.param(b"[" * 100_000, 400, None, id="nested without end"),
    pytest.param(b"[]", 422, "", id="no object"),
    pytest.param(b"{}", 422, "notebook", id="nothing to run"),
    pytest.param(b'{"notebok": "a.ipynb"}', 422, "notebok", id="misspelt field"),
    pytest.param(b'{"notebook": "a.ipynb", "deployment": "b"}', 422, "deployment", id="two definitions"),
    pytest.param(b'{"notebook": 3}', 422, "notebook", id="wrong type"),
    pytest.param(b'{"notebook": "gone.ipynb"}', 404, "notebook", id="missing notebook"),
    pytest.param(b'{"notebook": "../out.ipynb"}', 404, "notebook", id="outside of the root"),
    pytest.param(b'{"notebook": "r.ipynb", "timeout_seconds": 0}', 422, "timeout_seconds", id="no time at all"),
    pytest.param(b'{"notebook": "r.ipynb", "retries": -1}', 422, "retries", id="negative retries"),
    pytest.param(b'{"notebook": "r.ipynb", "retries": true}', 422, "retries", id="a flag for a number"),
    pytest.param(b'{"notebook": "r.ipynb", "kernel_name": "cobol"}', 422, "kernel_name", id="unknown kernel"),
    pytest.param(b'{"notebook": "r.ipynb", "parameters": {"mont": 2}}', 422, "mont", id="unknown parameter"),
    pytest.param(b'{"notebook": "r.ipynb", "parameters": {"class": 2}}', 422, "class", id="no variable's name"),
    pytest.param(b'{"notebook": "r.ipynb", "name": "a\\u0000b"}', 422, "name", id="NUL in text"),
    pytest.param(b'{"notebook": "r.ipynb", "name": "\\ud800"}', 422, "name", id="half a character"),
    pytest.param(b'{"notebook": "r.ipynb", "scheduled_at": "soon"}', 422, "scheduled_at", id="no instant"),
    pytest.param(b'{"notebook": "r.ipynb", "output_path": "a.txt"}', 422, "output_path", id="no notebook's name"),
    pytest.param(b'{"entrypoint": "a.py"}', 422, "entrypoint", id="entrypoint without a flow"),
    pytest.param(b'{"entrypoint": "os;x:y"}', 422, "entrypoint", id="entrypoint that is no module"),
]


@pytest.mark.parametrize(("body", "status", "field"), BAD_BODIES)
async def test_a_run_that_cannot_be_is_refused_and_nothing_is_stored(
    api: Api, services: Services, write_notebook: Any, body: bytes, status: int, field: str | None
) -> None:
    write_notebook("r.ipynb")
    code, answer = await api("POST", "/runs", body)
    assert code == status, answer
    assert answer["message"]
    assert answer["reason"]
    if field is not None:
        assert field in [error["field"] for error in answer["errors"]]
    assert "/tmp" not in str(answer), "no absolute path may be told"
    assert services.store.runs.page()[0] == []


async def test_a_deep_parameter_is_refused(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    value: Any = 1
    for _ in range(40):
        value = [value]
    code, answer = await api("POST", "/runs", {"notebook": "r.ipynb", "parameters": {"month": value}})
    assert (code, answer["errors"][0]["field"]) == (422, "parameters")


async def test_a_body_of_another_type_is_refused(api: Api) -> None:
    code, answer = await api("POST", "/runs", b"{}", headers={"Content-Type": "text/plain"})
    assert (code, answer["reason"]) == (415, "media_type")


async def test_a_large_body_is_refused(api: Api) -> None:
    code, answer = await api("POST", "/runs", b'{"name": "' + b"x" * MAX_BODY + b'"}')
    assert (code, answer["reason"]) == (413, "too_large")


@pytest.mark.parametrize("bad", ["no-id", "1", "' OR 1=1", "01890000"])
async def test_what_is_no_id_is_not_found(api: Api, bad: str) -> None:
    for route in all_routes():
        if "_id}" in route.path and route.method == "GET":
            part = "{" + route.path.split("{")[1].split("}")[0] + "}"
            code, _ = await api("GET", route.path.replace(part, bad))
            assert code == 404, route.path


async def test_an_unknown_id_and_somebody_elses_run_get_the_same_answer(api: Api, services: Services) -> None:
    from headrace.core.runs import Run
    from headrace.core.states import StateType

    theirs = Run(
        id=ANY_ID, root_id=ANY_ID, owner="mallory", state_type=StateType.RUNNING, state_at=1, created_at=1, name="x"
    )
    services.store.runs.create(theirs)
    assert await api("GET", f"/runs/{ANY_ID}") == await api("GET", f"/runs/{ANY_ID[:-1]}1")
    assert (await api("GET", "/runs"))[1]["runs"] == []
    assert (await api("POST", f"/runs/{ANY_ID}/cancel", {}))[0] == 404


async def test_a_log_is_read_through_no_run_but_its_own_tree(api: Api, services: Services) -> None:
    from headrace.core.ids import new_id

    mine, other = record(services), record(services)
    theirs = new_id()
    with services.store.database.write() as connection:
        statement = "UPDATE runs SET owner = 'mallory', id = ?, root_id = ? WHERE id = ?"
        connection.exec_driver_sql(statement, (theirs, theirs, other))
    services.store.recorder.log(theirs, theirs, 1, 20, "x", "hers alone")
    services.store.recorder.flush()
    for strange in (theirs, new_id()):
        code, answer = await api("GET", f"/runs/{mine}/logs", run_id=strange)
        assert (code, answer["message"]) == (404, "There is no such run below this one.")
    below = record(services, parent=mine, root=mine)
    assert (await api("GET", f"/runs/{mine}/logs", run_id=below))[0] == 200


async def test_half_a_character_in_a_notebook_is_shown_as_a_sign(
    api: Api, write_notebook: Any, jp_root_dir: Path
) -> None:
    """JSON can say it, UTF-8 cannot: the answer must not fail on it."""
    path = jp_root_dir / write_notebook("r.ipynb", "x = 1 # HALF", "%%task\n# HALF")
    path.write_text(path.read_text().replace("HALF", "\\ud800"))
    for route in ("/notebooks/inspect", "/notebooks/graph"):
        code, answer = await api("GET", route, path="r.ipynb")
        assert code == 200, (route, answer)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        pytest.param({"limit": "0"}, "limit", id="limit below"),
        pytest.param({"limit": "201"}, "limit", id="limit above"),
        pytest.param({"limit": "many"}, "limit", id="limit no number"),
        pytest.param({"sort": "colour"}, "sort", id="sort"),
        pytest.param({"colour": "red"}, "colour", id="unknown name"),
        pytest.param({"since": "yesterday"}, "since", id="instant"),
        pytest.param({"roots": "maybe"}, "roots", id="flag"),
        pytest.param({"cursor": "%%%"}, "cursor", id="cursor"),
        pytest.param({"cursor": "WzEsIDJd"}, "cursor", id="cursor of wrong types"),
    ],
)
async def test_a_query_that_cannot_be_is_refused(api: Api, query: dict[str, str], field: str) -> None:
    code, answer = await api("GET", "/runs", **query)
    assert (code, answer["errors"][0]["field"]) == (422, field)


async def test_what_jupyter_appends_to_addresses_passes(api: Api) -> None:
    assert (await api("GET", "/counts", **{"1764000000000": ""}))[0] == 200
    assert (await api("GET", "/runs", **{"1764000000000": ""}))[0] == 200


async def test_a_method_that_is_not_answered_names_those_that_are(api: Api) -> None:
    code, answer = await api("DELETE", "/counts")
    assert code == 405
    assert "GET" in answer["message"]


async def test_the_same_request_with_the_same_key_is_done_once(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    key = {"Idempotency-Key": "click-1"}
    first = await api("POST", "/runs", {"notebook": "r.ipynb"}, headers=dict(key))
    again = await api("POST", "/runs", {"notebook": "r.ipynb"}, headers=dict(key))
    other = await api("POST", "/runs", {"notebook": "r.ipynb", "name": "b"}, headers=dict(key))
    assert (first[0], again[0], other[0]) == (201, 200, 409)
    assert first[1] == again[1]
    assert len(services.store.runs.page()[0]) == 1


async def test_a_refused_request_gives_its_key_back(api: Api, write_notebook: Any) -> None:
    key = {"Idempotency-Key": "click-2"}
    assert (await api("POST", "/runs", {"notebook": "r.ipynb"}, headers=dict(key)))[0] == 404
    write_notebook("r.ipynb")
    assert (await api("POST", "/runs", {"notebook": "r.ipynb"}, headers=dict(key)))[0] == 201


async def test_the_description_tells_of_every_route(api: Api) -> None:
    code, answer = await api("GET", "/openapi.json")
    assert code == 200
    told = {(method.upper(), path) for path, methods in answer["paths"].items() for method in methods}
    assert told == {(route.method, route.path) for route in all_routes()}


async def test_no_get_changes_anything(api: Api, services: Services, write_notebook: Any) -> None:
    import sqlite3

    write_notebook("r.ipynb")
    run = (await api("POST", "/runs", {"notebook": "r.ipynb"}))[1]["run"]["id"]
    schedule = (await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 1 1 *"}))[1]["schedule"]
    ids = {"run_id": run, "schedule_id": schedule["id"], "deployment_id": schedule["deployment_id"], "name": "python3"}

    def content() -> str:
        connection = sqlite3.connect(services.place.sqlite_path or "")
        try:
            return "\n".join(connection.iterdump())
        finally:
            connection.close()

    before = content()
    for route in all_routes():
        if route.method == "GET":
            named = {**ids, "name": "python3"} if route.path.startswith("/kernelspecs") else ids
            query = {"path": "r.ipynb"} if route.query and "path" in route.query.by_name else {}
            code, answer = await api("GET", route.path.format(**named), **query)
            nothing_there = route.path == "/kernelspecs/{name}/install" and code == 404
            assert code == 200 or nothing_there, (route.path, answer)
    assert content() == before


async def test_an_answer_that_was_lost_makes_no_second_run(
    api: Api, services: Services, write_notebook: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headrace.core.errors import StoreUnavailable
    from headrace.store.runs import Runs

    write_notebook("r.ipynb")
    create = Runs.create

    def lose_the_answer(self: Runs, run: Any, **options: Any) -> Any:
        create(self, run, **options)
        raise StoreUnavailable("the server went away after the commit")

    key = {"Idempotency-Key": "click-3"}
    with monkeypatch.context() as patch:
        patch.setattr(Runs, "create", lose_the_answer)
        assert (await api("POST", "/runs", {"notebook": "r.ipynb"}, headers=dict(key)))[0] == 503
    code, answer = await api("POST", "/runs", {"notebook": "r.ipynb"}, headers=dict(key))
    assert code == 201
    assert [run.id for run in services.store.runs.page()[0]] == [answer["run"]["id"]]
