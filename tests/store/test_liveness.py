"""Who is alive is told by the kernel, not by a clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from headrace.store import liveness

CHILD = "from headrace.store import liveness; import sys; print(liveness.owner_id(), flush=True); sys.stdin.read()"


def start() -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def stop(process: subprocess.Popen[str], how: int) -> None:
    process.send_signal(how)
    process.communicate()


def test_a_living_process_is_alive_and_a_killed_one_is_not(data_dir: Path) -> None:
    process, owner = start()
    assert liveness.is_alive(owner) is True
    assert liveness.pid_of(owner) == process.pid
    stop(process, signal.SIGKILL)
    assert liveness.is_alive(owner) is False
    assert liveness.is_alive(owner) is False


def test_a_stopped_process_is_alive(data_dir: Path) -> None:
    process, owner = start()
    process.send_signal(signal.SIGSTOP)
    assert liveness.is_alive(owner) is True
    stop(process, signal.SIGKILL)


def test_looking_at_oneself_does_not_release_ones_own_lock(data_dir: Path) -> None:
    mine = liveness.owner_id()
    assert liveness.is_alive(mine) is True
    probe = f"from headrace.store import liveness; print(liveness.is_alive({mine!r}))"
    answer = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"


def test_a_forked_child_has_an_owner_file_of_its_own(data_dir: Path) -> None:
    mine = liveness.owner_id()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, liveness.owner_id().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    child = os.read(read, 100).decode()
    assert child != mine
    assert liveness.is_alive(child) is False


def owner_files() -> set[str]:
    return {path.stem for path in Path(os.environ["HEADRACE_RUNTIME_DIR"]).glob("*.owner")}


def test_a_process_that_ends_takes_its_owner_file_along(data_dir: Path) -> None:
    process, owner = start()
    assert owner in owner_files()
    process.communicate("")
    assert owner not in owner_files()


def test_files_of_the_killed_are_swept_and_no_others(data_dir: Path) -> None:
    (living, alive), (_, killed), (_, young) = started = [start() for _ in range(3)]
    for process, owner in started[1:]:
        stop(process, signal.SIGKILL)
        if owner == killed:
            os.utime(Path(os.environ["HEADRACE_RUNTIME_DIR"]) / f"{owner}.owner", (0, 0))
    os.utime(Path(os.environ["HEADRACE_RUNTIME_DIR"]) / f"{alive}.owner", (0, 0))
    liveness.sweep()
    assert {alive, killed, young} & owner_files() == {alive, young}
    living.communicate("")


def test_an_owner_of_another_host_is_judged_by_somebody_else(data_dir: Path) -> None:
    assert liveness.is_alive("000000000000.1.abc") is None
