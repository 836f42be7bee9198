"""Time zones by name, and wall-clock times in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+){0,2}")
_NO_PLACE = frozenset({"Factory", "localtime", "posixrules"})
_COPIES = ("posix/", "right/")
"""What some machines have all zones below once more; those of `right` count leap seconds besides."""

_MINUTE = timedelta(minutes=1)


@lru_cache(maxsize=1024)
def zone(name: str) -> tzinfo:
    """The zone of an IANA name; ValueError where there is none of that name."""
    if name in ("UTC", "Etc/UTC"):
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415  most jobs are in UTC and never need it

    if _NAME.fullmatch(name) and name not in _NO_PLACE and not name.startswith(_COPIES):
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            pass
    raise ValueError(f'unknown time zone "{name}"')


@cache
def zone_names() -> frozenset[str]:
    """Every name that `zone` knows; slow (it reads the whole database), so only for hints."""
    from zoneinfo import available_timezones  # noqa: PLC0415  slow to build, needed for hints only

    return frozenset(available_timezones()) - _NO_PLACE


def first_instant(wall: datetime, place: tzinfo) -> datetime:
    """The UTC moment at which the clocks of `place` first show the naive time `wall`.

    A time that clocks jump over gives the first whole minute after the jump.
    """
    if place is UTC:
        return wall.replace(tzinfo=UTC)
    early = wall.replace(tzinfo=place, fold=0).astimezone(UTC)
    if early.astimezone(place).replace(tzinfo=None) == wall:
        return early
    # In a gap the two folds lie on either side of the jump: fold 0 reads the wall with the offset
    # before it (a moment after the jump), fold 1 with the offset after it (a moment before).
    late = wall.replace(tzinfo=place, fold=1).astimezone(UTC)
    low = late.replace(second=0, microsecond=0)
    high = early.replace(second=0, microsecond=0) + _MINUTE
    before = low.astimezone(place).utcoffset()
    while high - low > _MINUTE:
        middle = low + (high - low) // _MINUTE // 2 * _MINUTE
        if middle.astimezone(place).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high
