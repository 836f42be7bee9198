"""Who asks YouTube: a project of Google Cloud, by its key, and what its quota and refusals mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from etl_callables.cost import Prices
from etl_callables.errors import RetryLater, StaleCursor, Stop
from etl_callables.http import Client, decode, rate_of
from etl_callables.run import Run
from etl_callables.sources import Request
from etl_callables.verdict import Answer, said

HOME: Final = "https://www.googleapis.com"
RATE: Final = (1800, 60.0)
"""Questions and seconds that a project may ask for one user by default."""

QUOTA: Final = Prices("2026-08", {"searches": 0.0, "units": 0.0})
"""Nothing is charged in money: the manifest counts what is taken from the day's quota."""

_CALIFORNIA: Final = ZoneInfo("America/Los_Angeles")
_GONE: Final = frozenset({"quotaExceeded", "dailyLimitExceeded"})
_SLOWER: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"})
_KEY: Final = frozenset({"keyInvalid", "keyExpired", "API_KEY_INVALID", "accessNotConfigured", "forbidden"})


class NoComment(Stop):
    """A comment is there no more, and neither are the replies to it."""


class Project:
    """Asks methods of the API. Use as a context manager."""

    def __init__(self, request: Request, run: Run) -> None:
        key = str(request.credentials.get("password") or "")
        if not key:
            raise Stop(
                "YouTube answers projects only: name a connection with an API key as its password in the"
                " job's `source_connection`."
            )
        self._run = run
        self._connection = request.connection
        # The key goes into a head, not into addresses, which end up in logs.
        self._client = Client.of(
            "YouTube",
            HOME,
            request,
            run,
            headers={"X-Goog-Api-Key": key},
            rate=rate_of(request, *RATE),
            judge=self._judge,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def get(self, method: str, asked: Mapping[str, Any]) -> Answer:
        """A page of `items`. Raises RetryLater and Stop."""
        answer = self._client.get_json(f"/youtube/v3/{method}", asked)
        if not isinstance(answer.value, dict) or not isinstance(answer.value.get("items"), list):
            raise RetryLater("YouTube sent no page of items.")
        return answer

    def _judge(self, answer: Answer) -> None:
        reasons = _reasons(answer)
        if reasons & _GONE:
            raise RetryLater(
                f"The day's quota of YouTube is used up ({said(answer)}).", next_day(self._run.now())
            )
        if reasons & _SLOWER:
            raise RetryLater(f"YouTube is asked too often ({said(answer)}).")
        if "invalidPageToken" in reasons:
            raise StaleCursor("YouTube knows no more where the list was.")
        if "processingFailure" in reasons:
            raise RetryLater(f"YouTube could not work on the question ({said(answer)}).")
        if "commentNotFound" in reasons:
            raise NoComment("YouTube has no comment of that id.")
        if "commentsDisabled" in reasons:
            raise Stop("The video takes no comments: correct the job's `options`.")
        if "videoNotFound" in reasons:
            raise Stop("YouTube has no video of that id, or nobody may see it: correct the job's `options`.")
        if reasons & _KEY:
            raise Stop(
                f"YouTube does not accept the key ({said(answer)}): correct it in the connection"
                f" {self._connection}, or allow its project the YouTube Data API v3."
            )


def next_day(now: datetime) -> datetime:
    """The next midnight in California, at which quotas begin anew."""
    tomorrow = now.astimezone(_CALIFORNIA).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=_CALIFORNIA).astimezone(UTC)


def _reasons(answer: Answer) -> set[str]:
    """Why something was refused, in Google's two vocabularies."""
    if answer.status // 100 == 2:  # noqa: PLR2004 - 2xx
        return set()
    try:
        error = decode(answer.body)["error"]
        parts = [*(error.get("errors") or ()), *(error.get("details") or ())]
        return {str(part["reason"]) for part in parts if "reason" in part}
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()
