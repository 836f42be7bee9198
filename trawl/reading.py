"""`trawl read`: what load wrote, back with its exact text, on standard output or in another format."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click
import pyarrow as pa

from etl_callables.formats import FORMATS, UNREADABLE, rechunked, write_file
from etl_callables.reader import format_of, read_posts
from etl_callables.run import Run
from etl_callables.store import Missing
from trawl.connections import connections
from trawl.naming import NotThere
from trawl.project import project


def print_posts(where: str, form: str, out: BinaryIO, connection: str | None) -> int:
    """Write the posts of a file or URL in a format, uncompressed; how many they are."""
    table = _table(where, connection)
    rows = rechunked(table.schema, table.to_batches(), FORMATS[form].ROWS)
    FORMATS[form].write(out, table.schema, rows)
    return table.num_rows


def convert(where: str, into: Path, connection: str | None) -> int:
    """Write the posts of a file or URL into a local file, which appears whole; how many they are.

    The suffix of its name says the format. What is there already is never written over.
    """
    form, compression = format_of(into.name)
    if into.exists():
        raise click.ClickException(f"{into} is there already")
    table = _table(where, connection)
    part = into.with_name(f".{into.name}.part")
    try:
        write_file(part, form, compression, table.schema, table.to_batches())
        part.replace(into)
    except OSError as error:
        raise click.ClickException(f"{into} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return table.num_rows


def _table(where: str, connection: str | None) -> pa.Table:
    try:
        return read_posts(where, connection=connection, run=Run(connection=connections(project())))
    except Missing as error:
        raise NotThere(str(error)) from None
    except UNREADABLE as error:
        said = " ".join(str(error).split())
        raise click.ClickException(
            f"{where} is no file that Trawl wrote, or a part of one ({said})"
        ) from None
