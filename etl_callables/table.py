"""Posts as Arrow columns, each of the type that every format starts from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from etl_callables.post import FIELDS, Post, Skipped
from schemas.job import Column
from schemas.key import WINDOW_COLUMN

pc: Any = pyarrow.compute
"""Untyped: its stubs know few of the mixtures of arrays and plain values that it takes."""

TIME: Final = pa.timestamp("us", "UTC")
TEXTS: Final = pa.list_(pa.string())

_COUNTS: Final = {"likes", "reposts", "replies", "quotes", "bookmarks", "views"}
_LISTS: Final = {"hashtags", "mentions", "urls", "media"}
_TIMES: Final = {"created_at", "scraped_at"}
_REQUIRED: Final = {"platform", "id", "created_at"}


def _type(name: str) -> pa.DataType:
    if name in _COUNTS:
        return pa.int64()
    if name in _LISTS:
        return TEXTS
    return TIME if name in _TIMES else pa.string()


SCHEMA: Final = pa.schema([pa.field(name, _type(name)) for name in FIELDS])
"""All fields of a post, in their order. Nullable throughout: what must not be null is checked, not typed."""

COUNTS: Final = tuple(name for name in FIELDS if name in _COUNTS)

_ALLOWED: Final[dict[str, frozenset[type]]] = {
    name: frozenset(
        ({int} if name in _COUNTS else {tuple} if name in _LISTS else {datetime} if name in _TIMES else {str})
        | (set() if name in _REQUIRED else {type(None)})
    )
    for name in FIELDS
}


_WRONG: Final = Skipped("wrong-type", "a value of another type than its field's")


def output_schema(columns: Sequence[Column]) -> pa.Schema:
    """The columns of a job's file: picked, in the job's order, under the job's headers."""
    return pa.schema([pa.field(column.header, SCHEMA.field(column.field).type) for column in columns])


def window_column() -> pa.Field[Any]:
    """The column by which a table knows the rows of a run: the start of the run's window."""
    return pa.field(WINDOW_COLUMN, TIME)


def known(name: str) -> pa.DataType | None:
    """The type of a column that bears the name of a post's field, None for other names."""
    return SCHEMA.field(name).type if name in FIELDS else None


def typed(items: Sequence[Post | Skipped], fields: Sequence[str]) -> Sequence[Post | Skipped]:
    """The items, each post that has a value of another type than its field's replaced by a Skipped."""
    posts = [item for item in items if item.__class__ is Post]
    columns = zip(*posts, strict=True)  # type by column: a set of types costs less than a test a value
    wanted = set(fields)
    if all(
        set(map(type, column)) <= _ALLOWED[name]
        for name, column in zip(FIELDS, columns, strict=False)
        if name in wanted
    ):
        return items
    return [item if isinstance(item, Skipped) or _is_typed(item, fields) else _WRONG for item in items]


def batch_of(posts: Sequence[Post], fields: Sequence[str]) -> tuple[pa.RecordBatch, int]:
    """The fields of posts as a batch, and how many posts had text that no UTF-8 file can hold.

    Half of a surrogate pair, which is no character, becomes U+FFFD.
    """
    try:
        return _batch(posts, fields), 0
    except UnicodeEncodeError:
        mended = [_mended(post, fields) for post in posts]
        count = sum(new is not old for new, old in zip(mended, posts, strict=True))
        return _batch(mended, fields), count


def _batch(posts: Sequence[Post], fields: Sequence[str]) -> pa.RecordBatch:
    values = dict(zip(FIELDS, zip(*posts, strict=True), strict=True))
    schema = pa.schema([SCHEMA.field(name) for name in fields])
    return pa.RecordBatch.from_arrays(
        [pa.array(values[name], SCHEMA.field(name).type) for name in fields], schema=schema
    )


def _is_typed(post: Post, fields: Sequence[str]) -> bool:
    for name in fields:
        value = getattr(post, name)
        if type(value) not in _ALLOWED[name]:
            return False
        if name in _LISTS and value is not None and not all(type(text) is str for text in value):
            return False
    return True


def _mended(post: Post, fields: Sequence[str]) -> Post:
    """The post itself, or one with U+FFFD for each lone surrogate in `fields`."""
    better: dict[str, Any] = {}
    for name in fields:
        value = getattr(post, name)
        clean = _clean(value)
        if clean is not value:
            better[name] = clean
    return post._replace(**better) if better else post


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            # Two halves that stand side by side are a character after all.
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, tuple):
        clean = tuple(_clean(item) for item in value)
        return value if all(a is b for a, b in zip(clean, value, strict=True)) else clean
    return value
