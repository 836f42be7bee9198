"""Rows sorted and made unique in flat memory: sorted runs on disk, merged as a stream.

Rows come in any order and leave by (created_at, platform, id), each (platform, id) once: the one
that came first. In memory are one run while it is collected, and of each run one small batch while
they are merged; runs that do not overlap in time, as pages that come newest first make them, are
read one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from etl_callables.table import pc

RUN_BYTES: Final = 32 << 20
"""Arrow bytes of a run. Three may be alive at once: one collected, one sorted, one the sort's result."""

_BATCH_BYTES: Final = 512 << 10
_ORDER: Final = [
    ("created_at", "ascending"),
    ("platform", "ascending"),
    ("id", "ascending"),
    ("_seq", "ascending"),
]
_HASH: Final = pa.field("_hash", pa.int64())
_SEQ: Final = pa.field("_seq", pa.int64())
KEY: Final = ("created_at", "platform", "id")

_Key = tuple[int, str, str, int]


class _Run(NamedTuple):
    """A sorted run: its first key, and its batches in a file or, where it is the only one, in memory."""

    first: _Key
    file: Path | None
    batches: Sequence[pa.RecordBatch]


@dataclass(slots=True)
class _Head:
    """How far a run has been merged: the batches to come, the present one, from which row, its last key."""

    rest: Iterator[pa.RecordBatch]
    batch: pa.RecordBatch
    row: int
    last: _Key


class Runs:
    """A sorter. `add` batches that have at least the columns of KEY, then iterate over `merged` once.

    `folder` is where runs are written; `run_bytes` is for tests. Close it, or use it in a `with`.
    """

    def __init__(self, folder: Path, schema: pa.Schema, run_bytes: int = RUN_BYTES) -> None:
        self.duplicates = 0
        self._folder = folder
        self._names = schema.names
        self._schema = schema.append(_SEQ).append(_HASH)
        self._run_bytes = run_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._count = 0
        self._runs: list[_Run] = []
        self._sorter = ThreadPoolExecutor(1, thread_name_prefix="trawl-sort")
        self._sorting: Future[_Run] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sorter.shutdown(cancel_futures=True)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take rows; waits only when the run before is not written yet."""
        if not batch.num_rows:
            return
        keys = zip(batch["platform"].to_pylist(), batch["id"].to_pylist(), strict=True)
        hashes = np.fromiter(map(hash, keys), np.int64, batch.num_rows)
        sequence = np.arange(self._count, self._count + batch.num_rows, dtype=np.int64)
        self._count += batch.num_rows
        arrays = [batch[name] for name in self._names]
        rows = pa.RecordBatch.from_arrays(
            [*arrays, pa.array(sequence), pa.array(hashes)], schema=self._schema
        )
        self._waiting.append(rows)
        self._waiting_bytes += rows.get_total_buffer_size()
        if self._waiting_bytes >= self._run_bytes:
            self._settle()
            self._sorting = self._sorter.submit(self._spilled, self._taken(), len(self._runs))

    def merged(self) -> Iterator[pa.RecordBatch]:
        """All rows, sorted and unique, in batches of any size; `duplicates` is right once it is exhausted."""
        self._settle()
        if self._waiting:
            rest = self._taken()
            if self._runs:
                self._runs.append(self._spilled(rest, len(self._runs)))
            else:
                self._runs.append(_sorted(rest))
        losers = self._losers()
        self.duplicates = len(losers)
        # What sorting took is let go before whoever writes the rows wants as much again.
        pa.default_memory_pool().release_unused()
        for batch in _merged(self._runs):
            rows = batch
            if len(losers):
                rows = rows.filter(pa.array(~np.isin(batch["_seq"].to_numpy(), losers)))
            if rows.num_rows:
                yield rows.select(self._names)

    def _taken(self) -> list[pa.RecordBatch]:
        rows, self._waiting, self._waiting_bytes = self._waiting, [], 0
        return rows

    def _settle(self) -> None:
        if self._sorting is not None:
            self._runs.append(self._sorting.result())
            self._sorting = None

    def _spilled(self, rows: list[pa.RecordBatch], number: int) -> _Run:
        run = _sorted(rows)
        file = self._folder / f"{number:06d}.arrow"
        with ipc.new_file(str(file), self._schema) as writer:
            for batch in run.batches:
                writer.write_batch(batch)
        return _Run(run.first, file, ())

    def _losers(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Sorted numbers of the rows whose (platform, id) came before.

        The hashes of all rows, eight bytes each, say which few could be; those are compared in full.
        """
        hashes = np.empty(self._count, np.int64)
        place = 0
        for run in self._runs:
            for batch in _batches(run, ["_hash"]):
                hashes[place : place + batch.num_rows] = batch["_hash"].to_numpy()
                place += batch.num_rows
        hashes.sort()
        twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        del hashes
        if not len(twice):
            return twice
        names = ["platform", "id", "_seq"]
        found = []
        for run in self._runs:
            for batch in _batches(run, [*names, "_hash"]):
                suspects = batch.filter(pa.array(np.isin(batch["_hash"].to_numpy(), twice))).select(names)
                if suspects.num_rows:
                    found.append(suspects)
        table = pa.Table.from_batches(found)
        winners = table.group_by(["platform", "id"]).aggregate([("_seq", "min")])["_seq_min"].to_numpy()
        return np.setdiff1d(table["_seq"].to_numpy(), winners)


def _sorted(rows: list[pa.RecordBatch]) -> _Run:
    table = pa.Table.from_batches(rows).combine_chunks()
    table = table.take(pc.sort_indices(table, sort_keys=_ORDER))
    per_batch = max(64, int(_BATCH_BYTES / max(1, table.get_total_buffer_size() / table.num_rows)))
    batches = table.combine_chunks().to_batches(max_chunksize=per_batch)
    return _Run(_key(batches[0], 0), None, batches)


def _batches(run: _Run, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A run's batches, of some columns only where names are given."""
    if run.file is None:
        yield from (batch.select(names) if names else batch for batch in run.batches)
        return
    with pa.OSFile(str(run.file), "rb") as source:
        schema = ipc.open_file(source).schema
        wanted = [schema.get_field_index(name) for name in names] if names else None
        reader = ipc.open_file(source, options=ipc.IpcReadOptions(included_fields=wanted, use_threads=False))
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            yield batch.select(names) if names else batch


def _merged(runs: list[_Run]) -> Iterator[pa.RecordBatch]:
    """The rows of sorted runs in order, as large pieces as can be known to come next."""
    closed = sorted(runs, key=lambda run: run.first, reverse=True)
    heads: list[_Head] = []
    while closed or heads:
        if not heads:
            heads.append(_opened(closed.pop()))
        # Every row up to the smallest of the last keys in memory is in memory.
        bound = min(head.last for head in heads)
        while closed and closed[-1].first <= bound:
            heads.append(_opened(closed.pop()))
            bound = min(bound, heads[-1].last)
        pieces = []
        for head in heads:
            stop = head.batch.num_rows if head.last == bound else _after(head, bound)
            if stop > head.row:
                pieces.append(head.batch.slice(head.row, stop - head.row))
                head.row = stop
        yield pieces[0] if len(pieces) == 1 else _in_order(pieces)
        heads = [head for head in heads if head.row < head.batch.num_rows or _advance(head)]


def _in_order(pieces: list[pa.RecordBatch]) -> pa.RecordBatch:
    table = pa.Table.from_batches(pieces).combine_chunks()
    return table.take(pc.sort_indices(table, sort_keys=_ORDER)).combine_chunks().to_batches()[0]


def _opened(run: _Run) -> _Head:
    rest = _batches(run)
    batch = next(rest)
    return _Head(rest, batch, 0, _key(batch, batch.num_rows - 1))


def _advance(head: _Head) -> bool:
    """Go on to the run's next batch; False when there is none."""
    batch = next(head.rest, None)
    if batch is None:
        return False
    head.batch, head.row, head.last = batch, 0, _key(batch, batch.num_rows - 1)
    return True


def _after(head: _Head, bound: _Key) -> int:
    """The first row of a head whose key is greater than `bound`."""
    low, high = head.row, head.batch.num_rows
    while low < high:
        middle = (low + high) // 2
        if _key(head.batch, middle) <= bound:
            low = middle + 1
        else:
            high = middle
    return low


def _key(batch: pa.RecordBatch, row: int) -> _Key:
    created = batch["created_at"][row].value
    return created, batch["platform"][row].as_py(), batch["id"][row].as_py(), batch["_seq"][row].as_py()
