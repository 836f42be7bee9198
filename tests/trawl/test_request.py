"""What a run fetches, from its interval and what a person overrode."""

from __future__ import annotations

from datetime import datetime

import pytest

from etl_callables.errors import NothingToDo, Stop
from schemas.job import DateRange
from schemas.window import Window
from tests.trawl.jobs import job, utc
from trawl.request import EPOCH, Overrides, ask

DAY = Window(utc(2021, 7, 6), utc(2021, 7, 7))


def test_a_run_takes_its_own_interval() -> None:
    asked = ask(job(), DAY)
    assert (asked.window, asked.variant) == (DAY, "")


def test_a_run_that_straddles_the_range_takes_only_what_lies_inside() -> None:
    spanning = job(date_range=DateRange(utc(2021, 7, 6, 12), utc(2021, 7, 6, 18)))
    assert ask(spanning, DAY).window == Window(utc(2021, 7, 6, 12), utc(2021, 7, 6, 18))


@pytest.mark.parametrize("start", [utc(2021, 7, 4), utc(2021, 7, 12)])
def test_a_run_outside_the_range_has_nothing_to_do_and_says_why(start: datetime) -> None:
    day = Window(start, start.replace(day=start.day + 1))
    with pytest.raises(NothingToDo) as caught:
        ask(job(), day)
    assert str(caught.value) == (
        f"nothing to do: {start:%Y-%m-%d} 00:00 to {day.end:%Y-%m-%d} 00:00 UTC lies outside the job's date "
        "range (since 2021-07-05 00:00, until 2021-07-12 00:00) in pipelines/team/covid.yaml"
    )


def test_whole_takes_the_entire_range_whatever_the_interval() -> None:
    whole = job(date_range=DateRange(utc(2021, 7, 5), utc(2022, 7, 6), "whole"))
    late = Window(utc(2026, 1, 1), utc(2026, 1, 2))
    assert ask(whole, late).window == Window(utc(2021, 7, 5), utc(2022, 7, 6))


def test_whole_without_a_range_ends_with_the_runs_interval() -> None:
    whole = job(date_range=DateRange(each_run="whole"))
    assert ask(whole, DAY).window == Window(EPOCH, DAY.end)


def test_another_window_by_hand_is_written_beside_the_jobs_own() -> None:
    asked = ask(job(), DAY, Overrides(since=utc(2021, 7, 5), until=utc(2021, 7, 8)))
    assert asked.window == Window(utc(2021, 7, 5), utc(2021, 7, 8))
    assert asked.variant == "manual"


def test_the_jobs_own_window_by_hand_is_the_jobs_own_run() -> None:
    assert ask(job(), DAY, Overrides(since=DAY.start, until=DAY.end)).variant == ""


def test_another_query_or_limit_by_hand_never_shares_a_place() -> None:
    variants = {
        ask(job(), DAY, overrides).variant
        for overrides in (Overrides(query="flu"), Overrides(limit=3), Overrides(query="flu", limit=3))
    }
    assert len(variants) == 3
    assert all(variant.startswith("manual-") for variant in variants)


def test_another_query_by_hand_reaches_the_source_as_written() -> None:
    asked = ask(job(), DAY, Overrides(query="{{ ds }} $HOME"))
    assert asked.job.query == "{{ ds }} $HOME"
    assert asked.job.limit == 150


def test_a_window_by_hand_may_lie_outside_the_jobs_range() -> None:
    outside = Window(utc(2021, 8, 1), utc(2021, 8, 2))
    asked = ask(job(), outside, Overrides(since=outside.start, until=outside.end))
    assert (asked.window, asked.variant) == (outside, "manual")


def test_another_query_on_a_day_outside_the_range_is_still_a_skip() -> None:
    with pytest.raises(NothingToDo):
        ask(job(), Window(utc(2021, 8, 1), utc(2021, 8, 2)), Overrides(query="flu"))


@pytest.mark.parametrize("since", [DAY.end, utc(2021, 7, 9)])
def test_since_at_or_after_until_by_hand_is_the_persons_mistake(since: datetime) -> None:
    with pytest.raises(Stop, match="must be before until"):
        ask(job(), DAY, Overrides(since=since))
