"""Warm units: runners that wait with their kernels for the next run of the same kind (DESIGN.md, "Runner and warm units").

A unit is keyed by kernelspec, folder and environment, used once, and made for
what ran last: a schedule's next run finds its kernel started. `HEADRACE_WARM_UNITS`
says how many may wait (default 1, 0 for none); none is started where memory is short.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from headrace.core import settings
from headrace.core.clock import Clock
from headrace.core.runs import Run, RunKind
from headrace.server.notebook_file import read_notebook
from headrace.server.worker.command import Command
from headrace.server.worker.environment import ATTEMPT, ATTEMPT_DIR, RUN_ID

#: What must stay free besides, bytes: a unit takes about 150 MB.
FREE_BYTES = 1 << 30
#: A unit that nobody needed for so long is let go, seconds.
IDLE_SECONDS = 900.0
#: After a run's start its kernel has the processor first, seconds.
SETTLE_SECONDS = 3.0
#: Larger notebooks are not read only to learn their kernel, bytes.
_MOST_BYTES = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a unit is made from.

    Parameters
    ----------
    kernel_name, cwd : str
    environment : mapping
    kernel_spec : str, default ""
        The text of the kernelspec that the deployment was made with; "" for the installed one.
    """

    kernel_name: str
    cwd: str
    environment: Mapping[str, str]
    kernel_spec: str = ""

    @property
    def key(self) -> str:
        """A digest: units of one key are alike."""
        # A kernelspec of the deployment's own lies in the attempt's folder, on JUPYTER_PATH: its text counts, not its place.
        same = {k: v for k, v in self.environment.items() if k != "JUPYTER_PATH" or not self.kernel_spec}
        parts = [self.kernel_name, self.cwd, self.kernel_spec, *(f"{k}={v}" for k, v in sorted(same.items()))]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(slots=True)
class _Unit:
    process: subprocess.Popen[bytes]
    recipe: Recipe
    made_at: float


class WarmUnits:
    """The units that wait.

    Parameters
    ----------
    clock : Clock
    limit : int or None, default `HEADRACE_WARM_UNITS`, else 1
    """

    def __init__(self, clock: Clock, *, limit: int | None = None) -> None:
        self._clock = clock
        self._limit = int(settings.number("WARM_UNITS", 1)) if limit is None else limit
        self._units: list[_Unit] = []
        self._wanted: list[tuple[float, Recipe]] = []
        self._leaving: list[subprocess.Popen[bytes]] = []

    @property
    def waiting(self) -> int:
        """How many units wait now."""
        return len(self._units)

    def take(self, run: Run, command: Command) -> subprocess.Popen[bytes] | None:
        """Give a run to a unit that waits for one like it.

        Returns
        -------
        Popen or None
            The unit's process, which executes the run from now on; None where none waits.
        """
        recipe = self._recipe(run, command) if self._limit else None
        if recipe is None:
            return None
        self._want(recipe)
        for unit in list(self._units):
            if unit.recipe.key != recipe.key or unit.process.poll() is not None:
                continue
            self._units.remove(unit)
            variables = {name: command.environment[name] for name in (RUN_ID, ATTEMPT, ATTEMPT_DIR)}
            request = {
                "spec": command.arguments[-1],
                "environment": variables,
                "stdout": str(command.folder / "stdout.log"),
                "stderr": str(command.folder / "stderr.log"),
            }
            assert unit.process.stdin is not None
            try:
                unit.process.stdin.write(json.dumps(request).encode() + b"\n")
                unit.process.stdin.close()
            except OSError:
                continue
            return unit.process
        return None

    def _recipe(self, run: Run, command: Command) -> Recipe | None:
        """Return what kind of unit a run needs, None where a unit would not do."""
        if run.kind is not RunKind.NOTEBOOK:
            return None
        try:
            spec: dict[str, Any] = json.loads(Path(command.arguments[-1]).read_text(encoding="utf-8"))
            kernel_name = spec.get("kernel_name")
            if kernel_name is None:
                path = spec["input_path"]
                if os.path.getsize(path) > _MOST_BYTES:
                    return None
                kernel_name = read_notebook(path).kernel_name
        except (OSError, ValueError, KeyError):
            return None
        if not kernel_name or spec.get("env"):
            return None
        inner = (RUN_ID, ATTEMPT, ATTEMPT_DIR)
        environment = {name: value for name, value in command.environment.items() if name not in inner}
        own = command.folder / "jupyter" / "kernels" / kernel_name / "kernel.json"
        kernel_spec = own.read_text(encoding="utf-8") if own.is_file() else ""
        return Recipe(kernel_name=kernel_name, cwd=command.cwd, environment=environment, kernel_spec=kernel_spec)

    def _want(self, recipe: Recipe) -> None:
        now = self._clock.monotonic()
        self._wanted = [(at, r) for at, r in self._wanted if r.key != recipe.key][-7:]
        self._wanted.append((now, recipe))

    def tick(self) -> None:
        """Let go of units that ended or waited too long, and start one where it is worth it."""
        now = self._clock.monotonic()
        for unit in list(self._units):
            if unit.process.poll() is not None or now - unit.made_at > IDLE_SECONDS:
                self._dismiss(unit)
        for at, recipe in reversed(self._wanted):
            if now - at > IDLE_SECONDS or any(unit.recipe.key == recipe.key for unit in self._units):
                continue
            if now - at < SETTLE_SECONDS or psutil.virtual_memory().available < FREE_BYTES:
                continue
            if self._limit < 1:
                return
            if len(self._units) >= self._limit:
                oldest = min(self._units, key=lambda unit: unit.made_at)
                if oldest.made_at > at:
                    continue
                self._dismiss(oldest)
            self._start(recipe, now)
            return

    def _start(self, recipe: Recipe, now: float) -> None:
        words = [
            sys.executable,
            "-m",
            "headrace.server.runner",
            "--warm",
            json.dumps({"kernel_name": recipe.kernel_name}),
        ]
        try:
            process = subprocess.Popen(
                words,
                cwd=recipe.cwd,
                env=dict(recipe.environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError:
            self._wanted = [(at, r) for at, r in self._wanted if r.key != recipe.key]
            return
        self._units.append(_Unit(process=process, recipe=recipe, made_at=now))

    def _dismiss(self, unit: _Unit) -> None:
        """Close the unit's input: it ends its kernel and leaves."""
        self._units.remove(unit)
        if unit.process.stdin is not None:
            unit.process.stdin.close()
        self._leaving = [p for p in self._leaving if p.poll() is None] + [unit.process]

    def close(self) -> None:
        """Let all units go."""
        for unit in list(self._units):
            self._dismiss(unit)
        self._wanted.clear()
        for process in self._leaving:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
