"""Run a job through Airflow for some days, in one process: `airflow dags test` for several dates.

`python -m trawl.rehearsal DAG_ID DATE [DATE …]`, with Airflow's settings in the environment. Exits
with 1 when any run does not succeed.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from airflow.utils.cli import get_bagged_dag


def main(arguments: list[str]) -> int:
    """Run the DAG for each date and say how each run ended; 0 when all succeeded."""
    match arguments:
        case [dag_id, *dates] if dates:
            pass
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    dag = get_bagged_dag(None, dag_id)
    failed = False
    for date in dates:
        run = dag.test(logical_date=datetime.fromisoformat(date).replace(tzinfo=UTC))
        failed |= str(run.state) != "success"
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
