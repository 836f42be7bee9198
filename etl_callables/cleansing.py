"""Cleansing: raw pages rid of what their job was told to forget after they were fetched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from etl_callables import raw
from etl_callables.forgetting import Forgotten, Unparted, found_in, scrub
from etl_callables.sources import Source
from etl_callables.store import Store

UNPARTED: Final = "a page could not be parted from a post that is to be forgotten"


@dataclass(frozen=True, slots=True)
class Cleansed:
    """The ids of posts that went out of pages, and whether every page could be parted from them."""

    names: frozenset[str]
    parted: bool

    def __bool__(self) -> bool:
        return bool(self.names)


def cleanse(
    store: Store, source: Source, keys: Iterable[str], forgotten: Forgotten, now: datetime
) -> Cleansed:
    """Write pages anew without what is to be forgotten; one that cannot be parted from it is left empty.

    Whoever does the same at once writes the same.
    """
    names: set[str] = set()
    parted = True
    for key in keys:
        page = raw.read_page(store, key)
        found = found_in(source, page.bodies, forgotten.knows, now)
        if not found:
            continue
        names |= {name for _, name in found}
        try:
            bodies, _ = scrub(source, page.bodies, forgotten.knows, now)
        except Unparted:
            bodies, parted = [], False
        raw.rewrite_page(store, key, page.envelope, bodies)
    return Cleansed(frozenset(names), parted)
