"""Durations: `30s`, `1 minute`, `2 hours`, or a plain number of seconds."""

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
