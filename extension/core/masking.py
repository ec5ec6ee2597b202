"""Take secrets out of what leaves the store to be shown to others: values by their name, and text by its look.

Secret parameters are never stored (DESIGN.md, "Parameters"); this catches what people put in plain ones, in code
and in what their code prints. It is a net, no proof: a secret that looks like any other word goes through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "•••"
_NAMED = re.compile(
    r"pass(word|wd|phrase|code)|(?<![a-z])pass(?![a-z])|secret|token|credential|private_?key|api_?key|access_?key|auth(?!or)|cookie|\bpwd\b",
    re.IGNORECASE,
)
_WORDS = r"(?:password|passwd|secret|token|api_?key|access_?key|private_?key)"
_NAME = rf"\b[\w-]*{_WORDS}\w*[\"']?"
_VALUE = r"""(?:"[^"\n]+"|'[^'\n]+'|[^\s,;)"'\]}]+(?![^\s,;)"'\]}]))"""
_LOOKS = (
    # URL credentials (RFC 3986, 3.2.1): the user stays.
    (re.compile(r"(?P<a>[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE), r"\g<a>" + MASK),
    (re.compile(r"(?P<a>\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE), r"\g<a>" + MASK),
    # name = value, name: type = value
    (re.compile(rf"(?P<a>{_NAME}\s*(?::\s*[\w.\[\], |]+)?=\s*){_VALUE}", re.IGNORECASE), r"\g<a>" + MASK),
    # name: value, "name": "value"
    (re.compile(rf"(?P<a>{_NAME}\s*:\s*){_VALUE}(?!\s*=)", re.IGNORECASE), r"\g<a>" + MASK),
    # What well-known services' keys look like, JSON web tokens and private keys.
    (
        re.compile(
            r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|sk-[\w-]{16,}|xox[abprs]-[\w-]{10,}|AKIA[0-9A-Z]{16}|AIza[\w-]{30,}"
            r"|glpat-[\w-]{16,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{4,})"
        ),
        MASK,
    ),
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL), MASK),
)

_GIVEN = re.compile(
    rf"{_NAME}\s*(?::\s*[\w.\[\], |]+)?=\s*(?P<quote>[\"'])(?P<value>[^\"'\n]+)(?P=quote)", re.IGNORECASE
)


class Masking:
    """Masks text, and remembers the values of secret parameters to find them in all text.

    Parameters
    ----------
    parameters : mapping or None
        Where the value of a parameter whose name says "secret" is taken from.
    sources : iterable of str
        Code, where the text that a name like `db_password` is given is a secret, too.
    """

    def __init__(self, parameters: Mapping[str, Any] | None = None, sources: Iterable[str] = ()) -> None:
        self._values: set[str] = set()
        self._learn(parameters or {}, False)
        for source in sources:
            self._values.update(found["value"] for found in _GIVEN.finditer(source) if len(found["value"]) >= 4)
        known = sorted(self._values, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def _learn(self, value: Any, secret: bool) -> None:
        if isinstance(value, Mapping):
            for name, each in value.items():
                self._learn(each, secret or is_secret_name(str(name)))
        elif isinstance(value, list | tuple):
            for each in value:
                self._learn(each, secret)
        elif secret and isinstance(value, str) and len(value) >= 4:
            self._values.add(value)

    def text(self, text: str) -> str:
        """Return text with what looks like a secret masked."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, by in _LOOKS:
            text = pattern.sub(by, text)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """Return a JSON value with its secrets masked, by the name of each entry and by the look of text."""
        if name and is_secret_name(name) and value not in (None, "", [], {}):
            return MASK
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {key: self.value(each, str(key)) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each) for each in value]
        return value


def is_secret_name(name: str) -> bool:
    """Return whether a name says that its value is secret."""
    return bool(_NAMED.search(name))
