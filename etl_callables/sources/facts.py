"""What each provider needs, reaches and costs, for people who decide before anything is fetched.

Figures are those that the services publish; nothing here is asked for at run time, and nothing heavy is
imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from etl_callables.sources.depths import (
    REDDIT_LISTING,
    REDDIT_SEARCH,
    X_TIMELINE,
    YOUTUBE_PAGE,
    YOUTUBE_SEARCHES,
    YOUTUBE_UNITS,
)
from schemas.job import Job


class Quota(NamedTuple):
    """Questions of a kind that a provider answers a day, and how many posts one of them gives at most."""

    name: str
    a_day: int
    posts: int


@dataclass(frozen=True, slots=True)
class Facts:
    """One provider. `gives` says in a few words what it fetches.

    `connection` says what its Airflow connection holds, empty where it takes none. Of a job, `most` gives
    how many posts there are to have, the newest, whatever its window; `reach` how far back it goes;
    `quota` what it is given a day; `dollars`, with the parts that a run asks for its window in, the most
    that a run can cost. Each gives None where there is no bound, and is None where that is so of all jobs, or
    where there is nothing to pay. `prices` says in words what is charged. `note` is a sentence that a
    person should know before choosing it. `home` is an address of the service that answers without
    credentials, if only to ask for them.
    """

    gives: str
    connection: str = ""
    most: Callable[[Job], int | None] | None = None
    reach: Callable[[Job], timedelta | None] | None = None
    quota: Callable[[Job], Quota | None] | None = None
    dollars: Callable[[Job, int], Decimal | None] | None = None
    prices: str = ""
    note: str = ""
    home: str = ""


def _x_reach(job: Job) -> timedelta | None:
    recent = job.options.get("search") == "recent" and "user" not in job.options
    return timedelta(days=7) if recent else None


def _x_most(job: Job) -> int | None:
    from etl_callables.sources.x_questions import depth  # noqa: PLC0415  for jobs that ask X only

    return depth(job.options)


def _x_dollars(job: Job, parts: int) -> Decimal | None:
    from etl_callables.sources.x_prices import of_run  # noqa: PLC0415  for jobs that pay only

    cost = of_run(job.limit, job.options, parts)
    return None if cost is None else Decimal(str(cost.usd))


def _reddit_most(job: Job) -> int:
    return REDDIT_SEARCH if job.query else REDDIT_LISTING


def _youtube_quota(job: Job) -> Quota | None:
    """Of searches; comments take of so many units that no job asks for more."""
    return None if job.options.get("video") else Quota("searches", YOUTUBE_SEARCHES, YOUTUBE_PAGE)


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
        f"X's search, of the last 7 days or of all time, and a user's last {X_TIMELINE:,} posts",
        connection="a bearer token of the X API as its password",
        most=_x_most,
        reach=_x_reach,
        dollars=_x_dollars,
        prices="each post $0.005, each author $0.010, each picture or film $0.005",
        home="https://api.x.com",
    ),
    ("reddit", "api"): Facts(
        "what is new in subreddits, and searches",
        connection="an app's id as its login and its secret as its password",
        most=_reddit_most,
        note=f"Reddit keeps its newest {REDDIT_LISTING:,} posts at hand and has no dates to ask for:"
        " run it often enough.",
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
        quota=_youtube_quota,
        note=f"A project has {YOUTUBE_SEARCHES} searches a day, of {YOUTUBE_PAGE} videos each, and"
        f" {YOUTUBE_UNITS:,} units for everything else.",
        home="https://www.googleapis.com",
    ),
}
"""(source, via) -> facts."""

UNKNOWN: Final = Facts("")


def facts_of(source: str, via: str) -> Facts:
    """What is known of a provider; nothing, of one that nobody has described."""
    return FACTS.get((source, via), UNKNOWN)
