"""Words become windows, and windows tile time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.schedule import describe, last_at_or_before, next_after, parse_schedule, window_at, window_before

WORDS = [
    ("hourly", "0 * * * *", "every hour (UTC)"),
    ("every hour", "0 * * * *", "every hour (UTC)"),
    ("every minute", "* * * * *", "every minute (UTC)"),
    ("daily", "0 0 * * *", "every day at 00:00 (UTC)"),
    ("Daily at 06:00", "0 6 * * *", "every day at 06:00 (UTC)"),
    ("daily  at 6:05", "5 6 * * *", "every day at 06:05 (UTC)"),
    ("weekdays at 07:30", "30 7 * * 1-5", "Monday to Friday at 07:30 (UTC)"),
    ("weekly", "0 0 * * 1", "every Monday at 00:00 (UTC)"),
    ("weekly on sun", "0 0 * * 0", "every Sunday at 00:00 (UTC)"),
    ("weekly on Monday at 06:00", "0 6 * * 1", "every Monday at 06:00 (UTC)"),
    ("monthly", "0 0 1 * *", "on day 1 of every month at 00:00 (UTC)"),
    ("monthly on 1 at 06:00", "0 6 1 * *", "on day 1 of every month at 06:00 (UTC)"),
    ("monthly on day 28", "0 0 28 * *", "on day 28 of every month at 00:00 (UTC)"),
    ("yearly", "0 0 1 1 *", "every year on 1 January at 00:00 (UTC)"),
    ("every 15 minutes", "*/15 * * * *", "every 15 minutes (UTC)"),
    ("every 60 minutes", "0 * * * *", "every hour (UTC)"),
    ("every 6 hours", "0 */6 * * *", "every 6 hours (UTC)"),
    ("every 24 hours", "0 0 * * *", "every day at 00:00 (UTC)"),
    ("@daily", "0 0 * * *", "every day at 00:00 (UTC)"),
    ("@weekly", "0 0 * * 0", "every Sunday at 00:00 (UTC)"),
    ("manual", None, "only when asked"),
    ("never", None, "only when asked"),
    ("15 * * * *", "15 * * * *", "every hour at minute 15 (UTC)"),
    ("15 */2 * * *", "15 */2 * * *", "every 2 hours at minute 15 (UTC)"),
    ("0 * * * mon", "0 * * * mon", "every hour, every Monday (UTC)"),
    ("0 9,17 * * sun,mon", "0 9,17 * * sun,mon", "every Monday and Sunday at 09:00 and 17:00 (UTC)"),
    ("0 0 1,15 * *", "0 0 1,15 * *", 'by cron "0 0 1,15 * *" (UTC)'),
    ("*/7 * * * *", "*/7 * * * *", 'by cron "*/7 * * * *" (UTC)'),
    ("0 0 1 1,7 *", "0 0 1 1,7 *", 'by cron "0 0 1 1,7 *" (UTC)'),
    ("0 0 * 5 *", "0 0 * 5 *", 'by cron "0 0 * 5 *" (UTC)'),
]


@pytest.mark.parametrize(("text", "cron", "words"), WORDS)
def test_words_mean_what_they_say(text: str, cron: str | None, words: str) -> None:
    schedule = parse_schedule(text)
    assert schedule.cron == cron
    assert schedule.text == text
    assert describe(schedule) == words


NO_SCHEDULE = """|dayly|daily at 24:00|daily at 12:60|daily at noon|weekly on funday|monthly on 0
monthly on 29|every 7 minutes|every 0 hours|every 90 minutes|every 2 days|@never|60 * * * *"""


@pytest.mark.parametrize("text", re.split("[|\n]", NO_SCHEDULE))
def test_other_words_are_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse_schedule(text)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown time zone"):
        parse_schedule("daily", "Europe/Bonn")


@settings(max_examples=300)
@given(
    st.sampled_from([text for text, _, _ in WORDS]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  aware by the strategy
)
def test_windows_tile_time(text: str, timezone: str, moment: datetime) -> None:
    schedule = parse_schedule(text, timezone)
    window = window_at(schedule, moment)
    assert moment in window
    assert window_at(schedule, window.start) == window
    assert window_at(schedule, window.end).start == window.end
    before = window_before(schedule, moment)
    assert before.end == window.start
    assert window_before(schedule, window.end) == window


@pytest.mark.parametrize(
    ("moment", "hours"), [((2025, 3, 30, 12), 23), ((2025, 10, 26, 12), 25), ((2025, 7, 1, 12), 24)]
)
def test_a_day_has_the_hours_it_has(moment: tuple[int, ...], hours: int) -> None:
    window = window_at(parse_schedule("daily", "Europe/Berlin"), datetime(*moment, tzinfo=UTC))
    assert window.end - window.start == timedelta(hours=hours)


def test_a_job_that_runs_when_asked_never_fires_and_has_the_days_of_its_zone() -> None:
    schedule = parse_schedule("manual", "Asia/Kolkata")
    now = datetime(2025, 6, 1, 20, tzinfo=UTC)
    assert next_after(schedule, now) is None
    assert last_at_or_before(schedule, now) is None
    assert str(window_at(schedule, now)) == "20250601T183000Z_20250602T183000Z"
    assert str(window_before(schedule, now)) == "20250531T183000Z_20250601T183000Z"


def test_a_fire_time_belongs_to_the_window_it_begins() -> None:
    daily, midnight = parse_schedule("daily"), datetime(2025, 6, 1, tzinfo=UTC)
    assert window_at(daily, midnight).start == midnight
    assert last_at_or_before(daily, midnight) == midnight
    assert next_after(daily, midnight) == midnight + timedelta(days=1)


def test_where_time_ends_there_is_no_window() -> None:
    with pytest.raises(ValueError, match="no window"):
        window_at(parse_schedule("daily"), datetime(9999, 12, 31, tzinfo=UTC))
    with pytest.raises(ValueError, match="no window"):
        window_before(parse_schedule("daily"), datetime(1, 1, 1, tzinfo=UTC))
