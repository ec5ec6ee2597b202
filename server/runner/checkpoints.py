"""Checkpoints of a run: what its cells left behind, saved by the kernel, so that the run can be continued.

Responsibilities: decide when to save (DESIGN.md, "Continuing a run"), name and
seal the files, and have the kernel restore them. What is in them, and how, is
`headrace.kernel_magic.checkpoints`; nothing is unpickled here.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.core.errors import StoreError, one_line
from headrace.core.states import StateType
from headrace.server.runner.kernel_side import KernelSide
from headrace.server.runner.recording import CellRun, Recording
from headrace.server.runner.sealing import is_sealed, seal_of

if TYPE_CHECKING:
    from headrace.core.dataflow import CellGraph

#: Outputs are saved without being asked for where that costs less than this part of the cell's time.
CHEAP_PART = 0.05
#: A cell that took less is run again sooner than it is saved: asking the kernel alone costs 5 ms, seconds.
LEAST_SECONDS = 0.2
#: What a failed run's kernel may take for its last checkpoint: this, or the same part of the run's time, seconds.
LAST_SECONDS = 5.0
#: Checkpoints of runs that nobody continued are removed after so long, seconds.
KEPT_SECONDS = 14 * 86_400.0
#: Statements at the left margin that define a function or a class.
_DEFINES = re.compile(r"^(?:async\s+)?(?:def|class)\s+(\w+)", re.MULTILINE)


class Checkpoints:
    """Saves and restores the cells of one attempt.

    Parameters
    ----------
    recording : Recording
    kernel_side : KernelSide
    graph : CellGraph or None
        By run id; None where the language is not analysed: nothing is saved then.
    mode : str
        "auto", "always" or "never".
    secrets : frozenset of str, default none
        Names that are never saved.
    """

    def __init__(
        self,
        recording: Recording,
        kernel_side: KernelSide,
        graph: CellGraph | None,
        mode: str,
        secrets: frozenset[str] = frozenset(),
    ) -> None:
        self._recording = recording
        self._kernel = kernel_side
        self._graph = graph if mode != "never" else None
        self._always = mode == "always"
        self._secrets = secrets
        self.folder = folder_of(recording.store.place.data_dir, recording.run.id)
        self._began = time.monotonic()

    async def after(self, cell: CellRun) -> None:
        """Save what a cell that has just completed left behind, where it is cheap."""
        took = ((cell.ended_at or 0) - (cell.started_at or 0)) / 1e6
        if not self._knows(cell) or (took < LEAST_SECONDS and not self._always):
            return
        if cell.result is not None and "error" not in cell.result:
            stored = {"storage": cell.result.get("storage"), "serializer": cell.result.get("serializer")}
            self._recording.patch_cell(cell, {"checkpoint": {"result": stored}})
            return
        await self._save([cell], None if self._always else took * CHEAP_PART)

    async def before_release(self, failed: CellRun | None) -> None:
        """Save what has no checkpoint yet, before the living kernel of a failed run is given back.

        Left out is what a later cell, or the one that failed, may have changed: it is not what the cell left behind.
        """
        if self._graph is None:
            return
        cells = self._recording.cells
        changed: set[str] = set() if failed is None else set(self._outputs(failed))
        wanted: list[CellRun] = []
        for cell in reversed(cells):
            if cell.state_type is not StateType.COMPLETED or not self._knows(cell):
                continue
            names = self._outputs(cell)
            if not is_checkpoint(cell.details.get("checkpoint")) and changed.isdisjoint(names):
                wanted.append(cell)
            changed |= names
        if wanted:
            budget = max(LAST_SECONDS, CHEAP_PART * (time.monotonic() - self._began))
            await self._save(wanted[::-1], None if self._always else budget)

    def _knows(self, cell: CellRun) -> bool:
        return self._graph is not None and cell.plan.run_id in self._graph.links

    def _outputs(self, cell: CellRun) -> frozenset[str]:
        if self._graph is None or cell.plan.run_id not in self._graph.links:
            return frozenset()
        return self._graph.links[cell.plan.run_id].outputs - self._secrets

    async def _save(self, cells: Sequence[CellRun], budget_seconds: float | None) -> None:
        wanted: dict[str, dict[str, Any]] = {
            cell.plan.run_id: {
                "names": sorted(self._outputs(cell)),
                "source": cell.plan.body,
                "path": str(self.folder / f"{cell.plan.number:05}.pickle"),
            }
            for cell in cells
        }
        answer = await self._kernel.call("save", cells=wanted, defined=self._defined(), budget_seconds=budget_seconds)
        if answer is None:
            return
        for cell in cells:
            saved = answer["saved"].get(cell.plan.run_id)
            if saved is not None:
                path = Path(wanted[cell.plan.run_id]["path"])
                try:
                    file = {"file": str(path), "seal": seal_of(path)} if saved["bytes"] else {}
                except (OSError, StoreError) as error:  # a checkpoint is a convenience: the run goes on without it
                    self._recording.patch_cell(cell, {"checkpoint": {"skipped": one_line(error)}})
                    continue
                self._recording.patch_cell(cell, {"checkpoint": {**saved, **file}})
            elif cell.plan.run_id in answer["skipped"]:
                self._recording.patch_cell(cell, {"checkpoint": {"skipped": answer["skipped"][cell.plan.run_id]}})

    def _defined(self) -> list[str]:
        """Return the names of functions and classes that the cells define by statements."""
        found: set[str] = set()
        for cell in self._recording.cells:
            found.update(_DEFINES.findall(cell.plan.body))
        return sorted(found)

    async def restore(self, checkpoint: Mapping[str, Any]) -> str:
        """Have the kernel bring back what a checkpoint holds.

        Returns
        -------
        str
            Why it cannot; "" where it is done.
        """
        stored = checkpoint.get("result")
        if stored is not None:
            return await self._restore_result(stored)
        path = checkpoint.get("file")
        if path is not None and not is_sealed(Path(path), str(checkpoint.get("seal"))):
            return "its checkpoint is gone, or not the one that was written"
        cell = {name: checkpoint.get(name) or [] for name in ("names", "deleted")}
        cell["definitions"] = checkpoint.get("definitions") or ""
        answer = await self._kernel.call("restore", path=path, cell=cell)
        if answer is None:
            return "the kernel cannot restore"
        return str(answer["error"])

    async def _restore_result(self, stored: Mapping[str, Any]) -> str:
        """Bring back what the kernel itself has kept of a task cell."""
        code = (
            "from headrace.kernel_magic.results.cache import open_result as _headrace_open\n"
            "from headrace.kernel_magic.cells.values import put_back as _headrace_put\n"
            f"_headrace_put(_headrace_open({str(stored.get('storage'))!r}, {str(stored.get('serializer'))!r}),"
            " get_ipython())\n_headrace_done = True"
        )
        names = ("_headrace_open", "_headrace_put", "_headrace_done")
        done = await self._kernel.evaluate(code, "_headrace_done", after=names)
        return "" if done == "True" else "its stored result cannot be opened"

    async def forget(self) -> None:
        """Let the kernel give back what restoring needed."""
        await self._kernel.call("forget")

    def remove(self) -> None:
        """Remove this run's files: a run that completed is not continued."""
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(data_dir: Path, run_id: str) -> Path:
    """Return the folder of a run's checkpoints."""
    return data_dir / "checkpoints" / run_id


def is_checkpoint(found: Any) -> bool:
    """Return whether a cell run's `details["checkpoint"]` is one that can be restored."""
    return isinstance(found, Mapping) and ("names" in found or "result" in found)


def touch(checkpoints: Iterable[Any]) -> None:
    """Say that checkpoints are still used: what continues a run refers to the files of the runs before."""
    for path in {str(c["file"]) for c in checkpoints if isinstance(c, Mapping) and c.get("file")}:
        folder = Path(path).parent
        try:
            folder.touch()
        except OSError:
            continue


def remove_old(data_dir: Path, *, now: float) -> None:
    """Remove the checkpoints of runs that nobody continued for `KEPT_SECONDS`."""
    base = data_dir / "checkpoints"
    try:
        folders = list(base.iterdir())
    except OSError:
        return
    for folder in folders:
        try:
            old = now - folder.stat().st_mtime > KEPT_SECONDS
        except OSError:
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
