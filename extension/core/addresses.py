"""Addresses of databases and clusters: which lie on this machine, and which are reached without proof of who answers."""

from __future__ import annotations

import os
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from headrace.core import settings
from headrace.core.errors import StoreUnavailable, UsageError

#: What to do about a database that is not asked who it is.
TLS_REMEDY = "add ?sslmode=verify-full to the database URL"
#: Schemes of Dask's communication that are encrypted, or leave no process.
_SAFE_SCHEMES = frozenset({"tls", "wss", "inproc"})


def is_this_machine(host: str) -> bool:
    """Return whether a host is the loopback interface, or a folder of Unix sockets."""
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def database_is_verified(url: str) -> bool:
    """Return whether a database is on this machine, or its server is asked for its certificate (libpq's verify-full)."""
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgres"):
        return True
    query = parse_qs(parts.query)
    hosts = query.get("host") or [parts.hostname or os.environ.get("PGHOST", "")]
    if all(is_this_machine(host) for entry in hosts for host in entry.split(",")):
        return True
    return query.get("sslmode", [os.environ.get("PGSSLMODE", "")])[0] == "verify-full"


def check_database(url: str) -> None:
    """Refuse a database whose server is not asked who it is, where `HEADRACE_REQUIRE_TLS` (`require_tls`) says so.

    Raises
    ------
    StoreUnavailable
    """
    if settings.flag("REQUIRE_TLS") and not database_is_verified(url):
        raise StoreUnavailable(
            f"{settings.masked_url(url)} is on another machine and is not asked who it is, which require_tls asks for: {TLS_REMEDY}."
        )


def check_cluster(address: str | None, *, allow_insecure: bool = False, is_encrypted: bool = False) -> None:
    """Refuse a cluster on another machine that is reached in the clear: who listens or answers there runs code as you.

    Parameters
    ----------
    address : str or None
        E.g. "tcp://10.0.0.5:8786", "tls://10.0.0.5:8786", "ray://10.0.0.5:10001", "auto"; None is a cluster of our own.
    allow_insecure : bool, default False
        The network is trusted (`HEADRACE_ALLOW_INSECURE`, `allow_insecure` in headrace.toml, say so for all).
    is_encrypted : bool, default False
        It is, whatever the address says.

    Raises
    ------
    UsageError
    """
    if not address or allow_insecure or is_encrypted or settings.flag("ALLOW_INSECURE"):
        return
    scheme, _, rest = address.rpartition("://")
    host = urlsplit(f"//{rest}").hostname or ""
    if scheme in _SAFE_SCHEMES or is_this_machine(host) or (not scheme and ":" not in rest):
        return
    raise UsageError(
        f"The cluster at {address} is reached without encryption: whoever is on that network can run code as you. "
        "Give it TLS (tls://…), or say allow_insecure where the network is trusted.",
        field="address",
    )
