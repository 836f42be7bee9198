"""Raw pages: the log of an extract, immutable, from which everything after it can be made again.

Below the folder of a run's window (`etl_callables.run.prefix`):

    raw/<attempt>/00000.jsonl.zst    a page: an envelope on the first line, then a body a line
    raw/<attempt>/done.json          closes a finished extract and lists its pages in order

Each execution of an extract is an attempt of its own, whose name no other process can have, so a
zombie and its retry never write the same object. A retry adopts the pages of a killed attempt that
asked for the same thing (`adoptable`): each page names the one before it, and its own begin after.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import BinaryIO, Final, cast

import msgspec
import zstandard

from etl_callables.cost import Cost
from etl_callables.errors import Stop
from etl_callables.run import Run
from etl_callables.store import Missing, Store
from schemas.job import Job
from schemas.window import Window

VERSION: Final = 1
_LINES: Final = 4096
"""Bodies in one piece of a page that is read as a stream."""


class Damaged(Stop):
    """A raw page, or the list of them, is not as it was written; `what` says which and how."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: clear the extract task to fetch it again.")
        self.what = what


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a page: where its bodies come from.

    `cursor` is what the page was asked with, `next` what follows it, None after the last. `page`
    counts from 0; `previous` is the key of the page before, None on page 0. `bodies` is how many
    lines follow. `fingerprint` says what was asked for (`fingerprint()`). `cost` is what the answer
    cost, None where nothing does.
    """

    source: str
    via: str
    version: str
    page: int
    cursor: str | None
    next: str | None
    previous: str | None
    fetched_at: datetime
    bodies: int
    truncated: str | None
    fingerprint: str
    cost: Cost | None = None
    trawl_raw: int = VERSION


class RawPage(msgspec.Struct, frozen=True):
    """A page and its key."""

    key: str
    envelope: Envelope
    bodies: tuple[bytes, ...]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What an extract found: the last thing it writes.

    `pages` are keys in the order they were asked for, adopted ones included. `items` counts all
    that the source's bodies held, which is `posts` (kept: unique, in the window, within the limit)
    + `duplicates` + `outside_window` + `over_limit` + the sum of `skipped` (by reason). `first_post`
    and `last_post` are the earliest and latest creation of what was kept. `truncated` says why the
    source ended before the window did, None when it did not; `complete` is whether everything asked
    for was given. Of a source without a past, `since` is from when on posts are taken, before the
    window, and `taken` are the ids of posts met that belong to other runs (`etl_callables.memory`).
    `requests` were made by this attempt; `cost` is of all pages, None where nothing costs. `forgotten` is
    the mark of what the pages are rid of (`etl_callables.forgetting`), None where that is nothing.
    """

    pages: tuple[str, ...]
    items: int
    posts: int
    duplicates: int
    outside_window: int
    over_limit: int
    skipped: dict[str, int]
    first_post: datetime | None
    last_post: datetime | None
    truncated: str | None
    complete: bool
    requests: int
    source: str
    via: str
    provider: str
    fingerprint: str
    started: datetime
    finished: datetime
    cost: Cost | None = None
    since: datetime | None = None
    taken: tuple[str, ...] = ()
    forgotten: str | None = None
    trawl_raw: int = VERSION


def fingerprint(job: Job, window: Window, run: Run) -> str:
    """SHA-256 of all that decides which pages a source gives, and of the run that asks."""
    asked = [job.source, job.via, job.query, job.options, job.limit, str(window), run.id]
    if job.per != "run":
        asked.append(job.per)
    text = json.dumps(asked, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def new_attempt(now: datetime) -> str:
    """A name that no other process takes, and that sorts by time: `20210706T000003.250000Z-1f0c9a7e`."""
    return f"{attempt_name(now)}-{secrets.token_hex(4)}"


def attempt_name(moment: datetime) -> str:
    """The beginning of the names of attempts of that moment; earlier ones sort before it."""
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"


def attempt_moment(name: str) -> datetime:
    """When an attempt began, by its name; ValueError for what is none."""
    return datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)


def attempt_of(key: str) -> str:
    """The attempt that a page, a staged file or a list of either belongs to, by its key."""
    return key.split("/")[-2]


def page_key(prefix: str, attempt: str, page: int) -> str:
    """Where a page is kept."""
    return f"{prefix}/raw/{attempt}/{page:05d}.jsonl.zst"


def write_page(store: Store, prefix: str, attempt: str, envelope: Envelope, bodies: Sequence[bytes]) -> str:
    """Keep a page; its key. `envelope.bodies` must be the number of bodies."""
    if envelope.bodies != len(bodies):
        raise ValueError(f"an envelope of {envelope.bodies} bodies around {len(bodies)}")
    key = page_key(prefix, attempt, envelope.page)
    _write(store, key, envelope, bodies)
    return key


def rewrite_page(store: Store, key: str, envelope: Envelope, bodies: Sequence[bytes]) -> None:
    """Put other bodies into a page that is kept, for what may not stay in it."""
    _write(store, key, msgspec.structs.replace(envelope, bodies=len(bodies)), bodies)


def _write(store: Store, key: str, envelope: Envelope, bodies: Sequence[bytes]) -> None:
    # Raw line breaks in JSON are white space only; inside a string they are escaped.
    lines = [body.replace(b"\n", b" ") if b"\n" in body else body for body in bodies]
    store.write(key, zstandard.compress(b"\n".join([msgspec.json.encode(envelope), *lines, b""]), 3))


def write_done(store: Store, prefix: str, attempt: str, done: Done) -> str:
    """Close an attempt; the key of its `done.json`, which is all that transform needs."""
    key = f"{prefix}/raw/{attempt}/done.json"
    store.write(key, msgspec.json.format(msgspec.json.encode(done), indent=2) + b"\n")
    return key


def read_done(store: Store, key: str) -> Done:
    """What `write_done` wrote; Missing when there is none, Stop when it is damaged."""
    try:
        done = msgspec.json.decode(store.read(key), type=Done)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise _damaged(store, key, str(problem)) from problem
    _check_version(done.trawl_raw, store, key)
    return done


def read_page(store: Store, key: str) -> RawPage:
    """A whole page; Missing when there is none, Damaged when it is damaged."""
    envelope, pieces = stream_page(store, key)
    return RawPage(key, envelope, tuple(body for piece in pieces for body in piece))


def read_pages(store: Store, keys: Iterable[str]) -> Iterator[RawPage]:
    """Pages in the order of their keys, one in memory at a time."""
    for key in keys:
        yield read_page(store, key)


def digest_of_pages(digests: Mapping[str, str]) -> str:
    """One SHA-256 for pages as they are stored, by the SHA-256 of each in the order of `done.json`.

    It is of a line a page, as `sha256sum` prints them in the folder `raw` of their window: the page's SHA-256
    in hexadecimal digits, two spaces, `<attempt>/<file>`, a line break. Where the window's folder is does not
    matter.
    """
    lines = (f"{digest}  {'/'.join(key.split('/')[-2:])}\n" for key, digest in digests.items())
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def stream_page(
    store: Store, key: str, stored: Callable[[bytes], object] = lambda _piece: None
) -> tuple[Envelope, Iterator[list[bytes]]]:
    """A page's envelope, and its bodies some thousands at a time, for pages too large to hold.

    `stored` is given the page's bytes as they are stored, all of them once the last body is taken.
    """
    pieces = _lines(store, key, stored)
    first = next(pieces, [])
    try:
        envelope = msgspec.json.decode(first[0] if first else b"", type=Envelope)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise _damaged(store, key, str(problem)) from problem
    _check_version(envelope.trawl_raw, store, key)

    def bodies() -> Iterator[list[bytes]]:
        count = 0
        piece: list[bytes] | None = first[1:]
        while piece is not None:
            count += len(piece)
            if piece:
                yield piece
            piece = next(pieces, None)
        if count != envelope.bodies:
            raise _damaged(store, key, f"{count} bodies instead of {envelope.bodies}")

    return envelope, bodies()


def _lines(store: Store, key: str, stored: Callable[[bytes], object]) -> Iterator[list[bytes]]:
    """The lines of a compressed object, some thousands at a time."""
    with store.open(key) as compressed:
        reader = zstandard.ZstdDecompressor().stream_reader(
            cast("BinaryIO", _Watched(compressed, stored)), read_across_frames=True
        )
        rest = b""
        lines: list[bytes] = []
        while data := _read(reader, store, key):
            *whole, rest = (rest + data).split(b"\n")
            lines += whole
            if len(lines) >= _LINES:
                yield lines
                lines = []
        if rest:
            raise _damaged(store, key, "it ends in mid line")
        if lines:
            yield lines


class _Watched:
    """A stream whose bytes somebody else is given as well."""

    def __init__(self, stream: BinaryIO, seen: Callable[[bytes], object]) -> None:
        self._stream = stream
        self._seen = seen

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._seen(data)
        return data


def _read(reader: BinaryIO, store: Store, key: str) -> bytes:
    try:
        return reader.read(1 << 20)
    except zstandard.ZstdError as problem:
        raise _damaged(store, key, str(problem)) from problem


class Attempt(msgspec.Struct, frozen=True):
    """What is in the bucket of one execution of extract: its own pages by number, and its end if any."""

    name: str
    pages: dict[int, str]
    done: str | None


def attempts(store: Store, prefix: str) -> list[Attempt]:
    """The attempts kept of a window, oldest first."""
    found: dict[str, Attempt] = {}
    for entry in store.list(f"{prefix}/raw"):
        *_, name, file = entry.key.split("/")
        attempt = found.setdefault(name, Attempt(name, {}, None))
        number = file.removesuffix(".jsonl.zst")
        if file == "done.json":
            found[name] = msgspec.structs.replace(attempt, done=entry.key)
        elif number.isdecimal():
            attempt.pages[int(number)] = entry.key
    return [found[name] for name in sorted(found)]


def adoptable(store: Store, prefix: str, wanted: str, *, finished: bool = False) -> list[str]:
    """Keys of the pages, from page 0, that an extract with this fingerprint need not ask for again.

    They are the newest unfinished attempt's own and, through `previous`, those it adopted itself.
    Attempts older than a finished one of the same fingerprint are not: whoever runs a finished
    extract again wants the source asked again. With `finished` it gets the pages of that one, for a
    source that cannot be asked for the past.
    """
    for attempt in reversed(attempts(store, prefix)):
        if attempt.done is not None:
            if _fingerprint_of(store, attempt.done) == wanted:
                return list(read_done(store, attempt.done).pages) if finished else []
            continue
        chain = _chain(store, attempt, wanted)
        if chain:
            return chain
    return []


def _chain(store: Store, attempt: Attempt, wanted: str) -> list[str]:
    """The unbroken pages from 0 to the attempt's last; empty when there are none with this fingerprint."""
    if not attempt.pages:
        return []
    first = number = min(attempt.pages)
    while number + 1 in attempt.pages:
        number += 1
    before: list[str] = []
    key: str | None = attempt.pages[first]
    page = first
    while key is not None:
        try:
            envelope, _ = stream_page(store, key)
        except Stop:
            return []
        if envelope.fingerprint != wanted or envelope.page != page:
            return []
        before.append(key)
        key = envelope.previous
        page -= 1
    if page != -1:
        return []
    return before[::-1] + [attempt.pages[page] for page in range(first + 1, number + 1)]


def _fingerprint_of(store: Store, done: str) -> str | None:
    try:
        return read_done(store, done).fingerprint
    except Stop:  # damaged, or expired since it was listed
        return None


def _check_version(version: int, store: Store, key: str) -> None:
    if version != VERSION:
        raise Stop(f"{store.url(key)} was written by another version of Trawl (format {version}).")


def _damaged(store: Store, key: str, why: str) -> Damaged:
    return Damaged(f"The raw page {store.url(key)} is damaged ({why})")


__all__ = [
    "Attempt",
    "Damaged",
    "Done",
    "Envelope",
    "Missing",
    "RawPage",
    "adoptable",
    "attempt_moment",
    "attempt_name",
    "attempt_of",
    "attempts",
    "digest_of_pages",
    "fingerprint",
    "new_attempt",
    "page_key",
    "read_done",
    "read_page",
    "read_pages",
    "rewrite_page",
    "stream_page",
    "write_done",
    "write_page",
]
