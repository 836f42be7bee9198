"""Columns: from what a person wrote to fields and headers."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from schemas.job import Column
from schemas.shape import schema

_TUTORIAL: Final = {
    "User": "author",
    "Date Created": "created_at",
    "Number of Likes": "likes",
    "Source of Tweet": "source_label",
    "Tweet": "text",
}


@cache
def post_fields() -> tuple[str, ...]:
    """The fields of a post, in their order, as the schema lists them."""
    return tuple(schema()["$defs"]["post_field"]["enum"])


@cache
def _preset(word: str) -> tuple[Column, ...]:
    if word == "tutorial":
        return tuple(Column(field, header) for header, field in _TUTORIAL.items())
    # When a page was fetched differs from run to run; without it a run repeated gives the same bytes.
    left_out = () if word == "all" else ("scraped_at",)
    return tuple(Column(field, field) for field in post_fields() if field not in left_out)


def columns_of(value: Any) -> tuple[Column, ...]:
    """The columns of a preset word, a list of fields or a mapping from header to field."""
    if isinstance(value, str):
        return _preset(value)
    if isinstance(value, dict):
        return tuple(Column(field, header) for header, field in value.items())
    return tuple(Column(field, field) for field in value)
