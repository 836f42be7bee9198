"""When Airflow runs a job, and over which window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from pendulum import instance

from schemas.schedule import parse_schedule
from tests.trawl.jobs import utc
from trawl.timetable import ScrapeTimetable

FIFTH = utc(2021, 7, 5)


def timetable(
    text: str = "daily",
    timezone: str = "UTC",
    since: datetime | None = FIFTH,
    until: datetime | None = None,
) -> ScrapeTimetable:
    return ScrapeTimetable(parse_schedule(text, timezone), since, until, text)


def runs(
    table: ScrapeTimetable,
    count: int,
    *,
    catchup: bool = True,
    earliest: datetime | None = None,
    latest: datetime | None = None,
) -> list[DataInterval]:
    """The first intervals the scheduler would create; earliest and latest as a backfill asks for them."""
    found: list[DataInterval] = []
    restriction = TimeRestriction(earliest and instance(earliest), latest and instance(latest), catchup)
    while len(found) < count:
        info: DagRunInfo | None = table.next_dagrun_info(
            last_automated_data_interval=found[-1] if found else None, restriction=restriction
        )
        if info is None:
            break
        assert info.data_interval is not None
        assert info.run_after == info.data_interval.end, "a run starts when its interval is over"
        found.append(info.data_interval)
    return found


def test_a_backfill_creates_every_day_of_the_range_and_then_ends() -> None:
    intervals = runs(timetable(until=utc(2021, 7, 8)), 99)
    assert [(i.start.day, i.end.day) for i in intervals] == [(5, 6), (6, 7), (7, 8)]


def test_no_interval_is_ever_empty_or_left_out() -> None:
    intervals = runs(timetable("every 6 hours"), 40)
    assert all(i.start < i.end for i in intervals)
    assert all(before.end == after.start for before, after in pairwise(intervals))


def test_days_are_calendar_days_of_the_zone_even_when_clocks_change() -> None:
    spring = runs(timetable(timezone="Europe/Berlin", since=utc(2021, 3, 26, 23)), 3)
    autumn = runs(timetable(timezone="Europe/Berlin", since=utc(2021, 10, 29, 22)), 3)
    assert [(i.end - i.start).total_hours() for i in spring] == [24, 23, 24]
    assert [(i.end - i.start).total_hours() for i in autumn] == [24, 25, 24]


def test_without_backfill_only_the_last_complete_interval_is_caught_up() -> None:
    (interval,) = runs(timetable(), 1, catchup=False)
    assert interval.end <= datetime.now(UTC) < interval.end + timedelta(days=1)


def test_without_backfill_a_run_after_the_last_one_waits_for_its_interval() -> None:
    first, second = runs(timetable(), 2, catchup=False)
    assert second.start == first.end
    assert second.end > datetime.now(UTC)


def test_a_past_range_without_backfill_runs_nothing() -> None:
    assert runs(timetable(until=utc(2021, 7, 8)), 1, catchup=False) == []


def test_the_first_interval_is_the_one_that_holds_since() -> None:
    assert runs(timetable(since=utc(2021, 7, 5, 13)), 1)[0].start == utc(2021, 7, 5)


def test_a_backfill_by_hand_gets_what_it_asks_for_inside_the_range() -> None:
    intervals = runs(timetable(), 99, earliest=utc(2021, 7, 3), latest=utc(2021, 7, 6))
    assert [i.start.day for i in intervals] == [5, 6]
    intervals = runs(timetable(), 99, earliest=utc(2021, 7, 8), latest=utc(2021, 7, 9))
    assert [i.start.day for i in intervals] == [8, 9]


def test_a_job_without_a_beginning_begins_with_the_last_complete_interval() -> None:
    assert runs(timetable(since=None), 1, catchup=False) == runs(timetable(), 1, catchup=False)


def test_a_schedule_edited_between_runs_repeats_and_skips_no_whole_interval() -> None:
    last = DataInterval(instance(utc(2021, 7, 5)), instance(utc(2021, 7, 6)))
    info = timetable("daily at 06:00", since=None).next_dagrun_info(
        last_automated_data_interval=last, restriction=TimeRestriction(None, None, catchup=True)
    )
    assert info is not None
    assert info.data_interval == (utc(2021, 7, 6, 6), utc(2021, 7, 7, 6))


@pytest.mark.parametrize("moment", [utc(2021, 7, 5), utc(2021, 7, 5, 13, 5), utc(2021, 7, 5, 23, 59, 59)])
def test_a_run_by_hand_for_a_past_date_gets_the_window_a_scheduled_run_had(moment: datetime) -> None:
    interval = timetable().infer_manual_data_interval(run_after=instance(moment))
    assert interval == (utc(2021, 7, 5), utc(2021, 7, 6))


def test_a_run_by_hand_now_gets_the_last_window_that_is_complete() -> None:
    interval = timetable("hourly").infer_manual_data_interval(run_after=instance(datetime.now(UTC)))
    assert interval.end <= datetime.now(UTC) < interval.end + timedelta(hours=1)


def test_a_job_that_only_runs_when_asked_is_never_scheduled_but_has_days() -> None:
    table = timetable("manual", "Europe/Berlin")
    assert runs(table, 1) == []
    assert not table.can_be_scheduled
    interval = table.infer_manual_data_interval(run_after=instance(utc(2021, 7, 5, 12)))
    assert interval == (utc(2021, 7, 4, 22), utc(2021, 7, 5, 22))


@pytest.mark.parametrize("until", [None, utc(2022, 7, 6, 1, 2, 3)])
@pytest.mark.parametrize("since", [None, utc(2021, 7, 5)])
def test_what_airflow_stores_of_it_comes_back_as_it_was(
    since: datetime | None, until: datetime | None
) -> None:
    table = timetable("weekly on monday at 06:00", "America/New_York", since, until)
    back = decode_timetable(encode_timetable(table))
    assert back == table
    assert back.description == table.description
    assert back != timetable("weekly on monday at 06:00", "America/New_York", utc(2020, 1, 1), until)
    assert back.summary == "weekly on monday at 06:00"
