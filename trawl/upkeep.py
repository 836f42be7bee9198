"""The DAG that deletes what is older than jobs let it be.

Jobs are read when it runs, not when it is loaded, so that it costs nobody anything in between.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, CronTriggerTimetable, task
from airflow.sdk.exceptions import AirflowFailException

from etl_callables.run import Run
from schemas.reading import read_jobs
from trawl.maintenance import Old, ageing, deleted, looked, summary
from trawl.operator import connection

DAG_ID = "trawl.maintenance"
AT = "30 3 * * *"

log = logging.getLogger("airflow.task")


def maintenance(pipelines: Path) -> dict[str, DAG]:
    """The DAG, by its id. Once a day its first task lists what is due, and its second deletes that alone.

    A bucket that cannot be reached keeps no other from being cleared; the second task then fails and
    says which.
    """
    with DAG(
        DAG_ID,
        description="Deletes what is older than the `keep` and `keep_raw` of jobs say",
        schedule=CronTriggerTimetable(AT, timezone="UTC", run_immediately=False),
        start_date=None,  # with one, it would run at once where it first appears
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=["trawl"],
        default_args={"owner": "trawl", "retries": 1},
    ) as dag:

        @task(task_id="list")
        def list_() -> dict[str, list[str]]:
            return listed(pipelines, _run())

        @task
        def delete(wanted: Any) -> None:
            problems = delete_listed(pipelines, wanted, _run())
            if problems:
                raise AirflowFailException("; ".join(problems))

        delete(list_())
    return {DAG_ID: dag}


def listed(pipelines: Path, run: Run) -> dict[str, list[str]]:
    """What is due, said in the log: the addresses by job. A job whose bucket cannot be reached has none."""
    old = looked(ageing(read_jobs(pipelines).jobs), run)
    for one in old:
        for thing in one.things:
            run.log.info("%s", thing)
        if one.problem:
            run.log.warning("%s: %s", one.job.file, one.problem)
    run.log.info("%s", summary(old))
    return {one.job.id: [thing.url for thing in one.things] for one in old if one.things or one.problem}


def delete_listed(pipelines: Path, wanted: dict[str, list[str]], run: Run) -> list[str]:
    """Delete what was listed and is still due; what could not be done, a sentence each."""
    jobs = [job for job in read_jobs(pipelines).jobs if job.id in wanted]
    old = [_only(one, wanted[one.job.id]) for one in looked(jobs, run)]
    count, problems = deleted(old, run)
    run.log.info("%d files deleted", count)
    return [f"{one.job.file}: {one.problem}" for one in old if one.problem] + problems


def _only(one: Old, urls: Iterable[str]) -> Old:
    """What was listed, of what is due now."""
    known = set(urls)
    return Old(one.job, tuple(thing for thing in one.things if thing.url in known), one.problem)


def _run() -> Run:
    return Run(id=DAG_ID, connection=connection, log=log)
