"""`trawl preview`: a few posts now, and how full each column is; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from textwrap import wrap
from typing import Any, Final, cast

import click

from etl_callables.cost import Cost, Purse, dollars, total
from etl_callables.counting import preview as count
from etl_callables.errors import NothingToDo, RetryLater, Stop
from etl_callables.extraction import credentials
from etl_callables.post import FIELDS, Post
from etl_callables.preview import Preview
from etl_callables.privacy import privacy
from etl_callables.run import Run
from etl_callables.selection import Selection, Tally
from etl_callables.sources import Request, source_for
from etl_callables.spending import payments, spent
from etl_callables.store import open_store
from etl_callables.table import batch_of
from schemas.job import Job
from schemas.schedule import window_before
from schemas.window import Window
from schemas.words import counted, printable
from schemas.zone import zone
from trawl.history import day
from trawl.request import EPOCH, own_window

_PAGES: Final = 5
"""Pages after which a source with nothing to show is left alone."""

_SHOWN: Final = ("created_at", "author", "text")
_LEAST: Final = 12
"""Columns below which a text says nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a source gave. `posts` are all kept of the `pages` fetched, in the source's order.

    `counted` is what the source says there is, None where it cannot, and `uncounted` why it did not though
    it can; `cost` is what the pages cost.
    """

    window: Window
    counted: Preview | None
    uncounted: str
    posts: Sequence[Post]
    tally: Tally
    pages: int
    truncated: str | None
    cost: Cost | None


def window_of(job: Job, now: datetime) -> Window:
    """The last window that a run could have taken; of a range that is over, its last one.

    Raises NothingToDo where the date range lies ahead.
    """
    window = own_window(job, window_before(job.schedule, now))
    until = job.date_range.until
    if window is None and until is not None and until <= now:
        window = own_window(job, window_before(job.schedule, until))
    if window is None:
        raise NothingToDo(
            f"nothing to show yet: the date range of {job.file} begins at"
            f" {job.date_range.since:%Y-%m-%d %H:%M} UTC, and no run's window is over since"
        )
    return window


def sample(job: Job, window: Window, run: Run, posts: int) -> Sample:
    """Count what is there where the source can, then fetch pages until there are `posts`, or a few pages.

    Costs at most what the job allows a run, and what it has left of its month. Raises RetryLater and Stop.
    """
    source = source_for(job.source, job.via)
    there, uncounted = _count(job, window, run)
    if getattr(source, "INCREMENTAL", False):
        window = Window(job.date_range.since or EPOCH, run.now())
    request = Request(
        query=job.query,
        window=window,
        limit=posts,
        options=job.options,
        folder=job.folder,
        credentials=credentials(job, run),
        connection=job.source_connection or "",
        purse=_purse(job, run),
    )
    selection = Selection(window)
    kept: list[Post] = []
    costs: list[Cost | None] = []
    truncated = None
    with closing(cast("Any", source.pages(request, None, run))) as pages:
        for page in pages:
            costs.append(page.cost)
            truncated = page.truncated or truncated
            kept += selection.keep(item for body in page.bodies for item in source.posts(body, run.now()))
            if len(kept) >= posts or len(costs) >= _PAGES:
                break
    return Sample(window, there, uncounted, kept, selection.tally, len(costs), truncated, total(costs))


def _count(job: Job, window: Window, run: Run) -> tuple[Preview | None, str]:
    """How many there are; or why that could not be told, which keeps nobody from looking at some."""
    try:
        return count(job, window, run), ""
    except (RetryLater, Stop) as error:
        return None, str(error)


def _purse(job: Job, run: Run) -> Purse:
    """What a look may cost: what a run may, and no more than the month has left."""
    bound = job.max_cost
    purse = Purse(bound.run, f"max_cost.run of {dollars(bound.run)}" if bound.run is not None else "")
    if bound.month is not None:
        recorded, found = payments(open_store(job, run), job.id, run.now())
        left = round(bound.month - spent([*recorded, *found]), 6)
        if purse.left is None or left < purse.left:
            purse = Purse(left, f"max_cost.month of {dollars(bound.month)}")
    return purse


def sheet(job: Job, found: Sample, posts: int, width: int) -> str:
    """The page: what there is, `posts` of them, and the columns; in `width` columns where words allow.

    What the job hides is hidden here too; pseudonyms are made with a key of the moment.
    """
    place = zone(job.schedule.timezone)
    lines = [f"{click.style(job.id, bold=True)}  {day(found.window, place)} ({job.schedule.timezone})"]
    lines += [part for text in _sentences(found) for part in wrap(text, max(20, width))]
    if found.posts and job.pseudonymise is not None:
        lines += wrap("Pseudonyms are shown, not those that runs write.", max(20, width))
    if found.posts:
        written = _as_written(job, found.posts)
        lines += ["", *_rows(written[:posts], place, width), "", *_columns(job, written, width)]
    return "\n".join(lines)


def _as_written(job: Job, posts: Sequence[Post]) -> Sequence[Post]:
    """The posts as a run would write them, as far as a person can tell."""
    hidden = privacy(job, Run(connection=lambda _: {"password": token_hex()}))
    if hidden is None:
        return posts
    batch, _ = batch_of(posts, FIELDS)
    columns = {
        name: [None] * len(posts) if name in job.drop else column.to_pylist()
        for name, column in zip(FIELDS, hidden.apply(batch, FIELDS), strict=True)
    }
    return [Post(*row) for row in zip(*(columns[name] for name in FIELDS), strict=True)]


def _sentences(found: Sample) -> Iterator[str]:
    there, tally = found.counted, found.tally
    if there is not None:
        costs = f"; counting cost {dollars(there.asked.usd)}" if there.asked else ""
        most = f"; fetching what a run keeps costs at most {dollars(there.most.usd)}" if there.most else ""
        yield f"The source counts {counted(there.posts, 'post')} there{most}{costs}."
        if there.missing:
            yield f"It cannot count {there.missing}."
    if found.uncounted:
        yield f"Not counted: {found.uncounted}"
    left = {
        "outside the window": tally.outside,
        "duplicate": tally.duplicate,
        **{f"skipped ({printable(reason)})": number for reason, number in sorted(tally.skipped.items())},
    }
    rest = "".join(f", {number:,} {what}" for what, number in left.items() if number)
    price = f" for {dollars(found.cost.usd)}" if found.cost and found.cost.usd else ""
    yield (
        f"{counted(tally.kept, 'post')} of {counted(tally.fetched, 'item')} on"
        f" {counted(found.pages, 'page')}{price}{rest}. Nothing was written."
    )
    if found.truncated:
        yield f"The source ended before the window did: {printable(found.truncated)}."


def _rows(posts: Sequence[Post], place: Any, width: int) -> Iterator[str]:
    """A line a post: when, who, and as much of the text as there is room for."""
    authors = [_text(post.author) for post in posts]
    most = min(max(map(len, authors), default=0), 20)
    for post, author in zip(posts, authors, strict=True):
        created: datetime | None = post.created_at  # none where it is dropped
        when = f"{created.astimezone(place):%Y-%m-%d %H:%M}" if created else ""
        head = f"  {when:<16}  {_cut(author, most):<{most}}"
        room = width - len(head) - 2
        if room < _LEAST:
            yield head.rstrip()
            yield f"    {_cut(_text(post.text), max(_LEAST, width - 4))}".rstrip()
        else:
            yield f"{head}  {_cut(_text(post.text), room)}".rstrip()


def _columns(job: Job, posts: Sequence[Post], width: int) -> Iterator[str]:
    """A line a column: how many of the posts have something in it, and the first value there is."""
    name = max(len("column"), *(len(column.header) for column in job.columns)) if job.columns else 6
    yield f"  {'column':<{name}}  full  for example"
    for column in job.columns:
        values = [post[FIELDS.index(column.field)] for post in posts]
        given = [value for value in values if value not in (None, "", (), [])]
        # Rounded down: 100% is all of them.
        full = f"{100 * len(given) // len(values)}%"
        room = max(_LEAST, width - name - 10)
        example = _cut(_text(given[0]), room) if given else ""
        line = f"  {printable(column.header):<{name}}  {full:>4}  {example}".rstrip()
        yield line if given else click.style(line, fg="yellow")


def _text(value: object) -> str:
    """A value on one line, with nothing in it that moves a cursor."""
    if value is None:
        return ""
    if isinstance(value, tuple | list):
        value = ", ".join(map(str, value))
    if isinstance(value, datetime):
        value = value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return printable(" ".join(str(value).split()))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}…"
