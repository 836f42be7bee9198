"""What each provider needs, reaches and costs, for people who decide before anything is fetched.

Figures are those that the services publish; nothing here is asked for at run time, and nothing heavy is
imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final


@dataclass(frozen=True, slots=True)
class Facts:
    """One provider. `gives` says in a few words what it fetches.

    `connection` says what its Airflow connection holds, empty where it needs none. `reach` is how far
    back it goes, None where there is no end. `most` is how many posts a run can get out of it at most.
    `dollars` is the most that a post can cost, None where nothing is charged. `note` is a sentence that
    a person should know before choosing it.
    """

    gives: str
    connection: str = ""
    reach: timedelta | None = None
    most: int | None = None
    dollars: Decimal | None = None
    note: str = ""


FACTS: Final[Mapping[tuple[str, str], Facts]] = {
    ("archive", "files"): Facts("posts from files collected before"),
    ("hackernews", "algolia"): Facts("stories and comments of Hacker News, by words"),
    ("mastodon", "api"): Facts(
        "a hashtag, an account or a public timeline of a server, or a search of it",
        connection="an access token of that server as its password; only searches and closed servers need it",
    ),
    ("twitter", "snscrape"): Facts(
        "X's public search, without a login",
        note="X has refused searches without a login since 2023.",
    ),
}
"""(source, via) -> facts."""

UNKNOWN: Final = Facts("")


def facts_of(source: str, via: str) -> Facts:
    """What is known of a provider; nothing, of one that nobody has described."""
    return FACTS.get((source, via), UNKNOWN)
