"""`make demo`: run the notebook and the flow on real data, watch them, and say where to look next."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table

from headrace.core.drawing import SIGNS, Node, duration_text, to_text
from headrace.core.runs import Run, RunFilter
from headrace.store import Store, get_store

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "demo-out"
#: How often the table is drawn anew, seconds.
REFRESH_SECONDS = 0.1
PARAMETERS = {"counter": "Rachel1", "first_month": "4", "last_month": "11"}


def newest(store: Store, kind: str, known: set[str]) -> Run | None:
    """Return the newest root run of a kind that was not there before."""
    page, _ = store.runs.page(RunFilter(kinds=(kind,)), limit=1)
    return page[0] if page and page[0].id not in known else None


def progress_table(store: Store, run: Run | None, title: str) -> Table:
    """Return the runs of a tree as a table, as they are now."""
    table = Table(title=title, title_justify="left")
    for head in ("task", "state", "time"):
        table.add_column(head)
    for one in [] if run is None else store.runs.tree(run.id):
        if one.id != run.id:
            sign = SIGNS[one.state_type.value][0]
            table.add_row(one.name[:40], f"{sign} {one.state_name}", duration_text(one.duration_seconds))
    return table


def watch(store: Store, kind: str, title: str, console: Console, work: Callable[[], int]) -> tuple[int, Run]:
    """Do some work in the background and show its run, live, until it has ended."""
    before = {run.id for run in store.runs.page(RunFilter(kinds=(kind,)), limit=5)[0]}
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(work()))
    thread.start()
    run: Run | None = None
    with Live(console=console, refresh_per_second=10, transient=False) as live:
        while thread.is_alive():
            thread.join(REFRESH_SECONDS)
            run = run or newest(store, kind, before)
            live.update(progress_table(store, run, title))
        run = run or newest(store, kind, before)
        live.update(progress_table(store, run, title))
    if run is None:
        raise SystemExit(f"The {kind} left no run in the store {store.place.url}; see `headrace doctor`.")
    return codes[0], store.runs.get(run.id)


def graph_text(store: Store, run: Run) -> str:
    """Return a run's graph as text: each task after what it comes after."""
    runs = [one for one in store.runs.tree(run.id) if one.id != run.id]
    nodes = [
        Node(
            id=one.id,
            label=one.name if len(one.name) <= 28 else one.name[:27] + "…",
            state_type=one.state_type.value,
            state_name=one.state_name,
            duration_seconds=one.duration_seconds,
        )
        for one in runs
    ]
    return to_text(nodes, [(edge.upstream_id, edge.run_id) for edge in store.runs.edges(run.id)])


def main() -> int:
    """Run the demo.

    Returns
    -------
    int
        0 when both runs completed.
    """
    console = Console()
    store = get_store()
    OUT.mkdir(exist_ok=True)
    target = OUT / "montreal-cycling.ipynb"
    command = [sys.executable, "-m", "headrace.cli.main", "run", str(HERE / "montreal-cycling.ipynb"), str(target)]
    command += ["--cwd", str(HERE), "--no-progress-bar"]
    for name, value in PARAMETERS.items():
        command += ["-p", name, value]
    flow = [sys.executable, str(HERE / "montreal_flow.py"), "--counter", PARAMETERS["counter"]]
    failed = 0
    for kind, title, words in (
        ("notebook", "1. The notebook: headrace run montreal-cycling.ipynb", command),
        ("flow", "2. The same as functions: python montreal_flow.py", flow),
    ):
        log = OUT / f"{kind}.log"
        with log.open("wb") as file:
            code, run = watch(
                store,
                kind,
                title,
                console,
                lambda words=words, file=file: subprocess.call(words, stdout=file, stderr=file),
            )
        console.print(f"\n{run.state_name} in {duration_text(run.duration_seconds)}. Its graph:", highlight=False)
        console.print(graph_text(store, run) + "\n", highlight=False, markup=False, soft_wrap=True)
        if code:
            failed += 1
            console.print(log.read_text(errors="replace"), highlight=False, markup=False)
    console.print(
        f"Output notebook   {target}\n"
        f"Runs              kept in {store.place.sqlite_path or store.place.url}\n"
        "Look next         make lab: JupyterLab with the Headrace panel on these runs\n"
        "                  headrace server start: the same page alone, at http://127.0.0.1:4200",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
