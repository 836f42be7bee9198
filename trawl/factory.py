"""From job files to DAGs."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# dag-factory reads this when it is imported; nothing about anybody's jobs leaves the machine.
os.environ["AIRFLOW__DAG_FACTORY__ENABLE_TELEMETRY"] = "False"

from airflow.sdk import DAG, Param, get_parsing_context
from dagfactory.dagbuilder import DagBuilder

from etl_callables.url import veiled
from schemas.job import Job
from schemas.problem import Problem
from schemas.reading import essential, job_path, read_job, read_jobs
from trawl.asset import asset_of
from trawl.page import page
from trawl.request import EPOCH, runs_at_once
from trawl.timetable import ScrapeTimetable

log = logging.getLogger(__name__)

STEPS = ("extract", "transform", "load")
"""Every job is these three tasks, in this order; each names a function of `etl_callables`."""


class _Fresh(dict[str, Any]):
    """What is made for one DAG and kept by nobody: a builder may change it without copying it first."""

    def __deepcopy__(self, memo: dict[int, Any]) -> _Fresh:
        return self


class InvalidScrapeJobs(Exception):  # noqa: N818 (Airflow shows the name: it should read well)
    """The problems of all invalid job files, a line each."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        shown, held = essential(problems)
        files = "1 job file waits" if held == 1 else f"{held:,} job files wait"
        rest = (f"{files} for defaults to be mended.",) if held else ()
        super().__init__("\n".join(("", *map(veiled, map(str, shown)), *rest)))


def dags(pipelines: Path, build: Callable[[Job], DAG] | None = None) -> dict[str, DAG]:
    """The DAG of every valid job file below `pipelines`, by id. `build` is `dag_of` unless given.

    When a task runs, Airflow loads the file again and says which DAG it wants: only that one is
    read, so that a task starts as fast among ten thousand jobs as alone.
    """
    build = build or dag_of
    wanted = get_parsing_context().dag_id
    if wanted is None:
        with _everything_is_kept():
            return dict(_built(read_jobs(pipelines).jobs, build))
    path = job_path(wanted, pipelines)
    job = read_job(path, pipelines.parent) if path else None
    return {job.id: build(job)} if isinstance(job, Job) else {}


def _built(jobs: Iterable[Job], build: Callable[[Job], DAG]) -> Iterator[tuple[str, DAG]]:
    """The DAGs that can be built. Where one cannot, that is our defect, and no other job's problem."""
    for job in jobs:
        try:
            yield job.id, build(job)
        except Exception:
            log.exception("%s is valid, yet no DAG could be built of it: a defect of Trawl", job.file)


def raise_problems(pipelines: Path) -> None:
    """Raise InvalidScrapeJobs if any file below `pipelines` is invalid."""
    with _everything_is_kept():
        problems = read_jobs(pipelines).problems
    if problems:
        raise InvalidScrapeJobs(problems)


@contextmanager
def _everything_is_kept() -> Iterator[None]:
    """Pauses the garbage collector, which would go through all jobs and DAGs again and again for nothing.

    That is a fifth of the time it takes to load a thousand jobs.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def dag_of(job: Job) -> DAG:
    """One job as a DAG of three tasks, built with dag-factory."""
    built: dict[str, Any] = DagBuilder(job.id, _Fresh(config_of(job)), {}).build()
    dag: DAG = built["dag"]
    # dag-factory marks its DAGs with a tag of its own, which only says who built them.
    dag.tags = set(job.tags)
    # Put in last and one by one: the DAG and each of its tasks would check and copy the form's fields
    # again, which costs more than all the rest. A test checks them instead.
    for name, field in _form().items():
        dag.params[name] = field
    load: Any = dag.task_dict[STEPS[-1]]
    load.asset = asset_of(job)
    if get_parsing_context().dag_id is None:
        # Not where the task itself asks: Airflow would refuse to run it while another DAG gives that name to
        # something else. It names its outlet when it has published.
        load.outlets = [load.asset]
    return dag


def config_of(job: Job) -> dict[str, Any]:
    """What dag-factory is told; plain values and objects, so that it renders and expands nothing."""
    return {
        "description": job.description and veiled(job.description),
        "doc_md": page(job),
        "schedule": ScrapeTimetable.of(job),
        # Airflow wants one to catch up from, whatever it is: the timetable knows where the job begins.
        "start_date": EPOCH,
        "catchup": job.backfill,
        "max_active_runs": runs_at_once(job),
        "tags": list(job.tags),
        "default_args": _default_args(job),
        "tasks": {
            step: {
                "operator": "trawl.operator.ScrapeOperator",
                "python_callable": f"etl_callables.{step}",
                "job": job,
                "after": before,
                "dependencies": [before] if before else [],
            }
            for step, before in zip(STEPS, (None, *STEPS), strict=False)
        },
    }


def _default_args(job: Job) -> dict[str, Any]:
    args: dict[str, Any] = {
        "owner": job.owner or "trawl",
        "retries": job.retries,
        "retry_delay": job.retry_delay,
        "depends_on_past": job.depends_on_past,
    }
    if job.timeout:
        args["execution_timeout"] = job.timeout
    if job.email:
        notifier = {
            "callback": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
            "to": list(job.email),
        }
        if job.email_on_failure:
            args["on_failure_callback"] = notifier
        if job.email_on_retry:
            args["on_retry_callback"] = dict(notifier)
    return args


def _form() -> dict[str, Param]:
    """The trigger form: empty fields leave the job as it is."""
    own = "Leave empty for the job's own"
    return {
        "since": Param(
            None,
            title="Since",
            description=f"{own} window. Inclusive; UTC unless the time says otherwise.",
            type=["null", "string"],
            format="date-time",
        ),
        "until": Param(
            None,
            title="Until",
            description=f"{own} window. Exclusive; UTC unless the time says otherwise.",
            type=["null", "string"],
            format="date-time",
        ),
        "query": Param(
            None,
            title="Query",
            description=f"{own} query. With another, the posts are written beside the job's own.",
            type=["null", "string"],
            maxLength=4096,
        ),
        "limit": Param(
            None,
            title="Limit",
            description=f"{own} limit. Posts at most.",
            type=["null", "integer"],
            minimum=1,
        ),
    }
