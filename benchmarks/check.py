"""Checking job files from the command line, each time in a cold process."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks import fresh
from benchmarks.equal_jobs import ROOT, name_of, write
from benchmarks.table import Table, Target

ROUNDS = 5
SCHEMA = ROOT / "schemas" / "scrape_job.schema.json"
BIN = Path(sys.executable).parent


def measure(jobs: int) -> list[Table]:
    """The tools take turns over the same files with the same schema."""
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
        folder = write("Trawl", Path(temporary), jobs)
        one = f"pipelines/{name_of(0)}.yaml"
        every = [f"pipelines/{name_of(number)}.yaml" for number in range(jobs)]
        checker = [str(BIN / "check-jsonschema"), "--schemafile", str(SCHEMA)]
        commands: dict[tuple[str, int], Sequence[str]] = {
            ("trawl check", jobs): [str(BIN / "trawl"), "check"],
            ("check-jsonschema", jobs): [*checker, *every],
            ("trawl check", 1): [str(BIN / "trawl"), "check", one],
            ("check-jsonschema", 1): [*checker, one],
        }
        spent = _in_turns(commands, folder)
    return [
        Table(
            "Check job files, a cold process each time, seconds",
            ("tool", "files", "wall", "CPU"),
            [(tool, f"{files:,}", wall, cpu) for (tool, files), (wall, cpu) in spent.items()],
            [
                Target(f"trawl check of {jobs:,} files", spent["trawl check", jobs][0], 0.8, " s"),
                Target("trawl check of one file", spent["trawl check", 1][0], 0.35, " s"),
            ],
            ["check-jsonschema applies the schema alone; trawl check also says where and what it means."],
        )
    ]


def _in_turns(
    commands: dict[tuple[str, int], Sequence[str]], folder: Path
) -> dict[tuple[str, int], tuple[float, float]]:
    """The median wall and CPU seconds of each command; the first round, which fills caches, is left out."""
    runs: dict[tuple[str, int], list[fresh.Spent]] = {key: [] for key in commands}
    for _ in range(1 + ROUNDS):
        for key, command in commands.items():
            runs[key].append(fresh.run(command, folder))
    return {
        key: (median(run.wall for run in some[1:]), median(run.cpu for run in some[1:]))
        for key, some in runs.items()
    }
