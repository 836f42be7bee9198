"""What a run would find, told by a source that can count without fetching."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from etl_callables.cost import Cost
from etl_callables.run import Run
from etl_callables.sources import Request


@dataclass(frozen=True, slots=True)
class Preview:
    """How many posts a request would find, by day (UTC), before any limit.

    `asked` is what the counting itself cost, and `most` what fetching what the run keeps can cost at
    most; None where nothing does. `missing` says what the source cannot count.
    """

    posts: int
    days: tuple[tuple[datetime, int], ...] = ()
    asked: Cost | None = None
    most: Cost | None = None
    missing: str | None = None


class Counting(Protocol):
    """What a source's module may have besides, where the service can count."""

    def counts(self, request: Request, run: Run) -> Preview:
        """The numbers of posts. Raises RetryLater and Stop."""
