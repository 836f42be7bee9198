"""Columns of Iceberg tables: each has an id, by which readers know it in every data file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pyarrow as pa
from pyiceberg.io.pyarrow import pyarrow_to_schema
from pyiceberg.schema import Schema
from pyiceberg.types import ListType, NestedField

_FIELD_ID: Final = b"PARQUET:field_id"


def as_new(schema: pa.Schema) -> Schema:
    """Columns as a new table would have them."""
    numbers = iter(range(1, 10_000))
    return pyarrow_to_schema(_with_ids(schema, lambda _name, _inner: next(numbers)))


def identified(schema: pa.Schema, table: Schema) -> pa.Schema:
    """The same columns with their ids in a table."""

    def of(name: str, inner: bool) -> int:
        field = table.find_field(name)
        if inner and isinstance(field.field_type, ListType):
            return field.field_type.element_id
        return field.field_id

    return _with_ids(schema, of)


def _with_ids(schema: pa.Schema, number: Callable[[str, bool], int]) -> pa.Schema:
    fields = []
    for field in schema:
        said: dict[bytes | str, bytes | str] = {_FIELD_ID: str(number(field.name, False))}
        kind: pa.DataType = field.type
        if isinstance(kind, pa.ListType):
            inner: dict[bytes | str, bytes | str] = {_FIELD_ID: str(number(field.name, True))}
            kind = pa.list_(kind.value_field.with_metadata(inner))
        fields.append(pa.field(field.name, kind, metadata=said))
    return pa.schema(fields)


def fields_of(schema: Schema) -> dict[str, NestedField]:
    """A table's columns by name."""
    return {field.name: field for field in schema.fields}


def kind_of(field: NestedField) -> str:
    """A column's type in words, without ids."""
    kind = field.field_type
    return f"list<{kind.element_type}>" if isinstance(kind, ListType) else str(kind)
