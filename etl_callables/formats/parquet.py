"""Parquet: typed, zstd, with statistics; rows of one group are what DuckDB takes at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import pyarrow as pa
from pyarrow import parquet

ROWS = 122_880
"""DuckDB's own row group, and a scan unit small enough to write in flat memory."""


def write(out: BinaryIO, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a whole file. Every option that changes bytes is said, so that no new default does."""
    with parquet.ParquetWriter(
        out,
        schema,
        version="2.6",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        data_page_version="1.0",
        data_page_size=1 << 20,
        store_schema=True,
    ) as writer:
        for batch in batches:
            writer.write_batch(batch, row_group_size=ROWS)


def read(source: BinaryIO) -> pa.Table:
    """The rows, typed as they were written."""
    return parquet.read_table(pa.BufferReader(source.read()))
