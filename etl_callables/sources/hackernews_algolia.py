"""Hacker News through Algolia's search, which needs no login.

A search gives its 1,000 newest hits and no more, so a window with more is asked for again up to the
oldest of them, until it is covered. How many hits there are is known after the first answer; what is
left is then cut into parts of equal length that are fetched side by side.
API: https://hn.algolia.com/api; 1,000 hits a query is Algolia's `paginationLimitedTo`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any, Final

from etl_callables.ahead import side_by_side
from etl_callables.errors import RetryLater, Stop
from etl_callables.http import Client, one_line, rate_of, version
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.fields import count, identifier, items_of, moment, needed, text
from etl_callables.sources.markup import plain

PLATFORM: Final = "hackernews"
REPEATS: Final = False

HOME: Final = "https://hn.algolia.com"
RATE: Final = (10_000, 3600.0)
"""Questions and seconds: what Algolia allows an address in an hour."""

THREADS: Final = 10

PARALLEL: Final = THREADS
UNKEPT: Final = 4

_DEPTH: Final = 1000
_FILL: Final = 700
"""Hits that a part is meant to have: below the depth, for they do not come evenly."""

_PARTS: Final = 512
_TAGS: Final = {
    "all": "(story,comment,poll,job)",
    "stories": "story",
    "comments": "comment",
    "ask": "ask_hn",
    "show": "show_hn",
    "jobs": "job",
    "polls": "poll",
}

__all__ = ["PARALLEL", "PLATFORM", "REPEATS", "UNKEPT", "brief", "pages", "posts", "version"]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a search goes on: in part `part` of the `parts` that [start, `end`) is cut into, newest first.

    There, with what was created before `upto`. All times in whole seconds since 1970.
    """

    end: int
    parts: int
    part: int
    upto: int

    def __str__(self) -> str:
        return f"{self.end}:{self.parts}:{self.part}:{self.upto}"

    @classmethod
    def parse(cls, cursor: str) -> _Place:
        return cls(*map(int, cursor.split(":")))

    def span(self, part: int, start: int) -> tuple[int, int]:
        """The first second of a part and the first after it."""
        low, high = (start + (self.end - start) * (self.parts - at) // self.parts for at in (part + 1, part))
        return low, high


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of up to 1,000 hits, newest first."""
    if not request.query:
        raise Stop("Hacker News can only be searched for something: the job needs a `query`.")
    search = _Search(request, run)
    with search.client:
        place = None if cursor is None else _Place.parse(cursor)
        if place is None:
            page, place = search.first()
            yield page
        if place is not None:
            yield from _rest(search, place)


def _rest(search: _Search, place: _Place) -> Iterator[Page]:
    """The pages from a place on; parts in which there is nothing give none, but for the last."""
    parts = (
        search.part(replace(place, part=number, upto=place.span(number, search.start)[1]))
        if number > place.part
        else search.part(place)
        for number in range(place.part, place.parts)
    )
    # One part is asked page by page: whoever keeps the pages says whether any is to be asked for ahead.
    yield from side_by_side(parts, THREADS) if place.parts > 1 else chain.from_iterable(parts)


class _Search:
    """One query over one window."""

    def __init__(self, request: Request, run: Run) -> None:
        self.start, self.end = (int(end.timestamp()) for end in (request.window.start, request.window.end))
        self.limit = request.limit
        self.client = Client.of("Hacker News", HOME, request, run, shared=True, rate=rate_of(request, *RATE))
        self._asked: dict[str, Any] = {
            "query": request.query,
            "tags": _TAGS[str(request.options.get("items", "all"))],
            "hitsPerPage": min(_DEPTH, self.limit or _DEPTH),
            "typoTolerance": "false",
            "advancedSyntax": "true",
        }

    def first(self) -> tuple[Page, _Place | None]:
        """The newest hits of the window, and where the others are; None when these are all."""
        found = self._ask(self.start, self.end)
        upto, missing = _next(found, self.end)
        if upto is None or upto <= self.start:
            return Page((found.body,), None, missing), None
        left = found.there - len(found.hits)
        parts = 1
        if self.limit is None or found.there <= self.limit:
            parts = max(1, min(-(-left // _FILL), _PARTS, upto - self.start))
        place = _Place(upto, parts, 0, upto)
        return Page((found.body,), str(place), missing), place

    def part(self, place: _Place) -> Iterator[Page]:
        """The pages of a part from a place on."""
        low, _ = place.span(place.part, self.start)
        upto: int | None = place.upto
        while upto is not None:
            found = self._ask(low, upto)
            following, missing = _next(found, upto)
            upto = following if following is not None and following > low else None
            if upto is not None:
                yield Page((found.body,), str(replace(place, upto=upto)), missing)
                continue
            last = place.part + 1 == place.parts
            if last or found.hits:
                beyond = replace(place, part=place.part + 1, upto=low)
                yield Page((found.body,), None if last else str(beyond), missing)

    def _ask(self, low: int, upto: int) -> _Found:
        """The newest hits created in [low, upto); as many as can be had where one second fills the answer."""
        found = self._given(low, upto, self._asked["hitsPerPage"])
        if found.size < _DEPTH and found.is_full and found.times(upto) == {upto - 1}:
            return self._given(low, upto, _DEPTH)
        return found

    def _given(self, low: int, upto: int, size: int) -> _Found:
        between = f"created_at_i>={low},created_at_i<{upto}"
        asked = {**self._asked, "hitsPerPage": size, "numericFilters": between}
        answer = self.client.get_json("/api/v1/search_by_date", asked)
        hits = answer.value.get("hits") if isinstance(answer.value, dict) else None
        if not isinstance(hits, list):
            raise RetryLater("Hacker News sent no page of hits.")
        there, given = count(answer.value.get("nbHits")), count(answer.value.get("hitsPerPage"))
        return _Found(
            one_line(answer.body), hits, len(hits) if there is None else there, min(size, given or size)
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """An answer: its body, its hits, about how many there are, and how many an answer holds."""

    body: bytes
    hits: list[Any]
    there: int
    size: int

    @property
    def is_full(self) -> bool:
        return len(self.hits) >= self.size

    def times(self, upto: int) -> set[int]:
        """The seconds of its hits, where they can be meant."""
        times = {count(hit.get("created_at_i")) for hit in self.hits if isinstance(hit, dict)}
        return {time for time in times if time and time < upto}


def _next(found: _Found, upto: int) -> tuple[int | None, str | None]:
    """Before which second to go on (None: there is no more), and what cannot be had, if anything.

    The second of the oldest hit is asked for again, as it may hold more than was given; not where it
    alone fills an answer, for the rest of that second is out of reach.
    """
    if not found.hits or (not found.is_full and len(found.hits) >= found.there):
        return None, None
    times = found.times(upto)
    if not times:
        return None, "hits without a time, after which nothing can be asked for"
    oldest = min(times)
    if oldest + 1 < upto:
        return oldest + 1, None
    if not found.is_full:  # how many there are is only about right
        return oldest, None
    when = moment(oldest)
    return oldest, f"more than {len(found.hits):,} items in the one second {when:%Y-%m-%d %H:%M:%S} UTC"


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The stories and comments of a page."""
    return items_of(body, lambda page: page["hits"], lambda hit: _post(hit, fetched_at))


def brief(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The same items without their texts and links."""
    return items_of(body, lambda page: page["hits"], lambda hit: _post(hit, fetched_at, whole=False))


def _post(hit: dict[str, Any], fetched_at: datetime, *, whole: bool = True) -> Post | Skipped:
    name = needed(identifier(hit.get("objectID")), "objectID")
    html: str = hit.get("comment_text") or hit.get("story_text") or ""
    said = plain(html if whole else html[:0])
    title = text(hit.get("title"))
    link = text(hit.get("url"))
    return Post(
        platform=PLATFORM,
        id=name,
        url=f"https://news.ycombinator.com/item?id={name}",
        author=text(hit.get("author")),
        author_name=None,
        author_id=None,
        created_at=moment(hit.get("created_at_i") or hit.get("created_at")),
        text="\n\n".join(part for part in (title, said.text) if part) or None,
        lang=None,
        likes=count(hit.get("points")),
        reposts=None,
        replies=count(hit.get("num_comments")),
        quotes=None,
        bookmarks=None,
        views=None,
        source_label=None,
        conversation_id=identifier(hit.get("story_id")),
        in_reply_to=identifier(hit.get("parent_id")),
        quoted=None,
        reposted=None,
        hashtags=None,
        mentions=None,
        urls=tuple(dict.fromkeys((*([link] if link else []), *said.links))),
        media=None,
        scraped_at=fetched_at,
    )
