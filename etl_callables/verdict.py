"""What an HTTP answer means for a run: go on, come back later, or stop and tell a person.

One place for every source that speaks HTTP; a source adds only what its service alone means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import msgspec

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.url import bare, line

LONGEST_WAIT: Final = timedelta(days=1)
"""A longer wait than this is no rate limit but a mistake, or a way to say no."""

_EPOCH: Final = 1_000_000_000
"""Numbers below are seconds from now, those above are seconds since 1970: services write both."""

_LATER: Final = frozenset({408, 425, 429})
_MOMENTS: Final = ("retry-after", "x-rate-limit-reset", "ratelimit-reset", "x-ratelimit-reset")
_REMAINING: Final = ("x-rate-limit-remaining", "ratelimit-remaining", "x-ratelimit-remaining")
_SAID: Final = ("detail", "message", "error_description", "error", "title", "errors", "reason")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came.

    The names of `headers` are in lower case; `value` is the JSON of `body` where that was asked for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    value: Any = None

    @property
    def kind(self) -> str:
        """The media type, in lower case and without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_page(self) -> bool:
        """Whether it is a web page, which no API sends: of a firewall, a login, a proxy, a captcha."""
        return "html" in self.kind or self.body[:100].lstrip().lower().startswith(
            (b"<!doctype html", b"<html")
        )


@dataclass(frozen=True, slots=True)
class Service:
    """Who was asked, in the words of messages: its name, and the job's source connection if there is one.

    `option` is the job's option that says where it is, empty where the connection's host does.
    """

    name: str
    connection: str = ""
    option: str = ""

    @property
    def credentials(self) -> str:
        """What to do about credentials, as the end of a sentence."""
        if self.connection:
            return (
                f"correct the credentials in the connection {self.connection} (in Airflow under Admin,"
                " Connections), then clear the task"
            )
        return "name a connection with credentials in the job's `source_connection`"

    def moved(self, place: str) -> str:
        """What to do where it has moved to `place`, a scheme and a host, as the end of a sentence."""
        if self.option:
            return f"write {urlsplit(place).netloc} as `{self.option}` in the job's `options`"
        where = (
            f"of the connection {self.connection}" if self.connection else "of the job's source connection"
        )
        return f"write {place} as the host {where}"


class Unhelpful(RetryLater):
    """Too many questions, and no word how long to wait: asking again at once would make it worse."""


def verdict(answer: Answer, service: Service, now: datetime) -> TrawlError | None:
    """The error to raise for an answer's status; None for 2xx."""
    status = answer.status
    if status // 100 == 2:  # noqa: PLR2004 - 2xx
        return None
    name = service.name
    words = said(answer)
    told = f"HTTP {status}: {words}" if words else f"HTTP {status}"
    if status in _LATER or status // 100 == 5:  # noqa: PLR2004 - 5xx
        named = come_back(answer.headers, now)
        # A moment that has passed is no reason to hurry: clocks differ, and seconds are rounded down.
        after = named if named is not None and named > now else None
        if status == 429:  # noqa: PLR2004
            message = f"{name} has had enough questions for now ({told})."
            return Unhelpful(message) if named is None else RetryLater(message, after)
        return RetryLater(f"{name} is out of order ({told}).", after)
    if status // 100 == 3:  # noqa: PLR2004 - 3xx
        return _elsewhere(answer, service, told)
    if answer.is_page:
        return Stop(
            f"{name} answered with a web page instead of data (HTTP {status}): something in between blocks"
            f" this machine, or {answer.url} is not its address."
        )
    if status == 401:  # noqa: PLR2004
        return Stop(f"{name} does not accept who asks ({told}): {service.credentials}.")
    if status == 403:  # noqa: PLR2004
        return Stop(f"{name} does not allow this ({told}): {service.credentials}.")
    if status in {404, 410}:
        return Stop(f"{name} has nothing at {answer.url} ({told}): correct the job's `query` or `options`.")
    return Stop(f"{name} did not take the question ({told}): correct the job's `query` or `options`.")


def _elsewhere(answer: Answer, service: Service, told: str) -> Stop:
    """What a redirect that is not followed means: most often, that a service has moved."""
    name, given = service.name, answer.headers.get("location", "")
    try:
        old, new = _place(answer.url), _place(urljoin(answer.url, given))
        where = bare(urljoin(answer.url, given)) if given else ""
    except ValueError:
        where = ""
    if not where:
        return Stop(f"{name} sends questions elsewhere without saying where ({told}).")
    if new and new != old:
        remedy = f"if that is its new address, {service.moved(new)}"
    else:
        remedy = f"{answer.url} is not its address, or it wants a login first"
    return Stop(f"{name} sends questions elsewhere ({told}, to {where}): {remedy}.")


def _place(url: str) -> str:
    """The scheme and host of a URL; empty where it has none that can be asked."""
    parts = urlsplit(bare(url))
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in {"http", "https"} and parts.netloc else ""


def come_back(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """The moment at which an answer says to come back, the latest of those it names.

    Understands Retry-After (seconds or an HTTP date, RFC 9110 10.2.3) and the several headers named
    reset: seconds since 1970, seconds from now, or an ISO 8601 time. None when there is none, or
    none that can be meant.
    """
    found = [moment for name in _MOMENTS if (moment := _moment(headers.get(name, ""), now))]
    return max(found, default=None)


def exhausted(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Until when a good answer says that no more questions are taken; None when some are."""
    if any(headers.get(name, "").partition(".")[0] == "0" for name in _REMAINING):
        return come_back(headers, now)
    return None


def _moment(text: str, now: datetime) -> datetime | None:
    text = text.strip()
    if not text:
        return None
    try:
        if re.fullmatch(r"[0-9]+([.][0-9]+)?", text):
            seconds = float(text)
            moment = (
                datetime.fromtimestamp(seconds, UTC) if seconds > _EPOCH else now + timedelta(seconds=seconds)
            )
        elif text[0].isdecimal():
            moment = datetime.fromisoformat(text)
        else:
            moment = parsedate_to_datetime(text)
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return max(moment, now) if moment - now <= LONGEST_WAIT else None


def said(answer: Answer) -> str:
    """What an answer says of itself, from the places where APIs put it; in one short line."""
    if answer.is_page:
        return ""
    try:
        value = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        text = answer.body[:200].decode(errors="replace") if answer.kind == "text/plain" else ""
    else:
        text = "; ".join(dict.fromkeys(_words(value)))
    return line(text, 300)


def _words(value: Any, depth: int = 3) -> Iterable[str]:
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, list) and depth:
        for one in value[:5]:
            yield from _words(one, depth - 1)
    elif isinstance(value, dict) and depth:
        for name in _SAID:
            yield from _words(value.get(name), depth - 1)
