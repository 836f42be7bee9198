"""How long a person waits for each command that shows something at once, a cold process each time."""

import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import fresh
from benchmarks.equal_jobs import write
from benchmarks.table import Table, Target

ROUNDS = 7
JOBS = 10
BIN = Path(sys.executable).parent
COMMANDS = (
    ("--help",),
    ("check",),
    ("show", "job_00000"),
    ("docs", "limit"),
    ("sources",),
    ("schema",),
    ("completion", "bash"),
)


def measure(_jobs: int) -> list[Table]:
    """The commands take turns over a project of a few jobs."""
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
        folder = write("Trawl", Path(temporary), JOBS)
        runs: dict[tuple[str, ...], list[fresh.Spent]] = {words: [] for words in COMMANDS}
        for _ in range(1 + ROUNDS):
            for words in COMMANDS:
                runs[words].append(fresh.run([str(BIN / "trawl"), *words], folder))
    rows = [(f"trawl {' '.join(words)}", *_medians(some[1:])) for words, some in runs.items()]
    slowest = max(rows, key=lambda row: row[1])
    return [
        Table(
            "Start a command, a cold process each time, seconds",
            ("command", "wall", "CPU"),
            rows,
            [Target(f"the slowest of them, {slowest[0]}", slowest[1], 0.25, " s")],
        )
    ]


def _medians(runs: list[fresh.Spent]) -> tuple[float, float]:
    """Wall and CPU seconds; of rounds without the first, which fills caches."""
    return median(run.wall for run in runs), median(run.cpu for run in runs)
