"""Fresh processes with a home of their own, in which nothing reports to anybody."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

QUIET = {
    "AIRFLOW__DAG_FACTORY__ENABLE_TELEMETRY": "False",
    "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "SCARF_ANALYTICS": "false",
    "SCARF_NO_ANALYTICS": "true",
}
"""Every switch against usage data that Airflow, dag-factory and dlt know."""


class Spent(NamedTuple):
    """What a process and its children used, in seconds, and what it printed."""

    wall: float
    cpu: float
    out: str


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a measured process: this machine's, without anybody's Airflow settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
    return {
        **own,
        **QUIET,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "DLT_DATA_DIR": str(home / "dlt"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", "")]),
        "PYTHONPATH": str(ROOT),
        **(more or {}),
    }


def run(command: Sequence[str], home: Path, more: Mapping[str, str] | None = None) -> Spent:
    """Run a command to its end; RuntimeError with what it printed where it failed."""
    before, begun = os.times(), time.perf_counter()
    done = subprocess.run(
        command, env=environment(home, more), cwd=home, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - begun, os.times()
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Spent(wall, cpu, done.stdout)


def call(target: str, *arguments: str, home: Path, more: Mapping[str, str] | None = None) -> Any:
    """The result of a function `module:name` of strings, called in a fresh process."""
    spent = run([sys.executable, "-m", "benchmarks.fresh", target, *arguments], home, more)
    return json.loads(spent.out.splitlines()[-1])


def _main(target: str, *arguments: str) -> None:
    from importlib import import_module

    module, _, name = target.partition(":")
    print(json.dumps(getattr(import_module(module), name)(*arguments)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
