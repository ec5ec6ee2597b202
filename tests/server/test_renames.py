"""What is renamed in Jupyter is followed by the deployments that name it; what is moved behind its back is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server_help import Api, Fetch, until

from headrace.server.renames import moved_path
from headrace.server.services import Services


@pytest.mark.parametrize(
    ("path", "becomes"),
    [
        pytest.param("/r/a.ipynb", "/r/b.ipynb", id="the file"),
        pytest.param("/r/a.ipynb:work", "/r/b.ipynb:work", id="a flow in the file"),
        pytest.param("/r/a.ipynb/x", "/r/b.ipynb/x", id="below a folder of the name"),
        pytest.param("/r/a.ipynb2", "/r/a.ipynb2", id="another file"),
        pytest.param("/r/x/r/a.ipynb", "/r/x/r/a.ipynb", id="the same further inside"),
        pytest.param(None, None, id="none"),
    ],
)
def test_only_the_path_itself_and_what_is_below_it_moves(path: str | None, becomes: str | None) -> None:
    assert moved_path(path, "/r/a.ipynb", "/r/b.ipynb") == becomes


async def rename(fetch: Fetch, old: str, new: str) -> None:
    """Rename as JupyterLab's file browser does."""
    await fetch("api", "contents", *old.split("/"), method="PATCH", body=json.dumps({"path": new}))


async def test_deployments_go_with_a_notebook_a_script_and_a_folder_that_are_renamed_in_jupyter(
    api: Api, services: Services, jp_fetch: Fetch, write_notebook: Any
) -> None:
    write_notebook("sub/r.ipynb")
    write_notebook("sub/r.ipynb2.ipynb")
    (services.root.folder / "sub" / "flows.py").write_text("")
    bodies: tuple[dict[str, Any], ...] = (
        {"notebook": "sub/r.ipynb", "output_path": "sub/out.ipynb", "schedules": [{"cron": "0 6 * * *"}]},
        {"notebook": "sub/r.ipynb2.ipynb"},
        {"entrypoint": "sub/flows.py:work"},
    )
    ids = [
        (await api("POST", "/deployments", {"name": f"d{number}", **body}))[1]["deployment"]["id"]
        for number, body in enumerate(bodies)
    ]

    async def paths() -> list[str]:
        shown = [(await api("GET", f"/deployments/{each}"))[1]["deployment"] for each in ids]
        root = f"{services.root.folder}/"
        return [(one["notebook_path"] or one["entrypoint"]).removeprefix(root) for one in shown]

    async def are(*expected: str) -> bool:
        return await paths() == list(expected)

    await rename(jp_fetch, "sub/r.ipynb", "sub/new name.ipynb")
    await until(lambda: are("sub/new name.ipynb", "sub/r.ipynb2.ipynb", "sub/flows.py:work"))
    await rename(jp_fetch, "sub/flows.py", "sub/jobs.py")
    await until(lambda: are("sub/new name.ipynb", "sub/r.ipynb2.ipynb", "sub/jobs.py:work"))
    await rename(jp_fetch, "sub", "elsewhere")
    await until(lambda: are("elsewhere/new name.ipynb", "elsewhere/r.ipynb2.ipynb", "elsewhere/jobs.py:work"))
    assert [one["error"] for one in (await api("GET", "/deployments"))[1]["deployments"]] == [None] * 3
    held = services.store.deployments.get(ids[0])
    assert held.cwd == str(services.root.folder / "elsewhere")
    assert held.output_path == str(services.root.folder / "elsewhere" / "out.ipynb")
    code, ran = await api("POST", f"/deployments/{ids[0]}/run", {})
    assert (code, ran["run"]["notebook_path"]) == (201, "elsewhere/new name.ipynb")


async def test_what_was_moved_past_jupyter_is_said_and_put_right_by_its_new_path(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    made = (await api("POST", "/deployments", {"name": "n", "notebook": "r.ipynb"}))[1]["deployment"]
    (services.root.folder / "r.ipynb").rename(services.root.folder / "moved.ipynb")
    route = f"/deployments/{made['id']}"
    said = (await api("GET", route))[1]["deployment"]["error"]
    assert "r.ipynb is not there any more" in said
    code, refused = await api("POST", f"{route}/run", {})
    assert (code, "r.ipynb" in refused["message"]) == (404, True), refused
    _, mended = await api("PATCH", route, {"notebook": "moved.ipynb"})
    assert (mended["deployment"]["error"], mended["deployment"]["notebook_path"]) == (None, "moved.ipynb")


async def test_a_rename_where_nothing_was_deployed_opens_no_store(
    services: Services, jp_fetch: Fetch, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    await rename(jp_fetch, "r.ipynb", "other.ipynb")
    assert not services.is_open
