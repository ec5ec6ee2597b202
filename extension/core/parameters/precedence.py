"""Which of several values of one parameter counts: papermill's order (notebooks.md, 2.7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headrace.core.errors import InvalidParameter
from headrace.core.parameters.conversion import CLI, JSON

Layers = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Values from all options.

    Parameters
    ----------
    values : dict of str to object
        One value for each name.
    sources : dict of str to str
        "cli" for values whose text is to be typed (`-p`), else "json"; `coerce` and `prepare` take it as `source`.
    options : dict of str to str
        The option that gave each value, for messages.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


def merge_parameters(
    *,
    paths: Mapping[str, Any] | None = None,
    base64: Layers = (),
    files: Layers = (),
    yaml: Layers = (),
    typed: Mapping[str, str] | Iterable[tuple[str, str]] = (),
    raw: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> Merged:
    """Merge the values of all options; a later kind wins, and within a kind the later one.

    Parameters
    ----------
    paths : mapping or None, default None
        `--inject-input-path`, `--inject-output-path`, `--inject-paths`.
    base64, files, yaml : iterable of mapping, default ()
        The mappings of `-b`, `-f` and `-y`, already loaded.
    typed : mapping or iterable of (str, str), default ()
        The pairs of `-p`.
    raw : mapping or iterable of (str, str), default ()
        The pairs of `-r`: their values are text.

    Returns
    -------
    Merged
        paths < base64 < files < yaml < typed < raw.

    Raises
    ------
    InvalidParameter
        If what an option holds is not a mapping.
    """
    merged = Merged()
    layers: list[tuple[str, str, Any]] = [("--inject-paths", JSON, paths or {})]
    for option, given in (("-b", base64), ("-f", files), ("-y", yaml)):
        layers += [(option, JSON, layer) for layer in given]
    layers += [("-p", CLI, _pairs(typed)), ("-r", JSON, _pairs(raw))]
    for option, source, layer in layers:
        if not isinstance(layer, Mapping):
            kind = "nothing" if layer is None else f"a {type(layer).__name__}"
            raise InvalidParameter(f"{option} holds {kind}, and has to hold a mapping of names to values", field=option)
        for name, value in layer.items():
            merged.values.pop(name, None)
            merged.values[name] = value
            merged.sources[name] = source
            merged.options[name] = option
    return merged


def _pairs(given: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    return dict(given)
