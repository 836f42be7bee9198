"""Bluesky's search, newest posts first, as deep as it takes.

It ends near 10,000 hits, whatever lies below, and does not say how many there are. So the end of many
hits is not believed: it is asked again with `until` at the oldest of them, until that gives nothing
older. Without a limit, it is guessed from how close together the newest hits are how many there may be, and
the rest of the window is cut into parts that are fetched side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

from etl_callables.ahead import side_by_side
from etl_callables.errors import RetryLater
from etl_callables.http import one_line
from etl_callables.sources import Page, Request
from etl_callables.sources.bluesky_items import created
from etl_callables.sources.bluesky_session import Session

METHOD: Final = "app.bsky.feed.searchPosts"
SIZE: Final = 100
"""Posts on a page at most."""

FILTERS: Final = ("author", "domain", "lang", "mentions", "tag", "url")
"""Options that the search takes."""

THREADS: Final = 8
_FILL: Final = 300
"""Hits that a part is meant to have: a few pages."""

_DOUBT: Final = 500
"""Hits after which an end may be the search's own: far fewer than it gave in 2026, should that change."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
"""How finely Bluesky tells times apart."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a search goes on: in part `part` of the `parts` that [start, `end`) is cut into, newest first.

    There, with what was created before `upto`, at the search's own `cursor` (empty: from the newest on).
    `hits` were given below `upto` so far, the `oldest` of them of that moment (0: there was none), and
    `before` were given below the `upto` before this one. Times in milliseconds since 1970.
    """

    end: int
    parts: int
    part: int
    upto: int
    before: int = 0
    hits: int = 0
    oldest: int = 0
    cursor: str = ""

    def __str__(self) -> str:
        numbers = (self.end, self.parts, self.part, self.upto, self.before, self.hits, self.oldest)
        return ":".join(map(str, numbers)) + f":{self.cursor}"

    @classmethod
    def parse(cls, text: str) -> _Place:
        *numbers, cursor = text.split(":", 7)
        end, parts, part, upto, before, hits, oldest = map(int, numbers)
        return cls(end, parts, part, upto, before, hits, oldest, cursor)

    def span(self, part: int, start: int) -> tuple[int, int]:
        """The first millisecond of a part and the first after it."""
        low, high = (start + (self.end - start) * (self.parts - at) // self.parts for at in (part + 1, part))
        return low, high

    def at(self, part: int, start: int) -> _Place:
        """The beginning of another part."""
        return _Place(self.end, self.parts, part, self.span(part, start)[1])


def search(session: Session, request: Request, cursor: str | None) -> Iterator[Page]:
    """The pages of a search from `cursor` on."""
    asked = _Search(session, request)
    if cursor is None:
        page, place = asked.first()
        yield page
    else:
        place = _Place.parse(cursor)
    if place is None:
        return
    parts = (
        asked.part(place if number == place.part else place.at(number, asked.start))
        for number in range(place.part, place.parts)
    )
    if request.limit is None:
        yield from side_by_side(parts, THREADS)
    else:  # no page may be asked for that the limit does not need
        yield from chain.from_iterable(parts)


class _Search:
    """One query over one window."""

    def __init__(self, session: Session, request: Request) -> None:
        self.start = _milliseconds(request.window.start)
        self.end = _milliseconds(request.window.end - timedelta(microseconds=1)) + 1
        self._session = session
        self._is_limited = request.limit is not None
        self._size = SIZE if request.limit is None else min(SIZE, max(request.limit, 10))
        self._asked = {
            "q": request.query,
            "sort": "latest",
            "limit": self._size,
            **{name: _plain(request.options[name]) for name in FILTERS if request.options.get(name)},
        }

    def first(self) -> tuple[Page, _Place | None]:
        """The newest hits of the window, and where the others are; None when these are all."""
        place = _Place(self.end, 1, 0, self.end)
        body, times, cursor = self._ask(self.start, place)
        if cursor is None:
            return self._page(body, None)
        oldest = min(times, default=self.end)
        # As many again in every stretch as long as this one, if they come evenly.
        likely = len(times) * (self.end - self.start) // max(self.end - oldest, 1)
        if self._is_limited or likely <= _FILL or oldest <= self.start:
            return self._page(body, replace(place, hits=len(times), oldest=oldest, cursor=cursor))
        upto = oldest + 1
        # No more than are asked for at a time: what comes in a burst may be all there is.
        parts = min(-((len(times) - likely) // _FILL), THREADS, upto - self.start)
        return self._page(body, _Place(upto, parts, 0, upto))

    def part(self, place: _Place) -> Iterator[Page]:
        """The pages of a part from a place on. A part without hits has none, but for the last part."""
        low, _ = place.span(place.part, self.start)
        while True:
            body, times, cursor = self._ask(low, place)
            hits, oldest = place.hits + len(times), min([*times, place.oldest or place.upto])
            missing = None
            if cursor is not None:
                following = replace(place, hits=hits, oldest=oldest, cursor=cursor)
            else:
                below, missing = _below(place, hits, oldest)
                if below is None:
                    break
                following = below
            yield Page((body,), str(following), missing)
            place = following
        if place.part + 1 == place.parts:
            yield Page((body,), None, missing)
        elif hits:
            yield Page((body,), str(place.at(place.part + 1, self.start)), missing)

    @staticmethod
    def _page(body: bytes, place: _Place | None) -> tuple[Page, _Place | None]:
        return Page((body,), None if place is None else str(place)), place

    def _ask(self, low: int, place: _Place) -> tuple[bytes, list[int], str | None]:
        """The hits created in [low, upto) from a place on: the body, their times, and the next cursor."""
        between = {"since": _text(low), "until": _text(place.upto)}
        onward = {"cursor": place.cursor} if place.cursor else {}
        answer = self._session.get(METHOD, {**self._asked, **between, **onward})
        hits = answer.value.get("posts") if isinstance(answer.value, dict) else None
        if not isinstance(hits, list):
            raise RetryLater("Bluesky sent no page of posts.")
        cursor = answer.value.get("cursor")
        times = [when for hit in hits if (when := _time(hit)) is not None]
        inside = [when for when in times if low <= when < place.upto]
        # A search that does not know of `since` goes on to the first post there ever was. A page may be empty
        # because none of its posts may be shown; an empty one that leads to itself is the end.
        is_past = bool(times) and max(times) < low
        leads_on = bool(cursor) and (bool(hits) or str(cursor) != place.cursor)
        return one_line(answer.body), inside, str(cursor) if leads_on and not is_past else None


def _below(place: _Place, hits: int, oldest: int) -> tuple[_Place | None, str | None]:
    """Where to look for what the search did not reach, None where it reached the end; and what is missing.

    The moment of the oldest hit is asked for again, as it may have more than were given. Where there is
    nothing but that moment, the search ended within it, unless it had given more before and so could
    have gone deeper.
    """
    if hits < _DOUBT:
        return None, None
    if oldest + 1 < place.upto:
        return replace(place, upto=oldest + 1, before=hits, hits=0, oldest=0, cursor=""), None
    if hits < place.before:
        return None, None
    return None, f"more than {hits:,} posts of the one moment {_text(oldest)}, deeper than the search goes"


def _plain(value: Any) -> Any:
    """A handle or tags without the signs that people write before them."""
    return [_plain(one) for one in value] if isinstance(value, list) else str(value).lstrip("@#")


def _time(hit: Any) -> int | None:
    """When a hit was created, None where it does not say."""
    try:
        return _milliseconds(created(hit))
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError):
        return None


def _milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, the rest cut off, as Bluesky does."""
    return (moment - _EPOCH) // _MS


def _text(milliseconds: int) -> str:
    return (_EPOCH + milliseconds * _MS).isoformat(timespec="milliseconds").replace("+00:00", "Z")
