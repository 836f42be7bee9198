"""What takes compressed data apart, a piece at a time, and knows where a frame of it ends."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import zstandard


class Unpacker(Protocol):
    """Of one frame, or member: `eof` once it has ended, with what follows it in `unused_data`."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


UNPACKERS: Final[Mapping[str, Callable[[], Unpacker]]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
}
"""By the name of the compression."""

DAMAGED: Final = (zlib.error, zstandard.ZstdError)
"""What they raise for data that is none of theirs."""
