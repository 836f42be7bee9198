"""Durations: `30s`, `1 minute`, `2 hours`, or a plain number of seconds; and ages: `30 days`, `2 years`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_DURATION = re.compile(r"(?P<count>[0-9]+) ?(?P<unit>[a-z]+)")
_SECONDS: Final = {
    unit: seconds
    for units, seconds in (
        ("s sec secs second seconds", 1),
        ("m min mins minute minutes", 60),
        ("h hr hrs hour hours", 3600),
        ("d day days", 86400),
    )
    for unit in units.split()
}
_LONGEST: Final = timedelta(days=366)


def parse_duration(value: str | int) -> timedelta:
    """The duration, at least a second and at most a year; ValueError, in a sentence, for anything else."""
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if found is None or found["unit"] not in _SECONDS:
            raise ValueError(f'"{value}" is no duration')
        # More than a dozen digits are beyond the longest, whatever the unit.
        seconds = int(found["count"][:12]) * _SECONDS[found["unit"]]
    else:
        seconds = value
    if seconds < 1:
        raise ValueError("a duration is at least a second")
    if seconds > _LONGEST.total_seconds():
        raise ValueError("a duration is at most a year")
    return timedelta(seconds=seconds)


MOST_DAYS: Final = 9999
"""An age has four digits at most."""

_AGE = re.compile(r"(?P<count>[0-9]{1,4}) ?(?P<unit>[a-z]+?)s?")
_DAYS: Final = {"d": 1, "day": 1, "week": 7, "month": 30, "year": 365}


def parse_age(value: str) -> timedelta:
    """An age of whole days, as the schema has checked it; a month has 30 days, a year 365."""
    found = _AGE.fullmatch(value)
    if found is None:
        raise ValueError(f'"{value}" is no age')
    return timedelta(days=int(found["count"]) * _DAYS[found["unit"]])
