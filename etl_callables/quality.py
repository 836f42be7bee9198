"""Whether a run is as its job expects: how many posts, of when, in which languages, with what missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from statistics import median
from typing import Any, Final

from etl_callables.manifest import Manifest, Measured, Quality, is_rejected, read_manifest
from etl_callables.run import REJECTED, Run, prefix
from etl_callables.store import Store
from etl_callables.table import pc
from schemas.job import Job
from schemas.job import Quality as Bounds
from schemas.schedule import window_before
from schemas.window import Window

EARLIER: Final = 10
"""Windows before this one whose runs it is held against, those of rejected runs not counted."""

_FARTHEST: Final = 60
"""Windows before this one that are looked at, however many of their runs were rejected."""

_FEWEST: Final = 3
"""Earlier runs below which nothing is said of what is usual."""

_HOUR: Final = 60

SILENT: Final = 3
"""Runs in a row that found nothing, after which a job that used to find something is silent."""


class Measure:
    """Counts, in batches that pass, what a job's bounds are about."""

    def __init__(self, bounds: Bounds | None) -> None:
        self._bounds = bounds or Bounds()
        self._nulls: Counter[str] = Counter(dict.fromkeys(self._bounds.nulls, 0))
        self._languages: Counter[str] = Counter(dict.fromkeys(self._bounds.languages, 0))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that have to be among the batches' columns."""
        return (*self._nulls, *(("lang",) if self._languages else ()))

    def watch(self, batches: Iterable[Any]) -> Iterator[Any]:
        """The same record batches."""
        for batch in batches:
            for name in self._nulls:
                column = batch[name]
                self._nulls[name] += column.null_count
                if str(column.type) == "string":
                    self._nulls[name] += pc.sum(pc.equal(column, "")).as_py() or 0
            if self._languages:
                for found in pc.value_counts(batch["lang"]).to_pylist():
                    for bound in self._bounds.languages:
                        if _is_of(found["values"], bound):
                            self._languages[bound] += found["counts"]
            yield batch

    @property
    def measured(self) -> Measured | None:
        """What was counted, None where nothing was asked for."""
        if not self.fields:
            return None
        return Measured(nulls=dict(self._nulls), languages=dict(self._languages))


def _is_of(code: str | None, bound: str) -> bool:
    """Whether a post's code is the bound's, or one with a region of it: en-US is en, en is no en-US."""
    own, wanted = (one.replace("_", "-").casefold() for one in (code or "", bound))
    return own == wanted or own.startswith(f"{wanted}-")


@dataclass(frozen=True, slots=True)
class Found:
    """What a run has, as far as bounds are about it."""

    posts: int
    newest: datetime | None
    measured: Measured | None


def assess(job: Job, window: Window, run: Run, store: Store, found: Found) -> Quality | None:
    """What is not as the job expects, None where all is and nothing is expected.

    Reads the manifests of a few earlier windows, where their posts are compared with.
    """
    bounds = job.quality or Bounds()
    own = not run.variant and job.date_range.each_run == "interval"
    compares = bounds.at_least is not None or bounds.at_most is not None
    before: list[Manifest] = []
    if own and job.schedule.cron is not None and (compares or not found.posts):
        before = list(_earlier(job, window, run, store))
    earlier = [manifest.counts.kept for manifest in before if not is_rejected(manifest)]
    if compares and len(earlier) < min(len(before), _FEWEST):
        run.log.warning(
            "Only %d of the %d runs before this one were not rejected, which is too few to say how many posts"
            " are usual: `median` below `quality` was not checked.",
            len(earlier),
            len(before),
        )
    silent = _silent(found.posts, before)
    breaches = [
        *_counts(bounds, found.posts, earlier),
        *_shares(bounds, found),
        *_fresh(bounds, window, found),
    ]
    if silent:
        breaches.append(
            f"nothing was found in {silent} runs in a row, where earlier ones found posts (silence)"
        )
    if job.quality is None and not breaches:
        return None
    return Quality(breaches=tuple(breaches), measured=found.measured, earlier=tuple(earlier), silent=silent)


def assess_again(bounds: Bounds | None, window: Window, found: Found, before: Quality) -> Quality:
    """What is left of an assessment once posts were taken out of an object, told by what is left of these.

    That they are fewer is nothing unexpected: no rule is broken that was not before.
    """
    bounds = bounds or Bounds()
    said = [*_counts(bounds, found.posts, list(before.earlier)), *_shares(bounds, found)]
    said += _fresh(bounds, window, found)
    rules = {_rule(breach) for breach in before.breaches}
    breaches = [breach for breach in said if _rule(breach) in rules]
    breaches += [breach for breach in before.breaches if _rule(breach) == "silence"]
    return Quality(
        breaches=tuple(breaches), measured=found.measured, earlier=before.earlier, silent=before.silent
    )


def _rule(breach: str) -> str:
    """What is broken: each sentence ends with it in brackets."""
    return breach.rpartition("(")[2].removesuffix(")")


def rejects(job: Job, quality: Quality | None) -> bool:
    """Whether an object is kept beside its key for what is not as expected."""
    return bool(job.quality and job.quality.on_breach == "fail" and quality and quality.breaches)


def _earlier(job: Job, window: Window, run: Run, store: Store) -> Iterator[Manifest]:
    """What the runs before did, the latest first, rejected ones too; windows without one are passed over.

    For each rejected run one more window is looked at: up to fifty in a row, the runs before them still
    say what is usual.
    """
    start = window.start
    left = EARLIER
    for _ in range(_FARTHEST):
        if not left:
            return
        before = window_before(job.schedule, start)
        start = before.start
        clipped = before.clip(job.date_range.since, job.date_range.until)
        if clipped is None:
            return
        folder = prefix(job, clipped, run)
        manifest = read_manifest(store, folder) or read_manifest(store, f"{folder}/{REJECTED}")
        if manifest is not None:
            yield manifest
        left -= manifest is None or not is_rejected(manifest)


def _silent(posts: int, before: list[Manifest]) -> int:
    """How many runs in a row found nothing, this one included; 0 while that is nothing to speak of."""
    empty = list(takewhile(lambda manifest: not manifest.counts.kept, before))
    if posts or not empty:
        return 0
    count = 1 + len(empty)
    if len(empty) == len(before):  # what was before these is known only from what they said themselves
        told = [
            at + one.quality.silent for at, one in enumerate(empty, 1) if one.quality and one.quality.silent
        ]
        return told[-1] if told else 0
    return count if count >= SILENT else 0


def _counts(bounds: Bounds, posts: int, earlier: list[int]) -> Iterator[str]:
    if bounds.min_posts is not None and posts < bounds.min_posts:
        yield f"{_posts(posts)}, where at least {bounds.min_posts:,} are expected (min_posts)"
    if bounds.max_posts is not None and posts > bounds.max_posts:
        yield f"{_posts(posts)}, where at most {bounds.max_posts:,} are expected (max_posts)"
    if len(earlier) < _FEWEST:
        return
    middle = median(earlier)
    usual = f"{_posts(posts)}; of the last {len(earlier)} runs the middle one had {middle:,.0f}, and"
    if bounds.at_least is not None and posts < bounds.at_least * middle:
        yield f"{usual} at least {bounds.at_least:g} times as many are expected (median.at_least)"
    if bounds.at_most is not None and posts > bounds.at_most * middle:
        yield f"{usual} at most {bounds.at_most:g} times as many are expected (median.at_most)"


def _shares(bounds: Bounds, found: Found) -> Iterator[str]:
    if not found.posts or found.measured is None:
        return
    for name, share in bounds.nulls.items():
        empty = found.measured.nulls[name]
        if empty > share * found.posts:
            said = f"{name} is empty in {_share(empty, found.posts)}"
            yield f"{said}, where at most {share:.1%} are expected (nulls)"
    for code, share in bounds.languages.items():
        count = found.measured.languages[code]
        if count < share * found.posts:
            said = f"{code} is the language of {_share(count, found.posts)}"
            yield f"{said}, where at least {share:.1%} are expected (languages)"


def _fresh(bounds: Bounds, window: Window, found: Found) -> Iterator[str]:
    if bounds.newest_within is None:
        return
    if found.newest is None:
        yield "there is no post that could be new enough (newest_within)"
    elif window.end - found.newest > bounds.newest_within:
        when = f"{found.newest:%Y-%m-%d %H:%M} UTC"
        late, most = (_span(one) for one in (window.end - found.newest, bounds.newest_within))
        yield (
            f"the newest post is of {when}, {late} before the end of the window, where at most"
            f" {most} are expected (newest_within)"
        )


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {_posts(whole)} ({part / whole:.1%})"


def _posts(count: int) -> str:
    return f"{count:,} post" if count == 1 else f"{count:,} posts"


def _span(length: timedelta) -> str:
    minutes = round(length.total_seconds() / 60)
    return f"{minutes // 60:,} h {minutes % 60:02} min" if minutes >= _HOUR else f"{minutes} min"
