"""Notebooks as files and documents: what they declare, which kernel they need, what the panel has open."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from headrace.core.errors import InvalidParameter, NotFound, UnknownKernel
from headrace.core.parameters import prepare
from headrace.core.parameters.schema import parameter_schema
from headrace.server import agreement
from headrace.server.inspection import Inspection, inspect_notebook_file
from headrace.server.secret_values import set_aside
from headrace.store.documents import Document

if TYPE_CHECKING:
    from headrace.core.runs import Run
    from headrace.server.services import Services

#: How many inspections are remembered; a file that changed is inspected anew.
_REMEMBERED = 64
_CELL = ("id", "cell_type", "source", "metadata")


@lru_cache(maxsize=_REMEMBERED)
def _inspect(path: str, _size: int, _changed: int) -> Inspection:
    return inspect_notebook_file(path)


def inspect_file(path: str) -> Inspection:
    """Return what a notebook file declares.

    Raises
    ------
    NotFound, InvalidNotebook
    """
    try:
        stat = os.stat(path)
    except OSError:
        raise NotFound("There is no such file below the server's root.", field="path") from None
    return _inspect(path, stat.st_size, stat.st_mtime_ns)


class NotebooksManager:
    """What requests ask about notebooks.

    Parameters
    ----------
    services : Services
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def read(self, path: str) -> bytes:
        """Return a notebook's bytes.

        Raises
        ------
        NotFound
        """
        try:
            with open(path, "rb") as file:
                return file.read()
        except OSError:
            raise NotFound("There is no such file below the server's root.", field="notebook") from None

    def kernelspecs(self) -> dict[str, Any]:
        """Return the installed kernelspecs and the default one's name."""
        return {
            "default": self._services.default_kernel,
            "kernelspecs": [
                {
                    "name": name,
                    "display_name": str(spec.get("display_name") or name),
                    "language": str(spec.get("language") or ""),
                    "headrace": None,
                }
                for name, spec in sorted(self._services.kernelspecs().items())
            ],
        }

    def check_kernel(self, path: str, kernel_name: str | None) -> str:
        """Return the kernel that a notebook runs with: the one asked for, the notebook's own, the default one.

        Raises
        ------
        UnknownKernel
            It is not installed; the message has those that are.
        InvalidNotebook
        """
        wanted = kernel_name or inspect_file(path).kernel_name or self._services.default_kernel
        known = self._services.kernelspecs()
        if wanted not in known:
            raise UnknownKernel(
                f"kernel_name: there is no kernel {wanted!r} here; installed: {', '.join(sorted(known)) or 'none'}.",
                field="kernel_name",
            )
        return wanted

    def check_values(self, path: str, values: Mapping[str, Any], *, complete: bool) -> None:
        """Refuse parameters that a notebook does not take.

        Raises
        ------
        InvalidParameter, InvalidNotebook
        """
        prepare(inspect_file(path).parameters, values, complete=complete)

    def check_names(self, path: str, names: Iterable[str]) -> None:
        """Refuse names of parameters that a notebook does not declare.

        Raises
        ------
        InvalidParameter, InvalidNotebook
        """
        declared = inspect_file(path).parameters
        if declared is None:
            return
        known = {parameter.name for parameter in declared}
        unknown = {name: None for name in names if name not in known}
        if unknown:
            prepare(declared, unknown, complete=False)

    def without_secrets(self, run: Run) -> Run:
        """Return a new run whose row tells no secret: their values wait for its runner.

        Raises
        ------
        InvalidParameter
            A secret that is not kept has to be given again.
        """
        path = run.notebook_path
        if not run.parameters or path is None or not os.path.isfile(path):
            return run
        return replace(run, parameters=set_aside(self._services.store, run, inspect_file(path).parameters))

    def check_kept(self, path: str, names: Iterable[str]) -> None:
        """Refuse secrets among values that are kept with a deployment or a schedule.

        Raises
        ------
        InvalidParameter
        """
        secret = {p.name for p in inspect_file(path).parameters or () if p.secret}.intersection(names)
        for name in sorted(secret):
            raise InvalidParameter(
                f"{name!r} is a secret, and secrets are not kept: let the notebook read it from the environment, "
                "and name an env_file.",
                field=name,
            )

    def check_run(self, path: str, values: Mapping[str, Any], kernel_name: str | None) -> None:
        """Refuse a run of a notebook that cannot begin.

        Raises
        ------
        InvalidNotebook, InvalidParameter, UnknownKernel
        """
        self.check_kernel(path, kernel_name)
        self.check_values(path, values, complete=True)

    def inspect(self, path: str) -> dict[str, Any]:
        """Return what a notebook declares, as the panel's form needs it.

        Raises
        ------
        NotFound, InvalidNotebook
        """
        full = self._services.root.notebook(path, field="path")
        inspection = inspect_file(full)
        content = self.read(full)
        code = [cell for cell in _cells(content) if cell.get("cell_type") == "code"]
        kernel = inspection.kernel_name or self._services.default_kernel
        return {
            "path": path,
            "kernel_name": kernel,
            "kernel_known": kernel in self._services.kernelspecs(),
            "language": inspection.language,
            "parameters": [
                {
                    "name": p.name,
                    "type": parameter_schema(p).get("type"),
                    "annotation": p.annotation,
                    "default": parameter_schema(p).get("default"),
                    "required": p.required,
                    "choices": [str(choice) for choice in p.choices],
                    "help": p.help,
                    "secret": p.secret,
                }
                for p in inspection.parameters or ()
            ],
            "schema": inspection.schema,
            "tasks": sum(1 for cell in code if source_of(cell).lstrip().startswith("%%task")),
            "cells": len(code),
            "headrace_in_kernel": None,
            "trusted": agreement.is_trusted(content),
            "sha256": agreement.digest(content),
        }

    def cells(self, path: str) -> list[dict[str, Any]]:
        """Return the cells of a notebook file.

        Raises
        ------
        NotFound, InvalidNotebook
        """
        inspect_file(path)
        return _cells(self.read(path))

    def save_document(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Keep the open notebook as the panel has it, unsaved state too.

        Raises
        ------
        NotFound, Conflict
        """
        document = self._services.store.documents.save(
            Document(
                id="",
                path=self._services.root.resolve(body["path"], field="path"),
                owner=self._services.owner,
                kernel_id=body.get("kernel_id"),
                revision=body["revision"],
                cells=[{key: cell[key] for key in _CELL if key in cell} for cell in body["cells"]],
                metadata=body.get("metadata") or {},
                source="panel",
            )
        )
        return {"document_id": document.id, "revision": document.revision}


def _cells(content: bytes) -> list[dict[str, Any]]:
    """Return a notebook file's cells, of what is none nothing."""
    try:
        data = json.loads(content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return []
    cells = data.get("cells") if isinstance(data, dict) else None
    return [cell for cell in cells if isinstance(cell, dict)] if isinstance(cells, list) else []


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source as one text."""
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
