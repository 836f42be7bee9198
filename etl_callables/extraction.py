"""Extract: ask the source for a window's posts and keep every page before asking for the next."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, Protocol, cast

from etl_callables import forgetting, memory, raw
from etl_callables.ahead import Behind, ahead
from etl_callables.asking import Asked, Asking
from etl_callables.cleansing import UNPARTED, Cleansed, cleanse
from etl_callables.cost import dollars
from etl_callables.errors import StaleCursor, Stop
from etl_callables.forgetting import Forgotten
from etl_callables.post import Post, Skipped
from etl_callables.run import Kept, Run, prefix
from etl_callables.selection import Selection
from etl_callables.shares import shares
from etl_callables.sources import Page, Request, Source, source_for
from etl_callables.spending import Account
from etl_callables.store import Store, folder_to_make, open_store
from schemas.job import Job
from schemas.window import Window

REPEATED: Final = "source repeats pages"
EMPTY: Final = "source gives empty pages"

_REPEATS: Final = 2
"""Pages in a row with only what an earlier page had, after which a service is going in circles. One
alone happens where a service answers from two machines."""

_EMPTIES: Final = 10
"""Pages in a row without any item, after which a service will give none."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Incremental(Protocol):
    """What the module of a source without a past (`INCREMENTAL`) has besides."""

    def remember(self, bodies: Sequence[bytes], *, rest: bool) -> dict[str, Any]:
        """What to be told next time (`Request.memory`), from the pages of a run.

        With `rest`, not all of it was taken: the same must be given again even where nothing changes.
        """


def extract(job: Job, window: Window, run: Run, *, source: Source | None = None) -> dict[str, Any]:
    """Fetch the window's posts into raw pages, going on where a killed try of the same run was.

    Where that place is no more, as in an archive that changed since, it begins anew.

    Returns `{"raw": key of done.json, "pages": how many, "posts": how many are kept}`. Without a
    limit the posts are counted before duplicates are looked for, which transform does, so that
    memory stays flat. `source` stands in for the one that the job names, for whoever writes one.
    Raises RetryLater and Stop.
    """
    if job.pseudonymise is not None:
        from etl_callables.privacy import privacy  # noqa: PLC0415 - brings pyarrow, which few jobs need here

        privacy(job, run)  # without its key nothing is asked for, which would lie there as it came
    source = source or source_for(job.source, job.via)
    try:
        return _extract(job, window, run, source)
    except StaleCursor as problem:
        run.log.warning("%s All of it is read again, from the start.", problem)
        return _extract(job, window, run, source, anew=True)


def _extract(job: Job, window: Window, run: Run, source: Source, *, anew: bool = False) -> dict[str, Any]:
    """The same; `anew` leaves what earlier tries kept."""
    started = run.now()
    store, attempt = open_store(job, run), raw.new_attempt(started)
    known = memory.recall(store, job) if memory.remembers(source, job, run) else None
    span = _span(job, window, known)
    request = Request(
        query=job.query,
        window=span,
        limit=job.limit,
        options=job.options,
        folder=job.folder,
        credentials=credentials(job, run),
        connection=job.source_connection or "",
        memory=known.reminder(job, window) if known else {},
    )
    log = _Log(
        store=store,
        prefix=prefix(job, window, run),
        attempt=attempt,
        account=Account(store, job, attempt, run),
        # What a source without a past said belongs to the window, whichever run heard it.
        fingerprint=raw.fingerprint(job, window, replace(run, id="") if known else run),
        job=job,
        version=source.version(),
        unkept=getattr(source, "UNKEPT", 0),
    )
    forgotten = forgetting.recall(store, job)
    parts = shares(job, span)
    selection = Selection(
        span,
        job.limit,
        distinct=job.limit is not None or known is not None,
        shares=parts,
        taken=known.taken(window) if known else frozenset(),
    )
    asking = Asking(source, request, parts, selection, run)
    progress = _Progress(source, selection, asking, run)
    _tell_of_a_new_folder(job, run)
    if not anew:
        _adopt(log, progress, asking, run, finished=known is not None)
    adopted = len(log.keys)
    requests, resumed = 0, progress.cursor is not None and known is None
    if progress.going:
        with (
            log.account.keeping(request.purse),
            log.behind,
            closing(_pages(asking, progress.cursor, job, log.unkept)) as pages,
        ):
            for asked in _resuming(pages, log.account) if resumed else pages:
                requests += 1
                page = asked.page if forgotten is None else _without(forgotten, source, asked.page, run)
                log.write(page, asked.cursor, run.now())
                progress.cursor = asked.cursor
                if not progress.take(page.bodies, page.cursor, page.truncated):
                    break
    forgotten = _forget_late(log, progress, forgotten, run, adopted=adopted)
    if known is not None:
        forgotten = _remember(log, progress, forgotten, window, run)
    return _finish(log, progress, started, requests, run, since=span.start if known else None, rid=forgotten)


def _resuming(pages: Iterator[Asked], account: Account) -> Iterator[Asked]:
    """The pages from where an earlier try ended; StaleCursor where that place alone may be refused.

    Not where pages were paid for, which are not to be paid for twice.
    """
    try:
        first = next(pages, None)
    except StaleCursor:
        raise
    except Stop as problem:
        if account.cost and account.cost.usd:
            raise
        raise StaleCursor(
            f"{str(problem).rstrip('.')}; or the place where an earlier try ended is no more."
        ) from problem
    if first is not None:
        yield first
        yield from pages


def _tell_of_a_new_folder(job: Job, run: Run) -> None:
    """A bucket that nobody has written to yet may be one that nobody meant."""
    if folder := folder_to_make(job):
        run.log.warning(
            "the bucket's folder %s is not there, and this run makes it: where you meant another, correct"
            " `bucket` in %s and delete this one",
            folder,
            job.file,
        )


def _pages(asking: Asking, cursor: str | None, job: Job, unkept: int) -> Generator[Asked]:
    """The pages from a cursor on, some of them fetched ahead where a page that is not used costs nothing.

    With a limit none is: before a page is counted, nobody knows whether another one is wanted.
    """
    pages = asking.pages(cursor)
    yield from ahead(pages, unkept) if unkept and job.limit is None else pages


def _without(forgotten: Forgotten, source: Source, page: Page, run: Run) -> Page:
    """A page as it is kept: without what the job was told to forget."""
    try:
        bodies, gone = forgetting.scrub(source, page.bodies, forgotten.knows, run.now())
    except forgetting.Unparted:
        return replace(page, bodies=(), truncated=page.truncated or UNPARTED)
    if gone:
        run.log.info("%s left out, to be forgotten", _posts(gone))
    return replace(page, bodies=tuple(bodies)) if gone else page


def _forget_late(
    log: _Log, progress: _Progress, before: Forgotten | None, run: Run, *, adopted: int = 0
) -> Forgotten | None:
    """Take out of the pages what the job was told to forget while they came; all that they are rid of then.

    Whoever wrote the first of them, so many that are `adopted`, may have known of less than `before`.
    """
    forgotten = forgetting.recall(log.store, log.job)
    if forgotten is None:
        return None
    is_new = before is None or forgotten.digests != before.digests
    gone = cleanse(
        log.store, progress.source, log.keys if is_new else log.keys[:adopted], forgotten, run.now()
    )
    if gone:
        run.log.info("%s left out, to be forgotten", _posts(len(gone.names)))
        progress.forget(gone)
    return forgotten


def _span(job: Job, window: Window, known: memory.Memory | None) -> Window:
    """From when to when posts are taken: of a source without a past, all that no earlier run took."""
    return window if known is None else Window(job.date_range.since or _EPOCH, window.end)


def _remember(
    log: _Log, progress: _Progress, forgotten: Forgotten | None, window: Window, run: Run
) -> Forgotten | None:
    """Claim the posts kept, before anything says that they are; all that is forgotten by then."""
    source, selection = progress.source, progress.selection
    while True:
        bodies = [body for page in raw.read_pages(log.store, log.keys) for body in page.bodies]
        posts = (item for body in bodies for item in source.posts(body, window.end) if isinstance(item, Post))
        # What is left for the next run has to be given again.
        rest = selection.tally.over_limit > 0 or any(post.created_at >= window.end for post in posts)
        note = cast("Incremental", source).remember(bodies, rest=rest)
        # No other run changes it meanwhile, but what is forgotten goes out of it.
        known = memory.recall(log.store, log.job)
        memory.remember(log.store, log.job, known.with_claims(log.job, window, progress.names, note))
        before, forgotten = forgotten, _forget_late(log, progress, forgotten, run)
        if forgotten is None or (before is not None and forgotten.digests == before.digests):
            return forgotten


def credentials(job: Job, run: Run) -> Mapping[str, Any]:
    """The values of the job's source connection, none where it names none; Stop where it is missing.

    White space around them comes from copying, and is left out.
    """
    name = job.source_connection
    if name is None:
        return {}
    try:
        given = run.connection(name)
        extra = given.get("extra")
        return _trimmed({**given, "extra": _trimmed(extra)} if isinstance(extra, Mapping) else given)
    except LookupError as problem:
        raise Stop(
            f"There is no connection {name}, which {job.file} names for its source:"
            " create it in Airflow under Admin, Connections, or correct the name."
        ) from problem


def _trimmed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}


@dataclass(slots=True)
class _Log:
    """The pages of this attempt, in the bucket."""

    store: Store
    prefix: str
    attempt: str
    fingerprint: str
    job: Job
    version: str
    account: Account
    unkept: int
    keys: list[str] = field(default_factory=list)
    behind: Behind = field(init=False)

    def __post_init__(self) -> None:
        self.behind = Behind(self.unkept)

    def write(self, page: Page, asked: str | None, fetched_at: datetime) -> None:
        """Keep a page that was asked for with the cursor `asked`.

        It is safe once this returns, and of a source that lets some be lost, once `behind` is left.
        """
        envelope = raw.Envelope(
            source=self.job.source,
            via=self.job.via,
            version=self.version,
            page=len(self.keys),
            cursor=asked,
            next=page.cursor,
            previous=self.keys[-1] if self.keys else None,
            fetched_at=fetched_at,
            bodies=len(page.bodies),
            truncated=page.truncated,
            fingerprint=self.fingerprint,
            cost=page.cost,
        )
        self.behind.do(lambda: raw.write_page(self.store, self.prefix, self.attempt, envelope, page.bodies))
        self.keys.append(raw.page_key(self.prefix, self.attempt, envelope.page))
        self.account.pay(self.keys[-1], envelope)


class _Progress:
    """How far a run is: what its pages held, what to ask next, and whether to ask at all."""

    def __init__(self, source: Source, selection: Selection, asking: Asking, run: Run) -> None:
        self.selection = selection
        self._asking = asking
        self.cursor: str | None = None
        self.going = True
        self.truncated: str | None = None
        self.pages = 0
        self.source = source
        self._run = run
        self._asked: set[str] = set()
        self._contents: set[int] = set()
        self._repeats = 0
        self._empties = 0
        self._forgotten: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """The ids of the posts kept, without those that are forgotten."""
        return [name for name in self.selection.names if name not in self._forgotten]

    @property
    def met(self) -> list[str]:
        """The same of the posts that belong to other runs, sorted."""
        return sorted(self.selection.met - self._forgotten)

    def forget(self, gone: Cleansed) -> None:
        """Tell nothing of posts that are out of the pages; which are first and last then, transform says."""
        self._forgotten |= gone.names
        self.selection.tally.oldest = self.selection.tally.newest = None
        if not gone.parted:
            self._note(UNPARTED)

    def take(
        self, bodies: tuple[bytes, ...], following: str | None, truncated: str | None, *, new: bool = True
    ) -> bool:
        """Count a page that was asked for with `self.cursor`; whether to ask for another one.

        Only what is `new` is told in the log: a page that an earlier try fetched was told by it.
        """
        if self.cursor is not None:
            self._asked.add(self.cursor)
        fetched, content = self._count(bodies)
        self.cursor = following
        self.pages += 1
        self._note(truncated)
        if new:
            items = "1 item" if fetched == 1 else f"{fetched:,} items"
            self._run.log.info("page %d: %s, %s", self.pages, items, self.so_far())
        tally = self.selection.tally
        self._run.watch(Kept(self.pages, tally.kept, tally.oldest, tally.newest))
        if self.selection.full or following is None:
            self.going = False
        elif following in self._asked or self._circles(content):
            self.going = False
            self._note(REPEATED)
        else:
            # A feed that has not changed is nothing strange.
            self._empties = 0 if fetched or not self.source.REPEATS else self._empties + 1
            if self._asking.begins(following):
                # Nor is a day without posts, nor one whose pages have what another's had.
                self._contents.clear()
                self._repeats = self._empties = 0
            if self._empties >= _EMPTIES:
                self.going = False
                self._note(EMPTY)
        return self.going

    def _note(self, truncated: str | None) -> None:
        """Each reason once: several parts of a window may have the same."""
        if truncated and truncated not in (self.truncated or "").split("; "):
            self.truncated = f"{self.truncated}; {truncated}" if self.truncated else truncated

    def _count(self, bodies: tuple[bytes, ...]) -> tuple[int, frozenset[tuple[str, str]]]:
        """How many items a page has, and which they are where that tells a repeat.

        They are its posts; on a page without any, what was skipped.
        """
        before = self.selection.tally.fetched
        now = self._run.now()
        posts = getattr(self.source, "brief", self.source.posts)
        items: Iterable[Post | Skipped] = chain.from_iterable(posts(body, now) for body in bodies)
        names: set[tuple[str, str]] = set()
        skipped: set[tuple[str, str]] = set()
        if self.source.REPEATS:
            items = _noting(items, names.add, skipped.add)
        for _ in self.selection.keep(items):
            pass
        return self.selection.tally.fetched - before, frozenset(names or skipped)

    def _circles(self, content: frozenset[tuple[str, str]]) -> bool:
        """Whether the service goes in circles, under cursors that are always new."""
        if not content:
            return False
        known = hash(content)
        self._repeats = self._repeats + 1 if known in self._contents else 0
        self._contents.add(known)
        return self._repeats >= _REPEATS

    def so_far(self) -> str:
        """What the pages held, for a person."""
        selection = self.selection
        kept = selection.tally.kept
        total = (
            f"{_posts(kept)} so far" if selection.limit is None else f"{kept:,} of {_posts(selection.limit)}"
        )
        oldest = selection.tally.oldest
        return f"{total}, back to {oldest:%Y-%m-%d %H:%M} UTC" if oldest else total


def _noting(
    items: Iterable[Post | Skipped],
    note: Callable[[tuple[str, str]], None],
    note_skipped: Callable[[tuple[str, str]], None],
) -> Iterator[Post | Skipped]:
    """The same items, each post's name noted on the way, and of what is skipped what it was."""
    for item in items:
        if isinstance(item, Post):
            note((item.platform, item.id))
        else:
            note_skipped((item.reason, item.detail))
        yield item


def _adopt(log: _Log, progress: _Progress, asking: Asking, run: Run, *, finished: bool) -> None:
    """Count the pages that a killed try of this run left, so that they are not asked for again.

    One that a disk has damaged since is, and what follows it.
    """
    keys = raw.adoptable(log.store, log.prefix, log.fingerprint, finished=finished)
    for page in _readable(log.store, keys, run):
        log.keys.append(page.key)
        log.account.pay(page.key, page.envelope)
        asking.adopt(
            page.envelope.cursor, Page(tuple(page.bodies), page.envelope.next, page.envelope.truncated)
        )
        if not progress.take(page.bodies, page.envelope.next, page.envelope.truncated, new=False):
            break
    if progress.pages:
        count = "1 page is" if progress.pages == 1 else f"{progress.pages:,} pages are"
        more = "going on from there" if progress.going else "no more are needed"
        run.log.info("%s here from an earlier try, %s; %s", count, progress.so_far(), more)


def _readable(store: Store, keys: list[str], run: Run) -> Iterator[raw.RawPage]:
    """The pages up to the first that is damaged."""
    try:
        yield from raw.read_pages(store, keys)
    except raw.Damaged as problem:
        run.log.warning("%s: it is asked for again, and so is what follows it.", problem.what)


def _finish(
    log: _Log,
    progress: _Progress,
    started: datetime,
    requests: int,
    run: Run,
    *,
    since: datetime | None,
    rid: Forgotten | None,
) -> dict[str, Any]:
    tally = progress.selection.tally
    done = raw.Done(
        pages=tuple(log.keys),
        items=tally.fetched,
        posts=tally.kept,
        duplicates=tally.duplicate,
        outside_window=tally.outside,
        over_limit=tally.over_limit,
        skipped=dict(sorted(tally.skipped.items())),
        first_post=tally.oldest,
        last_post=tally.newest,
        truncated=progress.truncated,
        complete=progress.truncated is None,
        requests=requests,
        source=log.job.source,
        via=log.job.via,
        provider=log.version,
        fingerprint=log.fingerprint,
        started=started,
        finished=run.now(),
        cost=log.account.cost,
        since=since,
        taken=tuple(progress.met),
        forgotten=rid.mark if rid else None,
    )
    key = raw.write_done(log.store, log.prefix, log.attempt, done)
    _summarise(done, progress, run)
    return {"raw": key, "pages": len(done.pages), "posts": done.posts}


def _summarise(done: raw.Done, progress: _Progress, run: Run) -> None:
    skipped = sum(done.skipped.values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in done.skipped.items())
    parts = [
        f"{done.duplicates:,} duplicates" if done.duplicates else "",
        f"{done.outside_window:,} outside the window" if done.outside_window else "",
        f"{done.over_limit:,} over the limit" if done.over_limit else "",
        f"{skipped:,} skipped ({reasons})" if skipped else "",
    ]
    unique = "" if progress.selection.distinct else " (duplicates are taken out later)"
    left_out = "".join(f", {part}" for part in parts if part)
    count = f"{len(done.pages):,} {'page' if len(done.pages) == 1 else 'pages'}"
    price = f" for {dollars(done.cost.usd)}" if done.cost and done.cost.usd else ""
    run.log.info("extracted %s%s from %s%s%s", _posts(done.posts), unique, count, price, left_out)
    if done.truncated:
        run.log.warning("the source ended before the window did: %s", done.truncated)


def _posts(count: int) -> str:
    return f"{count:,} post" if count == 1 else f"{count:,} posts"
