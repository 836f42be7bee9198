"""A bucket: s3://bucket[/prefix], a local folder, or memory for tests, behind one small protocol.

Everything a store writes appears whole or not at all, and everything the outside world does to it
becomes `RetryLater` or `Stop` with one sentence for a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from etl_callables.errors import Stop
from etl_callables.run import Run
from schemas.job import Job

READERS: Final = 16
"""Requests at once, each of which waits for the store most of its time."""


class Entry(NamedTuple):
    """One object of a listing: its key inside the bucket and its size in bytes."""

    key: str
    size: int


class Missing(Stop):
    """There is nothing under that key."""


class Store(Protocol):
    """What a bucket can do. Keys are relative, `/`-separated and never begin with one.

    Each method raises RetryLater or Stop (`Missing` where the key has no object), nothing else.
    """

    def url(self, key: str) -> str:
        """The address a person or another tool opens: `s3://bucket/prefix/key`."""

    def read(self, key: str) -> bytes:
        """The whole object; Missing when there is none."""

    def open(self, key: str) -> BinaryIO:
        """The object as a stream to read; Missing when there is none. Its reads may raise too."""

    def size(self, key: str) -> int | None:
        """The object's size in bytes, None when there is none."""

    def list(self, folder: str) -> Iterator[Entry]:
        """Every object below `folder`, at any depth, sorted by key; never from a cache."""

    def write(self, key: str, data: bytes) -> None:
        """Publish `data` under the key, whole or not at all, over what was there."""

    def put(self, path: Path, key: str) -> None:
        """Publish a finished local file under the key, whole or not at all, over what was there."""

    def copy(self, source: str, target: str) -> str:
        """Publish a copy of one object under another key, on the server's side; the copy's `tag`."""

    def tag(self, key: str) -> str | None:
        """What changes whenever the object is written again, None when there is none; cheap."""

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; a key that has none is no error."""

    def sweep(self, folder: str) -> int:
        """Remove what killed writers left below `folder`, never a living one's; how many."""

    def sweep_key(self, key: str) -> int:
        """The same of writers of one key, whose folder others may write to as well."""


def open_store(job: Job, run: Run) -> Store:
    """The job's bucket; relative folders are resolved against the project, never the process's folder."""
    return store_at(job.bucket, root=job.root, connection=job.bucket_connection, run=run)


def store_at(bucket: str, *, root: str = ".", connection: str | None = None, run: Run | None = None) -> Store:
    """The store at a bucket URL: `s3://`, `file:///`, `memory://`, an absolute path or a `./relative` one.

    `connection` names an Airflow-like AWS connection that `run` resolves; without one the ordinary
    AWS chain of credentials applies (environment, shared files, instance role).
    """
    scheme = bucket.partition("://")[0] if "://" in bucket else ""
    if scheme == "s3":
        from etl_callables.store_s3 import S3Store, client  # noqa: PLC0415 (botocore costs half a second)

        name, _, prefix = bucket.removeprefix("s3://").partition("/")
        return S3Store(client(connection, run or Run()), name, prefix.strip("/"))
    if scheme == "memory":
        from etl_callables.store_memory import MemoryStore  # noqa: PLC0415 (only tests come here)

        return MemoryStore(bucket.removeprefix("memory://").strip("/"))
    from etl_callables.store_local import LocalStore  # noqa: PLC0415 (one branch of three)

    folder = _folder(bucket, root)
    if folder is None:
        raise Stop(f"{bucket} is no bucket Trawl can write: use s3://name, file:///folder or ./folder.")
    return LocalStore(folder)


def folder_to_make(job: Job) -> Path | None:
    """The folder that is the job's bucket, where it is not there yet: the first write makes it."""
    folder = _folder(job.bucket, job.root)
    if folder is None:
        return None
    try:
        return None if folder.exists() else folder.absolute()
    except OSError:  # who may not look will not write either, and is told so then
        return None


def _folder(bucket: str, root: str) -> Path | None:
    """The folder of this machine that a bucket is, if it is one."""
    if bucket.startswith("file://"):
        return Path(unquote(urlsplit(bucket).path))
    return None if "://" in bucket else Path(root) / bucket


def checked(key: str) -> str:
    """The key itself; ValueError for one that could leave the bucket or name a folder."""
    if not key or any(part in {"", ".", ".."} for part in key.split("/")) or "\0" in key or "\\" in key:
        raise ValueError(f"{key!r} is no key of an object")
    return key
