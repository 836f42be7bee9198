"""What a task waits for its own DAG: Airflow runs the loader again and says which DAG is wanted."""

import gc
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks import fresh
from benchmarks.equal_jobs import name_of, write
from benchmarks.loaders import LOADERS
from benchmarks.table import Table, Target

ROUNDS = 5
LIMIT_MS = 10
TOOLS = ("hand-written Python", "dag-factory", "Trawl")
WANTED = "_AIRFLOW_PARSING_CONTEXT_DAG_ID"
PATIENCE = 3.0
"""Seconds after which one round has said enough; ten times the jobs are not tried then."""


def seconds(tool: str, folder: str, wanted: str) -> float:
    """Wall seconds until the wanted DAG is there, in this process; imports are done before."""
    load = LOADERS[tool](Path(folder))
    gc.collect()
    begun = time.perf_counter()
    found = load()
    spent = time.perf_counter() - begun
    if wanted not in found:
        raise RuntimeError(f"{tool} did not make {wanted}")
    return spent


def measure(jobs: int) -> list[Table]:
    """Each tool over so many jobs and over ten times as many."""
    sizes = (jobs, 10 * jobs)
    times = {tool: _of_tool(tool, sizes) for tool in TOOLS}
    return [
        Table(
            "One job's DAG at task run, wall ms beyond imports",
            ("tool", *(f"of {size:,} jobs" for size in sizes)),
            [(tool, *some) for tool, some in times.items()],
            [
                Target(f"Trawl, one of {size:,}", spent, LIMIT_MS, " ms")
                for size, spent in zip(sizes, times["Trawl"], strict=True)
                if spent is not None
            ],
        )
    ]


def _of_tool(tool: str, sizes: tuple[int, ...]) -> list[float | None]:
    found: list[float | None] = []
    for size in sizes:
        if found and (found[-1] is None or found[-1] > PATIENCE * 1000):
            found.append(None)
            continue
        with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
            found.append(_once(tool, Path(temporary), size) * 1000)
    return found


def _once(tool: str, home: Path, size: int) -> float:
    folder, wanted = write(tool, home, size), name_of(size // 2)
    times: list[float] = []
    while len(times) < ROUNDS and sum(times) < PATIENCE:
        target = ("benchmarks.task_start:seconds", tool, str(folder), wanted)
        times.append(fresh.call(*target, home=home, more={WANTED: wanted}))
    return median(times)
