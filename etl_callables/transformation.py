"""Transform: raw pages to one finished, checksummed file, staged beside its final place."""

from __future__ import annotations

import errno
import gc
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, Protocol, cast

import msgspec
import pyarrow as pa

from etl_callables import forgetting, raw
from etl_callables.ahead import ahead
from etl_callables.cleansing import UNPARTED, cleanse
from etl_callables.errors import RetryLater, Stop
from etl_callables.formats import write_file
from etl_callables.manifest import Applied, Measured
from etl_callables.post import Post, Skipped, unreadable
from etl_callables.privacy import Privacy, privacy
from etl_callables.quality import Measure
from etl_callables.run import Run, file_name, has_table, object_key, prefix
from etl_callables.runs import KEY, RUN_BYTES, Runs
from etl_callables.scratch import scratch
from etl_callables.selection import Selection, Tally
from etl_callables.shares import shares
from etl_callables.sources import Source, source_for
from etl_callables.store import Store, open_store
from etl_callables.table import COUNTS, SCHEMA, TIME, batch_of, output_schema, pc, typed
from schemas.job import Job
from schemas.key import TABLE
from schemas.window import Window

_ITEMS: Final = 8192
"""Items that are checked and turned into columns at once."""

_FEW: Final = 256
"""Bodies of a page below which its columns are not worth making on their own."""


class Columnar(Protocol):
    """What a source's module may have besides: a faster way for many regular bodies."""

    def columns(
        self, bodies: Sequence[bytes], fetched_at: datetime, fields: Sequence[str]
    ) -> pa.RecordBatch | None:
        """`fields` of the posts, as in `table.SCHEMA`, a row a body; None when any body needs `posts`."""


class Staged(msgspec.Struct, frozen=True, kw_only=True):
    """What transform found and made: `staged.json`, beside the file it describes.

    `fetched` items were in the pages: `kept`, `duplicate`, `outside_window`, `over_limit` and those
    `skipped` by reason add up to it. `mended` posts had text that is no Unicode, now U+FFFD.
    `first_post` and `last_post` are creation times of what was kept. `privacy` is what was done to it,
    `measured` what the job's bounds are about. `tag` is the store's mark of this very file. `raw_sha256`
    is of the pages that were read (`raw.digest_of_pages`), None where it was not made of pages. `forgotten`
    is the mark of what these were rid of, None where that is nothing.
    """

    key: str
    size: int
    sha256: str
    format: str
    compression: str | None
    columns: tuple[str, ...]
    fetched: int
    kept: int
    duplicate: int
    outside_window: int
    over_limit: int
    skipped: dict[str, int]
    mended: int
    first_post: datetime | None
    last_post: datetime | None
    raw: str
    started: datetime
    finished: datetime
    privacy: Applied | None = None
    measured: Measured | None = None
    tag: str | None = None
    raw_sha256: str | None = None
    forgotten: str | None = None


_MANY: Final = 100_000
"""A limit above this is worth looking whether it binds."""


def transform(
    job: Job, window: Window, run: Run, extracted: dict[str, Any], *, run_bytes: int = RUN_BYTES
) -> dict[str, Any]:
    """Turn the raw pages of `extracted["raw"]` (the key of a `done.json`) into the job's file.

    Returns `{"staged": key of staged.json, "posts": how many it has, "raw": as given}`. Needs no network but
    the bucket; posts beyond `run_bytes` are sorted on disk. What the job was told to forget since they were
    fetched goes out of the pages first. Raises RetryLater and Stop.

    Where items came and not one could be read, that is a warning and no failure: one odd item may be all
    that a small window has, and nothing that a person could correct in the job would let it pass. A job
    that must have posts says so with `quality`, and fails.
    """
    started = run.now()
    store = open_store(job, run)
    done, rid = _rid(store, job, extracted["raw"], run)
    folder = f"{prefix(job, window, run)}/staged/{raw.new_attempt(started)}"
    key = f"{folder}/{_name(job, window, run)}"
    measure = Measure(job.quality)
    fields = tuple(dict.fromkeys([*KEY, *(column.field for column in job.columns), *measure.fields]))
    picked = [column.field for column in job.columns]
    schema = file_schema(job, store, run)
    hidden = privacy(job, run)
    span = _Span()
    digests: dict[str, str] = {}
    with (
        _explained(),
        scratch() as local,
        Runs(local, pa.schema([SCHEMA.field(name) for name in fields]), run_bytes) as runs,
    ):
        table = _Table(source_for(done.source, done.via), _selection(job, window, done), fields, runs)
        with _no_garbage():
            table.take(ahead(_pieces(store, done.pages, digests)))
        rows = (
            pa.RecordBatch.from_arrays(
                _columns(_written(batch, picked, hidden), schema, window, batch.num_rows), schema=schema
            )
            for batch in measure.watch(span.watch(runs.merged()))
        )
        file = local / "object"
        encoded = write_file(file, file_format(job), job.compression, schema, ahead(rows))
        store.put(file, key)
    tally = table.tally
    staged = Staged(
        key=key,
        size=encoded.size,
        sha256=encoded.sha256,
        format=file_format(job),
        compression=job.compression,
        columns=tuple(column.header for column in job.columns),
        fetched=tally.fetched,
        kept=tally.kept - runs.duplicates,
        duplicate=tally.duplicate + runs.duplicates,
        outside_window=tally.outside,
        over_limit=tally.over_limit,
        skipped=dict(sorted(tally.skipped.items())),
        mended=table.mended,
        first_post=hidden.moment(span.first) if hidden else span.first,
        last_post=hidden.moment(span.last) if hidden else span.last,
        raw=extracted["raw"],
        privacy=None if hidden is None else hidden.applied,
        measured=measure.measured,
        started=started,
        finished=run.now(),
        tag=store.tag(key),
        raw_sha256=raw.digest_of_pages(digests),
        forgotten=rid,
    )
    store.write(f"{folder}/staged.json", msgspec.json.format(msgspec.json.encode(staged), indent=2) + b"\n")
    run.log.info("%s", summary(staged))
    if said := unreadable(job.source, staged.fetched, staged.skipped):
        what = "archive" if job.source == "archive" else "source"
        where = f"; what came is in {store.url(extracted['raw'].rpartition('/')[0])}/" if job.keep_raw else ""
        run.log.warning("The %s may have changed, or be no such thing: %s%s.", what, said, where)
    return {"staged": f"{folder}/staged.json", "posts": staged.kept, "raw": staged.raw}


def _rid(store: Store, job: Job, key: str, run: Run) -> tuple[raw.Done, str | None]:
    """What closes the pages, which are rid of all that is to be forgotten, and the mark of that."""
    done, forgotten = raw.read_done(store, key), forgetting.recall(store, job)
    if forgotten is None or done.forgotten == forgotten.mark:
        return done, done.forgotten if forgotten else None
    gone = cleanse(store, source_for(done.source, done.via), done.pages, forgotten, run.now())
    done = msgspec.structs.replace(done, forgotten=forgotten.mark)
    if gone:
        run.log.info("%d of its posts left out, to be forgotten", len(gone.names))
        taken = tuple(name for name in done.taken if name not in gone.names)
        done = msgspec.structs.replace(done, first_post=None, last_post=None, taken=taken)
    if not gone.parted:
        truncated = "; ".join(filter(None, [done.truncated, UNPARTED]))
        done = msgspec.structs.replace(done, truncated=truncated, complete=False)
    raw.write_done(store, key.partition("/raw/")[0], raw.attempt_of(key), done)
    return done, forgotten.mark


def file_format(job: Job) -> str:
    """The format of a job's files, those of a table too."""
    return "parquet" if job.format == TABLE else job.format


def file_schema(job: Job, store: Store, run: Run) -> pa.Schema:
    """The columns of a job's files: the job's own and, for a table, the window, each with its id in it."""
    if not has_table(job, run):
        return output_schema(job.columns)
    from etl_callables.iceberg import lake  # noqa: PLC0415 (only for who has a table)

    return lake(job, store, run).file_schema()


def read_staged(store: Store, key: str) -> Staged:
    """What transform wrote; Missing when there is none, Stop when it is damaged."""
    try:
        return msgspec.json.decode(store.read(key), type=Staged)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Stop(f"{store.url(key)} is damaged ({problem}): clear the transform task.") from problem


def summary(staged: Staged) -> str:
    """The counts in a line for a person, those that are zero left out."""
    lost = {
        "duplicate": staged.duplicate,
        "outside the window": staged.outside_window,
        "over the limit": staged.over_limit,
        **{f"skipped ({reason})": count for reason, count in staged.skipped.items()},
        "with mended text": staged.mended,
    }
    rest = "".join(f", {count:,} {what}" for what, count in lost.items() if count)
    return (
        f"{staged.kept:,} posts of {staged.fetched:,} items{rest}; {staged.size:,} bytes of {staged.format}"
    )


def _written(batch: pa.RecordBatch, fields: Sequence[str], hidden: Privacy | None) -> list[pa.Array[Any]]:
    """The columns of some fields as the object has them."""
    return [batch[name] for name in fields] if hidden is None else hidden.apply(batch, fields)


def _columns(
    columns: list[pa.Array[Any]], schema: pa.Schema, window: Window, rows: int
) -> list[pa.Array[Any]]:
    """The columns of a file: the job's and, where the schema has one more, the window."""
    if len(columns) == len(schema):
        return columns
    return [*columns, pa.repeat(pa.scalar(window.start, TIME), rows)]


def _name(job: Job, window: Window, run: Run) -> str:
    key = object_key(job, window, run)
    return key.rpartition("/")[2] if run.variant else file_name(job, key)


def _pieces(
    store: Store, keys: Iterable[str], digests: dict[str, str]
) -> Iterator[tuple[datetime, list[bytes]]]:
    """When each page was fetched, and some of its bodies, until all pages are read.

    `digests` are given the SHA-256 of each page as it is stored, by its key.
    """
    for key in keys:
        digest = hashlib.sha256()
        envelope, pieces = raw.stream_page(store, key, digest.update)
        for bodies in pieces:
            yield envelope.fetched_at, bodies
        digests[key] = digest.hexdigest()


class _Table:
    """Items on their way from pages to sorted runs, counted as they go."""

    def __init__(self, source: Source, selection: Selection, fields: Sequence[str], runs: Runs) -> None:
        self._selection = selection
        self._source = source
        plain = selection.limit is None and not selection.taken
        self._fast = cast("Columnar", source).columns if plain and hasattr(source, "columns") else None
        self._window = selection.window
        self._fields = fields
        self._runs = runs
        self._items: list[Post | Skipped] = []
        self.mended = 0

    @property
    def tally(self) -> Tally:
        return self._selection.tally

    def take(self, pieces: Iterable[tuple[datetime, list[bytes]]]) -> None:
        """All items of pages: when each was fetched, and some of its bodies."""
        for fetched_at, bodies in pieces:
            if self._fast is not None and len(bodies) >= _FEW:
                batch = self._fast(bodies, fetched_at, self._fields)
                if batch is not None and _is_sound(batch):
                    self._flush()
                    self._add(batch)
                    continue
            for body in bodies:
                self._items += _items(self._source, body, fetched_at)
                if len(self._items) >= _ITEMS:
                    self._flush()
        self._flush()

    def _flush(self) -> None:
        """Hand on the items that wait."""
        posts = list(self._selection.keep(typed(self._items, self._fields)))
        self._items = []
        if posts:
            batch, mended = batch_of(posts, self._fields)
            self.mended += mended
            self._runs.add(batch)

    def _add(self, batch: pa.RecordBatch) -> None:
        """As `Selection.keep` and `Runs.add`, a column at a time."""
        created = batch["created_at"]
        start, end = (pa.scalar(moment, TIME) for moment in (self._window.start, self._window.end))
        inside = batch.filter(pc.and_(pc.greater_equal(created, start), pc.less(created, end)))
        self.tally.fetched += batch.num_rows
        self.tally.kept += inside.num_rows
        self.tally.outside += batch.num_rows - inside.num_rows
        self._runs.add(inside)


def _items(source: Source, body: bytes, fetched_at: datetime) -> list[Post | Skipped]:
    """The items of a body; one that the source cannot read is itself an item, and skipped."""
    try:
        return list(source.posts(body, fetched_at))
    except Exception as problem:  # noqa: BLE001 (one broken item must not cost the others)
        return [Skipped("unreadable", f"{type(problem).__name__}: {problem}")]


def _is_sound(batch: pa.RecordBatch) -> bool:
    """Whether no row has a flaw, so that none need be looked at alone."""
    if any(batch[name].null_count for name in KEY):
        return False
    if any(pc.any(pc.equal(batch[name], "")).as_py() for name in ("platform", "id")):
        return False
    counts = [name for name in COUNTS if name in batch.schema.names]
    return all((pc.min(batch[name]).as_py() or 0) >= 0 for name in counts)


def _selection(job: Job, window: Window, done: raw.Done) -> Selection:
    """What extract kept, to be kept again."""
    limit = _limit(job, done)
    if done.since is not None:
        window = Window(done.since, window.end)
    # Without a limit the runs find the duplicates, in flat memory.
    return Selection(
        window,
        limit,
        distinct=limit is not None,
        shares=shares(job, window),
        taken=frozenset(done.taken),
    )


def _limit(job: Job, done: raw.Done) -> int | None:
    """The job's limit, or None where so many items are allowed that it cannot matter.

    To hold a limit exactly, what was seen must be remembered: nothing to do without need for millions.
    """
    if job.limit is not None and job.limit > _MANY and done.items <= job.limit and job.per == "run":
        return None
    return job.limit


@contextmanager
def _no_garbage() -> Iterator[None]:
    """No search for cycles: posts have none, and looking at millions of them costs a sixth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Span:
    """First and last creation time of sorted batches that pass."""

    first: datetime | None = None
    last: datetime | None = None

    def watch(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            created = batch["created_at"]
            self.first = self.first or created[0].as_py()
            self.last = created[-1].as_py()
            yield batch


@contextmanager
def _explained() -> Iterator[None]:
    """What the local disk says, as a sentence and a consequence."""
    try:
        yield
    except OSError as problem:  # the store's own come as RetryLater and Stop
        where = tempfile.gettempdir()
        if problem.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT}:
            raise Stop(f"Temporary files cannot be written in {where} ({problem}): set TMPDIR.") from problem
        raise RetryLater(
            f"Temporary files cannot be written in {where} ({problem}). Nothing was published."
        ) from problem
