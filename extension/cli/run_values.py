"""The values on `headrace run`'s command line: parameters from six options, times, sizes."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from headrace.core.errors import NotFound, UsageError
from headrace.core.parameters import Merged, merge_parameters


def read_parameters(options: Mapping[str, Any]) -> Merged:
    """Return the parameters of a command line; later kinds win: -b, -f, -y, -p, -r (papermill's order).

    Raises
    ------
    UsageError
        YAML that is none, or no mapping; Base64 that is none.
    """
    base64 = []
    for text in options["parameters_base64"]:
        try:
            base64.append(_yaml(b64decode(text, validate=True), "-b"))
        except binascii.Error as error:
            raise UsageError(f"-b is no Base64: {error}.", field="parameters_base64") from error
    return merge_parameters(
        base64=base64,
        files=[_yaml(_parameters_file(path), f"-f {path}") for path in options["parameters_file"]],
        yaml=[_yaml(text, "-y") for text in options["parameters_yaml"]],
        typed=options["parameters"],
        raw=options["parameters_raw"],
    )


def _parameters_file(path: str) -> bytes:
    from headrace.server.notebook_file import read_bytes

    try:
        return read_bytes(path)
    except NotFound:
        raise NotFound(f"There is no parameter file {path}.", field="parameters_file") from None


def _yaml(data: bytes | str, where: str) -> dict[str, Any]:
    import yaml  # type: ignore[import-untyped]

    class Loader(yaml.SafeLoader):
        """Dates stay text, as in papermill."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        found = yaml.load(data, Loader=Loader)  # noqa: S506  a SafeLoader
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is no YAML: {' '.join(str(error).split())}.", field="parameters") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageError(f"{where} is no mapping of names to values, but {type(found).__name__}.", field="parameters")
    return {str(name): value for name, value in found.items()}


def read_seconds(text: str) -> float:
    """Return a time such as 90, 90s, 30m or 1.5h in seconds."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s")
    try:
        value = float(number) * units[unit]
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise UsageError(f"--keep-kernel is {text!r}; give a time such as 90s, 30m or 2h.", field="keep_kernel")
    return value


def read_size(text: str | None) -> int | None:
    """Return a size such as 500M or 2G in bytes."""
    if text is None:
        return None
    units = {"K": 10, "M": 20, "G": 30, "T": 40}
    letters = text.upper().removesuffix("B").removesuffix("I")
    number, unit = (letters[:-1], letters[-1]) if letters[-1:] in units else (letters, "")
    try:
        value = int(float(number) * (1 << units.get(unit, 0)))
    except ValueError:
        value = 0
    if value <= 0:
        raise UsageError(f"--memory-limit is {text!r}; give a size such as 500M or 2G.", field="memory_limit")
    return value
