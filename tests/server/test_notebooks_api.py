"""Notebooks through the API: what they declare, their flow, the open document."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from server_help import Api

from headrace.core.ids import new_id
from headrace.server.services import Services


async def test_a_notebook_tells_its_parameters_and_cells(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb", "%%task load\nx = 1", "x", parameters="month: int = 3  # which month")
    code, answer = await api("GET", "/notebooks/inspect", path="r.ipynb")
    assert (code, answer["kernel_known"], answer["tasks"], answer["cells"]) == (200, True, 1, 3)
    parameter = answer["parameters"][0]
    assert (parameter["name"], parameter["type"], parameter["default"]) == ("month", "integer", 3)
    assert parameter["help"] == "which month"
    assert answer["schema"]["properties"]["month"]["type"] == "integer"


async def test_a_file_that_is_no_notebook_is_refused_with_words(api: Api, services: Services) -> None:
    (services.root.folder / "broken.ipynb").write_text("{")
    (services.root.folder / "old.ipynb").write_text('{"nbformat": 3, "nbformat_minor": 0, "worksheets": []}')
    (services.root.folder / "a.txt").write_text("x")
    for path in ("broken.ipynb", "old.ipynb", "a.txt"):
        for route in ("/notebooks/inspect", "/notebooks/graph"):
            code, answer = await api("GET", route, path=path)
            assert code == 422, (route, path, answer)
            assert answer["message"]
    assert (await api("GET", "/notebooks/inspect", path="gone.ipynb"))[0] == 404
    assert (await api("GET", "/notebooks/inspect"))[0] == 422


async def test_the_flow_of_a_notebook_is_known_before_anything_has_run(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb", "%%task load --retries 2\ndf = [month]", "%%task fit\nmodel = sum(df)", "print(model, y)")
    code, graph = await api("GET", "/notebooks/graph", path="r.ipynb")
    assert code == 200
    cells = {cell["name"]: cell for cell in graph["cells"]}
    assert cells["load"]["is_task"]
    assert cells["load"]["options"]["retries"] == 2
    assert cells["fit"]["reads"] == ["df"]
    assert cells["print(model, y)"]["undefined"] == ["y"]
    edges = {(e["source"], e["target"], e["name"]) for e in graph["edges"]}
    assert (cells["load"]["cell_id"], cells["fit"]["cell_id"], "df") in edges
    assert all(cell["stale_reasons"] == ["never ran"] for cell in graph["cells"] if cell["is_task"])
    # Of plain cells that were run by hand nothing is known: they are stale only with what they use.
    assert [cell["stale_reasons"] for cell in graph["cells"] if not cell["is_task"]] == [[], ["fit is stale"]]


async def test_a_cell_that_is_no_python_says_so_and_the_rest_is_drawn(api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb", "def (", "%%task a --retries many\nx = 1", "z = 1")
    code, graph = await api("GET", "/notebooks/graph", path="r.ipynb")
    assert code == 200
    errors = [bool(cell["error"]) for cell in graph["cells"]]
    assert errors == [False, True, True, False]


async def test_the_open_notebook_is_kept_with_its_unsaved_state(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")
    body = {
        "path": "r.ipynb",
        "cells": [{"id": "c1", "cell_type": "code", "source": "%%task unsaved\na = 1", "metadata": {}}],
        "metadata": {},
        "revision": 2,
    }
    code, kept = await api("PUT", "/documents", body)
    assert (code, kept["revision"]) == (200, 2)
    _, graph = await api("GET", "/notebooks/graph", path="r.ipynb")
    assert [cell["name"] for cell in graph["cells"]] == ["unsaved"]
    assert graph["document_id"] == kept["document_id"]
    assert (await api("PUT", "/documents", {**body, "revision": 1}))[0] == 409
    assert (await api("PUT", "/documents", {**body, "path": "../r.ipynb"}))[0] == 404


async def test_a_cell_is_stale_when_its_code_or_what_it_uses_has_changed(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb")

    async def put(revision: int, first: str) -> str:
        cells = [
            {"id": "a", "cell_type": "code", "source": first, "metadata": {}},
            {"id": "b", "cell_type": "code", "source": "y = x + 1", "metadata": {}},
        ]
        body = {"path": "r.ipynb", "cells": cells, "metadata": {}, "revision": revision}
        document: str = (await api("PUT", "/documents", body))[1]["document_id"]
        return document

    async def stale() -> dict[str, list[str]]:
        _, graph = await api("GET", "/notebooks/graph", path="r.ipynb")
        return {cell["cell_id"]: cell["stale_reasons"] for cell in graph["cells"]}

    document = await put(1, "x = 1")
    for at, (cell, source) in enumerate([("a", "x = 1"), ("b", "y = x + 1")]):
        run_id = new_id()
        services.store.recorder.open(
            {
                "id": run_id,
                "root_id": run_id,
                "kind": "cell",
                "owner": services.owner,
                "document_id": document,
                "cell_id": cell,
                "state_type": "COMPLETED",
                "state_name": "Completed",
                "state_at": 10 * at,
                "created_at": 10 * at,
                "started_at": 10 * at,
                "ended_at": 10 * at + 5,
                "details": {"source": source},
            }
        )
    services.store.recorder.flush()
    assert await stale() == {"a": [], "b": []}
    await put(2, "x = 2")
    reasons = await stale()
    assert reasons["a"] == ["its code changed"]
    assert reasons["b"]


async def test_looking_at_a_notebook_and_scheduling_it_change_no_byte_of_it(
    api: Api, services: Services, write_notebook: Any
) -> None:
    write_notebook("r.ipynb", "%%task load\nx = month", "x")
    path = services.root.folder / "r.ipynb"
    # As somebody else's editor left it: other indents, no newline at the end.
    path.write_bytes(json.dumps(json.loads(path.read_text()), indent=3).encode())
    before = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
    for route in ("/notebooks/inspect", "/notebooks/graph"):
        assert (await api("GET", route, path="r.ipynb"))[0] == 200
    code, made = await api(
        "POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *", "parameters": {"month": 2}}
    )
    assert code == 201, made
    body = {"name": "pinned", "notebook": "r.ipynb", "source": "pinned", "parameters": {"month": 3}}
    code, deployed = await api("POST", "/deployments", body)
    assert code == 201, deployed
    deployment = deployed["deployment"]["id"]
    assert (await api("PATCH", f"/deployments/{deployment}", {"parameters": {"month": 4}}))[0] == 200
    assert (await api("POST", f"/deployments/{deployment}/run", {}))[0] == 201
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before
