"""What a job means: from values that fit the schema to the parts of a Job, or to what makes no sense.

Every check looks only at values that are not at fault yet, so that one slip is one problem.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Final

from schemas.bucket import bucket_fault
from schemas.cron import NeverFires
from schemas.draft import Draft
from schemas.duration import parse_duration
from schemas.fault import Fault, Slip
from schemas.job import DateRange, MaxCost
from schemas.key import FORMATS, TABLE, WINDOW_COLUMN, key_faults, suffix_of, table_faults
from schemas.moment import parse_moment
from schemas.overwriting import overwriting
from schemas.privacy import privacy_of
from schemas.quality import quality_of
from schemas.schedule import Schedule, parse_schedule
from schemas.search import parse as parse_query
from schemas.subject import subject_faults
from schemas.words import did_you_mean, either, nearest, short
from schemas.zone import zone, zone_names

CHARGING = frozenset({("twitter", "x-api")})
"""Sources, each with its provider, that charge for what they give."""

_CANNOT = {
    ("mastodon", "snscrape"): "it reads pages that servers no longer show since Mastodon 4",
    ("reddit", "snscrape"): "it asks Pushshift, which has been closed to the public since 2023",
}
"""Modules of snscrape that have nothing to read any more, and why."""

_OFFSET = re.compile(r"[+\-]?\d")
_DATE_OPERATOR = re.compile(r"(?:^|[\s(])(?P<operator>(?:since|until)(?:_time)?:\S*)", re.IGNORECASE)


def understand(draft: Draft) -> dict[str, Any]:
    """The parts of the Job that need more than their plain value, by name; faults go to the draft."""
    timezone = _timezone(draft)
    schedule = _schedule(draft, timezone)
    span = _date_range(draft, timezone)
    key = draft.said("key")
    written_as, compression = _format(draft, key)
    _key(draft, key, schedule, span)
    _bucket(draft)
    _backfill(draft, schedule, span)
    _query(draft)
    _subject(draft)
    _per(draft)
    _email(draft)
    _whole_numbers(draft)
    email = draft.get("email") or ()
    return {
        "schedule": schedule,
        "date_range": span,
        "format": written_as,
        "compression": compression,
        "retry_delay": _duration(draft, "retry_delay"),
        "timeout": _duration(draft, "timeout"),
        "email": (email,) if isinstance(email, str) else tuple(email),
        "tags": tuple(draft.get("tags") or ()),
        "max_cost": _max_cost(draft),
        "quality": quality_of(draft),
        **privacy_of(draft),
    }


def _whole_numbers(draft: Draft) -> None:
    """A schema's 1.0 is a whole number; a person's 1.000 was meant to be a thousand."""
    options = draft.said("options") or {}
    for path in (("limit",), ("retries",), *(("options", name) for name in options)):
        value = draft.said(*path)
        if isinstance(value, float):
            hint = f"write {value:.0f}, or what else you meant, in digits alone"
            draft.blame(
                Fault(f'a number with a point or an "e" is no count ({value})', "wrong-type", hint, path)
            )


def _timezone(draft: Draft) -> str:
    name: str = draft.get("timezone")
    try:
        zone(name)
    except ValueError:
        hint = _zone_hint(name)
        draft.blame(Fault(f'unknown time zone "{short(name)}"', "unknown-timezone", hint, ("timezone",)))
        return "UTC"
    return name


_ABBREVIATED: Final = {
    "BST": "Europe/London",
    "MSK": "Europe/Moscow",
    "EEST": "Europe/Athens",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MDT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
    "IST": "Asia/Kolkata",
    "SGT": "Asia/Singapore",
    "HKT": "Asia/Hong_Kong",
    "KST": "Asia/Seoul",
    "JST": "Asia/Tokyo",
    "AEST": "Australia/Sydney",
    "AEDT": "Australia/Sydney",
}
"""A place for what people call its time, which stands for half of the year only."""


@lru_cache(maxsize=256)
def _zone_hint(name: str) -> str:
    if _OFFSET.search(name):
        return "write the name of a place, such as Europe/Berlin, whose clocks it follows"
    if name.isalpha() and name.isupper():
        place = _ABBREVIATED.get(name, "Europe/Berlin")
        return f"write the name of a place, such as {place}, whose clocks it follows"
    names = zone_names()
    # "berlin" alone is what people write most.
    cities = {full.rpartition("/")[2]: full for full in sorted(names, reverse=True) if "/" in full}
    city = name.rpartition("/")[2]
    near = nearest(name, names)
    if near is None or nearest(city, [near.rpartition("/")[2]]) is None:  # alike in their continent alone
        near = cities.get(nearest(city, cities) or "")
    return f'did you mean "{near}"?' if near else "write a name such as Europe/Berlin"


def _schedule(draft: Draft, timezone: str) -> Schedule | None:
    text: str = draft.get("schedule")
    try:
        return parse_schedule(text, timezone)
    except NeverFires as error:
        *_, days = (found.start() for found in islice(re.finditer(r"\S+", text), 3))
        hint = "look at its day and month"
        draft.blame(Fault(str(error), "never-fires", hint, ("schedule",), offset=days))
    except Slip as slip:
        draft.blame(Fault(str(slip), "bad-schedule", slip.hint, ("schedule",), offset=slip.offset))
    return None


def _date_range(draft: Draft, timezone: str) -> DateRange:
    since, until = _moment(draft, "since", timezone), _moment(draft, "until", timezone)
    if since is not None and until is not None and since >= until:
        said = draft.said("date_range", "since")
        message = f"until is not after since ({said}), so there is nothing to scrape"
        hint = "until is the first moment no longer wanted"
        draft.blame(Fault(message, "date-order", hint, ("date_range", "until")))
        until = None
    return DateRange(since, until, draft.get("date_range", "each_run"))


_SHORT_DATE: Final = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")


def _moment(draft: Draft, name: str, timezone: str) -> datetime | None:
    text = draft.said("date_range", name)
    if text is None:
        return None
    try:
        return parse_moment(text, zone(timezone))
    except ValueError as error:
        hint = "write 2021-07-05, 2021-07-05 06:00 or 2021-07-05T06:00:00Z"
        if meant := _meant(text):
            hint = f'did you mean "{meant}"?'
        draft.blame(Fault(str(error), "bad-date", hint, ("date_range", name)))
        return None


def _meant(text: str) -> str | None:
    """The date that was written with other signs, or without its zeros; None where there is none."""
    found = _SHORT_DATE.fullmatch(text)
    if found is None:
        return None
    try:
        meant = date(*map(int, found.groups())).isoformat()
    except ValueError:
        return None
    return None if meant == text else meant


def _duration(draft: Draft, name: str) -> timedelta | None:
    value = draft.get(name)
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        draft.blame(Fault(str(error), "bad-duration", "write 30s, 5 minutes or 2 hours", (name,)))
        return None


def _format(draft: Draft, key: str | None) -> tuple[str, str | None]:
    """The format and compression of the object: what the key's suffix says, else what `format` says."""
    said = draft.said("format")
    if said == TABLE:
        return TABLE, None
    if key is None or key.endswith("/"):
        return said or "csv", None
    by_suffix, compression = suffix_of(key)
    written_as = said or by_suffix
    if written_as is None and not draft.at_fault("format"):
        suffixes = either(f".{name}" for name in FORMATS)
        last = key.rpartition("/")[2]
        hint = f'end the key in {suffixes}, or add "format: csv"'
        message, offset = "the key has no suffix to say the format", 0
        if "." in last:
            message = f'"{short("." + last.rpartition(".")[2])}" is no format that posts are written in'
            offset = key.rindex(".")
        draft.blame(Fault(message, "no-format", hint, ("key",), offset=offset))
    elif said and by_suffix and said != by_suffix:
        message = f'"format" says {said}, but the key ends in .{by_suffix}'
        hint = "leave format out, or change one of them"
        draft.blame(Fault(message, "format-conflict", hint, ("format",), other=("key",)))
    elif written_as == "parquet" and compression:
        message = "Parquet is compressed from within; a compressed file around it cannot be queried"
        hint = "leave the last suffix out"
        draft.blame(Fault(message, "format-conflict", hint, ("key",), offset=key.rindex(".")))
    return written_as or "csv", compression


def _key(draft: Draft, key: str | None, schedule: Schedule | None, span: DateRange) -> None:
    if draft.said("format") == TABLE:
        _table(draft, key, span)
        return
    if key is None:
        return
    faults = key_faults(key, draft.job_id)
    for fault in faults:
        draft.blame(fault)
    if not faults and schedule is not None and not draft.at_fault("date_range", "each_run"):
        fault_of_runs = overwriting(key, schedule, span)
        if fault_of_runs is not None:
            draft.blame(fault_of_runs)


def _table(draft: Draft, key: str | None, span: DateRange) -> None:
    """The key of a job that writes a table, and what else such a job cannot say."""
    for fault in table_faults(key) if key is not None else ():
        draft.blame(fault)
    bucket = draft.said("bucket")
    if bucket is not None and bucket.startswith("s3://") and draft.get("catalog_connection") is None:
        message = "a table in S3 needs a catalog, which says what its current rows are"
        hint = 'add "catalog_connection: …", an Airflow connection that says how to reach one'
        draft.blame(Fault(message, "no-catalog", hint, ("format",)))
    if span.each_run == "whole" and None in {span.since, span.until}:
        message = "each run would add a window of its own to the table, all of them with the same posts"
        hint = "say since and until, so that every run has the same window"
        draft.blame(Fault(message, "overwrite", hint, ("date_range", "each_run")))
    columns = draft.said("columns")
    for name in columns if isinstance(columns, dict) else ():
        if "." in name or name.lower() == WINDOW_COLUMN:
            message = f'a table cannot have a column "{short(name)}"'
            hint = "a point means a part of a column" if "." in name else "the run's window is in that one"
            draft.blame(Fault(message, "bad-column", hint, ("columns", name), at_key=True))


def _bucket(draft: Draft) -> None:
    bucket = draft.said("bucket")
    fault = None if bucket is None else bucket_fault(bucket)
    if fault is not None:
        draft.blame(fault)


def _backfill(draft: Draft, schedule: Schedule | None, span: DateRange) -> None:
    if draft.said("backfill") is not True:
        return
    if span.since is None and not draft.at_fault("date_range", "since"):
        message = "backfill makes the runs since date_range.since, which is missing"
        draft.blame(Fault(message, "backfill", 'add "date_range: {since: …}"', ("backfill",)))
    elif schedule is not None and schedule.cron is None:
        message = "backfill makes the past runs of a schedule, and this job only runs when asked"
        draft.blame(Fault(message, "backfill", "leave one of them out", ("backfill",)))
    elif span.each_run == "whole":
        message = "backfill would scrape the whole range again for every past run"
        draft.blame(Fault(message, "backfill", 'leave it out, or "each_run: whole"', ("backfill",)))


def _query(draft: Draft) -> None:
    query = draft.said("query")
    if query is None:
        return
    if not query.strip():
        draft.blame(Fault("the query is blank", "no-value", "say what to search for", ("query",)))
    elif draft.said("source") in {"archive", "rss"}:
        try:
            parse_query(query)
        except Slip as slip:
            draft.blame(Fault(str(slip), "bad-query", slip.hint, ("query",), offset=slip.offset))
    elif draft.said("source") != "twitter":
        return
    elif draft.said("options", "user") is not None:
        message = "options.user takes all posts of a user, and a search is something else"
        hint = f'leave one of them out; a search takes "from:{short(draft.said("options", "user"))}"'
        draft.blame(Fault(message, "query-and-user", hint, ("query",), at_key=True))
    else:
        _dates_in(query, draft)


def _subject(draft: Draft) -> None:
    for fault in list(subject_faults(draft)):
        draft.blame(fault)
    query = draft.said("query")
    if draft.said("source") == "bluesky" and query:
        _dates_in(query, draft)


def _dates_in(query: str, draft: Draft) -> None:
    found = _DATE_OPERATOR.search(query)
    if found is not None:
        message = f'"{short(found["operator"])}" in the query is at odds with the dates of each run'
        hint = "leave it out; date_range says the dates"
        draft.blame(Fault(message, "date-in-query", hint, ("query",), offset=found.start("operator")))


def _max_cost(draft: Draft) -> MaxCost:
    if draft.said("max_cost") is None:
        return MaxCost()
    source, via = draft.said("source"), draft.get("via")
    if source and via and not draft.at_fault("source") and (source, via) not in CHARGING:
        message = f"max_cost bounds what a source charges, and {source} via {via} charges nothing"
        draft.blame(Fault(message, "no-cost", "leave it out", ("max_cost",), at_key=True))
    return MaxCost(draft.said("max_cost", "run"), draft.said("max_cost", "month"))


def _per(draft: Draft) -> None:
    if draft.said("per") == "day" and draft.said("limit") is None and not draft.at_fault("limit"):
        message = "per: day spreads a limit over the days of a run, and this job has no limit"
        draft.blame(Fault(message, "no-limit", "add limit, or leave per out", ("per",), at_key=True))


def _email(draft: Draft) -> None:
    if draft.get("email") or draft.at_fault("email"):
        return
    for name in ("email_on_failure", "email_on_retry"):
        if draft.said(name) is True:
            message = f"{name} is true, but email says nobody to write to"
            draft.blame(Fault(message, "email", 'add "email: …"', (name,)))


def via_fault(source: str, via: str, known: list[str]) -> Fault:
    """The fault of a provider that its source does not have."""
    reason = _CANNOT.get((source, via))
    if reason is not None:
        hint = f"leave via out, which is {known[0]} then"
        return Fault(f"{source} via {via} cannot work: {reason}", "cannot-work", hint, ("via",))
    message = f'{source} has no provider "{short(via)}"'
    return Fault(message, "unknown-via", did_you_mean(via, known), ("via",), other=("source",))
