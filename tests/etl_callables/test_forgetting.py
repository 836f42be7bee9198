"""What is to be forgotten is in nothing any more, comes back with no run, and takes nothing else with it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from etl_callables import extract, load, memory, raw, transform
from etl_callables.erasure import Erasure, Trace
from etl_callables.errors import Stop
from etl_callables.forgetting import Subject, Unparted, found_in, noted, recall, scrub, write
from etl_callables.http import one_line
from etl_callables.manifest import Manifest, Measured, read_manifest, write_manifest
from etl_callables.post import Post
from etl_callables.reader import read_posts
from etl_callables.restoration import restore
from etl_callables.retention import due, expire
from etl_callables.run import Kept, Run, prefix
from etl_callables.sources import source_for
from etl_callables.store import Store, open_store
from etl_callables.store_local import LocalStore
from etl_callables.verification import verify
from schemas.job import Column, DateRange, Job, Pseudonyms, Quality
from schemas.window import Window
from tests.etl_callables.jobs import NEXT_DAY, NOON, WINDOW, a_run, extracted, job, tweet
from tests.etl_callables.test_privacy import everything, run_with
from tests.etl_callables.test_retention import Dying

PAGES = Path(__file__).parents[1] / "sources" / "pages"
ADA = {"username": "Ada_L", "id": 47110008154711, "displayname": "Ada Lovelace"}
BOB = {"username": "bob", "id": 2, "displayname": "Bob"}
POSTS = [
    tweet(101, NOON, user=ADA, rawContent="one of ada"),
    tweet(102, NOON, user=BOB, rawContent="one of bob"),
    tweet(103, NOON, user=ADA, rawContent="two of ada"),
    tweet(104, NOON, user=BOB, rawContent="two of bob"),
]
OF_ADA = Subject("author", "@ada_l")


def written(job: Job, run: Run | None = None, posts: list[bytes] = POSTS) -> Manifest:
    run = run or a_run()
    load(job, WINDOW, run, transform(job, WINDOW, run, extracted(job, run, [posts[:2], posts[2:]])))
    return manifest_of(job, run)


def manifest_of(job: Job, run: Run | None = None) -> Manifest:
    run = run or a_run()
    found = read_manifest(open_store(job, run), prefix(job, WINDOW, run))
    assert found is not None
    return found


def erasing(job: Job, *subjects: Subject, run: Run | None = None, store: Store | None = None) -> Erasure:
    run = run or a_run()
    return Erasure(store or open_store(job, run), job, subjects or (OF_ADA,), run)


def forget(job: Job, *subjects: Subject, **more: Any) -> list[str]:
    """Forget, and the problems that a person has to see to."""
    erasure = erasing(job, *subjects, **more)
    return [one.problem for one in erasure.erase(erasure.traces()) if one.problem]


def texts(job: Job) -> list[str]:
    return [row["text"] for row in read_posts(manifest_of(job).object.url).to_pylist()]


@pytest.mark.parametrize("subject", [OF_ADA, Subject("author", "47110008154711")], ids=lambda one: one.value)
def test_somebody_is_out_of_the_object_and_out_of_the_raw_pages(tmp_path: Path, subject: Subject) -> None:
    ours = job(tmp_path)
    before = written(ours)
    assert forget(ours, subject) == []
    assert texts(ours) == ["one of bob", "two of bob"]
    left = everything(tmp_path)
    for word in ("of ada", "Ada_L", "Lovelace", "47110008154711"):
        assert word not in left, word
    after = manifest_of(ours)
    assert (after.started, after.finished) == (before.started, before.finished)
    assert (after.counts.kept, after.counts.fetched) == (2, 2)
    assert after.replaced is not None
    assert after.replaced.sha256 == before.object.sha256
    assert verify(open_store(ours, a_run()), NEXT_DAY, with_raw=True).findings == ()


def test_an_object_that_a_newer_window_wrote_stays_that_ones(tmp_path: Path) -> None:
    """Of a job that takes its whole range each time, whose windows have one key."""
    ours = job(tmp_path, key="all.csv", date_range=DateRange(each_run="whole"))
    longer = Window(WINDOW.start - timedelta(days=1), WINDOW.end)
    first = [*POSTS[:2], POSTS[0]]
    for hour, window, posts in ((12, longer, first), (13, WINDOW, POSTS), (14, longer, POSTS[:3])):
        run = a_run(now=lambda hour=hour: NEXT_DAY.replace(hour=hour))
        pages = extracted(ours, run, [posts], window=window)
        load(ours, window, run, transform(ours, window, run, pages))
        if hour == 12:
            continue
        assert forget(ours, Subject("post", str(88 + hour)), run=run) == []
        url = manifest_of(ours).object.url
        left = {13: ["one of bob", "two of ada", "two of bob"], 14: ["two of ada"]}[hour]
        assert [row["text"] for row in read_posts(url).to_pylist()] == left
        assert verify(open_store(ours, run), NEXT_DAY, with_raw=True).findings == ()
        if hour == 13:  # the older window tells of its pages as they are now, the post that came twice gone
            older = read_manifest(open_store(ours, run), prefix(ours, longer, run))
            assert older is not None
            assert (older.counts.fetched, older.counts.kept, older.counts.duplicate) == (1, 1, 0)


def test_a_post_alone_goes(tmp_path: Path) -> None:
    ours = job(tmp_path)
    written(ours)
    assert forget(ours, Subject("post", "103")) == []
    assert texts(ours) == ["one of ada", "one of bob", "two of bob"]
    assert "two of ada" not in everything(tmp_path)


def test_where_it_is_is_told_before_anything_is_changed(tmp_path: Path) -> None:
    ours = job(tmp_path)
    written(ours)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (trace,) = erasing(ours).traces()
    assert trace == Trace(prefix(ours, WINDOW, a_run()), 2)
    assert erasing(ours, Subject("author", "nobody")).traces() == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_later_run_does_not_bring_it_back(tmp_path: Path) -> None:
    archive = tmp_path / "posts.jsonl"
    archive.write_bytes(b"\n".join(POSTS))
    bucket = tmp_path / "bucket"
    ours = job(bucket, options={"files": str(archive), "layout": "auto"}, folder=str(tmp_path))

    def whole() -> None:
        load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), extract(ours, WINDOW, a_run())))

    whole()
    assert forget(ours) == []
    whole()
    assert texts(ours) == ["one of bob", "two of bob"]
    assert "Lovelace" not in everything(bucket)


@pytest.mark.parametrize("known", [True, False])
def test_a_run_that_goes_on_meanwhile_does_not_bring_it_back(tmp_path: Path, *, known: bool) -> None:
    """Its first page is there when somebody is forgotten, and its second page comes after."""
    archive = tmp_path / "posts.jsonl"
    large = [tweet(number, NOON, user=ADA, rawContent="x" * 600_000) for number in (1, 2)]
    archive.write_bytes(b"\n".join([*large, *POSTS]))
    bucket = tmp_path / "bucket"
    ours = job(bucket, options={"files": str(archive), "layout": "auto"}, folder=str(tmp_path))
    if known:
        assert forget(ours, Subject("author", "nobody")) == []

    def watch(kept: Kept) -> None:
        if kept.pages == 1:
            assert [trace.posts for trace in erasing(ours).traces()] == [2]
            assert forget(ours) == []

    found = extract(ours, WINDOW, a_run(watch=watch))
    done = raw.read_done(open_store(ours, a_run()), found["raw"])
    assert (len(done.pages), done.first_post, done.last_post) == (2, None, None)
    assert "Lovelace" not in everything(bucket)
    load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), found))
    assert texts(ours) == ["one of bob", "two of bob"]


@pytest.mark.parametrize("staged", [True, False])
def test_a_run_past_fetching_does_not_publish_it(tmp_path: Path, *, staged: bool) -> None:
    """Nor does it name the posts of those who were forgotten after its pages were fetched."""
    ours, run = job(tmp_path), a_run()
    found = extracted(ours, run, [POSTS], taken=("90", "101"), first_post=NOON)
    transformed = transform(ours, WINDOW, run, found) if staged else {}
    store = open_store(ours, run)
    write(store, ours, noted(store, ours, [OF_ADA], NEXT_DAY))
    load(ours, WINDOW, run, transformed or transform(ours, WINDOW, run, found))
    assert texts(ours) == ["one of bob", "two of bob"]
    assert "of ada" not in everything(tmp_path)
    done = raw.read_done(store, found["raw"])
    assert (done.taken, done.first_post) == (("90",), None)
    assert verify(store, NEXT_DAY + timedelta(days=2), with_raw=True).findings == ()


def test_the_audit_says_how_much_and_when_and_not_whose(tmp_path: Path) -> None:
    ours = job(tmp_path)
    written(ours)
    forget(ours)
    found = recall(open_store(ours, a_run()), ours)
    assert found is not None
    (entry,) = found.entries
    assert (entry.at, entry.kind, entry.windows, entry.posts, found.pending) == (NEXT_DAY, "author", 1, 2, ())
    text = (tmp_path / "_trawl" / ours.id / "forgotten.json").read_text()
    assert "ada_l" not in text.casefold()  # `ada` alone may be in a digest
    assert "lovelace" not in text.casefold()
    assert "47110008154711" not in text
    assert found.digest(Subject("author", "ADA_L")) == entry.digest
    assert noted(open_store(ours, a_run()), job(tmp_path / "other"), [OF_ADA], NEXT_DAY).salt == found.salt
    assert noted(open_store(job(tmp_path / "b"), a_run()), ours, [OF_ADA], NEXT_DAY).salt != found.salt


def test_what_is_forgotten_twice_is_noted_once(tmp_path: Path) -> None:
    ours = job(tmp_path)
    written(ours)
    forget(ours)
    forget(ours)
    found = recall(open_store(ours, a_run()), ours)
    assert found is not None
    assert [(entry.windows, entry.posts) for entry in found.entries] == [(1, 2)]


@pytest.mark.parametrize("key", ["a.csv", "a.csv.gz", "a.parquet", "a.jsonl.zst"])
def test_without_raw_pages_the_rows_go_out_of_the_object_itself(tmp_path: Path, key: str) -> None:
    name = key.split(".")[1]
    compression = {"gz": "gzip", "zst": "zstd"}.get(key.rpartition(".")[2])
    ours = job(tmp_path, key=key, format=name, compression=compression, keep_raw=False)
    before = written(ours)
    kept = [row for row in read_posts(before.object.url).to_pylist() if "ada" not in row["text"]]
    assert forget(ours) == []
    assert read_posts(manifest_of(ours).object.url).to_pylist() == kept
    assert manifest_of(ours).counts.kept == 2
    assert verify(open_store(ours, a_run()), NEXT_DAY, with_raw=True).findings == ()
    # As if nobody had ever written them: the very bytes.
    other = replace(ours, bucket=str(tmp_path / "other"))
    assert written(other, posts=POSTS[1::2]).object.sha256 == manifest_of(ours).object.sha256


def test_pseudonyms_are_found_by_the_name_behind_them(tmp_path: Path) -> None:
    columns = tuple(Column(name, name.title()) for name in ("author", "text"))
    hidden = Pseudonyms(("author",), "pseudonyms")
    ours = job(tmp_path, pseudonymise=hidden, keep_raw=False, columns=columns)
    written(ours, run_with())
    assert forget(ours, run=run_with()) == []
    rows = read_posts(manifest_of(ours).object.url).to_pylist()
    assert [row["Text"] for row in rows] == ["one of bob", "two of bob"]


def only(folder: Path, *fields: str, **changes: Any) -> Job:
    """A job whose objects are all there is, with these columns; its manifests say so."""
    columns = tuple(Column(name, name) for name in fields)
    values = {"columns": list(fields), **changes.pop("values", {})}
    return job(folder, keep_raw=False, columns=columns, values=values, **changes)


def untold(job: Job, why: str, todo: str = "") -> str:
    """What is said of the window where nobody can tell whether somebody is in it."""
    manifest = manifest_of(job)
    told_by = open_store(job, a_run()).url(f"{prefix(job, WINDOW, a_run())}/manifest.json")
    return (
        f"{manifest.object.url} (its manifest: {told_by}) may have their posts still: {why}, and its"
        f" raw pages are gone: {todo}delete it, or run that window again"
    )


def test_an_object_that_tells_nobody_whose_its_posts_are_is_said_to_be_so(tmp_path: Path) -> None:
    ours = job(tmp_path, keep_raw=False, columns=(Column("text", "text"),))
    written(ours)
    (problem,) = forget(ours)
    assert problem == untold(ours, "no column tells whose its posts are")
    found = recall(open_store(ours, a_run()), ours)
    assert found is not None
    assert found.pending == (prefix(ours, WINDOW, a_run()),)


def test_raw_pages_tell_whose_posts_are_in_an_object_that_does_not(tmp_path: Path) -> None:
    ours = job(tmp_path, columns=(Column("text", "text"),))
    written(ours)
    assert forget(ours) == []
    assert texts(ours) == ["one of bob", "two of bob"]


HANDLES = "its authors are told by their handle alone, and {} reads as an id"
IDS = "its authors are told by their id alone, and {} reads as a handle"


@pytest.mark.parametrize(
    ("field", "name", "why", "todo"),
    [
        ("author", "ada_l", "", ""),
        ("author", "nobody", "", ""),
        ("author", "@47110008154711", "", ""),
        ("author", "47110008154711", HANDLES, "forget the same by their handle, with an @ before it, too, "),
        ("author", "did:plc:abc", HANDLES, "forget the same by their handle, with an @ before it, too, "),
        ("author_id", "47110008154711", "", ""),
        ("author_id", "3", "", ""),
        ("author_id", "@ada_l", IDS, "forget the same by their id too, "),
    ],
)
def test_who_is_told_by_the_other_column_alone_is_not_missed_in_silence(
    tmp_path: Path, field: str, name: str, why: str, todo: str
) -> None:
    ours = only(tmp_path, field, "text")
    written(ours)
    there = name in {"ada_l", "47110008154711"} and not why
    traces = erasing(ours, Subject("author", name)).traces()
    assert [trace.posts for trace in traces] == ([2] if there else [0] if why else [])
    expected = [untold(ours, why.format(name), todo)] if why else []
    assert forget(ours, Subject("author", name)) == expected
    assert len(texts(ours)) == (2 if there else 4)


def test_raw_pages_tell_who_is_behind_the_other_column(tmp_path: Path) -> None:
    ours = replace(only(tmp_path, "author_id", "text"), keep_raw=True)
    written(ours)
    assert forget(ours) == []
    assert texts(ours) == ["one of bob", "two of bob"]


def test_where_a_source_gives_no_handles_their_column_does_not_tell(tmp_path: Path) -> None:
    ours = only(tmp_path, "author", "author_id", "text")
    written(ours, posts=[tweet(1, NOON, user={"username": None, "id": 7}, rawContent="x")])
    assert forget(ours) == [untold(ours, IDS.format("@ada_l"), "forget the same by their id too, ")]
    assert forget(ours, Subject("author", "8")) == []


def test_who_is_found_goes_though_another_cannot_be_told(tmp_path: Path) -> None:
    ours = only(tmp_path, "author", "text")
    written(ours)
    subjects = (OF_ADA, *(Subject("author", name) for name in ("did:\x1b5", *"6789")))
    (trace,) = erasing(ours, *subjects).traces()
    why = "its authors are told by their handle alone, and did:·5, 6, 7 and 2 others read as ids"
    assert (trace.posts, trace.untold) == (2, why)
    (problem,) = forget(ours, *subjects)
    assert why in problem
    assert texts(ours) == ["one of bob", "two of bob"]


def test_columns_of_other_fields_today_are_read_as_the_manifest_says(tmp_path: Path) -> None:
    """Though one is called as another field, and today's job knows neither."""
    columns = (Column("author", "id"), Column("created_at", "When"), Column("hashtags", "Tags"))
    said = {f"columns.{column.header}": column.field for column in columns}
    ours = job(tmp_path, keep_raw=False, columns=columns, values=said)
    before = written(ours)
    today = only(tmp_path, "text", values={"description": "x"})
    assert forget(today) == []
    after = manifest_of(today)
    rows = read_posts(after.object.url).to_pylist()
    assert rows == [{"id": "bob", "When": "2021-07-05 12:00:00+00:00", "Tags": '["covid"]'}] * 2
    assert after.object.columns == before.object.columns
    assert after.values == {**said, "description": "x"}
    assert forget(today, Subject("author", "bob")) == []
    assert manifest_of(today).counts.kept == 0


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("to", ["csv", "jsonl", "parquet"])
def test_columns_of_the_manifest_come_into_todays_format_as_they_are(
    tmp_path: Path, form: str, to: str
) -> None:
    columns = tuple(Column(name, name.title()) for name in ("author", "created_at", "likes", "hashtags"))
    said = {f"columns.{column.header}": column.field for column in columns}
    ours = job(tmp_path, key=f"a.{form}", format=form, keep_raw=False, columns=columns, values=said)
    written(ours)
    today = replace(only(tmp_path, "text"), key=f"b.{to}", format=to)
    assert forget(today) == []
    other = replace(ours, bucket=str(tmp_path / "other"), key=f"b.{to}", format=to)
    assert written(other, posts=POSTS[1::2]).object.sha256 == manifest_of(today).object.sha256


def test_columns_that_nobody_knows_any_more_are_not_guessed_at(tmp_path: Path) -> None:
    """Of a manifest of an earlier Trawl, that does not say of what fields they are."""
    ours = job(tmp_path, keep_raw=False)
    written(ours)
    today = replace(ours, columns=(Column("author", "who"),))
    why = f"its columns are others than those that {ours.file} has today, so that nobody knows them"
    todo = "put the columns back as they were, forget, and change them again, "
    assert forget(today) == [untold(today, why, todo)]
    assert len(texts(today)) == 4


OTHER_KEY = "its pseudonyms are of a key that is not here"
PSEUDONYMS = Pseudonyms(("author", "author_id"), "pseudonyms")


@pytest.mark.parametrize(
    "today",
    [
        PSEUDONYMS,
        replace(PSEUDONYMS, stable="everywhere"),
        replace(PSEUDONYMS, key="another"),
        replace(PSEUDONYMS, fields=("author_name",)),
        None,
    ],
    ids=["same", "stable", "connection", "fields", "none"],
)
def test_pseudonyms_are_known_by_what_the_manifest_says_of_them(
    tmp_path: Path, today: Pseudonyms | None
) -> None:
    said = {"pseudonymise.key": "pseudonyms"}
    ours = only(tmp_path, "author", "author_id", "text", pseudonymise=PSEUDONYMS, values=said)
    before = written(ours, run_with())
    now = replace(ours, pseudonymise=today, values={"pseudonymise.key": "another"})
    assert forget(now, run=run_with()) == []
    assert texts(ours) == ["one of bob", "two of bob"]
    assert manifest_of(now).privacy == before.privacy
    assert forget(now, Subject("author", "2"), run=run_with()) == []
    assert texts(ours) == []


@pytest.mark.parametrize("password", ["another key that is long enough", None])
def test_pseudonyms_of_a_key_that_is_not_here_are_said_to_be_so(tmp_path: Path, password: str | None) -> None:
    ours = only(tmp_path, "author", "text", pseudonymise=PSEUDONYMS)
    privacy = written(ours, run_with()).privacy
    assert privacy is not None
    todo = f"give the connection pseudonyms that key again (its mark is {privacy.key}) and forget again, "
    assert forget(ours, run=run_with(password)) == [untold(ours, OTHER_KEY, todo)]
    todo = f"put `pseudonymise` back into {ours.file} with its key, forget, and change that again, "
    now = replace(ours, pseudonymise=None)
    assert forget(now, run=run_with()) == [untold(ours, OTHER_KEY, todo)]
    assert len(texts(ours)) == 4


@pytest.mark.parametrize(("key", "said"), [("a.jsonl.gz", "ends early"), ("a.csv", "it has no header")])
def test_a_damaged_object_is_said_to_be_so(tmp_path: Path, key: str, said: str) -> None:
    compression = "gzip" if key.endswith("gz") else None
    ours = replace(only(tmp_path, "author"), key=key, format=key.split(".")[1], compression=compression)
    written(ours)
    (tmp_path / key).write_bytes(b"")
    (problem,) = forget(ours)
    assert "it is damaged (" in problem
    assert f"{said}), and its raw pages are gone: put an earlier version of it back, delete it, or" in problem
    (tmp_path / key).unlink()
    assert forget(ours) == []
    assert not (tmp_path / key).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('"id","Likes"\n"101","few"\n"102","many"\n', "many"),
        ('"id"\n"101"\n"102"\n', "Likes"),
        ('"x"\n"101"\n', "id"),
    ],
)
def test_an_object_that_somebody_has_changed_is_not_written_over(
    tmp_path: Path, content: str, said: str
) -> None:
    columns = (Column("id", "id"), Column("likes", "Likes"))
    ours = job(tmp_path, key="a.csv", keep_raw=False, columns=columns)
    written(ours)
    (tmp_path / "a.csv").write_text(content)
    (problem,) = forget(ours, Subject("post", "101"))
    assert "it is damaged (" in problem
    assert said in problem
    assert (tmp_path / "a.csv").read_text() == content


def test_an_object_without_posts_has_nobody(tmp_path: Path) -> None:
    """JSON lines without a line say nothing of their columns."""
    ours = replace(only(tmp_path, "author"), key="a.jsonl", format="jsonl")
    written(ours, posts=[])
    assert erasing(ours).traces() == []
    assert forget(moved(ours, "b.jsonl")) == []


def test_fewer_posts_than_a_job_expects_are_no_reason_to_keep_somebody(tmp_path: Path) -> None:
    ours = job(tmp_path, quality=Quality(min_posts=4))
    written(ours)
    assert forget(ours) == []
    assert len(texts(ours)) == 2


LATER = [
    tweet(number, NOON + timedelta(hours=number - 103), user=user, lang=lang, rawContent=text)
    for number, user, lang, text in (
        (101, ADA, "en", "one of ada"),
        (102, BOB, "en", "one of bob"),
        (103, BOB, "pt", ""),
        (104, ADA, "de", "two of ada"),
    )
]
"""Four posts an hour apart, the first and the last of them ada's."""


def told_of(job: Job) -> tuple[tuple[int, int], tuple[int, int]]:
    """The hours of the first and the last post, by the manifest and by what closes its pages."""
    manifest = manifest_of(job)
    done = raw.read_done(open_store(job, a_run()), manifest.raw.done)
    hours = [
        moment.hour if moment else -1
        for one in (manifest, done)
        for moment in (one.first_post, one.last_post)
    ]
    return (hours[0], hours[1]), (hours[2], hours[3])


def fetched(job: Job, run: Run | None = None) -> None:
    """Runs over the later posts, whose extract tells of the first and the last of them."""
    run = run or a_run()
    ends = {"first_post": NOON - timedelta(hours=2), "last_post": NOON + timedelta(hours=1)}
    load(job, WINDOW, run, transform(job, WINDOW, run, extracted(job, run, [LATER], **ends)))


@pytest.mark.parametrize("keep_raw", [True, False])
@pytest.mark.parametrize("key", ["a.csv", "a.jsonl", "a.parquet"])
def test_nothing_tells_of_the_first_and_the_last_post_once_they_are_gone(
    tmp_path: Path, key: str, *, keep_raw: bool
) -> None:
    columns = (Column("created_at", "When"), Column("author", "author"))
    ours = job(tmp_path, key=key, format=key.split(".")[1], keep_raw=keep_raw, columns=columns)
    fetched(ours)
    assert told_of(ours) == ((10, 13), (10, 13))
    assert forget(ours) == []
    assert told_of(ours) == ((11, 12), (11, 12))
    assert forget(ours, Subject("author", "bob")) == []
    assert told_of(ours) == ((-1, -1), (-1, -1))


@pytest.mark.parametrize(("name", "hours"), [("101", (-1, 13)), ("102", (10, 13)), ("104", (10, -1))])
def test_without_a_column_of_times_what_is_known_of_an_end_holds_as_long_as_that_is_there(
    tmp_path: Path, name: str, hours: tuple[int, int]
) -> None:
    ours = only(tmp_path, "id", "text")
    fetched(ours)
    assert forget(ours, Subject("post", name)) == []
    assert told_of(ours) == (hours, hours)


BOUNDS = Quality(
    min_posts=4, nulls={"text": 0.2, "lang": 0.9}, languages={"pt": 0.9}, newest_within=timedelta(hours=1)
)


@pytest.mark.parametrize("keep_raw", [True, False])
def test_how_a_run_was_judged_is_told_of_what_is_left(tmp_path: Path, *, keep_raw: bool) -> None:
    """That it has too few posts now was never a breach of the run."""
    ours = job(tmp_path, keep_raw=keep_raw, quality=replace(BOUNDS, on_breach="warn"))
    fetched(ours)
    before = manifest_of(ours).quality
    assert before is not None
    assert forget(ours) == []
    after = manifest_of(ours).quality
    assert after is not None
    assert after.measured == Measured(nulls={"text": 1, "lang": 0}, languages={"pt": 1})
    assert [one.split(",")[0] for one in (*before.breaches, *after.breaches)] == [
        "text is empty in 1 of 4 posts (25.0%)",
        "pt is the language of 1 of 4 posts (25.0%)",
        "the newest post is of 2021-07-05 13:00 UTC",
        "text is empty in 1 of 2 posts (50.0%)",
        "pt is the language of 1 of 2 posts (50.0%)",
        "the newest post is of 2021-07-05 12:00 UTC",
    ]
    assert msgspec.structs.replace(after, breaches=(), measured=None) == msgspec.structs.replace(
        before, breaches=(), measured=None
    )


def test_a_run_is_judged_by_no_columns_that_its_object_does_not_have(tmp_path: Path) -> None:
    ours = only(tmp_path, "author", "text", quality=replace(BOUNDS, on_breach="warn"))
    fetched(ours)
    assert forget(ours) == []
    quality = manifest_of(ours).quality
    assert quality is not None
    assert quality.measured == Measured(nulls={"text": 1}, languages={})
    assert quality.breaches[0].startswith("text is empty in 1 of 2 posts")


def test_an_object_of_a_newer_window_leaves_the_judgement_of_the_older_one_of_its_own_pages(
    tmp_path: Path,
) -> None:
    ours = job(tmp_path, key="all.csv", quality=Quality(nulls={"text": 0.9}))
    fetched(ours)
    longer = Window(WINDOW.start - timedelta(days=1), WINDOW.end)
    pages = extracted(ours, at(1), [POSTS], window=longer)
    load(ours, longer, at(1), transform(ours, longer, at(1), pages))
    assert forget(ours) == []
    older = manifest_of(ours)
    assert older.quality is not None
    assert older.quality.measured == Measured(nulls={"text": 1}, languages={})
    assert told_of(ours) == ((11, 12), (11, 12))


def test_staged_and_rejected_posts_go_too(tmp_path: Path) -> None:
    ours, run = job(tmp_path, quality=Quality(min_posts=5)), a_run()
    with pytest.raises(Stop):
        written(ours)
    transform(ours, WINDOW, run, extracted(ours, run, [POSTS]))
    assert "Lovelace" in everything(tmp_path)
    assert forget(ours) == []
    left = everything(tmp_path)
    assert "Lovelace" not in left
    assert "one of bob" in left  # in raw pages, from which all can be made again


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("said", [True, False])
def test_rejected_posts_go_too_where_no_raw_page_tells_of_them(
    tmp_path: Path, *, published: bool, said: bool
) -> None:
    """Of a run long ago; without a manifest nobody knows whose posts they are."""
    ours = job(tmp_path, quality=Quality(min_posts=5))
    if published:
        written(replace(ours, quality=None), posts=POSTS[1::2])
    with pytest.raises(Stop):
        written(ours, at(1))
    assert erasing(ours, Subject("author", "nobody")).traces() == []
    rejected = next(tmp_path.rglob("rejected"))
    for page in tmp_path.rglob("*.zst"):
        page.unlink()
    if not said:
        (rejected / "manifest.json").unlink()
    assert [trace.posts for trace in erasing(ours).traces()] == [2 if said else 1]
    assert forget(ours) == []
    assert not list(rejected.glob("*.csv"))
    assert "Lovelace" not in everything(tmp_path)


@pytest.mark.parametrize("pages", [True, False])
def test_what_a_killed_run_published_without_a_manifest_is_named(tmp_path: Path, *, pages: bool) -> None:
    ours = job(tmp_path)
    url = written(ours).object.url
    folder = prefix(ours, WINDOW, a_run())
    (tmp_path / folder / "manifest.json").unlink()
    assert not pages or erasing(ours, Subject("author", "nobody")).traces() == []
    for page in () if pages else tmp_path.rglob("*.zst"):
        page.unlink()
    why = "an object is there without a manifest, as of a run that was killed"
    assert erasing(ours).traces() == [Trace(folder, 2 if pages else 0, untold="" if pages else why)]
    assert forget(ours) == [f"{url} may have their posts still: {why}: run that window again, or delete it"]
    (tmp_path / ours.key.replace("{date}", "2021-07-05")).unlink()
    assert forget(ours) == []
    assert "of ada" not in everything(tmp_path)


def test_what_expired_and_is_still_there_is_rid_of_somebody(tmp_path: Path) -> None:
    """As where whoever deletes what is too old was killed after its manifest said so."""
    ours = job(tmp_path, keep_raw=False, keep=timedelta(days=1))
    manifest = written(ours)
    said = msgspec.structs.replace(manifest, expired=NEXT_DAY)
    write_manifest(open_store(ours, a_run()), prefix(ours, WINDOW, a_run()), said)
    assert forget(ours) == []
    assert texts(ours) == ["one of bob", "two of bob"]
    store, later = open_store(ours, a_run()), NEXT_DAY + timedelta(days=1)
    expire(store, due(store, ours, later), later)
    assert not (tmp_path / manifest.object.key).exists()
    assert erasing(ours).traces() == []


@pytest.mark.parametrize("changes", range(12))
def test_killed_anywhere_the_next_time_finishes_it(tmp_path: Path, changes: int) -> None:
    ours = job(tmp_path)
    written(ours)
    traces = erasing(ours).traces()
    dying: Any = Dying(open_store(ours, a_run()), changes)
    with contextlib.suppress(KeyboardInterrupt):
        erasing(ours, store=dying).erase(traces)
    assert forget(ours) == []
    assert "Lovelace" not in everything(tmp_path)
    assert texts(ours) == ["one of bob", "two of bob"]
    assert verify(open_store(ours, a_run()), NEXT_DAY + timedelta(days=2), with_raw=True).findings == ()


@pytest.mark.parametrize("changes", range(6))
def test_killed_anywhere_the_next_time_keeps_the_age_and_how_the_run_was_judged(
    tmp_path: Path, changes: int
) -> None:
    ours = job(tmp_path, quality=replace(BOUNDS, on_breach="warn"))
    fetched(ours)
    before = manifest_of(ours)
    traces = erasing(ours).traces()
    dying: Any = Dying(open_store(ours, a_run()), changes)
    with contextlib.suppress(KeyboardInterrupt):
        erasing(ours, store=dying, run=at(1)).erase(traces)
    assert forget(ours, run=at(2)) == []
    after = manifest_of(ours)
    assert (after.started, after.finished) == (before.started, before.finished)
    assert after.quality is not None
    assert len(after.quality.breaches) == 3


def test_the_manifest_tells_of_the_pages_as_they_are_without_somebody(tmp_path: Path) -> None:
    """So that nobody takes them for changed, and the object can be made again."""
    ours = job(tmp_path)
    before = written(ours)
    assert forget(ours) == []
    after = manifest_of(ours)
    store = open_store(ours, a_run())
    pages = {key: store.read(key) for key in raw.read_done(store, after.raw.done).pages}
    digests = {key: hashlib.sha256(data).hexdigest() for key, data in pages.items()}
    assert after.raw.sha256 == raw.digest_of_pages(digests) != before.raw.sha256
    store.delete([after.object.key])
    (repair,) = restore(store, verify(store, NEXT_DAY).findings, {ours.id: ours}, a_run())
    assert (repair.done, repair.note) == (True, "made again from 2 raw pages, byte for byte")


def test_pages_that_were_too_old_stay_so_and_others_beside_them_hide_nobody(tmp_path: Path) -> None:
    """What a run that was killed has fetched tells of its own posts, not of what is published."""
    ours = job(tmp_path, keep_raw=timedelta(days=3))
    written(ours)
    store, later = open_store(ours, a_run()), NEXT_DAY + timedelta(days=4)
    expire(store, due(store, ours, later), later)
    gone = manifest_of(ours).raw.expired
    extracted(ours, a_run(now=lambda: later), [POSTS[1:2]])
    assert forget(ours) == []
    assert texts(ours) == ["one of bob", "two of bob"]
    assert manifest_of(ours).raw.expired == gone == later
    assert "no-raw" not in {finding.kind for finding in verify(store, later).findings}


def test_where_the_pages_are_gone_the_manifest_tells_of_none(tmp_path: Path) -> None:
    """Its object is made of the one before, and whoever is forgotten is in no digest either."""
    ours = job(tmp_path, keep_raw=False)
    assert written(ours).raw.sha256 is not None
    assert forget(ours) == []
    assert manifest_of(ours).raw.sha256 is None
    report = verify(open_store(ours, a_run()), NEXT_DAY, with_raw=True)
    assert (report.findings, report.pages, report.untold) == ((), 0, 0)


def test_stopped_between_pages_and_object_it_is_said_to_be_forgetting_that_is_to_go_on(
    tmp_path: Path,
) -> None:
    """Nothing is made of these pages meanwhile, though they are no harm that came from outside."""
    ours = job(tmp_path)
    written(ours)
    store = open_store(ours, a_run())
    traces = erasing(ours).traces()
    dying: Any = Dying(store, 2)  # after what is pending, and the first of both pages
    with contextlib.suppress(KeyboardInterrupt):
        erasing(ours, store=dying).erase(traces)
    said = (
        f"the raw pages of team.posts/{WINDOW} are not those that its run read: `trawl forget` was stopped in"
        " it: do that again"
    )
    (finding,) = verify(store, NEXT_DAY, with_raw=True).findings
    assert (finding.kind, finding.message) == ("changed-raw", f"could not be made again, for {said}")
    store.delete([manifest_of(ours).object.key])
    (repair,) = restore(store, verify(store, NEXT_DAY).findings, {ours.id: ours}, a_run())
    assert (repair.done, repair.note) == (False, said)
    assert forget(ours) == []
    assert texts(ours) == ["one of bob", "two of bob"]
    assert verify(store, NEXT_DAY, with_raw=True).findings == ()


@pytest.mark.parametrize("ticks", range(0, 24, 2))
def test_killed_between_pages_and_object_the_next_time_makes_the_object_again(
    tmp_path: Path, ticks: int
) -> None:
    """Its raw pages tell nothing of it any more by then; what was noted before does."""
    ours = job(tmp_path)
    written(ours)
    traces = erasing(ours).traces()
    left = iter(range(ticks))

    def now() -> datetime:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return NEXT_DAY

    with contextlib.suppress(KeyboardInterrupt):
        erasing(ours, run=a_run(now=now)).erase(traces)
    assert forget(ours) == []
    assert "Lovelace" not in everything(tmp_path)
    assert texts(ours) == ["one of bob", "two of bob"]


def test_a_job_that_remembers_posts_remembers_none_that_is_forgotten(tmp_path: Path) -> None:
    """Nor do its runs say that they met one that another has taken."""
    ours, store = job(tmp_path), open_store(job(tmp_path), a_run())
    pages = extracted(ours, a_run(), [POSTS], taken=("90", "101", "102"))
    load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), pages))
    said = {"101": str(WINDOW), "90": "another", "102": "another", "103": str(WINDOW)}
    memory.remember(store, ours, memory.Memory(claimed=said, asked="x", note={"a": 1}))
    assert forget(ours, OF_ADA, Subject("post", "102")) == []
    assert memory.recall(store, ours) == memory.Memory(claimed={"90": "another"}, asked="x", note={"a": 1})
    assert raw.read_done(store, manifest_of(ours).raw.done).taken == ("90",)
    assert forget(ours, Subject("post", "90")) == []  # which no window has any more
    assert memory.recall(store, ours).claimed == {}
    assert raw.read_done(store, manifest_of(ours).raw.done).taken == ()


def stopped(job: Job) -> None:
    """Somebody is noted to be forgotten, and nothing more happened before it was stopped."""
    store = open_store(job, a_run())
    write(store, job, noted(store, job, [OF_ADA], NEXT_DAY).begun([OF_ADA], [prefix(job, WINDOW, a_run())]))


@pytest.mark.parametrize("keep_raw", [True, False])
def test_forgetting_somebody_else_ends_what_was_stopped(tmp_path: Path, *, keep_raw: bool) -> None:
    ours = job(tmp_path, keep_raw=keep_raw)
    written(ours)
    stopped(ours)
    assert len(texts(ours)) == 4
    assert forget(ours, Subject("post", "102")) == []
    assert texts(ours) == ["two of bob"]
    found = recall(open_store(ours, a_run()), ours)
    assert found is not None
    assert (found.pending, [entry.pending for entry in found.entries]) == ((), [(), ()])


def test_who_is_behind_pseudonyms_is_not_lost_sight_of_when_forgetting_somebody_else(tmp_path: Path) -> None:
    ours = only(tmp_path, "author", "author_id", "text", pseudonymise=PSEUDONYMS)
    written(ours, run_with())
    stopped(ours)
    why = "forgetting somebody else in it was stopped, whose name is needed to find them"
    for _ in range(2):
        (problem,) = forget(ours, Subject("author", "bob"), run=run_with())
        assert problem == untold(ours, why, "forget that one again, ")
        assert texts(ours) == ["one of ada", "two of ada"]
    assert forget(ours, run=run_with()) == []
    assert texts(ours) == []
    assert erasing(ours, Subject("author", "bob"), run=run_with()).traces() == []


# --- keys that a job had before ----------------------------------------------------------------------


def moved(job: Job, key: str = "elsewhere/{date}.csv", **changes: Any) -> Job:
    return replace(job, key=key, **changes)


def at(minute: int) -> Run:
    """A run at a time of its own, so that its raw pages are told from those before."""
    return a_run(now=lambda: NEXT_DAY + timedelta(minutes=minute))


@pytest.mark.parametrize("keep_raw", [True, False])
def test_an_object_under_an_earlier_key_goes_once_the_new_one_is_there(
    tmp_path: Path, *, keep_raw: bool
) -> None:
    before = job(tmp_path, keep_raw=keep_raw)
    old = written(before)
    today = moved(before)
    assert forget(today) == []
    assert not (tmp_path / old.object.key).exists()
    assert manifest_of(today).object.key == "elsewhere/2021-07-05.csv"
    assert manifest_of(today).left == ()
    assert texts(today) == ["one of bob", "two of bob"]
    assert "of ada" not in everything(tmp_path)


def test_an_object_without_raw_pages_gets_the_format_of_todays_key(tmp_path: Path) -> None:
    before = job(tmp_path, keep_raw=False)
    written(before)
    today = moved(before, "all/{date}.parquet", format="parquet")
    assert forget(today) == []
    assert manifest_of(today).object.format == "parquet"
    assert texts(today) == ["one of bob", "two of bob"]
    other = replace(today, bucket=str(tmp_path / "other"))
    assert written(other, posts=POSTS[1::2]).object.sha256 == manifest_of(today).object.sha256


def test_what_earlier_keys_gave_goes_where_the_window_was_run_again_since(tmp_path: Path) -> None:
    first = job(tmp_path)
    today = moved(first, "third/{date}.csv")
    jobs = (first, moved(first), today)
    keys = [written(one, at(minute)).object.key for minute, one in enumerate(jobs)]
    assert [left.object.key for left in manifest_of(today).left] == keys[:2]
    store = open_store(today, a_run())
    assert [trace.earlier for trace in erasing(today).traces()] == [tuple(map(store.url, keys[:2]))]
    assert forget(today) == []
    assert [(tmp_path / key).exists() for key in keys] == [False, False, True]
    assert manifest_of(today).left == ()
    assert "of ada" not in everything(tmp_path)
    assert verify(open_store(today, a_run()), NEXT_DAY, with_raw=True).findings == ()


@pytest.mark.parametrize("hidden", [False, True])
def test_who_is_only_in_what_an_earlier_key_gave_is_found_there(tmp_path: Path, *, hidden: bool) -> None:
    """Today's posts may be others, and people may have been hidden since or before."""
    pseudonyms = Pseudonyms(("author", "author_id"), "pseudonyms")
    open_job = job(tmp_path, keep_raw=False)
    hiding = replace(open_job, pseudonymise=pseudonyms)
    before, today = (hiding, moved(open_job)) if hidden else (open_job, moved(hiding))
    # A job that hides nobody any more has no key by which to find somebody behind a pseudonym.
    today = replace(today, pseudonymise=pseudonyms)
    old = written(before, run_with())
    written(today, run_with(), posts=POSTS[1::2])
    (trace,) = erasing(today, run=run_with()).traces()
    assert trace.posts == 2
    assert erasing(today, Subject("author", "nobody"), run=run_with()).traces() == []
    assert (tmp_path / old.object.key).exists()
    assert forget(today, run=run_with()) == []
    assert not (tmp_path / old.object.key).exists()


def test_what_an_earlier_key_gave_may_have_somebody_where_its_columns_do_not_tell(tmp_path: Path) -> None:
    before = job(tmp_path, columns=(Column("text", "text"),))
    old = written(before)
    today = moved(job(tmp_path))
    written(today, at(1), posts=POSTS[1::2])
    assert [trace.posts for trace in erasing(today).traces()] == [1]
    assert forget(today) == []
    assert not (tmp_path / old.object.key).exists()


def test_what_somebody_else_has_put_under_an_earlier_key_stays(tmp_path: Path) -> None:
    before = job(tmp_path)
    old = written(before)
    (tmp_path / old.object.key).write_text("somebody's own")
    assert forget(moved(before)) == []
    assert (tmp_path / old.object.key).read_text() == "somebody's own"


def test_what_another_job_writes_under_an_earlier_key_stays_even_with_the_same_bytes(tmp_path: Path) -> None:
    before = job(tmp_path)
    old = written(before)
    other = replace(before, id="team.other")
    assert written(other).object.sha256 == old.object.sha256
    today = moved(before)
    written(today, at(1))
    assert [trace.earlier for trace in erasing(today).traces()] == [()]
    assert forget(today) == []
    assert len(texts(other)) == 4
    assert verify(open_store(other, a_run()), NEXT_DAY, {other.id: other}, with_raw=True).findings == ()
    assert forget(other) == []
    assert texts(other) == ["one of bob", "two of bob"]


def test_a_bucket_that_was_carried_elsewhere_is_known_by_its_bytes(tmp_path: Path) -> None:
    """Each file has another mark there."""
    before = job(tmp_path / "first")
    old = written(before)
    shutil.copytree(tmp_path / "first", tmp_path / "second")
    assert forget(replace(moved(before), bucket=str(tmp_path / "second"))) == []
    assert not (tmp_path / "second" / old.object.key).exists()


LONGER = Window(WINDOW.start - timedelta(days=1), WINDOW.end)
"""A window of a job that takes its whole range, once its `since` was put back; its folder comes first."""


def ran(job: Job, window: Window, minute: int, posts: list[bytes]) -> None:
    pages = extracted(job, at(minute), [posts], window=window)
    load(job, window, at(minute), transform(job, window, at(minute), pages))


def whole(folder: Path, **changes: Any) -> Job:
    return job(folder, **{"key": "all.csv", "date_range": DateRange(each_run="whole"), **changes})


def read(folder: Path, key: str) -> list[str]:
    return [row["text"] for row in read_posts(str(folder / key)).to_pylist()]


def sound(job: Job) -> bool:
    return verify(open_store(job, a_run()), NEXT_DAY, {job.id: job}, with_raw=True).findings == ()


@pytest.mark.parametrize("keep_raw", [True, False])
@pytest.mark.parametrize("older", [POSTS, POSTS[1:2]], ids=["both", "newer"])
def test_of_windows_that_shared_an_earlier_key_the_newest_is_written_under_todays(
    tmp_path: Path, older: list[bytes], *, keep_raw: bool
) -> None:
    before = whole(tmp_path, keep_raw=keep_raw)
    ran(before, WINDOW, 0, older)
    ran(before, LONGER, 1, POSTS[:3])
    today = moved(before, "new.csv")
    assert [trace.earlier for trace in erasing(today).traces() if trace.earlier] == [
        (open_store(today, a_run()).url("all.csv"),)
    ]
    assert forget(today) == []
    assert read(tmp_path, "new.csv") == ["one of bob"]
    assert not (tmp_path / "all.csv").exists()
    assert "of ada" not in everything(tmp_path)
    assert sound(today)


def test_a_window_whose_object_a_newer_one_wrote_over_is_not_written_under_todays_key(
    tmp_path: Path,
) -> None:
    before = whole(tmp_path)
    ran(before, WINDOW, 0, POSTS)
    ran(before, LONGER, 1, POSTS[1::2])
    today = moved(before, "new.csv")
    assert forget(today) == []
    assert read(tmp_path, "all.csv") == ["one of bob", "two of bob"]
    assert not (tmp_path / "new.csv").exists()
    assert "of ada" not in everything(tmp_path)
    assert sound(today)


@pytest.mark.parametrize("keep_raw", [True, False])
@pytest.mark.parametrize("newer", [True, False])
def test_what_a_newer_window_has_under_todays_key_is_not_written_over(
    tmp_path: Path, *, keep_raw: bool, newer: bool
) -> None:
    """Nor what it will have there: the older one is rid of somebody where it is."""
    before = whole(tmp_path, key="{end}-{start}.jsonl", format="jsonl", keep_raw=keep_raw)
    ran(before, WINDOW, 0, POSTS)
    today = moved(before, "new.csv.gz", format="csv", compression="gzip")
    ran(today if newer else before, LONGER, 1, POSTS[1:2])
    traces = erasing(today).traces()
    assert [(trace.posts, trace.earlier) for trace in traces] == [(2, ())]
    assert forget(today) == []
    assert read(tmp_path, manifest_of(today).object.key) == ["one of bob", "two of bob"]
    assert manifest_of(today).object.key.endswith(".jsonl")
    assert (tmp_path / "new.csv.gz").exists() == newer
    assert not newer or read(tmp_path, "new.csv.gz") == ["one of bob"]
    assert "of ada" not in everything(tmp_path)
    assert {finding.kind for finding in verify(open_store(today, a_run()), NEXT_DAY).findings} <= {
        "superseded"
    }


class Keeping(LocalStore):
    """A folder of which somebody may remove nothing but what Trawl keeps for itself."""

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        for key in wanted:
            if not key.startswith("_trawl/"):
                raise Stop(f"This user may not delete {self.path(key)}.")
        super().delete(wanted)


def test_what_may_not_be_removed_is_named_and_removed_the_next_time(tmp_path: Path) -> None:
    before = job(tmp_path)
    old = written(before)
    today = moved(before)
    (problem,) = forget(today, store=Keeping(tmp_path))
    assert problem == (
        f"{old.object.url} was written under an earlier key and may have their posts still:"
        f" This user may not delete {tmp_path / old.object.key}."
    )
    assert texts(today) == ["one of bob", "two of bob"]
    assert [left.object for left in manifest_of(today).left] == [old.object]
    found = recall(open_store(today, a_run()), today)
    assert found is not None
    assert found.pending == (prefix(today, WINDOW, a_run()),)
    assert forget(today) == []
    assert not (tmp_path / old.object.key).exists()


@pytest.mark.parametrize("changes", range(14))
def test_killed_anywhere_nothing_of_an_earlier_key_stays_the_next_time(tmp_path: Path, changes: int) -> None:
    before = job(tmp_path)
    written(before)
    today = moved(before)
    traces = erasing(today).traces()
    dying: Any = Dying(open_store(today, a_run()), changes)
    with contextlib.suppress(KeyboardInterrupt):
        erasing(today, store=dying).erase(traces)
    assert forget(today) == []
    assert "of ada" not in everything(tmp_path)
    assert texts(today) == ["one of bob", "two of bob"]
    assert verify(open_store(today, a_run()), NEXT_DAY + timedelta(days=2), with_raw=True).findings == ()


# --- every source's own pages ------------------------------------------------------------------------


def recorded() -> list[Any]:
    return [
        pytest.param(path, id=f"{path.parent.name}-{path.stem}")
        for path in sorted(PAGES.rglob("*.json"))
        if path.parent.name.split("-")[0] != "archive"
    ]


def source_of(path: Path) -> Any:
    name, _, via = path.parent.name.partition("-")
    return source_for(name, via or {"bluesky": "api", "reddit": "api", "youtube": "api"}[name])


WHOLE = {
    ("rss-feed", "atom"),
    ("rss-feed", "jsonfeed"),
    ("rss-feed", "rss"),
    ("telegram-snscrape", "channel"),
    ("youtube", "threads"),
}
"""Pages of which some part cannot be taken out: documents, and a comment with the answers to it."""


@pytest.mark.parametrize("path", recorded())
def test_each_post_of_each_sources_pages_can_be_taken_out_alone(path: Path) -> None:
    """The others read as before, and what is left does not say the post's text."""
    source, when = source_of(path), datetime(2026, 7, 1, tzinfo=UTC)
    body = one_line(path.read_bytes())
    posts = [item for item in source.posts(body, when) if isinstance(item, Post)]
    whole = 0
    for post in posts:
        twins = [other for other in posts if other.id == post.id]
        try:
            left, gone = scrub(source, [body], lambda one, post=post: one.id == post.id, when)
        except Unparted:
            whole += 1
            continue
        assert gone == len(twins)
        after = [item for one in left for item in source.posts(one, when) if isinstance(item, Post)]
        assert after == [other for other in posts if other.id != post.id]
        if post.text and not any(post.text in (other.text or "") for other in after):
            assert json.dumps(post.text)[1:-1] not in b"".join(left).decode()
    assert bool(whole) == ((path.parent.name, path.stem) in WHOLE)


def test_what_a_page_says_of_somebody_beside_the_posts_goes_with_the_last_of_them() -> None:
    """X lists the authors of a page apart; one whose posts are gone is not left in that list."""
    source, when = source_for("twitter", "x-api"), datetime(2026, 7, 1, tzinfo=UTC)
    users = [{"id": name, "username": f"user_{name}", "name": f"Name {name}"} for name in ("71", "72")]
    shown = [
        {"id": str(number), "author_id": user["id"], "text": "x", "created_at": "2026-06-30T12:00:00.000Z"}
        for number, user in ((1, users[0]), (2, users[1]), (3, users[0]))
    ]
    body = json.dumps({"data": shown, "includes": {"users": users}, "meta": {}}).encode()
    (one,), _ = scrub(source, [body], lambda post: post.id == "1", when)
    assert "Name 71" in one.decode()
    (both,), gone = scrub(source, [body], lambda post: post.author_id == "71", when)
    assert gone == 2
    assert json.loads(both) == {"data": [shown[1]], "includes": {"users": [users[1]]}, "meta": {}}


def quoting(name: str, field: str, quoted: dict[str, Any]) -> bytes:
    return tweet(int(name), NOON, user=BOB, rawContent="bob says", **{field: quoted})


@pytest.mark.parametrize("subject", [OF_ADA, Subject("post", "101")], ids=lambda one: one.kind)
@pytest.mark.parametrize("field", ["quotedTweet", "retweetedTweet"])
def test_a_copy_of_a_post_in_that_of_another_goes_and_that_one_stays(
    tmp_path: Path, field: str, subject: Subject
) -> None:
    """The other needs no more of it than its id."""
    ours = job(tmp_path)
    ada = json.loads(POSTS[0])
    inner = json.loads(quoting("105", field, ada))
    written(ours, posts=[quoting("102", field, ada), quoting("106", field, inner)])
    before = read_posts(manifest_of(ours).object.url).to_pylist()
    assert [trace.posts for trace in erasing(ours, subject).traces()] == [1]
    assert forget(ours, subject) == []
    left = everything(tmp_path)
    for word in ("one of ada", "Ada_L", "Lovelace", "47110008154711"):
        assert word not in left, word
    assert left.count("bob says") == 3 + 2  # of the one in the other too; and in the object
    assert read_posts(manifest_of(ours).object.url).to_pylist() == before
    assert erasing(ours, subject).traces() == []
    assert verify(open_store(ours, a_run()), NEXT_DAY, with_raw=True).findings == ()


def test_an_item_that_could_not_be_read_goes_where_it_names_somebody(tmp_path: Path) -> None:
    """Not where a number in it happens to be somebody's id, nor what is of others."""
    ours = job(tmp_path)
    odd = [tweet(number, user=user, date="?", rawContent="odd") for number, user in ((7, ADA), (8, BOB))]
    odd.append(b"5")
    written(ours, posts=[*POSTS, *odd])
    assert manifest_of(ours).counts.skipped == {"unknown-shape": 3}
    assert forget(ours, OF_ADA, Subject("author", "0")) == []
    assert manifest_of(ours).counts.skipped == {"unknown-shape": 2}
    assert "Lovelace" not in everything(tmp_path)
    assert forget(ours, Subject("post", "8")) == []
    assert manifest_of(ours).counts.skipped == {"unknown-shape": 1}
    assert [trace.posts for trace in erasing(ours, Subject("author", "2")).traces()] == [2]


def test_a_copy_beside_the_posts_of_others_goes_unless_it_is_what_they_say_again() -> None:
    """X gives what posts refer to apart."""
    source, when = source_for("twitter", "x-api"), datetime(2026, 7, 1, tzinfo=UTC)
    users = [{"id": name, "username": f"user_{name}", "name": f"Name {name}"} for name in ("71", "72")]

    def shown(number: str, user: str, text: str, kind: str = "") -> dict[str, Any]:
        post = {"id": number, "author_id": user, "text": text, "created_at": "2026-06-30T12:00:00.000Z"}
        return post | ({"referenced_tweets": [{"type": kind, "id": "1"}]} if kind else {})

    for kind, gone in (("quoted", 1), ("retweeted", 0)):
        page = {
            "data": [shown("2", "72", "RT @user_71: her wo…", kind), shown("3", "72", "x")],
            "includes": {"users": users, "tweets": [shown("1", "71", "her words")]},
        }
        body = json.dumps(page).encode()
        before = list(source.posts(body, when))
        (left,), count = scrub(source, [body], lambda post: post.author_id == "71", when)
        assert count == gone
        assert (b"her words" in left, b"Name 71" in left) == (not gone, not gone)
        assert list(source.posts(left, when)) == before
        assert found_in(source, [body], lambda post: post.author_id == "71", when) == (
            {("twitter", "1")} if gone else set()
        )


def test_a_body_that_cannot_be_parted_is_said_to_be_so() -> None:
    """An element that two posts are made of, or none that can be taken out."""
    ours = [Post._make(["x", name, *[None] * 4, NOON, *[None] * 18]) for name in ("1", "2")]

    class Odd:
        @staticmethod
        def posts(body: bytes, _when: datetime) -> list[Post]:
            return ours if body else []

    with pytest.raises(Unparted):
        scrub(Odd(), [b'{"both": "1 and 2"}'], lambda post: post.id == "1", NOON)  # type: ignore[arg-type]


def test_a_document_that_cannot_be_parted_goes_whole_and_the_object_keeps_the_others(tmp_path: Path) -> None:
    """A channel's page, say: then the window cannot be made again from raw pages, which its manifest says."""
    channel = PAGES / "telegram-snscrape" / "channel.json"
    source, when = source_for("telegram", "snscrape"), datetime(2026, 7, 1, tzinfo=UTC)
    body = one_line(channel.read_bytes())
    posts = [item for item in source.posts(body, when) if isinstance(item, Post)]
    window = Window(min(post.created_at for post in posts), when)
    ours, run = job(tmp_path, source="telegram", via="snscrape"), a_run()
    found = extracted(ours, run, [[body]], window=window, source="telegram", via="snscrape")
    pages = list(tmp_path.rglob("*.zst"))
    envelope = raw.read_page(open_store(ours, run), pages[0].relative_to(tmp_path).as_posix()).envelope
    told = msgspec.structs.replace(envelope, source="telegram", via="snscrape")
    raw.rewrite_page(open_store(ours, run), pages[0].relative_to(tmp_path).as_posix(), told, [body])
    load(ours, window, run, transform(ours, window, run, found))
    assert forget(ours, Subject("post", posts[0].id)) == []
    manifest = read_manifest(open_store(ours, run), prefix(ours, window, run))
    assert manifest is not None
    rows = read_posts(manifest.object.url).to_pylist()
    assert sorted(row["id"] for row in rows) == sorted({post.id for post in posts[1:]})
    assert manifest.raw.expired == NEXT_DAY
    assert not list(tmp_path.rglob("*.zst"))
    assert verify(open_store(ours, run), NEXT_DAY, with_raw=True).findings == ()
