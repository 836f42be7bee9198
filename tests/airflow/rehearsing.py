"""Rehearse several jobs in one process: `python -m tests.airflow.rehearsing DAG_ID DATE [DAG_ID DATE …]`."""

from __future__ import annotations

import sys

from trawl.rehearsal import main

if __name__ == "__main__":
    pairs = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    failed = [dag_id for dag_id, date in pairs if main([dag_id, date])]
    print("failed:", *failed)  # noqa: T201 - for the test that started it
    sys.exit(len(failed))
