"""People are told what became of their deployments' runs: by a real web server's hook and a real mail server."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from server_help import Api, until

from headrace.core.ids import new_id
from headrace.core.notices import check_rules, shown
from headrace.server.notices.notifier import Notifier
from headrace.server.services import Services
from headrace.store import Store

SECRET = "T0KEN-of-the-hook"


@dataclass
class Hook:
    """A web server that keeps what it is sent and answers as told."""

    url: str
    status: int = 200
    got: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("HEADRACE_NOTIFY_PRIVATE", "1")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(found.status)
            if found.status == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Hook(f"http://127.0.0.1:{server.server_port}/hooks/{SECRET}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


class Mailbox:
    """What a mail server took."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address.startswith("nobody"):
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    monkeypatch.setenv("HEADRACE_SMTP_URL", f"smtp://127.0.0.1:{port}")
    monkeypatch.setenv("HEADRACE_SMTP_FROM", "headrace@example.org")
    yield box
    controller.stop()


def ended(store: Store, deployment: str, state: str, **fields: Any) -> str:
    """Record a run of a deployment that ended (or waits) now."""
    run_id, now = new_id(), store.clock.now_us()
    row = {"id": run_id, "root_id": run_id, "kind": "notebook", "name": "nightly-1", "deployment_id": deployment}
    row |= {"state_type": state, "state_name": state.title(), "state_at": now, "created_at": now, "owner": "me"}
    row |= {"ended_at": now, "started_at": now} if state != "SCHEDULED" else {}
    store.recorder.open({**row, **fields})
    store.recorder.flush()
    return run_id


async def deploy(api: Api, write_notebook: Any, *rules: dict[str, Any]) -> str:
    write_notebook("nightly.ipynb")
    code, made = await api("POST", "/deployments", {"name": "nightly", "notebook": "nightly.ipynb", "notify": rules})
    assert code == 201, made
    assert made["deployment"]["notify"] == list(rules)
    return str(made["deployment"]["id"])


async def test_a_hook_is_told_once_of_each_failure_and_of_the_recovery(
    api: Api, services: Services, write_notebook: Any, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADRACE_PUBLIC_URL", "https://hub.example.org/user/me/")
    deployment = await deploy(api, write_notebook, {"events": ["failed", "recovered"], "to": hook.url})
    store, notifiers = services.store, [Notifier(services.store), Notifier(services.store)]
    ended(store, deployment, "COMPLETED")
    fault = {"type": "ValueError", "message": "no bikes for password=hunter2"}
    run = ended(store, deployment, "FAILED", error=fault, parameters={"api_key": "k-123456"})
    threads = [threading.Thread(target=each.tick) for each in notifiers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(path, said["event"]) for path, _, said in hook.got] == [(f"/hooks/{SECRET}", "failed")]
    _, headers, said = hook.got[0]
    assert headers["Idempotency-Key"].startswith(f"{run}:failed:")
    assert said["run"]["id"] == run
    assert said["deployment"]["name"] == "nightly"
    assert "ValueError: no bikes" in said["text"]
    assert "hunter2" not in json.dumps(said)
    assert said["link"] == f"https://hub.example.org/user/me/headrace/#/runs/{run}"
    ended(store, deployment, "COMPLETED")
    ended(store, deployment, "COMPLETED")
    notifiers[0].tick()
    notifiers[1].tick()
    assert [said["event"] for _, _, said in hook.got] == ["failed", "recovered"]
    _, answer = await api("GET", f"/deployments/{deployment}/notices")
    assert all(notice["sent_at"] and notice["error"] is None for notice in answer["notices"])
    assert SECRET not in json.dumps(answer)


async def test_what_cannot_be_sent_is_tried_again_and_no_secret_is_told(
    api: Api, services: Services, write_notebook: Any, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    deployment = await deploy(api, write_notebook, {"events": ["failed"], "to": hook.url})
    store, notifier = services.store, Notifier(services.store)
    ended(store, deployment, "CRASHED")
    hook.status = 503
    with caplog.at_level(logging.DEBUG):
        notifier.tick()
    (waiting,) = store.notices.of_deployment(deployment)
    assert waiting.next_at is not None and waiting.next_at > store.clock.now_us()
    assert waiting.error == "http://127.0.0.1/… answered 503."
    assert notifier.tick() == 0
    hook.status = 200
    store.notices._set(waiting.id, next_at=0)
    notifier.tick()
    assert len(hook.got) == 2
    (sent,) = store.notices.of_deployment(deployment)
    assert (sent.attempts, sent.error, sent.next_at) == (2, None, None)
    # A redirect is an answer like any other, and is not followed.
    hook.status = 302
    ended(store, deployment, "FAILED")
    notifier.tick()
    assert len(hook.got) == 3
    # After its last try a notice is given up.
    newest = store.notices.of_deployment(deployment)[0]
    for _ in range(5):
        store.notices._set(newest.id, next_at=0)
        notifier.tick()
    given_up = next(n for n in store.notices.of_deployment(deployment) if n.id == newest.id)
    assert (given_up.attempts, given_up.next_at, given_up.sent_at) == (6, None, None)
    assert SECRET not in caplog.text


async def test_mail_goes_out_and_a_refused_address_is_given_up(
    api: Api, services: Services, write_notebook: Any, mailbox: Mailbox
) -> None:
    rules = [{"events": ["failed"], "to": "me@example.org"}, {"events": ["failed"], "to": "nobody@example.org"}]
    deployment = await deploy(api, write_notebook, *rules)
    ended(services.store, deployment, "FAILED", error={"type": "ValueError", "message": "Häuser"})
    Notifier(services.store).tick()
    ((receivers, mail),) = mailbox.mails
    assert receivers == ["me@example.org"]
    assert "Subject: [Headrace] nightly failed" in mail
    assert "From: headrace@example.org" in mail
    outcomes = {n.address: (n.next_at, n.error) for n in services.store.notices.of_deployment(deployment)}
    assert outcomes["me@example.org"] == (None, None)
    assert outcomes["nobody@example.org"] == (None, "The mail server 127.0.0.1 refuses nobody@example.org.")


async def test_a_run_that_nobody_takes_up_is_told_of_as_late(
    api: Api, services: Services, write_notebook: Any, hook: Hook
) -> None:
    deployment = await deploy(api, write_notebook, {"events": ["late"], "to": hook.url})
    store = services.store
    rules = {"since": 0, "rules": [{"events": ["late"], "to": hook.url}]}
    store.deployments.update(deployment, details={"notify": rules})
    for seconds in (30, 90):
        ended(store, deployment, "SCHEDULED", scheduled_at=store.clock.now_us() - seconds * 1_000_000)
    Notifier(store).tick()
    assert [said["event"] for _, _, said in hook.got] == ["late"]


async def test_the_server_itself_sends_while_no_worker_is_there(
    api: Api, services: Services, write_notebook: Any, hook: Hook
) -> None:
    deployment = await deploy(api, write_notebook, {"events": ["failed"], "to": hook.url})
    services.wake()
    ended(services.store, deployment, "FAILED")
    services.wake()
    await until(lambda: hook.got)


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/x"]
)
async def test_a_hook_in_the_servers_own_network_is_refused_unless_it_is_allowed(
    api: Api, services: Services, write_notebook: Any, address: str
) -> None:
    deployment = await deploy(api, write_notebook, {"events": ["failed"], "to": address})
    ended(services.store, deployment, "FAILED")
    Notifier(services.store).tick()
    (notice,) = services.store.notices.of_deployment(deployment)
    assert notice.next_at is None
    assert "notify_private" in str(notice.error)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"events": ["failed"], "to": "ftp://example.org"}, "https://"),
        ({"events": ["failed"], "to": "me@example.org, you@example.org"}, "mail address"),
        ({"events": ["failed"], "to": "me@example.org\nBcc: x@y.z"}, "mail address"),
        ({"events": ["failed"], "to": "http://["}, "mail address"),
        ({"events": ["failed"], "to": "http://example.org:99999/x"}, "mail address"),
        ({"events": ["failed"], "to": "http://a..b/x"}, "mail address"),
        ({"events": ["failed"], "to": "http://example.org/\x01"}, "mail address"),
        ({"events": ["won"], "to": "https://example.org"}, "failed, recovered, late"),
        ({"events": [], "to": "https://example.org"}, "failed, recovered, late"),
        ({"events": ["failed"], "to": "me@example.org"}, "smtp_url"),
    ],
    ids=["scheme", "two", "header", "bracket", "port", "host", "control character", "event", "none", "no mail server"],
)
async def test_rules_that_cannot_work_are_refused_beside_their_field(
    api: Api, write_notebook: Any, rule: dict[str, Any], words: str
) -> None:
    write_notebook("nightly.ipynb")
    code, answer = await api("POST", "/deployments", {"name": "n", "notebook": "nightly.ipynb", "notify": [rule]})
    assert code == 422, answer
    assert answer["errors"][0]["field"] == "notify"
    assert words in answer["message"]


async def test_a_notice_that_can_never_be_sent_holds_up_no_other(
    api: Api, services: Services, write_notebook: Any, hook: Hook
) -> None:
    store = services.store
    deployment = await deploy(api, write_notebook, {"events": ["failed"], "to": hook.url})
    with store.database.write() as connection:
        for number, address in enumerate(("http://a..b/x", "http://example.org:99999/x", "http://[")):
            statement = (
                "INSERT INTO notices (id, deployment_id, run_id, owner, event, address, details, attempts, created_at, next_at) "
                "VALUES (?, ?, 'r', ?, 'failed', ?, ?, 0, 1, 1)"
            )
            details = "{half" if number == 2 else '{"deployment": {"name": "x"}, "run": {}}'
            connection.exec_driver_sql(statement, (f"n{number}", deployment, services.owner, address, details))
    ended(store, deployment, "FAILED")
    Notifier(store, owner=services.owner).tick()
    assert [body["event"] for _, _, body in hook.got] == ["failed"]
    bad = [n for n in store.notices.of_deployment(deployment) if n.id.startswith("n")]
    assert all(notice.error for notice in bad)


async def test_each_person_sends_his_own_notices_alone(
    api: Api, services: Services, write_notebook: Any, hook: Hook
) -> None:
    """Another one's address must not be called from this machine, nor mailed by this person's mail server."""
    deployment = await deploy(api, write_notebook, {"events": ["failed"], "to": hook.url})
    ended(services.store, deployment, "FAILED")
    assert Notifier(services.store, owner="mallory").tick() == 0
    assert hook.got == []
    assert Notifier(services.store, owner=services.owner).tick() == 1


async def test_a_deployments_name_brings_no_header_into_a_mail(
    api: Api, services: Services, write_notebook: Any, mailbox: Mailbox
) -> None:
    deployment = await deploy(api, write_notebook, {"events": ["failed"], "to": "me@example.org"})
    services.store.deployments.update(deployment, name="a\r\nBcc: evil@example.org\r\n\u2028b")
    ended(services.store, deployment, "FAILED")
    Notifier(services.store).tick()
    ((receivers, mail),) = mailbox.mails
    assert receivers == ["me@example.org"]
    head = mail.replace("\r\n", "\n").partition("\n\n")[0]
    assert not [line for line in head.splitlines() if line.lower().startswith("bcc:")]


async def test_rules_can_be_changed_and_what_happened_before_is_no_news(
    api: Api, services: Services, write_notebook: Any, hook: Hook
) -> None:
    deployment = await deploy(api, write_notebook)
    ended(services.store, deployment, "FAILED")
    rules = [{"events": ["failed"], "to": hook.url}]
    code, answer = await api("PATCH", f"/deployments/{deployment}", {"notify": rules})
    assert (code, answer["deployment"]["notify"]) == (200, rules)
    Notifier(services.store).tick()
    assert hook.got == []
    code, answer = await api("PATCH", f"/deployments/{deployment}", {"notify": [], "description": "quiet"})
    assert (code, answer["deployment"]["notify"]) == (200, [])


def test_of_a_hook_only_its_host_is_shown() -> None:
    assert shown("https://user:pw@hooks.example.org/services/T1/B2?key=3") == "https://hooks.example.org/…"
    assert check_rules([{"events": ["late", "late"], "to": " a@b "}]) == [{"events": ["late"], "to": "a@b"}]
