"""Routes as data: method, pattern, action, what is read and what is answered, and the function that does it.

One table gives the handlers, the authorisation, the OpenAPI document and the
tests that walk every route.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.server.forms import Form

if TYPE_CHECKING:
    from headrace.server.services import Services

READ, WRITE, EXECUTE = "read", "write", "execute"
#: Largest body of a request, bytes (reliability.md, S-05).
MAX_BODY = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that was authenticated, authorised and checked.

    Parameters
    ----------
    services : Services
    ids : mapping of str to str
        The parts of the address.
    query, body : mapping
        What the route's forms made of them.
    key : str or None
        The request's idempotency key: runs that it makes carry it, so that even an answer that was lost on the way
        back makes no second run.
    """

    services: Services
    ids: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """An answer that is sent as a file, a piece at a time.

    Parameters
    ----------
    file_name : str
    media_type : str
    pieces : iterator of str
    """

    file_name: str
    media_type: str
    pieces: Iterator[str]


#: A handler's answer: JSON values, nothing (204), or a download.
Answer = Mapping[str, Any] | Download | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one address.

    Parameters
    ----------
    method, path : str
        The path below /headrace/api; `{name}` stands for an id.
    action : str
        "read", "write" or "execute".
    call : callable
        Runs in a thread of its own.
    summary : str
    status : int, default 200
    query, body : Form or None
    max_body : int, bytes
    """

    method: str
    path: str
    action: str
    call: Callable[[Request], Answer]
    summary: str
    status: int = 200
    query: Form | None = None
    body: Form | None = None
    max_body: int = MAX_BODY


class Routes:
    """Collects the routes of one file of handlers."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def add(
        self,
        method: str,
        path: str,
        action: str,
        *,
        status: int = 200,
        query: Form | None = None,
        body: Form | None = None,
        max_body: int = MAX_BODY,
    ) -> Callable[[Callable[[Request], Answer]], Callable[[Request], Answer]]:
        """Make the decorated function answer a method of an address; its docstring's first line is the summary."""

        def decorate(call: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
            summary = (call.__doc__ or "").strip().splitlines()[0].rstrip(".")
            self.all.append(
                Route(
                    method=method,
                    path=path,
                    action=action,
                    call=call,
                    summary=summary,
                    status=status,
                    query=query,
                    body=body,
                    max_body=max_body,
                )
            )
            return call

        return decorate


def all_routes() -> list[Route]:
    """Return every route of the API, in the order of the documentation."""
    from headrace.server.handlers import deployments, notebooks, run_parts, runs, schedules, system

    modules = (system, runs, run_parts, notebooks, deployments, schedules)
    return [route for module in modules for route in module.routes.all]
