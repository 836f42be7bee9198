"""An S3 bucket, through s3fs.

Uploads are single requests or multipart ones of a finished local file, so S3 itself guarantees that
an object is there whole or not at all. s3fs's file objects, which publish what they hold when a
`with` block raises, are never opened for writing, and its listing cache is off.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

import s3fs
from aiobotocore.session import AioSession
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from etl_callables.errors import Stop
from etl_callables.run import Run
from etl_callables.scratch import scratch
from etl_callables.store import Entry, Missing, checked
from etl_callables.store_s3_errors import explain, explain_code, is_missing, is_unknown

_PART: Final = 8 << 20
"""Bytes of a part of a multipart upload, or more where there would be too many."""

_MOST_PARTS: Final = 10_000

_PARTS_AT_ONCE: Final = 6
"""As many are in memory."""

_PARTS_FROM: Final = 4 * _PART
"""Bytes of a file from which on it goes up in parts."""

_ABANDONED: Final = timedelta(days=1)
"""After this an unfinished upload's writer counts as dead. S3 cannot tell us."""

_DELETE_AT_ONCE: Final = 1000

_CONNECTIONS: Final = 16
"""As many as verification reads objects at a time; botocore's own bound is 10."""

_COPY_AT_ONCE: Final = 5 << 30
"""Bytes that one request may copy; above, s3fs copies part by part."""

_CHECKSUMS: Final = "AWS_REQUEST_CHECKSUM_CALCULATION"
_AWS: Final = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


@dataclass(frozen=True, slots=True)
class S3Store:
    """Objects of `bucket` whose keys begin with `prefix/`, or all of them when it is empty.

    Unfinished uploads as old as `abandoned` may be swept.
    """

    files: Any
    bucket: str
    prefix: str = ""
    abandoned: timedelta = _ABANDONED

    def url(self, key: str) -> str:
        return f"s3://{self._path(key)}"

    def read(self, key: str) -> bytes:
        with self._explained("s3:GetObject", key):
            # One request: by default s3fs asks for the size first, and for parts in parallel.
            return cast("bytes", self.files.cat_file(self._path(key), max_concurrency=1))

    def open(self, key: str) -> BinaryIO:
        size = self.size(key)
        if size is None:
            raise Missing(f"There is no object {self.url(key)}.")
        return io.BufferedReader(_Stream(self, key, size), 4 << 20)

    def range(self, key: str, start: int, stop: int) -> bytes:
        """Bytes [start, stop) of an object."""
        with self._explained("s3:GetObject", key):
            return cast("bytes", self.files.cat_file(self._path(key), start=start, end=stop))

    def size(self, key: str) -> int | None:
        answer = self._head(key)
        return None if answer is None else cast("int", answer["ContentLength"])

    def list(self, folder: str) -> Iterator[Entry]:
        strip = len(self.prefix) + 1 if self.prefix else 0
        for answer in self._listed(
            "list_objects_v2", self._where(folder), folder or None, "ContinuationToken"
        ):
            for found in answer.get("Contents", []):
                if not found["Key"].endswith("/"):  # the empty objects that consoles make for folders
                    yield Entry(found["Key"][strip:], found["Size"])

    def write(self, key: str, data: bytes) -> None:
        with self._explained("s3:PutObject", key):
            self._call("put_object", Key=self._key(key), Body=data)

    def put(self, path: Path, key: str) -> None:
        size = path.stat().st_size
        if size < _PARTS_FROM:
            self.write(key, path.read_bytes())
            return
        with self._explained("s3:PutObject", key):
            started = self._call("create_multipart_upload", Key=self._key(key))
            upload = {"Key": self._key(key), "UploadId": started["UploadId"]}
            each = max(_PART, -(-size // _MOST_PARTS))
            try:
                with (
                    closing(_sender(self.files)) as client,
                    ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="trawl-upload") as threads,
                ):
                    send = partial(self._send, client, path, upload, each)
                    parts = list(threads.map(send, range(-(-size // each))))
                self._call("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts})
            except BaseException:
                with suppress(Exception):  # whatever is left is swept another day
                    self._call("abort_multipart_upload", **upload)
                raise

    def _send(
        self, client: Any, path: Path, upload: Mapping[str, str], size: int, place: int
    ) -> Mapping[str, Any]:
        """Send one part of a file; what S3 wants to hear of it at the end."""
        with path.open("rb") as file:
            file.seek(place * size)
            body = file.read(size)
        part = {**upload, "PartNumber": place + 1, "Body": body}
        try:
            answer = client.upload_part(Bucket=self.bucket, **part)
        except (BotoCoreError, ClientError):
            answer = self._call("upload_part", **part)  # which knows what to try again, and how often
        return {"PartNumber": place + 1, "ETag": answer["ETag"]}

    def copy(self, source: str, target: str) -> str:
        size = self.size(source)
        if size is None:
            raise Missing(f"There is no object {self.url(source)}.")
        with self._explained("s3:PutObject", target):
            if size > _COPY_AT_ONCE:
                self.files.cp_file(self._path(source), self._path(target))
            else:
                origin = {"Bucket": self.bucket, "Key": self._key(source)}
                try:
                    answer = self._call("copy_object", Key=self._key(target), CopySource=origin)
                    return _tag(answer["CopyObjectResult"])
                except Exception as error:
                    if not is_unknown(error):
                        raise
                    self._carry(source, target)
        return self.tag(target) or ""

    def _carry(self, source: str, target: str) -> None:
        """Copy by way of this machine, for a server that cannot, as Ceph's where it encrypts."""
        with scratch() as folder:
            file = folder / "object"
            with self.open(source) as data, file.open("wb") as out:
                shutil.copyfileobj(data, out, 1 << 20)
            self.put(file, target)

    def tag(self, key: str) -> str | None:
        answer = self._head(key)
        return None if answer is None else _tag(answer)

    def delete(self, keys: Iterable[str]) -> None:
        wanted = list(keys)
        for start in range(0, len(wanted), _DELETE_AT_ONCE):
            group = [{"Key": self._key(key)} for key in wanted[start : start + _DELETE_AT_ONCE]]
            # Some servers refuse all of them at once; one key says of what kind they are.
            with self._explained("s3:DeleteObject", wanted[start]):
                answer = self._call("delete_objects", Delete={"Objects": group, "Quiet": True})
            for refused in answer.get("Errors", []):  # s3fs's own rm passes over these in silence
                raise explain_code(
                    refused["Code"],
                    refused.get("Message", ""),
                    "s3:DeleteObject",
                    f"s3://{self.bucket}/{refused['Key']}",
                )

    def sweep(self, folder: str) -> int:
        """Abort multipart uploads below `folder` that are abandoned: nobody sees them, somebody pays."""
        where = self._where(folder)
        return self._swept(where, folder or None, lambda _: True)

    def sweep_key(self, key: str) -> int:
        where = self._key(key)
        return self._swept(where, key, lambda found: found == where)

    def _swept(self, where: str, shown: str | None, ours: Callable[[str], bool]) -> int:
        count = 0
        for answer in self._listed("list_multipart_uploads", where, shown, "KeyMarker"):
            for found in answer.get("Uploads", []):
                if ours(found["Key"]) and found["Initiated"] < datetime.now(UTC) - self.abandoned:
                    with self._explained("s3:AbortMultipartUpload", shown):
                        self._call("abort_multipart_upload", Key=found["Key"], UploadId=found["UploadId"])
                    count += 1
        return count

    def _head(self, key: str) -> Mapping[str, Any] | None:
        with self._explained("s3:GetObject", key):
            try:
                return self._call("head_object", Key=self._key(key))
            except Exception as error:
                if is_missing(error):
                    return None
                raise

    def _where(self, folder: str) -> str:
        """What keys below a folder begin with."""
        where = "/".join(part for part in (self.prefix, folder.strip("/")) if part)
        return f"{where}/" if where else ""

    def _listed(self, method: str, where: str, shown: str | None, marker: str) -> Iterator[Mapping[str, Any]]:
        more: dict[str, Any] = {"Prefix": where}
        while True:
            with self._explained("s3:ListBucket", shown):
                answer = self._call(method, **more)
            yield answer
            if not answer.get("IsTruncated"):
                return
            more[marker] = answer[f"Next{marker}"]
            if "NextUploadIdMarker" in answer:
                more["UploadIdMarker"] = answer["NextUploadIdMarker"]

    def _call(self, method: str, **values: Any) -> Mapping[str, Any]:
        return cast("Mapping[str, Any]", self.files.call_s3(method, Bucket=self.bucket, **values))

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{checked(key)}" if self.prefix else checked(key)

    def _path(self, key: str) -> str:
        return f"{self.bucket}/{self._key(key)}"

    @contextmanager
    def _explained(self, action: str, key: str | None) -> Iterator[None]:
        parts = (self.bucket, self.prefix, "" if key is None else checked(key))
        where = "/".join(part for part in parts if part)
        try:
            yield
        except Exception as error:
            raise explain(error, action, f"s3://{where}") from error


def _tag(answer: Mapping[str, Any]) -> str:
    """An object's entity tag in quotation marks, which Ceph leaves out where it says what it copied."""
    tag: str = answer["ETag"]
    return '"' + tag.strip('"') + '"'


class _Stream(io.RawIOBase):
    """One object, read front to back by ranges, so that a stream of hours survives a lost connection."""

    def __init__(self, store: S3Store, key: str, size: int) -> None:
        self._store = store
        self._key = key
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def readall(self) -> bytes:
        # Python's own would ask for a few kilobytes at a time.
        start, self._at = self._at, self._size
        return self._store.range(self._key, start, self._size) if start < self._size else b""

    def readinto(self, buffer: Any) -> int:
        stop = min(self._at + len(buffer), self._size)
        if stop == self._at:
            return 0
        data = self._store.range(self._key, self._at, stop)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def client(connection: str | None, run: Run) -> Any:
    """An s3fs file system: from a connection of Airflow's AWS kind, or by the ordinary AWS chain."""
    files = s3fs.S3FileSystem(
        session=_session(),
        use_listings_cache=False,
        skip_instance_cache=True,
        config_kwargs={
            # As AWS's own variables would have it, where a person set them.
            "retries": {
                "max_attempts": int(os.environ.get("AWS_MAX_ATTEMPTS", "3")),
                "mode": os.environ.get("AWS_RETRY_MODE", "standard"),
            },
            "connect_timeout": 5,
            "read_timeout": 30,
            "max_pool_connections": _CONNECTIONS,
        },
        **(credentials(connection, run) if connection else {}),
    )
    if _CHECKSUMS not in os.environ:
        _sign_bodies(files)
    return files


def _sender(files: Any) -> Any:
    """A client that asks as s3fs's own does, from many threads at once, and once only.

    s3fs has one thread for all requests, in which it would sign one part after the other.
    """
    session = Session()
    session.register_component("data_loader", _services())
    settings = files.config_kwargs | {
        "retries": {"max_attempts": 0},
        "request_checksum_calculation": files.s3.meta.config.request_checksum_calculation,
    }
    return session.create_client(
        "s3",
        aws_access_key_id=files.key,
        aws_secret_access_key=files.secret,
        aws_session_token=files.token,
        endpoint_url=files.endpoint_url,
        config=Config(**settings),
        **files.client_kwargs,
    )


def _session() -> AioSession:
    """A session that looks for credentials and settings by itself, and for AWS's services in what is read."""
    session = AioSession()
    session.register_component("data_loader", _services())
    return session


@cache
def _services() -> Any:
    """The descriptions of AWS's services: reading them takes a tenth of a second, twenty times the rest."""
    return AioSession().get_component("data_loader")


def _sign_bodies(files: Any) -> None:
    """Have servers other than AWS's check each body by its signed SHA-256.

    Over TLS a checksum would come after the body instead, which older ones refuse, or store as a part
    of the object. The client is asked where it leads, and not made again: that takes a tenth of a second.
    """
    try:
        found = files.s3.meta
    except Exception:  # noqa: BLE001 (the first request raises it again, where it is explained)
        return
    if not (urlsplit(found.endpoint_url).hostname or "").endswith(_AWS):
        found.config.request_checksum_calculation = "when_required"


def credentials(name: str, run: Run) -> dict[str, Any]:
    """What an AWS connection says, in s3fs's words; Stop where it is absent or asks for more."""
    try:
        values = run.connection(name)
    except LookupError:
        raise Stop(
            f"There is no connection {name!r}: create it in Airflow, with the type Amazon Web Services."
        ) from None
    extra = values.get("extra") or {}
    if isinstance(extra, str):
        try:
            extra = json.loads(extra)
        except ValueError:
            extra = None
    if not isinstance(extra, Mapping):
        raise Stop(f"The extra of connection {name!r} is no JSON object.")
    if extra.get("role_arn"):
        raise Stop(
            f"Connection {name!r} asks to assume the role {extra['role_arn']}, which Trawl does not do: "
            "let the machine's own role be that one, or set a profile in ~/.aws/config."
        )
    region = extra.get("region_name")
    found = {
        "key": values.get("login") or extra.get("aws_access_key_id"),
        "secret": values.get("password") or extra.get("aws_secret_access_key"),
        "token": extra.get("aws_session_token"),
        "endpoint_url": extra.get("endpoint_url"),
        "client_kwargs": {"region_name": region} if region else None,
    }
    return {key: value for key, value in found.items() if value}
