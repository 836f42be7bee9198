"""What a job is about, where its source has more than one way to say so: a query, an account, a feed.

The shape of each is the schema's business; that a job names one, and nothing that belongs to another,
is told here in words that a schema has not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from schemas.draft import Draft
from schemas.fault import Fault
from schemas.words import either

QUERY: Final = "query"


@dataclass(frozen=True, slots=True)
class Ways:
    """How a source can be told what to scrape: by a query, or by one of `options`.

    `together` lets a query go along with one of them. `details` maps an option that says more to what
    it says more about: `query` or one of `options`. `login` is why a query needs a connection, empty
    where it needs none.
    """

    options: tuple[str, ...]
    together: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    login: str = ""


WAYS: Final[Mapping[str, Ways]] = {
    "bluesky": Ways(
        options=("account", "feed"),
        details={
            **dict.fromkeys(("author", "domain", "lang", "mentions", "tag", "url"), QUERY),
            "replies": "account",
        },
        login="Bluesky lets only accounts search",
    ),
    "lemmy": Ways(options=("community",), together=True),
    "mastodon": Ways(
        options=("hashtag", "account", "timeline"),
        details={"replies": "account", "boosts": "account"},
        login="Mastodon servers let only accounts search posts",
    ),
    "reddit": Ways(options=("subreddit",), together=True),
    "youtube": Ways(options=("video",), details={"channel": QUERY, "details": QUERY, "replies": "video"}),
}
"""source -> its ways, for sources that have several."""


_SEVERAL: Final = {
    2: ("two", "leave one of them out"),
    3: ("three", "leave two of them out"),
    4: ("four", "leave three of them out"),
}


def subject_faults(draft: Draft) -> Iterator[Fault]:
    """What is wrong with what a job is about, if anything."""
    source = draft.said("source")
    ways = WAYS.get(source)
    if ways is None or draft.at_fault("options") or draft.at_fault(QUERY):
        return
    options = [name for name in ways.options if draft.said("options", name) is not None]
    query = draft.said(QUERY)
    said = [*([QUERY] if query is not None else []), *(f"options.{name}" for name in options)]
    if not said:
        choices = either(['"query: …"', *(f'"options: {{{name}: …}}"' for name in ways.options)])
        yield Fault(f"nothing says what to scrape from {source}", "no-subject", f"add {choices}")
        return
    if len(options) > 1 or (options and query is not None and not ways.together):
        *most, last = said
        number, hint = _SEVERAL[len(said)]
        message = f"{', '.join(most)} and {last} are {number} things to scrape"
        yield Fault(message, "two-subjects", hint, ("options", options[-1]), at_key=True)
        return
    yield from _idle(draft, ways, said)
    if ways.login and query is not None and not draft.get("source_connection"):
        hint = 'add "source_connection: …", the Airflow connection with its login'
        if not draft.at_fault("source_connection"):
            yield Fault(
                f"{ways.login}, and this job has no login", "no-connection", hint, (QUERY,), at_key=True
            )


def _idle(draft: Draft, ways: Ways, said: list[str]) -> Iterator[Fault]:
    """Options that say more about something that this job does not scrape."""
    for name, about in ways.details.items():
        dotted = about if about == QUERY else f"options.{about}"
        if draft.said("options", name) is not None and dotted not in said:
            message = f"options.{name} says more about {dotted}, which this job does not have"
            yield Fault(
                message, "idle-option", f"leave it out, or add {dotted}", ("options", name), at_key=True
            )
