"""Whatever a kill interrupts, the next run repairs: the bucket verifies, and nothing is left for good."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("TRAWL_KILLS", "40"))
"""300 take two minutes: `TRAWL_KILLS=300 pytest tests/etl_callables/test_kills.py`."""


@pytest.mark.slow
@pytest.mark.timeout(max(300, 5 * KILLS))
def test_runs_killed_at_every_write_and_at_random_leave_a_bucket_that_verifies() -> None:
    """Never a part of an object, never a post lost or twice; after the next run no breach."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.etl_callables.killing", str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["breaches"] == []
    assert found["kills"] >= KILLS
    assert found["writes of a run"] > 20
    assert found["at a random moment"] > 0
    # Most are at a write, each in its turn.
    assert found["writes killed at"] >= min(found["writes of a run"], KILLS // 3)
