"""The one Tornado handler behind every route: authenticate, authorise, read strictly, call in a thread, answer.

This is the only place that turns errors into responses.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import logging
from collections.abc import Awaitable, Mapping
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web
from tornado.iostream import StreamClosedError

from headrace.core.errors import HeadraceError, StoreError, one_line
from headrace.core.ids import is_id, new_id
from headrace.server.forms import Form, FormError
from headrace.server.quotas import TooMany
from headrace.server.routes import Download, Request, Route
from headrace.server.services import Services

#: What a client is told to wait when the store cannot be used (F-14), seconds.
RETRY_AFTER_SECONDS = 5
RESOURCE = "headrace"
log = logging.getLogger("headrace.server")


class Refusal(Exception):
    """A request that is refused before any manager sees it."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


def read_json(body: bytes) -> Any:
    """Return a JSON body's value; what JSON does not have is refused.

    Raises
    ------
    Refusal
        400: not UTF-8, not JSON, NaN or infinity, a name given twice, nested beyond reason.
    """

    def no_constant(name: str) -> Any:
        raise Refusal(400, "malformed", f"{name} is not JSON.")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Refusal(400, "malformed", "A name is given twice in one object.")
        return found

    try:
        return json.loads(body.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=once)
    except UnicodeDecodeError:
        raise Refusal(400, "malformed", "The body is not UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "malformed", f"The body is not JSON: {one_line(error)[:200]}.") from None


def error_body(error: HeadraceError) -> dict[str, Any]:
    """Return the body of an error's response."""
    if isinstance(error, FormError):
        return {"message": error.message, "reason": error.code, "errors": error.errors}
    message = error.message or one_line(error)
    found: dict[str, Any] = {"message": message, "reason": error.code}
    if error.field is not None:
        found["errors"] = [{"field": error.field, "code": error.code, "message": message}]
    return found


@web.stream_request_body
class RouteHandler(ExtensionHandlerMixin, APIHandler):
    """Answers every method of one address.

    The body is collected here rather than by Tornado, which would read 512 MiB before a handler sees the first byte.
    """

    auth_resource = RESOURCE

    def initialize(self, name: str, services: Services, routes: Mapping[str, Route]) -> None:
        """Take what the address was registered with."""
        super().initialize(name)
        self._services = services
        self._routes = routes
        self._chunks: list[bytes] = []
        self._size = 0

    @property
    def _limit(self) -> int:
        return max(route.max_body for route in self._routes.values())

    async def prepare(self, **kwargs: Any) -> None:
        """Check what Jupyter checks of every request, then the announced size."""
        done = super().prepare(**kwargs)
        if inspect.isawaitable(done):
            await done
        if int(self.request.headers.get("Content-Length") or 0) > self._limit:
            self._refuse(Refusal(413, "too_large", f"The body may have at most {self._limit} bytes."))

    def data_received(self, chunk: bytes) -> None:
        """Collect a piece of the body, as long as it is not too large."""
        self._size += len(chunk)
        if self._size <= self._limit:
            self._chunks.append(chunk)

    @web.authenticated
    async def get(self, **ids: str) -> None:
        """Answer a GET."""
        await self._serve(ids)

    @web.authenticated
    async def post(self, **ids: str) -> None:
        """Answer a POST."""
        await self._serve(ids)

    @web.authenticated
    async def put(self, **ids: str) -> None:
        """Answer a PUT."""
        await self._serve(ids)

    @web.authenticated
    async def patch(self, **ids: str) -> None:
        """Answer a PATCH."""
        await self._serve(ids)

    @web.authenticated
    async def delete(self, **ids: str) -> None:
        """Answer a DELETE."""
        await self._serve(ids)

    async def _is_allowed(self, action: str) -> bool:
        allowed: bool | Awaitable[bool] = self.authorizer.is_authorized(self, self.current_user, action, RESOURCE)
        return bool(await allowed if inspect.isawaitable(allowed) else allowed)

    async def _serve(self, ids: Mapping[str, str]) -> None:
        route = self._routes.get(self.request.method or "")
        if route is None:
            self.set_header("Allow", ", ".join(sorted(self._routes)))
            self._refuse(Refusal(405, "method", f"This address answers {', '.join(sorted(self._routes))} only."))
            return
        if not await self._is_allowed(route.action):
            self._refuse(Refusal(403, "forbidden", f"You are not allowed to {route.action} here."))
            return
        try:
            await self._answer(route, ids)
        except Refusal as refusal:
            self._refuse(refusal)
        except HeadraceError as error:
            if isinstance(error, StoreError):
                self.set_header("Retry-After", str(RETRY_AFTER_SECONDS))
            elif isinstance(error, TooMany):
                self.set_header("Retry-After", str(error.retry_after_seconds))
            self._send(error.http_status, error_body(error))
        except Exception:
            mark = new_id()
            log.exception("fault %s while answering %s %s", mark, self.request.method, self.request.path)
            message = f"Headrace has a fault here; the server's log has the details under {mark}."
            self._send(500, {"message": message, "reason": "internal"})

    async def _answer(self, route: Route, ids: Mapping[str, str]) -> None:
        if any(name.endswith("_id") and not is_id(value) for name, value in ids.items()):
            raise Refusal(404, "not_found", "There is nothing with this id.")
        query = (route.query or Form()).read_query(self._query())
        body = self._read_body(route)
        key = self.request.headers.get("Idempotency-Key") if route.method == "POST" else None
        request = Request(services=self._services, ids=ids, query=query, body=body, key=key)
        if key is not None:
            await self._answer_once(route, request, key)
            return
        answer = await self._services.call(route.call, request)
        if isinstance(answer, Download):
            await self._download(answer)
        elif answer is None:
            self.set_status(204)
            self.finish()
        else:
            self._send(route.status, answer)

    async def _answer_once(self, route: Route, request: Request, key: str) -> None:
        """Answer a request with an idempotency key: the same again gets the first answer, with 200."""
        if not 1 <= len(key) <= 200 or not key.isprintable():
            raise FormError(
                [
                    {
                        "field": "Idempotency-Key",
                        "code": "invalid_value",
                        "message": "Write a key of 1 to 200 characters.",
                    }
                ]
            )
        parts = [self.request.method or "", self.request.path, b"".join(self._chunks).decode("utf-8", "replace")]
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
        services = self._services
        kept = await services.call(services.begin_request, key, digest)
        if kept is not None:
            self._send(200, json.loads(kept))
            return
        try:
            answer = await services.call(route.call, request)
        except BaseException:
            await services.call(services.forget_request, key)
            raise
        assert isinstance(answer, Mapping)
        text = json.dumps(answer)
        await services.call(services.finish_request, key, route.status, text)
        self._send(route.status, answer)

    def _query(self) -> dict[str, list[bytes]]:
        """Return the query without what Jupyter reads itself and the bare number that JupyterLab appends to pass caches."""
        return {
            name: values
            for name, values in self.request.query_arguments.items()
            if name not in ("token", "_xsrf", "no_track_activity") and not (name.isdigit() and values == [b""])
        }

    def _read_body(self, route: Route) -> dict[str, Any]:
        if self._size > route.max_body:
            raise Refusal(413, "too_large", f"The body may have at most {route.max_body} bytes.")
        body = b"".join(self._chunks)
        if route.body is None or (not body and not route.body.fields):
            if body.strip() not in (b"", b"{}"):
                raise Refusal(400, "malformed", "This request takes no body.")
            return {}
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if body and kind != "application/json":
            raise Refusal(415, "media_type", "Send the body as application/json.")
        return route.body.read(read_json(body) if body else {})

    def _refuse(self, refusal: Refusal) -> None:
        self._send(refusal.status, {"message": refusal.message, "reason": refusal.reason})

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        # A notebook's JSON may hold half a character, which UTF-8 cannot.
        self.finish(text.encode("utf-8", "replace"))

    async def _download(self, download: Download) -> None:
        """Send a file a piece at a time; a browser saves it and never shows it (S-13)."""
        name = "".join(ch if ch.isalnum() or ch in "-_." else "_" for ch in download.file_name)
        self.set_header("Content-Type", download.media_type)
        self.set_header("Content-Disposition", f'attachment; filename="{name}"')
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Content-Security-Policy", "sandbox; default-src 'none'")
        try:
            while (piece := await self._services.call(next, download.pieces, None)) is not None:
                self.write(piece)
                await self.flush()
            self.finish()
        except StreamClosedError:
            return  # nobody is there any more
        except HeadraceError as error:
            if not self._headers_written:
                raise
            # Cut off, so that half a file is not taken for a whole one.
            log.warning("a download ends early: %s", one_line(error))
            self.detach().close()
