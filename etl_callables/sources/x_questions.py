"""How the X API v2 is asked: its doors, the names of its fields, and a cursor that holds a whole question."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from etl_callables.errors import Stop
from etl_callables.sources import Request
from etl_callables.sources.depths import X_TIMELINE, X_WITHOUT_REPLIES

FIRST: Final = datetime(2006, 3, 21, tzinfo=UTC)
"""The day of the first post of all, before which no search may begin."""


@dataclass(frozen=True, slots=True)
class Door:
    """A kind of question: its path, page sizes, and the parameter that leads to the next page."""

    path: str
    least: int
    most: int
    follows: str = "next_token"


DOORS: Final[Mapping[str, Door]] = {
    "recent": Door("/2/tweets/search/recent", 10, 100),
    "all": Door("/2/tweets/search/all", 10, 500),
    "user": Door("/2/users/{user}/tweets", 5, 100, "pagination_token"),
}
_FIELDS: Final = "attachments,conversation_id,created_at,entities,lang,public_metrics,source"
_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "post": {
        "fields": f"{_FIELDS},note_post",
        "author": "author_id",
        "media": "attachments.media_keys",
        "references": "referenced_posts",
    },
    "tweet": {
        "fields": f"{_FIELDS},note_tweet,author_id,referenced_tweets",
        "author": "author_id",
        "media": "attachments.media_keys",
        "references": "referenced_tweets.id",
    },
}
"""How fields and expansions are called, in the new spelling and in the old."""


def depth(options: Mapping[str, Any]) -> int | None:
    """How many posts X gives of a job's user; None of a search, which has no end."""
    if not options.get("user"):
        return None
    return X_WITHOUT_REPLIES if "replies" in options.get("exclude", ()) else X_TIMELINE


def looks_up(options: Mapping[str, Any]) -> bool:
    """Whether a run asks who its user is, whom the job names and X knows by a number."""
    user = options.get("user")
    return bool(user) and not str(user).removeprefix("@").isdecimal()


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a question goes on, and all that makes it the same question: a cursor, once it is JSON.

    `end` is the end of all that is asked for, and `upto` that of this question, where another one was
    given up. `posted` is how many posts the user has, None where that is not known. `got` counts the posts so
    far, and `oldest` is the creation of the last of them. A `probe` only asks whether there is more.
    """

    door: str
    start: datetime | None
    end: datetime
    upto: datetime | None = None
    token: str | None = None
    got: int = 0
    oldest: str | None = None
    user: str = ""
    posted: int | None = None
    spelling: str = "post"
    probe: bool = False

    def __str__(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def parse(cls, cursor: str) -> Place:
        """The place that `str()` wrote; Stop for what another version of Trawl did."""
        try:
            return msgspec.json.decode(cursor, type=cls)
        except msgspec.DecodeError as problem:
            raise Stop(
                "An earlier try of this run left a place that cannot be read, as of another version of Trawl:"
                " trigger a new run of its time."
            ) from problem

    @property
    def path(self) -> str:
        return DOORS[self.door].path.format(user=self.user)

    @property
    def missing(self) -> str:
        """What is not there when it ends here."""
        upto = self.oldest[:16].replace("T", " ") if self.oldest else f"{self.end:%Y-%m-%d %H:%M}"
        return f"what is older than {upto} UTC"


moved: Final = msgspec.structs.replace
"""The same place with some parts changed."""


def parameters(place: Place, request: Request, expand: Collection[str], size: int) -> dict[str, Any]:
    """What to ask for a page of `size` posts at a place, with what is to be told besides."""
    door, names = DOORS[place.door], _NAMES[place.spelling]
    upto = place.upto or place.end
    start, end = (None, place.start or FIRST) if place.probe else (place.start, upto)
    asked = {
        "query": request.query,
        "exclude": ",".join(request.options.get("exclude", ())) if place.door == "user" else None,
        "start_time": stamp(start) if start else None,
        "end_time": stamp(end),
        door.follows: place.token,
        f"{place.spelling}.fields": names["fields"],
        "expansions": ",".join(names[name] for name in expand),
        "user.fields": "name,username" if "author" in expand else None,
        "media.fields": "preview_image_url,url,variants" if "media" in expand else None,
    }
    return {"max_results": size, **{name: value for name, value in asked.items() if value}}


def stamp(moment: datetime) -> str:
    """A time as X wants it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def span(start: datetime, end: datetime) -> str:
    """A span of time for a person."""
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
