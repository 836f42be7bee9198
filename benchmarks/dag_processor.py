"""A whole pass of Airflow's own dag-processor over jobs that have not changed, on SQLite."""

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from benchmarks import fresh
from benchmarks.equal_jobs import write
from benchmarks.table import Table, Target

PASSES = 2
"""How many passes more the longer of two runs makes; the difference is theirs alone."""

TOOLS = {"hand-written Python": ".", "Trawl": "dags"}
"""The tools compared, each with its DAG folder."""

SETTINGS = {
    "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "0",
    # By default a DAG is not compared again within half a minute of being stored, which would leave
    # out of a short measurement what every later pass does.
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
    "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
    "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT": "600",
}


class Site:
    """An Airflow home with jobs of one tool, all of them stored."""

    def __init__(self, tool: str, parent: Path, jobs: int) -> None:
        self.folder = write(tool, parent, jobs)
        self.home = parent / f"home-{self.folder.name}"
        self.home.mkdir()
        self._settings = {**SETTINGS, "AIRFLOW__CORE__DAGS_FOLDER": str(self.folder / TOOLS[tool])}
        fresh.run([sys.executable, "-m", "airflow", "db", "migrate"], self.home, self._settings)
        self.run(1)
        if (stored := self._stored()) != jobs:
            raise RuntimeError(f"Airflow stored {stored} DAGs of {jobs} jobs of {tool}")

    def run(self, passes: int) -> fresh.Spent:
        """One dag-processor that reads every file so many times."""
        command = [sys.executable, "-m", "airflow", "dag-processor", "--num-runs", str(passes)]
        return fresh.run(command, self.home, self._settings)

    def _stored(self) -> int:
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            query = (
                "select count(*) from serialized_dag s join dag d on d.dag_id = s.dag_id"
                " where not d.is_stale and d.dag_id <> 'trawl.maintenance'"  # which is of no job
            )
            return int(database.execute(query).fetchone()[0])


def measure(jobs: int) -> list[Table]:
    """The tools take turns over their own Airflow homes."""
    with tempfile.TemporaryDirectory(prefix="trawl-bench-") as temporary:
        sites = {tool: Site(tool, Path(temporary), jobs) for tool in TOOLS}
        shorter = {tool: site.run(1) for tool, site in sites.items()}
        longer = {tool: site.run(1 + PASSES) for tool, site in sites.items()}
    each = PASSES * jobs / 1000
    cpu = {tool: (longer[tool].cpu - shorter[tool].cpu) / each for tool in TOOLS}
    wall = {tool: (longer[tool].wall - shorter[tool].wall) / each for tool in TOOLS}
    base = cpu["hand-written Python"]
    return [
        Table(
            f"A pass of airflow dag-processor over {jobs:,} unchanged jobs, SQLite",
            ("tool", "CPU ms a DAG", "wall ms a DAG", "x hand-written (CPU)"),
            [(tool, cpu[tool], wall[tool], cpu[tool] / base) for tool in TOOLS],
            [Target("Trawl beside hand-written @daily", cpu["Trawl"] / base, 0.65, " x")],
        )
    ]
