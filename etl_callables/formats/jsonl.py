"""JSON lines: UTF-8, an object a row in the order of the columns, nulls kept, times in ISO 8601 (`Z`)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, BinaryIO

import pyarrow as pa

from etl_callables.ahead import in_order
from etl_callables.formats.text import json_lists, json_strings, times
from etl_callables.table import known, pc

ROWS = 8192


def write(out: BinaryIO, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a whole file."""
    names = [json.dumps(name, ensure_ascii=False) for name in schema.names]

    def encode(batch: pa.RecordBatch) -> memoryview:
        pieces: list[Any] = []
        for name, column in zip(names, batch.columns, strict=True):
            pieces += [f"{', ' if pieces else '{'}{name}: ", pc.fill_null(_values(column), "null")]
        return _bytes(pc.binary_join_element_wise(*pieces, "}\n", ""))

    for data in in_order(encode, batches):  # noqa: FURB122 (a zstd writer has no writelines)
        out.write(data)


def read(source: BinaryIO) -> pa.Table:
    """The rows; columns under the name of a post's field get its type, others that of their values.

    A column whose values are not of the type of the field that it is named after is as those others.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(source, 1):
        row = json.loads(line)
        if not isinstance(row, dict) or (rows and row.keys() != rows[0].keys()):
            raise ValueError(f"line {number} is no post as those before it")
        rows.append(row)
    names = list(rows[0]) if rows else []
    return pa.table([_column(name, [row[name] for row in rows]) for name in names], names)


def _column(name: str, values: list[Any]) -> Any:
    kind: Any = known(name)
    if kind is None:
        return _plain(values)
    try:
        if pa.types.is_list(kind) and not all(isinstance(value, list | None) for value in values):
            return _plain(values)  # arrow would take a text for a list of its letters
        if not pa.types.is_timestamp(kind):
            return pa.array(values, kind)
        written: Any = pa.array(values, pa.string())
        moments = written.cast(kind)
    except (ValueError, TypeError, OverflowError):  # the job calls one field by the name of another
        return _plain(values)
    return moments if times(moments, "T", "Z").equals(written) else written


def _plain(values: list[Any]) -> Any:
    """Values of one of the types that posts have, whichever it is."""
    kinds: tuple[Any, ...] = (pa.string(), pa.int64(), pa.list_(pa.string()))
    for kind in kinds:
        try:
            return pa.array(values, kind)
        except (ValueError, TypeError, OverflowError):
            continue
    raise ValueError("a column has values of a kind that no post has")


def _values(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        return json_strings(times(column, "T", "Z"))
    if pa.types.is_list(column.type):
        return json_lists(column)
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    return json_strings(column)


def _bytes(lines: Any) -> memoryview:
    """All the texts end to end, without a copy."""
    _, offsets, data = lines.buffers()
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[lines.offset] : ends[lines.offset + len(lines)]]
