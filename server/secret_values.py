"""Secret parameters: never in a cell, an output, the store or a log (DESIGN.md, "Parameters").

A run's row shows them masked. Where another process will run it, their values
wait in a file that only their owner can read, until the run has ended.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidParameter
from headrace.core.ids import is_id
from headrace.core.parameters import decode, encode, python_assignments, split_secrets

if TYPE_CHECKING:
    from headrace.core.parameters import Parameter
    from headrace.core.runs import Run
    from headrace.store import Store

#: What stands for a secret wherever a person can read it.
MASK = "•••"
#: The file of a run that is not in the store is let be so long, for its row may be on its way, seconds.
YOUNG_SECONDS = 3600.0
_WRAPPED = re.compile(r"(?:\w+\.)*Secret(?:Str|Bytes)")


def check_known(values: Mapping[str, Any]) -> None:
    """Refuse values of which only the mask is left.

    Raises
    ------
    InvalidParameter
    """
    for name, value in values.items():
        if isinstance(value, str) and value == MASK:
            raise InvalidParameter(f"The secret parameter {name!r} is not kept: give it again.", field=name)


def code_of(declared: Iterable[Parameter], values: Mapping[str, Any]) -> str:
    """Return Python that sets secrets; those that the notebook wraps (`SecretStr(…)`) are wrapped.

    Parameters
    ----------
    declared : iterable of Parameter
    values : mapping
        The secret ones only.
    """
    lines = [python_assignments(values).code]
    for parameter in declared:
        wrapped = _WRAPPED.fullmatch(parameter.annotation or "")
        if parameter.name in values and wrapped and (parameter.required or "Secret" in parameter.default_source):
            lines.append(f"{parameter.name} = {parameter.annotation}({parameter.name})")
    return "\n".join(lines)


def set_aside(store: Store, run: Run, declared: Iterable[Parameter] | None) -> dict[str, Any]:
    """Return a run's parameters as its row may show them; the secret ones wait in a file for its runner.

    Parameters
    ----------
    store : Store
    run : Run
        Not yet in the store.
    declared : iterable of Parameter or None
        By its notebook.

    Raises
    ------
    InvalidParameter
        Of a secret only the mask is left.
    """
    check_known(run.parameters)
    plain, secret = split_secrets(declared or (), run.parameters)
    if not secret:
        return dict(run.parameters)
    path = _path(store.place.data_dir, run.id)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump({name: encode(value, name=name) for name, value in secret.items()}, file)
    return {**plain, **dict.fromkeys(secret, MASK)}


def waiting_for(store: Store, run_id: str) -> dict[str, Any]:
    """Return the secrets that wait for a run; {} where there are none here."""
    try:
        found = json.loads(_path(store.place.data_dir, run_id).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: decode(value, name=name) for name, value in found.items()}


def forget(store: Store) -> None:
    """Remove the secrets of runs that have ended."""
    try:
        paths = list(_path(store.place.data_dir, "any").parent.iterdir())
    except OSError:
        return
    for path in paths:
        run = store.runs.find(path.stem) if is_id(path.stem) else None
        try:
            if run.is_final if run is not None else time.time() - path.stat().st_mtime > YOUNG_SECONDS:
                path.unlink()
        except OSError:
            continue


def _path(data_dir: Path, run_id: str) -> Path:
    return data_dir / "secrets" / f"{run_id}.json"
