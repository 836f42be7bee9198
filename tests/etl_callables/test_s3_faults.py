"""Whatever S3 and the way to it do, each fault has its consequence, and no object is ever there in part."""

from __future__ import annotations

import io
import logging
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

import etl_callables
from etl_callables.errors import Overtaken, RetryLater, Stop
from etl_callables.loading import load
from etl_callables.manifest import read_manifest
from etl_callables.retention import due, expire
from etl_callables.run import prefix
from etl_callables.store import Store, open_store, store_at
from etl_callables.transformation import transform
from etl_callables.verification import verify
from schemas.job import DateRange, Job
from schemas.window import Window
from tests.etl_callables.jobs import NEXT_DAY, WINDOW, a_run, extracted, job, ticking, tweets
from tests.servers.faulty_s3 import Answer, FaultyS3, HalfAnswer, Meanwhile, ResetAfter, Silence, Trouble
from trawl.running import run_job

pytestmark = pytest.mark.slow

OBJECT = "posts/2021-07-05.csv"
FOLDER = prefix(job(""), WINDOW, a_run())
EXPIRED = Answer(400, "ExpiredToken")
SLOW = Answer(503, "SlowDown")
BROKEN = Answer(500, "InternalError")
DENIED = Answer(403, "AccessDenied")
ONE_DENIED = Answer(
    200,
    "",
    "<DeleteResult><Error><Key>one</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>",
)
"""What S3 says where a policy denies single keys."""


@pytest.fixture(scope="module")
def moto() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


@pytest.fixture
def s3(moto: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """A bucket behind a server that can be told to fail; the ordinary AWS chain leads there."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    with FaultyS3(moto) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        yield server


@pytest.fixture
def ours(s3: FaultyS3, tmp_path: Path) -> Job:
    """A job that writes to a new bucket."""
    name = tmp_path.name.lower().replace("_", "-")[-50:].strip("-")
    store_at(f"s3://{name}").files.call_s3("create_bucket", Bucket=name)  # type: ignore[attr-defined]
    s3.asked.clear()
    return job(f"s3://{name}")


def run(ours: Job, found: dict[str, Any]) -> dict[str, Any]:
    return load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), found))


def failure(ours: Job, found: dict[str, Any]) -> Exception | None:
    """How a run ends."""
    try:
        run(ours, found)
    except (RetryLater, Stop) as problem:
        return problem
    return None


def posts(ours: Job, store: Store) -> int:
    """How many posts there are, once object and manifest agree and all is well."""
    report = verify(store, NEXT_DAY, with_raw=True)
    assert report.wrong == 0, report.findings
    manifest = read_manifest(store, prefix(ours, WINDOW, a_run()))
    return -1 if manifest is None else manifest.counts.kept


@pytest.mark.parametrize("what", [SLOW, BROKEN, ResetAfter(0), ResetAfter(20), Silence()])
@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("GET", ".jsonl.zst"),
        ("PUT", "/staged/"),
        ("PUT", "/posts/"),
        ("PUT", "manifest.json"),
        ("HEAD", "/posts/"),
    ],
)
def test_what_fails_once_is_tried_again_in_place(
    s3: FaultyS3, ours: Job, method: str, part: str, what: Answer | ResetAfter | Silence
) -> None:
    """The run does not notice, and its object is whole."""
    found = extracted(ours, a_run(), [tweets(range(1, 9))])
    s3.troubles = [Trouble(method, part, what, times=1)]
    run(ours, found)
    assert s3.troubles[0].met > 1
    assert posts(ours, open_store(ours, a_run())) == 8


def test_only_a_writer_is_told_that_nothing_was_published(s3: FaultyS3, ours: Job) -> None:
    """Whoever reads, lists or verifies had nothing to publish."""
    store = open_store(ours, a_run())
    s3.troubles = [Trouble("", "", ResetAfter(0))]
    asking = (lambda: store.read("a"), lambda: list(store.list("")), lambda: verify(store, NEXT_DAY))
    for ask in asking:
        with pytest.raises(RetryLater) as said:
            ask()
        assert "published" not in str(said.value)
    with pytest.raises(RetryLater, match=r"Nothing was published\.$"):
        store.write("a", b"a")


@pytest.mark.parametrize(
    ("method", "part", "kept"), [("", "", False), ("PUT", "/raw/", False), ("PUT", "/staged/", True)]
)
def test_what_is_fetched_is_said_to_be_kept_where_it_is(
    s3: FaultyS3, ours: Job, tmp_path: Path, method: str, part: str, *, kept: bool
) -> None:
    """By `trawl run`, the second time too, when it finds the pages of the first."""
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(tweets(range(8))))
    asked = replace(ours, folder=str(tmp_path), root=str(tmp_path), options={"files": "posts.jsonl"})
    for _ in range(2):
        s3.troubles = [Trouble(method, part, ResetAfter(0))]
        with pytest.raises(Stop) as said:
            run_job(asked, "2021-07-05", "2021-07-06", io.StringIO(), lambda: 80)
        end = "What is fetched is kept: run the same again in a while, and it goes on."
        assert str(said.value).endswith(end if kept else ". Run the same again in a while.")
        assert ("What is fetched" in str(said.value)) == kept


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("what", "consequence", "said", "every"),
    [
        (EXPIRED, Stop, "have expired.*: renew them", 2),
        (DENIED, Stop, "S3 refuses s3:.* on s3://", 3),
        (Answer(404, "NoSuchBucket"), Stop, "does not exist: create it|There is no object", 3),
        (SLOW, RetryLater, "S3 cannot take s3:.* now .*(SlowDown|503)", 12),
        (BROKEN, RetryLater, "S3 cannot take s3:.* now .*(InternalError|500)", 8),
        (ResetAfter(0), RetryLater, "The way to s3://.* is closed|s3://.* stopped answering", 12),
    ],
)
def test_from_whichever_request_on_s3_fails_the_next_run_repairs(
    s3: FaultyS3,
    ours: Job,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    *,
    old: bool,
    what: Answer | ResetAfter,
    consequence: type[Exception],
    said: str,
    every: int,
) -> None:
    """Each request of transform and load in turn is the first to fail: credentials expire, a bucket goes.

    Until then there is the old object, whole, or the new one, or none; `every` so many requests are tried.
    """
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # it is the last try that counts
    old_bytes = None
    store = open_store(ours, a_run())
    if old:
        run(ours, extracted(ours, a_run(), [tweets(range(1, 5))]))
        old_bytes = store.read(OBJECT)
    found = extracted(ours, a_run(), [tweets(range(1, 9))])
    s3.asked.clear()
    run(ours, found)
    requests, new_bytes = len(s3.asked), store.read(OBJECT)
    assert requests > 15
    struck = 0
    for number in range(0, requests, every):
        s3.troubles = []
        store.delete([OBJECT, f"{FOLDER}/manifest.json"])
        if old:
            run(ours, extracted(ours, a_run(), [tweets(range(1, 5))]))
        found = extracted(ours, a_run(), [tweets(range(1, 9))])
        trouble = Trouble("", "", what, after=number)
        s3.troubles = [trouble]
        caplog.clear()
        problem = failure(ours, found)
        s3.troubles = []
        struck += trouble.met > number
        if problem is None:  # only leftovers were at stake, or the run needed fewer requests than the first
            assert "leftovers could not be removed" in caplog.text or trouble.met <= number
        else:
            assert isinstance(problem, consequence)
            assert re.search(said, str(problem)), problem
        there = store.read(OBJECT) if store.size(OBJECT) is not None else None
        assert there in (old_bytes, new_bytes)
        run(ours, found)
        assert store.read(OBJECT) == new_bytes
        assert posts(ours, store) == 8
    assert struck > len(range(0, requests, every)) // 2  # a run may need a request or two fewer


def test_half_an_answer_is_never_taken_for_all_of_it(s3: FaultyS3, ours: Job) -> None:
    """Asked again where it comes once; where it comes always, for later."""
    store = open_store(ours, a_run())
    data = os.urandom(300_000)
    store.write("large", data)
    for given in (0, 1, 150_000, 299_999):
        s3.troubles = [Trouble("GET", "/large", HalfAnswer(given), times=1)]
        assert store.read("large") == data
        s3.troubles = [Trouble("GET", "/large", HalfAnswer(given), times=1)]
        with store.open("large") as stream:
            assert stream.read() == data


def test_half_an_answer_that_comes_always_is_for_later(s3: FaultyS3, ours: Job) -> None:
    """Neither half is ever returned."""
    store = open_store(ours, a_run())
    store.write("large", os.urandom(300_000))
    s3.troubles = [Trouble("GET", "/large", HalfAnswer(150_000))]
    with pytest.raises(RetryLater, match=r"s3://.* (stopped answering|could not be reached) .*\)\.$"):
        store.read("large")
    with (
        pytest.raises(RetryLater, match=r"s3://.* (stopped answering|could not be reached) .*\)\.$"),
        store.open("large") as stream,
    ):
        stream.read()


@pytest.mark.parametrize("what", [ResetAfter(5_000_000), SLOW, Silence(), EXPIRED])
def test_a_part_that_fails_leaves_nothing_or_all(
    s3: FaultyS3, ours: Job, tmp_path: Path, what: Answer | ResetAfter | Silence
) -> None:
    """Once: the upload goes on. Always: there is no object, and no upload that somebody pays for for good."""
    file = tmp_path / "large"
    file.write_bytes(os.urandom(1 << 20) * 33)
    store: Any = open_store(ours, a_run())
    if what is not EXPIRED:
        s3.troubles = [Trouble("PUT", "partNumber=2", what, times=1)]
        store.put(file, "whole")
        assert store.read("whole") == file.read_bytes()
        assert s3.troubles[0].met > 1
    s3.troubles = [Trouble("PUT", "partNumber=2", what)]
    with pytest.raises(Stop if what is EXPIRED else RetryLater):
        store.put(file, "never")
    s3.troubles = []
    assert store.size("never") is None
    uploads = store.files.call_s3("list_multipart_uploads", Bucket=store.bucket).get("Uploads", [])
    assert uploads == []


@pytest.mark.parametrize("answer", [DENIED, ONE_DENIED])
def test_a_bucket_that_denies_only_delete_gets_its_objects_and_keeps_leftovers(
    s3: FaultyS3, ours: Job, caplog: pytest.LogCaptureFixture, answer: Answer
) -> None:
    """The run is a success with a warning that names the permission; verify names what was left, later."""
    found = extracted(ours, a_run(), [tweets(range(1, 9))])
    s3.troubles = [Trouble("POST", "?delete", answer)]
    with caplog.at_level(logging.WARNING):
        run(ours, found)
    assert "leftovers could not be removed: S3 refuses s3:DeleteObject on s3://" in caplog.text
    store = open_store(ours, a_run())
    assert posts(ours, store) == 8
    report = verify(store, NEXT_DAY + timedelta(days=2))
    assert [finding.kind for finding in report.findings] == ["orphaned"]


@pytest.mark.parametrize("stands_still", [False, True])
def test_a_zombie_that_a_retry_overtakes_at_every_second_request_gives_way_or_is_over_before(
    s3: FaultyS3, ours: Job, *, stands_still: bool
) -> None:
    """It stands still before a request, every second in turn, while the retry does all of its work.

    Neither fails: which of the two ends by giving way is told by the clock, and where that is of no help,
    by chance. What is there in the end is one run's, whole, with a manifest that agrees.
    """
    this = a_run() if stands_still else a_run(now=ticking())
    store = open_store(ours, this)
    number, ends, struck = 0, set(), True
    while struck:
        mine = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 9))]))
        theirs = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 5))]))
        retried = Meanwhile(lambda given=theirs: etl_callables.load(ours, WINDOW, this, given))  # type: ignore[misc]
        trouble = Trouble("", "", retried, after=number, times=1)
        s3.troubles = [trouble]
        try:
            etl_callables.load(ours, WINDOW, this, mine)
            end = "ended"
        except Overtaken:
            end = "gave way"
        s3.troubles = []
        struck = trouble.met > number
        there = posts(ours, store)
        assert there in ({4} if end == "gave way" else {4, 8} if struck else {8})
        ends.add((end, there))
        number += 2
    assert number > 20
    assert {("ended", 4), ("ended", 8), ("gave way", 4)} >= ends > {("ended", 8)}
    if not stands_still:
        assert ("gave way", 4) in ends


def test_what_is_too_old_takes_no_object_that_a_newer_window_wrote_the_same(ours: Job) -> None:
    """To S3 objects of the same bytes are the same; whose it is, manifests say."""
    whole = replace(ours, key="all.csv", date_range=DateRange(each_run="whole"), keep=timedelta(days=30))
    longer = Window(WINDOW.start, WINDOW.end + timedelta(days=1))
    for window, now in ((WINDOW, NEXT_DAY), (longer, NEXT_DAY + timedelta(days=20))):
        run = a_run(now=lambda now=now: now)
        pages = extracted(whole, run, [tweets(range(1, 5))], window=window)
        load(whole, window, run, transform(whole, window, run, pages))
    store = open_store(whole, a_run())
    for days, still in ((31, True), (51, False)):
        now = NEXT_DAY + timedelta(days=days)
        expire(store, due(store, whole, now), now)
        assert (store.size("all.csv") is not None) == still
        assert verify(store, now).findings == ()
