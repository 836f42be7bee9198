"""Posts that somebody collected before: files of several layouts, told apart by what is in them.

| layout         | a file is                                                                       |
| -------------- | ------------------------------------------------------------------------------- |
| snscrape-jsonl | a tweet a line, from `snscrape --jsonl`                                         |
| snscrape-csv   | a table of the same items, from pandas' `to_csv`                                |
| x-api-v2       | a response of the X API v2 a line                                               |
| trawl-raw      | raw pages of Trawl itself, from any source                                      |

All may be packed (.gz, .zst). An archive cannot search, so this source does: it gives only bodies
that hold a post of the window that matches the query (`schemas.search`), and those that
it cannot read, which are counted. A body of many posts stays whole, with a note which of them match.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any, Final

import msgspec

from etl_callables.errors import StaleCursor
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, archive_lines, snscrape_items, source_for, x_api_v2
from etl_callables.sources.files import File, find
from etl_callables.sources.words import Words, parse

if TYPE_CHECKING:
    from pyarrow import RecordBatch

PLATFORM: Final = "archive"
REPEATS: Final = False

_ODD: Final = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
_BODIES: Final = 1000
_BYTES: Final = 1 << 20
_DETAIL: Final = 200
_SEARCH: Final = b'"search_by_raw_query"'
"""In every page of X's own search; elsewhere only where it is a whole text."""
_PAGE: Final = b'{"trawl_page":'
_NO_PAGE: Final = Skipped("unknown-shape", "no page of a search")
_DEEP: Final = Skipped("broken-json", "pages inside pages, too deep to be read")
_ONLY: Final = b'{"trawl_only":'


def version() -> str:
    return f"trawl {version_of('trawl')}"


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Batches of about 1,000 bodies or 1 MiB. A cursor is file number, byte offset, state and file name."""
    words = parse(request.query)
    files = find(request.options["files"], request.folder, request.credentials, run)
    layout = request.options.get("layout", "auto")
    number, start = _place(files, cursor)
    known = _Known(files[:number])
    batch: list[bytes] = []
    size = 0
    last: tuple[int, int] | None = None  # where the newest body of the batch begins
    now = run.now()
    for index in range(number, len(files)):
        file = files[index]
        state = known.with_next(file)
        for offset, body in archive_lines.bodies(file, layout, start if index == number else 0):
            wanted = _wanted(body, request, words, now)
            if wanted is None:
                continue
            # A page ends where the next body begins, so that the last page is known to be the last;
            # never between bodies of one line, for a cursor names a line.
            if (len(batch) >= _BODIES or size >= _BYTES) and last != (index, offset):
                yield Page(tuple(batch), f"{index}:{offset}:{state}:{file.name}")
                batch, size = [], 0
            batch.append(wanted)
            size += len(wanted)
            last = (index, offset)
    yield Page(tuple(batch), None)


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The items of one body of any layout."""
    if body.startswith(_ONLY):
        return iter(_some(body, fetched_at))
    try:
        return iter((snscrape_items.read_line(body, fetched_at),))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return iter(_other(body, fetched_at))


def columns(bodies: Sequence[bytes], fetched_at: datetime, fields: Sequence[str]) -> RecordBatch | None:
    """The same posts, many at once, where all bodies are regular tweets as snscrape writes them."""
    from etl_callables.sources import snscrape_columns  # noqa: PLC0415 (Arrow: only transform needs it)

    return snscrape_columns.columns(bodies, fetched_at, fields)


def _other(body: bytes, fetched_at: datetime) -> list[Post | Skipped]:
    """The items of a body that is not, or not quite, a tweet as snscrape writes it."""
    if body.startswith(_PAGE):
        return _wrapped(body)
    if _SEARCH in body:
        items = list(source_for("twitter", "snscrape").posts(body, fetched_at))
        if items != [_NO_PAGE]:
            return items
    try:
        found = x_api_v2.read_page(body, fetched_at)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if found is not None:
        return found
    try:
        value = snscrape_items.decode_odd(body)
    except (ValueError, RecursionError) as problem:
        return [Skipped("broken-json", f"{type(problem).__name__}: {str(problem)[:_DETAIL]}")]
    if not isinstance(value, dict):
        return [Skipped("unknown-shape", f"a JSON {type(value).__name__}")]
    return [_of_value(value, fetched_at)]


def _of_value(value: dict[str, Any], fetched_at: datetime) -> Post | Skipped:
    match value:
        case {archive_lines.ROW: dict(row)}:
            return snscrape_items.read_row(row, fetched_at)
        case {archive_lines.BROKEN: {"reason": str(reason), "detail": str(detail)}}:
            return Skipped(reason, detail)
        case {"id": _, "action": str(action)}:
            return Skipped("compliance", f"an order to {action} a post, which is no post")
    item = snscrape_items.read_value(value, fetched_at)
    if item is None:
        item = Skipped("unknown-shape", f"an object with {', '.join(sorted(value)[:5]) or 'nothing in it'}")
    return item


def _wrapped(body: bytes) -> list[Post | Skipped]:
    """The items of a body that another source fetched, read by that source."""
    try:
        inner = msgspec.json.decode(body, type=archive_lines.Wrapped)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return [Skipped("broken-json", str(problem)[:_DETAIL])]
    try:
        source = source_for(inner.source, inner.via)
    except KeyError:
        return [Skipped("unknown-source", f"a page fetched from {inner.source} through {inner.via}")]
    try:
        return list(source.posts(bytes(inner.body), inner.fetched_at))
    except RecursionError:
        return [_DEEP]


def _place(files: list[File], cursor: str | None) -> tuple[int, int]:
    """Number of the file and byte offset at which to go on."""
    if cursor is None:
        return 0, 0
    number, offset, state, name = cursor.split(":", 3)
    place = int(number)
    if place >= len(files) or _Known(files[:place]).with_next(files[place]) != state:
        raise StaleCursor(f"The files of the archive changed since an interrupted try was reading {name}.")
    return place, int(offset)


class _Known:
    """The files that were read to their ends; what they hold by now does not matter."""

    def __init__(self, files: Iterable[File]) -> None:
        self._names = sha256()
        for file in files:
            self._add(file)

    def with_next(self, file: File) -> str:
        """The state of the archive while the next file is read, which changes when that is written again."""
        self._add(file)
        state = self._names.copy()
        state.update(f"{file.tag}".encode())
        return state.hexdigest()[:16]

    def _add(self, file: File) -> None:
        self._names.update(f"{file.name}\0".encode())


def _wanted(body: bytes, request: Request, words: Words, now: datetime) -> bytes | None:
    """What of a body belongs to the request: all, some of its items, or nothing (None)."""
    try:
        items = list(posts(body, now))
    except _ODD as problem:  # a page of another source, in which something is not what it always was
        return archive_lines.broken("unknown-shape", f"{type(problem).__name__}: {problem}"[:_DETAIL], body)
    if not _is_text(body) or (len(items) == 1 and items[0][0] == "broken-json"):
        return archive_lines.broken("broken-json", str(items[0][1])[:_DETAIL], body)
    kept = [index for index, item in enumerate(items) if _asked(item, request, words)]
    if len(kept) == len(items):
        return body if items else None
    return _ONLY + msgspec.json.encode(kept) + b',"body":' + body + b"}" if kept else None


def _is_text(body: bytes) -> bool:
    """Whether the bytes are UTF-8; parsers pass over strings that they were not asked for."""
    if body.isascii():
        return True
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _asked(item: Post | Skipped, request: Request, words: Words) -> bool:
    if isinstance(item, Skipped):
        return True
    created = item.created_at if item.created_at.tzinfo else item.created_at.replace(tzinfo=UTC)
    return created in request.window and (not words or words.match(item.text, item.author))


class _Some(msgspec.Struct):
    """A body of several items, of which only those at these places were asked for."""

    trawl_only: list[int]
    body: msgspec.Raw


def _some(body: bytes, fetched_at: datetime) -> list[Post | Skipped]:
    try:
        some = msgspec.json.decode(body, type=_Some)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        return [Skipped("broken-json", str(problem)[:_DETAIL])]
    try:
        items = list(posts(bytes(some.body), fetched_at))
    except RecursionError:
        return [_DEEP]
    return [items[place] for place in some.trawl_only if 0 <= place < len(items)]
