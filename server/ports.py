"""Which port a server takes, and which servers with Headrace run."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import Any

from headrace.core.errors import UsageError

#: How long a server is given to answer, seconds.
ANSWER_SECONDS = 3.0


def free_or_refuse(host: str, port: int) -> int:
    """Return the port, or a free one for 0.

    Raises
    ------
    UsageError
        It is in use, or the address is not this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    except socket.gaierror:
        raise UsageError(f"--host {host} is no address of this machine.", field="host") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"Port {port} on {host} cannot be used ({why}); choose another one with --port.") from error


def running_servers() -> list[dict[str, Any]]:
    """Return this person's Jupyter servers that answer for Headrace: `{url, status, version, workers}` each."""
    from jupyter_server.serverapp import list_running_servers

    found = []
    for server in list_running_servers():
        # From files of this login's runtime folder, which Jupyter wrote.
        request = urllib.request.Request(f"{server['url']}headrace/api/health")  # noqa: S310
        if server.get("token"):
            request.add_header("Authorization", f"token {server['token']}")
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                health = json.load(answer)
        except (OSError, ValueError):
            continue
        kept = {name: health.get(name) for name in ("status", "message", "version", "workers")}
        found.append({"url": server["url"], "root": server.get("root_dir"), **kept})
    return found
