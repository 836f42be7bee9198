"""Windows of time: half open, aware, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """The half-open span [start, end) of a run; both ends aware and in UTC, whole seconds.

    Raises ValueError for naive ends and for spans that are empty or run backwards.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for end in (self.start, self.end):
            if end.tzinfo is None:
                raise ValueError(f"a window needs aware times, not {end!r}")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts: {self}")

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def __str__(self) -> str:
        return f"{self.start:{_STAMP}}_{self.end:{_STAMP}}"

    @classmethod
    def parse(cls, text: str) -> Window:
        """The window that `str()` wrote; ValueError when it is not one."""
        start, _, end = text.partition("_")
        return cls(
            datetime.strptime(start, _STAMP).replace(tzinfo=UTC),
            datetime.strptime(end, _STAMP).replace(tzinfo=UTC),
        )

    def clip(self, since: datetime | None, until: datetime | None) -> Window | None:
        """The part of this window inside [since, until), or None when nothing is left."""
        start = self.start if since is None else max(self.start, since)
        end = self.end if until is None else min(self.end, until)
        return Window(start, end) if start < end else None
