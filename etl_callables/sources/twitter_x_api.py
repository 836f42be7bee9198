"""X through its API v2, which charges for what it gives: https://docs.x.com/x-api.

A search looks through the last 7 days or through the whole archive; a user's timeline has the last
3,200 posts. The window becomes start_time and end_time, and a page's next_token leads to the next.
The API has been renaming tweets to posts since 2025: the new names are asked for, the old ones where
it does not know the new, and both are read.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import quote

import msgspec

from etl_callables.cost import Cost, Spent, dollars
from etl_callables.errors import Stop
from etl_callables.http import Client, Rate, one_line, version
from etl_callables.post import Post, Skipped
from etl_callables.preview import Preview
from etl_callables.run import Run
from etl_callables.sources import Page, Request, x_prices
from etl_callables.sources.x_api_v2 import read_page
from etl_callables.sources.x_prices import PRICES
from etl_callables.verdict import Answer

__all__ = ["PLATFORM", "PRICES", "REPEATS", "counts", "pages", "posts", "version"]

PLATFORM: Final = "twitter"
REPEATS: Final = True

HOME: Final = "https://api.x.com"
TOKEN: Final = "X_BEARER_TOKEN"  # noqa: S105 - the name of a variable
"""The environment variable with the bearer token, for jobs without a connection."""

ARCHIVE_RATE: Final = (1, 1.0)
"""Questions and seconds of a full-archive search. The other limits are told with each answer."""

_WEEK: Final = timedelta(days=7)
_MARGIN: Final = timedelta(minutes=1)
"""How much less than a week is asked for, so that it is still no more when the question arrives."""

_FRESH: Final = timedelta(seconds=12)
"""How long ago a search must end: X asks for ten seconds."""

_SOON: Final = timedelta(seconds=30)
"""A window that ends within this time is waited for."""

_FIRST: Final = datetime(2006, 3, 21, tzinfo=UTC)
"""The day of the first post of all, before which no search may begin."""

_FIRST_OF_TIMELINE: Final = datetime(2010, 11, 6, tzinfo=UTC)
"""What a timeline may begin with at the earliest; without a beginning it has everything too."""

_TIMELINE_DEPTH: Final = 3200
_MOST_A_DAY: Final = 2400
"""Posts that X lets a user write in a day."""

_COVERED: Final = timedelta(days=_TIMELINE_DEPTH / _MOST_A_DAY)
"""What the last 3,200 posts of any user reach back at least."""


@dataclass(frozen=True, slots=True)
class _Door:
    """A kind of question: its path, page sizes, and the parameter that leads to the next page."""

    path: str
    least: int
    most: int
    follows: str = "next_token"


_DOORS: Final[Mapping[str, _Door]] = {
    "recent": _Door("/2/tweets/search/recent", 10, 100),
    "all": _Door("/2/tweets/search/all", 10, 500),
    "user": _Door("/2/users/{user}/tweets", 5, 100, "pagination_token"),
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


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a question goes on, and all that makes it the same question: a cursor, once it is JSON.

    `posted` is how many posts the user has, None where that is not known. `got` counts the posts so
    far, and `oldest` is the creation of the last of them. A `probe` only asks whether there is more.
    """

    door: str
    start: datetime | None
    end: datetime
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
    def parse(cls, cursor: str) -> _Place:
        return msgspec.json.decode(cursor, type=cls)


_moved: Final = msgspec.structs.replace


class _OtherSpelling(Exception):  # noqa: N818 - says what to do next
    """X does not know the new names."""


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of a search or of a user's posts, newest first.

    What X cannot give is told at the end: what lies beyond its last 7 days, or beyond the last 3,200
    posts of a user, or beyond the job's `max_cost`.
    """
    with _Asking(request, run) as asking:
        if cursor is not None:
            place = _Place.parse(cursor)
        elif request.options.get("user"):
            asking.afford(lookups=1)
            page, place = asking.user(str(request.options["user"]))
            if page is not None:
                yield page
        else:
            asking.afford()
            place = asking.beginning(_door(request, run.now()))
        yield from asking.rest(place)


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts of a page; a page about a user has none, and is no loss."""
    try:
        items = read_page(body, fetched_at)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        yield Skipped("broken-json", f"{type(problem).__name__}: {str(problem)[:200]}")
        return
    if items is None:
        yield Skipped("unknown-shape", "no answer with posts")
        return
    yield from (item for item in items if not (isinstance(item, Skipped) and item.reason == "users"))


def counts(request: Request, run: Run) -> Preview:
    """How many posts there are, asked without reading any; X charges a little for each question.

    Raises RetryLater and Stop; there are no counts of a user's posts, but of a search from:user.
    """
    if request.options.get("user"):
        name = str(request.options["user"]).removeprefix("@")
        if name.isdecimal():
            raise Stop("X counts the posts of a user by name only: write the name in options.user.")
        request = replace(request, query=f"from:{name}", options={"search": "all"})
    door = _door(request, run.now())
    with _Asking(request, run) as asking:
        return asking.counted(asking.beginning(door))


def _door(request: Request, now: datetime) -> str:
    """Which search: the recent one where it reaches far enough, unless the job says."""
    said = str(request.options.get("search", "auto"))
    if said != "auto":
        return said
    return "recent" if request.window.start >= now - _WEEK + _MARGIN else "all"


class _Asking:
    """One job's questions to X."""

    def __init__(self, request: Request, run: Run) -> None:
        self.request, self.run = request, run
        self.expand: Collection[str] = request.options.get("expand", ())
        token, self.token_from = _token(request)
        headers = {"Authorization": f"Bearer {token}"}
        self.client = Client.of("X", HOME, request, run, headers=headers, judge=self._judge)

    def __enter__(self) -> Self:
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()

    # --- where to begin ----------------------------------------------------------------------------

    def beginning(self, door: str) -> _Place:
        """The first question of a search; Stop where there is nothing it could be asked about."""
        if not (self.request.query or "").strip():
            raise Stop(
                "X can only be searched for something: the job needs a `query`, or a user in `options`."
            )
        window, now = self.request.window, self.run.now()
        early = window.end + _FRESH - now
        if timedelta(0) < early <= _SOON:
            self.run.sleep(early.total_seconds())
            now = self.run.now()
        start, end = max(window.start, _FIRST), min(window.end, _second(now - _FRESH))
        if door == "recent":
            start = max(start, _second(now - _WEEK + _MARGIN))
        if start >= end:
            if window.end > end:
                raise Stop("The window has hardly begun, so that there is nothing yet that X could give.")
            raise Stop(
                "X's recent search goes back 7 days, and the window ended before: leave `options.search` out,"
                " or write `all`, where the account may search the archive."
            )
        return _Place(door=door, start=start, end=end)

    def user(self, name: str) -> tuple[Page | None, _Place]:
        """The first question for a user's posts, and the page about the user where one was needed."""
        window, now = self.request.window, self.run.now()
        start = window.start if window.start > _FIRST_OF_TIMELINE else None
        end = min(window.end, _second(now))
        if start is not None and start >= end:
            raise Stop("The window has not begun yet, so that there is nothing that X could give.")
        place = _Place(door="user", start=start, end=end)
        name = name.removeprefix("@")
        if name.isdecimal():
            return None, _moved(place, user=name)
        answer, cost = self._paid(
            f"/2/users/by/username/{quote(name, safe='')}",
            {"user.fields": "public_metrics"},
            PRICES.cost({"user": 1}),
        )
        data = _mapping(answer.value.get("data"))
        if not isinstance(data.get("id"), str):
            raise Stop(f"X knows no user {name} ({_reason(answer.value)}): correct `options.user`.")
        metrics = _mapping(data.get("public_metrics"))
        posted = metrics.get("post_count", metrics.get("tweet_count"))
        place = _moved(place, user=data["id"], posted=posted if isinstance(posted, int) else None)
        return Page((one_line(answer.body),), str(place), cost=cost), place

    def afford(self, lookups: int = 0) -> None:
        """Stop where the purse does not even hold the smallest page: nothing is to be half done."""
        least = _DOORS["user" if lookups else "recent"].least
        price = x_prices.most(least, self.expand).usd + PRICES.cost({"user": lookups}).usd
        if not self.request.purse.holds(price):
            raise Stop(
                f"{self.request.purse.bound} does not pay for the smallest page, which may cost"
                f" {dollars(price)}: raise it, or wait for another month."
            )

    # --- pages -------------------------------------------------------------------------------------

    def rest(self, place: _Place) -> Iterator[Page]:
        """The pages from a place on."""
        while True:
            try:
                answer, cost = self._page(place)
            except Spent as problem:
                if place.probe:
                    yield Page((), None, _beyond(place))
                else:
                    yield Page((), None, f"{problem}: {_missing_from(place)}")
                return
            except _OtherSpelling:
                place = _moved(place, spelling="tweet")
                continue
            page = answer.value
            found = page.get("data") or []
            if not found and "meta" not in page:
                raise Stop(f"X gives no posts ({_reason(page)}): correct the job's `query` or `options`.")
            if place.probe:
                yield Page((one_line(answer.body),), None, None if found else _beyond(place), cost)
                return
            token = _mapping(page.get("meta")).get("next_token")
            following = _moved(
                place, token=token, got=place.got + len(found), oldest=_oldest(found) or place.oldest
            )
            last = token is None
            if last and self._may_have_more(following):
                following, last = _moved(following, probe=True), False
            missing = self._missing(place) if last else None
            yield Page((one_line(answer.body),), None if last else str(following), missing, cost)
            if last:
                return
            place = following

    def _page(self, place: _Place) -> tuple[Answer, Cost]:
        door, names = _DOORS[place.door], _NAMES[place.spelling]
        params = {
            f"{place.spelling}.fields": names["fields"],
            "expansions": ",".join(names[name] for name in self.expand),
            "user.fields": "name,username" if "author" in self.expand else "",
            "media.fields": "preview_image_url,url,variants" if "media" in self.expand else "",
            "query": (self.request.query or "") if place.door != "user" else "",
            door.follows: place.token or "",
            "exclude": ",".join(self.request.options.get("exclude", ())) if place.door == "user" else "",
        }
        if place.probe:
            params |= {"end_time": _stamp(place.start or _FIRST)}
        else:
            params |= {"end_time": _stamp(place.end)}
            if place.start is not None:
                params["start_time"] = _stamp(place.start)
        size = door.least if place.probe else self._size(place)
        self._pace(place.door)
        return self._paid(
            door.path.format(user=place.user),
            {"max_results": size, **{name: value for name, value in params.items() if value}},
            x_prices.most(size, self.expand),
        )

    def _size(self, place: _Place) -> int:
        """Posts to ask for: what the limit still takes and the purse pays for, as X allows."""
        door = _DOORS[place.door]
        wanted = door.most if self.request.limit is None else self.request.limit - place.got
        size = max(door.least, min(door.most, wanted))
        purse = self.request.purse
        if purse.left is not None and not purse.holds(x_prices.most(size, self.expand).usd):
            one = x_prices.most(1, self.expand).usd
            size = max(door.least, min(size, int(purse.left / one + 1e-6)))
        return size

    def _pace(self, door: str) -> None:
        if door == "all" and self.client.rate is None:
            self.client.rate = Rate(*ARCHIVE_RATE, clock=lambda: self.run.now().timestamp())

    def _paid(self, path: str, params: Mapping[str, Any], most: Cost) -> tuple[Answer, Cost]:
        with self.request.purse.paying(most.usd) as bill:
            answer = self.client.get_json(path, params)
            if not isinstance(answer.value, dict):
                raise Stop(f"X answered with something else than an object at {answer.url}.")
            cost = x_prices.of_page(answer.value)
            bill.usd = cost.usd
        return answer, cost

    # --- what is missing ---------------------------------------------------------------------------

    def _missing(self, place: _Place) -> str | None:
        """What of the window was not even asked for."""
        window, parts = self.request.window, []
        if place.door == "recent" and place.start is not None and place.start > window.start:
            span = _span(window.start, place.start)
            parts.append(f"X's recent search goes back 7 days: {span} is missing")
        if place.end < window.end:
            parts.append(f"the window is not over yet: {_span(place.end, window.end)} is missing")
        return "; ".join(parts) or None

    def _may_have_more(self, place: _Place) -> bool:
        """Whether the window may reach further back than what X gives of a user's posts."""
        if place.door != "user" or place.start is None:
            return place.door == "user" and place.got >= _TIMELINE_DEPTH
        if place.posted is not None and place.posted <= _TIMELINE_DEPTH:
            return False
        return place.start < self.run.now() - _COVERED

    # --- counts ------------------------------------------------------------------------------------

    def counted(self, place: _Place) -> Preview:
        """The numbers of posts by day."""
        kind = "counts of the last 7 days" if place.door == "recent" else "counts of the archive"
        days: dict[datetime, int] = {}
        asked, token = 0, None
        self._pace(place.door)
        while True:
            params = {
                "query": self.request.query or "",
                "granularity": "day",
                "start_time": _stamp(place.start or _FIRST),
                "end_time": _stamp(place.end),
                **({"next_token": token} if token else {}),
            }
            page = self.client.get_json(f"/2/tweets/counts/{place.door}", params).value
            asked += 1
            for item in page.get("data") or ():
                day = datetime.fromisoformat(item["start"])
                number = item.get("post_count", item.get("tweet_count", 0))
                days[day] = days.get(day, 0) + int(number)
            token = _mapping(page.get("meta")).get("next_token")
            if token is None:
                break
        number = sum(days.values())
        kept = number if self.request.limit is None else min(number, self.request.limit)
        return Preview(
            posts=number,
            days=tuple(sorted(days.items())),
            asked=PRICES.cost({kind: asked}),
            most=x_prices.most(kept, self.expand),
            missing=self._missing(place),
        )

    # --- refusals ----------------------------------------------------------------------------------

    def _judge(self, answer: Answer) -> None:
        """What only X means by an answer."""
        if answer.status < 400 or answer.is_page:  # noqa: PLR2004
            return
        said = answer.body.decode(errors="replace")
        if answer.status == 400 and "[post.fields]" in said:  # noqa: PLR2004
            raise _OtherSpelling
        if answer.status == 402:  # noqa: PLR2004
            raise Stop("X has no credits left for this account (HTTP 402): buy some at console.x.com.")
        if answer.status == 429 and ("usage-capped" in said or "UsageCapExceeded" in said):  # noqa: PLR2004
            raise Stop(
                "X has given this account all that it may read in this month (HTTP 429): raise its spending"
                " limit at console.x.com, or wait."
            )
        if answer.status in {401, 403} and self.token_from == TOKEN:
            what = "accept the token" if answer.status == 401 else "allow this to the token"  # noqa: PLR2004
            raise Stop(f"X does not {what} in the environment variable {TOKEN} (HTTP {answer.status}).")
        if answer.status == 403 and answer.url.endswith("/search/all"):  # noqa: PLR2004
            raise Stop(
                f"X does not let the account of the connection {self.request.connection} search the archive"
                " (HTTP 403): write `options: {search: recent}` for the last 7 days, or ask X for access."
            )


def _token(request: Request) -> tuple[str, str]:
    """The bearer token, and the name of the variable it comes from, if from one."""
    extra = _mapping(request.credentials.get("extra"))
    token = str(request.credentials.get("password") or extra.get("bearer_token") or "").strip()
    if token:
        return _checked(token), ""
    if request.connection:
        raise Stop(f"The connection {request.connection} has no bearer token: write it as its password.")
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise Stop(
            "X needs a bearer token: name a connection that has it as password in the job's"
            f" `source_connection`, or set the environment variable {TOKEN}."
        )
    return _checked(token), TOKEN


def _checked(token: str) -> str:
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Stop("The bearer token for X has characters that no token has: copy it again.")
    return token


def _missing_from(place: _Place) -> str:
    upto = place.oldest[:16].replace("T", " ") if place.oldest else f"{place.end:%Y-%m-%d %H:%M}"
    return f"what is older than {upto} UTC is missing"


def _beyond(place: _Place) -> str:
    return (
        f"X gives the last {_TIMELINE_DEPTH:,} posts of a user, and may have left out"
        f" {_missing_from(place).removesuffix(' is missing')}"
    )


def _oldest(found: list[Any]) -> str | None:
    moments = [item["created_at"] for item in found if isinstance(_mapping(item).get("created_at"), str)]
    return min(moments, default=None)


def _reason(page: Mapping[str, Any]) -> str:
    errors = page.get("errors")
    said = [
        str(error.get("detail") or error.get("title") or "")
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
    return "; ".join(filter(None, said))[:300] or "without saying why"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _span(start: datetime, end: datetime) -> str:
    return f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
