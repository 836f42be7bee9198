"""What a step's outcome means for its Airflow task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import Asset
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    TaskDeferred,
)
from airflow.sdk.execution_time.context import OutletEventAccessors

from etl_callables.errors import NothingToDo, Overtaken, RetryLater, Stop
from schemas.job import DateRange, Job
from schemas.window import Window
from tests.trawl.jobs import job, utc
from trawl.asset import asset_of
from trawl.operator import ScrapeOperator, asked_of


def context(**changes: Any) -> dict[str, Any]:
    run = {
        "run_id": "scheduled__2021-07-06",
        "data_interval_start": utc(2021, 7, 6),
        "data_interval_end": utc(2021, 7, 7),
        "run_after": utc(2021, 7, 7),
        **changes.pop("dag_run", {}),
    }
    form = {"since": None, "until": None, "query": None, "limit": None, **changes.pop("params", {})}
    earlier = {"extract": {"raw": "key", "pages": 1, "posts": 2}}
    return {
        "dag_run": SimpleNamespace(**run),
        "params": form,
        "ti": SimpleNamespace(xcom_pull=lambda task_ids: earlier[task_ids]),
        "outlet_events": OutletEventAccessors(),
    }


def step(callable_: Any, after: str | None = None, of: Job | None = None) -> ScrapeOperator:
    return ScrapeOperator(task_id="extract", python_callable=callable_, job=of or job(), after=after)


def raising(error: Exception) -> Any:
    def fail(*_: Any) -> None:
        raise error

    return fail


def test_a_step_gets_the_job_its_window_the_run_and_the_result_before() -> None:
    got: list[Any] = []
    step(lambda *arguments: got.extend(arguments), after="extract").execute(context())
    assert got[0] == job()
    assert got[1] == Window(utc(2021, 7, 6), utc(2021, 7, 7))
    assert (got[2].id, got[2].variant) == ("scheduled__2021-07-06", "")
    assert got[3] == {"raw": "key", "pages": 1, "posts": 2}


def test_a_window_outside_the_range_skips_the_task() -> None:
    never = job(date_range=DateRange(utc(2030, 1, 1), None))
    with pytest.raises(AirflowSkipException, match="nothing to do"):
        step(lambda *_: None, of=never).execute(context())


def test_what_a_person_must_mend_fails_without_another_try() -> None:
    with pytest.raises(AirflowFailException, match="the bucket is gone"):
        step(raising(Stop("the bucket is gone"))).execute(context())


def test_a_passing_fault_is_an_ordinary_retry() -> None:
    with pytest.raises(AirflowException, match="503") as caught:
        step(raising(RetryLater("the source answered 503"))).execute(context())
    assert not isinstance(caught.value, AirflowFailException)


def test_a_long_wait_gives_the_worker_back_until_the_time_the_source_named() -> None:
    after = datetime.now(UTC) + timedelta(minutes=15)
    with pytest.raises(TaskDeferred) as caught:
        step(raising(RetryLater("limited", after))).execute(context())
    assert isinstance(caught.value.trigger, DateTimeTrigger)
    assert caught.value.trigger.moment == after
    assert caught.value.method_name == "resume"


def test_after_the_wait_the_step_is_run_again() -> None:
    assert step(lambda *_: "done").resume(context(), event="fired") == "done"


def test_a_defect_of_ours_is_shown_as_one() -> None:
    with pytest.raises(ZeroDivisionError):
        step(lambda *_: 1 / 0).execute(context())


def test_a_persons_words_are_never_templates() -> None:
    assert ScrapeOperator.template_fields == ()


def test_a_run_without_a_date_takes_the_last_complete_window() -> None:
    undated = {"data_interval_start": None, "data_interval_end": None, "run_after": utc(2021, 7, 8, 9)}
    assert asked_of(job(), context(dag_run=undated)).window == Window(utc(2021, 7, 8), utc(2021, 7, 9))


def test_fields_of_the_form_that_were_emptied_again_change_nothing() -> None:
    asked = asked_of(job(), context(params={"since": "", "until": "", "query": "", "limit": None}))
    assert asked == asked_of(job(), context())
    assert (asked.job.query, asked.variant) == ("covid", "")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2021-07-06T06:00:00Z", utc(2021, 7, 6, 6)),
        ("2021-07-06T06:00:00+02:00", utc(2021, 7, 6, 4)),
        ("2021-07-06T06:00", utc(2021, 7, 6, 6)),
    ],
)
def test_times_in_the_form_are_utc_unless_they_say_otherwise(text: str, start: datetime) -> None:
    assert asked_of(job(), context(params={"since": text})).window.start == start


def test_a_time_in_the_form_that_is_none_is_the_persons_mistake() -> None:
    with pytest.raises(Stop, match="since is not a time: 'yesterday'"):
        asked_of(job(), context(params={"since": "yesterday"}))


PUBLISHED = {"object": "s3://bucket/covid/2021-07-06.csv", "posts": 150, "variant": ""}


def publishing(result: Any) -> ScrapeOperator:
    """The step that publishes, as the last one of a job is where its task runs."""
    load = step(result if callable(result) else lambda *_: result)
    load.asset = asset_of(job())
    return load


def updated(load: ScrapeOperator, of: dict[str, Any]) -> dict[Asset, Any]:
    """What Airflow tells those who wait, should the task succeed: each outlet with the event's values."""
    return {asset: of["outlet_events"][asset].extra for asset in load.outlets}


def test_what_was_published_is_told_with_the_jobs_asset() -> None:
    load, run = publishing(PUBLISHED), context()
    assert load.execute(run) == PUBLISHED
    assert updated(load, run) == {asset_of(job()): PUBLISHED}


def test_what_lies_beside_the_jobs_own_objects_updates_no_asset() -> None:
    load, run = publishing({**PUBLISHED, "variant": "manual-1"}), context()
    load.outlets = [asset_of(job())]
    load.execute(run)
    assert updated(load, run) == {}
    assert load.published is not None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (NothingToDo("no"), AirflowSkipException),
        (Overtaken("another run was faster", {}), AirflowSkipException),
        (Stop("not as expected"), AirflowFailException),
        (RetryLater("503"), AirflowException),
    ],
)
def test_a_step_that_published_nothing_raises_so_that_nothing_is_told(
    error: Exception, state: type[Exception]
) -> None:
    load, run = publishing(raising(error)), context()
    with pytest.raises(state):
        load.execute(run)
    assert len(run["outlet_events"]) == 0
    assert load.published is None


def test_steps_that_publish_nothing_tell_nothing() -> None:
    run = context()
    extract = step(lambda *_: {"raw": "key"})
    extract.execute(run)
    assert len(run["outlet_events"]) == 0
    assert extract.published is None
