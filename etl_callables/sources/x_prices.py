"""What X charges for reading, in one place: https://docs.x.com/x-api/getting-started/pricing.

X charges for each thing that an answer returns, and for each question after counts. It says that a
thing charged for is not charged again on the same day (UTC), mostly; that is not taken off here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from etl_callables.cost import Cost, Prices, total
from etl_callables.sources.x_questions import DOORS, depth, looks_up

PRICES: Final = Prices(
    as_of="2026-04",
    usd={
        "post": 0.005,
        "user": 0.010,
        "media": 0.005,
        "counts of the last 7 days": 0.005,
        "counts of the archive": 0.010,
    },
)
"""US dollars for one of each, without an owner's discount (`Posts: Read`, `User: Read`, `Media: Read`,
`Counts: Recent` and `Counts: All` in X's own words)."""

MOST_MEDIA: Final = 4
"""Pictures or films that a post may have."""

MOST_REFERENCES: Final = 2
"""Posts that a post may refer to: the one it answers, and the one it quotes."""


def of_page(page: Mapping[str, Any]) -> Cost:
    """What an answer with posts or a user in it costs; in either spelling, `posts` or `tweets`."""
    data, includes = page.get("data"), page.get("includes")
    found = data if isinstance(data, list) else [data] if isinstance(data, dict) else []
    users = sum(is_user(item) for item in found)
    beside = {
        name: len(items)
        for name, items in (includes.items() if isinstance(includes, dict) else ())
        if isinstance(items, list)
    }
    return PRICES.cost(
        {
            "post": len(found) - users + (beside.get("posts") or beside.get("tweets", 0)),
            "user": users + beside.get("users", 0),
            "media": beside.get("media", 0),
        }
    )


def is_user(item: Any) -> bool:
    """Whether an item of an answer is a user, who has a name where a post has a text."""
    return isinstance(item, dict) and "username" in item and "text" not in item


def of_run(
    limit: int | None, options: Mapping[str, Any], parts: int = 1, *, found: int | None = None
) -> Cost | None:
    """What a run can cost at most; None where nothing says when it ends.

    `parts` are those that its window is asked for in, each of which may read a page of the least size for
    the one post that it still wants. `found` is how many posts there are, where they were counted. Posts
    that X gives twice, or that cannot be read, are paid for and take no place in `limit`: only `max_cost`
    holds whatever X does.
    """
    user = bool(options.get("user"))
    least = DOORS["user" if user else "recent"].least
    parts = parts if limit is None else min(parts, limit)
    # A page from before the window finds out whether there is more of a user.
    probes = parts * least if user else 0
    bounds = [] if limit is None else [limit + parts * (least - 1)]
    bounds += [there + probes for there in (depth(options), found) if there is not None]
    if not bounds:
        return None
    return total([of_lookup(options), most(min(bounds), options.get("expand") or ())])


def of_lookup(options: Mapping[str, Any]) -> Cost:
    """What it costs to find a job's user by name; nothing where it has no need to."""
    return PRICES.cost({"user": int(looks_up(options))})


def most(posts: int, expand: Collection[str]) -> Cost:
    """What so many posts can cost at most, with what is to be told about each."""
    references = posts * MOST_REFERENCES if "references" in expand else 0
    return PRICES.cost(
        {
            "post": posts + references,
            "user": posts if "author" in expand else 0,
            "media": posts * MOST_MEDIA if "media" in expand else 0,
        }
    )
