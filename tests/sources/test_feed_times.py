"""Times of feeds are right or none: what may mean several is not guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.sources.feed_times import moment_of

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1990, 1, 2), datetime(2089, 12, 30), timezones=ZONES)  # noqa: DTZ001
LETTERS = "0123456789:+-/., ()TZAPMapmtz\u00a0\u0130novFriGMTEurope_Berlin"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        # RFC 822 and what is like it
        ("Fri, 20 Nov 2026 08:30:15 GMT", "2026-11-20T08:30:15"),
        ("Fri, 20 Nov 26 08:30 UT", "2026-11-20T08:30:00"),
        ("20 Nov 95 08:30:00 z", "1995-11-20T08:30:00"),
        ("Fri,20 Nov 2026 08:30:00", "2026-11-20T08:30:00"),
        ("Friday, 20-Nov-26 08:30:00 GMT", "2026-11-20T08:30:00"),
        ("Friday, November 20, 2026 8:30 AM", "2026-11-20T08:30:00"),
        ("Fr, 20 Nov 2026 08:30:00.250 +0100", "2026-11-20T07:30:00.250000"),
        ("Mié, 20 Nov 2026 08:30:00 +0100", "2026-11-20T07:30:00"),
        ("jeu. 20 nov. 2026 08:30:00 +0100", "2026-11-20T07:30:00"),
        ("Fri, 20 Nov 2026", "2026-11-20T00:00:00"),
        ("Fri Nov 20 08:30:00 2026", "2026-11-20T08:30:00"),
        ("Fri Nov 20 08:30:00 CET 2026", "2026-11-20T07:30:00"),
        # ISO 8601
        ("2026-11-20T08:30:00.123456789Z", "2026-11-20T08:30:00.123456"),
        ("2026-11-20t08:30:00+0530", "2026-11-20T03:00:00"),
        ("2026-11-20T08:30-05", "2026-11-20T13:30:00"),
        ("2026-11-20 08:30:00 +02:00", "2026-11-20T06:30:00"),
        ("2026-11-20 08:30:00 UTC", "2026-11-20T08:30:00"),
        ("20261120T083000Z", "2026-11-20T08:30:00"),
        ("20261120T0830", "2026-11-20T08:30:00"),
        ("2026-11-20", "2026-11-20T00:00:00"),
        ("20261120", "2026-11-20T00:00:00"),
        # morning and evening
        ("Fri, 20 Nov 2026 08:30:00 PM GMT", "2026-11-20T20:30:00"),
        ("Fri, 20 Nov 2026 8:30PM", "2026-11-20T20:30:00"),
        ("Fri, 20 Nov 2026 12:30 p.m. EST", "2026-11-20T17:30:00"),
        ("Fri, 20 Nov 2026 12:30 am", "2026-11-20T00:30:00"),
        ("Fri, 20 Nov 2026 20:30 PM", None),
        ("Fri, 20 Nov 2026 00:30 AM", None),
        # zones
        ("Fri, 20 Nov 2026 08:30:00 GMT+2", "2026-11-20T06:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 UTC-03:30", "2026-11-20T12:00:00"),
        ("Fri, 20 Nov 2026 08:30:00 +0200 (CEST)", "2026-11-20T06:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 -0500 EST", "2026-11-20T13:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 GMT (Coordinated Universal Time)", "2026-11-20T08:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 +100", "2026-11-20T07:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 -230", "2026-11-20T11:00:00"),
        ("Fri, 20 Nov 2026 08:30:00 +1:30", "2026-11-20T07:00:00"),
        ("2026-11-20T08:30:00+200", "2026-11-20T06:30:00"),
        ("2026-11-20T08:30:00+070", None),
        ("2026-07-20 08:30:00 Europe/Berlin", "2026-07-20T06:30:00"),
        ("Fri, 20 Nov 2026 08:30 America/New_York", "2026-11-20T13:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 Etc/UTC", "2026-11-20T08:30:00"),
        ("Fri, 20 Nov 2026 08:30:00 Mars/Olympus", None),
        ("Fri, 20 Nov 2026 08:30:00 XYZ", None),
        ("Fri, 20 Nov 2026 08:30:00 (CEST)", None),
        ("Fri, 20 Nov 2026 08:30:00 Pacific Time", None),
        ("Fri, 20 Nov 2026 08:30:00 +9900", None),
        ("Fri, 20 Nov 2026 08:30:00 Etc/GMT+5", None),  # which means five hours less
        # what is no time, or more than one
        ("11/12/2026 08:30", None),
        ("2026/11/20 08:30", None),
        ("1795341600", None),
        ("2026-11", None),
        ("2026-11-31", None),
        ("Fri, 20 Nov 2026 25:00:00 GMT", None),
        ("Fri, 20 Smarch 2026 08:30:00 GMT", None),
        ("20 Sept 2026", "2026-09-20T00:00:00"),
        ("20 Januar 2026", "2026-01-20T00:00:00"),
        ("20 mars 2026", "2026-03-20T00:00:00"),
        ("20 Decade 2026", None),
        ("20 Junk 2026", None),
        ("20 Marec 2026", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("soon", None),
        ("", None),
        ("Fri, 20 Nov 2026 08:30:00 GMT (" + "x" * 100 + ")", None),
    ],
)
def test_a_time_is_read_where_it_has_one_meaning(written: str, expected: str | None) -> None:
    found = moment_of(written)
    assert found == (None if expected is None else datetime.fromisoformat(expected).replace(tzinfo=UTC))
    assert found is None or found.tzinfo is UTC


@given(MOMENTS)
def test_any_moment_is_read_back_in_each_form(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert moment_of(moment.isoformat()) == moment
    assert moment_of(f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S.%fZ}") == moment
    assert moment_of(format_datetime(whole)) == whole
    assert moment_of(f"{whole:%a, %d %b %y %I:%M:%S %p %z}") == whole
    assert moment_of(f"{whole.astimezone(UTC):%a %b %d %H:%M:%S GMT %Y}") == whole


@given(st.text(LETTERS) | st.text())
def test_no_text_is_too_strange(written: str) -> None:
    found = moment_of(written)
    assert found is None or found.tzinfo is UTC
