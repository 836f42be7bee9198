"""Schedules: from words, presets and cron to exact windows in a time zone.

A window is the calendar interval between two consecutive fire times, so that a day on which clocks
change has 23 or 25 hours. A job that only runs when asked has windows too: the days of its zone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from schemas.cron import DAYS, MONTHS, Cron, NeverFires, last_fire, next_fire, parse_cron
from schemas.fault import Slip
from schemas.inside import offset_in
from schemas.window import Window
from schemas.zone import zone

_WORDS: Final = {
    "hourly": "0 * * * *",
    "every hour": "0 * * * *",
    "every minute": "* * * * *",
    "daily": "0 0 * * *",
    "weekdays": "0 0 * * 1-5",
    "weekly": "0 0 * * 1",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_NEVER: Final = frozenset({"manual", "never"})
_FORMS: Final = (
    "write daily, daily at 06:00, weekdays at 07:30, weekly on monday, monthly on 1, hourly, "
    "every 15 minutes, manual, or five fields of cron"
)
_AT = r"(?: at (?P<hour>\d{1,2}):(?P<minute>\d{2}))?"
_DAILY = re.compile(rf"(?P<days>daily|weekdays){_AT}")
_WEEKLY = re.compile(rf"weekly on (?P<day>[a-z]+){_AT}")
_MONTHLY = re.compile(rf"monthly(?: on (?:day )?(?P<day>\d{{1,2}}))?{_AT}")
# Times and words that begin with a number are none: 06:00, 9am daily, 5 minutes.
_CRON_LIKE = re.compile(r"[0-9*?][^ :]*(?: [0-9*?]|$)")
_EVERY = re.compile(r"every (?P<count>\d{1,4}) (?P<unit>minute|hour)s?")
_LAST_DAY_OF_EVERY_MONTH: Final = 28
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job runs.

    `cron` is a five-field cron expression, or None for a job that only runs when asked;
    `timezone` an IANA name; `text` what the person wrote.
    """

    cron: str | None
    timezone: str = "UTC"
    text: str = ""


def parse_schedule(text: str, timezone: str = "UTC") -> Schedule:
    """The schedule in `text`: words, a preset or cron.

    Slip, in a sentence, where it is none, with what was probably meant; NeverFires; ValueError for the zone.
    """
    zone(timezone)
    try:
        return Schedule(_cron_of(text), timezone, text)
    except Slip as slip:
        near = _near(text)
        offset = offset_in(text, slip.offset)
        raise Slip(str(slip), offset, f'did you mean "{near}"?' if near else slip.hint) from None


def _near(text: str) -> str | None:
    """The schedule that was probably meant, if it is one."""
    from schemas.guessing import schedule_meant  # noqa: PLC0415  for hints only

    meant = schedule_meant(text)
    try:
        return meant if meant is not None and (_cron_of(meant) or meant in _NEVER) else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _cron_of(text: str) -> str | None:
    words = " ".join(text.lower().split())
    if words in _NEVER:
        return None
    if words in _WORDS:
        return _WORDS[words]
    if _CRON_LIKE.match(words):
        if not parse_cron(words).fires():
            raise NeverFires(f'"{text}" never fires: no such day of the month exists in those months')
        return words
    if found := _DAILY.fullmatch(words):
        return f"{_clock(found)} * * {'*' if found['days'] == 'daily' else '1-5'}"
    if found := _WEEKLY.fullmatch(words):
        return f"{_clock(found)} * * {_weekday(found)}"
    if found := _MONTHLY.fullmatch(words):
        return f"{_clock(found)} {_monthday(found)} * *"
    if found := _EVERY.fullmatch(words):
        return _every(found)
    raise Slip(f'"{text}" is no schedule', hint=_FORMS)


def _clock(found: re.Match[str]) -> str:
    hour, minute = int(found["hour"] or 0), int(found["minute"] or 0)
    if hour > 23 or minute > 59:  # noqa: PLR2004  a clock
        clock = f"{found['hour']}:{found['minute']}"
        raise Slip(f"{clock} is no time of day; it goes from 00:00 to 23:59", found.start("hour"))
    return f"{minute} {hour}"


def _weekday(found: re.Match[str]) -> int:
    word = found["day"]
    for number, name in enumerate(DAYS):
        if word in (name.lower(), name[:3].lower()):
            return number
    raise Slip(f'"{word}" is no day of the week', found.start("day"), "write monday, tuesday …")


def _monthday(found: re.Match[str]) -> int:
    day = int(found["day"] or 1)
    if not 1 <= day <= _LAST_DAY_OF_EVERY_MONTH:
        hint = f"choose one from 1 to {_LAST_DAY_OF_EVERY_MONTH}"
        raise Slip(f"not every month has a day {day}", found.start("day"), hint)
    return day


def _every(found: re.Match[str]) -> str:
    count, unit = int(found["count"]), found["unit"]
    whole = 60 if unit == "minute" else 24
    if count == 0 or whole % count:
        span = "an hour" if unit == "minute" else "a day"
        steps = [str(step) for step in range(1, whole) if whole % step == 0]
        raise Slip(
            f"{span} does not divide into steps of {count} {unit}s",
            found.start("count"),
            f"choose {', '.join(steps[:-1])} or {steps[-1]}",
        )
    if unit == "minute":
        return f"*/{count} * * * *" if count < whole else "0 * * * *"
    return f"0 */{count} * * *" if count < whole else "0 0 * * *"


def next_after(schedule: Schedule, moment: datetime) -> datetime | None:
    """The first fire time after the aware `moment`, in UTC; None for a job that only runs when asked."""
    if schedule.cron is None:
        return None
    return next_fire(parse_cron(schedule.cron), schedule.timezone, moment)


def last_at_or_before(schedule: Schedule, moment: datetime) -> datetime | None:
    """The last fire time up to the aware `moment`, in UTC; None for a job that only runs when asked."""
    if schedule.cron is None:
        return None
    return last_fire(parse_cron(schedule.cron), schedule.timezone, moment)


def cron_of_windows(schedule: Schedule) -> Cron:
    """What cuts time into windows: of a job that only runs when asked, days."""
    return parse_cron(schedule.cron or _WORDS["daily"])


def window_at(schedule: Schedule, moment: datetime) -> Window:
    """The window that contains the aware `moment`; ValueError where time itself ends."""
    cron = cron_of_windows(schedule)
    start = last_fire(cron, schedule.timezone, moment)
    end = next_fire(cron, schedule.timezone, moment)
    if start is None or end is None:
        raise ValueError(f"{describe(schedule)} has no window around {moment:%Y-%m-%d %H:%M}")
    return Window(start, end)


def window_from(schedule: Schedule, moment: datetime) -> Window:
    """The first window that starts at the aware `moment` or later, unless time itself ends before."""
    window = window_at(schedule, moment)
    if window.start == moment:
        return window
    follower = next_fire(cron_of_windows(schedule), schedule.timezone, window.end)
    return Window(window.end, follower) if follower else window


def window_before(schedule: Schedule, moment: datetime) -> Window:
    """The last window that is complete at the aware `moment`; ValueError where time itself begins."""
    cron = cron_of_windows(schedule)
    end = last_fire(cron, schedule.timezone, moment)
    start = None if end is None else last_fire(cron, schedule.timezone, end - _TICK)
    if start is None or end is None:
        raise ValueError(f"{describe(schedule)} has no window before {moment:%Y-%m-%d %H:%M}")
    return Window(start, end)


def describe(schedule: Schedule) -> str:
    """The schedule in words, with its zone: `every day at 06:00 (Europe/Berlin)`."""
    if schedule.cron is None:
        return "only when asked"
    cron = parse_cron(schedule.cron)
    words = _in_words(cron) or f'by cron "{schedule.cron}"'
    return f"{words} ({schedule.timezone})"


def _in_words(cron: Cron) -> str | None:
    if cron.days is not None and (cron.weekdays is not None or len(cron.days) > 1):
        return None
    day = _days_in_words(cron)
    time = _times_in_words(cron)
    if day is None or time is None:
        return None
    if day == "every day" and not time.startswith("at "):
        return time
    return f"{day} {time}" if time.startswith("at ") else f"{time}, {day}"


def _days_in_words(cron: Cron) -> str | None:
    months = sorted(cron.months)
    if cron.days is not None:
        day = min(cron.days)
        if len(months) == len(MONTHS):
            return f"on day {day} of every month"
        return f"every year on {day} {MONTHS[months[0] - 1]}" if len(months) == 1 else None
    if len(months) != len(MONTHS):
        return None
    if cron.weekdays is None:
        return "every day"
    weekdays = sorted(cron.weekdays, key=lambda number: number or 7)
    if weekdays == [1, 2, 3, 4, 5]:
        return "Monday to Friday"
    names = [DAYS[number] for number in weekdays]
    return "every " + (names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}")


def _times_in_words(cron: Cron) -> str | None:
    minutes, hours = cron.minutes, cron.hours
    if len(minutes) == 1:
        if len(hours) == 1:
            return f"at {hours[0]:02}:{minutes[0]:02}"
        past = f" at minute {minutes[0]}" if minutes[0] else ""
        if cron.in_real_time:
            return f"every hour{past}"
        step = _step(hours, 24)
        if step:
            return f"every {step} hours{past}"
        clocks = [f"{hour:02}:{minutes[0]:02}" for hour in hours]
        return f"at {', '.join(clocks[:-1])} and {clocks[-1]}"
    step = _step(minutes, 60)
    if step and cron.in_real_time:
        return f"every {step} minutes" if step > 1 else "every minute"
    return None


def _step(values: tuple[int, ...], whole: int) -> int | None:
    """The step of values that divide the whole evenly from zero, if they do."""
    step = whole // len(values)
    return step if values == tuple(range(0, whole, step)) else None
