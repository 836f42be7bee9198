"""One thing that a person should know of a change."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to know. `text` has {0}, {1} … where `words`, which people chose, go: a printer shows
    those as its medium needs. `kind` is a short stable slug for tools.
    """

    kind: str
    text: str
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text.format(*self.words)
