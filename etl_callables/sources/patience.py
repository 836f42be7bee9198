"""When to leave a list that is not, or not quite, in the order of time, read from its newest page on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

PAGES: Final = 3
"""Pages in a row with nothing but older posts, after which a list is taken to have come past the window."""

UNORDERED: Final = "the list is not in the order of time, so older pages may hold more of the window"


@dataclass(frozen=True, slots=True)
class Patience:
    """How far a list is read: `old` pages in a row had only older posts, `last` is the last time seen.

    `ordered` is whether each time so far was older than the one before.
    """

    old: int = 0
    last: int | None = None
    ordered: bool = True

    def __str__(self) -> str:
        return f"{self.old}:{'' if self.last is None else self.last}:{int(self.ordered)}"

    @classmethod
    def parse(cls, text: str) -> Patience:
        old, last, ordered = text.split(":")
        return cls(int(old), int(last) if last else None, ordered == "1")

    def after(self, times: Sequence[datetime], start: datetime) -> Patience:
        """With one more page, for which these times stand, where the window begins at `start`."""
        numbers = [*([] if self.last is None else [self.last]), *(int(time.timestamp()) for time in times)]
        return Patience(
            self.old + 1 if times and max(times) < start else 0,
            numbers[-1] if numbers else None,
            self.ordered and all(newer >= older for newer, older in pairwise(numbers)),
        )

    @property
    def is_over(self) -> bool:
        return self.old >= PAGES

    @property
    def missing(self) -> str | None:
        """What may be missing where reading ends, if anything."""
        return None if self.ordered else UNORDERED
