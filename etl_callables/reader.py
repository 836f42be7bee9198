"""Read back what load wrote: any format, any bucket, the exact text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa

from etl_callables.errors import Stop
from etl_callables.formats import COMPRESSIONS, FORMATS, read_file
from etl_callables.run import Run
from etl_callables.store import store_at

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES: Final = {f".{suffix}": name for suffix, name in COMPRESSIONS.items()}


def read_posts(where: str, *, connection: str | None = None, run: Run | None = None) -> pa.Table:
    """The posts of a file or URL (`s3://bucket/key`, `file:///...`, a path), typed as far as known.

    The format is the suffix's. `connection` is an AWS connection that `run` resolves; without one the
    ordinary AWS chain applies. Raises Missing, Stop and RetryLater.
    """
    bucket, _, key = where.rpartition("/")
    if not bucket:
        bucket = "/" if where.startswith("/") else "."
    try:
        name, compression = format_of(key)
    except Stop:
        store = store_at(bucket, connection=connection, run=run)
        if key and next(store.list(f"{key}/metadata"), None) is not None:
            raise Stop(
                f"{where} is a table: read it by its catalog, with pyiceberg or another reader of Iceberg."
                " Each single file below its folder data can be read here."
            ) from None
        raise
    store = store_at(bucket, connection=connection, run=run)
    with store.open(key) as source:
        return read_file(source, name, compression)


def read_frame(where: str, *, connection: str | None = None, run: Run | None = None) -> pd.DataFrame:
    """The same posts as a pandas frame."""
    return read_posts(where, connection=connection, run=run).to_pandas()


def format_of(key: str) -> tuple[str, str | None]:
    """The format and the compression that a name's suffix says; Stop where it says no format."""
    stem, compression = key, None
    for suffix, name in _SUFFIXES.items():
        if key.endswith(suffix):
            stem, compression = key.removesuffix(suffix), name
    form = stem.rpartition(".")[2]
    if form not in FORMATS:
        raise Stop(
            f"{key} has no suffix that says its format: {', '.join(FORMATS)}, or one with .gz or .zst."
        )
    return form, compression
