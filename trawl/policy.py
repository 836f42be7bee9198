"""`trawl policy`: what AWS must allow for jobs to be run, or to be read and verified, and nothing besides.

Each statement is one thing that `etl_callables.store_s3` asks for. What stands in a key for a time becomes
as many `?` as it has characters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from etl_callables.run import REJECTED
from etl_callables.sources.facts import facts_of
from schemas.job import Job
from schemas.key import RESERVED, TABLE
from trawl.wildcards import wild_key

MOST: Final = 6144
"""Characters, white space not counted, that AWS takes for a managed policy; ten thousand for a role's own."""

_WILD: Final = re.compile(r"\*\*/|\*+")
_WILDCARD: Final = re.compile(r"[*?]")


class NoPolicy(ValueError):  # noqa: N818  says what is so; the person sees its text only
    """There is nothing that IAM could allow; `str()` is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class _Need:
    """One statement for one bucket. `things` are keys or, of a list, the prefixes that it may have."""

    sid: str
    action: str
    bucket: str
    things: tuple[str, ...] = ()


def policy(jobs: Iterable[Job], *, read: bool = False) -> dict[str, Any]:
    """An IAM policy for whoever runs these jobs, or with `read` for who reads and verifies what they wrote.

    Raises NoPolicy for a job whose bucket is not S3's.
    """
    needs = [need for job in jobs for need in (_reading(job) if read else _running(job))]
    return {"Version": "2012-10-17", "Statement": list(_statements(needs))}


def printed(made: dict[str, Any]) -> str:
    """A policy as AWS's console, its command line and Terraform take it: indented JSON, ASCII only."""
    return json.dumps(made, indent=2)


def size(made: dict[str, Any]) -> int:
    """Its characters as AWS counts them, to be compared with MOST."""
    return len(json.dumps(made, separators=(",", ":")))


def _running(job: Job) -> Iterator[_Need]:
    bucket, top, key = _places(job)
    state = f"{top}{RESERVED}/{job.id}"
    mine = (key, f"{state}/*")
    # S3 says that an object is not there only to those who may list what begins like its key.
    yield _Need("List", "s3:ListBucket", bucket, (*mine, _folder(key)))
    yield _Need("ListUploads", "s3:ListBucketMultipartUploads", bucket)
    yield _Need("Read", "s3:GetObject", bucket, mine)
    yield _Need("Write", "s3:PutObject", bucket, mine)
    yield _Need("RemoveLeftovers", "s3:DeleteObject", bucket, tuple(_removed(job, state, key)))
    yield _Need("AbortUploads", "s3:AbortMultipartUpload", bucket, mine)
    yield from _archive(job)


def _removed(job: Job, state: str, key: str) -> Iterator[str]:
    """What a job has deleted: never a manifest, and an object only where it has an age."""
    yield from (f"{state}/*/raw/*", f"{state}/*/staged/*", f"{state}/doctor/*")
    if facts_of(job.source, job.via).dollars is not None:
        yield f"{state}/spending/*"
    if job.quality is not None or job.keep is not None:
        yield f"{state}/*/{REJECTED}/*"
    if job.format == TABLE:
        yield key  # what no snapshot of the table shows any more
    if job.keep is not None:
        # A run by hand has its object beside its manifest.
        yield from (key, f"{state}/*~*/{key.rpartition('/')[2]}")


def _reading(job: Job) -> Iterator[_Need]:
    bucket, top, key = _places(job)
    mine = (key, f"{top}{RESERVED}/{job.id}/*")
    # An object that no manifest of the job names may be another's, which only the manifests of all tell.
    everyones = f"{top}{RESERVED}/"
    # DuckDB and Athena list what begins like the key, as far as that is the same for all.
    lists = {f"{top}{RESERVED}/{job.id}/*", _alike(key), everyones}
    if not _alike(key).startswith(f"{_folder(key)}*"):
        lists.add(_folder(key))
    yield _Need("List", "s3:ListBucket", bucket, tuple(lists))
    others = (f"{everyones}*/manifest.json", f"{everyones}*/staged.json")
    yield _Need("Read", "s3:GetObject", bucket, (*mine, *others))


def _archive(job: Job) -> Iterator[_Need]:
    """What is read of an archive that is itself in S3, where the same credentials serve for both."""
    files = job.options.get("files", ()) if job.source == "archive" else ()
    if job.source_connection not in {None, job.bucket_connection}:
        return
    for pattern in [files] if isinstance(files, str) else files:
        if not pattern.startswith("s3://"):
            continue
        bucket, _, key = pattern.removeprefix("s3://").partition("/")
        wild = _WILD.sub("*", key)
        if _WILDCARD.search(wild):
            yield _Need("List", "s3:ListBucket", bucket, (_folder(wild),))
        yield _Need("Read", "s3:GetObject", bucket, (wild,))


def _places(job: Job) -> tuple[str, str, str]:
    """A job's bucket, what every key in it begins with, and what the key of any of its objects looks like."""
    if not job.bucket.startswith("s3://"):
        raise NoPolicy(f"{job.file} writes to {job.bucket}, which is not S3's: nothing there asks IAM")
    bucket, _, folder = job.bucket.removeprefix("s3://").partition("/")
    top = f"{folder.strip('/')}/" if folder.strip("/") else ""
    return bucket, top, top + wild_key(job)


def _alike(key: str) -> str:
    """All keys that begin as those of a pattern do."""
    head = _WILDCARD.split(key, maxsplit=1)[0]
    return key if head == key else f"{head}*"


def _folder(key: str) -> str:
    """The deepest folder that all keys of a pattern lie in, as a list asks for it: empty for the bucket."""
    return "".join(_WILDCARD.split(key, maxsplit=1)[0].rpartition("/")[:2])


def _statements(needs: Iterable[_Need]) -> Iterator[dict[str, Any]]:
    """What jobs need, each action once where it can be: what may be listed belongs to one bucket."""
    lists: dict[tuple[str, str], dict[str, set[str]]] = {}
    for need in needs:
        by_bucket = lists.setdefault((need.sid, need.action), {})
        by_bucket.setdefault(need.bucket, set()).update(need.things)
    for (sid, action), buckets in lists.items():
        if sid == "List":
            for number, bucket in enumerate(sorted(buckets), 1):
                name = sid if len(buckets) == 1 else f"{sid}{number}"
                condition = {"StringLike": {"s3:prefix": sorted(buckets[bucket])}}
                yield {**_allow(name, action, [_arn(bucket)]), "Condition": condition}
        else:
            yield _allow(sid, action, sorted(_arns(buckets)))


def _allow(sid: str, action: str, resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resources}


def _arns(buckets: dict[str, set[str]]) -> Iterator[str]:
    for bucket, keys in buckets.items():
        yield from (_arn(f"{bucket}/{key}") for key in keys) if keys else (_arn(bucket),)


def _arn(path: str) -> str:
    return f"arn:aws:s3:::{path}"
