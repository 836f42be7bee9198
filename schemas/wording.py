"""What does not fit the schema, in words for the person who wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from schemas.duration import MOST_DAYS
from schemas.fault import Fault, Path, dotted
from schemas.shape import Misfit, schema
from schemas.words import did_you_mean, either, nearest, short, shown

_TYPES: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping of names to values",
}
_MEANT: Final = {
    "schedule_interval": "schedule",
    "cron": "schedule",
    "catchup": "backfill",
    "provider": "via",
    "search": "query",
    "fields": "columns",
    "path": "key",
    "filename": "key",
    "max": "limit",
    "from": "since",
    "start": "since",
    "to": "until",
    "end": "until",
    "connection": "bucket_connection",
}
"""Names from elsewhere that are too far from ours to be guessed by their letters."""

_CREDENTIAL: Final = "credentials belong in a connection, in Airflow, whose name is the source_connection"
_ELSEWHERE: Final = {
    "start_date": 'write "date_range: {since: …}"',
    "end_date": 'write "date_range: {until: …}"',
    **dict.fromkeys(
        ("password", "token", "bearer_token", "api_key", "secret", "access_key", "login", "credentials"),
        _CREDENTIAL,
    ),
    "id": "a job's name is the name of its file",
    "name": "a job's name is the name of its file",
    "dag_id": "a job's name is the name of its file",
}
_SOME: Final = 6
"""Of very many choices, as many are named."""

_YES_AND_NO: Final = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def fault_of(misfit: Misfit) -> Fault:
    """The fault of a value that does not fit."""
    if misfit.value is None and misfit.keyword not in ("required", "additionalProperties"):
        name = dotted(misfit.path)
        return Fault(f'"{name}" has no value', "no-value", "write one, or leave the line out", misfit.path)
    if misfit.at_key and misfit.keyword == "enum":
        return _unknown_key(misfit, misfit.path)
    fault = _WORDINGS[misfit.keyword](misfit, misfit.path)
    return fault._replace(at_key=True) if misfit.at_key else fault


def _type(misfit: Misfit, path: Path) -> Fault:
    age = path in _AGES
    kinds = dict.fromkeys("an age" if age and kind == "string" else _TYPES[kind] for kind in misfit.extra)
    message = f'"{dotted(path)}" must be {either(kinds)}, not {shown(misfit.value)}'
    hint = _age_hint(misfit.value) if age else _type_hint(misfit)
    return Fault(message, "wrong-type", hint, path)


_AGES: Final = (("keep",), ("keep_raw",))
"""Fields that hold an age, `30 days`."""

_COUNTED: Final = re.compile(
    r"(?P<count>[1-9][0-9]{0,11}) (?:post|tweet|row|item|message|comment|video)s?", re.IGNORECASE
)


def _age_hint(value: Any) -> str:
    """What to write for an age, by the number that it may have been meant to have."""
    number = str(value)
    if number.isascii() and number.isdigit() and 0 < int(number[:5]) <= MOST_DAYS:
        return f'write "{int(number)} {"day" if int(number) == 1 else "days"}"'
    return 'write an age, such as "30 days"'


def _type_hint(misfit: Misfit) -> str:
    kinds, value = misfit.extra, misfit.value
    if isinstance(value, list | dict) or kinds == ("object",):
        return _structure_hint(misfit)
    if kinds == ("string",) and isinstance(value, bool | int | float):
        return "put it in quotes"
    if "boolean" in kinds and isinstance(value, str) and value.lower() in _YES_AND_NO:
        return f"write {_YES_AND_NO[value.lower()]}"
    if "boolean" in kinds and isinstance(value, str) and value.lower() in ("true", "false"):
        return "leave the quotes out"
    if "integer" in kinds and isinstance(value, str):
        if counted := _COUNTED.fullmatch(value):
            return f"write {counted['count']}"
        digits = value.replace("_", "").replace(",", "").lstrip("0") or "0"
        if digits.isascii() and digits.isdigit() and "__" not in value:
            return "leave the quotes out" if digits == value else f"write {short(digits)}"
        return "write it in decimal digits"
    if kinds == ("number",) and isinstance(value, str):
        return "leave the quotes, the currency and the commas out"
    if kinds == ("array",) and isinstance(value, str):
        return f"write [{short(value)}]"
    return ""


def _structure_hint(misfit: Misfit) -> str:
    """What to write where a list or a mapping stands for something else, or something else for a mapping."""
    kinds, value = misfit.extra, misfit.value
    if kinds == ("object",):
        example = next((one for one in misfit.schema.get("examples", ()) if isinstance(one, dict)), None)
        if example is None or misfit.path == ("options",):  # each source has others
            return "write its names and values in lines below it, indented"
        return f'write "{misfit.path[-1]}: {_flow(example)}"'
    if "array" in kinds:
        return "begin each of its lines with -"
    if isinstance(value, list):
        return 'write one value, without [ ] and "-"'
    return "put it in quotes" if isinstance(misfit.path[-1], str) else ""


def _flow(value: Any) -> str:
    """A small value as YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_flow(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)


_NO_SOURCES: Final = {
    "facebook": "it shows pages only to who has logged in, which snscrape's module does not do",
    "instagram": "it shows profiles only to who has logged in, which snscrape's module does not do",
    "vkontakte": "nobody has tried snscrape's module against what it answers today",
}
"""What snscrape has a module for and this project no source, and why."""


def _enum(misfit: Misfit, path: Path) -> Fault:
    name = dotted(path)
    if path == ("source",) and isinstance(misfit.value, str) and misfit.value in _NO_SOURCES:
        message = f"{misfit.value} cannot be a source: {_NO_SOURCES[misfit.value]}"
        return Fault(message, "cannot-work", f"choose {either(map(str, misfit.extra))}", path)
    choices = [str(choice) for choice in misfit.extra]
    hint = did_you_mean(str(misfit.value), choices)
    if not hint:
        hint = f"choose {', '.join(choices[:_SOME])} …; `trawl docs {path[0]}` has all"
    if path[:1] == ("columns",) and isinstance(misfit.value, str):
        what = "field of a post" if len(path) > 1 else "columns"
        return Fault(f'unknown {what} "{short(misfit.value)}"', "unknown-value", hint, path)
    return Fault(f'unknown {name} "{short(str(misfit.value))}"', "unknown-value", hint, path)


def _inside(key: str) -> str:
    """Where a field belongs that stands for itself and is part of another."""
    parts = {
        name: part["properties"] for name, part in schema()["properties"].items() if "properties" in part
    }
    options = (part["properties"] for name, part in schema()["$defs"].items() if name.endswith("_options"))
    parts["options"] = {name for one in options for name in one}
    where = next((name for name, inner in parts.items() if key in inner), None)
    return f'it belongs in {where}: write "{where}: {{{key}: …}}"' if where else ""


def _unknown_key(misfit: Misfit, path: Path) -> Fault:
    key = str(path[-1])
    is_one_of = f"{key}s" in misfit.extra
    if len(path) == 1 and not is_one_of and (elsewhere := _ELSEWHERE.get(key) or _inside(key)):
        hint = elsewhere
    elif _MEANT.get(key) in misfit.extra:
        hint = f'did you mean "{_MEANT[key]}"?'
    else:
        near = nearest(key, misfit.extra)
        hint = f'did you mean "{near}"?' if near else ""
        if not near and len(path) > 1:
            hint = f"it may have {either(misfit.extra)}"
    inside = f" in {dotted(path[:-1])}" if len(path) > 1 else ""
    return Fault(f'unknown key "{short(key)}"{inside}', "unknown-key", hint, path, at_key=True)


def _missing(misfit: Misfit, path: Path) -> Fault:
    name = dotted((*path, misfit.extra))
    hint = _option_hint(misfit, name) or _MISSING_HINTS.get(name, f'add "{misfit.extra}: …"')
    return Fault(f'"{name}" is missing', "missing-key", hint, path, at_key=True)


_MISSING_HINTS: Final = {
    "source": 'add "source: twitter" or "source: archive"',
    "bucket": 'add "bucket: s3://your-bucket"',
    "key": """add a line such as: key: "{job}/{date}.csv\"""",
    "query": 'say what to search for: "query: …"',
}
_OPTIONS: Final = {
    "feeds": "which feeds to read",
    "files": "which files to read",
    "server": "which server to ask",
    "channel": "which channel to read",
    "user": "whose posts to read",
}


def _option_hint(misfit: Misfit, name: str) -> str | None:
    """What to say where an option that a source cannot be without is missing, or all of them are."""
    if name.startswith("options.") and misfit.extra in _OPTIONS:
        return f'say {_OPTIONS[misfit.extra]}: "{misfit.extra}: …"'
    reference = misfit.schema.get("properties", {}).get("options", {}).get("$ref")
    if name != "options" or reference is None:
        return None
    part = schema()["$defs"][reference.removeprefix("#/$defs/")]
    needed = next((option for option in part.get("required", ()) if option in _OPTIONS), None)
    return f'say {_OPTIONS[needed]}: "options: {{{needed}: …}}"' if needed else None


def _pattern(misfit: Misfit, path: Path) -> Fault:
    if misfit.schema is schema()["$defs"]["connection"]:
        # What stands here by mistake may be the credentials themselves: they are not repeated.
        hint = "credentials belong in the connection, in Airflow"
        return Fault(misfit.schema["errorMessage"], "wrong-form", hint, path)
    hint = _age_hint(misfit.value) if path in _AGES and misfit.value.isdigit() else ""
    message = misfit.schema.get("errorMessage", f'does not look right for "{dotted(path)}"')
    return Fault(f'"{short(misfit.value)}" {message}', "wrong-form", hint, path)


def _any_of(misfit: Misfit, path: Path) -> Fault:
    return Fault(
        f'"{short(str(misfit.value))}" does not look right for "{dotted(path)}"', "wrong-form", "", path
    )


def _empty(misfit: Misfit, path: Path) -> Fault:
    if (
        misfit.keyword == "minLength"
        and misfit.extra == 1
        and path
        and path[0] == "columns"
        and len(path) > 1
    ):
        return Fault("a column has no header", "no-value", "", path, at_key=True)
    return Fault(f'"{dotted(path)}" is empty', "no-value", "write something, or leave the line out", path)


def _too_long(misfit: Misfit, path: Path) -> Fault:
    return Fault(
        f'"{dotted(path)}" is longer than {misfit.extra:,} characters', "out-of-range", "shorten it", path
    )


def _too_small(misfit: Misfit, path: Path) -> Fault:
    message = f'"{dotted(path)}" must be at least {misfit.extra}, not {short(str(misfit.value))}'
    return Fault(message, "out-of-range", "", path)


def _too_big(misfit: Misfit, path: Path) -> Fault:
    message = f'"{dotted(path)}" must be at most {misfit.extra}, not {short(str(misfit.value))}'
    return Fault(message, "out-of-range", "", path)


def _twice(misfit: Misfit, path: Path) -> Fault:
    text = short(str(misfit.value))
    return Fault(f'"{text}" is in {dotted(path[:-1])} twice', "duplicate-item", "keep one of them", path)


_WORDINGS: Final[dict[str, Callable[[Misfit, Path], Fault]]] = {
    "type": _type,
    "enum": _enum,
    "pattern": _pattern,
    "anyOf": _any_of,
    "required": _missing,
    "additionalProperties": _unknown_key,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
    "maxLength": _too_long,
    "minimum": _too_small,
    "maximum": _too_big,
    "uniqueItems": _twice,
}
