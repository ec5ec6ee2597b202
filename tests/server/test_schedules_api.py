"""Schedules and deployments through the API."""

from __future__ import annotations

from typing import Any

import pytest
from server_help import Api

from headrace.core.clock import parse_iso
from headrace.server.services import Services

BAD = [
    pytest.param({"cron": "99 * * * *"}, "cron", id="minute out of range"),
    pytest.param({"cron": "* * * *"}, "cron", id="four fields"),
    pytest.param({"cron": "0 0 31 2 *"}, "cron", id="a day that never comes"),
    pytest.param({"cron": "0 6 * * *", "timezone": "Mars/Phobos"}, "timezone", id="unknown zone"),
    pytest.param({"interval_seconds": 0}, "interval_seconds", id="no interval"),
    pytest.param({"interval_seconds": -5}, "interval_seconds", id="negative interval"),
    pytest.param({"rrule": "FREQ=SOMETIMES"}, "rrule", id="bad rule"),
    pytest.param({"rrule": "FREQ=DAILY;UNTIL=20200101T000000Z"}, "rrule", id="a rule that has ended"),
    pytest.param({"at": "2020-01-01T00:00:00Z"}, "at", id="a time that has passed"),
    pytest.param({"at": "tomorrow"}, "at", id="no time"),
    pytest.param({}, "cron", id="no timing"),
    pytest.param({"cron": "0 6 * * *", "interval_seconds": 60}, "interval_seconds", id="two timings"),
    pytest.param({"cron": "0 6 * * *", "anchor_at": "2026-01-01T00:00Z"}, "anchor_at", id="an anchor for a cron"),
    pytest.param({"cron": "0 6 * * *", "jitter_seconds": -1}, "jitter_seconds", id="negative jitter"),
    pytest.param({"cron": "0 6 * * *", "parameters": {"mont": 1}}, "mont", id="unknown parameter"),
    pytest.param({"cron": "0 6 * * *", "colour": 1}, "colour", id="unknown field"),
]


@pytest.mark.parametrize(("body", "field"), BAD)
async def test_a_schedule_that_cannot_be_is_refused_and_nothing_is_stored(
    api: Api, services: Services, write_notebook: Any, body: dict[str, Any], field: str
) -> None:
    write_notebook("r.ipynb")
    code, answer = await api("POST", "/schedules", {"notebook": "r.ipynb", **body})
    assert code == 422, answer
    assert answer["errors"][0]["field"] == field
    assert services.store.schedules.page() == []
    assert services.store.deployments.page() == [] or field == "mont"


@pytest.mark.parametrize(("body", "field"), [item for item in BAD if item.id not in ("unknown parameter",)])
async def test_a_change_is_checked_as_a_new_one_is(
    api: Api, services: Services, write_notebook: Any, body: dict[str, Any], field: str
) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *"}))[1]["schedule"]
    code, answer = await api("PATCH", f"/schedules/{made['id']}", {**body, "revision": 1})
    if body in ({}, {"cron": "0 6 * * *", "interval_seconds": 60}) and code == 200:
        assert body == {}
        return
    assert (code, answer["errors"][0]["field"]) == (422, field), answer
    assert services.store.schedules.get(made["id"]).revision == 1


async def test_a_schedule_of_a_notebook_makes_its_deployment_once(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("sub/r.ipynb")
    body = {"notebook": "sub/r.ipynb", "cron": "0 6 * * 1-5", "timezone": "Europe/Berlin", "parameters": {"month": 3}}
    code, first = await api("POST", "/schedules", body)
    assert code == 201
    made = first["schedule"]
    assert (made["deployment_name"], made["notebook_path"], made["timezone"]) == ("r", "sub/r.ipynb", "Europe/Berlin")
    assert made["sentence"]
    assert parse_iso(made["next_fire_at"]) > services.store.clock.now_us()
    await api("POST", "/schedules", {**body, "cron": "0 7 * * *"})
    _, listed = await api("GET", "/deployments")
    assert [(d["name"], len(d["schedules"])) for d in listed["deployments"]] == [("r", 2)]
    assert listed["deployments"][0]["next_fire_at"]
    assert len((await api("GET", "/schedules"))[1]["schedules"]) == 2


async def test_a_preview_tells_without_storing(api: Api, services: Services) -> None:
    code, answer = await api("POST", "/schedules/preview", {"cron": "*/15 * * * *", "timezone": "Asia/Kolkata"})
    assert (code, len(answer["fires"]), len(answer["wall"])) == (200, 5, 5)
    assert answer["wall"][0].endswith("IST")
    code, answer = await api("POST", "/schedules/preview", {"cron": "* * * * * *"})
    assert (code, answer["errors"][0]["field"]) == (422, "cron")
    assert services.store.schedules.page() == []


async def test_a_preview_tells_where_outputs_go_and_what_parameters_come_to(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    path = "out/{notebook}-{scheduled_at:%Y-%m-%d}-{month}.ipynb"
    timing = {"cron": "0 6 1 * *", "timezone": "Europe/Berlin"}
    body = {**timing, "notebook": "r.ipynb", "parameters": {"month": "{interval_start:%m}"}, "output_path": path}
    code, shown = await api("POST", "/schedules/preview", body)
    assert code == 200, shown
    months = [values["month"] for values in shown["parameters"]]
    assert len(set(months)) == 5
    assert shown["output_paths"] == [
        f"out/r-{wall.split()[1]}-{month}.ipynb" for wall, month in zip(shown["wall"], months, strict=True)
    ]
    body = {"name": "n", "notebook": "r.ipynb", "output_path": path, "parameters": {"month": 1}}
    made = (await api("POST", "/deployments", body))[1]
    known = {**timing, "deployment_id": made["deployment"]["id"], "parameters": {"month": 2}}
    of_deployment = (await api("POST", "/schedules/preview", known))[1]
    assert of_deployment["output_paths"][0].endswith("-2.ipynb")
    code, refused = await api("POST", "/schedules/preview", {**timing, "output_path": "{nothing}.ipynb"})
    assert (code, refused["errors"][0]["field"]) == (422, "output_path")


async def test_a_schedule_is_paused_and_goes_on_from_now(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "interval_seconds": 60}))[1]["schedule"]
    _, paused = await api("POST", f"/schedules/{made['id']}/pause", {})
    assert (paused["schedule"]["active"], paused["schedule"]["next_fire_at"]) == (False, None)
    _, again = await api("POST", f"/schedules/{made['id']}/unpause", {})
    assert again["schedule"]["next_fire_at"] is not None
    assert again["schedule"]["anchor_at"] == made["anchor_at"], "the phase does not move"


async def test_a_stale_change_is_refused(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *"}))[1]["schedule"]
    path = f"/schedules/{made['id']}"
    code, changed = await api("PATCH", path, {"cron": "0 7 * * *", "revision": 1})
    assert (code, changed["schedule"]["cron"], changed["schedule"]["revision"]) == (200, "0 7 * * *", 2)
    assert (await api("PATCH", path, {"cron": "0 8 * * *", "revision": 1}))[0] == 409


async def test_a_change_of_kind_drops_the_other_kinds_fields(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *"}))[1]["schedule"]
    code, changed = await api("PATCH", f"/schedules/{made['id']}", {"interval_seconds": 90})
    assert (code, changed["schedule"]["kind"], changed["schedule"]["cron"]) == (200, "interval", None)


async def test_schedules_are_deleted(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *"}))[1]["schedule"]
    assert (await api("DELETE", f"/schedules/{made['id']}"))[0] == 204
    assert (await api("GET", f"/schedules/{made['id']}"))[0] == 404


async def test_a_schedule_fires_in_the_server_and_its_slots_are_shown(
    api: Api, services: Services, write_notebook: Any
) -> None:
    from server_help import until

    write_notebook("r.ipynb")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "interval_seconds": 1}))[1]["schedule"]

    async def fired() -> Any:
        return (await api("GET", f"/schedules/{made['id']}/slots"))[1]["slots"]

    slots = await until(fired)
    assert slots[-1]["decision"] == "run"
    run = (await api("GET", f"/runs/{slots[-1]['run_id']}"))[1]["run"]
    assert (run["trigger"], run["slot_at"]) == ("schedule", slots[-1]["slot_at"])
    await api("POST", f"/schedules/{made['id']}/pause", {})


async def test_a_deployment_is_made_changed_run_and_deleted(api: Api, services: Services, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    body = {
        "name": "nightly",
        "notebook": "r.ipynb",
        "parameters": {"month": 2},
        "schedules": [{"cron": "0 6 * * *"}, {"interval_seconds": 3600, "parameters": {"month": 3}}],
        "retries": 2,
        "retry_delay_seconds": [1, 5],
        "overlap": "queue",
        "catch_up": "all",
    }
    code, made = await api("POST", "/deployments", body)
    assert code == 201, made
    deployment = made["deployment"]
    assert (deployment["retry_delay_seconds"], len(deployment["schedules"])) == ([1, 5], 2)
    assert deployment["kernel_name"] == "python3"
    path = f"/deployments/{deployment['id']}"
    assert (await api("POST", "/deployments", {"name": "nightly", "notebook": "r.ipynb"}))[0] == 409
    code, changed = await api("PATCH", path, {"description": "words", "revision": 1})
    assert (code, changed["deployment"]["revision"]) == (200, 2)
    assert (await api("PATCH", path, {"description": "x", "revision": 1}))[0] == 409
    code, ran = await api("POST", f"{path}/run", {"parameters": {"month": 9}})
    assert (code, ran["run"]["parameters"], ran["run"]["max_attempts"]) == (201, {"month": 9}, 3)
    code, by_name = await api("POST", "/runs", {"deployment": "nightly"})
    assert (code, by_name["run"]["parameters"]) == (201, {"month": 2})
    _, shown = await api("GET", path)
    assert len(shown["deployment"]["last_runs"]) == 2
    _, matrix = await api("GET", f"{path}/matrix")
    assert len(matrix["runs"]) == 2
    assert (await api("DELETE", path))[0] == 204
    assert (await api("GET", path))[0] == 404
    assert services.store.schedules.next_due() is None


async def test_a_pause_stops_every_schedule_of_a_deployment(api: Api, services: Services, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    body = {"name": "n", "notebook": "r.ipynb", "schedules": [{"cron": "* * * * *"}, {"cron": "0 6 * * *"}]}
    made = (await api("POST", "/deployments", body))[1]["deployment"]
    await api("POST", f"/deployments/{made['id']}/pause", {})
    assert services.store.schedules.next_due() is None
    _, again = await api("POST", f"/deployments/{made['id']}/unpause", {})
    assert again["deployment"]["paused"] is False
    assert services.store.schedules.next_due() is not None


async def test_everything_is_paused_and_goes_on(api: Api, services: Services, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    for name in ("one", "two"):
        await api("POST", "/deployments", {"name": name, "notebook": "r.ipynb", "schedules": [{"cron": "@hourly"}]})
    assert await api("POST", "/deployments/pause", {}) == (200, {"changed": 2})
    assert services.store.schedules.next_due() is None
    assert await api("POST", "/deployments/unpause", {}) == (200, {"changed": 2})
    assert services.store.schedules.next_due() is not None


async def test_a_pinned_notebook_tells_when_its_file_has_moved_on(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    body = {"name": "n", "notebook": "r.ipynb", "source": "pinned"}
    made = (await api("POST", "/deployments", body))[1]["deployment"]
    assert (made["source"], made["moved_on"]) == ("pinned", False)
    write_notebook("r.ipynb", "print('new')")
    path = f"/deployments/{made['id']}"
    assert (await api("GET", path))[1]["deployment"]["moved_on"] is True
    _, pinned = await api("PATCH", path, {"source": "pinned"})
    assert pinned["deployment"]["moved_on"] is False


async def test_a_notebook_that_is_gone_shows_on_its_deployment(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/deployments", {"name": "n", "notebook": "r.ipynb"}))[1]["deployment"]
    (services.root.folder / "r.ipynb").unlink()
    _, shown = await api("GET", f"/deployments/{made['id']}")
    assert "not there" in shown["deployment"]["error"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"name": ""}, "name", id="no name"),
        pytest.param({"overlap": "sometimes"}, "overlap", id="overlap"),
        pytest.param({"catch_up": "never"}, "catch_up", id="catch-up"),
        pytest.param({"schedules": [{"cron": "61 * * * *"}]}, "cron", id="a bad schedule in it"),
        pytest.param({"schedules": [{"colour": 1}]}, "schedules", id="an unknown field in a schedule"),
        pytest.param({"retry_delay_seconds": [1, "x"]}, "retry_delay_seconds", id="delays"),
        pytest.param({"parameters": {"mont": 1}}, "mont", id="unknown parameter"),
    ],
)
async def test_a_deployment_that_cannot_be_is_refused_and_nothing_is_stored(
    api: Api, services: Services, write_notebook: Any, body: dict[str, Any], field: str
) -> None:
    write_notebook("r.ipynb")
    code, answer = await api("POST", "/deployments", {"name": "n", "notebook": "r.ipynb", **body})
    assert (code, answer["errors"][0]["field"]) == (422, field), answer
    assert services.store.deployments.page() == []


async def test_tokens_are_previewed_checked_and_stored_resolved(
    api: Api, services: Services, write_notebook: Any
) -> None:
    from server_help import until

    write_notebook("r.ipynb", parameters="day: int = 1\nlabel = ''")
    _, shown = await api(
        "POST", "/schedules/preview", {"cron": "0 6 * * *", "parameters": {"day": "{scheduled_at:%d}", "label": "x"}}
    )
    assert [len(p["day"]) for p in shown["parameters"]] == [2] * 5
    code, answer = await api(
        "POST", "/schedules", {"notebook": "r.ipynb", "interval_seconds": 1, "parameters": {"day": "{scheduled:%d}"}}
    )
    assert (code, answer["errors"][0]["field"]) == (422, "day")
    body = {"notebook": "r.ipynb", "interval_seconds": 1, "parameters": {"day": "{scheduled_at:%d}"}}
    code, made = await api("POST", "/schedules", body)
    assert code == 201, made
    runs = await until(lambda: services.store.runs.page()[0])
    assert runs[0].parameters["day"].isdigit()
    assert runs[0].details["launch"]["interval_end_at"] == runs[0].slot_at
    from headrace.server.worker.command import notebook_spec

    spec = notebook_spec(runs[0], runs[0].details["launch"], runs[0].notebook_path or "")
    assert spec["parameters"]["day"] == int(runs[0].parameters["day"])
    await api("POST", f"/schedules/{made['schedule']['id']}/pause", {})


async def test_a_deployment_keeps_and_shows_the_kernel_it_was_made_with(
    api: Api, services: Services, write_notebook: Any
) -> None:
    import sys

    write_notebook("r.ipynb")
    made = (await api("POST", "/deployments", {"name": "n", "notebook": "r.ipynb"}))[1]["deployment"]
    assert made["interpreter"] == sys.executable
    kept = services.store.deployments.get(made["id"]).kernel_spec
    assert kept is not None
    assert kept["argv"][0] == sys.executable
    run = (await api("POST", f"/deployments/{made['id']}/run", {}))[1]["run"]
    assert services.store.runs.get(run["id"]).details["launch"]["kernel_spec"] == kept
