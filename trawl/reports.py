"""The problems of a check, for tools: JSON, GitHub's annotations, SARIF 2.1.0."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Final
from urllib.parse import quote

from schemas.problem import Problem
from schemas.reading import Reading, essential

_SARIF: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

Length = Callable[[Problem], int]
"""How many characters a problem's culprit has, at least one."""


def as_json(reading: Reading, _length: Length) -> str:
    """`{"files": 2, "jobs": ["team.covid"], "problems": [{"path", "line", "column", "kind", …}]}`."""
    problems = [_plain(problem) for problem in reading.problems]
    jobs = [job.id for job in reading.jobs]
    return json.dumps({"files": reading.files, "jobs": jobs, "problems": problems}, indent=2)


def _plain(problem: Problem) -> dict[str, str | int]:
    return {name: getattr(problem, name) for name in ("path", "line", "column", "kind", "message", "hint")}


def as_github(reading: Reading, length: Length) -> str:
    """Workflow commands, a line each, which GitHub shows at the lines of a change.

    Paths are below GITHUB_WORKSPACE where there is one, as GitHub wants them. It shows ten of a step, so
    what defaults have is not said again for each of their jobs.
    """
    return "\n".join(_command(problem, length(problem)) for problem in essential(reading.problems)[0])


def _command(problem: Problem, length: int) -> str:
    place = {
        "file": _from_workspace(problem.path),
        "line": str(problem.line),
        "col": str(problem.column),
        "endColumn": str(problem.column + length),
        "title": f"trawl: {problem.kind}",
    }
    said = ",".join(f"{name}={_property(value)}" for name, value in place.items())
    return f"::error {said}::{_data(problem.said)}"


def _from_workspace(path: str) -> str:
    workspace = os.environ.get("GITHUB_WORKSPACE", "")
    if not workspace:
        return path
    below = os.path.relpath(os.path.realpath(path), os.path.realpath(workspace))
    return path if below.startswith("..") else below


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def as_sarif(reading: Reading, length: Length) -> str:
    """A log of one run, each kind of problem a rule."""
    kinds = sorted({problem.kind for problem in reading.problems})
    places = {kind: place for place, kind in enumerate(kinds)}
    driver = {"name": "trawl", "version": version("trawl"), "rules": [{"id": kind} for kind in kinds]}
    results = [_result(problem, length(problem), places) for problem in reading.problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)


def _result(problem: Problem, length: int, places: dict[str, int]) -> dict[str, Any]:
    region = {
        "startLine": problem.line,
        "startColumn": problem.column,
        "endColumn": problem.column + length,
    }
    artifact = {"uri": quote(problem.path), "uriBaseId": "%SRCROOT%"}
    return {
        "ruleId": problem.kind,
        "ruleIndex": places[problem.kind],
        "level": "error",
        "message": {"text": problem.said},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": region}}],
    }


FORMS: Final[dict[str, Callable[[Reading, Length], str]]] = {
    "json": as_json,
    "github": as_github,
    "sarif": as_sarif,
}
"""Name -> what prints it."""
