"""Continuing a run: which cells are restored, which run again, and why; said before anything runs.

A cell counts as done when it completed in the earlier run and its source is the
same. What was edited runs again, and what uses it. Parameters may be changed
for the rest: the cell that sets them runs again, what was done with the old
ones stays (with `cache` it does not: there every input counts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from headrace.core.errors import Conflict, NotFound, UsageError
from headrace.core.run_spec import NotebookSpec
from headrace.core.runs import Run, RunFilter, RunKind
from headrace.core.states import StateType
from headrace.server.runner.checkpoints import is_checkpoint
from headrace.server.runner.plan import CellPlan
from headrace.server.runner.recording import source_version

if TYPE_CHECKING:
    from headrace.core.dataflow import CellGraph
    from headrace.store import Store

RUN, AGAIN, RESTORE, KEPT = "run", "again", "restore", "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to a cell.

    Parameters
    ----------
    action : str
        "run": it is its turn; "again": it was done, but has no checkpoint; "restore"; "kept": the kernel still has it.
    why : str
    earlier : Run or None
        The cell's run in the earlier notebook run.
    """

    action: str
    why: str = ""
    earlier: Run | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """How a run continues an earlier one.

    Parameters
    ----------
    earlier : Run
    decisions : mapping of str to Decision
        By the new cells' run ids.
    """

    earlier: Run
    decisions: Mapping[str, Decision] = field(default_factory=dict)

    def of(self, action: str, plans: Sequence[CellPlan]) -> list[CellPlan]:
        """Return the cells with an action, in their order."""
        return [plan for plan in plans if self.decisions[plan.run_id].action == action]

    def sentences(self, plans: Sequence[CellPlan]) -> list[str]:
        """Return what a person is told before the run starts."""
        restored, kept, again = (self.of(action, plans) for action in (RESTORE, KEPT, AGAIN))
        how = f"{len(kept)} of {len(plans)} cells are in its kernel's memory" if kept else ""
        how = how or f"{len(restored)} of {len(plans)} cells are restored"
        lines = [f"Continues {self.earlier.name}: {how}."]
        if again:
            lines.append("Run again for want of a checkpoint: " + _named(again))
        edited = [plan for plan in plans if self.decisions[plan.run_id].why in ("edited", "new")]
        if edited:
            lines.append("Edited since: " + _named(edited))
        return lines


def _named(plans: Sequence[CellPlan]) -> str:
    shown = [f"{plan.number} ({plan.name})" for plan in plans[:20]]
    return ", ".join(shown) + (f" and {len(plans) - 20} more" if len(plans) > 20 else "")


def find_earlier(store: Store, spec: NotebookSpec, notebook_path: str) -> Run | None:
    """Return the run that is continued; None where there is none to continue.

    Raises
    ------
    NotFound, UsageError, Conflict
    """
    if spec.resume_from:
        earlier = store.runs.find(spec.resume_from)
        if earlier is None:
            raise NotFound(f"There is no run {spec.resume_from!r} to continue.", field="resume_from")
        if earlier.kind is not RunKind.NOTEBOOK:
            raise UsageError(f"Run {earlier.name} is a {earlier.kind.value}, not a notebook.", field="resume_from")
        if not earlier.is_final:
            raise Conflict(f"Run {earlier.name} is {earlier.state_name}; it can be continued when it has ended.")
        return earlier
    if not (spec.from_cell or spec.cache) or not notebook_path:
        return None
    where = RunFilter(kinds=(RunKind.NOTEBOOK.value,), text=notebook_path, roots_only=False)
    runs = store.runs.first(where, limit=20)
    found = next((run for run in runs if run.notebook_path == notebook_path and run.is_final), None)
    if found is None and spec.from_cell:
        raise UsageError(
            f"There is no earlier run of {notebook_path} whose cells before {spec.from_cell!r} could be restored.",
            field="from_cell",
        )
    return found


def spec_to_continue(earlier: Run) -> dict[str, Any]:
    """Return the spec of a run that continues another: the same notebook, parameters and options.

    An output path that was named is written again; one that was not gets a place of its own.
    """
    values = dict(earlier.details.get("spec") or {})
    launch = earlier.details.get("launch") or {}
    values = {**{k: launch[k] for k in ("kernel_name", "cwd", "env_file") if launch.get(k)}, **values}
    for name in ("run_id", "root_id", "parent_id", "name", "from_cell", "resume_from", "scheduled_at", "retries"):
        values.pop(name, None)
    if not earlier.notebook_path:
        raise UsageError(f"Run {earlier.name} has no notebook file; name the notebook.", field="notebook_path")
    values.update(
        input_path=earlier.notebook_path,
        parameters=dict(earlier.parameters),
        tags=tuple(earlier.tags),
        resume_from=earlier.id,
    )
    return values


def continue_run(
    store: Store,
    earlier: Run,
    plans: Sequence[CellPlan],
    graph: CellGraph | None,
    spec: NotebookSpec,
    *,
    in_memory: bool = False,
) -> Continuation:
    """Decide what happens to each cell.

    Parameters
    ----------
    store : Store
    earlier : Run
    plans : sequence of CellPlan
        Of the notebook as it is now.
    graph : CellGraph or None
        By run id.
    spec : NotebookSpec
    in_memory : bool, default False
        The earlier run's kernel goes on.

    Raises
    ------
    UsageError
        `from_cell` names no cell.
    """
    found = _match(plans, [run for run in store.runs.tree(earlier.root_id) if run.parent_id == earlier.id])
    first = len(plans) if spec.from_cell is None else _place(plans, spec.from_cell)
    reasons: dict[str, str] = {}
    for number, plan in enumerate(plans):
        before = found.get(plan.run_id)
        if number >= first:
            reasons[plan.run_id] = "asked for"
        elif before is None:
            reasons[plan.run_id] = "new"
        elif before.state_type is not StateType.COMPLETED or before.state_name == "Skipped":
            reasons[plan.run_id] = "not done"
        elif before.version != source_version(plan.source):
            reasons[plan.run_id] = "edited"
    spreading = [
        plan.run_id
        for plan in plans
        if reasons.get(plan.run_id) in ("new", "edited") and (spec.cache or not plan.injected)
    ]
    _spread(reasons, spreading, graph, plans)
    decisions: dict[str, Decision] = {}
    for plan in plans:
        before = found.get(plan.run_id)
        if plan.run_id in reasons or before is None:
            decisions[plan.run_id] = Decision(action=RUN, why=reasons.get(plan.run_id, "new"), earlier=before)
        elif in_memory:
            decisions[plan.run_id] = Decision(action=KEPT, earlier=before)
        elif is_checkpoint(before.details.get("checkpoint")):
            decisions[plan.run_id] = Decision(action=RESTORE, earlier=before)
        else:
            decisions[plan.run_id] = Decision(action=AGAIN, why="no checkpoint", earlier=before)
    return Continuation(earlier=earlier, decisions=decisions)


def _spread(reasons: dict[str, str], changed: list[str], graph: CellGraph | None, plans: Sequence[CellPlan]) -> None:
    """What uses an edited cell is not done either; without an analysis that is everything behind it."""
    if not changed:
        return
    if graph is not None:
        for run_id in graph.stale_closure([run_id for run_id in changed if run_id in graph.links]):
            reasons.setdefault(run_id, "uses what was edited")
    unknown = [run_id for run_id in changed if graph is None or run_id not in graph.links]
    if unknown:
        behind = False
        for plan in plans:
            behind = behind or plan.run_id in unknown
            if behind:
                reasons.setdefault(plan.run_id, "stands behind what was edited")


def _match(plans: Sequence[CellPlan], runs: Sequence[Run]) -> dict[str, Run]:
    """Return each cell's run in the earlier notebook run: by id, else by task name, else by source and ordinal."""
    by_id: dict[str, Run] = {}
    by_name: dict[str, Run] = {}
    by_source: dict[str, list[Run]] = {}
    latest: dict[str | None, Run] = {run.cell_id: run for run in runs}
    for run in latest.values():
        by_id[str(run.cell_id)] = run
        if run.details.get("task"):
            by_name[run.name] = run
        by_source.setdefault(str(run.version), []).append(run)
    known = {plan.cell_id for plan in plans}
    found: dict[str, Run] = {}
    for plan in plans:
        match = by_id.get(plan.cell_id)
        if match is None and plan.task is not None and plan.options.name:
            match = by_name.get(plan.options.name)
        if match is None:
            same = [run for run in by_source.get(source_version(plan.source), []) if run.cell_id not in known]
            match = same[0] if same else None
            if match is not None:
                by_source[str(match.version)].remove(match)
        if match is not None:
            found[plan.run_id] = match
    return found


def _place(plans: Sequence[CellPlan], text: str) -> int:
    """Return the place of the cell that `--from` names: its number among the code cells, its id or its name.

    Raises
    ------
    UsageError
    """
    for number, plan in enumerate(plans):
        if text in (plan.cell_id, plan.name) or (plan.task is not None and text == plan.options.name):
            return number
    if text.isdecimal() and 1 <= int(text) <= len(plans):
        return int(text) - 1
    raise UsageError(
        f"There is no cell {text!r}: give a number from 1 to {len(plans)}, a cell's id or a task's name.",
        field="from_cell",
    )


def earlier_outputs(store: Store, earlier: Run, decisions: Mapping[str, Decision]) -> dict[str, list[Any]]:
    """Return what restored cells had shown, by new run id: from the earlier output file, else from the store.

    The file has all of it, the store 1 MiB a cell.
    """
    wanted = {key: d.earlier for key, d in decisions.items() if d.action in (RESTORE, KEPT) and d.earlier is not None}
    if not wanted:
        return {}
    from headrace.server.notebook_file import read_notebook

    shown: dict[str, list[Any]] = {}
    path = earlier.details.get("output_path")
    try:
        content = read_notebook(str(path)).content if path and path != "-" else {}
        mine = content.get("metadata", {}).get("headrace", {}).get("run", {}).get("id") == earlier.id
        shown = {cell["id"]: cell["outputs"] for cell in content["cells"] if "outputs" in cell} if mine else {}
    except (UsageError, NotFound):
        shown = {}
    stored = store.logs.outputs_of_tree(earlier.root_id)
    return {
        key: shown[str(run.cell_id)] if str(run.cell_id) in shown else stored.get(run.id, [])
        for key, run in wanted.items()
    }
