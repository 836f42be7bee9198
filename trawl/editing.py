"""What an editor needs to know job files: the schemas, and VS Code's settings that name them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from schemas.shape import SCHEMA_FILE, partial_schema

JOB: Final = "schemas/scrape_job.schema.json"
DEFAULTS: Final = "schemas/scrape_defaults.schema.json"
_TITLE: Final = "Defaults of scrape jobs"
_SETTINGS: Final = {
    "yaml.schemas": {
        f"./{JOB}": ["pipelines/**/*.yaml", "pipelines/**/*.yml", "!**/defaults.yaml", "!**/defaults.yml"],
        f"./{DEFAULTS}": ["pipelines/**/defaults.yaml", "pipelines/**/defaults.yml"],
    },
    "[yaml]": {"editor.insertSpaces": True, "editor.tabSize": 2, "editor.detectIndentation": False},
}
_EXTENSIONS: Final = {"recommendations": ["redhat.vscode-yaml"]}


class NotOurs(FileExistsError):  # noqa: N818  says what is so; the person sees its text only
    """A file of that name is there and is something else; `str()` is a sentence for a person."""


def job_schema() -> str:
    """The schema of a job file, as it came with this version."""
    return SCHEMA_FILE.read_text(encoding="utf-8")


def defaults_schema() -> str:
    """The schema of a defaults.yaml: as a job's, with nothing required."""
    schema = partial_schema() | {
        "title": _TITLE,
        "description": "What the jobs in this folder, and in those below it, have in common.",
    }
    schema.pop("defaultSnippets", None)
    return _text(schema)


def install(folder: Path) -> Iterator[str]:
    """Write the schemas below a project's folder, anew where they are there, and VS Code's settings
    where it has none; the names of what was written. Raises NotOurs before anything is.
    """
    texts = {JOB: job_schema(), DEFAULTS: defaults_schema()}
    for name, text in texts.items():
        path = folder / name
        if path.exists() and _title(path) != json.loads(text)["title"]:
            raise NotOurs(f"{path} is there and is no schema of ours; move it away first")
    for name, text in texts.items():
        yield _write(folder / name, text)
    for name, value in (("settings.json", _SETTINGS), ("extensions.json", _EXTENSIONS)):
        path = folder / ".vscode" / name
        if not path.exists():
            yield _write(path, _text(value))


def _title(path: Path) -> object:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found.get("title") if isinstance(found, dict) else None


def _write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def _text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
