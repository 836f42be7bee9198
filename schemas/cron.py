"""Five-field cron: read once, then asked for the next and the last fire time in a zone.

Fields are those of cron(5): minute, hour, day of month, month, day of week, with lists, ranges,
steps and names. As in cron, when both day fields are restricted either one is enough; a field that
covers its whole range (`*/1`, `1-31`) restricts nothing.

On the days when clocks change, a fire time that clocks jump over moves to the first minute after
the jump, and one they show twice fires the first time only. An expression whose hour is not
restricted fires at least once an hour, and simply goes on in real time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final, NamedTuple

from schemas.fault import Slip
from schemas.zone import first_instant, zone

DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_LONGEST: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_HOUR: Final = timedelta(hours=1)
# 29 February is at most eight years away: 2096 is followed by 2104.
_REACH_DAYS: Final = 9 * 366
_ITEM = re.compile(r"(?:(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\w+))?")


class NeverFires(ValueError):  # noqa: N818  it says what is so, as a Slip does
    """An expression that is well formed and names no day there is."""


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(month[:3].lower() for month in MONTHS), 1),
    _Field("day of the week", 0, 7, tuple(day[:3].lower() for day in DAYS)),
)


class Cron(NamedTuple):
    """A parsed expression; Sunday is 0. `days` and `weekdays` are None where any day will do."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None

    @property
    def in_real_time(self) -> bool:
        """Whether it fires in every hour, so that clock changes do not move it."""
        return len(self.hours) == 24  # noqa: PLR2004  the hours of a day

    def matches(self, day: date) -> bool:
        """Whether it fires on that local day."""
        if day.month not in self.months:
            return False
        if self.days is None:
            return self.weekdays is None or day.isoweekday() % 7 in self.weekdays
        if day.day in self.days:
            return True
        return self.weekdays is not None and day.isoweekday() % 7 in self.weekdays

    def fires(self) -> bool:
        """Whether there is any day it fires on (30 February is none)."""
        if self.days is None or self.weekdays is not None:
            return True
        return any(min(self.days) <= _LONGEST[month - 1] for month in self.months)


@lru_cache(maxsize=4096)
def parse_cron(text: str) -> Cron:
    """The expression in `text`; Slip, in a sentence for a person, where it is none.

    The slip's offset is that in the fields with a single space between them.
    """
    parts = text.lower().split()
    if len(parts) != len(_FIELDS):
        raise Slip(
            f'"{text}" has {len(parts)} field{"s"[: len(parts) != 1]}; cron here has five: '
            "minute hour day-of-month month day-of-week"
        )
    starts = [sum(len(part) + 1 for part in parts[:number]) for number in range(len(parts))]
    minutes, hours, days, months, weekdays = (
        _read_field(part, field, start) for part, field, start in zip(parts, _FIELDS, starts, strict=True)
    )
    weekdays = {day % 7 for day in weekdays}
    return Cron(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=None if len(days) == 31 else frozenset(days),  # noqa: PLR2004  every day there is
        months=frozenset(months),
        weekdays=None if len(weekdays) == len(DAYS) else frozenset(weekdays),
    )


def _read_field(text: str, field: _Field, start: int) -> set[int]:
    values: set[int] = set()
    at = start
    for item in text.split(","):
        found = _ITEM.fullmatch(item)
        if found is None:
            raise Slip(f'"{item}" is no {field.name} of a cron expression', at)
        low = field.low if found["all"] else _number(found["low"], field, at)
        high = low
        if found["high"] is not None:
            high = _number(found["high"], field, at + found.start("high"))
        elif found["all"] or found["step"]:
            # The seventh weekday is Sunday again, written otherwise.
            high = min(field.high, 6) if field.names and not field.first_name else field.high
        if low > high:
            raise Slip(f'the {field.name} range "{item}" runs backwards', at)
        step = 1
        if found["step"] is not None:
            if not found["step"].isascii() or not found["step"].isdigit() or int(found["step"]) < 1:
                raise Slip(f'the step in "{item}" must be a whole number from 1', at + found.start("step"))
            step = int(found["step"])
        values.update(range(low, high + 1, step))
        at += len(item) + 1
    return values


def _number(text: str, field: _Field, at: int) -> int:
    if text in field.names:
        return field.names.index(text) + field.first_name
    if text.isascii() and text.isdigit() and field.low <= int(text[:4]) <= field.high:
        return int(text[:4])
    raise Slip(
        f'"{text}" is no {field.name}; it goes from {field.low} to {field.high}'
        + (f" or {field.names[0]} to {field.names[-1]}" if field.names else ""),
        at,
    )


# A thousand jobs of a plan or of a pass of Airflow's ask for the same moments of a few schedules.
@lru_cache(maxsize=8192)
def next_fire(cron: Cron, timezone: str, moment: datetime) -> datetime | None:
    """The first fire time after the aware `moment`, in UTC; None when there is none in nine years."""
    if cron.in_real_time:
        for day in _days_of(cron, moment.astimezone(UTC).toordinal(), 1, slack=1):
            fires = _fires_in_real_time(cron, timezone, day)
            if fires and fires[-1] > moment:
                return fires[bisect_right(fires, moment)]
        return None
    # A fire time that moved ahead is still after every moment that is before the jump.
    for day in _days_of(cron, moment.astimezone(zone(timezone)).toordinal(), 1):
        fires = _fires_by_wall_clock(cron, timezone, day)
        if fires[-1] > moment:
            return fires[bisect_right(fires, moment)]
    return None


@lru_cache(maxsize=8192)
def last_fire(cron: Cron, timezone: str, moment: datetime) -> datetime | None:
    """The last fire time at or before the aware `moment`, in UTC; None when there is none in nine years."""
    place = zone(timezone)
    if cron.in_real_time:
        for day in _days_of(cron, moment.astimezone(UTC).toordinal(), -1, slack=1):
            fires = _fires_in_real_time(cron, timezone, day)
            if fires and fires[0] <= moment:
                return fires[bisect_right(fires, moment) - 1]
        return None
    # Where clocks go back over midnight, tomorrow has begun once already.
    ahead = 0 if place is UTC else 1
    for day in _days_of(cron, moment.astimezone(place).toordinal() + ahead, -1):
        fires = _fires_by_wall_clock(cron, timezone, day)
        if fires[0] <= moment:
            return fires[bisect_right(fires, moment) - 1]
    return None


def _days_of(cron: Cron, ordinal: int, step: int, slack: int = 0) -> Iterator[int]:
    """The days on which `cron` may fire, from `ordinal` in either direction.

    With `slack`, days so many days from a matching one count too: a UTC day touches two or three local ones.
    """
    first, last = 2, date.max.toordinal() - 1
    for distance in range(_REACH_DAYS):
        day = ordinal + distance * step
        if not first <= day <= last:
            return
        near = range(day - slack, day + slack + 1)
        if any(cron.matches(date.fromordinal(other)) for other in near):
            yield day


@lru_cache(maxsize=8192)
def _fires_by_wall_clock(cron: Cron, timezone: str, ordinal: int) -> tuple[datetime, ...]:
    place = zone(timezone)
    day = date.fromordinal(ordinal)
    fires: dict[datetime, None] = {}
    for hour in cron.hours:
        for minute in cron.minutes:
            wall = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001  a wall clock
            fires[first_instant(wall, place)] = None
    return tuple(fires)


@lru_cache(maxsize=1024)
def _fires_in_real_time(cron: Cron, timezone: str, ordinal: int) -> tuple[datetime, ...]:
    place = zone(timezone)
    midnight = datetime.combine(date.fromordinal(ordinal), datetime.min.time(), UTC)
    fires: list[datetime] = []
    for hour in range(24):
        start = midnight + hour * _HOUR
        fires.extend(_fires_in_hour(cron, place, start))
    return tuple(fires)


def _fires_in_hour(cron: Cron, place: tzinfo, start: datetime) -> Iterator[datetime]:
    """The fire times in the real hour from `start`."""
    local = start.astimezone(place)
    steady = local.utcoffset() == (start + _HOUR).astimezone(place).utcoffset()
    for elapsed in range(60):
        if steady and (local.minute + elapsed) % 60 not in cron.minutes:
            continue
        moment = start + timedelta(minutes=elapsed)
        wall = moment.astimezone(place)
        if wall.minute in cron.minutes and wall.second == 0 and cron.matches(wall.date()):
            yield moment
