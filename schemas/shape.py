"""The JSON schema of a job, applied: a small interpreter of exactly the keywords it uses.

It is quick to load and to run, and says where a value does not fit in terms that can be put into
words; that it judges as the standard does is held by a test against a full implementation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path as File
from typing import Any, Final, NamedTuple

from schemas.fault import Path

SCHEMA_FILE: Final = File(__file__).with_name("scrape_job.schema.json")

Check = Callable[[Any, Path, list["Misfit"]], None]


class Misfit(NamedTuple):
    """A value that breaks one keyword of the schema; `schema` is the subschema that says so.

    With `at_key` the value is the last name of the path itself.
    """

    path: Path
    keyword: str
    schema: dict[str, Any]
    value: Any
    extra: Any = None
    at_key: bool = False


_ANNOTATIONS: Final = frozenset(
    {
        "$schema",
        "$defs",
        "title",
        "description",
        "default",
        "examples",
        "errorMessage",
        "defaultSnippets",
        "then",
    }
)


@cache
def schema() -> dict[str, Any]:
    """The schema of a job file."""
    return dict(json.loads(SCHEMA_FILE.read_bytes()))


@cache
def _whole() -> Check:
    return compile_schema(schema(), schema())


@cache
def partial_schema() -> dict[str, Any]:
    """The schema of defaults, which need not say everything."""
    return dict(_without_required(schema()))


@cache
def _partial() -> Check:
    return compile_schema(partial_schema(), partial_schema())


def misfits(value: Any, *, partial: bool = False) -> list[Misfit]:
    """Where `value` does not fit the schema of a job, or of a part of one."""
    out: list[Misfit] = []
    (_partial() if partial else _whole())(value, (), out)
    return out


def _without_required(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_required(item) for item in part]
    if not isinstance(part, dict):
        return part
    # The condition of if/then needs its own `required`: without it an absent source matches all.
    return {
        key: inner if key == "if" else _without_required(inner)
        for key, inner in part.items()
        if not (key == "required" and isinstance(inner, list))
    }


def compile_schema(root: dict[str, Any], part: dict[str, Any]) -> Check:
    """A function that checks values against `part`; ValueError for a keyword it does not know."""
    checks: list[Check] = []
    for keyword, argument in part.items():
        if keyword in _ANNOTATIONS:
            continue
        if keyword not in _COMPILERS:
            raise ValueError(f"the interpreter does not know the keyword {keyword!r}")
        checks.append(_COMPILERS[keyword](root, part, argument))
    if len(checks) == 1:
        return checks[0]

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        before = len(out)
        for one in checks:
            one(value, path, out)
            if len(out) > before and out[before].keyword == "type" and out[before].path == path:
                return  # nothing more can be said of a value of another type

    return check


def _is(kind: str, value: Any) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "integer":
        number = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return number and not isinstance(value, bool)
    return isinstance(value, {"string": str, "boolean": bool, "array": list, "object": dict}[kind])


def _type(_root: Any, part: dict[str, Any], kind: str) -> Check:
    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if not _is(kind, value):
            out.append(Misfit(path, "type", part, value, (kind,)))

    return check


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON, in which true is not 1; deep only as far as the schema has constants."""
    return type(one) is type(other) and bool(one == other)


def _enum(_root: Any, part: dict[str, Any], choices: list[Any]) -> Check:
    words = frozenset(choice for choice in choices if isinstance(choice, str))

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if isinstance(value, str) and value in words:
            return
        if not any(_same(value, choice) for choice in choices):
            out.append(Misfit(path, "enum", part, value, choices))

    return check


def _const(root: Any, part: dict[str, Any], choice: Any) -> Check:
    return _enum(root, part, [choice])


def _pattern(_root: Any, part: dict[str, Any], pattern: str) -> Check:
    search = re.compile(pattern).search

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if isinstance(value, str) and not search(value):
            out.append(Misfit(path, "pattern", part, value))

    return check


def _length(kind: type, keyword: str, *, least: bool) -> Callable[..., Check]:
    def compiler(_root: Any, part: dict[str, Any], bound: int) -> Check:
        def check(value: Any, path: Path, out: list[Misfit]) -> None:
            if isinstance(value, kind) and (len(value) < bound if least else len(value) > bound):  # type: ignore[arg-type]
                out.append(Misfit(path, keyword, part, value, bound))

        return check

    return compiler


def _bound(keyword: str, *, least: bool) -> Callable[..., Check]:
    def compiler(_root: Any, part: dict[str, Any], bound: int) -> Check:
        def check(value: Any, path: Path, out: list[Misfit]) -> None:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if number and (value < bound if least else value > bound):
                out.append(Misfit(path, keyword, part, value, bound))

        return check

    return compiler


def _items(root: Any, _part: Any, inner: dict[str, Any]) -> Check:
    inside = compile_schema(root, inner)

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if isinstance(value, list):
            for place, item in enumerate(value):
                inside(item, (*path, place), out)

    return check


def _unique_items(_root: Any, part: dict[str, Any], wanted: bool) -> Check:
    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if not wanted or not isinstance(value, list):
            return
        if all(isinstance(item, str) for item in value) and len(set(value)) == len(value):
            return
        seen: set[str] = set()
        for place, item in enumerate(value):
            # As JSON compares: 1 and 1.0 are one number, 1 and true are not.
            number = isinstance(item, float) and item.is_integer()
            text = json.dumps(int(item) if number else item, sort_keys=True)
            if text in seen:
                out.append(Misfit((*path, place), "uniqueItems", part, item))
            seen.add(text)

    return check


def _properties(root: Any, _part: Any, inner: dict[str, Any]) -> Check:
    inside = {name: compile_schema(root, sub) for name, sub in inner.items()}

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if isinstance(value, dict):
            for name, item in value.items():
                if name in inside:
                    inside[name](item, (*path, name), out)

    return check


def _additional(root: Any, part: dict[str, Any], inner: Any) -> Check:
    known = frozenset(part.get("properties", ()))
    inside = compile_schema(root, inner) if isinstance(inner, dict) else None

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if not isinstance(value, dict):
            return
        for name, item in value.items():
            if name in known:
                continue
            if inside is None:
                out.append(Misfit((*path, name), "additionalProperties", part, item, sorted(known)))
            else:
                inside(item, (*path, name), out)

    return check


def _property_names(root: Any, _part: Any, inner: dict[str, Any]) -> Check:
    inside = compile_schema(root, inner)

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if isinstance(value, dict):
            for name in value:
                found: list[Misfit] = []
                inside(name, (*path, name), found)
                out.extend(misfit._replace(at_key=True) for misfit in found)

    return check


def _required(_root: Any, part: dict[str, Any], names: list[str]) -> Check:
    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        if isinstance(value, dict):
            out.extend(Misfit(path, "required", part, value, name) for name in names if name not in value)

    return check


def _any_of(root: Any, part: dict[str, Any], branches: list[dict[str, Any]]) -> Check:
    inside = [compile_schema(root, branch) for branch in branches]

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        attempts: list[list[Misfit]] = []
        for one in inside:
            attempt: list[Misfit] = []
            one(value, path, attempt)
            if not attempt:
                return
            attempts.append(attempt)
        fitting = [attempt for attempt in attempts if attempt[0].keyword != "type" or attempt[0].path != path]
        if len(fitting) == 1:
            out.extend(fitting[0])
        elif fitting:
            out.append(Misfit(path, "anyOf", part, value))
        else:
            out.append(Misfit(path, "type", part, value, tuple(attempt[0].extra[0] for attempt in attempts)))

    return check


def _all_of(root: Any, _part: Any, branches: list[dict[str, Any]]) -> Check:
    inside = [compile_schema(root, branch) for branch in branches]

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        for one in inside:
            one(value, path, out)

    return check


def _if(root: Any, part: dict[str, Any], condition: dict[str, Any]) -> Check:
    test, then = compile_schema(root, condition), compile_schema(root, part["then"])

    def check(value: Any, path: Path, out: list[Misfit]) -> None:
        failed: list[Misfit] = []
        test(value, path, failed)
        if not failed:
            then(value, path, out)

    return check


def _ref(root: dict[str, Any], _part: Any, target: str) -> Check:
    name = target.removeprefix("#/$defs/")
    return compile_schema(root, root["$defs"][name])


_COMPILERS: Final[dict[str, Callable[..., Check]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "pattern": _pattern,
    "minLength": _length(str, "minLength", least=True),
    "maxLength": _length(str, "maxLength", least=False),
    "minItems": _length(list, "minItems", least=True),
    "minProperties": _length(dict, "minProperties", least=True),
    "minimum": _bound("minimum", least=True),
    "maximum": _bound("maximum", least=False),
    "items": _items,
    "uniqueItems": _unique_items,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "required": _required,
    "anyOf": _any_of,
    "allOf": _all_of,
    "if": _if,
    "$ref": _ref,
}
