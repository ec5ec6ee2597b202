"""Which names a parameter may have, and the nearest one where it may not."""

from __future__ import annotations

import keyword
import re
import unicodedata

from headrace.core.errors import InvalidParameter

MAX_NAME_LENGTH = 64
"""Longest name in characters (reliability.md, S-20)."""


def name_fault(name: object) -> str | None:
    """Say why a name cannot be a parameter's.

    Parameters
    ----------
    name : object
        What was given as a name.

    Returns
    -------
    str or None
        The reason with the nearest usable name, or None if the name is usable.
    """
    if not isinstance(name, str):
        return f"a name is text, not {type(name).__name__}"
    if len(name) > MAX_NAME_LENGTH:
        return f"a name has at most {MAX_NAME_LENGTH} characters, this one {len(name)}"
    if not name.isidentifier():
        return f"not a name that code can use (letters, digits and _ only){_instead(name)}"
    if keyword.iskeyword(name):
        return f"a word of the Python language{_instead(name)}"
    if name.startswith("__"):
        return f"names with two leading underscores belong to Python{_instead(name)}"
    if not name.strip("_"):
        return "a name of underscores only belongs to IPython's history; use a word"
    if unicodedata.normalize("NFKC", name) != name:
        # Python folds identifiers to NFKC: the value would arrive under another name than the one given.
        return f"Python reads this name as another one{_instead(name)}"
    return None


def validate_name(name: object) -> str:
    """Return a parameter's name, or refuse it.

    Parameters
    ----------
    name : object
        The name: an identifier, not a keyword, without two leading underscores, at most 64 characters.

    Returns
    -------
    str
        The name.

    Raises
    ------
    InvalidParameter
        If it cannot be used; the message proposes the nearest name that can.
    """
    fault = name_fault(name)
    if fault is not None:
        raise InvalidParameter(f"parameter {_shown(name)}: {fault}", field=str(name))
    return str(name)


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 80 else text[:77] + "…'"


def _instead(name: str) -> str:
    """Propose the nearest usable name, or nothing."""
    near = re.sub(r"\W+", "_", unicodedata.normalize("NFKC", name)).strip("_")
    if not near:
        return ""
    if near[0].isdigit():
        near = f"p_{near}"
    if keyword.iskeyword(near):
        near = f"{near}_"
    return f"; use {near!r}" if near.isidentifier() and near != name and len(near) <= MAX_NAME_LENGTH else ""
