"""A new job file: from what a person wants to a commented file that passes the check, or to what it lacks."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from etl_callables.sources.facts import facts_of
from schemas.builtin import builtin_values
from schemas.folder import SUFFIXES, job_files, job_id_of
from schemas.problem import Problem
from schemas.reading import read_some
from schemas.schedule import describe, parse_schedule
from schemas.shape import schema
from schemas.tree import plain
from schemas.words import did_you_mean, short
from trawl.secrets import credentials, secrets_in

Said = Mapping[str, Any]
"""Values by field; those of `options` and `date_range` below their names."""

KEY: Final = "{job}/{date}/posts.csv"
_GROUPS: Final = (
    ("description", "owner", "tags"),
    ("source", "via", "source_connection", "query", "options", "date_range", "limit", "max_cost"),
    ("schedule", "timezone", "backfill"),
    ("bucket", "bucket_connection", "key", "columns", "drop", "truncate", "pseudonymise", "keep_raw"),
)
_NOTES: Final = {
    "query": "what to search for",
    "limit": "the most posts a run keeps",
    "date_range": "until is the first day no longer wanted",
    "bucket": "where the posts go",
    "key": "the suffix chooses the format; {job} is the path of this file",
    "source_connection": "in Airflow: the connection with the credentials",
}
_LATER: Final = {
    "owner": "owner: analytics",
    "limit": "limit: 1000",
    "date_range": "date_range: {since: 2026-01-01, until: 2026-07-01}",
}
"""What most jobs have sooner or later: written as comments, to be taken out of them."""

_BARE = re.compile(r"[A-Za-z./](?:(?:[\w ./@*!+-]|:(?=\S))*[\w./@*!+])?", re.ASCII)
_SAME: Final = "this job writes the same object as"
_MARGIN: Final = 27


class CannotWrite(Exception):  # noqa: N818  says what is so; the person sees its text only
    """The file is there already, or cannot be made; `str()` is a sentence for a person."""


def place_of_job(name: str, pipelines: Path) -> Path:
    """The file of a new job by its name (`team.covid`) or path; CannotWrite where it is there or none."""
    *folders, last = name.split(".")
    is_path = name.endswith(SUFFIXES)
    if not is_path and not all((*folders, last)):
        raise CannotWrite(f"{short(name)} is no name of a job: write words with dots between, as team.covid")
    path = Path(name) if is_path else pipelines.joinpath(*folders, f"{last}.yaml")
    root = pipelines.absolute().parent
    file = os.path.relpath(path.absolute(), root)
    if not file.startswith(f"{pipelines.name}/"):
        raise CannotWrite(
            f"{short(name)} is not in {pipelines}, where jobs are: write a name, as team.covid, or a path"
        )
    if os.path.lexists(path):
        raise CannotWrite(f"{path} is there already; choose another name, or edit it")
    _, faults = job_id_of(file, str(root))
    if faults:
        raise CannotWrite(f"{faults[0].message}; {faults[0].hint}")
    return path


def usual(name: str, pipelines: Path) -> str | None:
    """The value of a field that most jobs of the project write, None where there is none."""
    files = [pipelines.parent / file for file in job_files(str(pipelines), pipelines.name, [])]
    jobs = read_some(files, pipelines.absolute().parent).jobs
    found = Counter(str(job.values[name]) for job in jobs if job.origins.get(name) and job.origins[name].path)
    return found.most_common(1)[0][0] if found else None


def problems(path: Path, pipelines: Path, text: str) -> list[Problem]:
    """What would be wrong with a file of that text at that place, beside the files that are there."""
    root = pipelines.absolute().parent
    file = os.path.relpath(path.absolute(), root)
    others = [root / name for name in job_files(str(pipelines.absolute()), pipelines.name, [])]
    reading = read_some([*others, path], root, {file: text.encode("utf-8")})
    mine = [problem for problem in reading.problems if problem.path == file]
    # Which of two jobs with one object is at fault is decided by their names; here it is the new one.
    clashes = (
        replace(problem, path=file, line=1, column=1, message=f"{_SAME} {problem.path}")
        for problem in reading.problems
        if problem.path != file and problem.message == f"{_SAME} {file}"
    )
    return [*mine, *clashes, *credentials(file, secrets_in(text))]


def compose(said: Said, path: Path, pipelines: Path) -> str:
    """The file: fields in the order of thought, notes beside them, and as comments what often comes later."""
    schema_file = pipelines.absolute().parent / "schemas" / "scrape_job.schema.json"
    groups = [[line for name in group for line in _field(name, said)] for group in _GROUPS]
    text = "\n\n".join("\n".join(lines) for lines in groups if lines) + "\n"
    if not schema_file.is_file():
        return text
    place = os.path.relpath(schema_file, path.absolute().parent)
    return f"# yaml-language-server: $schema={place}\n{text}"


def _field(name: str, said: Said) -> Iterator[str]:
    if name not in said:
        if name in _LATER:
            yield _noted(f"# {_LATER[name]}", _NOTES.get(name, ""))
        return
    value = said[name]
    note = _note(name, said)
    if isinstance(value, dict) and name != "date_range":
        yield _noted(f"{name}:", note)
        for key, inner in value.items():
            yield f"  {key}: {written(inner)}"
        return
    yield _noted(f"{name}: {written(value)}", note)


def _note(name: str, said: Said) -> str:
    if name == "source":
        source = said["source"]
        via = said.get("via") or builtin_values(source).get("via", "")
        return facts_of(source, via).gives
    if name == "schedule":
        try:
            return describe(parse_schedule(said["schedule"], said.get("timezone", "UTC")))
        except (ValueError, TypeError):
            return ""
    return _NOTES.get(name, "")


def _noted(line: str, note: str) -> str:
    return f"{line:<{_MARGIN}}  # {note}" if note else line


def written(value: Any) -> str:
    """A value as it is read again: bare where that is what was meant, else in quotes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    text = str(value)
    moment = re.fullmatch(r"\d{4}-\d\d-\d\d(?: \d\d:\d\d)?", text)
    if moment or (_BARE.fullmatch(text) and plain(text) == text):
        return text
    return json.dumps(text, ensure_ascii=False)


def value_of(text: str) -> Any:
    """What a person means by a word on a command line: true, a number, a list of words, or text."""
    if text.startswith("[") and text.endswith("]"):
        return [plain(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    return plain(text) if text else text


def values_of(fields: Mapping[str, str], more: Iterable[str]) -> dict[str, Any]:
    """The values of a command line: `fields` are text, `more` are FIELD=VALUE with names such as
    `options.files`. ValueError, in a sentence, for one that is not.
    """
    said: dict[str, Any] = dict(fields)
    for pair in more:
        name, equals, text = pair.partition("=")
        head, _, tail = name.strip().partition(".")
        if not equals:
            raise ValueError(f"--set {short(pair)}: write FIELD=VALUE")
        if head not in schema()["properties"]:
            hint = did_you_mean(head, schema()["properties"]) or "`trawl docs` has all there are"
            raise ValueError(f'--set {short(pair)}: a job has no field "{short(head)}"; {hint}')
        part = said.setdefault(head, {}) if tail else said
        if not isinstance(part, dict) or (tail or head) in part:
            taken = name.strip() if isinstance(part, dict) else head
            raise ValueError(f"--set {short(pair)}: {short(taken)} has a value already")
        part[tail or head] = value_of(text.strip())
    return said


def write(path: Path, text: str) -> None:
    """Put the file there; CannotWrite where somebody was quicker."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CannotWrite(f"{path} is there already; choose another name, or edit it") from None
    except OSError as error:
        raise CannotWrite(f"{path} cannot be written: {error.strerror}") from None
