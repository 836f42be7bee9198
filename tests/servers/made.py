"""Made-up posts, from which every stand-in makes items in the shape of its service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.window import Window


@dataclass(frozen=True)
class Made:
    """A post: its number, unique and higher for later ones, its second of creation and its text."""

    number: int
    created: datetime
    text: str = "all about covid"
    author: str = "sample_ada"

    @property
    def seconds(self) -> int:
        return int(self.created.timestamp())


def made(count: int, window: Window, first: int = 1000) -> list[Made]:
    """Posts spread evenly over a window to the second, none on its edges, newest first."""
    step = (window.end - window.start) / (count + 1)
    moments = [(window.start + step * (place + 1)).replace(microsecond=0) for place in range(count)]
    return [Made(first + place, moment) for place, moment in enumerate(moments)][::-1]


def around(window: Window, first: int = 10) -> list[Made]:
    """Posts that lie just outside a window and just inside it: later, last, first, earlier."""
    second = timedelta(seconds=1)
    moments = [window.start - second, window.start, window.end - second, window.end]
    return [Made(first + place, moment) for place, moment in enumerate(moments)][::-1]


def newest_first(posts: Sequence[Made]) -> list[Made]:
    return sorted(posts, key=lambda post: (post.created, post.number), reverse=True)
