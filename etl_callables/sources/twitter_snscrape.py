"""Twitter's public search through snscrape, without a login.

X has answered such searches with a refusal since 2023, which this source says in one sentence. It
works where something answers as X did, and it reads pages that were kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Final, Self

import requests

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, snscrape_door
from etl_callables.sources.snscrape_session import Session
from etl_callables.sources.x_text import unescaped
from etl_callables.sources.x_timeline import bottom_cursor, entries, instructions, to_2023

twitter: Final[Any] = snscrape_door.load("twitter")

PLATFORM: Final = "twitter"
REPEATS: Final = True

TIMEOUT: Final = 20.0
"""Seconds without a byte after which an answer will not come."""

_INSTEAD: Final = (
    "use `source: archive` with posts collected before, or a provider with an API key in `via` where"
    " one is configured"
)
_DATES: Final = re.compile(r"(?<![\w:])(?:since|until|since_time|until_time|within_time):", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"')
_LONGEST_WAIT: Final = timedelta(days=1)

version = snscrape_door.version


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of about 20 tweets, newest first unless `options.mode` is `top`."""
    return search(request, cursor, run)


def search(request: Request, cursor: str | None, run: Run, timeout: float = TIMEOUT) -> Iterator[Page]:
    """As `pages`, with the seconds to wait for an answer."""
    mode = twitter.TwitterSearchScraperMode[str(request.options.get("mode", "live")).upper()]
    with _Search(query_of(request), mode, timeout, run) as scraper:
        while True:
            body = scraper.page(cursor)
            page = json.loads(body)
            following = bottom_cursor(page)
            # X ends a search with pages that have no tweets and yet a cursor, for ever: snscrape would
            # by default ask 20 times more (`maxEmptyPages`). The first one is the end here.
            if following is None or not any(True for _ in entries(page)):
                yield Page((_one_line(body),), None)
                return
            yield Page((_one_line(body),), following)
            cursor = following


def query_of(request: Request) -> str:
    """The person's query with the window as X's own operators, to the second.

    Stop for no query, and for one that has operators of time itself.
    """
    query = (request.query or "").strip()
    if not query:
        raise Stop("Twitter can only be searched for something: the job needs a `query`.")
    found = _DATES.search(_QUOTED.sub('""', query))
    if found:
        raise Stop(
            f"The query has {found[0]}, but Trawl adds the times of each run itself:"
            " take it out and say them in the job's `date_range`."
        )
    if re.search(r"\bOR\b", query):
        query = f"({query})"  # OR binds weaker than the space before our operators
    start, end = (int(moment.timestamp()) for moment in (request.window.start, request.window.end))
    return f"{query} since_time:{start} until_time:{end}"


def _one_line(body: bytes) -> bytes:
    return body.replace(b"\r", b" ").replace(b"\n", b" ").strip()


# --- asking ----------------------------------------------------------------------------------------


class _Search(twitter.TwitterSearchScraper):  # type: ignore[misc]  # snscrape has no types
    """snscrape's search, one page at a time, which neither sleeps nor tries again.

    snscrape asks, and for its guest token too; what it would make of an answer other than a good one
    (wait, repeat, give up without saying why) is decided here instead.
    """

    _session: requests.Session

    def __init__(self, query: str, mode: Any, timeout: float, run: Run) -> None:
        super().__init__(query, mode=mode, retries=0, guestTokenManager=twitter.GuestTokenManager())
        session = Session("X", timeout)
        session.adapters = self._session.adapters
        self._session = session
        self._run = run
        self._body = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def page(self, cursor: str | None) -> bytes:
        """The page at a cursor as X sent it, known to be a search page."""
        self._cursor = cursor
        try:
            return bytes(next(self.get_items()))
        except TrawlError:
            raise
        except Exception as problem:
            # Only the guest token is left, which snscrape's own code asks for and takes apart.
            raise Stop(
                f"X gave snscrape no guest token ({type(problem).__name__}: {problem}): it has not answered"
                f" without a login since 2023; {_INSTEAD}."
            ) from problem

    def _graphql_timeline_instructions_to_tweets(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """Called with each page that was fetched. Reading it is for `posts`, at another time."""
        yield self._body

    def _check_guest_token_response(self, answer: requests.Response) -> tuple[bool, None]:
        _judge(answer, self._run.now())
        return True, None

    def _check_api_response(self, answer: Any, **_: Any) -> tuple[bool, None]:
        _judge(answer, self._run.now())
        answer._snscrapeObj = _search_page(answer, self._run)  # noqa: SLF001 - where snscrape looks for it
        self._body = answer.content
        return True, None


def _judge(answer: requests.Response, now: datetime) -> None:
    """Raise what an answer's status means, if it means anything but yes."""
    status = answer.status_code
    if status == requests.codes.ok:
        return
    if status == requests.codes.too_many_requests:
        raise RetryLater("X has had enough questions for now (HTTP 429).", _come_back(answer, now))
    if status >= requests.codes.server_error:
        raise RetryLater(f"X is out of order (HTTP {status}).", _come_back(answer, now))
    if status in {requests.codes.unauthorized, requests.codes.forbidden, requests.codes.not_found}:
        raise Stop(
            f"X refused the search (HTTP {status}): it has not answered snscrape without a login since"
            f" 2023; {_INSTEAD}."
        )
    raise Stop(f"X did not take the search (HTTP {status}): correct the job's `query`, or {_INSTEAD}.")


def _come_back(answer: requests.Response, now: datetime) -> datetime | None:
    """When X says to come back, from x-rate-limit-reset (epoch seconds) or Retry-After.

    None when it does not say, or says something that cannot be meant.
    """
    reset, retry = answer.headers.get("x-rate-limit-reset", ""), answer.headers.get("Retry-After", "")
    try:
        if reset.isdecimal():
            moment = datetime.fromtimestamp(int(reset), UTC)
        elif retry.isdecimal():
            moment = now + timedelta(seconds=int(retry))
        else:
            moment = parsedate_to_datetime(retry).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return moment if moment - now <= _LONGEST_WAIT else None


def _search_page(answer: requests.Response, run: Run) -> dict[str, Any]:
    """A good answer's JSON, known to hold a search page."""
    if "json" not in answer.headers.get("Content-Type", "").lower():
        raise Stop(
            "X answered the search with a web page instead of data: it has not answered snscrape without"
            f" a login since 2023; {_INSTEAD}."
        )
    try:
        page = json.loads(answer.content)
    except (ValueError, RecursionError) as problem:
        raise RetryLater(f"X sent something that is no whole JSON ({type(problem).__name__}).") from problem
    said = _errors(page)
    if instructions(page) is None:
        if re.search(r"authenticat|authoriz|denied|log ?in|guest", said, re.IGNORECASE):
            raise Stop(f"X refused the search ({said}); {_INSTEAD}.")
        raise RetryLater(f"X sent no search page ({said or 'without saying why'}).")
    if said:
        run.log.warning("X sent a page that may lack something: %s", said)
    return dict(page)


def _errors(page: Any) -> str:
    errors = page.get("errors") if isinstance(page, dict) else None
    if not isinstance(errors, list):
        return ""
    messages = [str(error.get("message", "")) for error in errors if isinstance(error, dict)]
    return "; ".join(message for message in messages if message)[:300]


# --- reading ---------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The tweets of a page, read one by one with snscrape's own parser."""
    try:
        page = json.loads(body)
    except (ValueError, RecursionError) as problem:
        yield Skipped("broken-json", f"{type(problem).__name__}: {str(problem)[:200]}")
        return
    if instructions(page) is None:
        yield Skipped("unknown-shape", "no page of a search")
        return
    for name, entry in entries(page):
        yield from _read(name, entry, fetched_at)


@cache
def _parser() -> Any:
    return twitter.TwitterSearchScraper("never asked: it only reads")


def _read(name: str, entry: Any, fetched_at: datetime) -> list[Post | Skipped]:
    if name.startswith(("promoted-", "promotedTweet-")):
        return [Skipped("promoted", name[:80])]
    one = {"type": "TimelineAddEntries", "entries": [to_2023(entry)]}
    try:
        found = list(_parser()._graphql_timeline_instructions_to_tweets([one]))  # noqa: SLF001 - snscrape's reader
        read = [_post(item, fetched_at) for item in found]
    except Exception as problem:  # noqa: BLE001 - whatever its parser trips over costs one item
        return [Skipped("unknown-shape", f"{name[:80]}: {type(problem).__name__}: {str(problem)[:200]}")]
    return read or [Skipped("unknown-entry", name[:80])]


def _post(tweet: Any, fetched_at: datetime) -> Post | Skipped:
    if not isinstance(tweet, twitter.Tweet):
        return Skipped("unavailable", f"{type(tweet).__name__} {tweet.id}")
    user = tweet.user
    return Post(
        platform=PLATFORM,
        id=str(tweet.id),
        url=tweet.url,
        author=getattr(user, "username", None),
        author_name=getattr(user, "displayname", None),
        author_id=_identifier(user.id),
        created_at=tweet.date.astimezone(UTC),
        text=unescaped(tweet.rawContent),
        lang=tweet.lang,
        likes=tweet.likeCount,
        reposts=tweet.retweetCount,
        replies=tweet.replyCount,
        quotes=tweet.quoteCount,
        bookmarks=tweet.bookmarkCount,
        views=tweet.viewCount,
        source_label=tweet.sourceLabel,
        conversation_id=_identifier(tweet.conversationId),
        in_reply_to=_identifier(tweet.inReplyToTweetId),
        quoted=_identifier(tweet.quotedTweet and tweet.quotedTweet.id),
        reposted=_identifier(tweet.retweetedTweet and tweet.retweetedTweet.id),
        hashtags=tuple(tweet.hashtags or ()),
        mentions=tuple(mentioned.username for mentioned in tweet.mentionedUsers or ()),
        urls=tuple(link.url for link in tweet.links or () if link.url),
        media=tuple(url for medium in tweet.media or () if (url := _address(medium))),
        scraped_at=fetched_at,
    )


def _identifier(value: int | None) -> str | None:
    return None if value is None else str(value)


def _address(medium: Any) -> str | None:
    """The largest form of a picture or film."""
    if isinstance(medium, twitter.Photo):
        return str(medium.fullUrl)
    best = max(medium.variants, key=lambda variant: variant.bitrate or 0, default=None)
    return str(best.url if best else medium.thumbnailUrl)
