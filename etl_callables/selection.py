"""Which posts a run keeps.

One rule in one place, because extract must stop exactly where transform stops writing: items in the
order they came, an item kept when it is sound, inside the window, seen for the first time and not
over the limit, nor over its day's share of it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from etl_callables.post import Post, Skipped
from etl_callables.shares import Share
from schemas.window import Window

_MOST = 2**63 - 1  # a count is a 64-bit column in Parquet


@dataclass(slots=True)
class Tally:
    """What became of the items offered; every item is counted in exactly one place.

    `fetched` is the sum of the others. `duplicate` stays zero where duplicates are not looked for.
    `skipped` maps a reason (a slug) to its count. `oldest` and `newest` are the creation times of
    the kept posts, None while there are none.
    """

    fetched: int = 0
    kept: int = 0
    duplicate: int = 0
    outside: int = 0
    over_limit: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    oldest: datetime | None = None
    newest: datetime | None = None


def flaw(post: Post) -> str | None:
    """Why a post cannot be a row, as a slug; None when it can. Types are the source's promise."""
    if not post.id or not post.platform:
        return "no-id"
    if post.created_at.tzinfo is None:
        return "no-time-zone"
    for count in post[9:15]:  # likes to views: a slice is three times as fast as six attributes
        if count is not None and not 0 <= count <= _MOST:
            return "impossible-count"
    return None


class Selection:
    """The rule, applied to a run's items as they come.

    With `distinct` off, duplicates pass: memory then stays flat however many posts there are, and
    who comes later must look for them. A limit needs `distinct`, or it would not be exact. `shares`
    are parts of the window, each with its part of the limit. Posts whose id is in `taken` belong to
    other runs and count as outside; `met` has those of them that came.
    """

    __slots__ = ("_ends", "_rooms", "_seen", "distinct", "limit", "met", "taken", "tally", "window")

    def __init__(
        self,
        window: Window,
        limit: int | None = None,
        *,
        distinct: bool = True,
        shares: Sequence[Share] = (),
        taken: frozenset[str] = frozenset(),
    ) -> None:
        if limit is not None and not distinct:
            raise ValueError("a limit is exact only where duplicates are looked for")
        self.taken = taken
        self.met: set[str] = set()
        # Shares come newest first; places in `_rooms` are theirs, `_ends` are for looking one up.
        self._rooms = [share.limit for share in shares]
        self._ends = [share.window.end for share in reversed(shares)]
        self.window = window
        self.limit = limit
        self.distinct = distinct
        self.tally = Tally()
        self._seen: set[tuple[object, ...]] = set()

    @property
    def full(self) -> bool:
        """Whether the limit is reached: no further item can be kept."""
        return self.limit is not None and self.tally.kept >= self.limit

    def room(self, place: int) -> int:
        """How many posts more the share at a place may keep."""
        return self._rooms[place]

    @property
    def names(self) -> list[str]:
        """The ids of the posts kept, in no order; only with `distinct`."""
        return [str(key[1]) for key in self._seen]

    def _place(self, created: datetime) -> int:
        return len(self._ends) - 1 - bisect_right(self._ends, created)

    def keep(self, items: Iterable[Post | Skipped]) -> Iterator[Post]:  # noqa: C901, PLR0912 - flat: calls cost
        """The posts among `items` that the run keeps, in their order; the rest is only counted.

        Lazy: the tally is right once the iterator is exhausted. Give it the items of many bodies at
        once (`itertools.chain`), for a call costs more than an item.
        """
        tally, seen, distinct = self.tally, self._seen, self.distinct
        start, end = self.window.start, self.window.end
        most = _MOST if self.limit is None else self.limit
        rooms, taken = self._rooms, self.taken
        for item in items:
            tally.fetched += 1
            if item.__class__ is not Post:
                tally.skipped[item[0]] += 1
                continue
            reason = flaw(item)
            if reason is not None:
                tally.skipped[reason] += 1
                continue
            created = item.created_at
            if not start <= created < end:
                tally.outside += 1
                continue
            if taken and item.id in taken:
                self.met.add(item.id)
                tally.outside += 1
                continue
            if distinct:
                key = item[:2]  # (platform, id)
                if key in seen:
                    tally.duplicate += 1
                    continue
            if tally.kept >= most:
                tally.over_limit += 1
                continue
            if rooms:
                place = self._place(created)
                if not rooms[place]:
                    tally.over_limit += 1
                    continue
                rooms[place] -= 1
            if distinct:
                seen.add(key)
            tally.kept += 1
            if tally.oldest is None or created < tally.oldest:
                tally.oldest = created
            if tally.newest is None or created > tally.newest:
                tally.newest = created
            yield item
