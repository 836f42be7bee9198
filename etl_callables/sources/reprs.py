"""Python reprs read without running them: literals, and the reprs of dataclasses and datetimes."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from typing import Any, Final

_ENUM: Final = re.compile(r"<\w+(?:\.\w+)*: ('(?:[^'\\]|\\.)*'|-?\d+)>")
"""The repr of an enum member, `<Policy.EVERYONE: 'everyone'>`, which is no Python."""

_UTC: Final = frozenset({"datetime.timezone.utc", "timezone.utc", "datetime.UTC"})


class Unreadable(Exception):  # noqa: N818 - it says what the text is, not that we failed
    """The text is no repr of plain data."""


def read_repr(text: str) -> Any:
    """The value of a repr: a dataclass becomes a dict of its fields, an enum member its value.

    Nothing is evaluated: calls other than those shapes are Unreadable.
    """
    try:
        try:
            tree = ast.parse(text.strip(), mode="eval")
        except SyntaxError:
            tree = ast.parse(_ENUM.sub(r"\1", text.strip()), mode="eval")
        return _value(tree.body)
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError) as problem:
        raise Unreadable(f"{type(problem).__name__} in {text[:60]!r}") from problem


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [_value(item) for item in items]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Attribute() if ast.unparse(node) in _UTC:
            return UTC
        case ast.Call(func=ast.Name() | ast.Attribute() as func):
            return _call(ast.unparse(func), node)
    raise ValueError(f"{type(node).__name__} is no plain data")


def _call(name: str, node: ast.Call) -> Any:
    fields = {word.arg: _value(word.value) for word in node.keywords if word.arg is not None}
    if len(fields) != len(node.keywords):
        raise ValueError("** is no plain data")
    if name in {"datetime.datetime", "datetime"}:
        return datetime(*[_value(arg) for arg in node.args], **fields)  # noqa: DTZ001 - as it was written
    if node.args:
        raise ValueError(f"{name}(...) with positional arguments is no dataclass")
    return fields
