"""What `trawl table` prints makes a table of all that a job wrote, typed, whatever its columns were then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from click.testing import CliRunner
from sqlglot import exp

from etl_callables.errors import Stop
from etl_callables.reader import read_posts
from etl_callables.run import Run, object_key
from etl_callables.store_local import LocalStore
from etl_callables.table import SCHEMA
from schemas.job import Column, DateRange, Job
from schemas.key import render_key
from schemas.reading import read_job
from schemas.window import Window
from tests.etl_callables.jobs import tweet
from tests.trawl.jobs import job as plain
from tests.trawl.jobs import utc
from tests.trawl.living import NEXT, WINDOW, example, whole
from trawl import querying
from trawl.cli import trawl
from trawl.earlier import look, written
from trawl.querying import NOTHING_ELSE, NoTable, athena, name_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FORMATS = [
    (form, compression)
    for form in ("parquet", "csv", "jsonl")
    for compression in (None, "gzip", "zstd")
    if (form, compression) not in {("parquet", "gzip"), ("parquet", "zstd")}
]
SUFFIXES = {None: "", "gzip": ".gz", "zstd": ".zst"}

TYPES = """
platform string, id string, url string, author string, author_name string, author_id string,
created_at timestamp[us, tz=UTC], text string, lang string, likes int64, reposts int64, replies int64,
quotes int64, bookmarks int64, views int64, source_label string, conversation_id string,
in_reply_to string, quoted string, reposted string, hashtags list<item: string>,
mentions list<item: string>, urls list<item: string>, media list<item: string>,
scraped_at timestamp[us, tz=UTC]
"""


def test_the_type_of_a_column_never_changes() -> None:
    """Tables are made over files of years: a field may be added, and its type is for good."""
    now = [f"{field.name} {field.type}" for field in SCHEMA]
    assert ", ".join(now) == " ".join(TYPES.split())


def columns(*names: str) -> tuple[Column, ...]:
    """Columns by field, or by `field:header`."""
    pairs = (name.partition(":") for name in names)
    return tuple(Column(field, header or field) for field, _, header in pairs)


def asked(query: str, job: Job, name: str = "") -> list[dict[str, Any]]:
    """The answer of DuckDB to a query of the job's table."""
    with duckdb.connect() as connection:
        connection.execute(querying.duckdb(job, look(job, Run())).text)
        found = connection.execute(query.replace("TABLE", name or name_of(job)))
        names = [column[0] for column in found.description or []]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def example_in(folder: Path, form: str, compression: str | None, **changes: Any) -> Job:
    key = f"{{job}}/dt={{date}}/posts.{form}{SUFFIXES[compression]}"
    values = {"format": form, "compression": compression, "key": key, "root": str(folder), **changes}
    return example("./bucket", **values)


@pytest.mark.parametrize(("form", "compression"), FORMATS)
def test_duckdb_reads_all_runs_of_a_job_exactly(form: str, compression: str | None, tmp_path: Path) -> None:
    """Every field, typed, a run without posts among them; the folder's date is a column."""
    job = example_in(tmp_path, form, compression, columns=columns(*SCHEMA.names))
    windows = [WINDOW, NEXT, Window(utc(2022, 1, 1), utc(2022, 1, 2))]
    wanted = []
    for window in windows:
        whole(job, window, Run())
        posts = read_posts(f"{tmp_path}/bucket/{object_key(job, window, Run())}").to_pylist()
        wanted += [post | {"dt": window.start.date()} for post in posts]
    assert len({post["dt"] for post in wanted}) == 2
    assert asked("SELECT * FROM TABLE ORDER BY created_at, platform, id", job) == wanted
    kinds = {row["column_name"]: row["column_type"] for row in asked("DESCRIBE TABLE", job)}
    assert kinds == {
        **{
            field.name: {"string": "VARCHAR", "int64": "BIGINT", "list<item: string>": "VARCHAR[]"}.get(
                str(field.type), "TIMESTAMP WITH TIME ZONE"
            )
            for field in SCHEMA
        },
        "dt": "DATE",
    }


HOSTILE = [
    "",
    "'",
    "=1+1",
    "'=1",
    "''@x",
    "a\0b",
    "␀0",
    "␀1",
    "two\nlines\r\n",
    'say "yes"',
    "a,b",
    "NULL",
    "😀",
]


@pytest.mark.parametrize(("form", "compression"), FORMATS)
def test_duckdb_gives_the_exact_text(form: str, compression: str | None, tmp_path: Path) -> None:
    """Of texts and of lists of them: what is empty, missing or escaped in the file is told apart."""
    bodies = [
        tweet(number, rawContent=text, hashtags=[text, "x"], lang=None) for number, text in enumerate(HOSTILE)
    ]
    (tmp_path / "hostile.jsonl").write_bytes(b"\n".join(bodies))
    options = {"files": str(tmp_path / "hostile.jsonl")}
    job = example_in(tmp_path, form, compression, query=None, options=options)
    whole(job, WINDOW, Run())
    rows = asked("SELECT text, hashtags, lang FROM TABLE ORDER BY id::INT", job)
    assert [row["text"] for row in rows] == HOSTILE
    assert [row["hashtags"] for row in rows] == [[text, "x"] for text in HOSTILE]
    assert {row["lang"] for row in rows} == {None}


@pytest.mark.parametrize(("form", "compression"), FORMATS)
def test_a_column_added_later_is_null_before(form: str, compression: str | None, tmp_path: Path) -> None:
    """Wherever it is put among the others, and before there is any file that has it."""
    old = example_in(tmp_path, form, compression, columns=columns("id", "created_at", "text", "likes"))
    later = replace(old, columns=columns("id", "lang", "created_at", "hashtags", "text", "likes"))
    whole(old, WINDOW, Run())
    counts = "count(*) n, count(lang) l, count(hashtags) h, count(text) t"
    count = f"SELECT dt, {counts} FROM TABLE GROUP BY dt ORDER BY dt"
    (before,) = asked(count, later)
    assert (before["l"], before["h"]) == (0, 0)
    assert before["n"] == before["t"] > 0
    whole(later, NEXT, Run())
    rows = asked(count, later)
    assert rows[0] == before
    assert rows[1]["n"] == rows[1]["l"] == rows[1]["h"] > 0
    # And one that was taken away is no longer there.
    assert list(asked("SELECT * FROM TABLE LIMIT 1", old)[0]) == ["id", "created_at", "text", "likes", "dt"]


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_headers_may_be_anything(form: str, tmp_path: Path) -> None:
    """Quotes, formulas, reserved words and other letters."""
    odd = columns(
        "id:=Id", 'created_at:when "was it"', "text:select", "likes:Number of Likes", "hashtags:täg's"
    )
    job = example_in(tmp_path / "it's [a] *project?", form, None, columns=odd)
    whole(job, WINDOW, Run())
    rows = asked("SELECT * FROM TABLE ORDER BY 2, 1", job)
    posts = read_posts(f"{job.root}/bucket/{object_key(job, WINDOW, Run())}").to_pylist()
    assert [row["=Id"] for row in rows] == [post["=Id"] for post in posts]
    assert [row["select"] for row in rows] == [post["select"] for post in posts]
    assert list(rows[0]) == [column.header for column in odd] + ["dt"]


def test_a_query_for_a_day_opens_the_files_of_that_day(tmp_path: Path) -> None:
    job = example_in(tmp_path, "parquet", None)
    whole(job, WINDOW, Run())
    whole(job, NEXT, Run())
    (plan,) = asked("EXPLAIN ANALYZE SELECT count(id) FROM TABLE WHERE dt = '2021-07-06'", job)
    assert "Scanning Files: 1/2" in str(plan)


def test_state_and_other_objects_are_no_part_of_the_table(tmp_path: Path) -> None:
    """A key at the top of the bucket, where Trawl's own files and others' lie too."""
    job = example_in(tmp_path, "csv", None, key="{date}.csv", columns=columns("id"))
    whole(job, WINDOW, Run())
    (tmp_path / "bucket" / "notes.csv").write_text("a,b\n1,2\n")
    posts = read_posts(f"{tmp_path}/bucket/2021-07-05.csv").num_rows
    assert asked("SELECT count(*) AS n FROM TABLE", job) == [{"n": posts}]


THIRD = Window(NEXT.end, NEXT.end + (NEXT.end - NEXT.start))
OLD_KEYS = {
    "csv": "o'ld/{date}.csv.gz",
    "jsonl": "{job}/dt={date}/posts.jsonl.zst",
    "parquet": "{year}/dt={month}/{date}.parquet",
}
COMPRESSED = {"csv": "gzip", "jsonl": "zstd", "parquet": None}


def moved(folder: Path, form: str = "parquet") -> tuple[list[Job], Job]:
    """A job under three earlier keys with a run each, and as it is today, with other columns, without one."""
    old = example_in(folder, "csv", None, columns=columns("id", "created_at", "text", "likes", "hashtags"))
    olds = [
        replace(old, key=key, format=kind, compression=COMPRESSED[kind]) for kind, key in OLD_KEYS.items()
    ]
    for job, window in zip(olds, (WINDOW, NEXT, THIRD), strict=True):
        whole(job, window, Run())
    today = example_in(folder, form, None, key=f"today/dt={{date}}/posts.{form}")
    return olds, replace(today, columns=columns("lang", "id", "hashtags", "text", "likes", "created_at"))


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_what_is_under_earlier_keys_is_in_the_view_exactly(form: str, tmp_path: Path) -> None:
    """In whatever format it is; a column or a folder's that there was not then is null."""
    olds, today = moved(tmp_path, form)
    wanted = []
    for job, window in zip(olds, (WINDOW, NEXT, THIRD), strict=True):
        day = window.start.date() if job.format == "jsonl" else None
        posts = read_posts(f"{tmp_path}/bucket/{object_key(job, window, Run())}").to_pylist()
        wanted += [post | {"lang": None, "dt": day} for post in posts]
    assert len({post["dt"] for post in wanted}) == 2
    every = "SELECT * FROM TABLE ORDER BY created_at, id"
    assert asked(every, today) == wanted
    before = querying.duckdb(today, look(today, Run()))
    assert "Nothing is under the key of pipelines/examples/covid_archive.yaml yet" in before.note
    later = Window(THIRD.end, THIRD.end + (THIRD.end - THIRD.start))
    whole(today, later, Run())
    posts = read_posts(f"{tmp_path}/bucket/{object_key(today, later, Run())}").to_pylist()
    wanted += [post | {"dt": later.start.date()} for post in posts]
    assert asked(every, today) == wanted
    made = querying.duckdb(today, look(today, Run()))
    assert made.note == (
        "Objects under earlier keys (3, from o'ld/2021-07-05.csv.gz to 2021/dt=07/2021-07-07.parquet)"
        " are named here: print this again once a window of theirs was run again, or one was moved."
    )
    assert made.text.startswith(f"-- {made.note}\nCREATE OR REPLACE VIEW")


def test_a_window_that_was_run_again_under_the_present_key_is_in_the_view_once(tmp_path: Path) -> None:
    """As is one that a newer and longer window covers; what is gone breaks no view, and is told."""
    olds, today = moved(tmp_path)
    whole(today, WINDOW, Run())
    posts = read_posts(f"{tmp_path}/bucket/{object_key(today, WINDOW, Run())}").num_rows
    days = asked("SELECT count(*) n FROM TABLE WHERE created_at < '2021-07-06 00:00:00Z'", today)
    assert days == [{"n": posts}]
    (tmp_path / "bucket" / object_key(olds[1], NEXT, Run())).unlink()
    whole(today, Window(THIRD.start, THIRD.start + 7 * (THIRD.end - THIRD.start)), Run())
    found = look(today, Run())
    assert found.earlier == ()
    gone, covered = found.notes
    assert gone.startswith(
        "Left out: 1 object under earlier keys, gone or not to be read from here; `trawl verify"
    )
    assert covered == "Left out: 1 object under earlier keys, of windows that newer runs cover."
    assert all(f"-- {note}\n" in querying.duckdb(today, found).text for note in found.notes)
    for manifest in (tmp_path / "bucket" / "_trawl").rglob("manifest.json"):
        manifest.write_text("{")
    (damaged,) = look(today, Run()).notes
    assert damaged.startswith("4 manifests cannot be read")


class Narrow(LocalStore):
    """A bucket in which a reader may not look for what is under earlier keys."""

    def size(self, key: str) -> int | None:
        raise Stop(f"This user may not read {key}.")


def test_what_a_reader_may_not_look_for_is_left_out_and_told(tmp_path: Path) -> None:
    _, today = moved(tmp_path)
    found = written(today, Narrow(tmp_path / "bucket"))
    assert (found.earlier, found.current) == ((), False)
    (note,) = found.notes
    assert note.startswith("Left out: 3 objects under earlier keys, gone or not to be read from here;")
    assert querying.duckdb(today, found).text.endswith(querying.duckdb(today).text)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_a_header_that_meant_something_else_breaks_no_view(form: str, tmp_path: Path) -> None:
    old = example_in(tmp_path, form, None, key=f"old/{{date}}.{form}", columns=columns("id", "text:likes"))
    whole(old, WINDOW, Run())
    today = replace(old, key=f"today/{{date}}.{form}", columns=columns("id", "likes"))
    (counts,) = asked("SELECT count(*) > 0 AS n, count(likes) AS likes FROM TABLE", today)
    assert counts == {"n": True, "likes": 0}


def test_athena_is_told_what_is_not_where_it_looks(tmp_path: Path) -> None:
    _, today = moved(tmp_path)
    found = look(today, Run())
    there = replace(today, bucket="s3://analytics")
    made = athena(there, found)
    words = (
        "Objects under earlier keys (3, from o'ld/2021-07-05.csv.gz to 2021/dt=07/2021-07-07.parquet)"
        " are not in this table: run their windows again (`trawl backfill examples.covid_archive"
        " --from 2021-07-05 --to 2021-07-08 --again`), or ask DuckDB for them."
    )
    assert made.note.splitlines()[0] == words
    assert made.text.startswith(f"-- {words}\nCREATE EXTERNAL TABLE")
    (tree,) = sqlglot.parse(made.text, dialect="athena", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(tree, exp.Create)
    parquet = replace(found, earlier=found.earlier[2:])
    assert "earlier keys" in athena(there, parquet).note
    assert "earlier keys" not in athena(replace(there, key="{year}/{start}.parquet"), parquet).note
    assert "earlier keys" not in athena(replace(there, key="{year}/dt={month}/a.parquet"), parquet).note
    assert "earlier keys" in athena(replace(there, key="{year}/d={month}/a.parquet"), parquet).note


HIVE = "{job}/dt={date}/posts.parquet"
FEW = columns("id", "created_at", "text", "likes", "hashtags")
S3 = plain(bucket="s3://analytics/team", key=HIVE, format="parquet", columns=FEW)
GOLDEN = {
    "hive.parquet": S3,
    "parts.parquet": replace(S3, key="{year}/{month}/{day}/{hour}.parquet", date_range=DateRange()),
    "open.jsonl": replace(
        S3, key="{job}/{date}/{hour}.jsonl.zst", format="jsonl", compression="zstd", date_range=DateRange()
    ),
    "plain.parquet": replace(S3, key="{job}/{date}.parquet"),
    "moments.parquet": replace(S3, key="a/{start}/dt={date}/posts.parquet"),
    "hive.csv": replace(S3, key="{job}/dt={date}/posts.csv", format="csv"),
}


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("whom", querying.KINDS)
def test_the_statement_is_printed_as_it_is(whom: str, name: str) -> None:
    file = HERE / "table" / f"{name}.{whom}.sql"
    if (whom, name) == ("athena", "hive.csv"):
        with pytest.raises(NoTable):
            querying.KINDS[whom](GOLDEN[name], NOTHING_ELSE)
        return
    made = querying.KINDS[whom](GOLDEN[name], NOTHING_ELSE)
    text = f"{made.text}\n{made.note and f'-- {made.note}'}\n".rstrip("\n") + "\n"
    if os.environ.get("REGENERATE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


LITERAL = {
    "hive.parquet": "team/covid/",
    "parts.parquet": "",
    "open.jsonl": "team/covid/",
    "plain.parquet": "team/covid/",
    "moments.parquet": "a/",
}
"""The folders that all objects of a job lie in."""


def properties(statement: exp.Expression) -> Iterator[tuple[str, str]]:
    for one in statement.find_all(exp.Property):
        if "value" in one.args:
            yield one.name, one.args["value"].name


@pytest.mark.parametrize("name", [name for name in GOLDEN if name != "hive.csv"])
def test_athenas_statement_is_one_that_a_parser_takes(name: str) -> None:
    """It names each column once, and a partition for each that is counted."""
    job = GOLDEN[name]
    (tree,) = sqlglot.parse(athena(job).text, dialect="athena", error_level=sqlglot.ErrorLevel.RAISE)
    assert isinstance(tree, exp.Create)
    names = [column.name for column in tree.this.find_all(exp.ColumnDef)]
    assert names == [column.header for column in job.columns]
    said = dict(properties(tree))
    parts = {key.split(".")[1] for key in said if key.startswith("projection.") and key.count(".") > 1}
    template = said.get("storage.location.template", "")
    (location,) = (one.this.name for one in tree.find_all(exp.LocationProperty))
    key = render_key(job.key, WINDOW, job.id, "UTC")
    assert f"{job.bucket}/{key}".startswith(location)
    assert location == f"{job.bucket}/{LITERAL[name]}"
    assert all(f"${{{part}}}" in template for part in parts)
    assert template.count("$") == len(parts)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bucket": "./bucket"}, r"writes to ./bucket, and Athena reads S3 only"),
        ({"key": "a.csv", "format": "csv"}, "ends a row of CSV at each line break"),
        ({"columns": columns("id:the id")}, 'give the column "the id" of pipelines/team/covid.yaml another'),
        ({"columns": columns("id", "text:ID")}, 'the columns "id" and "ID" of .* are one to SQL'),
        ({"columns": columns("id", "text:dt")}, 'a folder in the key of .* is called "dt", as a column is'),
    ],
)
def test_what_athena_cannot_read_is_said(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(NoTable, match=why):
        athena(replace(S3, **changes))


@pytest.mark.parametrize("clash", [columns("id", "text:ID"), columns("id", "text:dt")])
def test_names_that_are_one_to_duckdb_are_said(clash: tuple[Column, ...]) -> None:
    with pytest.raises(NoTable):
        querying.duckdb(replace(S3, columns=clash))


def test_the_command_prints_the_statement_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to know besides goes to standard error."""
    text = (
        "source: hackernews\nquery: covid\nbucket: s3://analytics\nkey: '{job}/dt={date}/posts.FORM'\n"
        "schedule: daily\nbucket_connection: nobody\n"
    )
    (tmp_path / "pipelines").mkdir()
    for form in ("parquet", "csv"):
        (tmp_path / "pipelines" / f"{form}.yaml").write_text(text.replace("FORM", form))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(trawl, ["table", "parquet", "--for", "duckdb"])
    unread, once = done.stderr.splitlines()
    assert (done.exit_code, once[:7]) == (0, "For S3,")
    assert unread.startswith(
        "What parquet wrote under earlier keys was not looked for: There is no connection"
    )
    job = read_job(tmp_path / "pipelines" / "parquet.yaml", tmp_path)
    assert isinstance(job, Job)
    assert done.stdout == f"-- {unread}\n{querying.duckdb(job).text}\n"
    refused = CliRunner().invoke(trawl, ["table", "csv", "--for", "athena"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "let the key of pipelines/csv.yaml end in .parquet" in refused.stderr
    assert CliRunner().invoke(trawl, ["table", "parquet"]).exit_code == 2
