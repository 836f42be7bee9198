"""`trawl new`: asks until a job file passes the check."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from etl_callables.sources.facts import facts_of
from schemas.builtin import builtin_values
from schemas.problem import Problem
from schemas.shape import schema
from trawl.writing import KEY, compose, problems, usual, value_of

_MISSING = re.compile(r'"(?P<name>[a-z_.]+)" is missing')
_USUAL: Final = ("bucket", "key")
"""Every job has them, so nobody wonders why they are asked for."""

_FIRST: Final = {"schedule": "daily"}
"""What an empty answer means, the first time and each time after."""

_OFTEN: Final = 20
"""Questions about one job, after which somebody is stuck."""


class GivenUp(Exception):  # noqa: N818  says what is so; the person sees its text only
    """What was said is no job; `problems` are what is wrong with it."""

    def __init__(self, found: list[Problem]) -> None:
        super().__init__("\n".join(f"{problem.said} [{problem.kind}]" for problem in found))  # of no file
        self.problems = found


def text_of_job(said: dict[str, Any], path: Path, pipelines: Path, *, ask: bool) -> str:
    """The file of a job with the values `said`; what is missing is asked for, if it may be.

    Raises GivenUp with the problems where nobody may be asked.
    """
    if ask:
        _first_questions(said)
    said.setdefault("schedule", _FIRST["schedule"])
    if not ask:
        _fill(said, path, pipelines)
    for _ in range(_OFTEN):
        text = compose(said, path, pipelines)
        found = problems(path, pipelines, text)
        if not found:
            return text
        if not ask or not _mended(said, min(found, key=_urgency), text, pipelines):
            break
    raise GivenUp(found)


def _urgency(problem: Problem) -> int:
    """What to ask about first: what to scrape, then where it goes, then what is wrong with an answer."""
    found = _MISSING.search(problem.message)
    name = found["name"].partition(".")[0] if found else ""
    if name in _USUAL:
        return 1 + _USUAL.index(name)
    return 0


def _fill(said: dict[str, Any], path: Path, pipelines: Path) -> None:
    """What nobody said and no defaults say, where there is a usual answer."""
    for problem in problems(path, pipelines, compose(said, path, pipelines)):
        found = _MISSING.search(problem.message)
        answer = _usual(found["name"], pipelines) if found else None
        if found and answer:
            said[found["name"]] = answer


def _usual(name: str, pipelines: Path) -> str | None:
    """What most would answer to a question, None where that is anybody's guess."""
    if name == "key":
        return KEY
    return usual("bucket", pipelines) if name == "bucket" else None


def _first_questions(said: dict[str, Any]) -> None:
    if "source" not in said:
        sources = schema()["properties"]["source"]["enum"]
        for source in sources:
            click.echo(f"  {source:<12} {facts_of(source, builtin_values(source)['via']).gives}")
        said["source"] = click.prompt("Source", type=click.Choice(sources), show_choices=False)
    if "query" not in said and said["source"] not in ("archive", "rss", "mastodon"):
        _ask(said, "query", "")
    if "schedule" not in said:
        _ask(said, "schedule", _FIRST["schedule"])
    if "description" not in said:
        _ask(said, "description", "")


def _mended(said: dict[str, Any], problem: Problem, text: str, pipelines: Path) -> bool:
    """Ask again for what the problem is about; whether there was an answer."""
    found = _MISSING.search(problem.message)
    name = found["name"] if found else _field_at(text, problem.line)
    if name == "options" and problem.kind == "missing-key":
        required = _required_options(said["source"])
        said["options"] = {}
        for option in required:
            _ask(said, f"options.{option}", "", needed=True)
        return bool(required)
    if problem.kind == "no-subject":
        name = _chosen(problem, said["source"])
    elif problem.kind != "missing-key":
        _explain(problem)
    elif name is not None and name not in _USUAL:
        click.echo(f"Needed: {_in_a_sentence(_described(name, said['source']))}.", err=True)
    if name is None:
        return False
    known = _FIRST.get(name) or (_usual(name, pipelines) if problem.kind == "missing-key" else None)
    _ask(said, name, known, needed=True)
    return True


def _explain(problem: Problem) -> None:
    click.echo(problem.said, err=True)


def _chosen(problem: Problem, source: str) -> str | None:
    """Which of the fields that a problem's hint names somebody wants to fill."""
    hint = problem.hint
    options = [f"options.{name}" for name in re.findall(r"options: \{([a-z]+): …\}", hint)]
    names = {
        name.removeprefix("options."): name for name in (["query"] if '"query: …"' in hint else []) + options
    }
    if len(names) > 1:
        click.echo(f"What to scrape from {source}? One of:")
        for shown, name in names.items():
            click.echo(f"  {shown:<12} {_in_a_sentence(_described(name, source))}")
        return names[click.prompt("Which", type=click.Choice(list(names)), show_choices=False)]
    _explain(problem)
    return next(iter(names.values()), None)


def _in_a_sentence(field: Mapping[str, Any]) -> str:
    """The beginning of what the schema says of a field."""
    return str(field.get("description", "")).partition(". ")[0].rstrip(".")


def _required_options(source: str) -> list[str]:
    root = schema()
    for branch in root["allOf"]:
        then = branch["then"].get("properties", {})
        if branch["if"]["properties"]["source"].get("const") == source and "options" in then:
            options = root["$defs"][then["options"]["$ref"].removeprefix("#/$defs/")]
            return list(options.get("required", ()))
    return []


def _field_at(text: str, line: int) -> str | None:
    """The field that is written on a line of the file, or around it."""
    lines = text.splitlines()[:line]
    for number, one in enumerate(reversed(lines)):
        found = re.match(r"(?P<indent> *)(?P<name>[a-z_]+):", one)
        if found and (number == 0 or not found["indent"]):
            name = str(found["name"])
            if not found["indent"]:
                return name
            above = _field_at(text, line - 1)
            return f"{above.partition('.')[0]}.{name}" if above else name
    return None


def _ask(said: dict[str, Any], name: str, suggestion: str | None, *, needed: bool = False) -> None:
    """Ask for one field; an empty answer leaves it out, and is asked again where the field is `needed`."""
    field = _described(name, said.get("source"))
    example = next(iter(field.get("examples", ())), None)
    if name == "source_connection":
        example = f"{said['source']}_api"
    hint = f" (such as {example})" if example is not None and not suggestion else ""
    answer = click.prompt(
        f"{field.get('title', name)}{hint}",
        # Without a default an empty answer is asked again.
        default=suggestion or (None if needed else ""),
        show_default=bool(suggestion),
    )
    head, _, tail = name.partition(".")
    if not answer:
        return
    if tail:
        said.setdefault(head, {})[tail] = value_of(answer)
    else:
        said[head] = answer if field.get("type") == "string" else value_of(answer)


def _described(name: str, source: str | None) -> dict[str, Any]:
    root = schema()
    head, _, tail = name.partition(".")
    if not tail:
        return dict(root["properties"].get(head, {}))
    for branch in root["allOf"]:
        then = branch["then"].get("properties", {})
        if branch["if"]["properties"]["source"].get("const") == source and "options" in then:
            options = root["$defs"][then["options"]["$ref"].removeprefix("#/$defs/")]
            if tail in options["properties"]:
                return dict(options["properties"][tail])
    return {}
