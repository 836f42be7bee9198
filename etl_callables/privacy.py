"""What is left out of an object: pseudonyms for names, less of a text, the day instead of the second.

Applied to the sorted rows on their way to the file, so that rows are told apart by what the source gave.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa

from etl_callables.errors import Stop
from etl_callables.manifest import Applied
from etl_callables.run import Run
from etl_callables.table import TEXTS, TIME, pc
from schemas.job import Job
from schemas.words import either

_SHORTEST: Final = 16
"""Characters of a key below which trying all keys is no work."""

_BYTES: Final = 16
_KINDS: Final = {
    "author": "handle",
    "mentions": "handle",
    "author_name": "name",
    "author_id": "account",
    "url": "url",
    **dict.fromkeys(("id", "conversation_id", "in_reply_to", "quoted", "reposted"), "post"),
}
"""Field -> what its values are: those of one kind have the same pseudonyms wherever they stand."""

_NAMED: Final = re.compile(r"@(?<![\w@/.]@)(\w(?:[\w.-]*\w)?(?:@\w(?:[\w.-]*\w)?)?)")
"""A name in a text: @somebody, @somebody.example, @somebody@server.example; not the end of an address.

What may not stand before it is looked at after its @, by which names are found fast."""

_LETTERS: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz234567", np.uint8)
_LENGTH: Final = 26
"""Letters of a pseudonym, five bits each; the last has two bits that are not there and count as zero."""


_Change = Callable[[str, Sequence[str]], "pa.Array[Any]"]
"""From a platform and values to what stands in the values' places."""

Way = Callable[["pa.Array[Any]", "pa.Array[Any]"], "pa.Array[Any]"]
"""From a column, and the platform of each row, to what is written."""


@dataclass(frozen=True, slots=True)
class Privacy:
    """What a job leaves out, ready to be applied."""

    applied: Applied
    _ways: dict[str, list[Way]]

    def apply(self, batch: pa.RecordBatch, fields: Sequence[str]) -> list[pa.Array[Any]]:
        """The columns of `fields`, as they are written. `batch` has `platform` among its columns."""
        return [self._column(batch, name) for name in fields]

    def _column(self, batch: pa.RecordBatch, name: str) -> pa.Array[Any]:
        column = batch[name]
        for way in self._ways.get(name, ()):
            column = way(column, batch["platform"])
        return column

    def moment(self, created: datetime | None) -> datetime | None:
        """A time of a post, as it is written."""
        column: pa.Array[Any] = pa.array([created], TIME)
        for way in self._ways.get("created_at", ()):
            column = way(column, column)
        return cast("datetime | None", column[0].as_py())


def privacy(job: Job, run: Run) -> Privacy | None:
    """What a job leaves out; None where that is nothing. Stop where its key is missing or too short."""
    if job.pseudonymise is None and not job.drop and not job.truncate:
        return None
    ways: dict[str, list[Way]] = {}
    stamp = None
    if job.pseudonymise is not None:
        names = Names(_key(job, job.pseudonymise.key, run), _scope(job, job.pseudonymise.stable))
        stamp = names.stamp
        for field in job.pseudonymise.fields:
            ways[field] = [names.in_text if field == "text" else names.of_kind(_KINDS[field])]
    for field, size in job.truncate.items():
        ways.setdefault(field, []).append(_beginning(size))
    return Privacy(
        Applied(
            pseudonymised=job.pseudonymise.fields if job.pseudonymise else (),
            stable=job.pseudonymise.stable if job.pseudonymise else None,
            key=stamp,
            dropped=job.drop,
            truncated=dict(job.truncate),
        ),
        ways,
    )


def _key(job: Job, name: str, run: Run) -> bytes:
    try:
        password = str(run.connection(name).get("password") or "")
    except LookupError as problem:
        raise Stop(
            f"There is no connection {name}, whose password {job.file} makes pseudonyms with: create it in"
            " Airflow under Admin, Connections, with a long random password (`openssl rand -hex 32`)."
        ) from problem
    if len(password) < _SHORTEST:
        raise Stop(
            f"The password of the connection {name} is too short to make pseudonyms with: give it"
            f" {_SHORTEST} characters or more, at random (`openssl rand -hex 32`)."
        )
    return password.encode()


def names_of(applied: Applied, job: Job, run: Run, values: Mapping[str, Any]) -> Names | str:
    """What made the pseudonyms of an object, or what a person can do to have it where its key is not here.

    `values` are those of its job as its manifest has them, which say the connection that had the key then.
    """
    today = job.pseudonymise.key if job.pseudonymise else None
    names = [name for name in dict.fromkeys((values.get("pseudonymise.key"), today)) if name]
    for name in names:
        with suppress(Stop):
            found = Names(_key(job, name, run), _scope(job, applied.stable))
            if found.stamp == applied.key:
                return found
    if not names:
        return f"put `pseudonymise` back into {job.file} with its key, forget, and change that again"
    return f"give the connection {either(names)} that key again (its mark is {applied.key}) and forget again"


def _scope(job: Job, stable: str | None) -> str:
    return "" if stable == "everywhere" else job.id


class Names:
    """Pseudonyms: HMAC-SHA256 of a value, its kind, its platform and a scope, 26 letters and digits."""

    def __init__(self, key: bytes, scope: str) -> None:
        self.stamp = hmac.digest(key, _framed("key"), "sha256")[:4].hex()
        self._begun = lru_cache(
            lambda *parts: hmac.new(key, b"".join(map(_framed, (scope, *parts))), "sha256")
        )

    def pseudonym(self, platform: str, kind: str, value: str) -> str:
        """The pseudonym of a value. Handles are the same in any case and with or without their @."""
        return base64.b32encode(self._digests(platform, kind, [value])).decode().rstrip("=").lower()

    def _pseudonyms(self, platform: str, kind: str, values: Sequence[str]) -> pa.Array[Any]:
        """The same of many values of a kind, in a third of the time."""
        bits = np.frombuffer(self._digests(platform, kind, values), np.uint8)
        fives = np.pad(np.unpackbits(bits).reshape(-1, 8 * _BYTES), ((0, 0), (0, 2))).reshape(-1, _LENGTH, 5)
        letters = _LETTERS[fives @ np.array([16, 8, 4, 2, 1], np.uint8)]
        ends = np.arange(len(values) + 1, dtype=np.int32) * _LENGTH
        return pa.StringArray.from_buffers(
            len(values), pa.py_buffer(ends.tobytes()), pa.py_buffer(letters.tobytes())
        )

    def _digests(self, platform: str, kind: str, values: Iterable[str]) -> bytes:
        begun = self._begun(platform, kind)
        if kind == "handle":
            values = [value.removeprefix("@").casefold() for value in values]
        digests = []
        for value in values:
            made = begun.copy()
            made.update(_framed(value))
            digests.append(made.digest()[:_BYTES])
        return b"".join(digests)

    def of(self, platform: str, field: str, value: str) -> str:
        """The same by the field that a value stands in."""
        return self.pseudonym(platform, _KINDS[field], value)

    def of_kind(self, kind: str) -> Way:
        """A function of a column and its platforms that gives the column of pseudonyms; null stays null."""

        def each(platform: str, values: Sequence[str]) -> pa.Array[Any]:
            return self._pseudonyms(platform, kind, values)

        def change(column: pa.Array[Any], platforms: pa.Array[Any]) -> pa.Array[Any]:
            if column.type != TEXTS:
                return _each(column, platforms, each)
            owners = platforms.take(pc.list_parent_indices(column))
            inner = _each(pc.list_flatten(column), owners, each)
            lists = pc.cast(pc.fill_null(pc.list_value_length(column), 0), pa.int32())
            ends = pc.cumulative_sum(lists)
            offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
            return pa.ListArray.from_arrays(offsets, inner, type=TEXTS, mask=pc.is_null(column))

        return change

    def in_text(self, column: pa.Array[Any], platforms: pa.Array[Any]) -> pa.Array[Any]:
        """The texts, each @name in them replaced."""

        def each(platform: str, texts: Sequence[str]) -> pa.Array[Any]:
            split = [_NAMED.split(text) for text in texts]  # what stands between names, and the names
            names = list(dict.fromkeys(name for parts in split for name in parts[1::2]))
            known = dict(zip(names, self._pseudonyms(platform, "handle", names).to_pylist(), strict=True))
            for parts in split:
                parts[1::2] = [f"@{known[name]}" for name in parts[1::2]]
            return pa.array(map("".join, split), pa.string())

        named = pc.fill_null(pc.match_substring(column, "@"), False)
        changed = _each(column.filter(named), platforms.filter(named), each)
        return cast("pa.Array[Any]", pc.replace_with_mask(column, named, changed))


def _framed(part: str) -> bytes:
    """A part after its length, so that no two lists of parts are one text."""
    written = part.encode()
    return len(written).to_bytes(8, "big") + written


def _each(column: pa.Array[Any], platforms: pa.Array[Any], change: _Change) -> pa.Array[Any]:
    """Each value changed, each different one once; null stays null."""
    for platform in pc.unique(platforms):
        own = pc.equal(platforms, platform)
        values = column.filter(own).dictionary_encode()
        changed = change(platform.as_py(), cast("list[str]", values.dictionary.to_pylist()))
        column = pc.replace_with_mask(column, own, changed.take(values.indices))
    return column


def _beginning(size: int | str) -> Way:
    """A function that gives the first `size` characters of texts, or the beginning of a unit of time."""

    def change(column: pa.Array[Any], _platforms: pa.Array[Any]) -> pa.Array[Any]:
        if isinstance(size, int):
            short: Any = pc.utf8_slice_codeunits(column, 0, size)
        else:
            short = pc.cast(pc.floor_temporal(column, unit=size), TIME)
        return cast("pa.Array[Any]", short)

    return change
