"""What the entries of a feed are known by, from one run to the next.

An entry is known by its own identifier, and where it has none, by its link. Where several entries of one
answer have the same identifier and other links, it identifies none of them: each is known by its link, and
without one by its title and time. An entry that the feed has twice, link and all, is one entry still.

An identifier that was shared once is not trusted as long as the feed has it, which runs remember: the last
of such entries that is left has the name that it had among the others. The first one of all, when the feed
had no other yet, is known by the identifier, and so comes once more when the second appears.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from etl_callables.sources.fields import needed

_GLOBAL: Final = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s/]|urn:[a-z0-9-]+:.|tag:[^\s,:]+,\d|(?:did|doi|info|oai|uuid|yt:video):.",
    re.IGNORECASE,
)
"""How identifiers begin that are unique in the world: URLs of a host, URNs, tags and others alike."""

_DIGITS: Final = 16


class Signs(NamedTuple):
    """What an entry can be told by, as it is written."""

    identifier: str | None
    link: str | None
    title: str | None
    time: str | None

    @property
    def beside(self) -> str:
        """What tells it from others with its identifier, of which some parsers make a link as well."""
        if self.link and self.link != self.identifier:
            return self.link
        digest = hashlib.sha256(json.dumps([self.title, self.time]).encode()).hexdigest()
        return f"{self.identifier}#{digest[:_DIGITS]}"


def shared(entries: Iterable[Signs], before: Iterable[str]) -> set[str]:
    """The identifiers that tell no entry from another, those among them that told none `before`."""
    first: dict[str, str] = {}
    found: set[str] = set()
    for entry in entries:
        beside = entry.beside
        if entry.identifier and first.setdefault(entry.identifier, beside) != beside:
            found.add(entry.identifier)
    return found | {one for one in before if one in first or not first}


def name_of(entry: Signs, feed: str, untold: Collection[str]) -> str:
    """What an entry is known by, where some identifiers tell nothing; ValueError where nothing tells it."""
    own = entry.beside if entry.identifier in untold else entry.identifier or entry.link
    return unique(needed(own, "identifier"), feed)


def unique(name: str, feed: str) -> str:
    """A name that is unique in the world, made so where it is only so in its feed."""
    return name if _GLOBAL.match(name) else f"{feed}#{name}"
