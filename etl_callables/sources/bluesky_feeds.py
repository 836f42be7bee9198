"""What accounts and feed generators of Bluesky show, which anybody may read.

An account's posts come newest first and have no dates to ask for; but a cursor tells a time, so one can
be made that leaves out what is newer than the window. A feed gives what it likes in the order it likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import one_line
from etl_callables.sources import Page, Request
from etl_callables.sources.bluesky_items import created
from etl_callables.sources.bluesky_session import Session
from etl_callables.sources.patience import Patience

SIZE: Final = 100
"""Items on a page at most."""

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


def feed(session: Session, request: Request, cursor: str | None) -> Iterator[Page]:
    """What the feed generator `options.feed` gives, in its order, from `cursor` on."""
    asked = {"feed": _name(session, str(request.options["feed"])), "limit": _size(request)}
    patience, own = _place(cursor)
    while True:
        body, times, own = _ask(session, "app.bsky.feed.getFeed", asked, own)
        patience = patience.after(times, request.window.start)
        if own is None:
            yield Page((body,), None)
            return
        if patience.is_over:
            yield Page((body,), None, patience.missing)
            return
        yield Page((body,), f"{patience}:{own}")


def _place(cursor: str | None) -> tuple[Patience, str | None]:
    """How far a feed is read, and its own cursor."""
    if cursor is None:
        return Patience(), None
    old, last, ordered, own = cursor.split(":", 3)
    return Patience.parse(f"{old}:{last}:{ordered}"), own


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
        found_by_name = answer.value.get("did") if isinstance(answer.value, dict) else None
        if not isinstance(found_by_name, str) or not found_by_name:
            raise RetryLater(f"Bluesky did not say which account {owner} is.")
        owner = found_by_name
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
