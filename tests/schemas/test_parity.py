"""The schema, the Job, the posts and the sources say the same."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from etl_callables.formats import COMPRESSIONS as FORMAT_COMPRESSIONS
from etl_callables.post import FIELDS
from etl_callables.run import STATE
from etl_callables.sources import SOURCES
from schemas.builtin import builtin_values
from schemas.columns import columns_of, post_fields
from schemas.duration import parse_duration
from schemas.job import Job
from schemas.key import COMPRESSIONS, FORMATS, RESERVED, TABLE
from schemas.reading import read_jobs
from schemas.shape import Misfit, compile_schema, schema

ROOT = Path(__file__).resolve().parents[2]
PROPERTIES = schema()["properties"]
READ_OUT = {"id", "file", "folder", "root", "digest", "text", "compression", "values", "origins"}
"""What a Job has beyond what a person says in a file."""

INSIDE_SCHEDULE = {"timezone"}


def test_every_property_is_an_attribute_and_the_other_way_round() -> None:
    assert set(PROPERTIES) - INSIDE_SCHEDULE == {field.name for field in fields(Job)} - READ_OUT


def test_every_default_of_the_schema_is_the_default_of_the_job() -> None:
    for field in fields(Job):
        default = PROPERTIES.get(field.name, {}).get("default", MISSING)
        if field.default is MISSING or default is MISSING:
            continue
        if field.name == "retry_delay":
            default = parse_duration(default)
        assert field.default == (tuple(default) if isinstance(default, list) else default), field.name


@pytest.mark.parametrize("name", PROPERTIES)
def test_every_property_is_explained_to_the_person_in_the_editor(name: str) -> None:
    part = PROPERTIES[name]
    assert part["title"]
    assert part["description"].endswith((".", "?"))
    assert part["examples"]


def test_the_fields_of_a_post_are_those_of_the_schema() -> None:
    assert post_fields() == FIELDS


def test_the_sources_and_providers_are_those_of_the_schema() -> None:
    assert set(PROPERTIES["source"]["enum"]) == set(SOURCES), "`enum` of `source` in the schema"
    branched = {
        rule["if"]["properties"]["source"].get("const")
        for rule in schema()["allOf"]
        if set(rule["if"]["properties"]) == {"source"}
    }
    wanting = set(SOURCES) - branched
    assert not wanting, f"`allOf` in schemas/scrape_job.schema.json wants a branch for each of {wanting}"
    for rule in schema()["allOf"]:
        if set(rule["if"]["properties"]) != {"source"}:
            continue
        source = rule["if"]["properties"]["source"]["const"]
        via = rule["then"]["properties"]["via"]
        assert via["enum"] == list(SOURCES[source])
        assert via["default"] == builtin_values(source)["via"] == next(iter(SOURCES[source]))


@pytest.mark.parametrize("source", SOURCES)
def test_the_schema_and_the_pages_name_every_source(source: str) -> None:
    """An archive is no service, which ARCHITECTURE.md and docs/first-job.md are about."""
    said = PROPERTIES["source"]["description"]
    assert re.search(rf"[:,] {source} ", said), "`description` of `source` in the schema wants a few words"
    for via in SOURCES[source]:
        wanted = {"README.md": f"| `{source}` | `{via}` |", "docs/sources.md": f"## {source} via {via}"}
        if source != "archive":
            wanted["ARCHITECTURE.md"] = f"| `{source}` via `{via}` |"
            wanted["docs/first-job.md"] = f"| `{source}` |"
        if (source, via) == ("twitter", "snscrape"):  # which X refuses
            del wanted["docs/sources.md"]
        for page, text in wanted.items():
            lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
            assert any(line.startswith(text) for line in lines), f"{page} wants a line that begins {text}"


def test_formats_and_reserved_names_are_those_of_who_writes() -> None:
    assert PROPERTIES["format"]["enum"] == [*FORMATS, TABLE]
    assert COMPRESSIONS == FORMAT_COMPRESSIONS
    assert RESERVED == STATE


def test_the_presets_of_columns() -> None:
    assert [column.field for column in columns_of("all")] == list(FIELDS)
    assert [column.field for column in columns_of("default")] == [
        name for name in FIELDS if name != "scraped_at"
    ]
    assert {column.header: column.field for column in columns_of("tutorial")} == {
        "User": "author",
        "Date Created": "created_at",
        "Number of Likes": "likes",
        "Source of Tweet": "source_label",
        "Tweet": "text",
    }


def test_the_editor_finds_the_schema_from_every_job_file() -> None:
    files = [*(ROOT / "pipelines").rglob("*.yaml")]
    assert files
    for file in files:
        first = file.read_text(encoding="utf-8").splitlines()[0]
        prefix = "# yaml-language-server: $schema="
        assert first.startswith(prefix), file
        assert (
            file.parent / first.removeprefix(prefix)
        ).resolve() == ROOT / "schemas" / "scrape_job.schema.json"


def test_every_example_and_default_in_the_schema_fits_the_schema() -> None:
    for name, part in PROPERTIES.items():
        check = compile_schema(schema(), part)
        for value in [*part["examples"], *([part["default"]] if "default" in part else [])]:
            found: list[Misfit] = []
            check(value, (name,), found)
            assert found == [], (name, value)


def test_the_editors_snippet_is_a_good_job_once_filled_in(pipelines: Path) -> None:
    body = schema()["defaultSnippets"][0]["body"]
    filled = {key: re.sub(r"[$][{][0-9]:([^}]*)[}]", r"\1", value) for key, value in body.items()}
    lines = [f"{key}: '{value}'\n" for key, value in filled.items()]
    (pipelines / "a.yaml").write_text("".join(lines), encoding="utf-8")
    assert read_jobs(pipelines).problems == ()
