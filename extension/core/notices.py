"""Who is told when a deployment's runs fail, recover or are late: the rules, and one notice that is to be sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from headrace.core.errors import UsageError

#: What a rule may name.
EVENTS = ("failed", "recovered", "late")
#: Rules of one deployment at most.
MOST_RULES = 20
#: A run that has not begun so long after it was due is late, seconds.
LATE_SECONDS = 60.0
#: Where a deployment keeps its rules (`Deployment.details`).
KEY = "notify"
_MAIL = re.compile(r"[^\s@<>,;:/\"()\[\]\\]+@[^\s@<>,;:/\"()\[\]\\]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One address and what it is told of.

    Parameters
    ----------
    events : tuple of str
        Some of EVENTS.
    to : str
        A mail address, or the http(s) address of a webhook.
    """

    events: tuple[str, ...]
    to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that happened to a run, and the address that is told.

    Parameters
    ----------
    id : str
        The same for the same run, event and address: nobody is told twice.
    deployment_id, run_id, owner : str
    event : str
        One of EVENTS.
    address : str
        See Rule.to.
    created_at : int, µs
    attempts : int
        How often it was tried.
    next_at : int or None, µs
        When it is tried next; None: it was sent, or given up.
    sent_at : int or None, µs
    error : str or None
        Why the last try failed, without any part of the address that could be a secret.
    details : mapping
        The facts as they were then.
    """

    id: str
    deployment_id: str
    run_id: str
    owner: str = ""
    event: str = "failed"
    address: str = ""
    created_at: int = 0
    attempts: int = 0
    next_at: int | None = None
    sent_at: int | None = None
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def is_mail(address: str) -> bool:
    """Return whether an address is one for mail."""
    return _MAIL.fullmatch(address) is not None


def is_hook(address: str) -> bool:
    """Return whether an address can be called as a webhook."""
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        # Each of these raises where a sender would, much later and at every try.
        usable = parts.port != 0 and bool(host.encode("idna"))
    except ValueError:
        return False
    return usable and parts.scheme in ("http", "https") and not re.search(r"[\x00-\x20\x7f\s]", address)


def shown(address: str) -> str:
    """Return an address for logs and errors: of a webhook only its host, for its path is often the key to it."""
    if is_mail(address):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:
        return "?"
    return f"{parts.scheme}://{parts.hostname or '?'}/…"


def check_rules(rules: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rules as they are kept.

    Parameters
    ----------
    rules : iterable of {events: list of str, to: str}

    Raises
    ------
    UsageError
        A rule names no event or something that is no address; `field` is "notify".
    """
    kept: list[dict[str, Any]] = []
    for rule in rules:
        to, events = str(rule.get("to") or "").strip(), list(dict.fromkeys(rule.get("events") or ()))
        unknown = [event for event in events if event not in EVENTS]
        if unknown or not events:
            raise UsageError(f"notify: write some of {', '.join(EVENTS)} as events.", field="notify")
        if not is_mail(to) and not is_hook(to):
            raise UsageError("notify: write a mail address, or an address that begins with https://.", field="notify")
        kept.append({"events": events, "to": to})
    if len(kept) > MOST_RULES:
        raise UsageError(f"notify: write at most {MOST_RULES} rules.", field="notify")
    return kept


def rules_of(details: Mapping[str, Any]) -> tuple[list[Rule], int]:
    """Return a deployment's rules, and since when they hold (µs)."""
    kept = details.get(KEY)
    if not isinstance(kept, Mapping):
        return [], 0
    rules = [Rule(events=tuple(rule["events"]), to=str(rule["to"])) for rule in kept.get("rules") or ()]
    return rules, int(kept.get("since") or 0)
