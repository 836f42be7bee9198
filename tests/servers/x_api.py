"""The X API v2 on loopback: its pages, tokens, windows, limits, errors and prices.

    with XApi(made_up(250, newest)) as x:
        fetch(x.url, x.token)
    assert x.bill == Decimal("1.25")

It answers as the published OpenAPI document says (2.167, which writes posts where the API used to
write tweets), or with `spelling="tweet"` as it did before; a test holds every kind of answer against
that document. What the document leaves out is taken from X's documentation: how far back a search
goes, how recent an end may be, how many questions are allowed and what things cost. `now` is its
clock, which stands still unless a test moves it.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote

from tests.servers.standin import Answer, Asked, StandIn
from tests.servers.x_api_posts import (
    Post,
    User,
    included_media,
    included_users,
    old_spelling,
    profile,
    rendered,
    stamp,
)

PROBLEM: Final = "application/problem+json"
TYPES: Final = "https://api.x.com/2/problems/"

PRICES: Final = {
    "post": Decimal("0.005"),
    "user": Decimal("0.010"),
    "media": Decimal("0.005"),
    "counts/recent": Decimal("0.005"),
    "counts/all": Decimal("0.010"),
}
"""US dollars a thing returned or a question; docs.x.com/x-api/getting-started/pricing, April 2026."""

LIMITS: Final[Mapping[str, Sequence[tuple[int, float]]]] = {
    "/2/tweets/search/recent": [(450, 900)],
    "/2/tweets/search/all": [(300, 900), (1, 1)],
    "/2/tweets/counts/recent": [(300, 900)],
    "/2/tweets/counts/all": [(300, 900)],
    "timeline": [(10_000, 900)],
    "lookup": [(300, 900)],
}
"""Questions in seconds, for an app; docs.x.com/x-api/fundamentals/rate-limits, 2026."""

_PAGED: Final = {
    "max_results",
    "next_token",
    "pagination_token",
    "start_time",
    "end_time",
    "since_id",
    "until_id",
}
_FIELDS: Final = {"expansions", "user.fields", "media.fields", "poll.fields", "place.fields"}
_KNOWN: Final = {
    "search": {"query", "sort_order", *_PAGED, *_FIELDS},
    "timeline": {"exclude", *_PAGED, *_FIELDS} - {"next_token"},
    "counts": {"query", "granularity", "search_count.fields", *_PAGED} - {"max_results"},
    "lookup": {"expansions", "user.fields"},
}
_RELATIONS: Final = {
    "post": {"author_id": "author_id", "referenced_posts": "referenced_posts"},
    "tweet": {"author_id": "author_id", "referenced_tweets.id": "referenced_posts"},
}
_STEPS: Final = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_COUNTS_PAGE: Final = timedelta(days=31)


class Refused(Exception):  # noqa: N818 - raised to leave from anywhere with an answer
    """The answer to give instead."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@dataclass(frozen=True, slots=True)
class _Span:
    """What a search or timeline is asked for."""

    start: datetime
    end: datetime
    size: int
    after: int | None
    asked: str


class XApi(StandIn):
    """The server, over made-up posts. `charged` counts what was returned, and `bill` is its price.

    What it does only when told to: it refuses once `credits` dollars are spent, and searches of the
    `archive` where that is False; gives `at_most` so many posts on a page, which X may do; begins
    each page with the last `overlap` posts of the one before; goes in a `loop`; and gives one post of
    an `odd` shape.
    """

    def __init__(
        self,
        posts: Sequence[Post],
        users: Sequence[User] = (),
        *,
        now: Callable[[], datetime] | None = None,
        spelling: str = "post",
        latency: float = 0,
    ) -> None:
        super().__init__(self._answer, latency=latency)
        self.posts = sorted(posts, key=lambda post: int(post.id), reverse=True)
        named = {user.username.lower(): user for user in (*(post.author for post in posts), *users)}
        self.users = list(named.values())
        newest = self.posts[0].created if self.posts else datetime(2026, 7, 1, tzinfo=UTC)
        self.now = now or (lambda: newest + timedelta(hours=1))
        self.spelling = spelling
        self.token = "made-up-token"
        self.credits: Decimal | None = None
        self.archive = True
        self.at_most: int | None = None
        self.overlap = 0
        self.loop = False
        self.odd = False
        self.limits = {name: list(limits) for name, limits in LIMITS.items()}
        self.charged: Counter[str] = Counter()
        self._times: dict[tuple[str, float], list[datetime]] = {}
        self._guard = threading.Lock()

    @property
    def bill(self) -> Decimal:
        """What all answers cost in US dollars, a thing that was returned twice counted twice."""
        return sum((PRICES[kind] * count for kind, count in self.charged.items()), Decimal(0))

    def _answer(self, asked: Asked) -> Answer:
        try:
            with self._guard:
                return self._good(asked)
        except Refused as refused:
            return refused.answer

    # --- from a question to an answer --------------------------------------------------------------

    def _good(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            raise Refused(_error(401, "Unauthorized"))
        kind, place, work = self._route(asked.path)
        headers = self._counted(place)
        if self.credits is not None and self.bill >= self.credits:
            raise Refused(
                _error(
                    402,
                    "Your enrolled account does not have any credits to fulfill this request.",
                    "CreditsDepleted",
                )
            )
        self._known(kind, asked.query)
        value, charge = work(asked)
        self.charged.update({kind: count for kind, count in charge.items() if count})
        if self.spelling == "tweet":
            value = old_spelling(value)
        return Answer(json.dumps(value).encode(), headers=headers)

    def _route(
        self, path: str
    ) -> tuple[str, str, Callable[[Asked], tuple[dict[str, Any], Mapping[str, int]]]]:
        parts = path.strip("/").split("/")
        if path in {"/2/tweets/search/recent", "/2/tweets/search/all"}:
            return "search", path, self._search
        if path in {"/2/tweets/counts/recent", "/2/tweets/counts/all"}:
            return "counts", path, self._counts
        if len(parts) == 4 and parts[:2] == ["2", "users"] and parts[3] == "tweets":
            return "timeline", "timeline", self._timeline
        if len(parts) == 5 and parts[:4] == ["2", "users", "by", "username"]:
            return "lookup", "lookup", self._lookup
        raise Refused(_error(404, "Not Found"))

    def _counted(self, place: str) -> dict[str, str]:
        """Count a question; the headers that say how many more are allowed, or a refusal."""
        now = self.now()
        least, reset = None, now
        for allowed, seconds in self.limits[place]:
            began = now - timedelta(seconds=seconds)
            times = [moment for moment in self._times.get((place, seconds), ()) if moment > began]
            if len(times) >= allowed:
                back = times[0] + timedelta(seconds=seconds)
                head = {
                    "x-rate-limit-limit": str(allowed),
                    "x-rate-limit-remaining": "0",
                    "x-rate-limit-reset": str(int(back.timestamp()) + (back.microsecond > 0)),
                }
                raise Refused(_error(429, "Too Many Requests", headers=head))
            times.append(now)
            self._times[place, seconds] = times
            if least is None or seconds > 1:
                least, limit, reset = allowed - len(times), allowed, times[0] + timedelta(seconds=seconds)
        return {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(least),
            "x-rate-limit-reset": str(int(reset.timestamp()) + 1),
        }

    def _known(self, kind: str, query: Mapping[str, str]) -> None:
        known = _KNOWN[kind] | {f"{self.spelling}.fields"}
        for name in query:
            if name not in known:
                raise Refused(
                    _invalid(name, f"The query parameter [{name}] is not one of [{','.join(sorted(known))}]")
                )

    # --- posts -------------------------------------------------------------------------------------

    def _search(self, asked: Asked) -> tuple[dict[str, Any], Mapping[str, int]]:
        recent = asked.path.endswith("recent")
        if not recent and not self.archive:
            raise Refused(
                _problem(
                    403,
                    "not-authorized-for-resource",
                    "Your account has no access to the full archive.",
                    "Forbidden",
                    resource_type="post",
                )
            )
        matches = self._matching(asked.query.get("query", ""), 512 if recent else 1024)
        span = self._span(asked, least=10, most=100 if recent else 500, default=10)
        if recent:
            self._within_a_week(span)
        found = [post for post in self.posts if span.start <= post.created < span.end and matches(post)]
        return self._page(found, span, asked)

    def _timeline(self, asked: Asked) -> tuple[dict[str, Any], Mapping[str, int]]:
        number = asked.path.split("/")[3]
        if not number.isdecimal():
            raise Refused(_invalid("id", f"The `id` query parameter value [{number}] is not valid", number))
        user = next((user for user in self.users if user.id == number), None)
        if user is None:
            return {"errors": [_nobody("id", number)]}, {}
        if user.protected:
            detail = f"Sorry, you are not authorized to see the user with id: [{number}]."
            refusal = _members("not-authorized-for-resource", detail, "Authorization Error")
            return {
                "errors": [refusal | {"resource_type": "user", "parameter": "id", "resource_id": number}]
            }, {}
        span = self._span(asked, least=5, most=100, default=10)
        left_out = set(asked.query.get("exclude", "").split(","))
        own = [post for post in self.posts if post.author == user][: 800 if "replies" in left_out else 3200]
        found = [
            post
            for post in own
            if span.start <= post.created < span.end
            and not (post.reply and "replies" in left_out)
            and not (post.repost and "retweets" in left_out)
        ]
        return self._page(found, span, asked)

    def _page(
        self, found: Sequence[Post], span: _Span, asked: Asked
    ) -> tuple[dict[str, Any], Mapping[str, int]]:
        begin = 0 if span.after is None else sum(int(post.id) >= span.after for post in found)
        end = begin + min(span.size, self.at_most or span.size)
        given = found[max(0, begin - self.overlap) : end]
        if not given:
            return {"meta": {"result_count": 0}}, {}
        expansions = _several(asked.query, "expansions")
        relations = _RELATIONS[self.spelling]
        shown = _several(asked.query, f"{self.spelling}.fields")
        if self.spelling == "tweet":
            shown = {
                {"referenced_tweets": "referenced_posts", "note_tweet": "note_post"}.get(n, n) for n in shown
            }
        shown |= {relations[name] for name in expansions if name in relations}
        value: dict[str, Any] = {"data": [rendered(post, shown) for post in given]}
        includes: dict[str, list[dict[str, Any]]] = {}
        referred: list[dict[str, Any]] = []
        if "author_id" in expansions:
            includes["users"] = included_users(given)
        if "attachments.media_keys" in expansions:
            includes["media"] = included_media(given)
        if expansions & {"referenced_posts", "referenced_tweets.id"}:
            wanted = {to for post in given for to in (post.reply, post.quote, post.repost)}
            referred = [rendered(post, shown) for post in self.posts if post.id in wanted]
            includes["posts"] = referred
        if any(includes.values()):
            value["includes"] = {name: items for name, items in includes.items() if items}
        if self.odd and begin == 0:
            value["data"][0] = {"id": 7}
        value["meta"] = {"newest_id": given[0].id, "oldest_id": given[-1].id, "result_count": len(given)}
        if end < len(found) or self.loop:
            last = int(given[-1].id) if end < len(found) else int(found[0].id) + 1
            value["meta"]["next_token"] = _token(last, span.asked)
        return value, {
            "post": len(given) + len(referred),
            "user": len(includes.get("users", ())),
            "media": len(includes.get("media", ())),
        }

    def _span(self, asked: Asked, *, least: int, most: int, default: int) -> _Span:
        query = asked.query
        now = self.now()
        searched = "/tweets/" in asked.path
        end = _moment(query, "end_time") or (now - timedelta(seconds=30) if searched else now)
        start = _moment(query, "start_time")
        if searched and "end_time" in query and end > now - timedelta(seconds=10):
            raise Refused(
                _invalid(
                    "end_time",
                    "Invalid 'end_time'. 'end_time' must be a minimum of 10 seconds prior to the request.",
                )
            )
        if start is None:
            start = now - timedelta(days={"recent": 7, "all": 30}.get(asked.path.rpartition("/")[2], 10_000))
        if start >= end:
            raise Refused(_invalid("end_time", "Invalid 'end_time'. 'end_time' must be after 'start_time'."))
        try:
            size = int(query.get("max_results", default))
        except ValueError:
            size = -1
        if not least <= size <= most:
            told = query["max_results"]
            message = f"The `max_results` query parameter value [{told}] is not between {least} and {most}"
            raise Refused(_invalid("max_results", message, told))
        same = {name: query.get(name, "") for name in ("query", "start_time", "end_time", "exclude")}
        kind = json.dumps([asked.path, same], sort_keys=True)
        token = query.get("next_token") or query.get("pagination_token")
        return _Span(start, end, size, _last(token, kind), kind)

    def _within_a_week(self, span: _Span) -> None:
        first = self.now() - timedelta(days=7)
        if span.start < first:
            raise Refused(
                _invalid(
                    "start_time",
                    f"Invalid 'start_time'. 'start_time' must be on or after {stamp(first)}. Please use a"
                    " 'start_time' that is more recent or remove it.",
                )
            )

    def _matching(self, query: str, longest: int) -> Callable[[Post], bool]:
        """A search of words that must be there, `-words` that must not, `from:`, `lang:`, `is:retweet`."""
        if not query.strip():
            raise Refused(_invalid("query", "The `query` query parameter can not be empty", query))
        if len(query) > longest:
            raise Refused(_invalid("query", f"Rules must be less than or equal to {longest} characters"))
        if query.count("(") != query.count(")"):
            raise Refused(_invalid("query", "no viable alternative at input '(' (at position 1)", query))

        def word(one: str, post: Post) -> bool:
            if one.startswith("-"):
                return not word(one[1:], post)
            if one == "is:retweet":
                return post.repost is not None
            if one.startswith("from:"):
                return post.author.username.lower() == one[5:].lower()
            return post.lang == one[5:] if one.startswith("lang:") else one.lower() in post.text.lower()

        return lambda post: all(word(one, post) for one in query.split())

    # --- the rest ----------------------------------------------------------------------------------

    def _lookup(self, asked: Asked) -> tuple[dict[str, Any], Mapping[str, int]]:
        name = unquote(asked.path.rpartition("/")[2])
        user = next((user for user in self.users if user.username.lower() == name.lower()), None)
        if user is None:
            return {"errors": [_nobody("username", name)]}, {}
        shown = {"id", "name", "username", *_several(asked.query, "user.fields")}
        return {"data": {key: value for key, value in profile(user).items() if key in shown}}, {"user": 1}

    def _counts(self, asked: Asked) -> tuple[dict[str, Any], Mapping[str, int]]:
        """Numbers of posts by minute, hour or day, the latest page first and each page in order of time."""
        recent = asked.path.endswith("recent")
        matches = self._matching(asked.query.get("query", ""), 512 if recent else 1024)
        spaced = Asked(asked.method, asked.path, {**asked.query, "max_results": "10"}, asked.headers)
        span = self._span(spaced, least=10, most=10, default=10)
        if recent:
            self._within_a_week(span)
        step = _STEPS.get(asked.query.get("granularity", "hour"))
        if step is None:
            raise Refused(_invalid("granularity", "granularity must be one of minute, hour, day"))
        end = span.end if span.after is None else datetime.fromtimestamp(span.after, UTC)
        start = max(span.start, end - _COUNTS_PAGE) if not recent else span.start
        edges = _edges(start, end, step)
        data = [
            {"start": stamp(low), "end": stamp(high), "post_count": self._number(low, high, matches)}
            for low, high in itertools.pairwise(edges)
        ]
        meta: dict[str, Any] = {"total_post_count": sum(count["post_count"] for count in data)}
        if start > span.start:
            meta["next_token"] = _token(int(start.timestamp()), span.asked)
        return {"data": data, "meta": meta}, {f"counts/{asked.path.rpartition('/')[2]}": 1}

    def _number(self, low: datetime, high: datetime, matches: Callable[[Post], bool]) -> int:
        return sum(low <= post.created < high and matches(post) for post in self.posts)


def _edges(start: datetime, end: datetime, step: timedelta) -> list[datetime]:
    """The ends of counts: whole days, hours or minutes, but for the first and the last."""
    edges = [start]
    whole = datetime(start.year, start.month, start.day, tzinfo=UTC)
    while whole < end:
        if whole > start:
            edges.append(whole)
        whole += step
    return [*edges, end]


def _several(query: Mapping[str, str], name: str) -> set[str]:
    return {part for part in query.get(name, "").split(",") if part}


def _moment(query: Mapping[str, str], name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None and "T" in text:
            return moment
    raise Refused(
        _invalid(name, f"The `{name}` query parameter value [{text}] is not a valid RFC 3339 date-time", text)
    )


def _token(last: int, asked: str) -> str:
    """A token as opaque as X's: of base32hex, and good for the same question only."""
    text = json.dumps([last, asked])
    return base64.b32hexencode(text.encode()).decode().lower().rstrip("=")


def _last(token: str | None, asked: str) -> int | None:
    if token is None:
        return None
    with suppress(ValueError):
        padded = token.upper() + "=" * (-len(token) % 8)
        last, same = json.loads(base64.b32hexdecode(padded))
        if same == asked:
            return int(last)
    raise Refused(_invalid("next_token", "The `next_token` query parameter value is not valid", token))


def _members(kind: str, detail: str, title: str) -> dict[str, str]:
    return {"title": title, "detail": detail, "type": f"{TYPES}{kind}"}


def _nobody(parameter: str, value: str) -> dict[str, str]:
    detail = f"Could not find user with {parameter}: [{value}]."
    more = {"resource_type": "user", "parameter": parameter, "resource_id": value, "value": value}
    return _members("resource-not-found", detail, "Not Found Error") | more


def _problem(status: int, kind: str, detail: str, title: str, **more: Any) -> Answer:
    """A problem of a kind that the document describes."""
    value = _members(kind, detail, title) | {"status": status} | more
    return Answer(json.dumps(value).encode(), status, PROBLEM)


def _invalid(parameter: str, message: str, value: str = "") -> Answer:
    """What is wrong with one parameter, in the words of X's 400."""
    return _problem(
        400,
        "invalid-request",
        "One or more parameters to your request was invalid.",
        "Invalid Request",
        errors=[{"parameters": {parameter: [value]}, "message": message}],
    )


def _error(status: int, detail: str, title: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    """An answer for which the document has only code and message, with what X really says beside."""
    value = {
        "code": status,
        "message": detail,
        "title": title or detail,
        "detail": detail,
        "type": f"{TYPES}credits" if status == 402 else "about:blank",
        "status": status,
    }
    return Answer(json.dumps(value).encode(), status, headers=headers or {})


def overloaded() -> Answer:
    """X when it has had too much."""
    return _error(503, "Service Unavailable")


def broken() -> Answer:
    """X when it trips over itself."""
    return _problem(500, "internal-error", "Something went wrong.", "Internal Error")
