"""Runs of one job whose windows overlap, as after a change of its schedule: what both took is there twice."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import heappop, heappush
from typing import Final

from etl_callables.manifest import Manifest, is_rejected
from etl_callables.sources import ONE_AT_A_TIME
from schemas.window import Window

Named = tuple[str, str, str]
"""What tells the manifests of a bucket apart: job, window, and the key of the object."""

_NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Overlap:
    """What newer runs cover of an older run's window: all of it (`whole`), or a part.

    `first` and `last` are the newer runs' windows by time, the same where there is one.
    """

    whole: bool
    first: Window
    last: Window

    def newer(self, said: Callable[[Window], str] = str) -> str:
        """The newer runs, in words."""
        if self.first == self.last:
            return f"the newer run of {said(self.first)}"
        return f"newer runs, from that of {said(self.first)} to that of {said(self.last)}"


def name_of(manifest: Manifest) -> Named:
    return manifest.job, manifest.window, manifest.object.key


def overlaps(manifests: Iterable[Manifest]) -> Mapping[Named, Overlap]:
    """The runs of which newer ones cover the window, or a part of it; newer is what began later.

    Runs by hand lie beside their job's own, and rejected posts and none are nowhere twice. Of a source
    without a past each post belongs to one run, whatever their windows.
    """
    families: dict[tuple[str, str], list[Manifest]] = {}
    for one in manifests:
        alone = (one.source, one.via) in ONE_AT_A_TIME
        if one.counts.kept and not (one.variant or is_rejected(one) or alone):
            families.setdefault((one.job, one.source), []).append(one)
    return {name: overlap for family in families.values() for name, overlap in _within(family).items()}


def _within(family: Iterable[Manifest]) -> dict[Named, Overlap]:
    runs = sorted(family, key=lambda one: (one.started, one.finished, one.start, one.end))
    moments, owners = _newest(runs)
    shown = set(owners)
    found = {}
    for number, run in enumerate(runs):
        low, high = bisect_right(moments, run.start) - 1, bisect_left(moments, run.end)
        # No two spans side by side have one owner, so that the next one has another.
        first = low + (owners[low] == number)
        last = high - 1 - (owners[high - 1] == number)
        if first <= last:
            windows = (Window(other.start, other.end) for other in (runs[owners[first]], runs[owners[last]]))
            found[name_of(run)] = Overlap(number not in shown, *windows)
    return found


def _newest(runs: Sequence[Manifest]) -> tuple[list[datetime], list[int]]:
    """From when on which of the runs, the newest last, is the newest whose window it is; in order of time."""
    starting: dict[datetime, list[int]] = {}
    for number, run in enumerate(runs):
        starting.setdefault(run.start, []).append(number)
        starting.setdefault(run.end, [])
    moments: list[datetime] = []
    owners: list[int] = []
    going: list[int] = []  # a heap of negative numbers: the newest comes first
    for moment in sorted(starting):
        for number in starting[moment]:
            heappush(going, -number)
        while going and runs[-going[0]].end <= moment:
            heappop(going)
        owner = -going[0] if going else _NOBODY
        if not owners or owners[-1] != owner:
            moments.append(moment)
            owners.append(owner)
    return moments, owners
