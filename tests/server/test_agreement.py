"""Scheduling a notebook that Jupyter does not trust: it is said, agreed to by content, refused where that is asked for (S-36)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from server_help import Api

from headrace.server.services import Services

CRON = {"cron": "0 6 * * *"}


def trust(path: Path) -> None:
    """Do what JupyterLab does when somebody saves a notebook that he has run."""
    from nbformat import v4
    from nbformat.sign import NotebookNotary

    notary = NotebookNotary()
    notary.sign(v4.reads(path.read_text(encoding="utf-8")))
    notary.store.close()


@pytest.fixture
def strict(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "require_trust", True)


async def test_a_notebook_says_whether_it_is_trusted(api: Api, write_notebook: Any, jp_root_dir: Path) -> None:
    write_notebook("r.ipynb")
    before = (await api("GET", "/notebooks/inspect", path="r.ipynb"))[1]
    assert (before["trusted"], len(before["sha256"])) == (False, 64)
    trust(jp_root_dir / "r.ipynb")
    assert (await api("GET", "/notebooks/inspect", path="r.ipynb"))[1]["trusted"] is True
    write_notebook("r.ipynb", "print('changed elsewhere')")
    after = (await api("GET", "/notebooks/inspect", path="r.ipynb"))[1]
    assert after["trusted"] is False
    assert after["sha256"] != before["sha256"]


async def test_what_is_agreed_to_is_kept_with_the_deployment(api: Api, services: Services, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    sha256 = (await api("GET", "/notebooks/inspect", path="r.ipynb"))[1]["sha256"]
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "agreed": sha256, **CRON}))[1]["schedule"]
    assert services.store.deployments.get(made["deployment_id"]).details["agreed"]["sha256"] == sha256
    write_notebook("r.ipynb", "print('another')")
    for path, body in (
        ("/schedules", {"notebook": "r.ipynb", **CRON}),
        ("/deployments", {"name": "n", "notebook": "r.ipynb"}),
    ):
        code, answer = await api("POST", path, {**body, "agreed": sha256})
        assert (code, answer["errors"][0]["field"]) == (409, "agreed")
    assert len(services.store.schedules.page()) == 1


async def test_a_strict_server_asks_once_for_each_content(
    api: Api, services: Services, write_notebook: Any, jp_root_dir: Path, strict: None
) -> None:
    write_notebook("r.ipynb")
    body = {"notebook": "r.ipynb", **CRON}
    code, answer = await api("POST", "/schedules", body)
    assert (code, answer["reason"], answer["errors"][0]["field"]) == (409, "untrusted_notebook", "agreed")
    assert services.store.deployments.page() == []
    sha256 = (await api("GET", "/notebooks/inspect", path="r.ipynb"))[1]["sha256"]
    assert sha256 in answer["message"]
    assert (await api("POST", "/schedules", {**body, "agreed": sha256}))[0] == 201
    assert (await api("POST", "/schedules", body))[0] == 201, "it is not asked again"
    write_notebook("r.ipynb", "print('changed elsewhere')")
    assert (await api("POST", "/schedules", body))[0] == 409
    trust(jp_root_dir / "r.ipynb")
    assert (await api("POST", "/schedules", body))[0] == 201


async def test_a_deployment_may_not_be_pointed_at_a_strange_notebook_either(
    api: Api, write_notebook: Any, jp_root_dir: Path, strict: None
) -> None:
    write_notebook("mine.ipynb")
    write_notebook("theirs.ipynb", "print('theirs')")
    trust(jp_root_dir / "mine.ipynb")
    code, answer = await api("POST", "/deployments", {"name": "n", "notebook": "mine.ipynb"})
    assert code == 201
    made = answer["deployment"]
    change = {"notebook": "theirs.ipynb", "revision": made["revision"]}
    assert (await api("PATCH", f"/deployments/{made['id']}", change))[0] == 409
    assert (await api("PATCH", f"/deployments/{made['id']}", {"description": "mine", "revision": 1}))[0] == 200
