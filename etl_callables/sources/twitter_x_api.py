"""X through its API v2, which charges for what it gives: https://docs.x.com/x-api.

A search looks through the last 7 days or through the whole archive; a user's timeline has the last
3,200 posts. The window becomes start_time and end_time, and a page's next_token leads to the next.
The API has been renaming tweets to posts since 2025: the new names are asked for, the old ones where
it does not know the new, and both are read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from urllib.parse import quote

import msgspec

from etl_callables.cost import Cost, Spent, dollars
from etl_callables.errors import Stop
from etl_callables.http import Rate, one_line, version
from etl_callables.post import Post, Skipped
from etl_callables.preview import Preview
from etl_callables.run import Run
from etl_callables.sources import Page, Request, x_prices
from etl_callables.sources.fields import moment, text
from etl_callables.sources.x_access import OtherSpelling, StaleToken, client, reason
from etl_callables.sources.x_api_v2 import read_page
from etl_callables.sources.x_prices import PRICES
from etl_callables.sources.x_questions import (
    DOORS,
    FIRST,
    Place,
    depth,
    looks_up,
    moved,
    parameters,
    span,
    stamp,
)
from etl_callables.verdict import Answer
from schemas.window import Window

__all__ = ["PLATFORM", "PRICES", "REPEATS", "counts", "pages", "posts", "remind", "version"]

PLATFORM: Final = "twitter"
REPEATS: Final = True

ARCHIVE_RATE: Final = (1, 1.0)
"""Questions and seconds of a full-archive search. The other limits are told with each answer."""

_WEEK: Final = timedelta(days=7)
_MARGIN: Final = timedelta(minutes=1)
"""How much less than a week is asked for, so that it is still no more when the question arrives."""

_FRESH: Final = timedelta(seconds=12)
"""How long ago a search must end: X asks for ten seconds."""

_SOON: Final = timedelta(seconds=30)
"""A window that ends within this time is waited for."""

_BEGUN: Final = "x: something was asked"
"""What parts of one run share: that they are not the first."""

_USER: Final = "x: user"
"""What parts of one run share: who the user is."""

_FIRST_OF_TIMELINE: Final = datetime(2010, 11, 6, tzinfo=UTC)
"""What a timeline may begin with at the earliest; without a beginning it has everything too."""

_MOST_A_DAY: Final = 2400
"""Posts that X lets a user write in a day."""


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of a search or of a user's posts, newest first.

    What X cannot give is told at the end: what lies beyond its last 7 days, or beyond the last 3,200
    posts of a user (800 without replies), or beyond the job's `max_cost`.
    """
    user = request.options.get("user")
    if user and request.query:
        raise Stop(
            "The job takes the posts of a user, and this run has a query too: search for"
            f" from:{user} in a job without `options.user`."
        )
    with _Asking(request, run) as asking:
        if cursor is not None:
            place = Place.parse(cursor)
            remind(request, cursor)
        else:
            missing = asking.out_of_reach()
            if missing:
                yield Page((), None, missing)
                return
            if user:
                page, place = asking.user(str(user))
                if page is not None:
                    yield page
            else:
                place = asking.beginning(_door(request, run.now()))
        yield from asking.rest(place)


def remind(request: Request, cursor: str) -> None:
    """Know a job's user by what another part, or an earlier try, paid for."""
    place = Place.parse(cursor)
    if place.user:
        request.shared[_USER] = place.user, place.posted


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

    Raises RetryLater and Stop. A user's posts are counted as those of a search for them.
    """
    if request.options.get("user"):
        name = str(request.options["user"]).removeprefix("@")
        if name.isdecimal():
            raise Stop("X counts the posts of a user by name only: write the name in `options.user`.")
        options = {**request.options, "search": "all"}
        request = replace(request, query=f"from:{name}", options=options)
    with _Asking(request, run) as asking:
        return asking.counted(asking.beginning(_door(request, run.now())))


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
        self.client = client(request, run)

    def __enter__(self) -> Self:
        self.client.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()

    # --- where to begin ----------------------------------------------------------------------------

    def out_of_reach(self) -> str | None:
        """Why nothing at all can be had of this window, where other parts of a run's could be.

        Stop where the run has nothing yet: it is not to publish nothing in place of something.
        """
        window, purse = self.request.window, self.request.purse
        begun = purse.spent > 0 or self.request.shared.get(_BEGUN, False)
        self.request.shared[_BEGUN] = True
        user = self.request.options.get("user")
        price = x_prices.most(DOORS["user" if user else "recent"].least, self.expand).usd
        price += x_prices.of_lookup(self.request.options).usd
        if not purse.holds(price):
            if begun:
                return f"{purse.bound} does not pay for {dollars(price)} more: {_gone(window)}"
            raise Stop(
                f"{purse.bound} does not pay for the smallest page, which may cost {dollars(price)}:"
                " raise it, or wait for another month."
            )
        recent = not user and _door(self.request, self.run.now()) == "recent"
        if recent and window.end <= _second(self.run.now() - _WEEK + _MARGIN):
            if begun:
                return f"X's recent search goes back 7 days: {_gone(window)}"
            raise Stop(
                "X's recent search goes back 7 days, and the window ended before: leave `options.search` out,"
                " or write `all`, where the account may search the archive."
            )
        return None

    def beginning(self, door: str) -> Place:
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
        start, end = max(window.start, FIRST), min(window.end, _second(now - _FRESH))
        if door == "recent":
            start = max(start, _second(now - _WEEK + _MARGIN))
        if start < end:
            return Place(door=door, start=start, end=end)
        raise Stop("The window has hardly begun, so that there is nothing yet that X could give.")

    def user(self, name: str) -> tuple[Page | None, Place]:
        """The first question for a user's posts, and the page about the user where one was needed."""
        window, now = self.request.window, self.run.now()
        start = window.start if window.start > _FIRST_OF_TIMELINE else None
        end = min(window.end, _second(now))
        if start is not None and start >= end:
            raise Stop("The window has not begun yet, so that there is nothing that X could give.")
        place = Place(door="user", start=start, end=end)
        name = name.removeprefix("@")
        if not looks_up(self.request.options):
            return None, moved(place, user=name)
        if (known := self.request.shared.get(_USER)) is not None:
            return None, moved(place, user=known[0], posted=known[1])
        path = f"/2/users/by/username/{quote(name, safe='')}"
        price = x_prices.of_lookup(self.request.options)
        answer, cost = self._paid(path, {"user.fields": "public_metrics"}, price)
        data = _mapping(answer.value.get("data"))
        if not isinstance(data.get("id"), str):
            raise Stop(f"X knows no user {name} ({reason(answer.value)}): correct `options.user`.")
        metrics = _mapping(data.get("public_metrics"))
        posted = metrics.get("post_count", metrics.get("tweet_count"))
        place = moved(place, user=data["id"], posted=posted if isinstance(posted, int) else None)
        self.request.shared[_USER] = place.user, place.posted
        return Page((one_line(answer.body),), str(place), cost=cost), place

    # --- pages -------------------------------------------------------------------------------------

    def rest(self, place: Place) -> Iterator[Page]:
        """The pages from a place on."""
        place = self._within_reach(place)
        while place.start is None or place.start < (place.upto or place.end):
            try:
                answer, cost = self._page(place)
            except Spent as problem:
                yield Page(
                    (), None, self._beyond(place) if place.probe else f"{problem}: {place.missing} is missing"
                )
                return
            except OtherSpelling:
                if place.spelling == "tweet":
                    raise Stop(
                        "X knows its fields neither by their new names nor by their old ones."
                    ) from None
                place = moved(place, spelling="tweet")
                continue
            except StaleToken:
                if place.token is None or place.oldest is None:
                    raise
                self.run.log.warning("X has forgotten where the search was; going on with what is older.")
                place = _anew(place)
                continue
            body, page = one_line(answer.body), answer.value
            found = data if isinstance(data := page.get("data"), list) else []
            if place.probe:
                yield Page((body,), None, None if found else self._beyond(place), cost)
                return
            if not found and "meta" not in page:
                raise Stop(f"X gives no posts ({reason(page)}): correct the job's `query` or `options`.")
            token = _next(page)
            following = moved(
                place, token=token, got=place.got + len(found), oldest=_oldest(found) or place.oldest
            )
            if token is None and not self._may_have_more(following):
                yield Page((body,), None, self._missing(place), cost)
                return
            place = following if token is not None else moved(following, probe=True)
            yield Page((body,), str(place), cost=cost)
            place = self._within_reach(place)
        yield Page((), None, self._missing(place))

    def _within_reach(self, place: Place) -> Place:
        """The place, with a beginning that the recent search still takes: its 7 days go on with the clock.

        A token is good for the same span only, so what is older is asked for anew.
        """
        now = self.run.now()
        if place.door != "recent" or place.start is None or place.start >= now - _WEEK:
            return place
        if place.token is not None and place.oldest is None:
            return place  # asked anew, all of it would be paid for again
        place = _anew(place)
        return moved(place, start=min(_second(now - _WEEK + _MARGIN), place.upto or place.end))

    def _page(self, place: Place) -> tuple[Answer, Cost]:
        size = DOORS[place.door].least if place.probe else self._size(place)
        self._pace(place.door)
        asked = parameters(place, self.request, self.expand, size)
        return self._paid(place.path, asked, x_prices.most(size, self.expand))

    def _size(self, place: Place) -> int:
        """Posts to ask for: what the limit still takes and the purse pays for, as X allows."""
        door, purse = DOORS[place.door], self.request.purse
        wanted = door.most if self.request.limit is None else self.request.limit - place.got
        size = max(door.least, min(door.most, wanted))
        if purse.left is not None and not purse.holds(x_prices.most(size, self.expand).usd):
            size = max(door.least, int(purse.left / x_prices.most(1, self.expand).usd + 1e-6))
        return size

    def _pace(self, door: str) -> None:
        if door == "all" and self.client.rate is None:
            rate = Rate(*ARCHIVE_RATE, clock=lambda: self.run.now().timestamp())
            self.client.rate = self.request.shared.setdefault(ARCHIVE_RATE, rate)

    def _paid(self, path: str, params: Mapping[str, Any], most: Cost) -> tuple[Answer, Cost]:
        with self.request.purse.paying(most.usd) as bill:
            answer = self.client.get_json(path, params)
            if not isinstance(answer.value, dict):
                raise Stop(f"X answered with something else than an object at {answer.url}.")
            cost = x_prices.of_page(answer.value)
            bill.usd = cost.usd
        return answer, cost

    # --- what is missing ---------------------------------------------------------------------------

    def _missing(self, place: Place) -> str | None:
        """What of the window was not even asked for."""
        window, parts = self.request.window, []
        if place.door == "recent" and place.start is not None and place.start > window.start:
            parts.append(f"X's recent search goes back 7 days: {_gone(Window(window.start, place.start))}")
        if place.end < window.end:
            parts.append(f"the window is not over yet: {_gone(Window(place.end, window.end))}")
        return "; ".join(parts) or None

    def _may_have_more(self, place: Place) -> bool:
        """Whether the window may reach further back than what X gives of a user's posts."""
        there = depth(self.request.options)
        if there is None or (place.posted is not None and place.posted <= there):
            return False
        return place.start is None or place.start < self.run.now() - timedelta(days=there / _MOST_A_DAY)

    def _beyond(self, place: Place) -> str:
        which = " without replies" if "replies" in self.request.options.get("exclude", ()) else ""
        last = f"{depth(self.request.options):,}"
        return f"X gives the last {last} posts of a user{which}, and may have left out {place.missing}"

    # --- counts ------------------------------------------------------------------------------------

    def counted(self, place: Place) -> Preview:
        """The numbers of posts by day."""
        kind = "counts of the last 7 days" if place.door == "recent" else "counts of the archive"
        asked: dict[str, Any] = {
            "query": self.request.query,
            "granularity": "day",
            "start_time": stamp(place.start or FIRST),
            "end_time": stamp(place.end),
        }
        days: dict[datetime, int] = {}
        questions = 0
        self._pace(place.door)
        while questions == 0 or "next_token" in asked:
            page = _mapping(self.client.get_json(f"/2/tweets/counts/{place.door}", asked).value)
            questions += 1
            for start, number in _counts(page):
                days[start] = days.get(start, 0) + number
            asked.pop("next_token", None)
            if (token := _next(page)) is not None:
                asked["next_token"] = token
        number = sum(days.values())
        request = self.request
        return Preview(
            posts=number,
            days=tuple(sorted(days.items())),
            asked=PRICES.cost({kind: questions}),
            most=x_prices.of_run(request.limit, request.options, request.parts, found=number),
            missing=self._missing(place),
        )


def _gone(window: Window) -> str:
    return f"{span(window.start, window.end)} is missing"


def _next(page: Mapping[str, Any]) -> str | None:
    token = _mapping(page.get("meta")).get("next_token")
    return token if isinstance(token, str) and token else None


def _counts(page: Mapping[str, Any]) -> Iterator[tuple[datetime, int]]:
    """The beginnings of spans, and how many posts each has; in either spelling."""
    for item in page.get("data") or ():
        start, number = item.get("start"), item.get("post_count", item.get("tweet_count"))
        if isinstance(start, str) and isinstance(number, int):
            yield datetime.fromisoformat(start), number


def _oldest(found: list[Any]) -> str | None:
    """When the oldest of these posts was written, as X writes it; None where none says when."""
    moments: list[tuple[datetime, str]] = []
    for item in found:
        written = _mapping(item).get("created_at")
        with suppress(ValueError):
            moments.append((moment(text(written)), str(written)))
    return min(moments)[1] if moments else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _anew(place: Place) -> Place:
    """The same search without its token, from the second of its oldest post on."""
    if place.token is None or place.oldest is None:
        return place
    return moved(place, token=None, upto=_second_after(place.oldest))


def _second_after(moment: str) -> datetime:
    return _second(datetime.fromisoformat(moment)) + timedelta(seconds=1)


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
