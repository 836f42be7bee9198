"""Schedules as people write them, in the words that ours have: a guess for a hint, never a reading.

`every monday`, `daily at 9`, `9am daily`, `@dayly`, `0 0 6 * * ?`: each has one likely meaning, which the
person confirms by writing it.
"""

from __future__ import annotations

import difflib
import re
from typing import Final

_DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_PRESETS: Final = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_SAME: Final = {
    "everyday": "daily",
    "nightly": "daily",
    "weekday": "weekdays",
    "workday": "weekdays",
    "workdays": "weekdays",
    "annually": "yearly",
    "annual": "yearly",
    "none": "manual",
    "off": "manual",
    "manually": "manual",
    "tues": "tuesday",
    "thur": "thursday",
    "thurs": "thursday",
    "min": "minutes",
    "mins": "minutes",
    "hr": "hours",
    "hrs": "hours",
    **{f"{day}s": day for day in _DAYS},
    **{day[:3]: day for day in _DAYS},
    "minutely": "minute",
}
_NUMBERS: Final = {
    word: str(number)
    for number, word in (
        *((1, "one"), (2, "two"), (3, "three"), (4, "four"), (5, "five"), (6, "six"), (8, "eight")),
        *((10, "ten"), (12, "twelve"), (15, "fifteen"), (20, "twenty"), (30, "thirty")),
    )
}
_VOCABULARY: Final = (
    *("daily", "weekdays", "weekly", "monthly", "yearly", "hourly", "manual", "every", "each", "day"),
    *("week", "month", "year", "hour", "hours", "minute", "minutes", "noon", "midnight"),
    *("weekend", "weekends"),
    *_DAYS,
)
_PHRASES: Final = (
    (r"^once$|\b(?:on )?(?:demand|request)\b", "manual"),
    (r"\b(?:monday|mon) ?(?:-|to|until|through) ?(?:friday|fri)\b", "weekdays"),
    (r"\b(?:business|working|work) ?days?\b", "weekdays"),
    (r"\b(?:weekends?)\b", "saturday sunday"),
    (r"\b(?:(?:every|each) )?(?:night|morning|evening)\b", "daily"),
    (r"\btwice (?:a|per|every) day\b|\btwice daily\b", "every 12 hours"),
    (r"\b(?:once )?(?:a|per) (day|week|month|year|hour)\b", r"every \1"),
    (r"\bhalf(?: an|-)? ?hour(?:ly)?\b", "30 minutes"),
    (r"\bquarter(?: of an)? ?hour\b", "15 minutes"),
    (r"\b(\d+) ?(?:m|min|mins)\b", r"\1 minutes"),
    (r"\b(every|each) (\d+) ?h\b", r"\1 \2 hours"),
    (r"\b(?:every|each) 1 (minute|hour|day|week|month|year)\b", r"every \1"),
    (r"\b(?:every|each) (\d+)-(minute|hour)s?\b", r"every \1 \2s"),
)
_CLOCK: Final = re.compile(
    r"(?:\b(?:at|um) ?|@ ?)?(?<![\d:.])(?P<hour>\d{1,2})(?:[:.h](?P<minute>\d{2}))?"
    r" ?(?P<half>[ap]\.?m\b\.?|uhr|o'clock|h\b)?(?![\d:])"
)
_MONTHDAY: Final = re.compile(r"\b(?:day )?(?P<day>\d{1,2})(?:st|nd|rd|th)\b|\b(?P<first>first)\b")
_EVERY: Final = re.compile(r"(?:every |each )?(?P<count>\d{1,4}) (?P<unit>minute|hour)s?")
_NO_CRON: Final = re.compile(r"\b(?:\d+|other|second|third) (?:day|week|month|year)s?\b")
_IDLE: Final = frozenset({"every", "each", "on", "at", "the", "of", "once", "utc"})
_LONGEST: Final = 80


def schedule_meant(text: str) -> str | None:
    """The schedule that was probably meant by `text`; what comes back may still be none of ours."""
    words = " ".join(text.lower().strip(" .\"'“”").split())
    if not words or len(words) > _LONGEST:
        return None
    if words[0] == "@":
        near = difflib.get_close_matches(words.replace(" ", ""), _PRESETS, n=1, cutoff=0.75)
        if near:
            return near[0]
        words = words[1:].lstrip()
    if words[:1].isdigit() or words[:1] in "*?":
        fields = words.replace("?", "*").split()
        if len(fields) >= 5:  # noqa: PLR2004  cron, or what another scheduler calls so
            return _cron(fields)
    return _words(words)


def _cron(fields: list[str]) -> str | None:
    """Five fields, from the six or seven of a scheduler that begins with seconds and ends with years."""
    if len(fields) == 7 and fields[6] == "*":  # noqa: PLR2004  seconds and years
        fields = fields[:6]
    if len(fields) == 6:  # noqa: PLR2004  seconds
        if fields[0] not in ("0", "00"):
            return None
        fields = fields[1:]
    if len(fields) != 5:  # noqa: PLR2004  as cron has
        return None
    minute, hour, *days = fields
    if minute.isdecimal() and hour.isdecimal() and int(minute) <= 23 < int(hour):  # noqa: PLR2004  a clock
        minute, hour = hour, minute
    return " ".join((minute, hour, *(re.sub("[a-z]{4,}", lambda name: name[0][:3], field) for field in days)))


def _words(text: str) -> str | None:
    words = " ".join(_word(word) for word in re.sub("[,;&]| and | plus ", " ", text).split())
    for pattern, instead in _PHRASES:
        words = re.sub(pattern, instead, words)
    if _NO_CRON.search(words):
        return None
    if found := _EVERY.fullmatch(words):
        return f"every {found['count']} {found['unit']}s"
    day, words = _monthday(words)
    clock, words = _clock(words)
    said = [word for word in words.split() if word not in _IDLE]
    days = list(dict.fromkeys(word for word in said if word in _DAYS))
    rest = {word for word in said if word not in _DAYS}
    return _put(days, rest, day, clock)


def _put(days: list[str], rest: set[str], day: str | None, clock: tuple[int, int] | None) -> str | None:
    """Our words for some days, other words, a day of the month and a time."""
    at = f" at {clock[0]:02}:{clock[1]:02}" if clock else ""
    if days:
        if rest - {"week", "weekly"} or day:
            return None
        if len(days) == 1:
            return f"weekly on {days[0]}{at}"
        hour, minute = clock or (0, 0)
        return f"{minute} {hour} * * {','.join(name[:3] for name in days)}"
    if day and rest <= {"month", "monthly", "day"}:
        return f"monthly on {day}{at}"
    if len(rest) != 1 or day:
        return f"daily{at}" if clock and not rest and not day else None
    word = {"day": "daily", "week": "weekly", "month": "monthly", "year": "yearly", "hour": "hourly"}
    (one,) = rest
    one = word.get(one, one)
    if one == "hourly" and clock:
        return f"{clock[0] if clock[1] == 0 else clock[1]} * * * *"
    if one == "weekly" and clock:
        return f"weekly on monday{at}"
    if one in ("daily", "weekdays", "monthly"):
        return f"{one}{at}"
    if one == "minute":
        return "every minute"
    return one if one in ("weekly", "yearly", "hourly", "manual") and not clock else None


def _word(word: str) -> str:
    """A word as we would spell it; others stay."""
    if not word.isalpha():
        return word
    word = _NUMBERS.get(word, _SAME.get(word, word))
    if word in _VOCABULARY or len(word) < 4:  # noqa: PLR2004  too short to be told from others
        return word
    near = difflib.get_close_matches(word, _VOCABULARY, n=2, cutoff=0.75)
    # Of two that are as near, people rather begin with the right letter: munday is monday.
    return next((one for one in near if one[0] == word[0]), near[0] if near else word)


def _monthday(words: str) -> tuple[str | None, str]:
    found = _MONTHDAY.search(words)
    if found is None:
        return None, words
    return found["day"] or "1", words[: found.start()] + words[found.end() :]


def _clock(words: str) -> tuple[tuple[int, int] | None, str]:
    for name, hour in (("noon", 12), ("midday", 12), ("midnight", 0)):
        if name in words.split():
            return (hour, 0), re.sub(rf"\b(?:at )?{name}\b", "", words) or "daily"
    found = _CLOCK.search(words)
    if found is None:
        return None, words
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    half = (found["half"] or "").replace(".", "")
    if half in ("am", "pm"):
        hour = hour % 12 + (12 if half == "pm" else 0)
    return (hour, minute), words[: found.start()] + words[found.end() :]
