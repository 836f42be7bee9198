"""A fault: something wrong with a part of a job, before it is known where that part was written."""

from __future__ import annotations

from typing import NamedTuple

Path = tuple[str | int, ...]
"""From the top of a file down to a value: ("date_range", "since"), ("tags", 1)."""


class Place(NamedTuple):
    """A 1-based line and column."""

    line: int
    column: int


class Fault(NamedTuple):
    """What is wrong, a stable slug for it, and what to do.

    `path` is the value it is about; `at_key` means the fault is the key, not the value. `offset` is
    where in a text the culprit begins, `other` what it is at odds with, which is shown where the value
    itself is in another file. `place` is set where the path cannot say it (syntax).
    """

    message: str
    kind: str
    hint: str = ""
    path: Path = ()
    at_key: bool = False
    place: Place | None = None
    offset: int = 0
    other: Path = ()


class Slip(ValueError):  # noqa: N818  what a person wrote, not an error of ours
    """A text that is none of what it should be.

    `offset` is where in it the culprit begins, `hint` what to write instead.
    """

    def __init__(self, message: str, offset: int = 0, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


def dotted(path: Path) -> str:
    """A path as a person reads it: `date_range.since`, `tags[1]`."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else step
    return text
