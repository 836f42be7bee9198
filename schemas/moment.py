"""Moments: the dates and times a person writes, made exact."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo

from schemas.zone import first_instant

_MOMENT = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?: ?(?P<offset>[Zz]|[+-][0-9]{2}:?[0-9]{2}))?)?"
)
_EARLIEST, _LATEST = 1970, 2199


def parse_moment(text: str, place: tzinfo) -> datetime:
    """The aware UTC moment that `text` names, in `place` unless it carries an offset.

    A date alone is its midnight; a time that clocks jump over is the first minute after the jump.
    ValueError, in a sentence for a person, for what is no date or time.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no date or time')
    try:
        wall = datetime.fromisoformat(f"{found['date']} {found['time'] or '00:00'}")
        if found["offset"]:
            moment = datetime.fromisoformat(f"{wall.isoformat()}{found['offset'].upper()}").astimezone(UTC)
        else:
            moment = first_instant(wall, place)
    except (ValueError, OverflowError):
        raise ValueError(f'there is no such moment as "{text}"') from None
    if not _EARLIEST <= wall.year <= _LATEST:
        raise ValueError(f'the year of "{text}" is not from {_EARLIEST} to {_LATEST}')
    return moment
