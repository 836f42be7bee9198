"""What people write for a schedule is understood well enough to say how it is written here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cron import NeverFires
from schemas.fault import Slip
from schemas.schedule import parse_schedule

MEANT = {
    "every day": "daily",
    "once a day": "daily",
    "dialy": "daily",
    "nightly": "daily",
    "@dayly": "@daily",
    "daily at 9": "daily at 09:00",
    "9am daily": "daily at 09:00",
    "06:00": "daily at 06:00",
    "every day at 6pm": "daily at 18:00",
    "daily @ 6": "daily at 06:00",
    "daily at noon": "daily at 12:00",
    "every monday": "weekly on monday",
    "Every Sunday at 23.30": "weekly on sunday at 23:30",
    "weekly on munday": "weekly on monday",
    "weekends": "0 0 * * sat,sun",
    "every weekday": "weekdays",
    "mon-fri at 8": "weekdays at 08:00",
    "mon, wed and fri at 9:30": "30 9 * * mon,wed,fri",
    "1st of every month": "monthly on 1",
    "every month": "monthly",
    "annually": "yearly",
    "hourly at 5": "5 * * * *",
    "every half hour": "every 30 minutes",
    "every 30 mins": "every 30 minutes",
    "twice a day": "every 12 hours",
    "every two hours": "every 2 hours",
    "on demand": "manual",
    "0 30 6 ? * MON-FRI *": "30 6 * * mon-fri",
    "0 0 6 * * *": "0 6 * * *",
    "6 30 * * *": "30 6 * * *",
}


@pytest.mark.parametrize("text", MEANT)
def test_what_was_meant_is_asked(text: str) -> None:
    with pytest.raises(Slip) as caught:
        parse_schedule(text)
    assert caught.value.hint == f'did you mean "{MEANT[text]}"?'


@pytest.mark.parametrize(
    "text",
    [
        "sometimes",
        "every other day",
        "every 2 days",
        "fortnightly",
        "@reboot",
        "5 0 0 * * *",
        "daily at 25:00",
    ],
)
def test_what_nobody_can_know_is_not_guessed(text: str) -> None:
    with pytest.raises(Slip) as caught:
        parse_schedule(text)
    assert "did you mean" not in caught.value.hint


@given(st.text(max_size=100) | st.lists(st.sampled_from(" ".join(MEANT).split()), max_size=8).map(" ".join))
def test_a_guess_is_always_a_schedule(text: str) -> None:
    slip = _slip(text)
    assert slip is None or 0 <= slip.offset <= len(text)
    if slip is not None and slip.hint.startswith("did you mean"):
        parse_schedule(slip.hint[14:-2])


def _slip(text: str) -> Slip | None:
    try:
        parse_schedule(text)
    except Slip as slip:
        return slip
    except NeverFires:
        return None
    return None
