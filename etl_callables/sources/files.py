"""Files of an archive, wherever they are: found by pattern, opened, unpacked, read line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final
from urllib.parse import unquote, urlsplit

from etl_callables.errors import Stop
from etl_callables.run import Run
from etl_callables.store import Store, store_at
from etl_callables.unpacking import DAMAGED, UNPACKERS, Unpacker

LONGEST: Final = 64 << 20
"""Bytes of the longest line read; one that is longer cannot be held and is passed over as broken."""

_CHUNK: Final = 256 << 10
_WILD: Final = re.compile(r"[*?]")


class Damaged(Exception):  # noqa: N818 - the state of a file, and no error of ours
    """A compressed file that is not whole; what came before has been read."""


@dataclass(frozen=True, slots=True)
class File:
    """One file: the address a person knows it by, and where it is kept."""

    name: str
    store: Store
    key: str

    @property
    def tag(self) -> str | None:
        """What changes whenever the file is written again, None when there is none."""
        return self.store.tag(self.key)

    def open(self) -> BinaryIO:
        return self.store.open(self.key)


def find(patterns: str | list[str], folder: str, credentials: Mapping[str, Any], run: Run) -> list[File]:
    """The files that the patterns name, sorted, each once. Stop where a pattern names none.

    A pattern is a path below `folder`, a `file:///` or an `s3://` address; `*` and `?` stand for
    anything within a folder's name, `**` for folders too.
    """
    found: dict[str, File] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        some = _find(pattern, folder, credentials, run)
        if not some:
            raise Stop(f"There is no file {pattern} to read posts from; `options.files` names it.")
        found.update((file.name, file) for file in some)
    return [found[name] for name in sorted(found)]


def _find(pattern: str, folder: str, credentials: Mapping[str, Any], run: Run) -> list[File]:
    scheme, separator, rest = pattern.partition("://")
    if separator and scheme != "file":
        bucket, _, key = rest.partition("/")
        # The store asks the run for a connection by name; here its values are at hand already.
        known = replace(run, connection=lambda _name: credentials)
        connection = "source" if credentials else None
        store = store_at(f"{scheme}://{bucket}", connection=connection, run=known)
    else:
        path = Path(unquote(urlsplit(pattern).path) if separator else pattern)
        absolute = Path(folder) / path
        store = store_at(absolute.anchor or "/")
        key = absolute.relative_to(absolute.anchor).as_posix()
    return [File(store.url(found), store, found) for found in _matching(store, _without_dots(key))]


def _without_dots(key: str) -> str:
    """`a/../b` as `b`: a store has no folders to climb."""
    parts: list[str] = []
    for part in key.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", ".", ".."}:
            parts.append(part)
    return "/".join(parts)


def _matching(store: Store, pattern: str) -> list[str]:
    if not _WILD.search(pattern):
        return [pattern] if store.size(pattern) is not None else []
    fixed = _WILD.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    wanted = re.compile(_expression(pattern), re.DOTALL)
    return [entry.key for entry in store.list(fixed) if wanted.fullmatch(entry.key)]


def _expression(pattern: str) -> str:
    signs = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(signs.get(part, re.escape(part)) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def lines(file: File, start: int) -> Iterator[tuple[int, bytes | None]]:
    """Offset and text of each line from byte `start` of the unpacked file, without its line break.

    None stands for a line longer than LONGEST. Never holds more than one line and a chunk.
    Raises Damaged where a compressed file ends early or is corrupt, after the lines before.
    """
    offset = start
    parts: list[bytes] = []  # of the line whose end has not come yet
    size = 0
    for chunk in _skipped(file, start):
        head, *whole = chunk.split(b"\n")
        parts.append(head)
        size += len(head)
        if size > LONGEST:
            parts.clear()
        for line in whole:
            yield offset, None if size > LONGEST else b"".join(parts)
            offset += size + 1
            parts, size = [line], len(line)
    if size:
        yield offset, None if size > LONGEST else b"".join(parts)


def _skipped(file: File, start: int) -> Iterator[bytes]:
    """The unpacked bytes from `start` on. A packed file has to be unpacked from its beginning."""
    with file.open() as stream:
        packed = _PACKED.get(file.name.rpartition(".")[2].lower())
        if packed is None:
            stream.seek(start)
            yield from _chunks(stream)
            return
        passed = 0
        for data in _unpacked(_chunks(stream), UNPACKERS[packed]):
            if passed + len(data) > start:
                yield data[max(0, start - passed) :]
            passed += len(data)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


_PACKED: Final = {"gz": "gzip", "zst": "zstd"}
"""Endings of names, and the compression they say."""


def _unpacked(chunks: Iterator[bytes], new: Callable[[], Unpacker]) -> Iterator[bytes]:
    """The content of one packed file of any number of members, as `gzip -c >>` makes them."""
    unpacker = new()
    begun = False
    try:
        for chunk in chunks:
            data = chunk
            while data := data if begun else data.lstrip(b"\0"):  # gzip pads members with zeros
                begun = True
                yield unpacker.decompress(data)
                if not unpacker.eof:
                    break
                data = unpacker.unused_data
                unpacker, begun = new(), False
    except DAMAGED as problem:
        raise Damaged(str(problem)) from problem
    if begun:
        raise Damaged("it ends early")
