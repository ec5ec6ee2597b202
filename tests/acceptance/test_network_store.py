"""A store on a (pretended) network file system: server, worker and three kernels write at once, and nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.kernel]
NETWORK = Path(__file__).resolve().parents[1] / "benchmarks" / "network.py"


def test_a_server_its_worker_and_three_kernels_record_by_journals_and_nothing_is_lost() -> None:
    words = [sys.executable, str(NETWORK), "--flows", "40", "--seconds", "300"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert done.stdout, done.stderr
    verdict = json.loads(done.stdout.splitlines()[-1])
    assert verdict["faults"] == [], verdict
    assert verdict["made"] == {"writes-0": 40, "writes-1": 40, "writes-2": 40}
    assert verdict["notebooks"] == 2
