"""One step of a job as an Airflow task: the only place where errors become states of a task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Asset, BaseHook
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowNotFoundException,
    AirflowSkipException,
)

from etl_callables.errors import NothingToDo, RetryLater, Stop
from etl_callables.run import Run
from schemas.job import Job
from schemas.window import Window
from trawl.request import Asked, Overrides, ask
from trawl.timetable import ScrapeTimetable

SHORT_WAIT = timedelta(seconds=30)
"""A wait up to this long is Airflow's ordinary retry; a longer one gives the worker slot back."""


class ScrapeOperator(PythonOperator):
    """Calls one of `etl_callables` with the job, its window and the run, and the step before's result.

    Nothing of it is a template: a query may hold braces, and must reach the source as written.
    """

    template_fields: Sequence[str] = ()
    ui_color = "#dbeafe"

    def __init__(self, *, job: Job, after: str | None = None, **kwargs: Any) -> None:
        kwargs.pop("op_args", None)
        kwargs.pop("op_kwargs", None)
        super().__init__(**kwargs)
        self.job = job
        self.after = after
        self.asset: Asset | None = None
        self.published: Mapping[str, Any] | None = None

    def execute(self, context: Mapping[str, Any]) -> Any:
        """Run the step; what goes wrong becomes a skip, a retry, a deferral or a failure.

        The step that has the job's asset is the one that publishes. Airflow tells of it when the task
        succeeds, so a step that raises, for whatever reason, updates nothing.
        """
        step: Callable[..., Any] = self.python_callable
        earlier = (context["ti"].xcom_pull(task_ids=self.after),) if self.after else ()
        try:
            asked = asked_of(self.job, context)
            result = step(asked.job, asked.window, run_of(asked, context), *earlier)
        except NothingToDo as error:
            raise AirflowSkipException(str(error)) from None
        except Stop as error:
            raise AirflowFailException(str(error)) from None
        except RetryLater as error:
            self._later(error)
        if self.asset is not None:
            self._announce(self.asset, result, context["outlet_events"])
        return result

    def resume(self, context: Mapping[str, Any], event: Any = None) -> Any:  # noqa: ARG002 (Airflow's signature)
        """Go on after a deferred wait; the step itself knows where it stopped."""
        return self.execute(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 (OpenLineage's)
        """What OpenLineage's provider, where there is one, is told of the object that this step published."""
        from trawl.lineage import lineage_of  # noqa: PLC0415 (needs the provider, which is who calls)

        return lineage_of(self.job, self.published)

    def _announce(self, asset: Asset, published: Mapping[str, Any], events: Mapping[Any, Any]) -> None:
        self.published = published
        # What a run by hand wrote beside the job's own objects is not what others wait for.
        self.outlets = [] if published["variant"] else [asset]
        for outlet in self.outlets:
            events[outlet].extra = dict(published)

    def _later(self, error: RetryLater) -> NoReturn:
        now = datetime.now(UTC)
        if error.after and error.after - now > SHORT_WAIT:
            self.log.warning(
                "%s; waiting without a worker until %s", error, error.after.isoformat(" ", "seconds")
            )
            self.defer(trigger=DateTimeTrigger(moment=error.after), method_name="resume")
        raise AirflowException(str(error)) from None


def asked_of(job: Job, context: Mapping[str, Any]) -> Asked:
    """What the run in this Airflow context fetches: its interval, and the trigger form's values."""
    run = context["dag_run"]
    start, end = run.data_interval_start, run.data_interval_end
    if start is None or end is None or start >= end:
        # Triggered without a date: the last complete window before the run was asked for.
        window = ScrapeTimetable.of(job).window_of(run.run_after)
    else:
        window = Window(start, end)
    return ask(job, window, overrides_of(context["params"]))


def overrides_of(params: Mapping[str, Any]) -> Overrides:
    """The trigger form's values; empty fields leave the job as it is. Raises Stop for bad times."""
    return Overrides(
        since=_moment("since", params.get("since")),
        until=_moment("until", params.get("until")),
        query=params.get("query") or None,
        limit=params.get("limit") or None,
    )


def _moment(name: str, text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Stop(f"{name} is not a time: {text!r}; write it as 2021-07-05T00:00:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def run_of(asked: Asked, context: Mapping[str, Any]) -> Run:
    """The run as the callables know it."""
    return Run(
        id=context["dag_run"].run_id,
        variant=asked.variant,
        connection=connection,
        log=logging.getLogger("airflow.task"),
    )


def connection(name: str) -> Mapping[str, Any]:
    """The values of an Airflow connection; LookupError where Airflow has none of that name."""
    try:
        found = BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise LookupError(name) from error
    return {
        "type": found.conn_type,
        "host": found.host,
        "login": found.login,
        "password": found.password,
        "schema": found.schema,
        "port": found.port,
        "extra": found.extra_dejson,
    }
