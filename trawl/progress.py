"""A line that says how far a run is, drawn again and again on a terminal."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, TextIO

from etl_callables.run import Kept
from schemas.window import Window
from trawl.history import took

_BAR: Final = 20
_WIDE: Final = 50
"""Columns below which words are worth more than a bar."""

_CLEAR: Final = "\r\x1b[K"
_FIRST: Final = 2.0
"""Seconds before which nobody can tell how long it will take."""


def share(kept: Kept, window: Window, limit: int | None) -> float:
    """How much of a run is done, from 0 to 1: of its limit or its window, whichever is nearer its end.

    What lies between the earliest and the latest post is covered, whichever end a source begins at.
    """
    parts = [covered(kept, window)]
    if limit:
        parts.append(kept.posts / limit)
    return min(1.0, max(parts))


def covered(kept: Kept, window: Window) -> float:
    """How much of the window lies between the posts kept, from 0 to 1."""
    if kept.oldest is None or kept.newest is None:
        return 0.0
    return (kept.newest - kept.oldest) / (window.end - window.start)


def line(kept: Kept, window: Window, limit: int | None, elapsed: float, width: int) -> str:
    """How far a run is after `elapsed` seconds, in at most `width` columns: what says least goes first."""
    done = share(kept, window, limit)
    full = round(done * _BAR)
    posts = f"{kept.posts:,} posts" if limit is None else f"{kept.posts:,} of {limit:,} posts"
    left = elapsed * (1 - done) / done if 0 < done < 1 and elapsed >= _FIRST else None
    parts = [
        posts,
        f"{kept.pages:,} page{'s'[: kept.pages != 1]}",
        f"{took(timedelta(seconds=left))} left" if left is not None else "",
        f"{covered(kept, window):.0%} of the window",
        f"{kept.posts / elapsed:,.0f} posts/s" if elapsed > 0 else "",
        f"back to {kept.oldest:%Y-%m-%d %H:%M}" if kept.oldest else "",
    ]
    bar = f"{'█' * full}{'░' * (_BAR - full)} " if width >= _WIDE else ""
    text = bar + parts[0]
    for part in filter(None, parts[1:]):
        if len(text) + len(part) + 2 > width:
            break
        text += f", {part}"
    return text[:width]


class Bar:
    """The line on a terminal, until it is cleared.

    `width` gives the terminal's columns anew each time, `now` is the clock; the rest is the run's.
    """

    def __init__(
        self,
        out: TextIO,
        window: Window,
        limit: int | None,
        width: Callable[[], int],
        now: Callable[[], datetime],
    ) -> None:
        self._out = out
        self._window = window
        self._limit = limit
        self._width = width
        self._now = now
        self._begun = now()
        self._text = ""

    def draw(self, kept: Kept) -> None:
        """Show how far the run is."""
        elapsed = (self._now() - self._begun).total_seconds()
        self.show(line(kept, self._window, self._limit, elapsed, self._width() - 1))

    def show(self, text: str) -> None:
        """Show another text in the line's place."""
        self._text = text
        self._out.write(f"{_CLEAR}{text}")
        self._out.flush()

    def above(self, text: str) -> None:
        """Print a line that stays, above this one."""
        self._out.write(f"{_CLEAR}{text}\n{self._text}")
        self._out.flush()

    def clear(self) -> None:
        """Take the line away."""
        self.show("")


class Lines(logging.Handler):
    """Log lines of a run, handed to whatever prints them."""

    def __init__(self, say: Callable[[str], None], level: int) -> None:
        super().__init__(level)
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())
