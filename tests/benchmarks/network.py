"""A store on a file system that is said to be NFS: a server, its worker and three kernels write at once, without an error.

`make chaos` lets them write for 60 s; what each of them recorded must then be in the store, once.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

TOOLS = Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient

KERNELS = 3
#: How long what was written may take to be in the store, and a kernel to start, seconds.
PATIENCE = 120.0
#: Words of logs that tell of a fault.
BAD_WORDS = ("Traceback", "locked", "malformed", "ERROR", "refused")
NOTEBOOK = (
    "for i in range(30):\n    print(i, flush=True)",
    "%load_ext headrace\nn = 3",
    "%%task square\nx = n * n",
    "print(x)",
)
#: The first cell's lines and the last one's.
LINES = 31
WRITING = """
import time
from headrace import flow, task

@task
def write(n):
    print(n)
    return n

@flow(name="{name}")
def work(n):
    return write(n)

done, end = 0, time.monotonic() + {seconds}
while done < {flows} and time.monotonic() < end:
    work(done)
    done += 1
done
"""


class Writer:
    """A kernel that nobody but its person started, with flows that it records.

    Parameters
    ----------
    name : str
        Of its flows.
    """

    def __init__(self, name: str) -> None:
        from jupyter_client.manager import start_new_kernel

        self.name = name
        self.faults: list[str] = []
        self._manager, self._client = start_new_kernel(startup_timeout=PATIENCE)

    def begin(self, *, flows: int, seconds: float) -> None:
        """Let it write until it has made so many flows, or so much time has passed."""
        client: BlockingKernelClient = self._client
        self._asked = client.execute(WRITING.format(name=self.name, flows=flows, seconds=seconds))

    def finish(self, seconds: float) -> int:
        """Wait until it has written and return how many flows it made."""
        made = 0
        deadline = time.monotonic() + seconds
        while True:
            message = self._client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != self._asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "execute_result":
                made = int(content["data"]["text/plain"])
            elif kind == "error":
                self.faults.append(f"{self.name}: {content['ename']}: {content['evalue']}")
            elif kind == "stream" and content["name"] == "stderr":
                self.faults.append(f"{self.name}: {content['text']}")
            elif kind == "status" and content["execution_state"] == "idle":
                return made

    def close(self) -> None:
        """End the kernel; what it recorded is flushed."""
        self._client.stop_channels()
        self._manager.shutdown_kernel()


def trial(folder: Path, *, flows: int, seconds: float) -> dict[str, Any]:
    """Let them write and return what was written, and the faults."""
    from server_process import Server, ours, wait_for, write

    from headrace.core.runs import RunFilter
    from headrace.store import get_store

    root = folder / "root"
    root.mkdir()
    write(root, *NOTEBOOK)
    server = Server(root, folder / "server.log")
    writers: list[Writer] = []
    notebooks: list[dict[str, Any]] = []
    faults: list[str] = []
    if "network file system" not in server.health()["message"]:
        faults.append("the server does not say where its store lies")
    try:
        writers += [Writer(f"writes-{number}") for number in range(KERNELS)]
        for writer in writers:
            writer.begin(flows=flows, seconds=seconds)
        end = time.monotonic() + seconds
        while not notebooks or (time.monotonic() < end and len(notebooks) < flows // 20):
            started = server.ask("POST", "/runs", {"notebook": "r.ipynb"})["run"]
            wait_for(lambda started=started: server.run(started["id"])["ended_at"] is not None, PATIENCE)
            notebooks.append(server.run(started["id"]))
        made = {writer.name: writer.finish(seconds=min(seconds, 600.0) + PATIENCE) for writer in writers}
        store = get_store()

        def recorded() -> Counter[str]:
            runs = store.runs.first(RunFilter(roots_only=False, names=("writ",)), limit=1_000_000)
            return Counter(run.definition for run in runs if run.state_name == "Completed")

        expected = Counter({**made, "write": sum(made.values())})
        wait_for(lambda: sum(recorded().values()) >= sum(expected.values()), PATIENCE)
        faults += [
            f"of {name} {recorded()[name]} of {count} are there"
            for name, count in expected.items()
            if recorded()[name] != count
        ]
        faults += [f"the notebook is {run['state_name']}" for run in notebooks if run["state_name"] != "Completed"]
        lines = [server.ask("GET", f"/runs/{run['id']}/logs")["total"] for run in notebooks]
        faults += [f"{total} of {LINES} lines of a notebook" for total in lines if total != LINES]
        graphs = [server.ask("GET", f"/runs/{run['id']}/graph")["nodes"] for run in notebooks]
        faults += [
            f"the cell {n['label']} is {n['state_name']}"
            for nodes in graphs
            for n in nodes
            if n["state_name"] != "Completed"
        ]
        faults += [f"there is a {path.name}" for path in folder.rglob("*-wal")]
    finally:
        for writer in writers:
            faults += writer.faults
            writer.close()
        server.process.terminate()
        for process in ours(folder):
            process.kill()
        server.process.wait(timeout=30)
    for log in [server.log, *(folder / "logs").glob("*.log")]:
        faults += [line for line in log.read_text().splitlines() if any(word in line for word in BAD_WORDS)]
    return {"made": made, "notebooks": len(notebooks), "faults": faults}


def main() -> int:
    """Run the trial, print its verdict as one line of JSON, and return the exit code."""
    parser = argparse.ArgumentParser(description="Write to a store on a pretended network file system.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--flows", type=int, default=1_000_000, help="of each kernel, at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hr-network-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        os.environ["HEADRACE_DATA_DIR"] = str(folder)
        os.environ["HEADRACE_RUNTIME_DIR"] = os.environ["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
        os.environ["HEADRACE_FILE_SYSTEM"] = "nfs4"
        os.environ.pop("HEADRACE_DATABASE_URL", None)
        verdict = trial(folder, flows=options.flows, seconds=options.seconds)
    print(json.dumps(verdict))
    return 1 if verdict["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
