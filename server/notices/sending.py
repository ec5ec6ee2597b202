"""How a notice is sent: a JSON POST to a webhook, or a mail by SMTP.

A webhook's address comes from a person and is called by the server's machine:
what lies in the machine's own network is refused unless `notify_private` allows
it, redirects are not followed, and the address that was checked is the one that
is connected to. No address with a key in it reaches a log or an error.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

from headrace.core import settings
from headrace.core.errors import HeadraceError
from headrace.core.notices import Notice, is_mail, shown

#: Another side answers within so long, seconds.
ANSWER_SECONDS = 10.0
_WORDS = {"failed": "failed", "recovered": "works again", "late": "is late"}


class NotSent(HeadraceError):
    """A notice could not be sent.

    Parameters
    ----------
    message : str
    forever : bool, default False
        Trying again will not help.
    """

    code = "notice_not_sent"

    def __init__(self, message: str, *, forever: bool = False) -> None:
        super().__init__(message)
        self.forever = forever


def subject(event: str, facts: Mapping[str, Any]) -> str:
    """Return a notice in a line."""
    return f"{facts['deployment']['name']} {_WORDS.get(event, event)}"


def body(event: str, facts: Mapping[str, Any]) -> str:
    """Return a notice as text for people."""
    run = facts["run"]
    lines = [subject(event, facts) + ".", ""]
    for label, value in (
        ("Run", run.get("name")),
        ("State", run.get("state_name")),
        ("Due", run.get("scheduled_at")),
        ("Started", run.get("started_at")),
        ("Ended", run.get("ended_at")),
        ("Notebook", run.get("notebook_path")),
        ("Error", run.get("error")),
    ):
        if value:
            lines.append(f"{label}: {value}")
    link = link_to(run.get("id"))
    return "\n".join([*lines, *(["", link] if link else [])]) + "\n"


def link_to(run_id: Any) -> str:
    """Return the address of a run's page, "" where `public_url` does not say where the server is."""
    base = settings.text("PUBLIC_URL").rstrip("/")
    return f"{base}/headrace/#/runs/{run_id}" if base and run_id else ""


def mail_is_set_up() -> bool:
    """Return whether there is a server to send mail by."""
    return bool(settings.text("SMTP_URL"))


def send(notice: Notice) -> None:
    """Send a notice.

    Raises
    ------
    NotSent
    """
    if is_mail(notice.address):
        _mail(notice)
    else:
        _post(notice)


def _addresses(host: str, port: int) -> list[tuple[str, int]]:
    """Return the numeric addresses of a host that may be connected to.

    Raises
    ------
    NotSent
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotSent(f"The name {host} is not known.") from None
    numbers = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not settings.flag("NOTIFY_PRIVATE"):
        for number in numbers:
            address = ipaddress.ip_address(number.partition("%")[0])
            mapped = getattr(address, "ipv4_mapped", None) or address
            if not mapped.is_global or mapped.is_multicast:
                raise NotSent(
                    f"{host} lies in a private network; set notify_private = true in headrace.toml to allow that.",
                    forever=True,
                )
    return [(number, port) for number in numbers]


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was checked, whatever the name leads to by now."""

    def __init__(self, host: str, port: int, numbers: list[tuple[str, int]], secure: bool) -> None:
        super().__init__(host, port, timeout=ANSWER_SECONDS)
        self._numbers = numbers
        self._secure = secure

    def connect(self) -> None:
        fault: OSError | None = None
        for number in self._numbers:
            try:
                self.sock = socket.create_connection(number, ANSWER_SECONDS)
                break
            except OSError as error:
                fault = error
        else:
            raise fault or OSError("no address")
        if self._secure:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _post(notice: Notice) -> None:
    parts = urlsplit(notice.address)
    secure = parts.scheme == "https"
    host = parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    said = {
        "event": notice.event,
        # What chat services show (Slack, Mattermost, Rocket.Chat read this very field).
        "text": body(notice.event, notice.details),
        "link": link_to(notice.run_id) or None,
        **notice.details,
    }
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "headrace",
        "Idempotency-Key": notice.id,
        "Host": parts.netloc.rpartition("@")[2],
    }
    connection = _Pinned(host, port, _addresses(host, port), secure)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body=json.dumps(said).encode(), headers=headers)
        answer = connection.getresponse()
        status = answer.status
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(f"{shown(notice.address)} does not answer ({type(error).__name__}).") from None
    finally:
        connection.close()
    if not 200 <= status < 300:
        # 4xx but for "later" and "too many": the other side will not change its mind.
        forever = 400 <= status < 500 and status not in (408, 425, 429)
        raise NotSent(f"{shown(notice.address)} answered {status}.", forever=forever)


def _mail(notice: Notice) -> None:
    url = settings.text("SMTP_URL")
    if not url:
        raise NotSent("There is no mail server: set smtp_url in headrace.toml.", forever=True)
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    message = EmailMessage()
    # A header has one line: a deployment's name may hold whatever separates lines.
    title = "".join(ch if ch.isprintable() else " " for ch in subject(notice.event, notice.details))
    message["Subject"] = f"[Headrace] {title}"[:200]
    message["From"] = settings.text("SMTP_FROM") or (
        unquote(parts.username or "") or f"headrace@{socket.gethostname()}"
    )
    message["To"] = notice.address
    message["Message-ID"] = f"<{notice.id.replace(':', '.')}@headrace>"
    message.set_content(body(notice.event, notice.details))
    try:
        if parts.scheme == "smtps":
            context = ssl.create_default_context()
            client: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=ANSWER_SECONDS, context=context)
        else:
            client = smtplib.SMTP(host, parts.port or 25, timeout=ANSWER_SECONDS)
        with client:
            client.ehlo()
            # A password is never sent in the clear.
            if parts.scheme == "smtp+tls" or (parts.scheme == "smtp" and parts.username):
                client.starttls(context=ssl.create_default_context())
            if parts.username:
                client.login(unquote(parts.username), unquote(parts.password or ""))
            client.send_message(message)
    except smtplib.SMTPRecipientsRefused:
        raise NotSent(f"The mail server {host} refuses {notice.address}.", forever=True) from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"The mail server {host} did not take it ({type(error).__name__}).") from None
