"""`make test`: every lane, two at a time where they do not disturb each other; durations, the slowest tests, one closing line.

python tests/tools/run_tests.py             all lanes
python tests/tools/run_tests.py core store  some
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # PYTHONSAFEPATH keeps a script's own folder out

import provision
from lanes import ROOT, Lane, Step, lanes
from link_types import link

OUTPUT = ROOT / ".cache" / "tests"
#: Lanes side by side: one a core of the machine that the budgets are written for.
SIDE_BY_SIDE = 2
SLOWEST = 20
#: The whole of `make test`, seconds.
BUDGET_SECONDS = 15 * 60
#: A lane that takes this many times its budget, and this much more, hangs: it is ended and fails.
HANGS_TIMES, HANGS_PLUS_SECONDS = 4, 120
_print = threading.Lock()


@dataclass
class Outcome:
    """What a lane came to."""

    lane: Lane
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    tests: list[tuple[float, str]] = field(default_factory=list)
    output: str = ""

    @property
    def over(self) -> bool:
        """It took longer than its budget."""
        return self.seconds > self.lane.budget_seconds


def say(text: str) -> None:
    """Print at once, whole lines only, whichever lane says it."""
    with _print:
        print(text, flush=True)


def environment(root: Path = ROOT) -> dict[str, str]:
    """Return the environment of the lanes.

    Bare folders never become importable (`PYTHONSAFEPATH`), and a checkout that is not the installed one is tested
    through its tree of links.
    """
    env = {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    # Node.js, the linters and `jupyter` are those of the interpreter that runs this.
    env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
    os.environ["PATH"] = env["PATH"]
    links = link(root)
    spec = importlib.util.find_spec("headrace")
    if spec is None or spec.origin is None or root / "extension" not in Path(spec.origin).resolve().parents:
        env["PYTHONPATH"] = str(links)
    return env


def prepare(chosen: Iterable[Lane], env: dict[str, str]) -> None:
    """Bring what the lanes need before the first starts: its minutes are nobody's budget, and two lanes would collide.

    What is not to be had is said here; the tests that need it fail and say it again.
    """
    needs = {need for lane in chosen for need in lane.needs}
    for need, variable, bring in (
        ("postgres", "HEADRACE_POSTGRES_BIN", provision.postgres_bin),
        ("chromium", "HEADRACE_CHROMIUM", provision.chromium),
    ):
        if need in needs:
            try:
                env[variable] = str(bring())
            except provision.Unavailable as error:
                say(str(error))


def end(process: subprocess.Popen[bytes]) -> None:
    """End a step and all it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            continue


def run_step(step: Step, log: Path, junit: Path, env: Mapping[str, str], deadline: float) -> int:
    """Run one command, its output into a file.

    Returns
    -------
    int
        Its exit code; 124 where it was ended for taking too long.
    """
    command = [word.replace("{junit}", str(junit)) for word in step.command]
    with log.open("ab") as file:
        file.write(f"--- {step.name}: {' '.join(command)}\n".encode())
        file.flush()
        try:
            process = subprocess.Popen(
                command,
                cwd=step.cwd,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        except OSError as error:
            file.write(f"{error}\n".encode())
            return 127
        try:
            return process.wait(timeout=max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            file.write(b"--- ended: it took far longer than its budget\n")
            return 124
        finally:
            if process.poll() is None:
                end(process)


def read_report(path: Path, outcome: Outcome) -> int:
    """Add a JUnit report to an outcome.

    Returns
    -------
    int
        How many tests it has.
    """
    if not path.exists():
        return 0
    count = 0
    for case in ET.parse(path).getroot().iter("testcase"):
        count += 1
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            outcome.failed += 1
        elif "skipped" in kinds:
            outcome.skipped += 1
        else:
            outcome.passed += 1
        outcome.tests.append((float(case.get("time") or 0), f"{case.get('classname', '')}::{case.get('name', '')}"))
    return count


def run_lane(lane: Lane, env: Mapping[str, str]) -> Outcome:
    """Run a lane's steps one after another."""
    outcome = Outcome(lane=lane)
    log = OUTPUT / f"{lane.name}.log"
    started = time.monotonic()
    deadline = started + lane.budget_seconds * HANGS_TIMES + HANGS_PLUS_SECONDS
    say(f"  {lane.name} …")
    executed = 0
    for number, step in enumerate(lane.steps):
        junit = OUTPUT / f"{lane.name}.{number}.xml"
        code = run_step(step, log, junit, env, deadline)
        if not step.reports:
            executed += 1
            outcome.passed += code == 0
            outcome.failed += code != 0
            continue
        before = outcome.failed
        executed += read_report(junit, outcome)
        if code and outcome.failed == before:
            outcome.failed += 1  # it broke outside of its tests, or collected none
    if not executed and not outcome.failed:
        outcome.failed = 1
    outcome.seconds = time.monotonic() - started
    outcome.output = log.read_text(encoding="utf-8", errors="replace")
    report(outcome)
    return outcome


def report(outcome: Outcome) -> None:
    """Say how a lane went; the output of one that failed is shown whole."""
    lane = outcome.lane
    counts = f"{outcome.passed} passed" + (f", {outcome.failed} FAILED" if outcome.failed else "")
    counts += f", {outcome.skipped} skipped" if outcome.skipped else ""
    late = "   OVER ITS BUDGET" if outcome.over else ""
    line = f"{'FAIL' if outcome.failed else 'ok':>4}  {lane.name:<13}{outcome.seconds:6.1f} s of {lane.budget_seconds:g}   {counts}{late}"
    say(f"{outcome.output.rstrip()}\n{line}" if outcome.failed else line)


def run_all(chosen: Iterable[Lane], env: Mapping[str, str]) -> list[Outcome]:
    """Run lanes side by side, longest first, then those that want the machine for themselves."""
    together = sorted((lane for lane in chosen if not lane.alone), key=lambda lane: -lane.budget_seconds)
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        outcomes = list(pool.map(lambda lane: run_lane(lane, env), together))
    return outcomes + [run_lane(lane, env) for lane in chosen if lane.alone]


def close(outcomes: list[Outcome], seconds: float) -> int:
    """Print the slowest tests, what was over its budget, and the closing line.

    Returns
    -------
    int
        The exit code.
    """
    slowest = sorted((test for outcome in outcomes for test in outcome.tests), reverse=True)[:SLOWEST]
    if slowest:
        say(f"\nslowest {len(slowest)} tests:")
        for duration, name in slowest:
            say(f"  {duration:6.2f} s  {name}")
    passed, failed, skipped = (sum(getattr(o, name) for o in outcomes) for name in ("passed", "failed", "skipped"))
    say("")
    for outcome in outcomes:
        if outcome.over:
            say(f"OVER BUDGET: {outcome.lane.name} took {outcome.seconds:.0f} s of {outcome.lane.budget_seconds:g}")
    if seconds > BUDGET_SECONDS:
        say(f"OVER BUDGET: all lanes took {seconds:.0f} s of {BUDGET_SECONDS:g}")
    broken = [outcome.lane.name for outcome in outcomes if outcome.failed]
    if broken:
        say(f'failed: {" ".join(broken)}   (again: make test LANES="{" ".join(broken)}"; logs in {OUTPUT})')
    say(f"all lanes: {seconds:.0f} s of {BUDGET_SECONDS:g}")
    say(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


def main(names: list[str]) -> int:
    """Run the lanes with these names, all for none.

    Returns
    -------
    int
        The exit code: 1 where a test failed, 2 for an unknown lane.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts what it puts in the background with Ctrl-C ignored, and programs pass that on.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    env = environment()  # before the lanes are made: they look Node.js up on PATH
    known = {lane.name: lane for lane in lanes()}
    if unknown := [name for name in names if name not in known]:
        say(f"no such lane: {' '.join(unknown)}; there are {' '.join(known)}")
        return 2
    chosen = [lane for lane in known.values() if lane.present and (not names or lane.name in names)]
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir(parents=True)
    prepare(chosen, env)
    started = time.monotonic()
    say(f"lanes: {' '.join(lane.name for lane in chosen)}")
    outcomes = run_all(chosen, env)
    return close(outcomes, time.monotonic() - started)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    parser = argparse.ArgumentParser(description="Run the project's tests.")
    parser.add_argument("lanes", nargs="*", help="lanes to run (default: all)")
    sys.exit(main(parser.parse_args().lanes))
