"""What `trawl policy` prints is enough for a job's whole life, and every part of it is needed."""

from __future__ import annotations

import copy
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import httpx
import polars as pl
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from etl_callables import extract, transform
from etl_callables.errors import Stop
from etl_callables.retention import due, expire
from etl_callables.run import Run, object_key, prefix
from etl_callables.spending import Payment, record
from etl_callables.store import open_store
from etl_callables.transformation import read_staged
from etl_callables.verification import verify
from schemas.job import Quality
from schemas.window import Window
from tests.servers.ceph import Cluster
from tests.servers.guarded_s3 import Guarded, guarded
from tests.trawl.jobs import job as plain
from tests.trawl.jobs import utc
from tests.trawl.living import NEXT, WINDOW, Unwell, example, live, unfinished, whole
from trawl.cli import trawl
from trawl.policy import MOST, NoPolicy, policy, printed, size

HERE = Path(__file__).parent
JOB = example("s3://analytics/team")
POLICY = policy([JOB])
READING = policy([JOB], read=True)

GOLDEN = {
    "one": ([plain(bucket="s3://analytics")], False),
    "one_reading": ([plain(bucket="s3://analytics")], True),
    "kept_for_a_year": (
        [plain(bucket="s3://analytics", keep=timedelta(days=365), quality=Quality(min_posts=1))],
        False,
    ),
    "several": (
        [
            plain(bucket="s3://analytics/team/", key="{job}/{year}/{month}/{day}/{hour}.csv.gz"),
            plain(
                id="b.tweets", bucket="s3://analytics", source="twitter", via="x-api", key="{start}_{end}.csv"
            ),
            plain(id="c", bucket="s3://other", key="all/täglich.csv"),
        ],
        False,
    ),
    "archive_in_s3": (
        [plain(bucket="s3://analytics", options={"files": ["s3://old/2021/**/p?*.jsonl", "s3://old/a.csv"]})],
        False,
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_policy_is_printed_as_aws_takes_it(name: str) -> None:
    """Least rights, by their sid: what a key says of time is as many signs as it has."""
    jobs, read = GOLDEN[name]
    file = HERE / "policy" / f"{name}.json"
    text = printed(policy(jobs, read=read)) + "\n"
    if os.environ.get("REGENERATE"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert text == file.read_text()


def places(made: dict[str, Any]) -> list[tuple[str | int, ...]]:
    """Where something can be taken out of a policy: a statement, a resource of several, a prefix."""
    found: list[tuple[str | int, ...]] = []
    for number, statement in enumerate(made["Statement"]):
        found.append(("Statement", number))
        if len(statement["Resource"]) > 1:
            found += [("Statement", number, "Resource", one) for one in range(len(statement["Resource"]))]
        prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [])
        inner = ("Statement", number, "Condition", "StringLike", "s3:prefix")
        found += [(*inner, one) for one in range(len(prefixes))]
    return found


def without(made: dict[str, Any], place: tuple[str | int, ...]) -> tuple[dict[str, Any], Any]:
    """A policy less what is at a place, and what that was."""
    less = copy.deepcopy(made)
    inner: Any = less
    for step in place[:-1]:
        inner = inner[step]
    return less, inner.pop(place[-1])


def named(made: dict[str, Any]) -> Callable[[tuple[str | int, ...]], str]:
    def name(place: tuple[str | int, ...]) -> str:
        taken = without(made, place)[1]
        statement = made["Statement"][place[1]]
        return statement["Sid"] if isinstance(taken, dict) else f"{statement['Sid']} {taken}"

    return name


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as running:
        yield running


@pytest.fixture
def s3(server: Guarded, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """The server with an empty bucket `analytics`, where everything is allowed until a policy is set."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    server.policy = None
    admin = boto3.resource("s3")
    for bucket in admin.buckets.all():
        bucket.objects.delete()
        for upload in bucket.multipart_uploads.all():
            upload.abort()
        bucket.delete()
    admin.create_bucket(Bucket="analytics")
    server.asked.clear()
    server.refused.clear()
    return server


def upload(key: str) -> None:
    """Begin an upload that nobody ends; moto says that it began years ago."""
    boto3.client("s3").create_multipart_upload(Bucket="analytics", Key=f"team/{key}")


@pytest.mark.slow
def test_a_job_lives_its_whole_life_with_this_policy_only(s3: Guarded) -> None:
    """Nothing it asks for is refused, and it asks for all that is allowed."""
    unfinished(JOB, upload)
    s3.policy = POLICY
    live(JOB)
    assert s3.refused == []
    assert {one.action for one in s3.asked} == {statement["Action"] for statement in POLICY["Statement"]}


@pytest.mark.slow
@pytest.mark.parametrize("place", places(POLICY), ids=named(POLICY))
def test_every_part_of_it_is_needed(s3: Guarded, place: tuple[str | int, ...]) -> None:
    """With one less, the run stops, or says what could not be done."""
    unfinished(JOB, upload)
    s3.policy, _ = without(POLICY, place)
    with pytest.raises((Stop, Unwell), match="refuses"):
        live(JOB, again=False)
    assert s3.refused


def test_a_large_file_goes_up_in_parts_with_this_policy_only(s3: Guarded, tmp_path: Path) -> None:
    s3.policy = POLICY
    file = tmp_path / "large"
    file.write_bytes(os.urandom(1 << 20) * 40)
    store = open_store(JOB, Run())
    staged, key = f"{prefix(JOB, WINDOW, Run())}/staged/a/posts.csv", object_key(JOB, WINDOW, Run())
    store.put(file, staged)
    store.copy(staged, key)
    assert store.size(key) == file.stat().st_size
    assert s3.refused == []


def test_old_records_of_what_was_spent_are_removed_with_it(s3: Guarded) -> None:
    """Of a source that charges; of no other."""
    paying = example("s3://analytics", id="paid", source="twitter", via="x-api")
    s3.policy = policy([paying])
    store = open_store(paying, Run())
    for day in (utc(2021, 7, 5), utc(2021, 12, 5)):
        record(store, "paid", f"{day:%Y%m%dT%H%M%S.%fZ}-dead", [Payment("page", day, 0.5)], day)
    assert len(list(store.list("_trawl/paid/spending"))) == 1
    s3.policy = policy([replace(paying, source="rss", via="feed")])
    with pytest.raises(Stop, match="s3:DeleteObject"):
        store.delete(["_trawl/paid/spending/a.json"])


def test_rejected_posts_are_replaced_with_it(s3: Guarded) -> None:
    """Of a job that expects something of its posts; of no other."""
    left = f"{prefix(JOB, WINDOW, Run())}/rejected/posts.csv"
    careful = replace(JOB, quality=Quality(min_posts=1))
    for job in (careful, JOB):
        s3.policy = None
        open_store(JOB, Run()).write(left, b"")
        s3.policy = policy([job])
        whole(job, WINDOW, Run())
        assert [one.action for one in s3.refused] == ([] if job is careful else ["s3:DeleteObject"])


def test_what_is_older_than_its_job_lets_it_be_is_removed_with_it(s3: Guarded) -> None:
    """Objects, those of runs by hand too, and raw pages; never the manifest, which says so."""
    ageing = replace(JOB, keep=timedelta(days=1))
    s3.policy = policy([ageing])
    by_hand = Run(variant="a-few")
    for run in (Run(), by_hand):
        whole(ageing, WINDOW, run)
    later = Run().now() + timedelta(days=3)
    store = open_store(ageing, Run())
    expire(store, due(store, ageing, later), later)
    assert s3.refused == []
    for run in (Run(), by_hand):
        assert store.size(object_key(ageing, WINDOW, run)) is None
        assert store.size(f"{prefix(ageing, WINDOW, run)}/manifest.json")
    with pytest.raises(Stop, match="s3:DeleteObject"):
        store.delete([MANIFEST])


def test_who_reads_can_use_a_reader_that_is_not_ours(s3: Guarded) -> None:
    """Polars finds the files by itself, as DuckDB and Athena do, by what their keys begin with."""
    job = replace(JOB, key="{job}/dt={date}/posts.parquet", format="parquet")
    whole(job, WINDOW, Run())
    s3.policy = policy([job], read=True)
    options = {
        "aws_endpoint_url": s3.endpoint,
        "aws_allow_http": "true",
        "aws_access_key_id": "made-up",
        "aws_secret_access_key": "made-up",
        "aws_region": "us-east-1",
    }
    frame = pl.read_parquet(
        "s3://analytics/team/examples/covid_archive/dt=*/posts.parquet", storage_options=options
    )
    assert len(frame) > 0
    assert s3.refused == []


MANIFEST = f"{prefix(JOB, WINDOW, Run())}/manifest.json"
ELSEWHERE: dict[str, Callable[[Any], Any]] = {
    "write another job's object": lambda s3: s3.put_object(Key="team/other/2021-07-05/posts.csv", Body=b""),
    "write another name in its folder": lambda s3: s3.put_object(
        Key="team/examples/covid_archive/2021-07-05/notes.csv", Body=b""
    ),
    "write without the bucket's folder": lambda s3: s3.put_object(
        Key=object_key(JOB, WINDOW, Run()), Body=b""
    ),
    "write another job's page": lambda s3: s3.put_object(Key="team/_trawl/other/a", Body=b""),
    "write a job's page whose name begins alike": lambda s3: s3.put_object(
        Key=f"team/_trawl/{JOB.id}2/a", Body=b""
    ),
    "read another job's object": lambda s3: s3.get_object(Key="team/other/2021-07-05/posts.csv"),
    "read another job's page": lambda s3: s3.get_object(Key="team/_trawl/other/a"),
    "copy another job's page": lambda s3: s3.copy_object(
        Key=f"team/_trawl/{JOB.id}/a", CopySource="analytics/team/_trawl/other/a"
    ),
    "list another job's folder": lambda s3: s3.list_objects_v2(Prefix="team/_trawl/other/"),
    "list the bucket's folder": lambda s3: s3.list_objects_v2(Prefix="team/"),
    "list the bucket": lambda s3: s3.list_objects_v2(),
    "list everybody's state": lambda s3: s3.list_objects_v2(Prefix="team/_trawl/"),
    "delete its object": lambda s3: s3.delete_object(Key=f"team/{object_key(JOB, WINDOW, Run())}"),
    "delete its manifest": lambda s3: s3.delete_object(Key=f"team/{MANIFEST}"),
    "delete another job's page": lambda s3: s3.delete_object(
        Key="team/_trawl/other/20210705T000000Z_20210706T000000Z/raw/a/00000.jsonl.zst"
    ),
    "abort another job's upload": lambda s3: s3.abort_multipart_upload(Key="team/other/a", UploadId="a"),
}


class InBucket:
    """A client that need not be told the bucket each time."""

    def __init__(self) -> None:
        self._client = boto3.session.Session().client("s3")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda **values: getattr(self._client, name)(Bucket="analytics", **values)


def refused(attempt: Callable[[], Any]) -> bool:
    try:
        attempt()
    except Exception as problem:  # noqa: BLE001 - of any kind
        return "AccessDenied" in str(problem)
    return False


@pytest.mark.parametrize("what", ELSEWHERE)
def test_nothing_else_can_be_done_with_it(s3: Guarded, what: str) -> None:
    whole(JOB, WINDOW, Run())
    boto3.client("s3").put_object(Bucket="analytics", Key="team/_trawl/other/a", Body=b"secret")
    boto3.client("s3").put_object(Bucket="analytics", Key="team/other/2021-07-05/posts.csv", Body=b"secret")
    s3.policy = POLICY
    with pytest.raises(Exception, match="AccessDenied"):
        ELSEWHERE[what](InBucket())
    assert s3.refused


def test_whose_buckets_there_are_is_not_told(s3: Guarded) -> None:
    s3.policy = POLICY
    with pytest.raises(Exception, match="AccessDenied"):
        boto3.client("s3").list_buckets()


def test_several_deletes_at_once_are_refused_one_by_one(s3: Guarded) -> None:
    """What may not be deleted stays, and the error names it."""
    whole(JOB, WINDOW, Run())
    s3.policy = POLICY
    store = open_store(JOB, Run())
    with pytest.raises(Stop, match=rf"S3 refuses s3:DeleteObject on .*{re.escape(MANIFEST)}"):
        store.delete([f"{prefix(JOB, WINDOW, Run())}/raw/a/00000.jsonl.zst", MANIFEST])
    assert store.size(MANIFEST)


def strangers() -> None:
    """The job's own object, and two that another job puts among them: one finished, one about to be."""
    whole(JOB, WINDOW, Run())
    other = example(JOB.bucket, id="other", key="examples/covid_archive/{date}/posts.csv")
    finished, begun = (Window(utc(2021, 7, day), utc(2021, 7, day + 1)) for day in (8, 9))
    whole(other, finished, Run())
    staged = transform(other, begun, Run(), extract(other, begun, Run()))["staged"]
    store = open_store(other, Run())
    store.copy(read_staged(store, staged).key, object_key(other, begun, Run()))


def verified() -> list[str]:
    """What is wrong by a verification of the job; its object is read, and one that is not there."""
    store = open_store(JOB, Run())
    assert store.read(object_key(JOB, WINDOW, Run()))
    assert store.size(object_key(JOB, NEXT, Run())) is None
    findings = verify(store, Run().now(), {JOB.id: JOB}).findings
    return [str(finding) for finding in findings if finding.wrong]


def test_who_reads_can_verify_and_tell_whose_objects_are(s3: Guarded) -> None:
    strangers()
    s3.policy = READING
    assert verified() == []
    assert s3.refused == []


@pytest.mark.parametrize("place", places(READING), ids=named(READING))
def test_every_part_of_what_who_reads_may_do_is_needed(s3: Guarded, place: tuple[str | int, ...]) -> None:
    """With one less, verification stops, or takes for wrong what is not."""
    strangers()
    s3.policy, _ = without(READING, place)
    try:
        assert verified()
    except Stop as problem:
        assert "refuses" in str(problem)  # noqa: PT017 - either may be
    assert s3.refused


@pytest.mark.parametrize("what", ["write its object", *ELSEWHERE])
def test_who_reads_changes_nothing_and_reads_nothing_else(s3: Guarded, what: str) -> None:
    whole(JOB, WINDOW, Run())
    boto3.client("s3").put_object(Bucket="analytics", Key="team/_trawl/other/a", Body=b"secret")
    s3.policy = READING
    own = {
        "write its object": lambda s3: s3.put_object(Key=f"team/{object_key(JOB, WINDOW, Run())}", Body=b""),
        # Whose an unknown object is, only all manifests tell.
        "list everybody's state": lambda s3: s3.put_object(Key=f"team/{MANIFEST}", Body=b""),
    }
    with pytest.raises(Exception, match="AccessDenied"):
        (ELSEWHERE | own)[what](InBucket())


def test_jobs_together_are_allowed_what_each_of_them_is() -> None:
    """A merged policy is no wider than its parts, and no part is lost."""
    other = example("s3://analytics/team", id="examples.other")
    third = example("s3://elsewhere", id="examples.third")
    both = policy([JOB, other, third])
    parts = [policy([one]) for one in (JOB, other, third)]

    def rights(made: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {
            (statement["Action"], resource, one)
            for statement in made["Statement"]
            for resource in statement["Resource"]
            for one in statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [""])
        }

    assert rights(both) == set().union(*map(rights, parts))
    sids = [statement["Sid"] for statement in both["Statement"]]
    assert len(set(sids)) == len(sids)
    assert all(re.fullmatch("[A-Za-z0-9]+", sid) for sid in sids)


def test_a_bucket_that_is_not_s3s_has_no_policy() -> None:
    with pytest.raises(NoPolicy, match=r"pipelines/team/covid.yaml writes to ./bucket, which is not S3's"):
        policy([plain()])


# --- moto's own judge --------------------------------------------------------------------------------


def as_moto_reads(made: dict[str, Any]) -> dict[str, Any]:
    """The same rights in what moto understands: its signs are those of regular expressions, it passes over
    conditions on lists, and it asks for the bucket where several objects are deleted.
    """
    theirs = json.loads(printed(made).replace("?", "."))
    for statement in theirs["Statement"]:
        if statement["Action"] == "s3:DeleteObject":
            statement["Resource"].append("arn:aws:s3:::analytics")
    return dict(theirs)


@pytest.mark.slow
@pytest.mark.usefixtures("s3")
def test_another_judge_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto's server with its own IAM, a user and signatures: the life is lived, the rest is refused."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    iam = boto3.client("iam", endpoint_url=endpoint)
    iam.create_user(UserName="worker")
    keys = iam.create_access_key(UserName="worker")["AccessKey"]
    iam.put_user_policy(UserName="worker", PolicyName="job", PolicyDocument=json.dumps(as_moto_reads(POLICY)))

    def free(requests: int) -> None:
        """So many requests are not judged."""
        headers = {"Content-Type": "text/plain"}
        httpx.post(f"{endpoint}/moto-api/reset-auth", content=str(requests), headers=headers)

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    free(0)
    try:
        live(JOB)
        for what in ("write another job's object", "read another job's page", "delete its manifest"):
            with pytest.raises(Exception, match="AccessDenied"):
                ELSEWHERE[what](InBucket())
        with pytest.raises(Exception, match="AccessDenied"):
            boto3.session.Session().client("s3").list_buckets()
    finally:
        free(1_000_000)
        moto.stop()


# --- Ceph ------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.xdist_group("ceph")
def test_a_real_gateway_agrees(ceph: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a bucket's policy for a user with nothing else: what may be listed, done and not be done.

    This gateway says that something is not there only to who may list all, and asks for the bucket too where
    several objects are deleted; so both are allowed for the life.
    """
    worker = ceph.user()
    for name, value in ceph.environment.items():
        monkeypatch.setenv(name, value)
    admin = boto3.session.Session().client("s3")
    admin.create_bucket(Bucket="analytics")

    def attach(made: dict[str, Any]) -> None:
        who = {"AWS": [f"arn:aws:iam:::user/{worker.name}"]}
        statements = [{**statement, "Principal": who} for statement in made["Statement"]]
        document = {"Version": made["Version"], "Statement": statements}
        admin.put_bucket_policy(Bucket="analytics", Policy=json.dumps(document))

    lenient = copy.deepcopy(POLICY)
    for statement in lenient["Statement"]:
        statement.pop("Condition", None)
        if statement["Action"] == "s3:DeleteObject":
            statement["Resource"].append("arn:aws:s3:::analytics")
    attach(lenient)
    for key in ("team/_trawl/other/a", "team/other/2021-07-05/posts.csv"):
        admin.put_object(Bucket="analytics", Key=key, Body=b"secret")
    for name, value in worker.environment.items():
        monkeypatch.setenv(name, value)
    live(JOB)
    attach(POLICY)
    own = InBucket()
    for folder in (f"_trawl/{JOB.id}/", "examples/covid_archive/"):
        assert own.list_objects_v2(Prefix=f"team/{folder}")["KeyCount"] > 0
    for what, attempt in ELSEWHERE.items():
        if what != "abort another job's upload":  # it looks for the upload first
            assert refused(partial(attempt, own)), what


# --- The command -------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two good jobs, in the working directory."""
    text = "source: hackernews\nquery: covid\nbucket: s3://analytics\nkey: '{job}/{date}.csv'\n"
    (tmp_path / "pipelines" / "team").mkdir(parents=True)
    (tmp_path / "pipelines" / "team" / "covid.yaml").write_text(text)
    (tmp_path / "pipelines" / "here.yaml").write_text(text.replace("s3://analytics", "./bucket"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_command_prints_nothing_but_the_policy() -> None:
    """So that it can be piped into whatever makes roles."""
    done = CliRunner().invoke(trawl, ["policy", "team.covid"])
    assert done.exit_code == 0
    assert done.stderr == ""
    assert [one["Sid"] for one in json.loads(done.stdout)["Statement"]] == [
        one["Sid"] for one in POLICY["Statement"]
    ]
    reading = json.loads(CliRunner().invoke(trawl, ["policy", "--read", "team.covid"]).stdout)
    assert {one["Action"] for one in reading["Statement"]} == {"s3:ListBucket", "s3:GetObject"}


@pytest.mark.usefixtures("project")
def test_the_command_says_where_there_is_nothing_to_print() -> None:
    done = CliRunner().invoke(trawl, ["policy", "here"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: pipelines/here.yaml writes to ./bucket, which is not S3's: nothing there asks IAM\n"
    )
    assert CliRunner().invoke(trawl, ["policy"]).exit_code == 2


def test_a_policy_that_is_too_long_for_aws_is_said_to_be(project: Path) -> None:
    """It is printed all the same: a role's own policy may be longer."""
    text = (project / "pipelines" / "team" / "covid.yaml").read_text()
    names = [f"a_name_that_is_quite_long_{number}" for number in range(20)]
    for name in names:
        (project / "pipelines" / f"{name}.yaml").write_text(text)
    done = CliRunner().invoke(trawl, ["policy", *names])
    assert done.exit_code == 0
    made = json.loads(done.stdout)
    assert size(made) > MOST
    assert done.stderr == (
        f"This policy has {size(made):,} characters, and AWS takes {MOST:,} as a managed policy: print one"
        " for fewer jobs.\n"
    )
