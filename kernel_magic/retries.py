"""When a failed attempt is tried again: counts, delays, jitter.

The delays are decided here, in the process that runs the task, so that jitter
works wherever a task runs (prefect.md, section 1.2: it stayed a no-op there
because delays and jitter were decided in two different places).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from headrace.core.errors import InvalidOption

#: Most delays that a list may hold (Prefect's limit, kept so that both refuse the same input).
MAX_DELAYS = 50
#: No wait is longer than this, seconds: a factor to the power of many retries would overflow a timer.
LONGEST_SECONDS = 30 * 86_400.0

Delay = float | int | Sequence[float | int] | Callable[[int], Sequence[float | int]]


def exponential_backoff(backoff_factor: float) -> Callable[[int], list[float]]:
    """Return a value for `retry_delay_seconds` that doubles each time.

    Parameters
    ----------
    backoff_factor : float, seconds
        The first delay; the k-th, counted from 0, is `backoff_factor * 2**k`.

    Returns
    -------
    callable
        Takes the number of retries, returns the delays in seconds.

    Examples
    --------
    >>> exponential_backoff(2)(4)
    [2, 4, 8, 16]
    """

    def delays(retries: int) -> list[float]:
        return [min(backoff_factor * 2**k, LONGEST_SECONDS) for k in range(min(retries, MAX_DELAYS))]

    return delays


def plan(retries: int, delay: Any, *, where: str) -> tuple[float, ...]:
    """Return the delays of a definition, in seconds; the last one stands for all retries after it.

    Parameters
    ----------
    retries : int
    delay : number, sequence of numbers, callable(retries) or None
    where : str
        What has the option, for the error.

    Raises
    ------
    InvalidOption
        It is none of these, negative, or longer than 50 entries.
    """
    if callable(delay):
        try:
            delay = delay(retries)
        except Exception as error:
            raise InvalidOption(
                f"{where}: retry_delay_seconds is a callable, and calling it with retries={retries} failed: {error!r}.",
                field="retry_delay_seconds",
            ) from error
    if delay is None:
        return (0.0,)
    items = [delay] if isinstance(delay, int | float) and not isinstance(delay, bool) else delay
    if isinstance(items, str | bytes) or not isinstance(items, Sequence):
        raise InvalidOption(
            f"{where}: retry_delay_seconds must be seconds, a list of seconds, or a callable that returns such a list; "
            f"it is {delay!r}.",
            field="retry_delay_seconds",
        )
    if len(items) > MAX_DELAYS:
        raise InvalidOption(
            f"{where}: retry_delay_seconds has {len(items)} entries, at most {MAX_DELAYS} are allowed; "
            "the last one repeats, so a shorter list does the same.",
            field="retry_delay_seconds",
        )
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int | float) or not item >= 0:
            raise InvalidOption(
                f"{where}: every entry of retry_delay_seconds must be seconds, 0 or more; one is {item!r}.",
                field="retry_delay_seconds",
            )
    return tuple(min(float(item), LONGEST_SECONDS) for item in items) or (0.0,)


def wait_seconds(delays: Sequence[float], retry: int, jitter: float, draw: Callable[[], float]) -> float:
    """Return how long to wait before a retry.

    Parameters
    ----------
    delays : sequence of float, seconds
        From `plan`.
    retry : int
        Which retry, counted from 0.
    jitter : float
        The delay is stretched by a random factor between 1 and 1 + jitter; 0 for none. Never shortened, so that a
        delay that a remote service asked for is kept.
    draw : callable
        Returns a random number in [0, 1).

    Returns
    -------
    float
        Seconds.
    """
    delay = delays[min(retry, len(delays) - 1)]
    return min(LONGEST_SECONDS, delay * (1.0 + jitter * draw())) if jitter else delay
