"""Reading, validating and building every job, in CPU time a job."""

import gc
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import fresh
from benchmarks.equal_jobs import write
from benchmarks.loaders import LOADERS
from benchmarks.table import Table, Target

ROUNDS = 3


def seconds(tool: str, folder: str, count: str) -> float:
    """CPU seconds of loading all jobs once, in this process; imports are done before."""
    load = LOADERS[tool](Path(folder))
    gc.collect()
    begun = time.process_time()
    found = load()
    spent = time.process_time() - begun
    if len(found) != int(count):
        raise RuntimeError(f"{tool} made {len(found)} DAGs of {count} jobs")
    return spent


def measure(jobs: int) -> list[Table]:
    """The tools take turns, each time in a fresh process."""
    times: dict[str, list[float]] = {tool: [] for tool in LOADERS}
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
        home = Path(temporary)
        folders = {tool: write(tool, home, jobs) for tool in LOADERS}
        for _ in range(ROUNDS):
            for tool, folder in folders.items():
                spent = fresh.call("benchmarks.build:seconds", tool, str(folder), str(jobs), home=home)
                times[tool].append(spent / jobs * 1000)
    middle = {tool: median(some) for tool, some in times.items()}
    base = middle["dag-factory"]
    return [
        Table(
            f"Read, validate and build {jobs:,} jobs, CPU a job (imports excluded)",
            ("tool", "ms a job", "spread", "x dag-factory"),
            [
                (tool, middle[tool], f"{min(some):.2f}-{max(some):.2f}", middle[tool] / base)
                for tool, some in times.items()
            ],
            [Target("Trawl beside dag-factory's own loader", middle["Trawl"] / base, 0.45, " x")],
        )
    ]
