"""Reddit through its API, as an app without a user: what is new in subreddits, and searches.

It is asked with httpx: praw sleeps through rate limits in place, which would hold a worker, and gives
objects that it fetches piece by piece, not the answer as it came. A listing ends after its newest 1,000
posts, a search much earlier, and neither has dates to ask for: what lies below cannot be had, and is
told. API: https://www.reddit.com/dev/api; logins: https://github.com/reddit-archive/reddit/wiki/OAuth2.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import Client, one_line, rate_of, user_agent, version
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.depths import REDDIT_LISTING, REDDIT_SEARCH
from etl_callables.sources.fields import count, items_of, moment, needed, text
from etl_callables.verdict import Answer, said

PLATFORM: Final = "reddit"
REPEATS: Final = True
SEEKS: Final = False

HOME: Final = "https://oauth.reddit.com"
LOGIN: Final = "https://www.reddit.com"
RATE: Final = (100, 60.0)
"""Questions and seconds: what Reddit allows an app."""

SIZE: Final = 100
"""Posts on a page at most."""

_LISTING: Final = REDDIT_LISTING - 100
_SEARCH: Final = REDDIT_SEARCH - 50
"""Posts after which the end is Reddit's own: some of those that it would give were removed."""

_LONGEST: Final = 86_400
"""Seconds after which a login is renewed, however much longer it is said to last."""

_EARLY: Final = timedelta(minutes=5)
"""How long before a login ends it is made anew; it lasts a day."""

_SUBREDDIT: Final = frozenset({302, 403, 404})
_NOBODY: Final = "[deleted]"
_TAKEN_BACK: Final = frozenset({"[deleted]", "[removed]"})
"""What Reddit shows instead of a text."""

__all__ = ["PLATFORM", "REPEATS", "SEEKS", "pages", "posts", "version"]


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of up to 100 posts, newest first. A cursor is a `_Place`."""
    path, asked = _question(request, run.now())
    depth = _SEARCH if request.query else _LISTING
    start = request.window.start
    place: _Place | None = _Place.parse(cursor)
    with _App(request, run) as app:
        while place is not None:
            body, listing = app.page(path, {**asked, **place.asked})
            lost = None
            if place.before and place.number < depth and not listing["children"] and not listing.get("after"):
                again, found = app.page(path, {**asked, **replace(place, cursor=place.before).asked})
                names = [_name(child) for child in found["children"]]
                if place.cursor not in names:  # the post to go on after is there no more
                    body, listing = again, found
                    lost = None if names else place.lost(start)
            times = [when for child in listing["children"] if (when := _time(child)) is not None]
            is_over = bool(times) and max(times) < start
            after = "" if is_over else str(listing.get("after") or "")
            onward = place.after([_name(child) for child in listing["children"]], times, after)
            place = onward if after else None
            missing = lost if place or is_over or onward.number < depth else onward.missing(start)
            yield Page((body,), str(place) if place else None, missing)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a listing goes on: at Reddit's own `cursor`, after `number` posts, the `oldest` of that second.

    It is in whole seconds since 1970, None where no post had a time. Where the cursor is the name of a post,
    `before` is that of the post before it: of one that was removed meanwhile Reddit may give nothing.
    """

    number: int = 0
    oldest: int | None = None
    cursor: str = ""
    before: str = ""

    def __str__(self) -> str:
        return f"{self.number}:{'' if self.oldest is None else self.oldest}:{self.cursor}:{self.before}"

    @classmethod
    def parse(cls, text: str | None) -> _Place:
        if text is None:
            return cls()
        number, oldest, cursor, *before = text.split(":", 3)
        return cls(int(number), int(oldest) if oldest else None, cursor, *before)

    @property
    def asked(self) -> dict[str, Any]:
        return {"count": self.number, **({"after": self.cursor} if self.cursor else {})}

    def after(self, names: Sequence[str], times: list[datetime], cursor: str) -> _Place:
        """With one more page, of posts of these names."""
        known = [] if self.oldest is None else [self.oldest]
        oldest = min([*known, *(int(when.timestamp()) for when in times)], default=None)
        *_, before, last = ("", "", *names)
        return _Place(self.number + len(names), oldest, cursor, before if cursor == last else "")

    def lost(self, start: datetime) -> str | None:
        """What is not known to be missing or not, as the posts to go on after are gone."""
        if self.oldest is None or (oldest := moment(self.oldest)) < start:
            return None
        return f"Reddit gives nothing more below {_shown(oldest)}, where posts were removed while it was read"

    def missing(self, start: datetime) -> str | None:
        """What Reddit ended before, None where that is older than `start`."""
        if self.oldest is None or (oldest := moment(self.oldest)) < start:
            return None
        return f"Reddit gives no more than its newest {self.number:,} posts, back to {_shown(oldest)}"


def _question(request: Request, now: datetime) -> tuple[str, dict[str, Any]]:
    """Where to ask, and with what."""
    named = request.options.get("subreddit")
    several = [named] if isinstance(named, str) else list(named or ())
    where = "+".join(one.removeprefix("/").removeprefix("r/").rstrip("/") for one in several)
    # Not fewer for a small limit where the newest posts asked for may lie after the window.
    is_small = request.limit is not None and request.window.end >= now
    asked: dict[str, Any] = {"limit": min(SIZE, request.limit or SIZE) if is_small else SIZE, "raw_json": 1}
    if request.query:
        asked |= {"q": request.query, "sort": "new", "t": "all", "type": "link", "include_over_18": "on"}
        return (f"/r/{where}/search", {**asked, "restrict_sr": "on"}) if where else ("/search", asked)
    if not where:
        raise Stop("Reddit needs a `query`, or a `subreddit` in `options`.")
    return f"/r/{where}/new", asked


class _App:
    """Asks as the app whose id and secret the connection has."""

    def __init__(self, request: Request, run: Run) -> None:
        given = request.credentials
        self._id, self._secret = (str(given.get(part) or "") for part in ("login", "password"))
        if not (self._id and self._secret):
            raise Stop(
                "Reddit answers registered apps only: name a connection with an app's id as login and its"
                " secret as password in the job's `source_connection`."
            )
        self._connection = request.connection
        headers = {"User-Agent": _agent(given)}
        self._door = Client.of("Reddit's login", LOGIN, request, run, headers=headers)
        self._client = Client.of(
            "Reddit", HOME, request, run, headers=headers, rate=rate_of(request, *RATE), judge=self._judge
        )
        self._run = run
        self._token, self._until = "", run.now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._door.__exit__()
        self._client.__exit__()

    def page(self, path: str, asked: Mapping[str, Any]) -> tuple[bytes, dict[str, Any]]:
        """A page as it came, and its listing."""
        if self._run.now() >= self._until:
            self._login()
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._client.get_json(path, asked, headers=headers)
        listing = answer.value.get("data") if isinstance(answer.value, dict) else None
        if not isinstance(listing, dict) or not isinstance(listing.get("children"), list):
            raise RetryLater("Reddit sent no listing.")
        return one_line(answer.body), listing

    def _login(self) -> None:
        pair = base64.b64encode(f"{self._id}:{self._secret}".encode()).decode()
        answer = self._door.post_json(
            "/api/v1/access_token",
            {"grant_type": "client_credentials"},
            form=True,
            headers={"Authorization": f"Basic {pair}"},
        )
        given = answer.value if isinstance(answer.value, dict) else {}
        lasts = given.get("expires_in")
        if not given.get("access_token") or not isinstance(lasts, int):
            raise Stop(
                f"Reddit gives no login for the app of the connection {self._connection}"
                f" ({said(answer) or 'without saying why'}): correct its id and secret."
            )
        self._token = str(given["access_token"])
        self._until = self._run.now() + timedelta(seconds=min(lasts, _LONGEST)) - _EARLY

    @staticmethod
    def _judge(answer: Answer) -> None:
        """What Reddit says of subreddits that nobody, or not everybody, may read."""
        where = answer.url.partition("/r/")[2].partition("/")[0]
        if where and answer.status in _SUBREDDIT and not answer.is_page:
            reason = _reason(answer)
            if reason or answer.status == 302:  # noqa: PLR2004
                raise Stop(
                    f"The subreddit {where} cannot be read (HTTP {answer.status}:"
                    f" {reason or 'there is none of that name'}): correct the job's `options`."
                )


def _reason(answer: Answer) -> str:
    """private, banned, quarantined, gold_only; empty for a refusal that is not about a subreddit."""
    words = said(answer).split("; ")
    known = ("private", "banned", "quarantined", "gold_only")
    return next((word for word in words if word in known), "")


def _agent(given: Mapping[str, Any]) -> str:
    """Who asks, as Reddit wants it written: it slows down or refuses names that several share."""
    extra = given.get("extra")
    user = extra.get("username") if isinstance(extra, Mapping) else None
    return f"linux:{given.get('login')}:{user_agent()}" + (f" (by /u/{user})" if user else "")


def _name(child: Any) -> str:
    """The full name of a thing; empty where it has none."""
    try:
        return text(child["data"]["name"]) or ""
    except (LookupError, TypeError):
        return ""


def _time(child: Any) -> datetime | None:
    try:
        return moment(child["data"]["created_utc"])
    except (LookupError, TypeError, ValueError):
        return None


def _shown(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"


# --- reading ---------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts of a listing; an `id` is Reddit's full name, such as t3_1abcde."""
    return items_of(body, lambda page: page["data"]["children"], lambda child: _post(child, fetched_at))


def _post(child: dict[str, Any], fetched_at: datetime) -> Post | Skipped:
    if child.get("kind") != "t3":
        return Skipped("no-post", f"a thing of kind {child.get('kind')}")
    data = child["data"]
    if data.get("removed_by_category") or data.get("selftext") in _TAKEN_BACK:
        return Skipped("unavailable", needed(text(data.get("name")), "name"))
    author = text(data.get("author"))
    parts = (text(data.get("title")), text(data.get("selftext")))
    permalink = text(data.get("permalink"))
    media = tuple(dict.fromkeys(_media(data)))
    return Post(
        platform=PLATFORM,
        id=needed(text(data.get("name")), "name"),
        url=f"https://www.reddit.com{permalink}" if permalink else None,
        author=None if author == _NOBODY else author,
        author_name=None,
        author_id=text(data.get("author_fullname")),
        created_at=moment(data.get("created_utc")),
        text="\n\n".join(part for part in parts if part) or None,
        lang=None,
        likes=count(data.get("score")),
        reposts=None,
        replies=count(data.get("num_comments")),
        quotes=count(data.get("num_crossposts")),
        bookmarks=None,
        views=None,
        source_label=None,
        conversation_id=None,
        in_reply_to=None,
        quoted=text(data.get("crosspost_parent")),
        reposted=None,
        hashtags=None,
        mentions=None,
        urls=_urls(data, media),
        media=media,
        scraped_at=fetched_at,
    )


def _urls(data: dict[str, Any], media: tuple[str, ...]) -> tuple[str, ...]:
    """What a post links to instead of saying something itself, unless that is its picture."""
    link = text(data.get("url_overridden_by_dest")) or text(data.get("url"))
    is_elsewhere = link is not None and not data.get("is_self") and not data.get("crosspost_parent")
    return (link,) if link and is_elsewhere and link not in media and not (media and _is_own(link)) else ()


def _is_own(link: str) -> bool:
    """Whether a link leads to Reddit's own page or store of media, which `media` has."""
    return link.startswith(("https://v.redd.it/", "https://i.redd.it/", "https://www.reddit.com/gallery/"))


def _media(data: dict[str, Any]) -> Iterator[str]:
    """The largest pictures and films of a post: one, or those of a gallery in its order."""
    video = ((data.get("media") or {}).get("reddit_video") or {}).get("fallback_url")
    if text(video):
        yield str(video)
    link = text(data.get("url_overridden_by_dest"))
    if link and data.get("post_hint") == "image":
        yield link
    details = data.get("media_metadata") or {}
    for item in (data.get("gallery_data") or {}).get("items") or ():
        best = (details.get(item.get("media_id")) or {}).get("s") or {}
        address = text(best.get("u")) or text(best.get("gif")) or text(best.get("mp4"))
        if address:
            yield address
