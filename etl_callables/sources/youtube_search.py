"""YouTube's search for videos, newest first, as deep as it takes.

A search finds names only, so each of its pages is followed by what is known of the videos on it, which
takes one of many units. Both answers are kept on pages of their own, so that no search is paid for twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from etl_callables.errors import RetryLater, StaleCursor
from etl_callables.http import one_line
from etl_callables.sources import Page, Request
from etl_callables.sources.depths import YOUTUBE_PAGE
from etl_callables.sources.fields import moment
from etl_callables.sources.youtube_items import MISSING
from etl_callables.sources.youtube_project import QUOTA, Project

_DOUBT: Final = 400
"""Videos after which an end may be the search's own: it gives about 500."""

_DETAILS: Final = "snippet,statistics"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a search goes on: at its `token` (empty: from the newest on), up to and including `upto`.

    `hits` were found up to there so far, the `oldest` of which a time is known at that second (None: of
    none it is). `names` are those of the page before, of which nothing is known yet. Times are in whole
    seconds since 1970.
    """

    upto: int
    hits: int = 0
    oldest: int | None = None
    token: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        oldest = "" if self.oldest is None else self.oldest
        return f"{self.upto}:{self.hits}:{oldest}:{self.token}:{','.join(self.names)}"

    @classmethod
    def parse(cls, text: str) -> _Place:
        upto, hits, oldest, token, names = text.split(":")
        return cls(
            int(upto),
            int(hits),
            int(oldest) if oldest else None,
            token,
            tuple(names.split(",")) if names else (),
        )

    def with_times(self, items: list[Any]) -> _Place:
        """Knowing the times of these items, too."""
        times = [int(when.timestamp()) for item in items if (when := _published(item)) is not None]
        known = [] if self.oldest is None else [self.oldest]
        return replace(self, oldest=min([*times, *known], default=None))


def search(project: Project, request: Request, cursor: str | None) -> Iterator[Page]:
    """The pages of a search from `cursor` on."""
    last = int((request.window.end - timedelta(microseconds=1)).timestamp())
    place: _Place | None = _Place(last) if cursor is None else _Place.parse(cursor)
    begun = place
    while place is not None:
        here = place
        try:
            page, place = _known(project, here) if here.names else _found(project, request, here)
        except StaleCursor as problem:
            if here.oldest is None:
                raise problem if here is begun else RetryLater(str(problem)) from problem
            place = _Place(here.oldest)  # what is paid for is not searched again
            continue
        yield page


def _found(project: Project, request: Request, place: _Place) -> tuple[Page, _Place | None]:
    """What the search finds at a place, and where to go on; None when that is all."""
    options = request.options
    in_full = options.get("details", True)
    answer = project.get(
        "search",
        {
            "part": "id" if in_full else "snippet",
            "type": "video",
            "order": "date",
            "q": request.query,
            "maxResults": YOUTUBE_PAGE if request.limit is None else min(YOUTUBE_PAGE, request.limit),
            "publishedAfter": _text(int(request.window.start.timestamp())),
            # Whether this very second is meant too is said nowhere; what is too much is left out later.
            "publishedBefore": _text(place.upto + 1),
            **({"channelId": options["channel"]} if options.get("channel") else {}),
            **({"pageToken": place.token} if place.token else {}),
        },
    )
    items = answer.value["items"]
    names = tuple(name for item in items if (name := _name(item)))
    # A page may be empty though it is not the last one.
    token = str(answer.value.get("nextPageToken") or "")
    onward = replace(place, hits=place.hits + len(items), token=token)
    following: _Place | None
    missing = None
    if in_full and names:
        following = replace(onward, names=names)
    else:
        following, missing = _next(onward.with_times(items))
    cost = QUOTA.cost({"searches": 1})
    return Page((one_line(answer.body),), str(following) if following else None, missing, cost), following


def _known(project: Project, place: _Place) -> tuple[Page, _Place | None]:
    """What is known of the videos of the page before, and where to go on."""
    names = ",".join(place.names)
    answer = project.get("videos", {"part": _DETAILS, "id": names, "maxResults": YOUTUBE_PAGE})
    items = answer.value["items"]
    bodies = [one_line(answer.body)]
    if len(items) < len(place.names):
        known = {item.get("id") for item in items if isinstance(item, dict)}
        gone = [name for name in place.names if name not in known]
        bodies.append(json.dumps({"kind": MISSING, "items": gone}).encode())
    following, missing = _next(replace(place, names=()).with_times(items))
    cost = QUOTA.cost({"units": 1})
    return Page(tuple(bodies), str(following) if following else None, missing, cost), following


def _next(place: _Place) -> tuple[_Place | None, str | None]:
    """Where to go on after a page, None where the search reached its end; and what is missing.

    Below what it did not reach a search begins anew, at the second of the oldest video, which may have more
    than were found.
    """
    if place.token:
        return place, None
    if place.hits < _DOUBT or place.oldest is None:
        return None, None
    if place.oldest < place.upto:
        return _Place(place.oldest), None
    seconds = _text(place.oldest)
    return None, f"more than {place.hits:,} videos of the one second {seconds}, deeper than the search goes"


def _name(item: Any) -> str | None:
    try:
        return str(item["id"]["videoId"])
    except (LookupError, TypeError):
        return None


def _published(item: Any) -> datetime | None:
    try:
        return moment(item["snippet"]["publishedAt"])
    except (LookupError, TypeError, ValueError):
        return None


def _text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
