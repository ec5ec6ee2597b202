"""What makes a notebook cell a task, and with which options: the magic line, the tag, or the metadata.

::

    %%task clean --retries 3 --retry-delay-seconds 1,2,4 --after load   the magic line
    tags: ["task"]                                                     a cell tag
    metadata.headrace.task: true | "clean" | {"name": "clean", "retries": 3}

All three give the same `CellOptions`. Options are spelled as the decorator's
arguments, with dashes on the line and underscores in metadata.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from headrace.core.errors import InvalidName, InvalidOption
from headrace.core.hints import closest

TASK_TAG = "task"
RUNNERS = ("threads", "processes", "dask", "ray")
_MAGIC = re.compile(r"\s*%%(task|flow)\b(.*)")
_NAME = re.compile(r"[^\W\d][\w.-]*")
_POLICY_WORD = re.compile(r"[A-Za-z_]+|[+-]|\"[^\"]*\"|'[^']*'|\s+|.")
_POLICIES = frozenset({"INPUTS", "TASK_SOURCE", "RUN_ID", "FLOW_PARAMETERS", "DEFAULT", "NO_CACHE", "NONE"})
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class CellOptions:
    """A cell task's options; the defaults mean "as without the option".

    Parameters
    ----------
    name : str, default ""
        The task's name; empty for a cell that was given none.
    retries : int, default 0
        How often a failed attempt is tried again.
    retry_delay_seconds : float or tuple of float, default 0
        Wait before each retry; a shorter tuple repeats its last value.
    retry_jitter_factor : float, default 0
        Spread: each wait is multiplied by a random number from 1 to 1 + factor.
    timeout_seconds : float or None, default None
    cache_policy : str or None, default None
        Policy words joined by `+`, inputs left out by `- "name"`, e.g. `INPUTS + TASK_SOURCE`.
    cache_expiration : float or None, seconds, default None
    refresh_cache : bool, default False
        Run even on a hit and store anew.
    persist_result : bool or None, default None
    tags : tuple of str, default ()
    log_prints : bool, default True
        Keep printed lines as log lines too.
    after : tuple of str, default ()
        Tasks that come first though no name connects them.
    background : bool, default False
        Return at once; later readers of its outputs wait.
    runner : str or None, default None
        "threads", "processes", "dask" or "ray": where it runs.
    mutates, reads : tuple of str, default ()
        Names it changes, and file globs it reads, beyond what its code shows.
    skip_if : str or None, default None
        A Python expression; true means COMPLETED/Skipped.
    description : str, default ""
    """

    name: str = ""
    retries: int = 0
    retry_delay_seconds: float | tuple[float, ...] = 0.0
    retry_jitter_factor: float = 0.0
    timeout_seconds: float | None = None
    cache_policy: str | None = None
    cache_expiration: float | None = None
    refresh_cache: bool = False
    persist_result: bool | None = None
    tags: tuple[str, ...] = ()
    log_prints: bool = True
    after: tuple[str, ...] = ()
    background: bool = False
    runner: str | None = None
    mutates: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    skip_if: str | None = None
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellTask:
    """A cell that is a task (or a flow).

    Parameters
    ----------
    kind : str
        "task" or "flow".
    options : CellOptions
    body : str
        The cell's code without the magic line, line numbers kept: the line is blank.
    origin : str
        "magic", "tag" or "metadata".
    """

    kind: str
    options: CellOptions
    body: str
    origin: str


def _whole(value: Any) -> int:
    number = int(value)
    if isinstance(value, bool) or (isinstance(value, float) and value != number) or not 0 <= number <= 10_000:
        raise ValueError("a whole number from 0 to 10000")
    return number


def _seconds(value: Any) -> float:
    """Seconds as a number, or a number with a unit: 90, "90s", "1.5h", "2d"."""
    text = str(value).strip().lower()
    scale = _UNITS.get(text[-1:])
    number = float(text[:-1] if scale else text) * (scale or 1.0)
    if isinstance(value, bool) or not 0 <= number < 1e9:
        raise ValueError("a number of seconds")
    return number


def _positive(value: Any) -> float:
    number = _seconds(value)
    if number <= 0:
        raise ValueError("more than 0 seconds")
    return number


def _delays(value: Any) -> float | tuple[float, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    found = tuple(_seconds(part) for part in parts)
    if not 1 <= len(found) <= 50:
        raise ValueError("1 to 50 numbers")
    return found[0] if len(found) == 1 else found


def _words(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list | tuple) else str(value).split(",")
    return tuple(dict.fromkeys(text for text in (str(part).strip() for part in parts) if text))


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in {"true", "yes", "1", "on"}:
        return True
    if text in {"false", "no", "0", "off"}:
        return False
    raise ValueError("true or false")


def _runner(value: Any) -> str:
    if value not in RUNNERS:
        raise ValueError(f"one of {', '.join(RUNNERS)}")
    return str(value)


def _expression(value: Any) -> str:
    text = str(value)
    try:
        ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise ValueError("a Python expression") from error
    return text


def _policy(value: Any) -> str:
    """Policy words in any case, normalised: `inputs+task_source` → `INPUTS + TASK_SOURCE`."""
    tokens = [token for token in _POLICY_WORD.findall(str(value)) if not token.isspace()]
    out: list[str] = []
    expect_word = True
    for token in tokens:
        if expect_word and out and out[-1] == "-":
            out.append('"' + token.strip("\"'") + '"')
        elif expect_word and token.upper() in _POLICIES:
            out.append(token.upper())
        elif not expect_word and token in "+-":  # noqa: S105
            out.append(token)
        else:
            raise ValueError(f'words of {", ".join(sorted(_POLICIES))} joined by +, or - "name"')
        expect_word = not expect_word
    if expect_word:
        raise ValueError(f"one of {', '.join(sorted(_POLICIES))}")
    return " ".join(out)


#: option → how its value is read. Flags may stand without a value on the line.
READERS: dict[str, Callable[[Any], Any]] = {
    "retries": _whole,
    "retry_delay_seconds": _delays,
    "retry_jitter_factor": _seconds,
    "timeout_seconds": _positive,
    "cache_policy": _policy,
    "cache_expiration": _positive,
    "refresh_cache": _flag,
    "persist_result": _flag,
    "tags": _words,
    "log_prints": _flag,
    "after": _words,
    "background": _flag,
    "runner": _runner,
    "mutates": _words,
    "reads": _words,
    "skip_if": _expression,
    "description": str,
}
FLAGS = frozenset({"refresh_cache", "persist_result", "log_prints", "background"})
DEFAULTS: dict[str, Any] = {f.name: f.default for f in fields(CellOptions)}


def check_name(name: str) -> str:
    """Return a task's name.

    Raises
    ------
    InvalidName
        It is no word of letters, digits, `_`, `-`, `.` that begins with a letter.
    """
    if not _NAME.fullmatch(name) or len(name) > 100:
        raise InvalidName(
            f"A cell task cannot be called {name!r}: use letters, digits, _ - . and begin with a letter.", field="name"
        )
    return name


def _read(option: str, value: Any, where: str) -> Any:
    try:
        return READERS[option](value)
    except (ValueError, TypeError) as error:
        wanted = str(error)
        if wanted.startswith(("could not", "invalid literal", "int()", "float()")):
            wanted = "a number"
        raise InvalidOption(f"{where}: {_dashed(option)} is {value!r}, but wants {wanted}.", field=option) from None


def _dashed(option: str) -> str:
    return "--" + option.replace("_", "-")


def _unknown(option: str, where: str) -> InvalidOption:
    close = closest(option, READERS)
    hint = f" Did you mean {_dashed(close)}?" if close else f" Known: {', '.join(_dashed(o) for o in READERS)}."
    return InvalidOption(f"{where} has no option {_dashed(option)}.{hint}", field=option)


@lru_cache(maxsize=500)
def parse_line(line: str, *, kind: str = "task") -> CellOptions:
    """Return the options of a magic line.

    Parameters
    ----------
    line : str
        What stands after `%%task`. IPython transforms a cell several times, so the same line is read once.
    kind : str, default "task"
        "task" or "flow", for messages.

    Raises
    ------
    InvalidOption, InvalidName
        Says which word is wrong and what would be right.
    """
    where = f"%%{kind}"
    try:
        words = shlex.split(line, comments=False)
    except ValueError as error:
        raise InvalidOption(f"{where}: a quote is not closed in {line.strip()!r}.") from error
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            if "name" in values:
                raise InvalidOption(
                    f"{where}: {word!r} stands where an option should; a name with spaces is not possible."
                )
            values["name"] = check_name(word)
            continue
        name, equals, value = word[2:].partition("=")
        option = name.replace("-", "_")
        negated = option.startswith("no_") and option[3:] in FLAGS
        if negated:
            option, value, equals = option[3:], "false", "="
        if option not in READERS:
            raise _unknown(option, where)
        if option in values:
            raise InvalidOption(f"{where}: {_dashed(option)} stands twice.", field=option)
        if not equals:
            if option in FLAGS:
                value = "true"
            else:
                following = next(rest, None)
                if following is None or (following.startswith("--") and option != "skip_if"):
                    raise InvalidOption(f"{where}: {_dashed(option)} needs a value.", field=option)
                value = following
        values[option] = _read(option, value, where)
    return CellOptions(**values)


def parse_metadata(value: Any, *, where: str = "the cell's metadata") -> CellOptions:
    """Return the options in `metadata.headrace.task`: true, a name, or a mapping.

    Raises
    ------
    InvalidOption, InvalidName
    """
    if value is True:
        return CellOptions()
    if isinstance(value, str):
        return CellOptions(name=check_name(value))
    if not isinstance(value, Mapping):
        raise InvalidOption(f"{where}: headrace.task is {value!r}, but wants true, a name or a mapping of options.")
    values: dict[str, Any] = {}
    for key, entry in value.items():
        if key == "name":
            values["name"] = check_name(str(entry)) if entry else ""
        elif key in READERS:
            if entry is not None:
                values[key] = _read(key, entry, where)
        else:
            raise _unknown(str(key), where)
    return CellOptions(**values)


def split_magic(source: str) -> tuple[str, str, str] | None:
    """Return (kind, line, body) of a cell whose first line is our magic, None for any other cell."""
    first, newline, rest = source.partition("\n")
    match = _MAGIC.fullmatch(first)
    if match is None or match[2].lstrip().startswith("?"):  # `%%task?` asks for help
        return None
    return match[1], match[2].strip(), newline + rest


def find_task(source: str, metadata: Mapping[str, Any] | None = None) -> CellTask | None:
    """Return what makes a cell a task: its magic line, its metadata, or its tag, in this order; None for a plain cell.

    Raises
    ------
    InvalidOption, InvalidName
        An option is wrong.
    """
    split = split_magic(source)
    if split is not None:
        kind, line, body = split
        return CellTask(kind=kind, options=parse_line(line, kind=kind), body=body, origin="magic")
    metadata = metadata or {}
    ours = metadata.get("headrace")
    if isinstance(ours, Mapping) and ours.get("task") not in (None, False):
        return CellTask(kind="task", options=parse_metadata(ours["task"]), body=source, origin="metadata")
    tags = metadata.get("tags")
    if isinstance(tags, list | tuple) and TASK_TAG in tags:
        return CellTask(kind="task", options=CellOptions(), body=source, origin="tag")
    return None


def options_dict(options: CellOptions) -> dict[str, Any]:
    """Return the options that differ from their defaults, JSON values: what belongs in metadata."""
    found: dict[str, Any] = {}
    for name, default in DEFAULTS.items():
        value = getattr(options, name)
        if value != default:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def format_line(options: CellOptions, *, kind: str = "task") -> str:
    """Return the magic line that gives these options."""
    words = [f"%%{kind}"]
    for name, value in options_dict(options).items():
        if name == "name":
            words.append(value)
        elif name in FLAGS:
            words.append(_dashed(name) if value else "--no-" + name.replace("_", "-"))
        else:
            text = (
                ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
                if isinstance(value, list)
                else (f"{value:g}" if isinstance(value, float) else str(value))
            )
            words += [_dashed(name), shlex.quote(text)]
    return " ".join(words)
