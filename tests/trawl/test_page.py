"""A job's page in Airflow shows a person's words as words."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from schemas.job import Column, Origin
from tests.trawl.jobs import job
from trawl.page import code, effective, escape, page


def text_of(markdown: str) -> str:
    """What a reader sees of Markdown: its tokens' text, without markup."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "code_inline", "softbreak", "text_special"}, inline
    return "".join(child.content for child in inline)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1))
def test_escaped_words_are_shown_as_written_and_are_never_markup(words: str) -> None:
    assert text_of("x " + escape(words)) == "x " + words


@pytest.mark.parametrize(
    "words", ["<script>alert(1)</script>", "[a](javascript:b)", "![x](http://y)", "# a", "- a"]
)
def test_markup_in_a_description_stays_text(words: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).render(page(job(description=words)))
    assert not re.search(r"<(script|a|img|h1|li)\b", html)
    assert words in page(job(description=words)).replace("\\", "")


@given(st.text(st.sampled_from("`|ab \n"), min_size=1).filter(lambda text: text.strip(" \n")))
def test_code_spans_hold_any_backticks_and_fit_a_table_cell(words: str) -> None:
    table = f"| | |\n|---|---|\n| a | {code(words)} |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table)
    cells = [token for token in tokens if token.type == "inline"]
    (span,) = cells[-1].children or ()
    assert span.type == "code_inline"
    assert span.content == " ".join(words.split())


def test_the_page_says_what_the_job_does_and_where_each_value_was_written() -> None:
    shown = page(
        job(
            description="First DAG with ETL process!",
            owner="AJAY",
            tags=("covid", "daily"),
            columns=(Column("author", "User"), Column("text", "Tweet")),
            values={"query": "covid", "retries": 1},
            origins={"query": Origin("pipelines/team/covid.yaml", 4, 8), "retries": Origin()},
        )
    )
    assert shown == (
        "First DAG with ETL process\\!\n"
        "\n"
        "Defined in `pipelines/team/covid.yaml`.\n"
        "\n"
        "| | |\n"
        "|---|---|\n"
        "| Owner | AJAY |\n"
        "| Source | archive via files |\n"
        "| Query | `covid` |\n"
        "| Runs | every day at 00:00 \\(UTC\\) |\n"
        "| Each run takes | its own interval, within 2021\\-07\\-05 00:00 UTC to 2021\\-07\\-12 00:00 UTC |\n"
        "| At most | 150 posts a run |\n"
        "| Writes | `./bucket/covid/{date}.csv` |\n"
        "| Manifest | `./bucket/_trawl/team.covid/<window>/manifest.json` |\n"
        "| Columns | User, Tweet |\n"
        "| Tags | covid, daily |\n"
        "\n"
        "### Effective job\n"
        "\n"
        "```yaml\n"
        "query: covid  # pipelines/team/covid.yaml:4\n"
        "retries: 1    # built-in default\n"
        "```\n"
    )


def test_the_page_is_never_taken_for_the_name_of_a_file() -> None:
    assert page(job(description="see notes.md")).endswith("\n")


@given(
    st.dictionaries(
        st.sampled_from(["query", "limit", "tags", "backfill", "description"]),
        st.one_of(
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])),
            st.integers(),
            st.booleans(),
            st.lists(st.text("ab: #", max_size=4)),
        ),
    )
)
def test_the_effective_job_is_yaml_that_says_the_same(values: dict[str, object]) -> None:
    shown = "\n".join(effective(job(values=values, origins=dict.fromkeys(values, Origin()))))
    assert (yaml.load(shown, yaml.BaseLoader) or {}) == plain(values)


def plain(value: object) -> object:
    """A value as a YAML reader sees it that takes every scalar for text."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_what_is_secret_in_an_address_is_not_on_the_page() -> None:
    feed = "https://me:sesame@blog.example/feed?token=sesame&page=2"
    options = {"feeds": [feed], "more": feed}
    shown = page(
        job(
            description=f"See {feed}",
            query=feed,
            owner=feed,
            tags=(feed,),
            values={"options": options},
            origins={"options": Origin()},
        )
    )
    assert "sesame" not in shown
    assert 'options: {"feeds": ["https://blog.example/feed?token=…&page=2"]' in shown
