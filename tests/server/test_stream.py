"""The stream: batched, resumable, bounded, and only what a client watches below the roots."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp
from server_help import Api, record

from headrace.core.states import StateType
from headrace.server import stream as stream_module
from headrace.server.services import Services


class Listener:
    """A browser."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    async def next(self, kind: str, *, key: str | None = None, seconds: float = 40) -> dict[str, Any]:
        """Return the next message of a kind (that has a key)."""

        async def read() -> dict[str, Any]:
            while True:
                text = await self.socket.read_message()
                assert text is not None, "the stream was closed"
                message: dict[str, Any] = json.loads(text)
                self.seen.append(message)
                if message["type"] == kind and (key is None or key in message):
                    return message

        return await asyncio.wait_for(read(), seconds)


@pytest.fixture
def listen(jp_ws_fetch: Any, services: Services) -> Any:
    """Open streams; they are closed afterwards."""
    opened: list[Listener] = []

    async def connect(since: int | None = None) -> Listener:
        params = {} if since is None else {"since": str(since)}
        listener = Listener(await jp_ws_fetch("headrace", "api", "stream", params=params))
        opened.append(listener)
        return listener

    yield connect
    for listener in opened:
        listener.socket.close()


async def test_it_greets_and_then_tells_what_changes(listen: Any, services: Services) -> None:
    record(services)
    stream = await listen()
    hello = await stream.next("hello")
    assert (hello["store"], hello["seq"]) == (services.store.instance, services.store.journal.last_seq())
    run_id = record(services, name="fresh")
    changes = await stream.next("changes", key="runs")
    assert [(run["id"], run["name"]) for run in changes["runs"]] == [(run_id, "fresh")]
    assert changes["seq"] > hello["seq"]
    assert changes["counts"]["running"] == 2
    assert "deployments" not in changes


async def test_runs_are_counted_again_only_when_a_whole_run_changes(listen: Any, services: Services) -> None:
    root = record(services)
    stream = await listen()
    await stream.next("hello")
    await stream.socket.write_message(json.dumps({"type": "watch", "roots": [root]}))
    task = record(services, parent=root, root=root)
    changes = await stream.next("changes", key="runs")
    assert [run["id"] for run in changes["runs"]] == [task]
    assert "counts" not in changes


async def test_what_happens_before_the_reader_of_the_journal_has_begun_is_told(
    listen: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = threading.Event()
    plain = stream_module.read_from

    def late(services: Services, seq: int | None = None) -> Any:
        assert seq is not None or begin.wait(30)
        return plain(services, seq)

    monkeypatch.setattr(stream_module, "read_from", late)
    stream = await listen()
    await stream.next("hello")
    run_id = record(services)
    begin.set()
    assert [run["id"] for run in (await stream.next("changes", key="runs"))["runs"]] == [run_id]


async def test_many_changes_come_in_few_messages(listen: Any, services: Services) -> None:
    stream = await listen()
    await stream.next("hello")
    last = ""
    for _ in range(300):
        last = record(services)
    while last not in {run["id"] for run in (await stream.next("changes", key="runs"))["runs"]}:
        pass
    assert len(stream.seen) < 100
    ids = [run["id"] for message in stream.seen for run in message.get("runs", [])]
    assert len(set(ids)) == 300


async def test_a_client_that_was_away_gets_what_it_missed_and_nothing_twice(listen: Any, services: Services) -> None:
    stream = await listen()
    hello = await stream.next("hello")
    first = record(services)
    seen = (await stream.next("changes", key="runs"))["seq"]
    stream.socket.close()
    missed = record(services)
    again = await listen(since=seen)
    assert (await again.next("hello"))["seq"] == seen
    changes = await again.next("changes", key="runs")
    assert [run["id"] for run in changes["runs"]] == [missed]
    later = record(services)
    changes = await again.next("changes", key="runs")
    assert [run["id"] for run in changes["runs"]] == [later]
    assert first != missed
    assert hello["seq"] < seen


async def test_a_page_that_is_loaded_fifty_times_misses_nothing_sees_nothing_twice_and_starts_one_run(
    listen: Any, api: Api, services: Services, write_notebook: Any
) -> None:
    """Sockets are dropped in the middle, and each page sends the same request again (T-22, F-48, F-49)."""
    write_notebook("r.ipynb")
    stream = await listen()
    seq, told, made = (await stream.next("hello"))["seq"], [], []
    for page in range(50):
        made += [record(services, name=f"{page}-{n}") for n in range(3)]
        code, answer = await api("POST", "/runs", {"notebook": "r.ipynb"}, headers={"Idempotency-Key": "one-click"})
        assert code == (201 if page == 0 else 200)
        again = await listen(since=seq)
        while page == 49 and not set(made) <= {*told, *(run["id"] for m in again.seen for run in m.get("runs", []))}:
            await again.next("changes", key="runs")
        if page < 49:
            await again.next("changes", key="runs")
        told += [run["id"] for message in again.seen for run in message.get("runs", [])]
        seq = again.seen[-1]["seq"]
        again.socket.stream.close() if page % 2 else again.socket.close()
    assert sorted(told) == sorted([*made, answer["run"]["id"]])
    assert len(services.store.runs.page(limit=200)[0]) == 151


async def test_a_client_that_does_not_read_begins_anew_and_holds_up_nobody(
    listen: Any, jp_serverapp: ServerApp, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = jp_serverapp.extension_manager.extension_points["headrace"].app.hub
    monkeypatch.setattr("headrace.server.stream.BACKLOG", 2)
    slow = await listen()
    await slow.next("hello")
    (handler,) = hub._clients
    reads = asyncio.Event()
    write = handler._write

    async def stuck(message: dict[str, Any]) -> None:
        await reads.wait()
        await write(message)

    monkeypatch.setattr(handler, "_write", stuck)
    other = await listen()
    await other.next("hello")
    for _ in range(6):
        last = record(services)
        while last not in {run["id"] for run in (await other.next("changes", key="runs"))["runs"]}:
            pass
    assert handler._queue.qsize() <= 2
    reads.set()
    # It loads its lists again, and is told what comes after what it has heard of.
    await slow.next("reset")
    later = record(services)
    while later not in {run["id"] for run in (await slow.next("changes", key="runs"))["runs"]}:
        pass


async def test_a_sequence_from_another_store_means_begin_anew(listen: Any, services: Services) -> None:
    stream = await listen(since=10_000_000)
    reset = await stream.next("reset")
    assert reset["seq"] == services.store.journal.last_seq()


async def test_a_client_that_was_away_too_long_begins_anew(
    listen: Any, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headrace.server.stream.FAR_BEHIND", 5)
    for _ in range(10):
        record(services)
    stream = await listen(since=0)
    await stream.next("reset")


async def test_runs_below_a_root_come_to_those_who_watch_it(listen: Any, services: Services) -> None:
    root = record(services)
    watching, other = await listen(), await listen()
    await watching.next("hello")
    await other.next("hello")
    await watching.socket.write_message(json.dumps({"type": "watch", "roots": [root]}))
    await watching.socket.write_message(json.dumps({"type": "ping"}))
    await watching.next("pong")
    child = record(services, parent=root, root=root)
    changes = await watching.next("changes", key="runs")
    assert [run["id"] for run in changes["runs"]] == [child]
    marker = record(services)
    changes = await other.next("changes", key="runs")
    assert [run["id"] for run in changes["runs"]] == [marker]


async def test_lines_and_outputs_of_watched_roots_are_announced(listen: Any, services: Services) -> None:
    root = record(services)
    stream = await listen()
    await stream.next("hello")
    await stream.socket.write_message(json.dumps({"type": "watch", "roots": [root]}))
    await stream.socket.write_message(json.dumps({"type": "ping"}))
    await stream.next("pong")
    now = services.store.clock.now_us()
    services.store.recorder.log(root, root, now, 20, "print", "one")
    services.store.recorder.output(root, root, 0, now, {"output_type": "stream", "text": "x", "name": "stdout"})
    services.store.recorder.flush()
    changes = await stream.next("changes", key="logs")
    assert changes["logs"] == {root: 1}
    found = [m for m in stream.seen if "outputs" in m] or [await stream.next("changes", key="outputs")]
    assert found[0]["outputs"] == {root: [root]}
    services.store.recorder.log(root, root, now, 20, "print", "two")
    services.store.recorder.flush()
    assert (await stream.next("changes", key="logs"))["logs"] == {root: 2}


async def test_a_slow_client_is_bounded_and_told_to_begin_anew(services: Services) -> None:
    from headrace.server.changes import Batch
    from headrace.server.stream import BACKLOG, StreamHandler

    handler = StreamHandler.__new__(StreamHandler)
    handler._queue = asyncio.Queue(BACKLOG)
    handler._lost = False
    for seq in range(BACKLOG + 5):
        handler.offer(Batch(seq=seq))
    assert handler._lost
    assert handler._queue.qsize() == BACKLOG


@pytest.mark.parametrize("text", ["no json", "[]", "{}", '{"type": "watch", "roots": 3}', '{"type": []}', "x" * 20_000])
async def test_nonsense_from_a_client_is_not_answered_and_does_no_harm(
    listen: Any, services: Services, text: str
) -> None:
    stream = await listen()
    await stream.next("hello")
    await stream.socket.write_message(text)
    await stream.socket.write_message(json.dumps({"type": "ping"}))
    await stream.next("pong")


async def test_changes_of_schedules_are_told_by_id(listen: Any, api: Api, write_notebook: Any) -> None:
    write_notebook("r.ipynb")
    stream = await listen()
    await stream.next("hello")
    made = (await api("POST", "/schedules", {"notebook": "r.ipynb", "cron": "0 6 * * *"}))[1]["schedule"]
    changes = await stream.next("changes", key="schedules")
    assert changes["schedules"] == [made["id"]]
    deployments = [i for message in stream.seen for i in message.get("deployments", [])]
    assert made["deployment_id"] in deployments


async def test_somebody_elses_runs_are_not_told(listen: Any, services: Services) -> None:
    stream = await listen()
    await stream.next("hello")
    theirs, gone = record(services), record(services)
    with services.store.database.write() as connection:
        connection.exec_driver_sql("UPDATE runs SET owner = 'mallory' WHERE id IN (?, ?)", (theirs, gone))
    # Whoever knows an id may ask to watch it; its lines are not told to him either.
    await stream.socket.write_message(json.dumps({"type": "watch", "roots": [theirs]}))
    await stream.socket.write_message(json.dumps({"type": "ping"}))
    await stream.next("pong")
    services.store.runs.advance(theirs, StateType.COMPLETED, "Completed", attempt=1)
    services.store.recorder.log(theirs, theirs, 1, 20, "x", "hers")
    services.store.recorder.output(theirs, theirs, 0, services.store.clock.now_us(), {"output_type": "stream"})
    services.store.recorder.flush()
    services.store.runs.advance(gone, StateType.COMPLETED, "Completed", attempt=1)
    services.store.runs.delete(gone)
    mine = record(services)
    while mine not in {run["id"] for run in (await stream.next("changes", key="runs"))["runs"]}:
        pass
    states = [(run["id"], run["state_type"]) for m in stream.seen for run in m.get("runs", [])]
    assert (theirs, "COMPLETED") not in states
    assert not [m for m in stream.seen if gone in m.get("deleted", []) or {"logs", "outputs"} & m.keys()]
