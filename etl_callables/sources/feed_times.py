"""Times as feeds write them, read where they have one meaning only.

feedparser reads more, but in silence takes half past eight in the evening for the morning, a zone that it
does not know for UTC, and a number for a year.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_CLOCK: Final = r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
_CLOCK_OF_SIX: Final = r"(?P<hour>\d\d)(?P<minute>\d\d)(?P<second>\d\d)?"
_NOON: Final = r"(?:\s*(?P<noon>[ap])\.?m(?![a-z])\.?)?"
_ZONE: Final = r"""
    (?: \s* (?:GMT|UTC|UT)? \s* (?P<offset>[+-](?:\d{1,2}(?::[0-5]\d)?|\d\d?[0-5]\d))
        (?:\s+[a-z]{1,5})? (?:\s*\(.*\))?
      | \s* (?P<zone>[a-z]+(?:[/_][a-z]+)*) (?:\s*\(.*\))? )?
"""
_DAY: Final = r"""
    (?: (?P<day>\d{1,2}) [\s-]+ (?P<month>[a-z]{3,9})\.? | (?P<month2>[a-z]{3,9})\.? \s+ (?P<day2>\d{1,2}) )
"""
_WEEKDAY: Final = r"(?: [^\W\d_]+ (?:[.,]+\s*|\s+) )?"

_FORMS: Final = tuple(
    re.compile(form, re.VERBOSE | re.IGNORECASE)
    for form in (
        # RFC 822 and its successors, with the month before the day too: Fri, 20 Nov 2026 08:30:00 GMT
        rf"{_WEEKDAY} {_DAY} [,\s-]+ (?P<year>\d{{4}}|\d\d) (?:\s+ {_CLOCK} {_NOON} {_ZONE})?",
        # C's ctime, and Unix's date: Fri Nov 20 08:30:00 CET 2026
        rf"{_WEEKDAY} {_DAY} \s+ {_CLOCK} {_NOON} (?:\s+(?P<zone>[a-z]+))? \s+ (?P<year>\d{{4}})",
        # ISO 8601 and RFC 3339: 2026-11-20T08:30:00+01:00
        rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d) (?:(?:T|\s+) {_CLOCK} {_NOON} {_ZONE})?",
        rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d) (?:T {_CLOCK_OF_SIX} {_ZONE})?",
    )
)

_MONTHS: Final = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
    "november", "december",
)  # fmt: skip
_ALIKE: Final = {
    "januar", "januari", "janvier", "janeiro", "februar", "februari", "febrero", "mars", "marts", "marzo",
    "aprile", "juni", "juli", "augusti", "augustus", "septembre", "octobre", "octubre", "novembre",
    "novembro",
}  # fmt: skip
"""Months of other languages that begin as the English ones do."""

_HOURS: Final = {
    "z": 0, "ut": 0, "utc": 0, "gmt": 0, "etc/utc": 0, "etc/gmt": 0,
    "adt": -3, "ast": -4, "edt": -4, "est": -5, "cdt": -5, "cst": -6,
    "mdt": -6, "mst": -7, "pdt": -7, "pst": -8,
    "wet": 0, "west": 1, "bst": 1, "cet": 1, "cest": 2, "mez": 1, "mesz": 2, "met": 1, "mest": 2,
    "eet": 2, "eest": 3, "sast": 2, "msk": 3, "hkt": 8, "sgt": 8, "jst": 9, "kst": 9,
    "aest": 10, "aedt": 11, "nzst": 12, "nzdt": 13,
}  # fmt: skip
"""Hours before UTC of zones: RFC 822's, as it means them, and others with one meaning."""

_CENTURY: Final = 90
"""Years of two digits from here on are of the last century."""

_LONGEST: Final = 100
"""Characters of a time, with the name of its zone written out."""

_NOON_AT: Final = 12


def moment_of(written: str) -> datetime | None:
    """A feed's time, in UTC; None where it is no time, or one that may mean several.

    A time without a zone is in UTC, a day without a time begins at midnight.
    """
    written = written.strip()
    forms = _FORMS if len(written) <= _LONGEST else ()
    found = next((found for form in forms if (found := form.fullmatch(written))), None)
    if found is None:
        return None
    parts = {name: value for name, value in found.groupdict().items() if value}
    zone = _zone(parts)
    hour = _hour(parts)
    if zone is None or hour is None:
        return None
    try:
        when = datetime(
            _year(parts["year"]),
            _month(parts.get("month") or parts["month2"]),
            int(parts.get("day") or parts["day2"]),
            hour,
            int(parts.get("minute", 0)),
            int(parts.get("second", 0)),
            int(parts.get("fraction", "0")[:6].ljust(6, "0")),
            tzinfo=zone,
        )
        return when.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _year(written: str) -> int:
    year = int(written)
    return year if len(written) > 2 else year + (1900 if year >= _CENTURY else 2000)  # noqa: PLR2004


def _month(written: str) -> int:
    """ValueError where it is none."""
    if written.isdecimal():
        return int(written)
    name = written.lower()
    known = name[:3] if name in _ALIKE else name
    return [month.startswith(known) for month in _MONTHS].index(True) + 1


def _hour(parts: dict[str, str]) -> int | None:
    """The hour of 24; None where it is none of the twelve that have a morning and an evening."""
    hour = int(parts.get("hour", 0))
    if "noon" not in parts:
        return hour
    if not 1 <= hour <= _NOON_AT:
        return None
    return hour % _NOON_AT + (_NOON_AT if parts["noon"] in "pP" else 0)


def _zone(parts: dict[str, str]) -> tzinfo | None:
    """The zone of a time, UTC where it has none; None where nobody knows which is meant."""
    if offset := parts.get("offset"):
        digits = offset[1:].replace(":", "")
        hours, minutes = (digits, "0") if len(digits) <= 2 else (digits[:-2], digits[-2:])  # noqa: PLR2004
        span = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-span if offset[0] == "-" else span) if span < timedelta(days=1) else None
    name = parts.get("zone", "utc")
    hours_before = _HOURS.get(name.lower())
    if hours_before is not None:
        return timezone(timedelta(hours=hours_before))
    if "/" not in name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
