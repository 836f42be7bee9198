"""How many runs a schedule has in a span, without walking through them one by one."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Final

from schemas.cron import Cron, next_fire, parse_cron
from schemas.schedule import Schedule, cron_of_windows
from schemas.zone import first_instant, zone

_TICK: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_YEARS: Final = range(2024, 2052)
"""They stand for all others: 28 years hold every length of a month with every weekday it begins on."""


@lru_cache(maxsize=4096)
def fires_between(expression: str, timezone: str, start: datetime, end: datetime) -> int:
    """How many fire times of a cron expression lie in [start, end), both aware."""
    if start >= end:
        return 0
    cron, place = parse_cron(expression), zone(timezone)
    first = start.astimezone(place).toordinal() + 1
    last = end.astimezone(place).toordinal()
    if first >= last:
        return _walked(cron, timezone, start, end)
    changes = _clock_changes(timezone, first, last)
    days = _matching(cron, first, last) - sum(cron.matches(date.fromordinal(day)) for day in changes)
    count = days * len(cron.hours) * len(cron.minutes)
    for day in changes:
        count += _walked(cron, timezone, _midnight(day, place), _midnight(day + 1, place))
    count += _walked(cron, timezone, start, _midnight(first, place))
    return count + _walked(cron, timezone, _midnight(last, place), end)


def runs_a_month(schedule: Schedule) -> int:
    """The runs of the month that has the most of them; none for a job that only runs when asked."""
    if schedule.cron is None:
        return 0
    cron = parse_cron(schedule.cron)
    runs = _most_days(cron.days, cron.months, cron.weekdays) * runs_a_day(schedule)
    if cron.in_real_time and any(_changes_of(schedule.timezone, year) for year in _YEARS):
        runs += len(cron.minutes)  # the hour that clocks show twice
    return runs


def runs_a_day(schedule: Schedule) -> int:
    """The runs of a day that has any and is no shorter or longer than others."""
    if schedule.cron is None:
        return 0
    cron = parse_cron(schedule.cron)
    return len(cron.hours) * len(cron.minutes)


def days_a_window(schedule: Schedule) -> int:
    """The most days of its zone's calendar that a window lies on, from one fire time to the next."""
    cron = cron_of_windows(schedule)
    into_the_last = (cron.hours[0], cron.minutes[0]) != (0, 0)
    return _widest_gap(cron.days, cron.months, cron.weekdays) + into_the_last


@lru_cache(maxsize=1024)
def _widest_gap(days: frozenset[int] | None, months: frozenset[int], weekdays: frozenset[int] | None) -> int:
    """Days from one that it fires on to the next, at most."""
    cron = Cron((0,), (0,), days, months, weekdays)
    first, last = date(_YEARS[0], 1, 1).toordinal(), date(_YEARS[-1] + 1, 1, 1).toordinal()
    firing = [day for day in range(first, last) if cron.matches(date.fromordinal(day))]
    # The years come again: from the last of them it goes on with the first.
    return max(after - before for before, after in pairwise([*firing, firing[0] + last - first]))


@lru_cache(maxsize=1024)
def _most_days(days: frozenset[int] | None, months: frozenset[int], weekdays: frozenset[int] | None) -> int:
    cron = Cron((0,), (0,), days, months, weekdays)
    firsts = [date(year, month, 1).toordinal() for year in _YEARS for month in range(1, 13)]
    return max(_matching(cron, first, following) for first, following in pairwise(firsts))


def _walked(cron: Cron, timezone: str, start: datetime, end: datetime) -> int:
    count = 0
    moment = next_fire(cron, timezone, start - _TICK)
    while moment is not None and moment < end:
        count += 1
        moment = next_fire(cron, timezone, moment)
    return count


def _midnight(ordinal: int, place: tzinfo) -> datetime:
    return first_instant(datetime.combine(date.fromordinal(ordinal), datetime.min.time()), place)


def _matching(cron: Cron, first: int, last: int) -> int:
    """How many days in [first, last) it fires on."""
    if cron.days is None and cron.weekdays is None and len(cron.months) == 12:  # noqa: PLR2004  a year's
        return last - first
    return sum(cron.matches(date.fromordinal(day)) for day in range(first, last))


def _clock_changes(timezone: str, first: int, last: int) -> list[int]:
    """The days in [first, last) that have more or fewer than 24 hours, or other clocks at their end."""
    years = range(date.fromordinal(first).year, date.fromordinal(last).year + 1)
    return [day for year in years for day in _changes_of(timezone, year) if first <= day < last]


@lru_cache(maxsize=1024)
def _changes_of(timezone: str, year: int) -> tuple[int, ...]:
    place = zone(timezone)
    if place is UTC:
        return ()
    noon = datetime(year, 1, 1, 12, tzinfo=UTC) - _DAY
    before = noon.astimezone(place).utcoffset()
    days: set[int] = set()
    for _ in range(368):
        noon += _DAY
        after = noon.astimezone(place).utcoffset()
        if after != before:
            # Between two noons: the day of the later one, the one before and, far from UTC, the one after.
            day = noon.astimezone(place).toordinal()
            days.update((day - 1, day, day + 1))
            before = after
    return tuple(sorted(days))
