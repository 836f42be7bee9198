"""What Trawl promises of a bucket holds on a real S3 that is not AWS's: Ceph's RADOS Gateway."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyarrow import fs
from pyarrow import parquet as pq

from etl_callables import extract, load, raw, transform
from etl_callables.errors import Overtaken, RetryLater, Stop
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.restoration import restore
from etl_callables.run import prefix
from etl_callables.store import open_store, store_at
from etl_callables.verification import verify
from schemas.job import Job
from schemas.reading import read_job
from tests.etl_callables.jobs import NEXT_DAY, NOON, WINDOW, a_run, extracted, job, ticking, tweet, tweets
from tests.servers.ceph import Cluster, User
from tests.servers.faulty_s3 import FaultyS3, Flip, Meanwhile, Trouble

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ceph")]

ROOT = Path(__file__).parents[2]
OBJECT = "posts/2021-07-05.csv"
FOLDER = prefix(job(""), WINDOW, a_run())
LATER = NEXT_DAY + timedelta(days=2)


@pytest.fixture
def own(ceph: Cluster, monkeypatch: pytest.MonkeyPatch) -> User:
    """Whom the ordinary AWS chain finds: a user with nothing but their own buckets."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    user = ceph.user()
    become(user, monkeypatch)
    return user


def become(user: User, monkeypatch: pytest.MonkeyPatch, endpoint: str = "") -> None:
    for name, value in user.environment.items():
        monkeypatch.setenv(name, value)
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)


def ask(bucket: str, method: str, **values: Any) -> Any:
    """A request of S3 itself, by the ordinary AWS chain."""
    store: Any = store_at(f"s3://{bucket}")
    return store.files.call_s3(method, Bucket=bucket, **values)


@pytest.fixture
def bucket(own: User, tmp_path: Path) -> str:
    """A new bucket's name."""
    name = f"{own.name}-{tmp_path.name.lower().replace('_', '-')}"[:50].strip("-")
    ask(name, "create_bucket")
    return name


@pytest.fixture
def ours(bucket: str) -> Job:
    return job(f"s3://{bucket}")


@pytest.fixture
def faulty(own: User, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    """A server between, which can be told to fail; the ordinary AWS chain leads there from now on."""
    with FaultyS3(int(own.endpoint.rpartition(":")[2])) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        yield server


def run(ours: Job, numbers: range = range(1, 9), **changes: Any) -> dict[str, Any]:
    """One run, from pages to the manifest."""
    this = a_run(**changes)
    return load(ours, WINDOW, this, transform(ours, WINDOW, this, extracted(ours, this, [tweets(numbers)])))


def manifest(ours: Job) -> Manifest:
    """The manifest, once the bucket is what it says."""
    store = open_store(ours, a_run())
    report = verify(store, NEXT_DAY, with_raw=True)
    assert report.wrong == 0, report.findings
    found = read_manifest(store, prefix(ours, WINDOW, a_run()))
    assert found is not None
    return found


def versions(bucket: str, key: str) -> list[dict[str, Any]]:
    """An object's versions, newest first."""
    found = ask(bucket, "list_object_versions", Prefix=key)
    return [version for version in found.get("Versions", []) if version["Key"] == key]


def body_of(bucket: str, key: str, version: dict[str, Any]) -> bytes:
    store: Any = store_at(f"s3://{bucket}")
    path, name = f"{bucket}/{key}", version["VersionId"]
    body: bytes = store.files.cat_file(path, version_id=name, max_concurrency=1)
    return body


# --- A run, as every day ---------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
def test_a_whole_run_lands_once_and_a_different_one_replaces_it_and_says_so(
    ceph: Cluster,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    authority: Any,
    caplog: pytest.LogCaptureFixture,
    *,
    tls: bool,
) -> None:
    """The example of the project, from its archive; with TLS and without, where checksums differ."""
    if tls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ceph.tls)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    found = read_job(ROOT / "pipelines/examples/covid_archive.yaml", ROOT)
    assert isinstance(found, Job)
    columns = tuple(column for column in found.columns if column.field != "scraped_at")
    ours = replace(found, bucket=f"s3://{bucket}/of/ours", columns=columns)
    this = a_run()
    ask(bucket, "put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})

    def go(one: Job) -> Manifest:
        result = load(one, WINDOW, this, transform(one, WINDOW, this, extract(one, WINDOW, this)))
        assert result["object"] == f"s3://{bucket}/of/ours/examples/covid_archive/2021-07-05/posts.csv"
        return manifest(one)

    caplog.set_level(logging.INFO)
    first = go(ours)
    store = open_store(ours, this)
    data = store.read(first.object.key)
    assert (len(data), hashlib.sha256(data).hexdigest()) == (first.object.size, first.object.sha256)
    assert first.counts.kept > 10
    again = go(ours)
    assert again.object == first.object
    assert "holds these" in caplog.text
    key = f"of/ours/{first.object.key}"
    assert len(versions(bucket, key)) == 1
    changed = go(replace(ours, limit=5))
    assert changed.replaced is not None
    assert (changed.counts.kept, changed.replaced.sha256) == (5, first.object.sha256)
    assert f"in place of {first.counts.kept:,} posts ({first.object.size:,} bytes)" in caplog.text
    assert len(versions(bucket, key)) == 2


def test_what_lands_is_read_by_pandas_pyarrow_and_s3fs(
    own: User, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By address alone, as whoever works with the posts does it."""
    ours = job(f"s3://{bucket}", key="posts/{date}.parquet", format="parquet")
    run(ours)
    url = manifest(ours).object.url
    ids = [str(number) for number in range(1, 9)]
    assert list(pd.read_parquet(url, storage_options={"endpoint_url": own.endpoint})["id"]) == ids
    with open_store(ours, a_run()).files.open(url) as file:  # type: ignore[attr-defined]
        assert pq.read_table(file)["id"].to_pylist() == ids
    # pyarrow's own client sends checksums after the body unless told not to; it only reads here.
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_REQUIRED")
    reader = fs.S3FileSystem(
        access_key=own.key, secret_key=own.secret, endpoint_override=own.endpoint, region="us-east-1"
    )
    table = pq.read_table(url.removeprefix("s3://"), filesystem=reader)
    assert table["id"].to_pylist() == ids


def test_a_connection_leads_there_as_well_as_the_environment(
    own: User, ours: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Airflow has it, with an address of its own."""
    for name in own.environment:
        monkeypatch.delenv(name)
    values = {"login": own.key, "password": own.secret, "extra": {"endpoint_url": own.endpoint}}
    run(replace(ours, bucket_connection="ceph"), connection=lambda _name: values)
    become(own, monkeypatch)
    assert manifest(ours).counts.kept == 8


def large(posts: int = 17) -> list[bytes]:
    """Tweets of two megabytes each: together five parts."""
    return [tweet(number, NOON, rawContent=f"{number:x}" * (1 << 20)) for number in range(16, 16 + posts)]


def test_a_large_object_goes_up_in_parts_and_is_whole(ours: Job, faulty: FaultyS3) -> None:
    """Above two parts; and the copy under the final key is one request."""
    this = a_run()
    load(ours, WINDOW, this, transform(ours, WINDOW, this, extracted(ours, this, [large()])))
    parts = [address for method, address in faulty.asked if method == "PUT" and "partNumber" in address]
    assert len(parts) == 5
    assert [method for method, address in faulty.asked if method == "PUT" and OBJECT in address] == ["PUT"]
    assert manifest(ours).object.size > 34_000_000


# --- Bytes on the way ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["/staged/", "manifest.json", "partNumber=2"])
def test_a_byte_that_turns_over_on_the_way_is_refused_and_sent_again(
    ours: Job, faulty: FaultyS3, part: str
) -> None:
    """The server holds each body to its signed SHA-256, the parts of large ones too."""
    this = a_run()
    pages = [large()] if part.startswith("part") else [tweets(range(1, 9))]
    found = extracted(ours, this, pages)
    flip = Trouble("PUT", part, Flip(100), times=1)
    faulty.troubles = [flip]
    load(ours, WINDOW, this, transform(ours, WINDOW, this, found))
    assert flip.met > 1
    assert manifest(ours).counts.kept == len(pages[0])
    if part == "manifest.json":
        return
    faulty.troubles = [Trouble("PUT", part, Flip(100))]
    with pytest.raises(RetryLater, match=r"XAmzContentSHA256Mismatch.*Nothing was published"):
        transform(ours, WINDOW, this, found)
    faulty.troubles = []
    assert manifest(ours).counts.kept == len(pages[0])


def test_the_server_itself_refuses_what_is_not_what_its_md5_says(bucket: str) -> None:
    """Where somebody sends one. x-amz-checksum-* means nothing to this server."""
    with pytest.raises(OSError) as refused:  # noqa: PT011 (s3fs makes nothing better of it)
        ask(bucket, "put_object", Key="a", Body=b"one", ContentMD5="4QrcOUm6Wau+VuBX8g+IPg==")
    assert "BadDigest" in str(refused.value.__cause__)
    assert store_at(f"s3://{bucket}").size("a") is None


def test_where_the_server_encrypts_objects_and_cannot_copy_them_a_run_ends_all_the_same(
    ceph: Cluster, ours: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go by way of this machine, large ones too; what is read is what was written."""
    ceph.start("encrypting")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", ceph.encrypting)
    this = a_run()
    for bodies in (tweets(range(1, 9)), large()):
        load(ours, WINDOW, this, transform(ours, WINDOW, this, extracted(ours, this, [bodies])))
        assert manifest(ours).counts.kept == len(bodies)
    ceph.kill("encrypting")


# --- Buckets that keep versions --------------------------------------------------------------------


def test_each_version_is_whole_and_the_same_posts_make_none(ours: Job, bucket: str) -> None:
    """Of the object and of what a run leaves behind."""
    ask(bucket, "put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})
    wanted = []
    for numbers in (range(1, 9), range(1, 9), range(1, 5)):
        run(ours, numbers)
        wanted.append(manifest(ours).object.sha256)
    kept = versions(bucket, OBJECT)
    bodies = [body_of(bucket, OBJECT, one) for one in kept]
    assert [hashlib.sha256(body).hexdigest() for body in bodies] == [wanted[2], wanted[0]]


@pytest.mark.parametrize("what", ["object", "page"])
def test_what_is_locked_is_kept_as_a_version_and_the_run_goes_on(own: User, what: str) -> None:
    """A locked bucket keeps versions: a new object stands before the old one, which nobody can remove."""
    name = f"{own.name}-{what}-locked"
    ask(name, "create_bucket", ObjectLockEnabledForBucket=True)
    ours = job(f"s3://{name}")
    run(ours)
    store = open_store(ours, a_run())
    page = next(entry.key for entry in store.list(FOLDER) if entry.key.endswith(".zst"))
    key = OBJECT if what == "object" else page
    before = store.read(key)
    until = NEXT_DAY.replace(year=2099)
    ask(name, "put_object_retention", Key=key, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    run(ours, range(1, 5), now=lambda: LATER)
    assert manifest(ours).counts.kept == 4
    (locked,) = [one for one in versions(name, key) if one["Size"] == len(before)]
    assert body_of(name, key, locked) == before
    with pytest.raises(PermissionError):
        ask(name, "delete_object", Key=key, VersionId=locked["VersionId"])


# --- Who may do what -------------------------------------------------------------------------------


def allow(bucket: str, user: User, statements: dict[str, list[str]], deny: str = "") -> None:
    """Give a user a policy on a bucket: actions by what they are on, below the bucket or itself."""
    arn = f"arn:aws:s3:::{bucket}"
    who = {"AWS": [f"arn:aws:iam:::user/{user.name}"]}
    rules = [
        {"Effect": "Allow", "Principal": who, "Action": actions, "Resource": f"{arn}{where}"}
        for where, actions in statements.items()
    ]
    if deny:
        rules.append({"Effect": "Deny", "Principal": who, "Action": [deny], "Resource": f"{arn}/*"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": rules})
    ask(bucket, "put_bucket_policy", Policy=policy)


READ_WRITE = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
LIST = ["s3:ListBucket", "s3:ListBucketMultipartUploads"]


def test_who_may_write_below_a_prefix_only_does_so_and_is_told_where_not(
    ceph: Cluster, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another prefix, the list of buckets and delete are refused; leftovers are the only thing missed."""
    scraper = ceph.user()
    allow(bucket, scraper, {"/team/*": READ_WRITE, "": LIST})
    become(scraper, monkeypatch)
    run(job(f"s3://{bucket}/team"))
    assert f"could not be removed: S3 refuses s3:DeleteObject on s3://{bucket}/team/_trawl/" in caplog.text
    assert manifest(job(f"s3://{bucket}/team")).counts.kept == 8
    refused = f"S3 refuses s3:PutObject on s3://{bucket}/other/.*AccessDenied.*must allow it"
    with pytest.raises(Stop, match=refused):
        run(job(f"s3://{bucket}/other"))
    store: Any = store_at(f"s3://{bucket}")
    assert store.files.call_s3("list_buckets")["Buckets"] == []


def test_who_may_not_list_is_told_so(ceph: Cluster, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 then says of what is not there that it is forbidden."""
    scraper = ceph.user()
    allow(bucket, scraper, {"/*": [*READ_WRITE, "s3:DeleteObject"]})
    become(scraper, monkeypatch)
    with pytest.raises(Stop, match=r"s3:GetObject on .*forgotten\.json .*and s3:ListBucket on the bucket"):
        run(job(f"s3://{bucket}"))


def test_where_delete_is_denied_the_object_lands_and_its_leftovers_stay(
    ceph: Cluster, bucket: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With a warning that names the permission; verify names what was left, and cannot remove it either."""
    scraper = ceph.user()
    allow(bucket, scraper, {"/*": ["s3:*"], "": LIST}, deny="s3:DeleteObject")
    become(scraper, monkeypatch)
    ours = job(f"s3://{bucket}")
    run(ours)
    assert f"could not be removed: S3 refuses s3:DeleteObject on s3://{bucket}/_trawl/" in caplog.text
    assert manifest(ours).counts.kept == 8
    store = open_store(ours, a_run())
    report = verify(store, LATER)
    assert [finding.kind for finding in report.findings] == ["orphaned"]
    (repair,) = restore(store, report.findings, {ours.id: ours}, a_run())
    assert not repair.done
    assert "S3 refuses s3:DeleteObject" in repair.note


def end_of_key(ceph: Cluster, user: User) -> None:
    ceph.order("DELETE", "user", key="", **{"access-key": user.key})


def suspension(ceph: Cluster, user: User) -> None:
    ceph.order("POST", "user", uid=user.name, suspended="true")


@pytest.mark.parametrize(
    ("harm", "step", "said"),
    [
        (end_of_key, "transform", "AWS does not accept the credentials for s3://.*InvalidAccessKeyId"),
        (end_of_key, "load", "AWS does not accept the credentials for s3://.*InvalidAccessKeyId"),
        (suspension, "load", "S3 refuses s3:GetObject on s3://.*UserSuspended.*must allow it"),
    ],
    ids=["key-transform", "key-load", "suspended-load"],
)
def test_credentials_that_end_in_mid_run_stop_it_and_new_ones_finish_it(
    ceph: Cluster, own: User, ours: Job, monkeypatch: pytest.MonkeyPatch, *, step: str, harm: Any, said: str
) -> None:
    """Nothing is lost: the step that failed goes on with what the ones before it gave."""
    this = a_run()
    found = extracted(ours, this, [tweets(range(1, 9))])
    staged = transform(ours, WINDOW, this, found) if step == "load" else None
    harm(ceph, own)
    with pytest.raises(Stop, match=said):
        load(ours, WINDOW, this, staged) if staged else transform(ours, WINDOW, this, found)
    if harm is suspension:
        ceph.order("POST", "user", uid=own.name, suspended="false")
    else:
        key, secret = f"{own.key}-new", "another"
        ceph.order("PUT", "user", key="", uid=own.name, **{"access-key": key, "secret-key": secret})
        become(replace(own, key=key, secret=secret), monkeypatch)
    load(ours, WINDOW, this, staged or transform(ours, WINDOW, this, found))
    assert manifest(ours).counts.kept == 8


@pytest.mark.parametrize("step", ["transform", "load"])
def test_a_bucket_that_goes_in_mid_run_is_named(ours: Job, bucket: str, step: str) -> None:
    """Whatever is asked first, the person hears that the bucket is away and not that a page is."""
    this = a_run()
    found = extracted(ours, this, [tweets(range(1, 9))])
    staged = transform(ours, WINDOW, this, found) if step == "load" else None
    store = open_store(ours, this)
    store.delete([entry.key for entry in store.list("")])
    ask(bucket, "delete_bucket")
    with pytest.raises(Stop, match=f"The bucket s3://{bucket} does not exist: create it"):
        load(ours, WINDOW, this, staged) if staged else transform(ours, WINDOW, this, found)


def test_a_bucket_that_is_full_says_so_and_the_run_ends_once_there_is_room(
    ceph: Cluster, own: User, ours: Job
) -> None:
    """By a quota, as a server without room for more has it; what was there stays."""
    run(ours)
    quota = {"uid": own.name, "quota": "", "quota-type": "user"}
    this = a_run()
    found = extracted(ours, this, [tweets(range(1, 5))])
    ceph.order("PUT", "user", **quota, **{"max-objects": 1, "enabled": "true"})
    with pytest.raises(Stop, match=f"The bucket {ours.bucket} is full .QuotaExceeded.*"):
        transform(ours, WINDOW, this, found)
    assert manifest(ours).counts.kept == 8
    ceph.order("PUT", "user", **quota, **{"max-objects": -1, "enabled": "false"})
    load(ours, WINDOW, this, transform(ours, WINDOW, this, found))
    assert manifest(ours).counts.kept == 4


# --- Verification ----------------------------------------------------------------------------------


def test_what_was_lost_or_changed_is_found_and_made_again(ours: Job) -> None:
    """From the raw pages, byte for byte."""
    run(ours)
    store = open_store(ours, a_run())
    before = store.read(OBJECT)
    for harmed in (None, before[:-1] + b"x"):
        if harmed is None:
            store.delete([OBJECT])
        else:
            store.write(OBJECT, harmed)
        (finding,) = verify(store, NEXT_DAY).findings
        assert finding.kind in {"missing", "changed"}
        (repair,) = restore(store, [finding], {ours.id: ours}, a_run())
        assert repair.done, repair.note
        assert "byte for byte" in repair.note
        assert store.read(OBJECT) == before
    assert manifest(ours).counts.kept == 8


# --- Runs that are killed --------------------------------------------------------------------------


class Victims:
    """Steps in processes of their own, which die by SIGKILL at a request."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.etl_callables.loading_process"]
        self._forking = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._born = threading.Event()
        self._process = 0

    def close(self) -> None:
        self._forking.communicate()

    def kill(self) -> None:
        """End the step that runs, before it hears anything more."""
        assert self._born.wait(60)
        os.kill(self._process, signal.SIGKILL)

    def lives(self, step: str, bucket: str, given: dict[str, Any]) -> bool:
        """Run a step; False when it was killed."""
        assert self._forking.stdin is not None
        assert self._forking.stdout is not None
        self._born.clear()
        self._forking.stdin.write(json.dumps({"step": step, "bucket": bucket, "given": given}) + "\n")
        self._forking.stdin.flush()
        self._process = int(self._forking.stdout.readline())
        self._born.set()
        end = int(self._forking.stdout.readline())
        assert end in {0, -signal.SIGKILL}
        return end == 0


@pytest.fixture
def victims(faulty: FaultyS3) -> Iterator[Victims]:
    """They ask the server between."""
    assert faulty.url
    running = Victims()
    try:
        yield running
    finally:
        running.close()


def needed(ours: Job) -> set[str]:
    """All that a bucket has to hold of one run."""
    found = manifest(ours)
    store = open_store(ours, a_run())
    pages = raw.read_done(store, found.raw.done).pages
    return {found.object.key, f"{FOLDER}/manifest.json", found.raw.done, *pages}


def test_killed_at_any_request_load_is_finished_by_the_next_run(
    ours: Job, faulty: FaultyS3, victims: Victims
) -> None:
    """Before a request is passed on or once it is done. Until then there is the old object or the new one.

    In the end there is nothing that nobody needs.
    """
    this = a_run()
    run(ours)
    store = open_store(ours, this)
    known = {store.read(OBJECT)}
    faulty.asked.clear()
    run(ours, range(1, 8))
    known.add(store.read(OBJECT))
    given = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 9))]))
    faulty.asked.clear()
    assert victims.lives("load", ours.bucket, given)
    requests = list(faulty.asked)
    assert len(requests) > 12
    writes = [at for at, (method, address) in enumerate(requests) if method == "PUT" or "?delete" in address]
    moments = {(at, False) for at in range(0, len(requests), 3)} | {(at, True) for at in writes}
    for number, (at, done) in enumerate(sorted(moments)):
        posts = 7 + number % 2
        given = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, posts + 1))]))
        death = Trouble("", "", Meanwhile(victims.kill, done=done), after=at, times=1)
        faulty.troubles = [death]
        died = not victims.lives("load", ours.bucket, given)
        faulty.troubles = []
        assert died or death.met <= at
        assert store.read(OBJECT) in known
        load(ours, WINDOW, this, given)
        assert manifest(ours).counts.kept == posts
    run(ours, now=lambda: LATER)
    assert {entry.key for entry in store.list("")} == needed(ours)


@pytest.mark.parametrize(
    ("method", "part", "uploads"), [("PUT", "partNumber=2", 1), ("POST", "uploadId=", 0)]
)
def test_killed_while_parts_go_up_the_next_run_is_right_and_the_parts_go_a_day_later(
    ours: Job, faulty: FaultyS3, victims: Victims, *, method: str, part: str, uploads: int
) -> None:
    """Younger ones stay, for their writer may live; of an upload that is completed none are left."""
    this = a_run()
    found = extracted(ours, this, [large()])
    faulty.troubles = [Trouble(method, part, Meanwhile(victims.kill), times=1)]
    assert not victims.lives("transform", ours.bucket, found)
    faulty.troubles = []
    load(ours, WINDOW, this, transform(ours, WINDOW, this, found))
    assert manifest(ours).counts.kept == len(large())
    store: Any = open_store(ours, this)
    assert store.sweep(FOLDER) == 0
    assert replace(store, abandoned=timedelta(0)).sweep(FOLDER) == uploads
    assert ask(store.bucket, "list_multipart_uploads").get("Uploads", []) == []


# --- A server that dies ----------------------------------------------------------------------------


@pytest.mark.parametrize(("part", "done"), [("/posts/", False), ("/posts/", True), ("manifest.json", True)])
def test_killed_under_a_load_the_gateway_has_the_old_object_or_the_new_one(
    ceph: Cluster, ours: Job, faulty: FaultyS3, part: str, *, done: bool
) -> None:
    """The run is put off, and the next one is right."""
    run(ours, range(1, 5))
    this = a_run()
    given = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 9))]))
    faulty.troubles = [Trouble("PUT", part, Meanwhile(lambda: ceph.kill("radosgw"), done=done), times=1)]
    with pytest.raises(RetryLater, match=r"The way to s3:.* is closed"):
        load(ours, WINDOW, this, given)
    ceph.start("radosgw")
    object_is_whole(ours)
    load(ours, WINDOW, this, given)
    assert manifest(ours).counts.kept == 8


def object_is_whole(ours: Job) -> None:
    """Under the final key is what four posts make, or eight."""
    lines = open_store(ours, a_run()).read(OBJECT).decode().splitlines()
    assert len(lines) in {5, 9}
    assert lines[-1].count(",") == lines[0].count(",")


def test_a_disk_that_dies_under_a_load_is_waited_for(ceph: Cluster, ours: Job, faulty: FaultyS3) -> None:
    """It comes back within the time of a request, as a machine that starts again."""
    run(ours, range(1, 5))
    this = a_run()
    given = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 9))]))

    def die() -> None:
        ceph.kill("osd")
        threading.Timer(0.5, ceph.start, ["osd"]).start()

    death = Trouble("PUT", "/posts/", Meanwhile(die), times=1)
    faulty.troubles = [death]
    load(ours, WINDOW, this, given)
    assert death.met > 0
    assert manifest(ours).counts.kept == 8


def test_killed_while_bytes_come_in_the_gateway_never_has_a_part_of_an_object(
    ceph: Cluster, ours: Job, tmp_path: Path
) -> None:
    """At moments that nobody chose, of uploads in one piece and in several."""
    store = open_store(ours, a_run())
    for size, after in ((30, 0.05), (40, 0.1)):
        old, new = tmp_path / "old", tmp_path / "new"
        old.write_bytes(os.urandom(1000))
        new.write_bytes(os.urandom(1 << 20) * size)
        store.put(old, OBJECT)
        killer = threading.Timer(after, ceph.kill, ["radosgw"])
        killer.start()
        with suppress(RetryLater):
            store.put(new, OBJECT)
        killer.join()
        ceph.start("radosgw")
        assert store.read(OBJECT) in (old.read_bytes(), new.read_bytes())
        store.put(new, OBJECT)
        assert store.read(OBJECT) == new.read_bytes()


# --- Two at once -----------------------------------------------------------------------------------


def test_a_retry_that_overtakes_a_zombie_at_any_request_and_it_agree_in_the_end(
    ours: Job, faulty: FaultyS3
) -> None:
    """The zombie stands still, the retry does all of its work, and the zombie goes on where it was."""
    this = a_run(now=ticking())
    given = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 9))]))
    faulty.asked.clear()
    load(ours, WINDOW, this, given)
    requests = len(faulty.asked)
    for number in range(0, requests, 3):
        mine = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 9))]))
        theirs = transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, 5))]))
        overtaken = Meanwhile(lambda given=theirs: load(ours, WINDOW, this, given))  # type: ignore[misc]
        faulty.troubles = [Trouble("", "", overtaken, after=number, times=1)]
        gave_way = False
        try:
            load(ours, WINDOW, this, mine)
        except Overtaken:
            gave_way = True
        faulty.troubles = []
        assert manifest(ours).counts.kept in ({4} if gave_way else {4, 8})


def test_two_loads_at_once_leave_one_of_them_whole(ours: Job) -> None:
    """And the other gives way, is put off, or is over before."""
    this = a_run(now=ticking())
    for _ in range(2):
        given = [
            transform(ours, WINDOW, this, extracted(ours, this, [tweets(range(1, end))])) for end in (5, 9)
        ]
        with ThreadPoolExecutor() as threads:
            loads = [threads.submit(load, ours, WINDOW, this, one) for one in given]
        problems = [one.exception() for one in loads if one.exception()]
        assert all(isinstance(problem, (Overtaken, RetryLater)) for problem in problems), problems
        assert len(problems) < 2
        assert manifest(ours).counts.kept in {4, 8}
