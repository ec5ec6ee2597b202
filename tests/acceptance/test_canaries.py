"""Secrets that come in by every door, and a whole day's work of real processes: none is found anywhere afterwards (T-23)."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from server_process import TOKEN, Server, end_all, ours, wait_for

from headrace.server.routes import all_routes
from notebooks import code, notebook

pytestmark = [pytest.mark.process, pytest.mark.kernel]

#: What is put into the environment of the server; the kernel of a run sees the last two of them, as the person's shell does.
ENVIRONMENT = {
    "JUPYTERHUB_API_TOKEN": "canary-hub-81f2",
    "JPY_API_TOKEN": "canary-jpy-90aa",
    "HEADRACE_SMTP_URL": "smtp://ada:canary-mail-77b1@127.0.0.1:9",
    "AWS_SECRET_ACCESS_KEY": "canary-aws-55c3",
    "PGPASSWORD": "canary-pg-13d4",
}
PARAMETER = "canary-parameter-66e5"
HEADER = "canary-header-42f6"
CELLS = (
    code("n: int = 1\npassword: str = ...  # secret: of the shop", "parameters"),
    "import os\nprint('length', len(password), sorted(k for k in os.environ if 'API_TOKEN' in k))",
    "raise ValueError('no luck with it')",
)


@pytest.fixture
def server(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server, with its worker, in an environment full of secrets."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HEADRACE_WARM_UNITS", "0")
    root = tmp_path / "root"
    root.mkdir()
    (root / "r.ipynb").write_text(json.dumps(notebook(*CELLS)), encoding="utf-8")
    found = Server(root, tmp_path / "server.log")
    yield found
    end_all(found, data_dir)


def ask(server: Server, path: str) -> bytes:
    """Ask as careless clients do, with tokens in the address and in every header; return the whole answer."""
    request = urllib.request.Request(f"{server.url}headrace/api{path}{'&' if '?' in path else '?'}token={TOKEN}")
    request.add_header("Referer", f"{server.url}?token={TOKEN}")
    request.add_header("Cookie", f"session={HEADER}")
    request.add_header("X-Secret", HEADER)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return bytes(answer.read()) + str(answer.headers).encode()
    except urllib.error.HTTPError as error:
        return bytes(error.read()) + str(error.headers).encode()


def test_no_secret_is_found_anywhere_afterwards(server: Server, data_dir: Path, tmp_path: Path) -> None:
    given = {"n": 2, "password": PARAMETER}
    run = server.ask("POST", "/runs", {"notebook": "r.ipynb", "parameters": given, "output_path": "out.ipynb"})["run"]
    wait_for(lambda: len(words(data_dir)) > 2)
    arguments = {" ".join(line) for line in words(data_dir)}
    wait_for(lambda: server.run(run["id"])["state_type"] == "FAILED", 90)
    arguments |= {" ".join(line) for line in words(data_dir)}
    made = server.ask("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 1 1 *"})["schedule"]
    known = {"run_id": run["id"], "schedule_id": made["id"], "deployment_id": made["deployment_id"], "name": "python3"}
    answers = {}
    for route in all_routes():
        if route.method == "GET":
            path = re.sub(r"{(\w+)}", lambda part: known[part[1]], route.path)
            answers[path] = ask(server, path + ("?path=r.ipynb" if path.startswith("/notebooks") else ""))
    assert b"length 21 []" in answers[f"/runs/{run['id']}/outputs"]
    assert b"no luck with" in answers[f"/runs/{run['id']}"]
    secrets = [*ENVIRONMENT.values(), "canary-mail-77b1", PARAMETER, HEADER]
    found = [(secret, path) for secret in secrets for path, text in answers.items() if secret.encode() in text]
    # Jupyter keeps its own token for itself, in files of mode 0600.
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("jpserver-")]
    contents = {path: path.read_bytes() for path in files}
    assert len(files) > 10
    found += [(secret, str(path)) for secret in secrets for path, text in contents.items() if secret.encode() in text]
    found += [(TOKEN, str(path)) for path, text in contents.items() if TOKEN.encode() in text]
    found += [(secret, line) for secret in secrets for line in arguments if secret in line]
    # The server itself was given its token by this test.
    found += [(TOKEN, line) for line in arguments if TOKEN in line and "IdentityProvider" not in line]
    assert found == [], "\n".join(map(str, found))


def words(data_dir: Path) -> list[list[str]]:
    """Return the command lines of the processes of this store."""
    lines = []
    for process in ours(data_dir):
        try:
            lines.append(process.cmdline())
        except psutil.Error:
            continue
    return lines
