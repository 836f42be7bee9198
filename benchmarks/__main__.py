"""`python -m benchmarks [NAME…] [--jobs N]`: run the named measurements, or all, and print their tables."""

import argparse
import time
from collections.abc import Sequence
from importlib import import_module

from benchmarks.machine import facts

MEASUREMENTS = {
    "build": "read, validate and build every job, beside four other ways to write DAGs",
    "dag_processor": "a whole pass of Airflow's dag-processor over unchanged jobs",
    "task_start": "what a task waits for its own DAG among a thousand and ten thousand",
    "check": "trawl check beside check-jsonschema",
    "start": "what a person waits for a command that shows something at once",
    "plan": "trawl plan of a change to one job, and to all of them",
    "extract": "extract beside a bare loop, and days side by side",
    "transform": "raw pages to CSV and Parquet, posts a second and peak memory",
    "load": "a file to S3, beside a bare upload of it",
    "verify": "ten thousand objects against their manifests, beside one by one",
}
"""Each is a module here of that name, with `measure(jobs)` that gives tables."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs to the end whatever the figures are: a benchmark is no test."""
    listed = "\n".join(f"  {name:<14} {what}" for name, what in MEASUREMENTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"Measure Trawl beside its peers.\n\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a measurement; all where none is named")
    parser.add_argument("--jobs", type=int, default=1000, metavar="N", help="how many jobs (1000)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(MEASUREMENTS):
        parser.error(
            f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(MEASUREMENTS)}"
        )
    if options.jobs < 1:
        parser.error("--jobs must be at least 1")
    print(facts(), flush=True)
    begun = time.monotonic()
    for name in options.names or MEASUREMENTS:
        for table in import_module(f"benchmarks.{name}").measure(options.jobs):
            print(table, flush=True)
    print(f"Measured in {time.monotonic() - begun:.0f} seconds.")


if __name__ == "__main__":
    main()
