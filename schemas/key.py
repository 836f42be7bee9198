"""Keys: where in the bucket the posts of a window go, as a template of a closed set of placeholders.

`{date}` (2021-07-05), `{year}`, `{month}`, `{day}` and `{hour}` are the start of the window in the
job's zone; `{start}` and `{end}` are its ends in UTC (20210705T000000Z); `{job}` is the job's id with
slashes for dots, so that the bucket mirrors the folders of pipelines. A brace has no other meaning and
cannot be written; nothing else in a key is ever looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from schemas.fault import Fault, Slip
from schemas.window import Window
from schemas.words import nearest
from schemas.zone import zone

PLACEHOLDERS: Final = ("date", "start", "end", "year", "month", "day", "hour", "job")
FORMATS: Final = ("csv", "parquet", "jsonl")
TABLE: Final = "iceberg"
"""The format of jobs that write rows of a table, which the key names, instead of objects."""

WINDOW_COLUMN: Final = "_window_start"
"""The column of a table that says of which run a row is: the start of its window."""

COMPRESSIONS: Final = {"gz": "gzip", "zst": "zstd"}
"""Suffix -> the name of the compression."""

MAX_BYTES: Final = 900
"""S3 takes 1,024; the rest is for the bucket's prefix."""

RESERVED: Final = "_trawl"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_HOLE = re.compile(r"\{([^{}]*)\}")
_SHELL = re.compile(r"\$\{(" + "|".join(PLACEHOLDERS) + r")\}")
_STRFTIME = re.compile(r"%[-_0^#]?[A-Za-z]")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+]*://")
_BRACE = re.compile(r"[{}]")
_TEMPLATE = re.compile(r"\{[{%]")
_EMPTY = re.compile(r"(?<=/)/")
_DOTS = re.compile(r"(?:^|(?<=/))\.{1,2}(?=/|\Z)")
_SPACED = re.compile(r"(?:^|(?<=/))(?:\s[^/]*|[^/]*\s)(?=/|\Z)")
# What S3 and URLs give a meaning to, what file names cannot hold, and the wild cards of readers.
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\*?\[\]#%\"<>|^`~]")
_TABLE_NAME = re.compile(r"[a-z][a-z0-9_]{0,127}")
_TABLE_PARTS: Final = 2
_LONGEST: Final = {"date": 10, "start": 16, "end": 16, "year": 4, "month": 2, "day": 2, "hour": 2}


@lru_cache(maxsize=4096)
def parse_key(template: str) -> tuple[str, ...]:
    """The pieces of a key: literal text at even places, names of placeholders at odd ones.

    Raises Slip, in a sentence for a person, for an unknown placeholder or a lone brace.
    """
    pieces = tuple(_HOLE.split(template))
    for number, literal in enumerate(pieces[::2]):
        if found := _BRACE.search(literal):
            raise Slip(f'a brace in "{template}" has no partner', _start(pieces, 2 * number) + found.start())
    for number, name in enumerate(pieces[1::2]):
        if name not in PLACEHOLDERS:
            near = nearest(name, PLACEHOLDERS)
            hint = f'did you mean "{{{near}}}"?' if near else ""
            raise Slip(f'unknown placeholder "{{{name}}}"', _start(pieces, 2 * number + 1), hint)
    return pieces


def _start(pieces: tuple[str, ...], number: int) -> int:
    """Where in its template a piece begins, a placeholder with its brace."""
    return sum(len(piece) + 2 * (place % 2) for place, piece in enumerate(pieces[:number]))


def render_key(template: str, window: Window, job_id: str, timezone: str) -> str:
    """The key of a window: a pure function of its arguments; ValueError for a template that is none."""
    pieces = parse_key(template)
    if len(pieces) == 1:
        return template
    start = window.start.astimezone(zone(timezone))
    values = {
        "date": f"{start:%Y-%m-%d}",
        "year": f"{start.year:04}",
        "month": f"{start.month:02}",
        "day": f"{start.day:02}",
        "hour": f"{start.hour:02}",
        "start": f"{window.start:{_STAMP}}",
        "end": f"{window.end:{_STAMP}}",
        "job": job_id.replace(".", "/"),
    }
    return "".join(values[piece] if place % 2 else piece for place, piece in enumerate(pieces))


def key_faults(template: str, job_id: str) -> list[Fault]:
    """Everything that keeps `template` from being the key of a job, most telling first."""
    faults = []
    try:
        pieces = parse_key(template)
    except Slip as slip:
        if template_of_airflow := _TEMPLATE.search(template):
            faults.append(_brace_fault("a key has no templates of Airflow", template_of_airflow.start()))
        else:
            fault = _brace_fault(str(slip), slip.offset)
            faults.append(fault._replace(hint=slip.hint or fault.hint))
        pieces = (template,)
    segments = template.split("/")
    if _ADDRESS.match(template):
        hint = "the bucket says where; write what comes after it"
        return [
            Fault("this is an address, and a key is only the name in the bucket", "bad-key", hint, ("key",))
        ]
    if template.startswith("/"):
        inside = template.strip("/")
        hint = f'write "{inside}"' if inside else 'write a name, such as "{job}/{date}.csv"'
        faults.append(Fault('a key begins inside the bucket, not with "/"', "bad-key", hint))
    elif template.endswith("/"):
        hint = f'add a name: "{template}posts.csv"'
        faults.append(Fault("the key names a folder", "bad-key", hint, offset=len(template) - 1))
    elif found := _EMPTY.search(template):
        message = 'the key has an empty folder name ("//")'
        faults.append(Fault(message, "bad-key", 'write a single "/"', offset=found.start() - 1))
    faults += _odd_parts(template)
    if segments[0].lower().startswith(RESERVED):
        faults.append(
            Fault(
                f'keys beginning with "{RESERVED}" are for Trawl\'s own files',
                "bad-key",
                "choose another folder",
            )
        )
    if (size := _longest(pieces, job_id)) > MAX_BYTES:
        faults.append(Fault(f"the key can grow to {size} bytes; at most {MAX_BYTES} are safe", "bad-key"))
    return [fault._replace(path=("key",)) for fault in faults]


def table_faults(key: str) -> list[Fault]:
    """Everything that keeps a key from being the name of a table, `namespace/table`, most telling first."""
    parts = key.split("/")
    if "{" in key or "}" in key:
        message = "the key of a table has no placeholders: each run replaces the rows of its own window"
        return [Fault(message, "bad-key", "write a name, as social/posts", ("key",))]
    if len(parts) != _TABLE_PARTS:
        message = (
            f'a table is named namespace/table, and "{key}" has {len(parts)} part{"s"[len(parts) == 1 :]}'
        )
        return [Fault(message, "bad-key", "write a name, as social/posts", ("key",))]
    if key.lower().startswith(RESERVED):
        message = f'keys beginning with "{RESERVED}" are for Trawl\'s own files'
        return [Fault(message, "bad-key", "choose another name", ("key",))]
    offset = 0
    for part in parts:
        if not _TABLE_NAME.fullmatch(part):
            plain = re.sub(r"[^a-z0-9_]+", "_", part.lower()).strip("_")
            hint = f'write "{key.replace(part, plain)}"' if _TABLE_NAME.fullmatch(plain) else ""
            rule = "names have lower-case letters, digits and _, a letter first"
            message = f'"{part}" cannot name a table: {rule}'
            return [Fault(message, "bad-key", hint, ("key",), offset=offset)]
        offset += len(part) + 1
    return []


def _odd_parts(template: str) -> Iterator[Fault]:
    if found := _DOTS.search(template):
        message = 'the key has "." or ".." for a folder'
        yield Fault(message, "bad-key", "write the path itself", offset=found.start())
    if found := _FORBIDDEN.search(template):
        shown = found[0] if found[0].isprintable() else f"U+{ord(found[0]):04X}"
        message = f'the key has the character "{shown}", which not every tool can read'
        strftime = _STRFTIME.match(template, found.start())
        hint = "write {date} for the day, or {year}, {month} and {day}" if strftime else ""
        yield Fault(message, "bad-key", hint, offset=found.start())
    if found := _SHELL.search(template):
        message = f'the "$" before {{{found[1]}}} would be a part of the name'
        yield Fault(message, "bad-key", f"write {{{found[1]}}}", offset=found.start())
    if found := _SPACED.search(template):
        message = "a name in the key begins or ends with a space"
        yield Fault(message, "bad-key", offset=found.start())


def _brace_fault(message: str, offset: int) -> Fault:
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    return Fault(message, "bad-key", f"the placeholders are {known}", ("key",), offset=offset)


def _longest(pieces: tuple[str, ...], job_id: str) -> int:
    literal = sum(len(piece.encode()) for piece in pieces[::2])
    return literal + sum(_LONGEST.get(name, len(job_id)) for name in pieces[1::2])


def suffix_of(key: str) -> tuple[str | None, str | None]:
    """The format and the compression that a key's suffix says, each None where it says none."""
    parts = key.rpartition("/")[2].split(".")[1:]
    compression = None
    if parts and parts[-1].lower() in COMPRESSIONS:
        compression = COMPRESSIONS[parts.pop().lower()]
    known = parts[-1].lower() if parts and parts[-1].lower() in FORMATS else None
    return known, compression
