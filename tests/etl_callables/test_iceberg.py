"""A job's table: each run replaces the rows of its window in one commit, whoever reads, writes or dies."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from pyiceberg.types import LongType

from etl_callables import extract, raw
from etl_callables.erasure import Erasure, Trace
from etl_callables.errors import RetryLater, Stop
from etl_callables.forgetting import Subject
from etl_callables.iceberg_catalog import CATALOG
from etl_callables.loading import load
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.publishing import shown_by_tables, withdraw
from etl_callables.reader import read_posts
from etl_callables.restoration import restore
from etl_callables.retention import due, expire
from etl_callables.run import Run, prefix
from etl_callables.store import open_store, store_at
from etl_callables.transformation import transform
from etl_callables.verification import Finding, verify
from schemas.job import Column, Job, Pseudonyms, Quality
from schemas.window import Window
from tests.etl_callables.jobs import WINDOW, extracted, job, tweet, tweets
from trawl.backfill import Span, backfill_of
from trawl.policy import policy
from trawl.querying import KINDS, NoTable

ROOT = Path(__file__).parents[2]


def now() -> datetime:
    return datetime.now(UTC)


def a_run(**changes: Any) -> Run:
    return Run(now=now, log=logging.getLogger("trawl.test"), **changes)


def table_job(bucket: Path | str, **changes: Any) -> Job:
    return job(bucket, key="social/posts", format="iceberg", **changes)


def wrote(ours: Job, numbers: range, window: Window = WINDOW, run: Run | None = None) -> dict[str, Any]:
    """What load says of tweets of a window with these numbers."""
    run = run or a_run()
    bodies = [tweet(number, window.start + timedelta(seconds=number)) for number in numbers]
    given = transform(ours, window, run, extracted(ours, run, [bodies], window=window))
    return load(ours, window, run, given)


def table_of(folder: Path) -> Table:
    """The table as anybody opens it: by the catalog's file, with nothing of Trawl's."""
    catalog = load_catalog("trawl", type="sql", uri=f"sqlite:///{folder / CATALOG}")
    table = catalog.load_table("social.posts")
    catalog.close()
    return table


def ids(table: Table) -> list[str]:
    found: list[Any] = table.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()
    return sorted(found, key=int)


def manifest_of(ours: Job, window: Window = WINDOW) -> Manifest:
    manifest = read_manifest(open_store(ours, a_run()), prefix(ours, window, a_run()))
    assert manifest is not None
    return manifest


def findings(ours: Job, run: Run | None = None) -> list[Finding]:
    run = run or a_run()
    store = open_store(ours, run)
    shown = shown_by_tables({ours.id: ours}, store, run)
    return list(verify(store, run.now(), shown=shown, with_raw=True).findings)


def wrong(ours: Job, run: Run | None = None) -> list[str]:
    return [str(finding) for finding in findings(ours, run) if finding.wrong]


def test_each_run_replaces_the_rows_of_its_window_in_one_snapshot(tmp_path: Path) -> None:
    """Others' rows stay; the manifest names the table, its commit and its rows; the file is whole."""
    ours = table_job(tmp_path)
    after = Window(WINDOW.end, WINDOW.end + timedelta(days=1))
    wrote(ours, range(5))
    wrote(ours, range(100, 103), after)
    wrote(ours, range(2, 9))
    table = table_of(tmp_path)
    assert ids(table) == [str(number) for number in [*range(2, 9), *range(100, 103)]]
    assert len(table.snapshots()) == 3
    manifest = manifest_of(ours)
    assert manifest.table is not None
    assert (manifest.table.name, manifest.table.key, manifest.table.rows) == (
        "social.posts",
        "social/posts",
        7,
    )
    assert manifest.table.snapshot == str(table.snapshots()[-1].snapshot_id)
    assert manifest.replaced is not None
    assert manifest.replaced.posts == 5
    assert read_posts(manifest.object.url.removeprefix("file://")).num_rows == 7
    assert wrong(ours) == []


def test_the_same_posts_again_make_no_commit(tmp_path: Path) -> None:
    ours = table_job(tmp_path, columns=(Column("id", "id"), Column("text", "text")))
    first, second = wrote(ours, range(5)), wrote(ours, range(5))
    assert (first["unchanged"], second["unchanged"]) == (False, True)
    assert first["object"] == second["object"]
    assert len(table_of(tmp_path).snapshots()) == 1


def test_a_window_without_posts_takes_its_rows_out(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    wrote(ours, range(0))
    assert table_of(tmp_path).snapshots() == []
    wrote(ours, range(3))
    wrote(ours, range(0))
    assert ids(table_of(tmp_path)) == []
    assert manifest_of(ours).counts.kept == 0
    assert wrong(ours) == []


def test_files_bear_the_ids_of_the_tables_columns(tmp_path: Path) -> None:
    """Readers that do not go by names, as DuckDB's, would else see nothing but nulls."""
    ours = table_job(tmp_path)
    wrote(ours, range(3))
    path = manifest_of(ours).object.url.removeprefix("file://")
    schema = table_of(tmp_path).schema()
    for field in pq.read_schema(path):
        assert field.metadata is not None
        assert int(field.metadata[b"PARQUET:field_id"]) == schema.find_field(field.name).field_id
    tags = pq.read_schema(path).field("hashtags").type.value_field
    assert int(tags.metadata[b"PARQUET:field_id"]) == schema.find_field("hashtags.element").field_id


def test_duckdb_reads_the_table_through_pyiceberg(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    wrote(ours, range(9))
    with table_of(tmp_path).scan().to_duckdb("posts") as connection:
        found = connection.sql(
            "SELECT count(*), max(likes), any_value(hashtags), min(_window_start)"
            " = TIMESTAMPTZ '2021-07-05 00:00Z'"
            " FROM posts"
        ).fetchall()
    assert found == [(9, 6, ["covid"], True)]
    assert isinstance(connection, duckdb.DuckDBPyConnection)


def test_the_example_archive_comes_into_a_table(tmp_path: Path) -> None:
    """All three steps, as Airflow runs them."""
    ours = replace(
        table_job(tmp_path),
        folder=str(ROOT / "pipelines/examples"),
        options={"files": "covid_archive/posts.jsonl", "layout": "auto"},
        query="covid",
        limit=150,
    )
    run = a_run()
    load(ours, WINDOW, run, transform(ours, WINDOW, run, extract(ours, WINDOW, run)))
    table = table_of(tmp_path)
    assert len(ids(table)) == manifest_of(ours).counts.kept > 0
    assert wrong(ours) == []


def test_a_new_column_is_null_in_what_is_there(tmp_path: Path) -> None:
    few = (Column("id", "id"), Column("text", "Tweet"))
    after = Window(WINDOW.end, WINDOW.end + timedelta(days=1))
    wrote(table_job(tmp_path, columns=few), range(2))
    wrote(
        table_job(tmp_path, columns=(*few, Column("likes", "likes"), Column("hashtags", "tags"))),
        range(2, 4),
        after,
    )
    rows = table_of(tmp_path).scan().to_arrow().sort_by("id").to_pylist()
    assert [(row["id"], row["Tweet"], row["likes"], row["tags"]) for row in rows] == [
        ("0", "made up text 0", None, None),
        ("1", "made up text 1", None, None),
        ("2", "made up text 2", 2, ["covid"]),
        ("3", "made up text 3", 3, ["covid"]),
    ]
    wrote(table_job(tmp_path, columns=few[:1]), range(5, 7))
    assert ids(table_of(tmp_path)) == ["2", "3", "5", "6"]


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    wrote(table_job(tmp_path, columns=(Column("id", "id"), Column("likes", "what"))), range(2))
    other = table_job(tmp_path, columns=(Column("id", "id"), Column("text", "what")))
    with pytest.raises(Stop, match=r'"what" of the table social\.posts is long, .* would write string'):
        wrote(other, range(2))
    assert ids(table_of(tmp_path)) == ["0", "1"]


def test_the_table_of_another_job_is_refused(tmp_path: Path) -> None:
    wrote(table_job(tmp_path), range(2))
    with pytest.raises(Stop, match=r"belongs to the job team\.posts, and .* would replace rows of it"):
        wrote(table_job(tmp_path, id="team.others"), range(2))


def test_a_file_of_another_table_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """Somebody dropped the table between transform and load, and it came back with other ids."""
    columns = (Column("id", "id"), Column("text", "text"))
    ours = table_job(tmp_path, columns=columns)
    given = transform(ours, WINDOW, a_run(), extracted(ours, a_run(), [tweets(range(3))]))
    catalog = load_catalog("trawl", type="sql", uri=f"sqlite:///{tmp_path / CATALOG}")
    catalog.drop_table("social.posts")
    catalog.close()
    transform(
        replace(ours, columns=(Column("likes", "likes"), *columns)),
        WINDOW,
        a_run(),
        extracted(ours, a_run(), [tweets(range(3))]),
    )
    with pytest.raises(Stop, match=r"has other columns than the table .*: clear the transform task"):
        load(ours, WINDOW, a_run(), given)
    assert LongType() in [field.field_type for field in table_of(tmp_path).schema().fields]


def test_a_run_by_hand_of_something_else_writes_beside_the_table(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    wrote(ours, range(3))
    said = wrote(ours, range(7), run=a_run(variant="by-hand"))
    assert said["object"].endswith("~by-hand/posts.parquet")
    assert ids(table_of(tmp_path)) == ["0", "1", "2"]
    assert wrong(ours) == []


def test_pseudonyms_are_in_the_table_and_names_are_not(tmp_path: Path) -> None:
    ours = table_job(
        tmp_path, pseudonymise=Pseudonyms(("author", "author_name", "author_id", "url"), "secret")
    )
    run = a_run(connection={"secret": {"password": "a made-up key of enough length"}}.__getitem__)
    wrote(ours, range(3), run=run)
    rows = table_of(tmp_path).scan().to_arrow().to_pylist()
    assert len(rows) == 3
    assert "someone" not in {row["author"] for row in rows}
    assert "Some One" not in json.dumps(rows, default=str)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "social").rglob("*") if path.is_file())
    assert b"Some One" not in kept


def bounds_of(table: Table) -> list[Any]:
    """The least and the greatest value of each column, of every file that metadata still tells of."""
    snapshot = table.current_snapshot()
    assert snapshot is not None
    entries = [
        entry.data_file
        for manifest in snapshot.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False)
    ]
    assert len(entries) > 1, "that of the former file is among them"
    return [(file.lower_bounds, file.upper_bounds) for file in entries]


def test_who_is_forgotten_is_in_no_snapshot_and_no_file(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    bodies = [
        tweet(1, user={"username": "gone", "id": 7, "displayname": "Gone Away"}),
        tweet(2),
    ]
    given = transform(ours, WINDOW, a_run(), extracted(ours, a_run(), [bodies]))
    load(ours, WINDOW, a_run(), given)
    erasure = Erasure(open_store(ours, a_run()), ours, [Subject("author", "gone")], a_run())
    erased = erasure.erase(erasure.traces())
    assert [(one.posts, one.problem) for one in erased] == [(1, "")]
    table = table_of(tmp_path)
    assert ids(table) == ["2"]
    assert len(table.snapshots()) == 1
    files = [path for path in (tmp_path / "social").rglob("*") if path.is_file()]
    assert not [path for path in files if b"Gone Away" in path.read_bytes()]
    assert "gone" not in str(bounds_of(table))
    assert wrong(ours) == []


def test_who_is_forgotten_is_in_no_past_of_a_table_that_has_them_no_more(tmp_path: Path) -> None:
    """As where a run of that window has replaced their rows since."""
    ours = table_job(tmp_path)
    gone = tweet(1, user={"username": "gone", "id": 7, "displayname": "Gone Away"})
    load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), extracted(ours, a_run(), [[gone]])))
    wrote(ours, range(2, 4))
    erasure = Erasure(open_store(ours, a_run()), ours, [Subject("author", "gone")], a_run())
    assert erasure.erase(erasure.traces()) == []
    files = [path for path in (tmp_path / "social").rglob("*") if path.is_file()]
    assert not [path for path in files if b"Gone Away" in path.read_bytes()]
    assert ids(table_of(tmp_path)) == ["2", "3"]
    assert wrong(ours) == []


def test_a_table_without_raw_pages_is_rid_of_somebody_with_the_columns_of_then(tmp_path: Path) -> None:
    columns = (Column("author", "who"), Column("hashtags", "tags"), Column("created_at", "at"))
    said = {f"columns.{column.header}": column.field for column in columns}
    ours = table_job(tmp_path, keep_raw=False, columns=columns, values=said)
    wrote(ours, range(2))
    today = replace(ours, columns=(Column("text", "text"),), values={"columns": ["text"]})
    for name, rows in (("nobody", 2), ("someone", 0)):
        erasure = Erasure(open_store(today, a_run()), today, [Subject("author", name)], a_run())
        (erased,) = erasure.erase([Trace(prefix(today, WINDOW, a_run()), 0)])
        assert erased.problem == ""
        table = table_of(tmp_path).scan(selected_fields=("who", "tags")).to_arrow()
        assert table.to_pylist() == [{"who": "someone", "tags": ["covid"]}] * rows
        assert wrong(ours) == []


def test_what_a_job_wrote_before_it_had_a_table_comes_into_that_without_who_is_forgotten(
    tmp_path: Path,
) -> None:
    before = job(tmp_path, keep_raw=False)
    wrote(before, range(3))
    today = replace(before, key="social/posts", format="iceberg")
    erasure = Erasure(open_store(today, a_run()), today, [Subject("post", "1")], a_run())
    assert [one.problem for one in erasure.erase(erasure.traces())] == [""]
    assert ids(table_of(tmp_path)) == ["0", "2"]
    assert not list((tmp_path / "posts").glob("*"))
    assert wrong(today) == []


def test_a_file_that_no_run_has_published_is_named_until_it_is_a_day_old(tmp_path: Path) -> None:
    """Its run may go on; once that is over, whoever forgets again is rid of it."""
    ours = table_job(tmp_path)
    gone = tweet(1, user={"username": "gone", "id": 7, "displayname": "Gone Away"})
    pages = extracted(ours, a_run(), [[gone], [tweet(2)]])
    load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), pages))
    path = Path(manifest_of(ours).object.url.removeprefix("file://"))
    stray = path.parents[1] / raw.new_attempt(now()) / path.name
    stray.parent.mkdir()
    shutil.copy(path, stray)
    later = replace(a_run(), now=lambda: now() + timedelta(days=2))
    for run, problems in ((a_run(), 1), (later, 0)):
        erasure = Erasure(open_store(ours, run), ours, [Subject("author", "gone")], run)
        said = [one.problem for one in erasure.erase(erasure.traces()) if one.problem]
        assert len(said) == problems
        assert all(one.startswith(f"{stray.as_uri()} may have their posts still: ") for one in said)
    assert not stray.exists()
    assert ids(table_of(tmp_path)) == ["2"]


@pytest.mark.parametrize("key", ["social/others", "social/{date}.csv"])
def test_who_is_forgotten_is_in_no_table_of_an_earlier_key(tmp_path: Path, key: str) -> None:
    """Nor its past; the other windows stay in it."""
    before = table_job(tmp_path)
    bodies = [tweet(1, user={"username": "gone", "id": 7, "displayname": "Gone Away"}), tweet(2)]
    load(before, WINDOW, a_run(), transform(before, WINDOW, a_run(), extracted(before, a_run(), [bodies])))
    wrote(before, range(7, 9), Window(WINDOW.end, WINDOW.end + timedelta(days=1)))
    today = replace(before, key=key, format="csv" if key.endswith("csv") else "iceberg")
    erasure = Erasure(open_store(today, a_run()), today, [Subject("author", "gone")], a_run())
    assert [one.problem for one in erasure.erase(erasure.traces())] == [""]
    assert ids(table_of(tmp_path)) == ["7", "8"]
    assert len(table_of(tmp_path).snapshots()) == 1
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if b"Gone Away" in path.read_bytes()]
    assert [row["id"] for row in read_posts(manifest_of(today).object.url).to_pylist()] == ["2"]


def test_what_is_too_old_goes_from_the_table_and_its_past(tmp_path: Path) -> None:
    ours = table_job(tmp_path, keep=timedelta(days=30))
    after = Window(WINDOW.end, WINDOW.end + timedelta(days=1))
    wrote(ours, range(3))
    wrote(ours, range(7, 9), after)
    store, later = open_store(ours, a_run()), now() + timedelta(days=31)
    things = [one for one in due(store, ours, later) if str(WINDOW) in one.folder]
    expire(store, things, later, lambda manifest: withdraw(ours, store, a_run(), manifest))
    table = table_of(tmp_path)
    assert ids(table) == ["7", "8"]
    assert len(table.snapshots()) == 1
    assert len(list((tmp_path / "social/posts/data").rglob("*.parquet"))) == 1
    assert wrong(ours) == []


def test_old_snapshots_go_with_their_files_and_young_ones_stay(tmp_path: Path) -> None:
    """What a run left that nobody's snapshot shows goes too, once it is a day old."""
    ours = table_job(tmp_path)
    for numbers in (range(3), range(5), range(0), range(4)):
        wrote(ours, numbers)
    data = tmp_path / "social/posts/data"
    assert len(list(data.rglob("*.parquet"))) == 4
    assert len(table_of(tmp_path).snapshots()) == 4
    later = replace(a_run(), now=lambda: now() + timedelta(days=6))
    wrote(ours, range(6), run=later)
    table = table_of(tmp_path)
    assert ids(table) == [str(number) for number in range(6)]
    assert [path.read_bytes() for path in data.rglob("*.parquet")] == [
        Path(manifest_of(ours).object.url.removeprefix("file://")).read_bytes()
    ]
    known = {table.current_snapshot().manifest_list} | {  # type: ignore[union-attr]
        one.manifest_path
        for one in table.current_snapshot().manifests(table.io)  # type: ignore[union-attr]
    }
    assert {str(path) for path in tmp_path.rglob("*.avro")} == {
        name.removeprefix("file://") for name in known
    }


def test_verify_notices_what_the_table_does_not_show_and_mends_it(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    wrote(ours, range(5))
    catalog = load_catalog("trawl", type="sql", uri=f"sqlite:///{tmp_path / CATALOG}")
    catalog.load_table("social.posts").delete("id = '3'")
    catalog.close()
    found = [finding for finding in findings(ours) if finding.wrong]
    assert [(one.kind, one.message) for one in found] == [
        ("changed", "is not what the table social.posts shows for this window")
    ]
    store = open_store(ours, a_run())
    repairs = restore(store, found, {ours.id: ours}, a_run())
    assert [(repair.done, repair.note) for repair in repairs] == [
        (True, "made again from 1 raw page, byte for byte")
    ]
    assert ids(table_of(tmp_path)) == ["0", "1", "2", "3", "4"]


def test_posts_that_are_not_as_expected_do_not_come_into_the_table(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours = table_job(tmp_path, quality=Quality(min_posts=4))
    with caplog.at_level(logging.INFO):
        wrote(ours, range(5))
    assert "Wrote 5 posts to the table social.posts, as file:///" in caplog.text
    with pytest.raises(Stop, match="Its posts are kept at "):
        wrote(ours, range(3))
    assert ids(table_of(tmp_path)) == ["0", "1", "2", "3", "4"]


def test_trawl_read_says_that_a_table_is_one(tmp_path: Path) -> None:
    wrote(table_job(tmp_path), range(2))
    with pytest.raises(Stop, match="is a table: read it by its catalog"):
        read_posts(str(tmp_path / "social/posts"))


def test_readers_see_the_old_rows_or_the_new_ones_while_runs_replace_them(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    wrote(ours, range(10))
    seen: list[int] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            seen.append(table_of(tmp_path).scan().to_arrow().num_rows)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(4):
            wrote(ours, range(10 if turn % 2 else 20))
    finally:
        over.set()
        reader.join()
    assert set(seen) == {10, 20}
    assert len(seen) > 5


def ran(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.etl_callables.table_runs", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_runs_at_once_end_with_exactly_the_right_rows() -> None:
    """Of windows of their own, all of them; of one window, those of one of them, which its manifest names."""
    assert ran("races", "1") == {"breaches": [], "manifest": True}


@pytest.mark.slow
def test_a_run_killed_anywhere_leaves_the_old_rows_or_the_new_and_the_next_one_is_right() -> None:
    done = ran("kills", "7")
    assert done["breaches"] == []
    assert done["kills"] >= 4


# --- S3 ----------------------------------------------------------------------------------------------


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_table_in_s3_has_its_catalog_where_a_connection_says(s3: str, tmp_path: Path) -> None:
    """Its files are reached as the bucket is; without the connection a run says what is missing."""
    uri = f"sqlite:///{tmp_path / 'catalog.sqlite'}"
    connections = {
        "aws": {
            "login": "made-up",
            "password": "made-up",
            "extra": {"endpoint_url": s3, "region_name": "us-east-1"},
        },
        "lake": {"extra": {"type": "sql", "uri": uri}},
    }
    run = a_run(connection=connections.__getitem__)
    ours = table_job("s3://made-up/lake", bucket_connection="aws", catalog_connection="lake")
    store_at("s3://made-up", connection="aws", run=run).files.call_s3(  # type: ignore[attr-defined]
        "create_bucket", Bucket="made-up"
    )
    for numbers in (range(5), range(8)):
        wrote(ours, numbers, run=run)
    catalog = load_catalog(
        "lake",
        type="sql",
        uri=uri,
        **{
            "s3.endpoint": s3,
            "s3.access-key-id": "made-up",
            "s3.secret-access-key": "made-up",
            "s3.region": "us-east-1",
        },
    )
    table = catalog.load_table("social.posts")
    assert table.location() == "s3://made-up/lake/social/posts"
    assert ids(table) == [str(number) for number in range(8)]
    catalog.close()
    assert wrong(ours, run) == []
    with pytest.raises(Stop, match="says no catalog: add catalog_connection"):
        wrote(replace(ours, catalog_connection=None), range(2), run=run)
    with pytest.raises(Stop, match="There is no connection 'lake'"):
        wrote(ours, range(2), run=a_run(connection={"aws": connections["aws"]}.__getitem__))


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"type": "sql"},
        {"type": "sql", "uri": "hidden-word"},
        {"type": "sql", "uri": "nothing://me:hidden-word@there/lake"},
        {"type": "none such"},
        {"uri": "hidden-word"},
    ],
)
def test_a_connection_that_is_no_catalog_stops_the_run_with_what_to_do(
    extra: dict[str, str], tmp_path: Path
) -> None:
    """What it has in it is not shown."""
    ours = table_job(tmp_path, catalog_connection="lake")
    run = a_run(connection={"lake": {"extra": extra}}.__getitem__)
    with pytest.raises(Stop, match="extra of connection 'lake' does not say how to reach a catalog") as said:
        wrote(ours, range(2), run=run)
    assert "hidden-word" not in str(said.value)


def test_a_catalog_out_of_reach_is_tried_later(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    ours = table_job(tmp_path, catalog_connection="lake")
    run = a_run(
        connection={"lake": {"extra": {"type": "rest", "uri": f"http://127.0.0.1:{port}"}}}.__getitem__
    )
    with pytest.raises(RetryLater, match="cannot be read or written"):
        wrote(ours, range(2), run=run)


def test_only_who_has_a_table_imports_pyiceberg() -> None:
    code = (
        "import sys, trawl.cli, trawl.verifying, etl_callables, etl_callables.loading, etl_callables.erasure;"
        "print([name for name in sys.modules if name.startswith(('pyiceberg', 'sqlalchemy'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_who_runs_a_job_may_write_and_remove_files_of_its_table() -> None:
    ours = table_job("s3://made-up/lake", catalog_connection="lake")
    allowed = {one["Sid"]: one["Resource"] for one in policy([ours])["Statement"]}
    files = "arn:aws:s3:::made-up/lake/social/posts/*"
    assert all(files in allowed[name] for name in ("Read", "Write", "RemoveLeftovers", "AbortUploads"))
    assert files in {one["Sid"]: one["Resource"] for one in policy([ours], read=True)["Statement"]}["Read"]


def test_a_statement_that_makes_a_table_says_that_there_is_one() -> None:
    ours = table_job("s3://made-up/lake", catalog_connection="lake")
    for make in KINDS.values():
        with pytest.raises(NoTable, match=r"writes a table already: its catalog has social\.posts"):
            make(ours)


def test_a_backfill_of_a_table_overwrites_nothing(tmp_path: Path) -> None:
    ours = table_job(tmp_path)
    span = Span(WINDOW.start, WINDOW.start + timedelta(days=3))
    fill = backfill_of(ours, span, now(), a_run(), again=False)
    assert len(fill.parts) == 3
    assert fill.remarks == ()
