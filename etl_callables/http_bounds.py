"""How large an answer may be, packed and unpacked, and how long it may take, whoever asks for it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from etl_callables.errors import RetryLater, Stop
from etl_callables.http_deadline import left
from etl_callables.verdict import Answer

DEADLINE: Final = 300.0
"""Seconds after which an answer that still trickles is given up, its head included."""

LARGEST: Final = 64 << 20
"""Bytes of an answer, packed and unpacked, above which something is wrong."""

ENCODING: Final = "gzip"
"""How answers may be packed, for the header that says so."""

_GZIP: Final = 16 + zlib.MAX_WBITS
_PACKED: Final = frozenset({"gzip", "x-gzip"})
_UNPACKED: Final = frozenset({"", "identity", "none", "utf-8"})
"""What servers call no encoding at all; the last two are mistakes that are often made."""


def gathered(pieces: Iterable[bytes], service: str) -> bytes:
    """A body as it comes over the wire. TimeoutError where the time that `within` gives is over."""
    found, size = [], 0
    for piece in pieces:
        found.append(piece)
        size += len(piece)
        if size > LARGEST:
            raise _too_large(service)
        left()
    return b"".join(found)


def unpacked(answer: Answer, service: str) -> Answer:
    """The answer with what is in its body, where its head says that this is packed."""
    encoding = answer.headers.get("content-encoding", "").strip().lower()
    if not answer.body or encoding in _UNPACKED:
        return answer
    if encoding not in _PACKED:
        if answer.status // 100 != 2:  # noqa: PLR2004 - a refusal is one without its words too
            return replace(answer, body=b"")
        raise Stop(
            f"{service} answered in an encoding that was not asked for ({encoding[:80]}): something in"
            f" between changes its answers, or {answer.url} is not its address."
        )
    try:
        body = zlib.decompressobj(_GZIP).decompress(answer.body, LARGEST + 1)
    except zlib.error as problem:
        raise RetryLater(f"{service} sent something that is no whole gzip ({problem}).") from problem
    if len(body) > LARGEST:
        raise _too_large(service)
    return replace(answer, body=body)


def too_slow(service: str, deadline: float) -> RetryLater:
    return RetryLater(f"{service} was still sending after {deadline:.0f} seconds.")


def _too_large(service: str) -> Stop:
    return Stop(f"{service} sent more than {LARGEST >> 20} MiB in one answer.")
