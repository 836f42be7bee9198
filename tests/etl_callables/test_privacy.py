"""What a job hides is in nothing that stays: not in the object, not in the manifest, not in raw pages."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables import load, transform
from etl_callables.errors import Stop
from etl_callables.extraction import extract
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.post import FIELDS
from etl_callables.privacy import Names
from etl_callables.reader import read_posts
from etl_callables.restoration import restore
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from etl_callables.verification import verify
from schemas.job import Column, Job, Pseudonyms
from tests.etl_callables.jobs import NEXT_DAY, NOON, WINDOW, a_run, extracted, job, tweet

KEY = "correct horse battery staple"
PERSONAL = ("author", "author_name", "author_id", "mentions", "text", "url")
PEOPLE = {"username": "Ada_L", "id": 47110008154711, "displayname": "Ada Lovelace"}


def run_with(password: str | None = KEY, **changes: Any) -> Run:
    def connection(name: str) -> dict[str, Any]:
        if name != "pseudonyms" or password is None:
            raise LookupError(name)
        return {"password": password}

    return a_run(connection=connection, **changes)


def hiding(folder: Path, *fields: str, **changes: Any) -> Job:
    stable = changes.pop("stable", "job")
    pseudonyms = Pseudonyms(fields, "pseudonyms", stable) if fields else None
    return job(
        folder, **{"key": "posts/{date}.parquet", "format": "parquet", **changes}, pseudonymise=pseudonyms
    )


def written(job: Job, *posts: bytes, run: Run | None = None) -> tuple[list[dict[str, Any]], Manifest]:
    """The rows of a run over these posts, and its manifest."""
    run = run or run_with()
    found = extracted(job, run, [posts])
    loaded = load(job, WINDOW, run, transform(job, WINDOW, run, found))
    manifest = read_manifest(open_store(job, run), prefix(job, WINDOW, run))
    assert manifest is not None
    return read_posts(loaded["object"]).to_pylist(), manifest


ADA = tweet(
    1,
    NOON + timedelta(minutes=34, seconds=56),
    user=PEOPLE,
    rawContent="hello @Bob_9, mail me@example.org or see https://a.example/@bob_9 and @bob_9.",
    mentionedUsers=[{"username": "bob_9", "id": 2, "displayname": "Bob"}],
    url="https://twitter.com/Ada_L/status/1",
)
BOB = tweet(2, NOON, user={"username": "bob_9", "id": 2, "displayname": "Bob"}, mentionedUsers=[])
NOBODY = tweet(3, NOON, user={"username": "x", "id": 3, "displayname": ""}, mentionedUsers=None)


def test_names_become_pseudonyms_and_everything_else_stays(tmp_path: Path) -> None:
    plain, _ = written(hiding(tmp_path / "plain"), ADA, BOB, NOBODY)
    hidden, _ = written(hiding(tmp_path / "hidden", *PERSONAL), ADA, BOB, NOBODY)
    assert len(hidden) == 3
    for before, after in zip(plain, hidden, strict=True):
        for name in FIELDS:
            if name not in PERSONAL:
                assert after[name] == before[name], name
            elif isinstance(before[name], str) and name != "text":
                assert re.fullmatch(r"[a-z2-7]{26}", after[name]), name
            elif name == "mentions":
                assert [len(one) for one in after[name] or []] == [26] * len(before[name] or [])
                assert (after[name] is None) == (before[name] is None)


def test_somebody_has_one_pseudonym_as_author_as_mentioned_and_in_a_text(tmp_path: Path) -> None:
    bob, nobody, ada = written(hiding(tmp_path, *PERSONAL), ADA, BOB, NOBODY)[0]
    name = bob["author"]
    assert ada["mentions"] == [name]
    assert ada["text"] == f"hello @{name}, mail me@example.org or see https://a.example/@bob_9 and @{name}."
    assert len({ada["author"], name, nobody["author"]}) == 3
    assert len({bob["author"], bob["author_id"], bob["author_name"]}) == 3


def test_a_pseudonym_is_what_its_documentation_says() -> None:
    """HMAC-SHA256, so that whoever has the key can find a person, and nobody else."""
    parts = [b"team.posts", b"twitter", b"handle", b"ada_l"]
    text = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    digest = hmac.new(KEY.encode(), text, hashlib.sha256).digest()[:16]
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    bits = "".join(f"{byte:08b}" for byte in digest) + "00"
    expected = "".join(letters[int(bits[at : at + 5], 2)] for at in range(0, 130, 5))
    names = Names(KEY.encode(), "team.posts")
    assert {names.pseudonym("twitter", "handle", name) for name in ("Ada_L", "@ada_l", "ADA_L")} == {expected}


def test_pseudonyms_differ_between_jobs_unless_they_are_to_be_the_same_everywhere(tmp_path: Path) -> None:
    found = {}
    for stable in ("job", "everywhere"):
        for name in ("team.one", "team.two"):
            rows, _ = written(
                hiding(tmp_path / stable, "author", stable=stable, id=name, key=f"{name}.parquet"), ADA
            )
            found[stable, name] = rows[0]["author"]
    assert found["job", "team.one"] != found["job", "team.two"]
    assert found["everywhere", "team.one"] == found["everywhere", "team.two"]


def test_another_key_gives_other_pseudonyms_and_the_manifest_tells_the_keys_apart(tmp_path: Path) -> None:
    (one,), first = written(hiding(tmp_path / "1", "author"), ADA)
    (same,), again = written(hiding(tmp_path / "2", "author"), ADA)
    (other,), second = written(hiding(tmp_path / "3", "author"), ADA, run=run_with("another, long enough"))
    assert one == same
    assert one["author"] != other["author"]
    assert first.privacy
    assert again.privacy
    assert second.privacy
    assert first.privacy.key == again.privacy.key != second.privacy.key


def test_the_same_posts_and_key_give_the_same_bytes(tmp_path: Path) -> None:
    manifests = [written(hiding(tmp_path / name, *PERSONAL), ADA, BOB)[1] for name in ("a", "b")]
    assert manifests[0].object.sha256 == manifests[1].object.sha256


def test_less_of_a_text_and_the_day_of_a_time_are_written(tmp_path: Path) -> None:
    long = tweet(1, NOON + timedelta(minutes=34), rawContent="👩‍🔬" + "é" * 200)
    (row,), manifest = written(hiding(tmp_path, truncate={"text": 5, "created_at": "day"}), long)
    assert row["text"] == "👩‍🔬éé"
    assert row["created_at"] == manifest.first_post == manifest.last_post == datetime(2021, 7, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unit", "expected"), [("hour", (7, 5, 12)), ("day", (7, 5, 0)), ("month", (7, 1, 0))]
)
def test_a_time_is_the_beginning_of_its_unit(
    tmp_path: Path, unit: str, expected: tuple[int, int, int]
) -> None:
    (row,), _ = written(hiding(tmp_path, truncate={"created_at": unit}), ADA)
    month, day, hour = expected
    assert row["created_at"] == datetime(2021, month, day, hour, tzinfo=UTC)


def test_a_text_is_shortened_after_its_names_are_replaced(tmp_path: Path) -> None:
    """Shortened first, half a name could stay."""
    odd = tweet(1, rawContent="hi @Ada_Lovelace")
    (row,), _ = written(hiding(tmp_path, "text", truncate={"text": 8}), odd)
    assert re.fullmatch(r"hi @[a-z2-7]{4}", row["text"])
    assert row["text"] != "hi @Ada_"


def test_posts_are_told_apart_by_what_the_source_gave(tmp_path: Path) -> None:
    """Rows that look the same once they are hidden are still two, and a repeated post is still one."""
    twins = [tweet(number, NOON, rawContent="same", url="same") for number in (1, 2, 2)]
    columns = tuple(Column(name, name) for name in ("created_at", "text"))
    rows, manifest = written(hiding(tmp_path, truncate={"text": 1}, columns=columns), *twins)
    assert rows == [{"created_at": NOON, "text": "s"}] * 2
    assert manifest.counts.duplicate == 1


def test_the_manifest_says_what_was_done(tmp_path: Path) -> None:
    job = hiding(tmp_path, "author", "text", drop=("media",), truncate={"text": 9})
    _, manifest = written(job, ADA)
    assert manifest.privacy is not None
    assert (manifest.privacy.pseudonymised, manifest.privacy.stable) == (("author", "text"), "job")
    assert (manifest.privacy.dropped, manifest.privacy.truncated) == (("media",), {"text": 9})
    assert written(hiding(tmp_path / "plain"), ADA)[1].privacy is None


def everything(folder: Path) -> str:
    """All that is in a bucket, raw pages unpacked."""
    import zstandard

    found = []
    for path in folder.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        found.append(zstandard.decompress(data) if path.name.endswith(".zst") else data)
    return b"\n".join(found).decode(errors="replace")


def test_nothing_that_stays_names_anybody(tmp_path: Path) -> None:
    columns = tuple(
        Column(name, name) for name in ("author", "author_name", "mentions", "created_at", "text")
    )
    job = hiding(tmp_path, *PERSONAL, keep_raw=False, columns=columns, key="a.csv", format="csv")
    written(job, ADA)
    left = everything(tmp_path)
    assert "hello @" in left
    for name in ("Ada_L", "Lovelace", "47110008154711", "Bob_9,", KEY):
        assert name not in left, name


def test_raw_pages_stay_where_the_job_keeps_them(tmp_path: Path) -> None:
    for keep in (True, timedelta(days=30)):
        _, manifest = written(hiding(tmp_path / str(keep), keep_raw=keep), ADA)
        assert manifest.raw.expired is None
        assert "Lovelace" in everything(tmp_path / str(keep))


def test_an_object_without_raw_pages_is_as_it_should_be(tmp_path: Path) -> None:
    job = hiding(tmp_path, *PERSONAL, keep_raw=False)
    _, manifest = written(job, ADA)
    store = open_store(job, run_with())
    assert manifest.raw.expired == NEXT_DAY
    assert verify(store, NEXT_DAY + timedelta(days=3), with_raw=True).findings == ()


def test_pages_that_should_be_gone_are_found_and_removed(tmp_path: Path) -> None:
    """As a run leaves them that is killed after its manifest is written."""
    job, run = hiding(tmp_path, *PERSONAL, keep_raw=False), run_with()
    pages = _pages_before_load(job, run, tmp_path)
    for path, data in pages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    store, later = open_store(job, run), NEXT_DAY + timedelta(days=3)
    (finding,) = verify(store, later).findings
    assert finding.kind == "orphaned"
    (repair,) = restore(store, [finding], {job.id: job}, replace(run, now=lambda: later))
    assert repair.done
    assert not any(path.exists() for path in pages)
    assert verify(store, later, with_raw=True).findings == ()


def _pages_before_load(job: Job, run: Run, folder: Path) -> dict[Path, bytes]:
    found = extracted(job, run, [[ADA]])
    pages = {path: path.read_bytes() for path in folder.rglob("*.jsonl.zst")}
    load(job, WINDOW, run, transform(job, WINDOW, run, found))
    assert pages
    assert not any(path.exists() for path in pages)
    return pages


def test_an_object_lost_without_raw_pages_says_what_brings_it_back(tmp_path: Path) -> None:
    job, run = hiding(tmp_path, *PERSONAL, keep_raw=False), run_with()
    _, manifest = written(job, ADA)
    (tmp_path / manifest.object.key).unlink()
    store = open_store(job, run)
    (finding,) = verify(store, NEXT_DAY).findings
    (repair,) = restore(store, [finding], {job.id: job}, run)
    assert (repair.done, repair.note) == (
        False,
        "its raw pages are not kept, as its job says: run that window again",
    )


def test_a_run_made_again_without_its_raw_pages_asks_and_writes_the_same(tmp_path: Path) -> None:
    job = hiding(tmp_path, *PERSONAL, keep_raw=False)
    _, first = written(job, ADA, BOB)
    _, second = written(job, ADA, BOB)
    assert first.object == second.object


@pytest.mark.parametrize(
    ("password", "said"),
    [
        (
            None,
            "There is no connection pseudonyms, whose password pipelines/team/posts.yaml makes pseudonyms",
        ),
        ("", "The password of the connection pseudonyms is too short"),
        ("fifteen letters", "The password of the connection pseudonyms is too short"),
    ],
)
def test_without_a_good_key_nothing_is_written(tmp_path: Path, password: str | None, said: str) -> None:
    job, run = hiding(tmp_path, "author"), run_with(password)
    found = extracted(job, run, [[ADA]])
    with pytest.raises(Stop) as caught:
        transform(job, WINDOW, run, found)
    assert said in str(caught.value)
    assert "openssl rand -hex 32" in str(caught.value)
    assert not list(tmp_path.rglob("*.parquet"))
    if password:
        assert password not in str(caught.value)


def test_without_a_key_nobody_is_asked_for_anything(tmp_path: Path) -> None:
    """What was fetched would lie there as it came, for nobody to turn into anything."""

    class Asked:
        @staticmethod
        def pages(*_: Any) -> Any:
            pytest.fail("it was asked")

    with pytest.raises(Stop, match="There is no connection pseudonyms"):
        extract(hiding(tmp_path, "author"), WINDOW, run_with(None), source=Asked())  # type: ignore[arg-type]
    assert list(tmp_path.rglob("*")) == []


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), st.one_of(st.none(), st.lists(TEXTS, max_size=3)))))
def test_lists_keep_their_shape(rows: list[tuple[str, list[str] | None]]) -> None:
    names = Names(KEY.encode(), "")
    column = pa.array([row[1] for row in rows], pa.list_(pa.string()))
    platforms = pa.array([row[0] for row in rows], pa.string())
    for part in (slice(None), slice(1, None)):  # a slice of an array does not begin at its buffers' beginning
        changed = names.of_kind("handle")(column[part], platforms[part])
        changed.validate(full=True)
        assert changed.to_pylist() == [
            None if value is None else [names.pseudonym(platform, "handle", one) for one in value]
            for platform, value in rows[part]
        ]


@given(st.lists(st.tuples(st.sampled_from(["x", "y"]), st.none() | st.text("@ab./- é\n", max_size=12))))
def test_names_in_texts_are_what_they_are_alone(rows: list[tuple[str, str | None]]) -> None:
    """Those that no letter, at sign, point or slash stands before."""
    names = Names(KEY.encode(), "")
    name = re.compile(r"(?:^|(?<=[^\w@/.]))@(\w(?:[\w.-]*\w)?(?:@\w(?:[\w.-]*\w)?)?)")
    column = pa.array([row[1] for row in rows], pa.string())
    platforms = pa.array([row[0] for row in rows], pa.string())
    for part in (slice(None), slice(1, None)):
        changed = names.in_text(column[part], platforms[part])
        changed.validate(full=True)
        wanted = []
        for platform, text in rows[part]:
            *found, last = name.split(text or "")
            found[1::2] = [f"@{names.pseudonym(platform, 'handle', one)}" for one in found[1::2]]
            wanted.append(None if text is None else "".join(found) + last)
        assert changed.to_pylist() == wanted


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_no_two_values_share_a_pseudonym(platform: str, kind: str, one: str, other: str) -> None:
    names = Names(KEY.encode(), "scope")
    if (platform, one) != (kind, other) and "handle" not in (platform, kind):
        assert (names.pseudonym(platform, kind, one) == names.pseudonym(kind, platform, other)) == (
            (platform, kind, one) == (kind, platform, other)
        )
