"""What accounts and feed generators of Bluesky show, which anybody may read.

An account's posts come newest first and have no dates to ask for; but a cursor tells a time, so one can
be made that leaves out what is newer than the window. A feed gives what it likes in the order it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import one_line
from etl_callables.sources import Page, Request
from etl_callables.sources.bluesky_items import created
from etl_callables.sources.bluesky_session import Session

SIZE: Final = 100
"""Items on a page at most."""

UNORDERED: Final = "the feed is not in the order of time, so older pages may hold more of the window"

_OLD: Final = 3
"""Pages in a row with nothing but older posts, after which a feed is taken to have come past the window."""

_PROFILE: Final = re.compile(r"https?://[^/]+/profile/([^/?#]+)/?")
_FEED: Final = re.compile(
    r"(?:https?://[^/]+/profile/([^/?#]+)/feed/|at://([^/]+)/app\.bsky\.feed\.generator/)([^/?#]+)/?"
)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_KEYSET: Final = re.compile(r"(\d{12,14})(__.+)")


def account(session: Session, request: Request, cursor: str | None) -> Iterator[Page]:
    """The posts and reposts of `options.account`, newest first, from `cursor` on."""
    named = str(request.options["account"])
    found = _PROFILE.fullmatch(named)
    asked = {
        "actor": found[1] if found else named.removeprefix("@"),
        "filter": "posts_with_replies" if request.options.get("replies", True) else "posts_no_replies",
        "limit": _size(request),
    }
    while True:
        body, times, cursor = _ask(session, "app.bsky.feed.getAuthorFeed", asked, cursor)
        if times and max(times) < request.window.start:
            cursor = None
        elif cursor is not None and times and min(times) >= request.window.end:
            cursor = skipping(cursor, request.window.end)
        yield Page((body,), cursor)
        if cursor is None:
            return


def skipping(cursor: str, end: datetime) -> str:
    """A cursor for what is older than `end`, in the form of the given one, which is itself newer.

    Bluesky's public service writes a time, the open AppView milliseconds and a content's address. A
    cursor of any other form is left as it is.
    """
    if _ISO.fullmatch(cursor):
        text = end.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return min(cursor, text)
    keyset = _KEYSET.fullmatch(cursor)
    if keyset:
        return f"{min(int(keyset[1]), int(end.timestamp() * 1000))}{keyset[2]}"
    return cursor


@dataclass(frozen=True, slots=True)
class _Reading:
    """How far a feed is read: `old` pages in a row had only older posts, `last` is the time of the last one.

    `ordered` is whether every post so far was older than the one before; `cursor` is the feed's own.
    """

    old: int = 0
    last: int | None = None
    ordered: bool = True
    cursor: str | None = None

    def __str__(self) -> str:
        return f"{self.old}:{'' if self.last is None else self.last}:{int(self.ordered)}:{self.cursor}"

    @classmethod
    def parse(cls, text: str | None) -> _Reading:
        if text is None:
            return cls()
        old, last, ordered, cursor = text.split(":", 3)
        return cls(int(old), int(last) if last else None, ordered == "1", cursor)

    def after(self, times: list[datetime], start: datetime, cursor: str | None) -> _Reading:
        """With one more page, of posts of these times."""
        numbers = [*([] if self.last is None else [self.last]), *(int(time.timestamp()) for time in times)]
        return _Reading(
            self.old + 1 if times and max(times) < start else 0,
            numbers[-1] if numbers else None,
            self.ordered and all(newer >= older for newer, older in pairwise(numbers)),
            cursor,
        )


def feed(session: Session, request: Request, cursor: str | None) -> Iterator[Page]:
    """What the feed generator `options.feed` gives, in its order, from `cursor` on."""
    asked = {"feed": _name(session, str(request.options["feed"])), "limit": _size(request)}
    reading = _Reading.parse(cursor)
    while True:
        body, times, following = _ask(session, "app.bsky.feed.getFeed", asked, reading.cursor)
        reading = reading.after(times, request.window.start, following)
        if following is None:
            yield Page((body,), None)
            return
        if reading.old >= _OLD:
            yield Page((body,), None, None if reading.ordered else UNORDERED)
            return
        yield Page((body,), str(reading))


def _name(session: Session, written: str) -> str:
    """The AT URI of a feed that is named by it or by its address, whose owner may be named by handle."""
    found = _FEED.fullmatch(written)
    if found is None:
        raise Stop(
            f"{written!r} is no feed of Bluesky: write its address, https://bsky.app/profile/…/feed/…."
        )
    owner = found[1] or found[2]
    if not owner.startswith("did:"):
        answer = session.get("com.atproto.identity.resolveHandle", {"handle": owner})
        owner = str(answer.value["did"])
    return f"at://{owner}/app.bsky.feed.generator/{found[3]}"


def _size(request: Request) -> int:
    return SIZE if request.limit is None else min(SIZE, max(request.limit, 10))


def _ask(
    session: Session, method: str, asked: dict[str, Any], cursor: str | None
) -> tuple[bytes, list[datetime], str | None]:
    """A page: its body, the times of its items where they have some, and the cursor of the next."""
    answer = session.get(method, asked if cursor is None else {**asked, "cursor": cursor})
    page = answer.value
    if not isinstance(page, dict) or not isinstance(page.get("feed"), list):
        raise RetryLater("Bluesky sent no page of a feed.")
    times = []
    for item in page["feed"]:
        with suppress(ValueError, TypeError, LookupError, AttributeError, OverflowError):
            times.append(created(item))
    following = page.get("cursor")
    return one_line(answer.body), times, str(following) if following else None
