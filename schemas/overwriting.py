"""Whether the runs of one job would write over one another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from schemas.cron import Cron, last_fire, next_fire, parse_cron
from schemas.fault import Fault
from schemas.job import DateRange
from schemas.key import parse_key
from schemas.schedule import Schedule, describe, window_at
from schemas.zone import zone

_UNIQUE: Final = frozenset({"start", "end"})
_COVERS: Final = {"date": ("year", "month", "day")}
_PARTS: Final = {"year", "month", "day", "hour"}
_FROM: Final = datetime(2025, 1, 1, tzinfo=UTC)
"""Where clock changes are looked for in jobs without `since`; a fixed day, so that a file which is
fine today is fine tomorrow."""
_SPAN: Final = timedelta(days=3 * 366)
_DAY: Final = timedelta(days=1)


def overwriting(key: str, schedule: Schedule, span: DateRange) -> Fault | None:
    """The fault of a key that gives two runs one object, unless each run takes the whole range."""
    if span.each_run == "whole" or schedule.cron is None:
        return None
    names = parse_key(key)[1::2]
    if not _UNIQUE.isdisjoint(names):
        return None
    covered = {part for name in names for part in _COVERS.get(name, (name,))}
    cron = parse_cron(schedule.cron)
    if span.since and span.until and window_at(schedule, span.since).end >= span.until:
        return None  # there is one run only
    missing = [part for part in _needed(cron) if part not in covered]
    if missing:
        return _fault(schedule, _advice(missing[-1]))
    if span.since is not None:
        first = _cut_short(schedule, span.since, span.until, covered)
        if first is not None:
            return first
    if "hour" in covered and len(cron.hours) > 1:
        moment = _repeated_hour(schedule.cron, schedule.timezone, span.since or _FROM)
        if moment is not None:
            local = moment.astimezone(zone(schedule.timezone))
            message = (
                f"when clocks change in {schedule.timezone} ({local:%Y-%m-%d}), two runs have the hour "
                f"{local:%H} and the later one overwrites the earlier"
            )
            return Fault(message, "overwrite", "use {start} in the key", ("key",))
    return None


def _cut_short(
    schedule: Schedule, since: datetime, until: datetime | None, covered: set[str]
) -> Fault | None:
    """The fault of a first run that begins in the middle of its interval, on the day of the second one."""
    whole = window_at(schedule, since)
    if whole.start == since or (until is not None and whole.end >= until):
        return None
    here = zone(schedule.timezone)
    begins, second = since.astimezone(here), whole.end.astimezone(here)
    if any(getattr(begins, part) != getattr(second, part) for part in covered & _PARTS):
        return None
    message = (
        f"the first run takes {begins:%Y-%m-%d %H:%M} to {second:%H:%M}, and the second begins then: both"
        " write the same object"
    )
    hint = f"begin at {second:%Y-%m-%d %H:%M}, or use {{start}} in the key"
    return Fault(message, "overwrite", hint, ("date_range", "since"))


def _fault(schedule: Schedule, advice: str) -> Fault:
    runs = f"this job's runs ({describe(schedule)})"
    message = f"{runs} overwrite one another: the key is the same for several of them"
    hint = f'{advice}, or say "date_range: {{each_run: whole}}" if every run takes the whole range'
    return Fault(message, "overwrite", hint, ("key",))


def _needed(cron: Cron) -> list[str]:
    """The parts of a local time by which two runs can differ, coarse to fine."""
    needed = ["year"]
    if len(cron.months) > 1:
        needed.append("month")
    if cron.days is None or cron.weekdays is not None or len(cron.days) > 1:
        needed.append("day")
    if len(cron.hours) > 1:
        needed.append("hour")
    if len(cron.minutes) > 1:
        needed.append("minute")
    return needed


def _advice(finest: str) -> str:
    if finest == "minute":
        return "use {start} in the key"
    if finest == "hour":
        return "use {date} and {hour}, or {start}, in the key"
    return "use {date} in the key"


@lru_cache(maxsize=1024)
def _repeated_hour(expression: str, timezone: str, since: datetime) -> datetime | None:
    """The first fire time, in three years, in the same local hour as the one before it."""
    cron, place = parse_cron(expression), zone(timezone)
    day, end = since, since + _SPAN
    offset = day.astimezone(place).utcoffset()
    while day < end:
        day += _DAY
        changed = day.astimezone(place).utcoffset()
        if changed == offset:
            continue
        offset = changed
        before = last_fire(cron, timezone, day - 2 * _DAY)
        after = next_fire(cron, timezone, day - 2 * _DAY)
        while after is not None and after < day + _DAY:
            if before is not None and _hour(before, timezone) == _hour(after, timezone):
                return after
            before, after = after, next_fire(cron, timezone, after)
    return None


def _hour(moment: datetime, timezone: str) -> tuple[int, int, int, int]:
    local = moment.astimezone(zone(timezone))
    return local.year, local.month, local.day, local.hour
