"""What each provider needs, reaches and costs, for people who decide before anything is fetched.

Figures are those that the services publish; nothing here is asked for at run time, and nothing heavy is
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

Options = Mapping[str, Any]
"""What a job's `options` say, built-in defaults included."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One provider. `gives` says in a few words what it fetches.

    `connection` says what its Airflow connection holds, empty where it takes none. `most` is how many
    posts a run can get out of it at most. `reach` gives, for a job's options, how far back it goes, None
    where there is no end; `dollars`, for a limit, options and the parts that a run asks for its window in,
    the most that a run can cost, None where there is no bound. Either is None where it is the same answer
    for all: no end, nothing to pay. `prices` says in words what is charged. `note` is a sentence that a
    person should know before choosing it. `home` is an address of the service that answers without
    credentials, if only to ask for them.
    """

    gives: str
    connection: str = ""
    most: int | None = None
    reach: Callable[[Options], timedelta | None] | None = None
    dollars: Callable[[int | None, Options, int], Decimal | None] | None = None
    prices: str = ""
    note: str = ""
    home: str = ""


def _x_reach(options: Options) -> timedelta | None:
    return timedelta(days=7) if options.get("search") == "recent" and "user" not in options else None


def _x_dollars(limit: int | None, options: Options, parts: int) -> Decimal | None:
    from etl_callables.sources.x_prices import of_run  # noqa: PLC0415  for jobs that pay only

    cost = of_run(limit, options, parts)
    return None if cost is None else Decimal(str(cost.usd))


FACTS: Final[Mapping[tuple[str, str], Facts]] = {
    ("archive", "files"): Facts("posts from files collected before"),
    ("bluesky", "api"): Facts(
        "a search of Bluesky, the posts of an account, or a feed",
        connection="a handle as its login and an app password; only searches need it",
        home="https://public.api.bsky.app",
    ),
    ("hackernews", "algolia"): Facts(
        "stories and comments of Hacker News, by words", home="https://hn.algolia.com"
    ),
    ("lemmy", "api"): Facts("posts or comments of a community of a server, or a search of it"),
    ("mastodon", "api"): Facts(
        "a hashtag, an account or a public timeline of a server, or a search of it",
        connection="an access token of that server as its password; only searches and closed servers need it",
    ),
    ("twitter", "x-api"): Facts(
        "X's search, of the last 7 days or of all time, and a user's last 3,200 posts",
        connection="a bearer token of the X API as its password",
        reach=_x_reach,
        dollars=_x_dollars,
        prices="each post $0.005, each author $0.010, each picture or film $0.005",
        home="https://api.x.com",
    ),
    ("reddit", "api"): Facts(
        "what is new in subreddits, and searches",
        connection="an app's id as its login and its secret as its password",
        note="Reddit keeps its newest 1,000 posts at hand and has no dates to ask for: run it often enough.",
        home="https://www.reddit.com",
    ),
    ("rss", "feed"): Facts(
        "what is new in feeds: RSS, Atom and JSON Feed",
        connection="a login and password, for feeds that ask for them",
        note="A feed holds its newest entries only: what fell out of it between two runs is lost, and told.",
    ),
    ("telegram", "snscrape"): Facts(
        "the messages of a public channel, as t.me shows them", home="https://t.me"
    ),
    ("twitter", "snscrape"): Facts(
        "X's public search, without a login",
        note="X has refused searches without a login since 2023.",
    ),
    ("weibo", "snscrape"): Facts(
        "the posts of a user, as m.weibo.cn shows them",
        note="Weibo has refused most questions without a login since August 2025.",
        home="https://m.weibo.cn",
    ),
    ("youtube", "api"): Facts(
        "videos found by a search, or the comments of a video",
        connection="an API key as its password",
        note="A project has 100 searches a day, of 50 videos each, and 10,000 units for everything else.",
        home="https://www.googleapis.com",
    ),
}
"""(source, via) -> facts."""

UNKNOWN: Final = Facts("")


def facts_of(source: str, via: str) -> Facts:
    """What is known of a provider; nothing, of one that nobody has described."""
    return FACTS.get((source, via), UNKNOWN)
