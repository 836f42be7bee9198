"""A look at a few posts shows what a job would find and how full its columns are, and writes nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from etl_callables.errors import NothingToDo
from etl_callables.post import FIELDS, Post
from etl_callables.selection import Tally
from schemas.job import Column, DateRange, Pseudonyms
from schemas.window import Window
from tests.servers.x_api import XApi
from tests.servers.x_api_posts import made_up
from tests.trawl.jobs import job, utc
from trawl.cli import trawl
from trawl.sampling import Sample, sheet, window_of

ROOT = Path(__file__).resolve().parents[2]
NOW = utc(2021, 7, 10, 12)
X = """source: twitter
query: covid
limit: 100
source_connection: x_api
date_range: {since: 2021-07-05, until: 2021-07-06}
bucket: ./bucket
key: "{date}.csv"
"""


@pytest.mark.parametrize(
    ("span", "window"),
    [
        (DateRange(), (utc(2021, 7, 9), utc(2021, 7, 10))),
        (DateRange(utc(2021, 7, 1), utc(2021, 7, 5)), (utc(2021, 7, 4), utc(2021, 7, 5))),
        (DateRange(None, utc(2021, 7, 5, 6)), (utc(2021, 7, 4), utc(2021, 7, 5))),
        (DateRange(utc(2021, 7, 9, 6)), (utc(2021, 7, 9, 6), utc(2021, 7, 10))),
    ],
)
def test_it_looks_at_the_last_window_that_was_complete(
    span: DateRange, window: tuple[datetime, datetime]
) -> None:
    assert window_of(job(date_range=span), NOW) == Window(*window)


def test_before_the_date_range_there_is_nothing_to_show() -> None:
    with pytest.raises(NothingToDo, match="begins at 2021-07-11 00:00 UTC"):
        window_of(job(date_range=DateRange(utc(2021, 7, 11))), NOW)


def post(number: int, **changes: object) -> Post:
    values: dict[str, object] = dict.fromkeys(FIELDS)
    values |= {
        "platform": "twitter",
        "id": str(number),
        "author": f"someone_{number}",
        "created_at": utc(2021, 7, 9, 12, number),
        "text": f"post {number}\nof several\x1b[2J " + "words " * 30,
        "scraped_at": NOW,
    }
    return Post(**{**values, **changes})


def shown(posts: list[Post], count: int, width: int, **changes: Any) -> str:
    columns = tuple(Column(field, field) for field in ("id", "lang", "likes", "hashtags"))
    found = Sample(
        window=Window(utc(2021, 7, 9), utc(2021, 7, 10)),
        counted=None,
        uncounted="",
        posts=posts,
        tally=Tally(fetched=len(posts) + 3, kept=len(posts), outside=3),
        pages=1,
        truncated="source repeats pages",
        cost=None,
    )
    return click.unstyle(sheet(job(**{"columns": columns, **changes}), found, count, width))


def test_what_is_shown_says_how_full_each_column_is() -> None:
    posts = [post(1, likes=0), post(2, lang="en", likes=3, hashtags=()), post(3)]
    assert shown(posts, 2, 60) == (
        "team.covid  2021-07-09 (UTC)\n"
        "3 posts of 6 items on 1 page, 3 outside the window. Nothing\n"
        "was written.\n"
        "The source ended before the window did: source repeats\n"
        "pages.\n"
        "\n"
        "  2021-07-09 12:01  someone_1  post 1 of several·[2J words …\n"
        "  2021-07-09 12:02  someone_2  post 2 of several·[2J words …\n"
        "\n"
        "  column    full  for example\n"
        "  id        100%  1\n"
        "  lang       33%  en\n"
        "  likes      66%  0\n"
        "  hashtags    0%"
    )


def test_what_the_job_hides_is_hidden_here_too_without_its_key() -> None:
    """Who looks at a preview need not be who may see names."""
    posts = [post(1, text="to @somebody and others", mentions=("somebody",), author_name="Ada Example")]
    columns = tuple(Column(field, field) for field in ("author", "text", "mentions", "created_at"))
    hidden = Pseudonyms(("author", "mentions", "text"), "key", "job")
    text = shown(
        posts, 1, 100, columns=columns, pseudonymise=hidden, truncate={"text": 20, "created_at": "day"}
    )
    assert "Pseudonyms are shown, not those that runs write." in text
    assert not {"someone_1", "somebody", "Ada"} & set(re.findall(r"\w+", text))
    assert "2021-07-09 00:00" in text
    assert "others" not in text
    assert re.search(r"^  author      100%  [a-z2-7]{26}$", text, re.MULTILINE)


def test_what_is_dropped_is_not_shown() -> None:
    text = shown([post(1)], 1, 100, drop=("author", "text", "created_at"))
    assert not {"someone_1", "words", "12:01"} & set(re.findall(r"[\w:]+", text))


def test_it_stands_on_narrow_terminals() -> None:
    assert max(map(len, shown([post(1)], 1, 32).splitlines())) <= 32


def test_no_posts_are_no_table() -> None:
    text = shown([], 5, 100)
    assert "0 posts of 3 items on 1 page, 3 outside the window. Nothing was written." in text
    assert "column" not in text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's examples and a job of X, with the working directory there."""
    shutil.copytree(ROOT / "pipelines" / "examples", tmp_path / "pipelines" / "examples")
    (tmp_path / "pipelines" / "x.yaml").write_text(X)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def preview(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["preview", *arguments], catch_exceptions=False)


def test_nothing_is_written(project: Path) -> None:
    before = sorted(project.rglob("*"))
    result = preview("examples.covid_archive", "--posts", "3")
    assert result.exit_code == 0, result.output
    assert len(re.findall(r"^  2021-07-11 \d\d:\d\d  ", result.stdout, re.MULTILINE)) == 3
    assert sorted(project.rglob("*")) == before


@pytest.fixture
def x(monkeypatch: pytest.MonkeyPatch) -> Iterator[XApi]:
    """X on loopback, with 250 posts of 5 July 2021, named by a connection in the environment."""
    with XApi(made_up(250, utc(2021, 7, 5, 23, 59)), now=lambda: utc(2021, 7, 6, 12)) as x:
        value = {"conn_type": "http", "host": x.url, "password": x.token}
        monkeypatch.setenv("AIRFLOW_CONN_X_API", json.dumps(value))
        yield x


def test_what_the_source_can_count_is_counted_first_and_little_is_paid(project: Path, x: XApi) -> None:
    result = preview("x")
    assert result.exit_code == 0, result.output
    lines = click.unstyle(result.stdout).splitlines()
    assert lines[1] == (
        "The source counts 250 posts there; fetching what a run keeps costs at most $0.545;"
        " counting cost $0.01."
    )
    assert lines[2].startswith("10 posts of 10 items on 1 page for $0.05.")
    assert float(x.bill) == 0.06
    assert not (project / "bucket").exists()


def test_a_look_costs_no_more_than_the_job_allows(project: Path, x: XApi) -> None:
    (project / "pipelines" / "x.yaml").write_text(X + "max_cost: {run: 0.01, month: 0.02}\n")
    result = preview("x")
    assert "max_cost.run of $0.01 does not pay for the smallest page" in result.stderr
    assert float(x.bill) == 0.01, "only counting was paid for"
    (project / "pipelines" / "x.yaml").write_text(X + "max_cost: {month: 0.02}\n")
    assert "max_cost.month of $0.02 does not pay for the smallest page" in " ".join(
        preview("x").output.split()
    )


def test_who_may_not_ask_is_told_so(project: Path, x: XApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_X_API", json.dumps({"host": x.url, "password": "wrong"}))
    result = preview("x")
    assert (result.exit_code, result.stdout) == (1, ""), project
    assert "correct the credentials in the connection x_api" in result.stderr
    monkeypatch.delenv("AIRFLOW_CONN_X_API")
    assert "There is no connection x_api" in preview("x").stderr
