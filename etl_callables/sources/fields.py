"""Values of services' items as values of a post: what is not there, or not of its kind, is None."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from etl_callables.http import decode
from etl_callables.post import Post, Skipped

T = TypeVar("T")

_DETAIL: Final = 200


def text(value: Any) -> str | None:
    """A text that is not empty."""
    return value if isinstance(value, str) and value else None


def identifier(value: Any) -> str | None:
    """A text or a whole number, as text."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)


def count(value: Any) -> int | None:
    """A whole number that is not negative."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def needed(value: T | None, name: str) -> T:
    """The value; ValueError where there is none, for what no post can be without."""
    if value is None:
        raise ValueError(f"no {name}")
    return value


def moment(value: Any, name: str = "time") -> datetime:
    """An ISO 8601 text, or seconds since 1970, as an aware UTC time; ValueError for what is neither.

    A text without a zone is in UTC.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError) as problem:
            raise ValueError(f"no {name}") from problem
    if not isinstance(value, str):
        raise ValueError(f"no {name}")  # noqa: TRY004 - one kind of error for one kind of fault
    found = datetime.fromisoformat(value)
    try:
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError as problem:  # in UTC it is before the first year, or after the last
        raise ValueError(f"no {name}") from problem


def items_of(
    body: bytes,
    found: Callable[[Any], Iterable[Any] | None],
    post: Callable[[Any], Post | Skipped],
) -> Iterator[Post | Skipped]:
    """The items of a JSON body: `found` in it, and each made a `post`.

    What is no JSON, has no items where they should be, or trips `post` up, is skipped and says why.
    """
    try:
        value = decode(body)
    except ValueError as problem:
        yield Skipped("broken-json", str(problem)[:_DETAIL])
        return
    try:
        items = found(value)
        items = None if items is None else list(items)
    except (AttributeError, LookupError, TypeError):
        items = None
    if items is None:
        yield Skipped("unknown-shape", "no page of this service")
        return
    for item in items:
        yield read(item, post)


def read(item: Any, post: Callable[[Any], Post | Skipped]) -> Post | Skipped:
    """The item as a post, or skipped with the reason where it is none."""
    try:
        return post(item)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as problem:
        return Skipped("unknown-shape", f"{_name(item)}: {type(problem).__name__}: {problem}"[:_DETAIL])


def _name(item: Any) -> str:
    if not isinstance(item, dict):
        return f"a JSON {type(item).__name__}"
    return str(item.get("id") or item.get("objectID") or "an item")[:80]
