"""`trawl table`: a statement that makes a table of all that a job has written, for DuckDB or Athena.

A column that the job did not have when a file was written is null there. What is escaped in CSV is undone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from etl_callables.formats.csv import LEADS, escaped
from etl_callables.manifest import Manifest
from etl_callables.table import SCHEMA
from schemas.bucket import place_of
from schemas.job import Job
from schemas.key import TABLE, parse_key
from schemas.zone import zone
from trawl.earlier import Written
from trawl.wildcards import wild_key

_HIVE: Final = re.compile(r"([^={}/]+)=\{(\w+)\}")
"""A folder whose name says what its part of the key is, as `dt={date}`."""

_NAMED: Final = re.compile(r"(?:^|/)([^={}/]+)=")

_SIGNS: Final = LEADS.replace("-", r"\-").replace("\t", r"\t").replace("\r", r"\r").replace("\n", r"\n")
_LAST: Final = 2099
_NUMBERS: Final = {"month": (1, 12), "day": (1, 31), "hour": (0, 23)}
_FIRST: Final = date(2006, 1, 1)
"""Before this no source of Trawl had a post; a job's own `since` says better."""

_ATHENAS: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class NoTable(ValueError):  # noqa: N818  says what is so; the person sees its text only
    """No table can be made of what a job writes; `str()` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Snippet:
    """A statement, and what a person should know before using it: a sentence, or nothing."""

    text: str
    note: str = ""


NOTHING_ELSE: Final = Written()


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of a post's field, in the words of each."""

    duckdb: str
    athena: str


def _kind(kind: pa.DataType) -> _Kind:
    if pa.types.is_timestamp(kind):
        return _Kind("TIMESTAMPTZ", "timestamp")
    if pa.types.is_list(kind):
        return _Kind("VARCHAR[]", "array<string>")
    return _Kind("BIGINT", "bigint") if pa.types.is_integer(kind) else _Kind("VARCHAR", "string")


def _columns(job: Job, parts: Iterable[str]) -> dict[str, _Kind]:
    """The columns of a job's files by header; NoTable where two, or one and a folder, are one to SQL."""
    if job.format == TABLE:
        raise NoTable(f"{job.file} writes a table already: its catalog has {job.key.replace('/', '.')}")
    found: dict[str, _Kind] = {}
    known: dict[str, str] = {}
    for column in job.columns:
        other = known.setdefault(column.header.lower(), column.header)
        if column.header in found or other != column.header:
            raise NoTable(f'the columns "{other}" and "{column.header}" of {job.file} are one to SQL')
        found[column.header] = _kind(SCHEMA.field(column.field).type)
    for part in parts:
        if part.lower() in known:
            raise NoTable(
                f'a folder in the key of {job.file} is called "{part}", as a column is: choose another name'
            )
    return found


def name_of(job: Job) -> str:
    """The table's name: the job's, as far as SQL takes it without quotes."""
    name = re.sub(r"[^a-z0-9_]", "_", job.id.lower())
    return f"_{name}" if name[0].isdigit() else name


# --- DuckDB ------------------------------------------------------------------------------------------


def duckdb(job: Job, written: Written = NOTHING_ELSE) -> Snippet:
    """A view over all files; folders that are `name={placeholder}` are columns.

    Objects under earlier keys, of which there will be no more, are named one by one.
    """
    folder = job.key.rpartition("/")[0]
    parts = {name: piece for name, piece in _HIVE.findall(folder) if piece != "job"}
    columns = _columns(job, _NAMED.findall(folder) if parts else ())
    typed = {part: "DATE" if piece == "date" else _number(piece) for part, piece in parts.items()}
    selects = []
    if written.current or not written.earlier:
        said = [f"{_expression(name, kind, job.format)} AS {_name(name)}" for name, kind in columns.items()]
        said += [_name(part) for part in typed]
        selects.append(_select(said, columns, job.format, _text(_files(job)), typed))
    selects += [_earlier(columns, typed, *group) for group in _groups(job, written.earlier)]
    text = "\nUNION ALL BY NAME\n".join(selects)
    notes = [*_earlier_said(job, written), *written.notes]
    lines = [*map(_comment, notes), f"CREATE OR REPLACE VIEW {name_of(job)} AS", f"{text};"]
    if job.bucket.startswith("s3://"):
        notes.append("For S3, DuckDB wants once: CREATE SECRET (TYPE s3, PROVIDER credential_chain);")
    return Snippet("\n".join(lines), "\n".join(notes))


def _select(said: list[str], columns: dict[str, _Kind], form: str, files: str, parts: dict[str, str]) -> str:
    """A SELECT of files of one format, in which columns that no file has are null."""
    nothing = [
        f"NULL::{'VARCHAR' if form == 'csv' else kind.duckdb} AS {_name(_header(name, form))}"
        for name, kind in columns.items()
    ]
    source = [
        f"SELECT * FROM read_{'json' if form == 'jsonl' else form}(",  # noqa: S608 - it is printed, and every name and text in it quoted
        f"  {files}",
        *_options(columns, parts, form),
        ")",
    ]
    lines = [
        "SELECT",
        ",\n".join(f"  {one}" for one in said),
        "FROM (",
        "  SELECT",
        ",\n".join(f"    {one}" for one in nothing),
        "  WHERE false",
        "  UNION ALL BY NAME",
        *(f"  {line}" for line in source),
        ")",
    ]
    return "\n".join(lines)


def _groups(job: Job, earlier: Iterable[Manifest]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Format, named folders and files of objects that one call can read."""
    found: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for one in earlier:
        names = tuple(_NAMED.findall(one.object.key.rpartition("/")[0]))
        file = _text(f"{_place(job)}/{one.object.key}")
        found.setdefault((one.object.format, names), []).append(file)
    for (form, names), files in found.items():
        yield form, names, "[\n    " + ",\n    ".join(files) + "\n  ]"


def _earlier(
    columns: dict[str, _Kind], typed: dict[str, str], form: str, names: Iterable[str], files: str
) -> str:
    """A SELECT of objects under earlier keys, where a header or a folder may have meant something else."""
    said = [
        f"{_expression(name, kind, form, surely=False)} AS {_name(name)}" for name, kind in columns.items()
    ]
    there = dict.fromkeys((part for part in typed if part in names), "VARCHAR")
    for part, kind in typed.items():
        said.append(f"TRY_CAST({_name(part) if part in there else 'NULL'} AS {kind}) AS {_name(part)}")
    # DuckDB reads JSON lines as what it is told they are, or not at all: text can be tried afterwards.
    read = dict.fromkeys(columns, _kind(pa.string())) if form == "jsonl" else columns
    return _select(said, read, form, files, there)


def _earlier_said(job: Job, written: Written) -> list[str]:
    """What to know of a view with objects under earlier keys."""
    if not written.earlier:
        return []
    span = _span(written.earlier)
    said = [
        f"{span} are named here: print this again once a window of theirs was run again, or one was moved."
    ]
    if not written.current:
        said.append(f"Nothing is under the key of {job.file} yet: print this again after its next run.")
    return said


def _span(earlier: Sequence[Manifest]) -> str:
    first, last = earlier[0].object.key, earlier[-1].object.key
    return f"Objects under earlier keys ({len(earlier):,}, from {first} to {last})"


def _comment(text: str) -> str:
    return f"-- {' '.join(text.split())}"


def _options(columns: dict[str, _Kind], parts: dict[str, str], form: str) -> list[str]:
    found = []
    if form == "csv":
        found += ["header = true", "all_varchar = true", "allow_quoted_nulls = false"]
        found += ["delim = ','", "quote = '\"'", "escape = '\"'"]
    if form == "jsonl":
        each = ", ".join(f"{_text(name)}: {_text(kind.duckdb)}" for name, kind in columns.items())
        found += ["format = 'newline_delimited'", f"columns = {{{each}}}"]
    else:
        found.append("union_by_name = true")
    if parts:
        each = ", ".join(f"{_text(name)}: {kind}" for name, kind in parts.items())
        found += ["hive_partitioning = true", f"hive_types = {{{each}}}"]
    else:
        found.append("hive_partitioning = false")
    return [f"  , {option}" for option in found]


def _number(piece: str) -> str:
    return "BIGINT" if piece == "year" or piece in _NUMBERS else "VARCHAR"


def _expression(name: str, kind: _Kind, form: str, *, surely: bool = True) -> str:
    """A column as its type; what cannot be that is null where it is not `surely` so."""
    cell = _name(_header(name, form))
    if form == "csv" and kind.duckdb.startswith("VARCHAR"):
        cell = f"regexp_replace({cell}, '^''(''*[{_SIGNS}])', '\\1')"
        cell = f"replace(replace({cell}, '␀0', chr(0)), '␀1', '␀')"
        if kind.duckdb == "VARCHAR":
            return cell
    as_json = kind.duckdb == "VARCHAR[]" and (form == "csv" or (form == "jsonl" and not surely))
    for wanted in (["JSON"] if as_json else []) + [kind.duckdb]:
        cell = f"{cell}::{wanted}" if surely else f"TRY_CAST({cell} AS {wanted})"
    return cell


def _header(name: str, form: str) -> str:
    """What a column is called in a file: CSV escapes its headers too."""
    return str(escaped(pa.array([name], pa.string()))[0]) if form == "csv" else name


def _files(job: Job) -> str:
    """All files of a job, as DuckDB globs."""
    return f"{_place(job)}/{wild_key(job)}"


def _place(job: Job) -> str:
    """A job's bucket, in which what is a glob in the folder's own name is none."""
    place = place_of(job.bucket, job.root)
    if place.startswith("file://"):
        place = str(Path(unquote(urlsplit(place).path)) if job.bucket.startswith("file:") else place[7:])
        place = re.sub(r"([*?\[])", r"[\1]", place)
    return place.rstrip("/")


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


# --- Athena ------------------------------------------------------------------------------------------


def athena(job: Job, written: Written = NOTHING_ELSE) -> Snippet:
    """An external table; placeholders in the key's folders are partitions, which Athena computes.

    Objects under earlier keys are no part of it, unless they lie where it looks, and are told.
    """
    if not job.bucket.startswith("s3://"):
        raise NoTable(f"{job.file} writes to {job.bucket}, and Athena reads S3 only")
    if job.format == "csv":
        raise NoTable(
            f"Athena ends a row of CSV at each line break, those inside a text too: let the key of {job.file}"
            " end in .parquet"
        )
    place = place_of(job.bucket, job.root)
    parts, template = _partitions(job)
    columns = _columns(job, parts)
    for name in (*columns, *parts):
        if not _ATHENAS.fullmatch(name):
            raise NoTable(
                f"Athena takes letters, digits and _ in a name: give the column"
                f' "{name}" of {job.file} another one'
            )
    times = job.format == "parquet"  # its reader of JSON knows no zones
    typed = [
        f"  `{name.lower()}` {'string' if kind.athena == 'timestamp' and not times else kind.athena}"
        for name, kind in columns.items()
    ]
    fixed = template.partition("$")[0].rpartition("/")[0] if "$" in template else template
    head = f"{place}/{fixed}".rstrip("/")
    lines = [f"CREATE EXTERNAL TABLE `{name_of(job)}` (", ",\n".join(typed), ")"]
    if parts:
        kinds = (f"`{name}` {'string' if piece == 'date' else 'int'}" for name, piece in parts.items())
        lines.append(f"PARTITIONED BY ({', '.join(kinds)})")
    if job.format == "parquet":
        lines.append("STORED AS PARQUET")
    else:
        lines.append("ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe'")
    lines.append(f"LOCATION '{_quoted(head)}/'")
    if parts:
        properties = {"projection.enabled": "true", **dict(_projection(job, parts))}
        properties["storage.location.template"] = f"{place}/{template}/"
        each = ",\n".join(f"  '{name}' = '{_quoted(value)}'" for name, value in properties.items())
        lines += ["TBLPROPERTIES (", each, ")"]
    notes = [*_left_out(job, written, f"{template}/" if parts else f"{fixed}/"), *written.notes]
    text = "\n".join([*map(_comment, notes), *lines])
    return Snippet(f"{text};", "\n".join(filter(None, [*notes, _said_of(job, parts, head)])))


def _left_out(job: Job, written: Written, where: str) -> list[str]:
    """What of earlier keys is not below the folder, or the folders, that the table is of."""
    pieces = re.split(r"\$\{\w+\}", where.removeprefix("/"))
    below = re.compile("[^/]+".join(map(re.escape, pieces)))
    left = [
        one for one in written.earlier if one.object.format != job.format or not below.match(one.object.key)
    ]
    if not left:
        return []
    place = zone(job.schedule.timezone)
    since, until = min(one.start for one in left), max(one.end for one in left)
    days = (f"{moment.astimezone(place):%Y-%m-%dT%H:%M}".removesuffix("T00:00") for moment in (since, until))
    again = "trawl backfill {} --from {} --to {} --again".format(shlex.quote(job.id), *days)
    return [
        f"{_span(left)} are not in this table: run their windows again (`{again}`), or ask DuckDB for them.",
    ]


def _said_of(job: Job, parts: dict[str, str], head: str) -> str:
    if not parts:
        return f"Athena reads everything below {head}/: let nothing else lie there."
    if "year" in parts.values() and job.date_range.until is None:
        return f"Ask for a year in each query: without one, Athena looks into every folder until {_LAST}."
    return ""


def _partitions(job: Job) -> tuple[dict[str, str], str]:
    """Partition -> placeholder, and the folder of a window's object with `${partition}` for each.

    No partitions where a placeholder is one that Athena cannot count, as moments are.
    """
    names: dict[str, str] = {}
    folders = []
    key = job.key.replace("{job}", job.id.replace(".", "/"))
    for folder in key.split("/")[:-1]:
        hive = _HIVE.fullmatch(folder)
        pieces = list(parse_key(folder))
        for place in range(1, len(pieces), 2):
            piece = pieces[place]
            if piece in {"start", "end"}:
                return {}, parse_key(key)[0].rpartition("/")[0]
            name = (hive[1] if hive else {"date": "dt"}.get(piece, piece)).lower()
            names[name] = piece
            pieces[place] = f"${{{name}}}"
        folders.append("".join(pieces))
    return names, "/".join(folders)


def _projection(job: Job, parts: dict[str, str]) -> Iterator[tuple[str, str]]:
    """How Athena counts each partition."""
    place = zone(job.schedule.timezone)
    since, until = job.date_range.since, job.date_range.until
    first = since.astimezone(place).date() if since else _FIRST
    last = (until - timedelta(microseconds=1)).astimezone(place).date() if until else None
    for name, piece in parts.items():
        at = f"projection.{name}"
        if piece == "date":
            yield f"{at}.type", "date"
            yield f"{at}.format", "yyyy-MM-dd"
            yield f"{at}.range", f"{first},{last or 'NOW'}"
            yield f"{at}.interval", "1"
            yield f"{at}.interval.unit", "DAYS"
            continue
        low, high = _NUMBERS.get(piece, (first.year, last.year if last else _LAST))
        yield f"{at}.type", "integer"
        yield f"{at}.range", f"{low},{high}"
        if piece != "year":
            yield f"{at}.digits", "2"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


KINDS: Final[Mapping[str, Callable[[Job, Written], Snippet]]] = {"duckdb": duckdb, "athena": athena}
"""Who asks -> the statement for a job and what it has written; each raises NoTable."""
