r"""CSV: UTF-8, a header, `\n` after each row, cells quoted as RFC 4180 says.

Times are written as pandas writes them (`2021-07-05 12:00:00+00:00`), because that is what people's
notebooks already read; lists as JSON arrays; a missing value is an empty cell without quotes, an
empty text one with quotes.

Two things are escaped in texts and headers, so that nothing in them is ever executed or lost:

- A spreadsheet runs a cell that begins with `= + - @`, a tab, a line break or a full-width form of
  the four signs. Such a cell gets an apostrophe in front, and so does one that begins with
  apostrophes followed by one of these, which makes the way back unambiguous: of a cell that begins
  with apostrophes and then one of these, take one apostrophe away.
- A NUL character, which many readers stop at, is written `␀0`, and the sign ␀ itself `␀1`.

`read` undoes both. In pandas, for a column `s` of text, this is the whole of it:

    lead = r"^'('*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])"
    s.str.replace(lead, r"\1", regex=True).str.replace("␀0", "\0").str.replace("␀1", "␀")
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, BinaryIO, Final, cast

import pyarrow as pa
from pyarrow import csv

from etl_callables.ahead import in_order
from etl_callables.formats.text import json_lists, parsed, times
from etl_callables.table import known, pc

ROWS = 8192

_SIGNS: Final = "=+-@"
LEADS: Final = _SIGNS + "\t\r\n" + "".join(chr(ord(sign) + 0xFEE0) for sign in _SIGNS)
"""What a spreadsheet takes for the beginning of a formula."""

_LEADS = pa.array(list(LEADS))
_CELL = re.compile(rb'(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|\Z)')
_CLASS = "[" + LEADS.replace("-", r"\-") + "]"


def write(out: BinaryIO, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a whole file."""
    header: list[str] = escaped(pa.array(schema.names, pa.string())).to_pylist()
    cells = pa.schema(
        [
            pa.field(name, field.type if _is_number(field.type) else pa.string())
            for name, field in zip(header, schema, strict=True)
        ]
    )
    out.write(_text(pa.RecordBatch.from_pylist([], cells), header=True))

    def encode(batch: pa.RecordBatch) -> pa.Buffer:
        columns = [_cells(column) for column in batch.columns]
        return _text(pa.RecordBatch.from_arrays(columns, schema=cells), header=False)

    for data in in_order(encode, batches):  # noqa: FURB122 (a zstd writer has no writelines)
        out.write(data)


def _text(batch: pa.RecordBatch, *, header: bool) -> pa.Buffer:
    data = pa.BufferOutputStream()
    csv.write_csv(
        batch, data, csv.WriteOptions(include_header=header, quoting_style="needed", batch_size=1024)
    )
    return data.getvalue()


def read(source: BinaryIO) -> pa.Table:
    """The rows. A column is whole numbers where its first cell has no quotes, else text.

    Columns under the name of a post's field get that field's type, unless their cells are not as such a
    field is written: a job may call one field by the name of another.
    """
    data = source.read()
    if not data.endswith(b"\n"):
        raise ValueError("its last line has no end" if data else "it has no header")
    start, header = _record(data, 0)
    names = unescaped(pa.array([cell for cell, _ in header], pa.string())).to_pylist()
    options = csv.ConvertOptions(
        column_types={str(place): pa.string() for place in range(len(names))},
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        null_values=[""],
    )
    if start == len(data):
        return pa.table([pa.array([], known(name) or pa.string()) for name in names], names)
    table = csv.read_csv(
        cast("BinaryIO", pa.BufferReader(pa.py_buffer(data).slice(start))),
        csv.ReadOptions(
            column_names=[str(place) for place in range(len(names))], block_size=_block(len(data))
        ),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        options,
    )
    numbers = _numbers(data, start, len(names))
    columns = [
        _typed(column, name, number=place in numbers)
        for place, (name, column) in enumerate(zip(names, table.columns, strict=True))
    ]
    return pa.table(columns, names)


def _block(size: int) -> int:
    """Bytes that the reader takes at once: all, for a cell may be longer than any smaller block."""
    return min(max(size, 1 << 20), (1 << 31) - 1)


def _typed(column: Any, name: str, *, number: bool) -> Any:
    if number:
        return column.cast(pa.int64())
    text = unescaped(column)
    kind: Any = known(name) or pa.string()
    if column.null_count == len(column):
        return pa.nulls(len(column), kind)
    try:
        values = parsed(text, kind)
    except (ValueError, TypeError):  # the job calls one field by the name of another
        return text
    return values if pa.chunked_array([_cells(values)]).equals(column) else text


def _numbers(data: bytes, start: int, width: int) -> set[int]:
    """Places of the columns whose first cell that is not empty stands without quotes."""
    unknown = set(range(width))
    numbers: set[int] = set()
    while unknown and start < len(data):
        start, cells = _record(data, start)
        for place in list(unknown):
            text, quoted = cells[place]
            if text or quoted:
                unknown.discard(place)
                if not quoted:
                    numbers.add(place)
    return numbers


def _record(data: bytes, start: int) -> tuple[int, list[tuple[str, bool]]]:
    """Where the record after this one begins, and this one's cells: their text, and whether it was quoted."""
    cells = []
    for cell in _CELL.finditer(data, start):
        quoted = cell[1] is not None
        text = (cell[1].replace(b'""', b'"') if quoted else cell[2]).decode()
        cells.append((text, quoted))
        if cell[3] != b",":
            return cell.end(), cells
    raise ValueError("no CSV of Trawl's: a quote is never closed")


def escaped(column: Any) -> Any:
    """Texts as safe cells; see the module for the rule."""
    for raw, written in (("␀", "␀1"), ("\0", "␀0")):
        if pc.any(pc.match_substring(column, raw)).as_py():
            column = pc.replace_substring(column, raw, written)
    first = pc.utf8_slice_codeunits(column, 0, 1)
    risky = pc.is_in(first, _LEADS)
    if pc.any(pc.equal(first, "'")).as_py():
        risky = pc.or_(risky, pc.fill_null(pc.match_substring_regex(column, f"^'+{_CLASS}"), False))
    if not pc.any(risky).as_py():
        return column
    return pc.binary_join_element_wise(pc.if_else(risky, "'", ""), column, "")


def unescaped(column: Any) -> Any:
    """The texts that `escaped` was given."""
    column = pc.replace_substring_regex(column, f"^'('*{_CLASS})", r"\1")
    return pc.replace_substring(pc.replace_substring(column, "␀0", "\0"), "␀1", "␀")


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind)


def _cells(column: Any) -> Any:
    if _is_number(column.type):
        return column
    if pa.types.is_timestamp(column.type):
        return times(column, " ", "+00:00")
    if pa.types.is_list(column.type):
        return escaped(json_lists(column))
    return escaped(column)
