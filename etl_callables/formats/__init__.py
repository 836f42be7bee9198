"""File formats: one module each, behind one protocol, and their compression.

The bytes are a pure function of the rows and the columns: same posts, same file, on any machine
with the same locked libraries.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, cast

import pyarrow as pa
import zstandard

from etl_callables.formats import csv, jsonl, parquet
from etl_callables.unpacking import DAMAGED, UNPACKERS, Unpacker


class Format(Protocol):
    """What a format's module has."""

    ROWS: int
    """How many rows each batch must have, the last one excepted, for the bytes to be reproducible."""

    def write(self, out: BinaryIO, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """Write a whole file of batches of that schema."""

    def read(self, source: BinaryIO) -> pa.Table:
        """The rows with the exact text that was written; types as far as the format keeps them."""


FORMATS: Final[Mapping[str, Format]] = {
    "csv": cast("Format", csv),
    "jsonl": cast("Format", jsonl),
    "parquet": cast("Format", parquet),
}
COMPRESSIONS: Final = {"gz": "gzip", "zst": "zstd"}
"""Suffix of a file -> the compression around the format."""

UNREADABLE: Final = (ValueError, KeyError, EOFError, OSError, pa.ArrowException, zstandard.ZstdError)
"""What `read_file` raises for a file that is none of ours, or a part of one."""

_PIECE: Final = 1 << 20


class Encoded(NamedTuple):
    """A finished file: its size in bytes and its SHA-256."""

    size: int
    sha256: str


def write_file(
    path: Path, name: str, compression: str | None, schema: pa.Schema, batches: Iterable[pa.RecordBatch]
) -> Encoded:
    """Write batches of any size to a local file; KeyError for an unknown format."""
    form = FORMATS[name]
    with path.open("wb") as file:
        out = _Hashed(file)
        with _compressed(out, compression) as inner:
            form.write(inner, schema, rechunked(schema, batches, form.ROWS))
        return Encoded(file.tell(), out.sha256.hexdigest())


def read_file(source: BinaryIO, name: str, compression: str | None) -> pa.Table:
    """The rows of what `write_file` wrote, from a binary stream."""
    if compression is not None:
        source = cast("BinaryIO", io.BufferedReader(_Unpacked(source, UNPACKERS[compression]), _PIECE))
    return FORMATS[name].read(source)


def rechunked(schema: pa.Schema, batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly `rows`, each in one piece, the last one shorter."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        start = 0
        while count + batch.num_rows - start >= rows:
            stop = start + rows - count
            yield _one(schema, [*waiting, batch.slice(start, stop - start)])
            waiting, count, start = [], 0, stop
        if start < batch.num_rows:
            waiting.append(batch.slice(start))
            count += batch.num_rows - start
    if waiting:
        yield _one(schema, waiting)


def _one(schema: pa.Schema, batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    return pa.Table.from_batches(batches, schema).combine_chunks().to_batches()[0]


class _Hashed(io.RawIOBase):
    """A file that is hashed while it is written, front to back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self._file.write(data)


class _Unpacked(io.RawIOBase):
    """The content of compressed frames; EOFError where the last one, or the only one, ends early.

    The libraries' own readers take such an end, or that of no frame at all, for the end of the content.
    """

    def __init__(self, packed: BinaryIO, new: Callable[[], Unpacker]) -> None:
        self._packed = packed
        self._new = new
        self._frame = new()
        self._given = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            data = self._given or self._packed.read(_PIECE)
            if not data:
                if self._frame.eof:
                    return 0
                raise EOFError("the compressed data ends early")
            if self._frame.eof:
                self._frame = self._new()
            try:
                self._ready = memoryview(self._frame.decompress(data))
            except DAMAGED as problem:
                raise ValueError(f"the compressed data is damaged: {problem}") from problem
            self._given = self._frame.unused_data
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size


@contextmanager
def _compressed(out: _Hashed, compression: str | None) -> Iterator[BinaryIO]:
    if compression == "gzip":
        # No name and no time in the header: they would make two files of the same posts differ.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=0) as inner:
            yield cast("BinaryIO", inner)
    elif compression == "zstd":
        with zstandard.ZstdCompressor(level=3).stream_writer(cast("BinaryIO", out), closefd=False) as inner:
            yield inner
    elif compression is None:
        yield cast("BinaryIO", out)
    else:
        raise ValueError(f"unknown compression {compression!r}")
