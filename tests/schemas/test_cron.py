"""Cron fires when cron says, in every zone, on every day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.cron import NeverFires, last_fire, next_fire, parse_cron
from schemas.schedule import parse_schedule

TICK = timedelta(microseconds=1)


def field(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    # croniter takes 0-0 for the whole week.
    pair = st.lists(number, min_size=2, max_size=2, unique=True).map(sorted)
    step = st.integers(1, high)
    items = [
        number.map(str),
        pair.map(lambda ends: f"{ends[0]}-{ends[1]}"),
        st.tuples(pair, step).map(lambda parts: f"{parts[0][0]}-{parts[0][1]}/{parts[1]}"),
        step.map(lambda by: f"*/{by}"),
    ]
    if names:
        items.append(st.sampled_from(names))
    return st.one_of(st.just("*"), st.lists(st.one_of(items), min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.tuples(
    field(0, 59),
    field(0, 23),
    field(1, 31),
    field(1, 12, ("jan", "Feb", "DEC")),
    field(0, 6, ("sun", "Mon", "SAT")),
).map(" ".join)
MOMENTS = st.datetimes(datetime(1999, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  aware by the strategy
ZONES = st.sampled_from(
    [
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/St_Johns",
        "Pacific/Apia",
    ]
)


@settings(max_examples=300)
@given(EXPRESSIONS, MOMENTS)
def test_in_utc_it_fires_when_croniter_does(expression: str, moment: datetime) -> None:
    cron = parse_cron(expression)
    if not cron.fires():
        return
    for text, values in ((expression.split()[2], cron.days), (expression.split()[4], cron.weekdays)):
        # croniter takes */1 for a restriction; cron, and we, do not.
        assume((text == "*") is (values is None))
    ours = next_fire(cron, "UTC", moment)
    theirs = croniter(expression, moment, max_years_between_matches=10).get_next(datetime)
    assert ours == theirs


@settings(max_examples=300)
@given(EXPRESSIONS, MOMENTS, ZONES)
def test_back_and_forth_meet_in_every_zone(expression: str, moment: datetime, timezone: str) -> None:
    cron = parse_cron(expression)
    after = next_fire(cron, timezone, moment)
    if after is None:
        assert not cron.fires()
        return
    assert after > moment
    assert last_fire(cron, timezone, after) == after
    before = last_fire(cron, timezone, after - TICK)
    assert before is not None
    assert before <= moment
    assert next_fire(cron, timezone, before) == after


@settings(max_examples=300)
@given(EXPRESSIONS, MOMENTS, ZONES)
def test_the_clock_on_the_wall_shows_the_expression(expression: str, moment: datetime, timezone: str) -> None:
    """Except where clocks jumped over the time it names: then it is the first minute after a jump."""
    cron = parse_cron(expression)
    after = next_fire(cron, timezone, moment)
    if after is None:
        return
    local = after.astimezone(ZoneInfo(timezone))
    fits = local.minute in cron.minutes and local.hour in cron.hours and cron.matches(local.date())
    jumped = local.utcoffset() > (after - timedelta(minutes=1)).astimezone(ZoneInfo(timezone)).utcoffset()
    assert fits or jumped


def fires(expression: str, timezone: str, start: datetime, count: int) -> list[str]:
    cron, moment, found = parse_cron(expression), start, []
    for _ in range(count):
        following = next_fire(cron, timezone, moment)
        assert following is not None
        moment = following
        found.append(f"{moment.astimezone(UTC):%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "timezone", "start", "expected"),
    [
        # Berlin, 2025-03-30: 02:00 becomes 03:00, at 01:00 UTC.
        ("30 2 * * *", "Europe/Berlin", (2025, 3, 29, 12), ["03-30 01:00", "03-31 00:30"]),
        ("0 2,3 * * *", "Europe/Berlin", (2025, 3, 29, 12), ["03-30 01:00", "03-31 00:00"]),
        ("0 * * * *", "Europe/Berlin", (2025, 3, 30, 0), ["03-30 01:00", "03-30 02:00"]),
        ("0 0 * * *", "Europe/Berlin", (2025, 3, 29, 12), ["03-29 23:00", "03-30 22:00"]),
        # Berlin, 2025-10-26: 03:00 becomes 02:00, at 01:00 UTC.
        ("30 2 * * *", "Europe/Berlin", (2025, 10, 25, 12), ["10-26 00:30", "10-27 01:30"]),
        ("0 * * * *", "Europe/Berlin", (2025, 10, 25, 23), ["10-26 00:00", "10-26 01:00", "10-26 02:00"]),
        (
            "*/30 * * * *",
            "Europe/Berlin",
            (2025, 10, 26, 0, 15),
            ["10-26 00:30", "10-26 01:00", "10-26 01:30"],
        ),
        ("0 */2 * * *", "Europe/Berlin", (2025, 10, 25, 21), ["10-25 22:00", "10-26 00:00", "10-26 03:00"]),
        # New York, 2025-03-09 and 2025-11-02.
        ("30 2 * * *", "America/New_York", (2025, 3, 8, 12), ["03-09 07:00", "03-10 06:30"]),
        ("30 1 * * *", "America/New_York", (2025, 11, 1, 12), ["11-02 05:30", "11-03 06:30"]),
        # Lord Howe moves by half an hour: 2025-10-05 02:00 becomes 02:30, at 15:30 UTC the day before.
        ("15 2 * * *", "Australia/Lord_Howe", (2025, 10, 4, 0), ["10-04 15:30", "10-05 15:15"]),
        ("45 1 * * *", "Australia/Lord_Howe", (2025, 4, 5, 0), ["04-05 14:45", "04-06 15:15"]),
        (
            "45 * * * *",
            "Australia/Lord_Howe",
            (2025, 10, 4, 15),
            ["10-04 15:15", "10-04 15:45", "10-04 16:45"],
        ),
        # Kathmandu is 5:45 ahead and never changes.
        ("0 0 * * *", "Asia/Kathmandu", (2025, 3, 29, 0), ["03-29 18:15", "03-30 18:15"]),
        ("0 * * * *", "Asia/Kathmandu", (2025, 3, 29, 0), ["03-29 00:15", "03-29 01:15"]),
        # Apia left out 2011-12-30.
        ("0 12 * * *", "Pacific/Apia", (2011, 12, 29, 0), ["12-29 22:00", "12-30 10:00", "12-30 22:00"]),
        # In St. John's clocks once went back over midnight: Sunday came twice.
        ("0 0 * * *", "America/St_Johns", (2010, 11, 6, 12), ["11-07 02:30", "11-08 03:30"]),
    ],
)
def test_when_clocks_change(
    expression: str, timezone: str, start: tuple[int, ...], expected: list[str]
) -> None:
    assert fires(expression, timezone, datetime(*start, tzinfo=UTC), len(expected)) == expected


@pytest.mark.parametrize(
    ("expression", "fires_at_all"),
    [("0 0 30 2 *", False), ("0 0 31 4,6,9,11 *", False), ("0 0 29 2 *", True), ("0 0 30 2 mon", True)],
)
def test_it_knows_the_days_that_no_month_has(expression: str, fires_at_all: bool) -> None:
    assert parse_cron(expression).fires() is fires_at_all
    found = next_fire(parse_cron(expression), "UTC", datetime(2096, 3, 1, tzinfo=UTC))
    assert (found is not None) is fires_at_all


def test_either_day_field_is_enough_when_both_are_restricted() -> None:
    assert fires("0 0 13 * fri", "UTC", datetime(2025, 6, 1, tzinfo=UTC), 3) == [
        "06-06 00:00",
        "06-13 00:00",
        "06-20 00:00",
    ]


def test_seven_is_sunday_and_so_is_a_range_up_to_it() -> None:
    assert parse_cron("0 0 * * 7").weekdays == {0}
    assert parse_cron("0 0 * * 5-7").weekdays == {5, 6, 0}
    assert parse_cron("0 0 * * mon/2").weekdays == {1, 3, 5}


NO_CRON = """* * * *|* * * * * *|60 * * * *|* 24 * * *|* * 0 * *|* * * 13 *|* * * * 8|5-1 * * * *|*/0 * * * *
a * * * *|1,,2 * * * *|L * * * *|? * * * *|1- * * * *|٣ * * * *|*/٣ * * * *||99999999999999999999 * * * *"""


@pytest.mark.parametrize("expression", re.split("[|\n]", NO_CRON))
def test_what_is_no_cron_is_refused_in_a_sentence(expression: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_cron(expression)


def test_a_schedule_that_never_fires_has_an_error_of_its_own() -> None:
    with pytest.raises(NeverFires):
        parse_schedule("0 0 31 2 *")


def test_time_ends_without_an_error() -> None:
    daily = parse_cron("0 0 * * *")
    assert next_fire(daily, "UTC", datetime(9999, 12, 31, 12, tzinfo=UTC)) is None
    assert last_fire(daily, "UTC", datetime(1, 1, 1, 12, tzinfo=UTC)) is None


def test_a_day_that_began_before_clocks_went_back_over_midnight_has_begun() -> None:
    """In St. John's, 2010-11-07 00:01 became 2010-11-06 23:01: at 02:45 UTC it was Saturday again."""
    midnight = datetime(2010, 11, 7, 2, 30, tzinfo=UTC)
    assert (
        last_fire(parse_cron("0 0 * * *"), "America/St_Johns", midnight + timedelta(minutes=15)) == midnight
    )
