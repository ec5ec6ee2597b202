"""The kernel client of a run: what it does where nbclient would wait for ever."""

from __future__ import annotations

import asyncio
from queue import Empty
from typing import Any

import pytest

from headrace.server.runner.client import LOOK_AGAIN_SECONDS, _Channel


class Socket:
    """A channel whose wake-up is lost: the message is there at the second look only."""

    def __init__(self) -> None:
        self.waits: list[float | None] = []

    async def get_msg(self, timeout: float | None = None) -> Any:
        self.waits.append(timeout)
        if len(self.waits) < 2:
            raise Empty
        return "reply"


def test_a_wait_without_a_limit_looks_again() -> None:
    socket = Socket()
    assert asyncio.run(_Channel(socket).get_msg()) == "reply"
    assert socket.waits == [LOOK_AGAIN_SECONDS] * 2


def test_a_wait_with_a_limit_ends_with_it() -> None:
    socket = Socket()
    with pytest.raises(Empty):
        asyncio.run(_Channel(socket).get_msg(timeout=0.1))
    assert socket.waits == [0.1]
