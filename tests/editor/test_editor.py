"""What an analyst sees in VS Code, or any editor with yaml-language-server, while writing a job."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from schemas.shape import schema
from tests.editor.language_server import Editor, editor
from trawl.cli import trawl

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("editor")]

ROOT = Path(__file__).resolve().parents[2]
JOB = "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


def with_comments(path: Path) -> Any:
    """JSON as VS Code takes it, with comments on lines of their own."""
    text = re.sub(r"^\s*//.*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return json.loads(text)


@pytest.fixture(scope="module")
def here() -> Iterator[Editor]:
    """An editor with this project open, as .vscode/settings.json sets it up."""
    with editor(ROOT, with_comments(ROOT / ".vscode" / "settings.json")) as open_one:
        yield open_one


def test_an_empty_file_offers_a_whole_job(here: Editor) -> None:
    found = here.complete("pipelines/a.yaml", "|")
    assert "daily scrape" in found
    assert found["daily scrape"]["insertText"].startswith("description: ${1:")


def test_an_empty_line_offers_every_field_that_is_not_there_yet(here: Editor) -> None:
    found = here.complete("pipelines/b.yaml", JOB + "|\n")
    assert set(schema()["properties"]) - {"source", "query", "bucket", "key"} <= set(found)
    assert "query" not in found


def test_a_field_is_offered_with_what_it_is_for(here: Editor) -> None:
    found = here.complete("pipelines/c.yaml", JOB + "|\n")
    for name, field in schema()["properties"].items():
        if name in found:
            documentation = found[name]["documentation"]
            text = documentation["value"] if isinstance(documentation, dict) else documentation
            assert field["description"] in text.replace("\\", "")


def test_after_source_the_sources_are_offered(here: Editor) -> None:
    assert set(here.complete("pipelines/d.yaml", "source: |\n")) == set(
        schema()["properties"]["source"]["enum"]
    )


def test_after_schedule_schedules_in_words_are_offered(here: Editor) -> None:
    assert {"daily", "daily at 06:00", "weekly"} <= set(
        here.complete("pipelines/e.yaml", JOB + "schedule: |\n")
    )


def test_after_via_the_providers_of_that_source_are_offered(here: Editor) -> None:
    assert set(here.complete("pipelines/f.yaml", JOB + "via: |\n")) >= {"x-api", "snscrape"}
    assert set(here.complete("pipelines/g.yaml", "source: archive\nvia: |\n")) >= {"files"}
    assert "x-api" not in here.complete("pipelines/h.yaml", "source: archive\nvia: |\n")


def test_options_are_those_of_the_source(here: Editor) -> None:
    found = here.complete("pipelines/i.yaml", "source: archive\noptions:\n  |\n")
    assert {"files", "layout"} <= set(found)
    assert "expand" not in found


def test_columns_are_offered_by_name(here: Editor) -> None:
    found = here.complete("pipelines/j.yaml", JOB + "columns:\n  - |\n")
    assert {"author", "created_at", "text"} <= set(found)


@pytest.mark.parametrize("name", ["source", "schedule", "key", "limit", "date_range"])
def test_a_field_is_explained_where_the_mouse_rests(here: Editor, name: str) -> None:
    value = {"date_range": "{since: 2021-07-05}", "limit": "150", "schedule": "daily"}.get(name, "x")
    shown = here.hover(
        f"pipelines/k_{name}.yaml", f"{name}: {value}\n".replace(name, f"{name[:2]}|{name[2:]}", 1)
    )
    field = schema()["properties"][name]
    plain = shown.replace("\\", "").replace("&nbsp;", " ")
    assert field["title"] in plain
    assert field["description"][:60] in plain


def test_a_good_file_has_no_marks(here: Editor) -> None:
    assert here.marks("pipelines/l.yaml", JOB) == []


@pytest.mark.parametrize(
    ("line", "marked", "said"),
    [
        ("querry: covid", "querry", "not allowed"),
        ("limit: 0", "0", "minimum"),
        ("limit: '150'", "'150'", "type"),
        ("backfill: yes", "yes", "type"),
        ("via: snscrap", "snscrap", "snscrape"),
        ("format: excel", "excel", "parquet"),
        ("schedule: sometimes", "sometimes", ""),
        ("date_range: {since: 05.07.2021}", "05.07.2021", "pattern"),
        ("options: {sort: new}", "sort", "not allowed"),
        ("columns: [author, txt]", "txt", "text"),
    ],
)
def test_a_mistake_is_marked_at_its_place(here: Editor, line: str, marked: str, said: str) -> None:
    name = f"pipelines/m_{re.sub('[^a-z0-9]', '', line)}.yaml"
    found = here.marks(name, JOB + line + "\n")
    assert any(marked == text and said in message for text, message in found), found


def test_what_is_missing_is_said(here: Editor) -> None:
    found = here.marks("pipelines/n.yaml", "source: twitter\nquery: covid\n")
    assert {"bucket", "key"} <= {name for _, said in found for name in re.findall('"([a-z]+)"', said)}


def test_defaults_need_not_say_everything(here: Editor) -> None:
    assert here.marks("pipelines/team/defaults.yaml", "owner: analytics\n") == []


def test_other_yaml_files_are_left_alone(here: Editor) -> None:
    assert here.marks("docker/compose.yaml", "services: {}\n") == []


def test_a_repository_of_jobs_alone_gets_the_schema_by_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(trawl, ["schema", "--into", "."]).exit_code == 0
    settings = with_comments(tmp_path / ".vscode" / "settings.json")
    with editor(tmp_path, settings) as other:
        assert "twitter" in other.complete("pipelines/a.yaml", "source: |\n")
        assert [text for text, _ in other.marks("pipelines/b.yaml", JOB + "limit: 0\n")] == ["0"]
        assert other.marks("pipelines/defaults.yaml", "owner: me\n") == []
        assert [text for text, _ in other.marks("pipelines/team/defaults.yaml", "limit: 0\n")] == ["0"]


def test_the_line_at_the_top_of_a_job_is_enough_without_settings(tmp_path: Path) -> None:
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "scrape_job.schema.json").write_text(json.dumps(schema()))
    line = "# yaml-language-server: $schema=../schemas/scrape_job.schema.json\n"
    with editor(tmp_path, {}) as bare:
        assert "twitter" in bare.complete("pipelines/a.yaml", f"{line}source: |\n")


def test_vs_code_is_told_which_extension_reads_this() -> None:
    assert with_comments(ROOT / ".vscode" / "extensions.json")["recommendations"] == ["redhat.vscode-yaml"]


def test_the_task_finds_every_problem_that_check_prints() -> None:
    (task,) = with_comments(ROOT / ".vscode" / "tasks.json")["tasks"]
    pattern = re.compile(task["problemMatcher"]["pattern"]["regexp"])
    for case in (ROOT / "tests" / "jobs" / "err").glob("*.txt"):
        for line in case.read_text(encoding="utf-8").splitlines():
            found = pattern.match(line)
            assert found, line
            assert found[1].lower().endswith((".yaml", ".yml")) or "folder" in line
