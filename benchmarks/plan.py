"""Planning a change against a base, each time in a cold process, from a real git repository."""

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks import fresh
from benchmarks.equal_jobs import name_of, write
from benchmarks.table import Table, Target

ROUNDS = 5
BIN = Path(sys.executable).parent


def measure(jobs: int) -> list[Table]:
    """One job edited; then a line in defaults.yaml that touches every job."""
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
        folder = write("Trawl", Path(temporary), jobs)
        _git(folder, "init", "--quiet", "--initial-branch=main", ".")
        _git(folder, "add", "--all")
        _git(folder, "commit", "--quiet", "--message", "as it was")
        one = folder / "pipelines" / f"{name_of(0)}.yaml"
        one.write_text(one.read_text().replace("limit: 150", "limit: 151"))
        edited = _seconds(folder)
        (folder / "pipelines" / "defaults.yaml").write_text("timezone: Europe/Berlin\n")
        touched = _seconds(folder)
    rows = [("one job edited", f"{jobs:,}", *edited), ("all touched by defaults", f"{jobs:,}", *touched)]
    return [
        Table(
            "Plan a change against its base, a cold process each time, seconds",
            ("change", "jobs", "wall", "CPU"),
            rows,
            [Target(f"trawl plan of {jobs:,} jobs, {row[0]}", row[2], 2, " s") for row in rows],
        )
    ]


def _seconds(folder: Path) -> tuple[float, float]:
    """The median wall and CPU seconds; the first round, which fills caches, is left out."""
    runs = [fresh.run([str(BIN / "trawl"), "plan", "--base", "main"], folder) for _ in range(1 + ROUNDS)]
    return median(run.wall for run in runs[1:]), median(run.cpu for run in runs[1:])


def _git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.com")
    subprocess.run(["git", *who, *words], cwd=folder, check=True)
