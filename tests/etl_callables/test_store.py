"""A store publishes whole objects or nothing, and says in a sentence what the outside world did to it."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from etl_callables.errors import RetryLater, Stop
from etl_callables.store import Entry, Missing, Store, open_store, store_at
from etl_callables.store_s3_errors import explain_code
from tests.etl_callables.jobs import a_run, job

KEYS = {"AWS_ACCESS_KEY_ID": "made-up", "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A stand-in for S3 on this machine."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def aws(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ordinary AWS chain finds made-up credentials and the stand-in."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return endpoint


def make_bucket(name: str) -> None:
    store = store_at(f"s3://{name}")
    store.files.call_s3("create_bucket", Bucket=name)  # type: ignore[attr-defined]


@pytest.fixture(params=["local", "memory", "s3", "s3-prefix"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of every kind, empty."""
    match request.param:
        case "local":
            return store_at(str(tmp_path / "not" / "yet"))
        case "memory":
            return store_at(f"memory://{tmp_path.name}")
    request.getfixturevalue("aws")
    name = tmp_path.name.lower().replace("_", "-")[:60].strip("-")
    make_bucket(name)
    return store_at(f"s3://{name}" if request.param == "s3" else f"s3://{name}/some/prefix")


def test_objects_are_written_read_listed_and_deleted(store: Store, tmp_path: Path) -> None:
    """The whole protocol, the same for every kind."""
    file = tmp_path / "file"
    file.write_bytes(b"from a file")
    store.write("a/b.txt", b"one")
    store.write("a/b.txt", b"two")
    store.put(file, "a/b/c=1/d é.txt")
    tag = store.copy("a/b.txt", "z")
    assert store.read("a/b.txt") == b"two"
    assert store.read("a/b/c=1/d é.txt") == b"from a file"
    with store.open("z") as stream:
        assert (stream.read(1), stream.read()) == (b"t", b"wo")
    assert list(store.list("")) == [Entry("a/b.txt", 3), Entry("a/b/c=1/d é.txt", 11), Entry("z", 3)]
    assert list(store.list("a/b")) == [Entry("a/b/c=1/d é.txt", 11)]
    assert list(store.list("nothing/here")) == []
    assert (store.size("z"), store.size("a"), store.size("nothing")) == (3, None, None)
    assert store.tag("z") == tag
    store.write("z", b"six")
    assert store.tag("z") != tag
    store.delete(["z", "a/b.txt", "nothing"])
    assert [entry.key for entry in store.list("")] == ["a/b/c=1/d é.txt"]
    assert store.url("k").endswith("/k")


def test_what_is_not_there_is_missing(store: Store) -> None:
    """Absence is its own error, for some callers expect it."""
    for attempt in (lambda: store.read("no"), lambda: store.open("no"), lambda: store.copy("no", "b")):
        with pytest.raises(Missing, match="There is no"):
            attempt()
    assert store.tag("no") is None


def test_a_store_that_was_never_written_to_is_empty(store: Store) -> None:
    """Listing and sweeping nothing is no error."""
    assert list(store.list("")) == []
    assert store.sweep("") == store.sweep_key("a") == 0


@pytest.mark.parametrize("key", ["", "/a", "a//b", "../a", "a/../b", "a/", ".", "a\0b", "a\\b"])
def test_no_key_leads_out_of_the_bucket(store: Store, key: str) -> None:
    """A key that names no object is a mistake of ours, not of the person's."""
    with pytest.raises(ValueError, match="is no key"):
        store.write(key, b"")


def test_large_files_go_up_whole(store: Store, tmp_path: Path) -> None:
    """Beyond the size that takes several requests on S3."""
    file = tmp_path / "large"
    file.write_bytes(os.urandom(1 << 20) * 40)
    store.put(file, "large")
    store.copy("large", "copy")
    with store.open("copy") as stream:
        assert stream.read() == file.read_bytes()


def test_a_relative_bucket_belongs_to_the_project_not_to_the_process(tmp_path: Path) -> None:
    """Airflow's workers run anywhere."""
    open_store(job("./out", root=str(tmp_path)), a_run()).write("a", b"1")
    assert (tmp_path / "out" / "a").read_bytes() == b"1"
    assert store_at(f"file://{tmp_path}/out").read("a") == b"1"


def test_a_bucket_of_an_unknown_kind_is_refused() -> None:
    """With what may be written instead."""
    with pytest.raises(Stop, match=r"use s3://name, file:///folder or \./folder"):
        store_at("ftp://somewhere")


# --- The local disk --------------------------------------------------------------------------------

WRITER = """
import sys
from etl_callables.store import store_at
store = store_at(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        store.write("folder/object", bytes([letter]) * 3_000_000)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_the_old_object_or_the_new_one(tmp_path: Path) -> None:
    """Whole in either case; its temporary file is seen by nobody and swept by the next."""
    store = store_at(str(tmp_path))
    swept = 0
    for wait in range(8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 + wait * 0.007)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        for entry in store.list(""):
            assert entry.key == "folder/object"
            assert len(set(store.read(entry.key))) == 1
            assert entry.size == 3_000_000
        swept += store.sweep("")
        assert len(list(tmp_path.rglob(".*"))) == 0
    assert swept > 0


def test_a_sweep_leaves_a_living_writer_alone(tmp_path: Path) -> None:
    """It holds a lock on what it writes."""
    code = WRITER.replace("3_000_000", "300_000_000").replace("while True", "if True")
    writer = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    store = store_at(str(tmp_path))
    # Once it has written something, it has the lock; before, a sweep may come between.
    while not any(part.stat().st_size for part in tmp_path.rglob(".trawl-part-*")):
        time.sleep(0.001)
    assert store.sweep("") == 0
    assert writer.wait() == 0
    assert store.size("folder/object") == 300_000_000
    assert writer.stdout is not None
    writer.stdout.close()


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of 1 MB at `folder`, or a limit on the size of files where this user may not mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", folder], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_publishes_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    """The old object stays, and no part of the new one takes the space that is left."""
    with small_disk(tmp_path):
        store = store_at(str(tmp_path))
        store.write("a", b"old")
        with pytest.raises(RetryLater, match=r"disk of .* is full .* Nothing was published"):
            store.write("a", b"x" * (2 << 20))
        assert store.read("a") == b"old"
        assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_folder_that_may_not_be_written_is_the_persons_to_mend(tmp_path: Path) -> None:
    """Not even root can write into a folder that is a file."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(Stop, match="choose another `bucket` or `key`"):
        store_at(str(tmp_path / "file")).write("a", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Stop, match="choose another `bucket` or `key`"):
        store_at(str(tmp_path)).write("folder", b"")


# --- S3 --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("aws")
def test_a_bucket_that_does_not_exist_is_said_with_how_to_make_it() -> None:
    """On whichever operation comes first."""
    store = store_at("s3://nobody-made-this")
    for attempt in (lambda: store.write("a", b""), lambda: list(store.list("")), lambda: store.read("a")):
        with pytest.raises(Stop, match=r"s3://nobody-made-this does not exist: create it \(`aws s3 mb"):
            attempt()


@pytest.mark.usefixtures("aws")
def test_what_is_left_of_a_key_goes_and_nobody_elses_upload() -> None:
    """In a bucket that others share, and of a key that has no folder of its own."""
    make_bucket("shared")
    store: Any = replace(store_at("s3://shared"), abandoned=timedelta(0))  # type: ignore[type-var]
    for key in ("posts.csv", "posts.csv", "posts.csv.gz", "a/posts.csv", "z"):
        store.files.call_s3("create_multipart_upload", Bucket="shared", Key=key)
    assert store.sweep_key("posts.csv") == 2
    assert store.sweep_key("posts.csv") == 0
    assert store.sweep("a") == 1
    left = store.files.call_s3("list_multipart_uploads", Bucket="shared")["Uploads"]
    assert sorted(upload["Key"] for upload in left) == ["posts.csv.gz", "z"]


@pytest.mark.usefixtures("aws")
def test_no_credentials_are_said_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the three ways to give them."""
    for name in KEYS:
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(Stop, match=r"no AWS credentials for s3://b: set AWS_ACCESS_KEY_ID"):
        store_at("s3://b").write("a", b"")


@pytest.mark.usefixtures("aws")
def test_an_endpoint_that_cannot_be_reached_may_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing listens there now; something may later."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(RetryLater, match="The way to s3://b is closed"):
        store_at("s3://b").write("a", b"")


def test_a_refusal_names_the_action_and_the_place(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in is told to check permissions: unknown keys, then keys that may do nothing."""
    import httpx

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    make_bucket("guarded")
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="0", headers={"Content-Type": "text/plain"})
    store = store_at("s3://guarded/team")
    with pytest.raises(Stop, match="AWS does not accept the credentials for s3://guarded"):
        store.write("a", b"")
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="1000000", headers={"Content-Type": "text/plain"})
    import boto3

    iam = boto3.client("iam", endpoint_url=endpoint, region_name="us-east-1")
    iam.create_user(UserName="nobody")
    keys = iam.create_access_key(UserName="nobody")["AccessKey"]
    httpx.post(f"{endpoint}/moto-api/reset-auth", content="0", headers={"Content-Type": "text/plain"})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    try:
        store = store_at("s3://guarded/team")
        with pytest.raises(Stop, match="S3 refuses s3:PutObject on s3://guarded/team/a "):
            store.write("a", b"")
        with pytest.raises(Stop, match="S3 refuses s3:ListBucket on s3://guarded/team "):
            list(store.list(""))
    finally:
        httpx.post(
            f"{endpoint}/moto-api/reset-auth", content="1000000", headers={"Content-Type": "text/plain"}
        )


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, RetryLater),
        ("InternalError", 500, RetryLater),
        ("SomethingNew", 502, RetryLater),
        ("ExpiredToken", 400, Stop),
        ("400", 400, Stop),
        ("RequestTimeTooSkewed", 403, Stop),
        ("PermanentRedirect", 301, Stop),
        ("AccessDenied", 403, Stop),
        ("SomethingNew", 400, Stop),
        ("NoSuchKey", 404, Missing),
    ],
)
def test_every_answer_of_s3_has_one_consequence(code: str, status: int, kind: type[Exception]) -> None:
    """What time mends may be tried again; the rest is a person's. On one line, whatever S3 sends."""
    problem = explain_code(code, "two\nlines.", "s3:PutObject", "s3://b/k", status)
    assert type(problem) is kind
    assert "s3://b" in str(problem)
    assert "\n" not in str(problem)


CONNECTION = {"login": "key", "password": "secret", "extra": {"region_name": "eu-west-1"}}


def test_a_connection_gives_credentials_and_endpoint(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its extra may be a mapping or, as Airflow keeps it, JSON."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for extra in (
        {"endpoint_url": endpoint},
        f'{{"endpoint_url": "{endpoint}", "region_name": "us-east-1"}}',
    ):
        run = a_run(connection=lambda _, extra=extra: {**CONNECTION, "extra": extra})
        store = store_at("s3://by-connection", connection="aws", run=run)
        with pytest.raises(Stop, match="s3://by-connection does not exist"):
            store.write("a", b"")


def test_a_connection_that_cannot_serve_is_said_to_be() -> None:
    """Absent, or asking for what is not done here, or broken."""
    with pytest.raises(Stop, match="There is no connection 'aws'"):
        store_at("s3://b", connection="aws", run=a_run())
    role = a_run(connection=lambda _: {"extra": {"role_arn": "arn:aws:iam::1:role/x"}})
    with pytest.raises(Stop, match="assume the role arn:aws:iam::1:role/x"):
        store_at("s3://b", connection="aws", run=role)
    with pytest.raises(Stop, match="is no JSON object"):
        store_at("s3://b", connection="aws", run=a_run(connection=lambda _: {"extra": "{"}))
