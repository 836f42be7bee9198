"""Runs are counted as they would be walked through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.counting import days_a_window, fires_between, runs_a_month
from schemas.cron import next_fire, parse_cron
from schemas.schedule import Schedule, parse_schedule
from schemas.zone import zone

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Havana",  # clocks change at midnight
    "Australia/Lord_Howe",  # by half an hour
    "Africa/Casablanca",  # four times a year
    "Pacific/Apia",  # a day that never was
    "Asia/Kolkata",
    "Pacific/Auckland",  # so far from UTC that a day's noon there is another day's here
)
CRONS = (
    "0 0 * * *",
    "30 2 * * *",
    "0 */6 * * *",
    "0 * * * *",
    "15,45 1-4 * * 1-5",
    "0 0 1 * *",
    "0 0 13 * 5",
    "7 * * 3,10 *",
    "0 9 29 2 *",
)


def walked(cron: str, timezone: str, start: datetime, end: datetime) -> int:
    moment = next_fire(parse_cron(cron), timezone, start - timedelta(microseconds=1))
    count = 0
    while moment is not None and moment < end:
        count += 1
        moment = next_fire(parse_cron(cron), timezone, moment)
    return count


@given(
    cron=st.sampled_from(CRONS),
    timezone=st.sampled_from(ZONES),
    days=st.integers(0, 5844),
    minutes=st.integers(0, 1439),
    hours=st.integers(-10, 24 * 250),
)
def test_counting_gives_what_walking_gives(
    cron: str, timezone: str, days: int, minutes: int, hours: int
) -> None:
    begin = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(days=days, minutes=minutes)
    end = begin + timedelta(hours=hours)
    assert fires_between(cron, timezone, begin, end) == walked(cron, timezone, begin, end)


@pytest.mark.parametrize(
    ("cron", "day"),
    [
        ("30 2 * * *", datetime(2025, 3, 30, tzinfo=UTC)),
        ("0,30 2 * * *", datetime(2025, 3, 30, tzinfo=UTC)),
        ("30 2 * * *", datetime(2025, 10, 26, tzinfo=UTC)),
        ("0 * * * *", datetime(2025, 10, 26, tzinfo=UTC)),
    ],
)
def test_days_on_which_clocks_change_are_counted_as_they_are(cron: str, day: datetime) -> None:
    start = day - timedelta(days=3)
    end = start + timedelta(days=7)
    assert fires_between(cron, "Europe/Berlin", start, end) == walked(cron, "Europe/Berlin", start, end)


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("month", [1, 6])
def test_every_hour_of_half_a_year_is_counted(timezone: str, month: int) -> None:
    """Of half a year: an hour too many in one season makes up for one too few in the other."""
    start = datetime(2025, month, 1, 5, tzinfo=UTC)
    end = start + timedelta(days=180, hours=3)
    assert fires_between("0 * * * *", timezone, start, end) == walked("0 * * * *", timezone, start, end)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("daily", 31),
        ("hourly", 744),
        ("weekdays", 23),
        ("weekly", 5),
        ("monthly", 1),
        ("yearly", 1),
        ("every 15 minutes", 2976),
        ("0 0 29 2 *", 1),
        ("0 0 13 * 5", 6),
        ("manual", 0),
    ],
)
def test_a_month_is_counted_as_the_fullest_there_is(text: str, most: int) -> None:
    assert runs_a_month(parse_schedule(text)) == most


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("cron", ["0 * * * *", "*/30 * * * *", "0 6 * * *"])
def test_no_real_month_has_more_runs_than_said(cron: str, timezone: str) -> None:
    starts = [
        datetime(year, month, 1, tzinfo=UTC) - timedelta(hours=12)
        for year in (2023, 2024)
        for month in range(1, 13)
    ]
    most = max(walked(cron, timezone, start, end) for start, end in pairwise(starts))
    assert most <= runs_a_month(Schedule(cron, timezone)) <= most + 2


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("daily", 1),
        ("0 6 * * *", 2),
        ("hourly", 1),
        ("weekdays", 3),
        ("30 9-17 * * 1-5", 4),
        ("monthly", 31),
        ("yearly", 366),
        ("0 0 29 2 *", 1461),
        ("manual", 1),
    ],
)
def test_a_window_lies_on_as_many_days_as_the_longest_there_is(text: str, most: int) -> None:
    assert days_a_window(parse_schedule(text)) == most


@pytest.mark.parametrize("timezone", ZONES)
@pytest.mark.parametrize("cron", [cron for cron in CRONS if cron != "0 9 29 2 *"])
def test_no_real_window_lies_on_more_days_than_said(cron: str, timezone: str) -> None:
    place, moments = zone(timezone), [datetime(2023, 12, 25, tzinfo=UTC)]
    while len(moments) < 800 and moments[-1].year < 2026:
        following = next_fire(parse_cron(cron), timezone, moments[-1])
        assert following is not None
        moments.append(following)
    days = [
        ((end - timedelta(seconds=1)).astimezone(place).date() - start.astimezone(place).date()).days + 1
        for start, end in pairwise(moments)
    ]
    assert max(days) <= days_a_window(Schedule(cron, timezone))
