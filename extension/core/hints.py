"""Hints of error messages: the known name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable


def closest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that looks most like `name`, or None if none is near.

    Parameters
    ----------
    name : str
        The name that was not found.
    known : iterable of str
        The names there are.

    Returns
    -------
    str or None
        The nearest name; upper and lower case and `-` for `_` do not count as differences.
    """
    from difflib import get_close_matches  # only errors need it

    by_fold = {_fold(candidate): candidate for candidate in known}
    found = get_close_matches(_fold(name), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return `did you mean '…'?` where a known name is near, else `otherwise`."""
    near = closest(name, known)
    return otherwise if near is None else f"did you mean {near!r}?"


def _fold(name: str) -> str:
    return name.casefold().replace("-", "_")
