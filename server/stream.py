"""The websocket on which changes reach browsers: batched, resumable, bounded.

One thread looks at the journal while somebody listens, reads what is new once
and makes one message of it; each client gets its part. A client that does not
keep up is told to load its lists again instead of being fed from a growing
queue.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from typing import TYPE_CHECKING, Any

from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from headrace.core.errors import StoreError, one_line
from headrace.core.ids import is_id

if TYPE_CHECKING:
    from headrace.server.changes import Batch, Reader
    from headrace.server.services import Services

#: From one message to the next at least, seconds (measured: one by one costs ten times as much).
STEP_SECONDS = 0.06
#: So many messages may wait for a client before it is told to begin anew.
BACKLOG = 40
#: A client that was away for more changes than this begins anew.
FAR_BEHIND = 20_000
#: How many roots a client may watch.
MAX_WATCHED = 50
MAX_MESSAGE = 16_384
log = logging.getLogger("headrace.stream")


class Hub:
    """Reads the journal for all clients of one server.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clients: set[StreamHandler] = set()
        self._task: asyncio.Task[None] | None = None
        self._reader: Reader | None = None
        self._closed = False

    def join(self, client: StreamHandler) -> None:
        """Send changes to a client from now on."""
        self._clients.add(client)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._work())

    def leave(self, client: StreamHandler) -> None:
        """Send no more to a client."""
        self._clients.discard(client)

    def watch(self) -> None:
        """Look at the lines and outputs of what any client watches by now."""
        if self._reader is not None:
            self._reader.watched = frozenset().union(*(client.watched for client in self._clients))

    async def close(self) -> None:
        """End every stream."""
        self._closed = True
        for client in list(self._clients):
            client.close(1001, "the server ends")
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        """Read and send while somebody listens; a store that fails is asked again, not given up."""
        said = False
        while self._clients and not self._closed:
            try:
                if self._reader is None:
                    self._reader = await self._services.call(read_from, self._services)
                    self._say_where_it_begins(self._reader.seq)
                self.watch()
                batch = await self._services.call(self._reader.next, STEP_SECONDS * 4)
                said = False
            except StoreError as error:
                if not said:
                    log.warning("the stream waits for the store: %s", one_line(error))
                said = True
                await asyncio.sleep(1.0)
                continue
            except Exception:
                # One change that cannot be told must not silence all that follow: clients begin anew after it.
                log.exception("the stream goes on after a fault of its own")
                self._reader = None
                for client in self._clients:
                    client.lose()
                await asyncio.sleep(1.0)
                continue
            if batch is not None:
                for client in list(self._clients):
                    client.offer(batch)
            await asyncio.sleep(STEP_SECONDS)
        self._reader = None

    def _say_where_it_begins(self, seq: int) -> None:
        """Let clients that asked for the journal's end before this reader did catch up to where it begins."""
        from headrace.server.changes import Batch

        for client in list(self._clients):
            client.offer(Batch(seq=seq, start=seq))


class StreamHandler(ExtensionHandlerMixin, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One browser's stream."""

    auth_resource = "headrace"

    def initialize(self, name: str, services: Services, hub: Hub) -> None:
        """Take what the address was registered with."""
        super().initialize(name)
        self._services = services
        self._hub = hub
        self.watched: frozenset[str] = frozenset()
        self._queue: asyncio.Queue[Batch] = asyncio.Queue(BACKLOG)
        self._sender: asyncio.Task[None] | None = None
        self._seq = 0
        self._lost = False

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Open the stream for somebody who may read."""
        allowed = self.authorizer.is_authorized(self, self.current_user, "read", "headrace")
        if not (await allowed if inspect.isawaitable(allowed) else allowed):
            raise web.HTTPError(403)
        since = self.get_query_argument("since", "")
        if since and not (since.isascii() and since.isdigit() and len(since) < 19):
            raise web.HTTPError(400, "since is a sequence number")
        self._seq = int(since) if since else -1
        done = super().get(*args, **kwargs)
        if inspect.isawaitable(done):
            await done

    def open(self, *args: Any, **kwargs: Any) -> None:
        """Greet, catch up, go on."""
        super().open(*args, **kwargs)
        self._sender = asyncio.ensure_future(self._send_all())

    async def on_message(self, message: str | bytes) -> None:
        """Take what the client watches, or its ping; anything else is not answered."""
        if len(message) > MAX_MESSAGE:
            return
        try:
            data = json.loads(message)
        except (ValueError, RecursionError):
            return
        if not isinstance(data, dict):
            return
        if data.get("type") == "ping":
            await self._write({"type": "pong"})
        roots = data.get("roots")
        if data.get("type") == "watch" and isinstance(roots, list):
            self.watched = frozenset(root for root in roots[:MAX_WATCHED] if is_id(root))
            self._hub.watch()

    def on_close(self) -> None:
        """Stop sending."""
        self._hub.leave(self)
        if self._sender is not None:
            self._sender.cancel()
        super().on_close()

    def offer(self, batch: Batch) -> None:
        """Take a batch if there is room; else remember that something was lost."""
        try:
            self._queue.put_nowait(batch)
        except asyncio.QueueFull:
            self._lost = True

    def lose(self) -> None:
        """Begin anew with the next batch: something was lost."""
        self._lost = True

    async def _send_all(self) -> None:
        from headrace import __version__

        try:
            # Joined first: what is written while the past is read waits in the queue and is cut by sequence number.
            self._hub.join(self)
            last, instance = await self._services.call(_position, self._services)
            since = last if self._seq < 0 else self._seq
            await self._write({"type": "hello", "seq": since, "store": instance, "version": __version__})
            if since > last or last - since > FAR_BEHIND:
                self._seq = last
                await self._write({"type": "reset", "seq": last})
            else:
                self._seq = since
                await self._catch_up(last)
            while True:
                batch = await self._queue.get()
                if self._lost:
                    self._lost = False
                    while not self._queue.empty():
                        batch = self._queue.get_nowait()
                    self._seq = max(self._seq, batch.seq)
                    await self._write({"type": "reset", "seq": self._seq})
                    continue
                if batch.start > self._seq:
                    # The hub began to read a moment after this client had asked where the journal stands.
                    await self._catch_up(batch.start)
                message = batch.message(self.watched, self._seq)
                self._seq = max(self._seq, batch.seq)
                if message is not None:
                    await self._write(message)
        except (WebSocketClosedError, asyncio.CancelledError):
            return
        except StoreError as error:
            log.warning("a stream ends: %s", one_line(error))
            self.close(1013, "the store cannot be used now")

    async def _catch_up(self, last: int) -> None:
        """Send what happened between the client's sequence number and now."""
        reader = await self._services.call(read_from, self._services, self._seq)
        reader.watched = self.watched
        while self._seq < last:
            batch = await self._services.call(reader.next, 0.0)
            if batch is None:
                break
            self._seq = batch.seq
            message = batch.message(self.watched)
            if message is not None:
                await self._write(message)

    async def _write(self, message: dict[str, Any]) -> None:
        done = self.write_message(json.dumps(message, ensure_ascii=False, separators=(",", ":")))
        await done


def read_from(services: Services, seq: int | None = None) -> Reader:
    """Return a reader of the journal from a place on; imported when somebody listens, for it brings the store along."""
    from headrace.server.changes import Reader

    return Reader(services, seq)


def _position(services: Services) -> tuple[int, str]:
    return services.store.journal.last_seq(), services.store.instance
