"""What a job remembers between its runs, of a source that has no past: `_trawl/<job>/memory.json`.

A feed holds what it holds now, whatever day is asked for. So each post belongs to the run that met it
first: it is `claimed` for that run's window, and no other run takes it, in whatever order runs are
repeated. What the source itself wants to know again next time is its `note`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from etl_callables.errors import Stop
from etl_callables.run import STATE, Run
from etl_callables.sources import Source
from etl_callables.store import Missing, Store
from schemas.job import Job
from schemas.window import Window

VERSION: Final = 1

_MOST: Final = 100_000
"""Posts that are remembered; feeds hold some dozens, so the oldest of these were gone long ago."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """`claimed` maps a post's id to the window (`Window.__str__`) of the run that took it, oldest first.

    `asked` says what for, so that a note of another question is not trusted.
    """

    claimed: dict[str, str] = {}
    note: dict[str, Any] = {}
    asked: str = ""
    version: int = VERSION

    def reminder(self, job: Job, window: Window) -> dict[str, Any]:
        """The note for a run of a window: none where the question is another one, or asked once more.

        The source would else answer that nothing has changed, and the run would have nothing.
        """
        again = str(window) in self.claimed.values()
        return {} if again or self.asked != _asked(job) else self.note

    def taken(self, window: Window) -> frozenset[str]:
        """The posts that runs of other windows took."""
        own = str(window)
        return frozenset(name for name, claimant in self.claimed.items() if claimant != own)

    def with_claims(self, job: Job, window: Window, names: Iterable[str], note: dict[str, Any]) -> Memory:
        """What is remembered after a run of a window that took these posts, and none of its earlier ones."""
        own = str(window)
        others = {name: claimant for name, claimant in self.claimed.items() if claimant != own}
        claimed = {**others, **dict.fromkeys(names, own)}
        surplus = len(claimed) - _MOST
        asked = _asked(job)
        before = self.note if self.asked == asked else {}
        return Memory(
            claimed=dict(list(claimed.items())[max(0, surplus) :]), note={**before, **note}, asked=asked
        )


def _asked(job: Job) -> str:
    return json.dumps([job.source, job.via, job.query, job.options], sort_keys=True, default=str)


def remembers(source: Source, job: Job, run: Run) -> bool:
    """Whether runs share what they met: not those that take the whole range, nor a person's own look."""
    return getattr(source, "INCREMENTAL", False) and job.date_range.each_run == "interval" and not run.variant


def key(job: Job) -> str:
    return f"{STATE}/{job.id}/memory.json"


def recall(store: Store, job: Job) -> Memory:
    """What the job remembers, empty before its first run; Stop when it is damaged."""
    try:
        data = store.read(key(job))
    except Missing:
        return Memory()
    try:
        memory = msgspec.json.decode(data, type=Memory)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Stop(
            f"{store.url(key(job))} is damaged ({problem}): remove it, and the next run takes all that the"
            " source holds."
        ) from problem
    if memory.version != VERSION:
        raise Stop(f"{store.url(key(job))} was written by another version of Trawl.")
    return memory


def remember(store: Store, job: Job, memory: Memory) -> None:
    store.write(key(job), msgspec.json.encode(memory) + b"\n")
