"""Texts of posts as X sends them, by whatever way they come."""

from __future__ import annotations

from typing import overload


@overload
def unescaped(text: str) -> str: ...
@overload
def unescaped(text: None) -> None: ...
def unescaped(text: str | None) -> str | None:
    """The text as its author wrote it: X escapes three characters of every text, and no others."""
    if text is None or "&" not in text:
        return text
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
