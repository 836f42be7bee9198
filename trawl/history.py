"""`trawl runs`: what the runs of a job did, from their manifests alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import accumulate
from textwrap import wrap
from typing import Final

import click

from etl_callables.cost import dollars, total
from etl_callables.manifest import Manifest, is_rejected
from etl_callables.overlapping import Named, Overlap, name_of
from etl_callables.post import unreadable
from schemas.counting import fires_between
from schemas.job import Job
from schemas.window import Window
from schemas.words import printable
from schemas.zone import zone
from trawl.showing import span

BLOCKS: Final = "▁▂▃▄▅▆▇█"
HOLE: Final = "·"
"""Stands in a sparkline for a window without a run."""

_MINUTE: Final = 60
_HOUR: Final = 3600
_EXACT: Final = 10
"""Seconds below which tenths of them say something."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A span between two runs that none has covered; `runs` is how many the schedule has there."""

    window: Window
    runs: int


Line = Manifest | Gap

_ALONE: Final[Mapping[Named, Overlap]] = {}


def lines_of(job: Job, manifests: Iterable[Manifest], last: int | None = None) -> list[Line]:
    """The runs by window, the newest `last` of them (None: all), and the gaps between the job's own.

    Of a job that only runs when asked, no span is missed.
    """
    ordered = sorted(manifests, key=lambda one: (one.start, one.end, one.variant))
    shown = ordered[-last:] if last else ordered
    first = min((one.start for one in shown if not one.variant), default=None)
    own = [one for one in ordered if not one.variant]
    # A window may end after the next one does: where the schedule was another, it covers what comes then too.
    ends = accumulate((one.end for one in own), max)
    gaps = [gap for end, after in zip(ends, own[1:], strict=False) if (gap := _gap(job, end, after.start))]
    known = [gap for gap in gaps if first is not None and gap.window.start >= first]
    return sorted([*shown, *known], key=lambda line: _window(line).start)


def _gap(job: Job, end: datetime, start: datetime) -> Gap | None:
    cron = job.schedule.cron
    if cron is None or end >= start:
        return None
    runs = fires_between(cron, job.schedule.timezone, end, start)
    return Gap(Window(end, start), runs) if runs else None


def _window(line: Line) -> Window:
    return line.window if isinstance(line, Gap) else Window(line.start, line.end)


def sheet(
    job: Job,
    lines: Sequence[Line],
    bucket: str,
    width: int | None = None,
    overlapped: Mapping[Named, Overlap] = _ALONE,
) -> str:
    """A sparkline of posts a run, a table and a sum, at most `width` columns wide where words allow.

    `bucket` is where the manifests were looked for; `overlapped` are the runs that newer ones cover. Styled;
    None of a width takes what it needs.
    """
    head = click.style(job.id, bold=True)
    if not lines:
        return f"{head}\nNo run has ended yet: there is no manifest of this job in {bucket}."
    place = zone(job.schedule.timezone)
    drawn = sparkline(lines)
    if width is not None and len(drawn) > width:
        drawn = drawn[-width:]  # the newest say most
    table = [_cells(line, place, overlapped) for line in lines]
    wide = _wide(table)
    if width is not None and max(map(len, map(click.unstyle, wide))) > width:
        wide = _narrow(table)
    sums = [_sum(lines), *_twice(lines, overlapped)]
    if width is not None:
        sums = [part for text in sums for part in wrap(text, max(20, width))]
    return "\n".join([head, *([drawn] if drawn else []), *wide, *sums])


def sparkline(lines: Sequence[Line]) -> str:
    """A block a run of the job's own, as high as its posts; `HOLE` for each run that is missing."""
    own = [line for line in lines if isinstance(line, Gap) or not line.variant]
    most = max((line.counts.kept for line in own if isinstance(line, Manifest)), default=0)
    return "".join(
        HOLE * line.runs if isinstance(line, Gap) else _block(line.counts.kept, most) for line in own
    )


def _block(posts: int, most: int) -> str:
    """The lowest block is for no posts at all, so that few are never drawn as none."""
    return BLOCKS[-(-posts * (len(BLOCKS) - 1) // most) if most else 0]


@dataclass(frozen=True, slots=True)
class _Cells:
    """A row. `alarm` is what a person should look at: why a run ended early, or that there was none.

    `note` is what is as it should be, and good to know.
    """

    day: str
    posts: str = ""
    cost: str = ""
    took: str = ""
    note: str = ""
    alarm: str = ""

    @property
    def said(self) -> str:
        """Note and alarm, the latter marked."""
        return "; ".join(filter(None, [self.note, _warned(self.alarm)]))


def _cells(line: Line, place: tzinfo, overlapped: Mapping[Named, Overlap]) -> _Cells:
    if isinstance(line, Gap):
        runs = "no run" if line.runs == 1 else f"no runs ({line.runs:,})"
        return _Cells(day(line.window, place), alarm=runs)
    name = day(Window(line.start, line.end), place)
    return _Cells(
        f"{name} {line.variant}" if line.variant else name,
        f"{line.counts.kept:,}",
        dollars(line.cost.usd) if line.cost else "-",
        took(_lasted(line)),
        _note(line, place, overlapped.get(name_of(line))),
        _alarm(line),
    )


def _note(manifest: Manifest, place: tzinfo, overlap: Overlap | None) -> str:
    """That the object expired, and which newer runs have its window too."""
    said = []
    if manifest.expired:
        said.append(f"expired on {manifest.expired.astimezone(place):%Y-%m-%d}")
    if overlap:
        newer = overlap.newer(lambda window: day(window, place))
        said.append(f"superseded by {newer}" if overlap.whole else f"overlaps {newer}")
    return "; ".join(said)


def _alarm(manifest: Manifest) -> str:
    """Why a run ended early, that nothing could be read, and what is not as its job expects."""
    breaches = manifest.quality.breaches if manifest.quality else ()
    said = ["rejected"] if is_rejected(manifest) else []
    said += [f"truncated: {printable(manifest.truncated)}"] if manifest.truncated else []
    said += filter(None, [unreadable(manifest.source, manifest.counts.fetched, manifest.counts.skipped)])
    return "; ".join([*said, *map(printable, breaches)])


def _wide(rows: Sequence[_Cells]) -> list[str]:
    table = [_Cells("day", "posts", "cost", "took"), *rows]
    widths = [max(len(getattr(row, name)) for row in table) for name in ("day", "posts", "cost", "took")]
    lines = []
    for row in table:
        cells = (
            row.day.ljust(widths[0]),
            *map(str.rjust, (row.posts, row.cost, row.took), widths[1:]),
            row.said,
        )
        lines.append("  ".join(("", *cells)).rstrip())
    return lines


def _narrow(rows: Sequence[_Cells]) -> list[str]:
    lines = []
    for row in rows:
        lines.append(f"  {row.day}")
        if row.posts:
            cost = "" if row.cost == "-" else f", {row.cost}"
            lines.append(f"    {_posts(row.posts)}{cost}, {row.took}")
        if row.said:
            lines.append(f"    {row.said}")
    return lines


def _warned(text: str) -> str:
    return click.style(text, fg="yellow") if text else ""


def _posts(count: str) -> str:
    return f"{count} post" if count == "1" else f"{count} posts"


def _sum(lines: Sequence[Line]) -> str:
    manifests = [line for line in lines if isinstance(line, Manifest)]
    refused = sum(map(is_rejected, manifests))
    published = [manifest for manifest in manifests if not is_rejected(manifest)]
    own = [manifest for manifest in published if not manifest.variant]
    early = sum(manifest.truncated is not None for manifest in own)
    expired = sum(manifest.expired is not None for manifest in own)
    missing = sum(line.runs for line in lines if isinstance(line, Gap))
    cost = total(manifest.cost for manifest in manifests)
    text = f"{_runs(len(own))}, {_posts(f'{sum(manifest.counts.kept for manifest in own):,}')}"
    text += f", {early:,} truncated" if early else ""
    text += f", {expired:,} expired" if expired else ""
    text += f", {missing:,} missing" if missing else ""
    text += f", {refused:,} rejected" if refused else ""
    by_hand = len(published) - len(own)
    text += f"; {_runs(by_hand)} by hand beside them" if by_hand else ""
    return f"{text}; {dollars(cost.usd)} in all" if cost else text


def _twice(lines: Sequence[Line], overlapped: Mapping[Named, Overlap]) -> list[str]:
    """That posts of overlapping windows are counted for each, where there are any."""
    known = [line for line in lines if isinstance(line, Manifest) and name_of(line) in overlapped]
    if not known:
        return []
    posts = _posts(f"{sum(manifest.counts.kept for manifest in known):,}")
    verb = "has a window that is" if len(known) == 1 else "have windows that are"
    return [f"{_runs(len(known))} {verb} a newer run's too: up to {posts} may be counted twice"]


def _runs(count: int) -> str:
    return f"{count:,} run" if count == 1 else f"{count:,} runs"


def day(window: Window, place: tzinfo) -> str:
    """A window by the clocks of a zone, as short as it can be said: a day is one date."""
    start, end = window.start.astimezone(place), window.end.astimezone(place)
    if any(moment.time().replace(tzinfo=None).isoformat() != "00:00:00" for moment in (start, end)):
        return span(window, place)
    days = (end.date() - start.date()).days
    return f"{start:%Y-%m-%d}" if days == 1 else f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"


def _lasted(manifest: Manifest) -> timedelta:
    """How long the steps of a run took; from its beginning to its end where nobody said."""
    steps = manifest.durations
    if steps is None:
        return manifest.finished - manifest.started
    return timedelta(seconds=steps.extract + steps.transform + steps.load)


def took(span_of_time: timedelta) -> str:
    """A duration as people say it: `4.2 s`, `3 min 20 s`, `1 h 05 min`."""
    seconds = span_of_time.total_seconds()
    if seconds < _EXACT:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE:02} min"


def as_json(lines: Iterable[Line], overlapped: Mapping[Named, Overlap] = _ALONE) -> str:
    """The same for tools: a list of runs and gaps by window; times in UTC, money in US dollars.

    `superseded` is "wholly" or "partly", null where no newer run covers anything of the window.
    """
    return json.dumps(list(_values(lines, overlapped)), indent=2, ensure_ascii=False)


def _values(lines: Iterable[Line], overlapped: Mapping[Named, Overlap]) -> Iterator[dict[str, object]]:
    for line in lines:
        window = _window(line)
        times = {"start": window.start.isoformat(), "end": window.end.isoformat()}
        if isinstance(line, Gap):
            yield {**times, "missing": line.runs}
            continue
        overlap = overlapped.get(name_of(line))
        yield {
            **times,
            "run": line.run,
            "variant": line.variant,
            "posts": line.counts.kept,
            "truncated": line.truncated,
            "rejected": is_rejected(line),
            "breaches": list(line.quality.breaches) if line.quality else [],
            "cost": line.cost.usd if line.cost else None,
            "seconds": round(_lasted(line).total_seconds(), 3),
            "object": line.object.url,
            "expired": line.expired.isoformat() if line.expired else None,
            "superseded": overlap and ("wholly" if overlap.whole else "partly"),
        }
