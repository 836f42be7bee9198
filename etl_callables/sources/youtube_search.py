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

    `upto` is in whole seconds since 1970. `hits` were found up to there so far. `names` are those of the
    page before, of which nothing is known yet.
    """

    upto: int
    hits: int = 0
    token: str = ""
    names: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.upto}:{self.hits}:{self.token}:{','.join(self.names)}"

    @classmethod
    def parse(cls, text: str) -> _Place:
        upto, hits, token, names = text.split(":")
        return cls(int(upto), int(hits), token, tuple(names.split(",")) if names else ())


def search(project: Project, request: Request, cursor: str | None) -> Iterator[Page]:
    """The pages of a search from `cursor` on."""
    last = int((request.window.end - timedelta(microseconds=1)).timestamp())
    place: _Place | None = _Place(last) if cursor is None else _Place.parse(cursor)
    while place is not None:
        page, place = _known(project, place) if place.names else _found(project, request, place)
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
    token = str(answer.value.get("nextPageToken") or "") if items else ""
    onward = replace(place, hits=place.hits + len(items), token=token)
    following: _Place | None = onward
    missing = None
    if in_full and names:
        following = replace(onward, names=names)
    elif not token:
        following, missing = _below(place, onward.hits, [] if in_full else items)
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
    following: _Place | None = replace(place, names=())
    missing = None
    if not place.token:
        following, missing = _below(place, place.hits, items)
    cost = QUOTA.cost({"units": 1})
    return Page(tuple(bodies), str(following) if following else None, missing, cost), following


def _below(place: _Place, hits: int, items: list[Any]) -> tuple[_Place | None, str | None]:
    """Where to look for what the search did not reach, None where it reached the end; and what is missing.

    The second of the oldest video is asked for again, as it may have more than were found.
    """
    times = [when for item in items if (when := _published(item)) is not None]
    if hits < _DOUBT or not times:
        return None, None
    oldest = int(min(times).timestamp())
    if oldest < place.upto:
        return _Place(oldest), None
    return None, f"more than {hits:,} videos of the one second {_text(oldest)}, deeper than the search goes"


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
