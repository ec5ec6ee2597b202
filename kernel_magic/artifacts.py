"""Artifacts: what a run wants people to see beside its result, as text, table, link, progress or picture.

They hang on the run around the caller and are shown in the panel's "Results & artifacts". Outside a run they
are kept too, without one. Names and arguments are those of Prefect's `prefect.artifacts`.

>>> from headrace.artifacts import create_markdown_artifact
"""

from __future__ import annotations

import json
import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from headrace.core.batch import ArtifactRow
from headrace.core.clock import SYSTEM_CLOCK
from headrace.core.errors import InvalidOption, NotFound
from headrace.core.ids import new_id
from headrace.kernel_magic.engine.live import current
from headrace.kernel_magic.engine.session import session

#: Characters of an artifact's data as JSON: what a panel can still show, and a database row can hold well.
MOST = 5_000_000
_KEY = re.compile(r"[a-z0-9](-?[a-z0-9])*\Z")
#: Progress artifacts of this process that can be updated without a look into the store; the oldest are forgotten.
_REMEMBERED = 1000
_progress: OrderedDict[str, ArtifactRow] = OrderedDict()


def create_markdown_artifact(markdown: str, key: str | None = None, description: str | None = None) -> str:
    """Keep a text in Markdown.

    Parameters
    ----------
    markdown : str
    key : str or None
        What artifacts of the same meaning share from run to run: small letters, digits and single dashes.
    description : str or None
        Shown as its title.

    Returns
    -------
    str
        The artifact's id.

    Raises
    ------
    InvalidOption
        The key or the value cannot be used.
    """
    return _create("markdown", {"markdown": _text(markdown, "markdown")}, key, description)


def create_link_artifact(
    link: str, link_text: str | None = None, key: str | None = None, description: str | None = None
) -> str:
    """Keep an address (arguments, result and errors as `create_markdown_artifact`).

    Parameters
    ----------
    link : str
        Shown as a link only if it is a web or mail address.
    link_text : str or None
        Shown instead of the address.
    """
    return _create("link", {"link": _text(link, "link"), "link_text": link_text}, key, description)


def create_table_artifact(table: Any, key: str | None = None, description: str | None = None) -> str:
    """Keep a table (other arguments, result and errors as `create_markdown_artifact`).

    Parameters
    ----------
    table : list of dict, dict of list, list of list, or a data frame
        Cells that are not JSON are kept as text.
    """
    return _create("table", {"table": _rows(table)}, key, description)


def create_image_artifact(image_url: str, key: str | None = None, description: str | None = None) -> str:
    """Keep the address of a picture, `data:` addresses included (as `create_markdown_artifact`)."""
    return _create("image", {"image_url": _text(image_url, "image_url")}, key, description)


def create_progress_artifact(progress: float, key: str | None = None, description: str | None = None) -> str:
    """Keep a progress in percent that can be updated (as `create_markdown_artifact`).

    Parameters
    ----------
    progress : float
        0 to 100.
    """
    return _create("progress", {"progress": _percent(progress)}, key, description)


def update_progress_artifact(artifact_id: str, progress: float, description: str | None = None) -> str:
    """Set a progress artifact's value anew.

    Parameters
    ----------
    artifact_id : str
        What `create_progress_artifact` returned.
    progress : float
        0 to 100.
    description : str or None
        A new title; None keeps the old one.

    Raises
    ------
    NotFound
        There is no such artifact.
    """
    percent = _percent(progress)
    row = _progress.get(str(artifact_id)) or _stored(str(artifact_id))
    data = json.dumps({"progress": percent})
    renewed = (*row[:5], description or row[5], row[6], data, row[8], SYSTEM_CLOCK.now_us())
    _remember(renewed)
    session().recorder.artifact(renewed)
    return row[0]


def _create(kind: str, data: Mapping[str, Any], key: str | None, description: str | None) -> str:
    if key is not None and not (isinstance(key, str) and len(key) <= 200 and _KEY.match(key)):
        raise InvalidOption(
            f"An artifact's key has small letters, digits and single dashes between them; this is {key!r}.", field="key"
        )
    text = json.dumps(data, ensure_ascii=False)
    if len(text) > MOST:
        raise InvalidOption(
            f"An artifact may have {MOST:,} characters; this has {len(text):,}. Write a file and link to it.",
            field=next(iter(data)),
        )
    here, run, now = session(), current(), SYSTEM_CLOCK.now_us()
    run_id, root_id = (run.id, run.root_id) if run is not None else (None, None)
    row = (new_id(), run_id, root_id, key, kind, str(description or ""), here.owner, text, now, now)
    if kind == "progress":
        _remember(row)
    here.recorder.artifact(row)
    return row[0]


def _remember(row: ArtifactRow) -> None:
    _progress[row[0]] = row
    _progress.move_to_end(row[0])
    while len(_progress) > _REMEMBERED:
        _progress.popitem(last=False)


def _stored(artifact_id: str) -> ArtifactRow:
    """Return a progress artifact that another process made."""
    here = session()
    found = None if here.store is None else here.store.overview.artifact(artifact_id)
    if found is None or found[4] != "progress":
        raise NotFound(f"There is no progress artifact {artifact_id!r}.", field="artifact_id")
    row: ArtifactRow = found
    return row


def _text(value: object, field: str) -> str:
    if not isinstance(value, str):
        raise InvalidOption(f"{field} must be text; this is {type(value).__name__}.", field=field)
    return value


def _percent(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value) or not 0 <= value <= 100:
        raise InvalidOption(f"progress is a number from 0 to 100; this is {value!r}.", field="progress")
    return float(value)


def _rows(table: Any) -> list[Any]:
    """Return a table as a list of rows, each a mapping by column or a list."""
    if callable(getattr(table, "to_dict", None)) and hasattr(table, "columns"):
        table = table.to_dict("records")
    if isinstance(table, Mapping):
        columns = {str(name): list(values) for name, values in table.items()}
        length = max(map(len, columns.values()), default=0)
        return [{n: _cell(c[i]) if i < len(c) else None for n, c in columns.items()} for i in range(length)]
    if isinstance(table, str | bytes) or not isinstance(table, Sequence):
        raise InvalidOption(
            f"A table is a list of dicts, a dict of lists, a list of lists or a data frame; this is {type(table).__name__}.",
            field="table",
        )
    return [
        {str(name): _cell(value) for name, value in row.items()}
        if isinstance(row, Mapping)
        else [_cell(value) for value in (row if isinstance(row, list | tuple) else [row])]
        for row in table
    ]


def _cell(value: Any) -> Any:
    """Return a value that JSON has, else its text; NaN becomes an empty cell."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else (None if math.isnan(value) else str(value))
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return _cell(item())
    return str(value)
