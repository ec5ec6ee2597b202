"""`with tags(…)`: tags for every run that begins in a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.core.errors import InvalidOption
from headrace.kernel_magic.engine.live import TAGS


@contextmanager
def tags(*names: str) -> Iterator[tuple[str, ...]]:
    """Give every run that begins in this block these tags, too.

    Parameters
    ----------
    *names : str

    Returns
    -------
    tuple of str
        All tags in force in the block.

    Raises
    ------
    InvalidOption
        A tag is no text.
    """
    for name in names:
        if not isinstance(name, str) or not name:
            raise InvalidOption(f"A tag must be text that is not empty; this is {name!r}.", field="tags")
    merged = tuple(sorted({*TAGS.get(), *names}))
    token = TAGS.set(merged)
    try:
        yield merged
    finally:
        TAGS.reset(token)
