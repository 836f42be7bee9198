"""Rewriting: an object made anew from rows of its own, where its raw pages are gone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pyarrow as pa

from etl_callables import raw
from etl_callables.formats import write_file
from etl_callables.formats.text import parsed
from etl_callables.manifest import Manifest
from etl_callables.quality import Measure
from etl_callables.recognition import values_of_rows
from etl_callables.run import Run, prefix
from etl_callables.scratch import scratch
from etl_callables.store import open_store
from etl_callables.table import TIME, pc
from etl_callables.transformation import Staged, file_format, file_schema
from schemas.job import Column, Job
from schemas.key import WINDOW_COLUMN
from schemas.window import Window


def as_rows_say(job: Job, manifest: Manifest, columns: tuple[Column, ...]) -> Job:
    """The job, as far as it is about what is in rows as it was when an object with these columns was written.

    It expects what these columns tell.
    """
    bounds, fields = job.quality, {column.field for column in columns}
    if bounds is not None:
        nulls = {name: share for name, share in bounds.nulls.items() if name in fields}
        bounds = replace(bounds, nulls=nulls, languages=bounds.languages if "lang" in fields else {})
    return replace(job, columns=columns, values=values_of_rows(job, manifest), quality=bounds)


def rewrite(
    job: Job, window: Window, run: Run, manifest: Manifest, *, table: pa.Table, gone: Sequence[bool]
) -> dict[str, Any]:
    """Stage an object's rows without those that are to be gone; what transform returns.

    ValueError, KeyError and ArrowException where they are not what the columns are to have.
    """
    store = open_store(job, run)
    schema = file_schema(job, store, run)
    form = file_format(job)  # its key may have another suffix today
    left = _fitted(table.filter(pa.array([not one for one in gone], pa.bool_())), schema, window)
    place = f"{prefix(job, window, run)}/staged/{raw.new_attempt(run.now())}"
    key = f"{place}/{manifest.object.key.rpartition('/')[2]}"
    with scratch() as local:
        encoded = write_file(local / "object", form, job.compression, schema, left.to_batches())
        store.put(local / "object", key)
    posts = left.select([column.header for column in job.columns])
    posts = posts.rename_columns([column.field for column in job.columns])
    measure = Measure(job.quality)
    deque(measure.watch(posts.to_batches()), maxlen=0)
    first, last = _span(manifest, posts, gone)
    counts = manifest.counts
    staged = Staged(
        key=key,
        size=encoded.size,
        sha256=encoded.sha256,
        format=form,
        compression=job.compression,
        columns=manifest.object.columns,
        fetched=counts.fetched - (counts.kept - posts.num_rows),
        kept=posts.num_rows,
        duplicate=counts.duplicate,
        outside_window=counts.outside_window,
        over_limit=counts.over_limit,
        skipped=counts.skipped,
        mended=min(counts.mended, posts.num_rows),
        first_post=first,
        last_post=last,
        raw=manifest.raw.done,
        started=run.now(),
        finished=run.now(),
        privacy=manifest.privacy,
        measured=measure.measured,
    )
    store.write(f"{place}/staged.json", msgspec.json.encode(staged))
    return {"staged": f"{place}/staged.json", "posts": staged.kept, "raw": staged.raw}


def _span(
    manifest: Manifest, posts: pa.Table, gone: Sequence[bool]
) -> tuple[datetime | None, datetime | None]:
    """When the first and the last post that are left were written, None where nothing tells.

    Rows are in order of time: without its column, what is known of an end holds as long as that is left.
    """
    if not posts.num_rows:
        return None, None
    if "created_at" in posts.column_names:
        moments = pc.min_max(posts["created_at"])
        return moments["min"].as_py(), moments["max"].as_py()
    return None if gone[0] else manifest.first_post, None if gone[-1] else manifest.last_post


def _fitted(table: pa.Table, schema: pa.Schema, window: Window) -> pa.Table:
    """Rows with the columns of a file, whatever format they are read from, the window's too if it has one."""
    if not table.num_rows:
        return schema.empty_table()  # JSON lines without a line do not even say which columns they have
    columns = []
    for field in schema:
        if field.name == WINDOW_COLUMN:
            columns.append(pa.repeat(pa.scalar(window.start, TIME), table.num_rows))
        else:
            column: Any = table[field.name]
            typed = parsed(column, field.type) if column.type == pa.string() else column
            columns.append(typed.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)
