"""Every route asks who you are and what you may do (reliability.md, S-01 to S-03)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.auth.authorizer import Authorizer
from jupyter_server.serverapp import ServerApp
from tornado.httpclient import HTTPResponse
from tornado.web import Application

from headrace.server.handlers.base import RouteHandler
from headrace.server.routes import Route, all_routes

ANY_ID = "01890000-0000-7000-8000-000000000000"


def filled(route: Route) -> str:
    """Return a route's address with some id in it."""
    path = route.path
    for name in ("run_id", "deployment_id", "schedule_id"):
        path = path.replace("{" + name + "}", ANY_ID)
    return path.replace("{name}", "some")


Ask = Callable[..., Awaitable[HTTPResponse]]


@pytest.fixture
def ask(http_server_client: Any, jp_base_url: str) -> Ask:
    """Send a request without pytest-jupyter's own credentials."""

    async def send(method: str, path: str, headers: dict[str, str]) -> HTTPResponse:
        body = b"{}" if method in ("POST", "PUT", "PATCH") else None
        headers = {"Content-Type": "application/json", **headers}
        found: HTTPResponse = await http_server_client.fetch(
            f"{jp_base_url}headrace{path}",
            method=method,
            body=body,
            headers=headers,
            follow_redirects=False,
            raise_error=False,
        )
        return found

    return send


class Nobody(Authorizer):
    """Allows nothing."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "headrace"


class ReadOnly(Authorizer):
    """Allows to read Headrace."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        return resource != "headrace" or action == "read"


async def test_every_route_refuses_whom_it_does_not_know(ask: Ask) -> None:
    for route in all_routes():
        assert (await ask(route.method, "/api" + filled(route), {})).code == 403, route.path
        assert (await ask(route.method, "/api" + filled(route), {"Authorization": "token wrong"})).code == 403, (
            route.path
        )


async def log_in(client: Any, server: ServerApp) -> tuple[str, str]:
    """Return the cookies that a browser has after its login, and its XSRF token."""
    jar: dict[str, str] = {}
    for place in (f"headrace?token={server.identity_provider.token}", "headrace"):
        answer = await client.fetch(
            f"{server.base_url}{place}",
            headers={"Cookie": "; ".join(f"{name}={value}" for name, value in jar.items())},
            follow_redirects=False,
            raise_error=False,
        )
        for line in answer.headers.get_list("Set-Cookie"):
            name, _, rest = line.partition("=")
            jar[name] = rest.partition(";")[0]
    return "; ".join(f"{name}={value}" for name, value in jar.items()), jar["_xsrf"]


async def test_a_logged_in_browser_needs_the_xsrf_token_where_it_changes_something(
    ask: Ask, http_server_client: Any, jp_serverapp: ServerApp
) -> None:
    cookies, xsrf = await log_in(http_server_client, jp_serverapp)
    cookie = {"Cookie": cookies}
    for route in all_routes():
        # A GET by a cookie alone may come from any page's <img>: it is answered by Jupyter's rule about referers.
        if route.method != "GET":
            assert (await ask(route.method, "/api" + filled(route), cookie)).code == 403, route.path
        if route.path == "/workers" and route.method == "POST":
            continue  # it starts one
        with_token = {**cookie, "X-XSRFToken": xsrf}
        status = (await ask(route.method, "/api" + filled(route), with_token)).code
        assert status not in (401, 403), (route.method, route.path)
        assert status < 500, (route.method, route.path)


async def test_a_foreign_page_or_name_gets_nothing_even_with_the_browsers_cookies(
    ask: Ask, http_server_client: Any, jp_serverapp: ServerApp
) -> None:
    cookies, xsrf = await log_in(http_server_client, jp_serverapp)
    ours = {"Cookie": cookies, "X-XSRFToken": xsrf}
    for route in all_routes():
        address = "/api" + filled(route)
        assert (await ask(route.method, address, {**ours, "Origin": "http://evil.example"})).code == 404, route.path
        assert (await ask(route.method, address, {**ours, "Host": "evil.example"})).code == 403, route.path


async def test_the_page_and_the_stream_ask_the_authorizer_too(
    ask: Ask, jp_serverapp: ServerApp, jp_auth_header: dict[str, str], jp_ws_fetch: Any
) -> None:
    from tornado.httpclient import HTTPClientError

    jp_serverapp.web_app.settings["authorizer"] = Nobody(parent=jp_serverapp)
    assert (await ask("GET", "", jp_auth_header)).code == 403
    with pytest.raises(HTTPClientError) as caught:
        await jp_ws_fetch("headrace", "api", "stream")
    assert caught.value.code == 403


@pytest.mark.parametrize("credentials", ["", "token wrong"])
async def test_the_stream_refuses_whom_it_does_not_know(
    jp_serverapp: ServerApp, jp_ws_fetch: Any, credentials: str
) -> None:
    from tornado.httpclient import HTTPClientError

    with pytest.raises(HTTPClientError) as caught:
        await jp_ws_fetch("headrace", "api", "stream", headers={"Authorization": credentials})
    assert caught.value.code == 403


async def test_no_suffix_of_an_address_is_exempt(ask: Ask, jp_serverapp: ServerApp) -> None:
    for address in ("/api/health", "/api/runs/health", "/api/ready", "/api/runs/x/logs/download", "/api/openapi.json"):
        assert (await ask("GET", address, {})).code in (403, 404), address
    assert (await ask("GET", "/api/health", {})).code == 403
    assert (await ask("HEAD", "/api/runs", {})).code in (403, 405)


async def test_every_route_asks_the_authorizer(
    ask: Ask, jp_serverapp: ServerApp, jp_auth_header: dict[str, str]
) -> None:
    jp_serverapp.web_app.settings["authorizer"] = Nobody(parent=jp_serverapp)
    for route in all_routes():
        assert (await ask(route.method, "/api" + filled(route), jp_auth_header)).code == 403, route.path


async def test_who_may_only_read_changes_and_starts_nothing(
    ask: Ask, jp_serverapp: ServerApp, jp_auth_header: dict[str, str]
) -> None:
    jp_serverapp.web_app.settings["authorizer"] = ReadOnly(parent=jp_serverapp)
    for route in all_routes():
        status = (await ask(route.method, "/api" + filled(route), jp_auth_header)).code
        assert (status == 403) == (route.action != "read"), route.path
        assert status < 500


def test_what_makes_code_run_needs_execute() -> None:
    starts = ("/runs", "/rerun", "/resume", "/run", "/unpause", "/backfill", "/bulk", "/schedules", "/deployments")
    for route in all_routes():
        if route.method == "POST" and route.path.endswith(starts):
            assert route.action == "execute", route.path
        if route.method == "GET":
            assert route.action == "read", route.path


def test_no_address_is_served_past_the_table(jp_serverapp: ServerApp) -> None:
    """Whatever the router knows below /headrace/api is the one handler with its checks, or the stream."""
    from headrace.server.handlers.page import PageHandler
    from headrace.server.stream import StreamHandler

    found = [rule.target for rule in rules_of(jp_serverapp.web_app) if "headrace" in rule.matcher.regex.pattern]
    ours = [target for target in found if target.__module__.startswith("headrace")]
    assert {RouteHandler, StreamHandler, PageHandler} == set(ours)
    others = [target.__name__ for target in found if target not in ours]
    assert set(others) <= {"FileFindHandler", "StaticFileHandler", "RedirectHandler", "PathStaticFileHandler"}, others


def rules_of(app: Application) -> list[Any]:
    """Return every rule of the router."""
    found = []
    for outer in app.default_router.rules:
        found += list(getattr(outer.target, "rules", []))
    return found


async def test_a_foreign_page_is_refused(jp_serverapp: ServerApp, jp_ws_fetch: Any) -> None:
    from tornado.httpclient import HTTPClientError

    with pytest.raises(HTTPClientError) as caught:
        await jp_ws_fetch("headrace", "api", "stream", headers={"Origin": "http://evil.example", "Authorization": ""})
    assert caught.value.code == 403


async def test_the_page_sends_strangers_to_the_login(ask: Ask, jp_serverapp: ServerApp) -> None:
    answer = await ask("GET", "", {})
    assert answer.code == 302
    assert "/login" in answer.headers["Location"]


async def test_the_page_is_served_without_a_token_in_it(jp_fetch: Any, jp_serverapp: ServerApp) -> None:
    answer = await jp_fetch("headrace")
    page = answer.body.decode()
    assert answer.code == 200
    assert jp_serverapp.identity_provider.token not in page
    config = page.split('type="application/json">')[1].split("</script>")[0]
    assert json.loads(config)["baseUrl"] == jp_serverapp.base_url
