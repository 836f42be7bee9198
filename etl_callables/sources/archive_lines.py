"""Files of an archive as bodies: JSON texts, each with the place in its file where it begins.

What a file holds is kept as it was written. Only what is no JSON is put into some: a CSV record as
an object of its cells, an unreadable line as a note that says why.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from etl_callables.errors import Stop
from etl_callables.raw import Envelope
from etl_callables.sources.files import LONGEST, Damaged, File, lines
from etl_callables.sources.snscrape_items import NEEDED, decode_odd

ROW: Final = "snscrape_csv"
BROKEN: Final = "trawl_broken"
WRAPPED: Final = "trawl_page"

_BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 2000  # characters kept of a line that nobody can read

Bodies = Iterator[tuple[int, bytes]]


class Wrapped(msgspec.Struct):
    """A body that another source fetched, with what reading it takes."""

    source: str
    via: str
    fetched_at: datetime
    body: msgspec.Raw


def bodies(file: File, layout: str, start: int) -> Bodies:
    """Offset and body of everything in the file from byte `start` on, a start that this gave before.

    Bodies of one line share its offset. Stop where the file is not in the layout that the job says.
    """
    end = start
    try:
        for offset, body in _reader(file, layout)(file, start):
            end = offset + 1
            yield offset, body
    except Damaged as problem:
        yield end, broken("damaged-file", f"{file.name}: {problem}")


def broken(reason: str, detail: str, text: bytes = b"") -> bytes:
    """A body that stands for something unreadable, with the beginning of it."""
    shown = text[:_SHOWN].decode("utf-8", "backslashreplace")
    return msgspec.json.encode({BROKEN: {"reason": reason, "detail": detail, "text": shown}})


def _reader(file: File, layout: str) -> Callable[[File, int], Bodies]:
    first = _first_line(file)
    json = first.startswith((b"{", b"["))
    if layout == "snscrape-csv" or (layout == "auto" and not json and _is_table(file, first)):
        _check_header(file, first)
        return _csv
    if layout == "trawl-raw" or (layout == "auto" and _envelope(first)):
        if first and not _envelope(first):
            raise Stop(f"{file.name} is no raw page of Trawl: leave `options.layout` out to have it found.")
        return _raw
    if layout != "auto" and first and not json and _is_table(file, first):
        raise Stop(f"{file.name} is a table, not {layout}: leave `options.layout` out to have it found.")
    begins = first == b"{" or (first.startswith(b"[") and not first.endswith(b"]"))
    return _document if begins else _lines


def _first_line(file: File) -> bytes:
    """The first line with anything on it; empty for an empty file, or for one that is damaged there."""
    try:
        for _, line in lines(file, 0):
            if line and (text := line.removeprefix(_BOM).strip()):
                return text
    except Damaged:
        pass
    return b""


# --- JSON ------------------------------------------------------------------------------------------


def _lines(file: File, start: int) -> Bodies:
    """JSON lines. Whether a line is JSON is found out by reading it, once, later."""
    for offset, line in lines(file, start):
        if line is None:
            yield offset, broken("too-long", f"a line of more than {LONGEST >> 20} MiB")
        elif text := _stripped(line, offset):
            yield from _split(offset, text)


def _stripped(line: bytes, offset: int) -> bytes:
    return (line if offset else line.removeprefix(_BOM)).strip()


def _split(offset: int, text: bytes) -> Bodies:
    """A list as its elements, anything else as it is."""
    if text.startswith(b"["):
        try:
            for element in msgspec.json.decode(text, type=list[msgspec.Raw]):
                yield offset, bytes(element)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield offset, text
    else:
        yield offset, text


def _document(file: File, start: int) -> Bodies:
    """A file that is one JSON text over many lines; as lines where it is not, whatever its first line is.

    Held whole, so its size is bounded. All its bodies begin at 0: a later start is that of a line.
    """
    text = b"" if start else _whole(file)
    if not _is_json(text):
        yield from _lines(file, start)
    else:
        yield from _split(0, text)


def _whole(file: File) -> bytes:
    """The file in one line. Stop where that is too long to be held."""
    parts = []
    size = 0
    for offset, line in lines(file, 0):
        size += LONGEST + 1 if line is None else len(line)
        if size > LONGEST:
            raise Stop(f"{file.name} is one JSON text of over {LONGEST >> 20} MiB: write it as JSON lines.")
        parts.append(_stripped(line or b"", offset))
    return b" ".join(parts)  # a line break in JSON is only ever white space


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


# --- CSV -------------------------------------------------------------------------------------------


def _is_table(file: File, first: bytes) -> bool:
    return ".csv" in file.name or set(_header(first)) >= NEEDED


def _header(first: bytes) -> list[str]:
    try:
        return next(csv.reader([first.decode("utf-8", "replace")]), [])
    except csv.Error:
        return []


def _check_header(file: File, first: bytes) -> None:
    lacking = NEEDED - set(_header(first))
    if first and lacking:
        raise Stop(
            f"{file.name} is no table of snscrape's: it has no column {' and '.join(sorted(lacking))}."
        )


class _Physical:
    """Lines for csv.reader, which takes as many as a record needs; they can be given back."""

    def __init__(self, source: Iterator[tuple[int, bytes | None]]) -> None:
        self.source = source
        self.returned: list[tuple[int, bytes | None]] = []
        self.taken: list[tuple[int, bytes | None]] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        offset, line = self.returned.pop() if self.returned else next(self.source)
        self.taken.append((offset, line))
        if line is None:
            raise csv.Error("a line too long to hold")
        text = line.removeprefix(_BOM) if offset == 0 else line
        return text.decode("utf-8", "surrogateescape") + "\n"


def _csv(file: File, start: int) -> Bodies:
    """CSV records as objects of cells. A record may go over lines; its place is where it begins."""
    header = next((row for _, row in _records(lines(file, 0)) if row), [])
    if not isinstance(header, list):
        raise Stop(f"{file.name} is no table: its first line cannot be read.")
    for offset, row in _records(lines(file, start)):
        if isinstance(row, bytes):
            yield offset, row
        elif row and row != header:
            yield offset, _cells(header, row)


def _cells(header: list[str], row: list[str]) -> bytes:
    if len(row) != len(header):
        return broken("wrong-columns", f"{len(row)} cells under {len(header)} columns")
    try:
        return msgspec.json.encode({ROW: dict(zip(header, row, strict=True))})
    except UnicodeEncodeError:
        return broken("not-utf-8", "a record whose bytes are no UTF-8")


def _records(source: Iterator[tuple[int, bytes | None]]) -> Iterator[tuple[int, list[str] | bytes]]:
    """Offset and cells of each record, or the body that stands for a broken one.

    A quote that is never closed costs its own line, not the rest of the file: the lines that the
    reader took after it are read again. csv's own limit of 128 KiB a cell bounds how many those are.
    """
    physical = _Physical(source)
    while True:
        physical.taken.clear()
        try:
            row = next(csv.reader(physical, strict=True))
        except StopIteration:
            return
        except csv.Error as problem:
            (offset, line), *rest = physical.taken
            physical.returned.extend(reversed(rest))
            yield offset, broken("broken-row", str(problem), line or b"")
        else:
            yield physical.taken[0][0], row


# --- raw pages of Trawl ----------------------------------------------------------------------------


def _envelope(line: bytes) -> Envelope | None:
    try:
        return msgspec.json.decode(line, type=Envelope) if b'"trawl_raw"' in line else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _raw(file: File, start: int) -> Bodies:
    """Bodies wrapped in what their page's envelope says; a file may hold several pages in a row."""
    prefix = b""
    left = 0
    for offset, line in lines(file, 0):  # from the beginning: a body is nothing without its envelope
        if not left:
            envelope = _envelope(line or b"")
            if envelope is not None:
                prefix, left = _prefix(envelope), envelope.bodies
                continue
            if line and offset >= start:
                yield offset, broken("no-envelope", "a line that belongs to no page", line)
            continue
        left -= 1
        if offset >= start:
            yield offset, _wrap(prefix, line)
    if left:
        raise Damaged(f"{left} bodies are missing from its last page")


def _prefix(envelope: Envelope) -> bytes:
    about: Mapping[str, Any] = {
        WRAPPED: 1,
        "source": envelope.source,
        "via": envelope.via,
        "fetched_at": envelope.fetched_at,
    }
    return msgspec.json.encode(about)[:-1] + b',"body":'


def _wrap(prefix: bytes, line: bytes | None) -> bytes:
    try:
        decode_odd(line or b"")
    except (ValueError, RecursionError) as problem:
        return broken("broken-json", f"{type(problem).__name__}: {str(problem)[:200]}", line or b"")
    return prefix + (line or b"") + b"}"
