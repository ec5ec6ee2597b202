"""Keeping the kernel of a run that failed: so that the run can go on in the same memory, or a person can look round.

A note beside the store (`kept/<run id>.json`) says which kernel is kept and
until when. Whoever continues the run locks it and becomes its holder: of two
only one gets the kernel. `keeper` ends the kernel when its time is over, or
when its holder has died.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from headrace.core import settings
from headrace.core.runs import Run
from headrace.server.kernels import Kernel
from headrace.server.processes import process_start

SPEC_PREFIX = "headrace-kept-"
#: So many kernels are kept at once at most.
KEPT_KERNELS = 3


def watch_over(kernel: Kernel, data_dir: Path, run_id: str) -> None:
    """Start the process that ends an independent kernel when its runner dies or its time is over."""
    if kernel.pid is None:
        return
    kernel.watched = note_path(data_dir, run_id)
    script = str(resources.files("headrace.server.runner") / "keeper.py")
    me = os.getpid()
    words = [str(kernel.watched), str(kernel.pid), process_start(kernel.pid), str(me), process_start(me)]
    # It forks and its parent leaves at once: nobody has to wait for it, and it is in no list of ours.
    subprocess.run(
        [sys.executable, "-I", "-S", script, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )


def note_path(data_dir: Path, run_id: str) -> Path:
    """Return where the note of a run's kept kernel stands."""
    return data_dir / "kept" / f"{run_id}.json"


def keep(kernel: Kernel, data_dir: Path, run: Run, seconds: float) -> dict[str, Any]:
    """Leave a kernel running, and note it.

    Parameters
    ----------
    kernel : Kernel
        Started as independent.
    data_dir : Path
    run : Run
        The run that ended.
    seconds : float
        For how long.

    Returns
    -------
    dict
        For the run's details: `{until, pid, connection_file, kernelspec}`.
    """
    until = time.time() + seconds
    note: dict[str, Any] = {
        "until": until,
        "run_id": run.id,
        "kernel": kernel.facts(),
        "connection_file": kernel.manager.connection_file,
        "sockets": os.path.dirname(kernel.manager.ip) if kernel.manager.transport == "ipc" else "",
    }
    note["kernelspec"] = _write_kernelspec(note, run.name)
    path = note_path(data_dir, run.id)
    _make_room(data_dir)
    _write_note(path, note)
    if kernel.watched not in (None, path):
        assert kernel.watched is not None
        _write_note(kernel.watched, {"moved": str(path)})
    kernel.watched = path
    return {"until": round(until, 3), **{k: note[k] for k in ("connection_file", "kernelspec")}, **note["kernel"]}


def _make_room(data_dir: Path) -> None:
    """Let the oldest kept kernels go that are more than `HEADRACE_KEPT_KERNELS` allows: each holds its memory."""
    waiting: list[tuple[float, Path, Any]] = []
    for path in (data_dir / "kept").glob("*.json"):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if "until" in note and not note.get("holder"):
            waiting.append((path.stat().st_mtime, path, note))
    most = max(1, int(settings.number("KEPT_KERNELS", KEPT_KERNELS)))
    for _, path, note in sorted(waiting, key=lambda entry: entry[0])[: max(0, len(waiting) + 1 - most)]:
        _write_note(path, {**note, "until": 0})


def _write_note(path: Path, note: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(note), encoding="utf-8")
    part.chmod(0o600)
    os.replace(part, path)


def _write_kernelspec(note: Mapping[str, Any], name: str) -> str:
    """Make a kernelspec by which Lab attaches to the kept kernel; return its folder, "" where it cannot be written."""
    from jupyter_core.paths import jupyter_data_dir

    facts = note["kernel"]
    until = time.strftime("%H:%M", time.localtime(note["until"]))
    folder = Path(jupyter_data_dir()) / "kernels" / f"{SPEC_PREFIX}{note['run_id'][-12:]}"
    spec: dict[str, Any] = {
        "argv": [],
        "display_name": f"{name} (kept until {until})",
        "language": facts.get("language") or "",
        "metadata": {
            "kernel_provisioner": {
                "provisioner_name": "headrace-attach",
                "config": {
                    "connection_file": note["connection_file"],
                    "pid": facts.get("pid"),
                    "started": facts.get("started") or "",
                },
            }
        },
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kernel.json").write_text(json.dumps(spec, indent=1), encoding="utf-8")
    except OSError:
        return ""
    return str(folder)


async def take_kept(data_dir: Path, earlier: Run) -> Kernel | None:
    """Return the kept kernel of a run, ours now; None where there is none any more."""
    import shutil

    from jupyter_client.kernelspec import NoSuchKernel
    from jupyter_client.manager import AsyncKernelManager

    from headrace.server.attach import AttachProvisioner

    path = note_path(data_dir, earlier.id)
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        os.close(os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except (OSError, ValueError):
        return None
    me = os.getpid()
    _write_note(path, {**note, "holder": me, "holder_since": process_start(me)})
    if note.get("kernelspec"):
        shutil.rmtree(note["kernelspec"], ignore_errors=True)
    facts = note["kernel"]
    manager = AsyncKernelManager(
        kernel_name=facts["name"], kernel_id=facts["id"], connection_file=note["connection_file"]
    )
    manager.provisioner = AttachProvisioner(
        kernel_id=facts["id"],
        kernel_spec=None,
        parent=manager,
        connection_file=note["connection_file"],
        pid=facts["pid"],
        started=facts.get("started") or "",
    )
    try:
        manager.load_connection_file()
        await manager.start_kernel()
    except (RuntimeError, OSError, ValueError, NoSuchKernel):
        return None
    kernel = Kernel(name=facts["name"], manager=manager, watched=path, continued=True)
    kernel.set_process(facts["pid"])
    return kernel


__all__ = ["keep", "note_path", "take_kept", "watch_over"]
