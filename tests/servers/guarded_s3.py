"""S3 behind an IAM policy, on loopback: moto's store, and before it a judge that reads policies as AWS does.

    with guarded() as s3:
        os.environ.update(s3.environment)
        s3.policy = {...}    # from now on nothing else is allowed; None: everything is

moto's own judge knows no `?`, no condition on a prefix and no listing right behind a 404; the rules here are
those of AWS' own pages "How Amazon S3 authorizes a request" and "Actions, resources, and condition keys for
Amazon S3". Signatures are nobody's concern.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

_NAMESPACE: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class Asked(NamedTuple):
    """What a request needs to be allowed: an action on a resource, and the prefix of what is listed."""

    action: str
    resource: str
    prefix: str | None = None


@dataclass
class Guarded:
    """The server. `asked` is everything that somebody wanted to do, `refused` what was not allowed."""

    endpoint: str = ""
    policy: Mapping[str, Any] | None = None
    asked: set[Asked] = field(default_factory=set)
    refused: list[Asked] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "made-up",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": self.endpoint,
        }

    def may(self, asked: Asked) -> bool:
        """Whether the policy allows it; noted either way."""
        self.asked.add(asked)
        allowed = self.policy is None or any(_allows(one, asked) for one in self.policy["Statement"])
        if not allowed:
            self.refused.append(asked)
        return allowed


def _allows(statement: Mapping[str, Any], asked: Asked) -> bool:
    if asked.action not in _list(statement["Action"]):
        return False
    if not any(_like(pattern, asked.resource) for pattern in _list(statement["Resource"])):
        return False
    condition = statement.get("Condition", {})
    assert set(condition) <= {"StringLike"}, condition
    for key, patterns in condition.get("StringLike", {}).items():
        assert key == "s3:prefix", key
        # What a request does not have is like nothing. Only lists have a prefix.
        if asked.prefix is None or not any(_like(pattern, asked.prefix) for pattern in patterns):
            return False
    return True


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _like(pattern: str, text: str) -> bool:
    signs = {"*": ".*", "?": "."}
    whole = "".join(signs.get(sign, re.escape(sign)) for sign in pattern)
    return re.fullmatch(whole, text, re.DOTALL) is not None


class _Judge:
    """A WSGI application in front of moto's."""

    def __init__(self, guarded: Guarded) -> None:
        self._guarded = guarded
        self._store = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ["PATH_INFO"].encode("latin-1").decode()
        query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
        bucket, _, key = path.lstrip("/").partition("/")
        if method == "POST" and not key and "delete" in query:
            return self._delete(environ, start_response, bucket)
        copied = unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).lstrip("/")
        wanted = [_asked(method, bucket, key, query)]
        if copied:
            wanted.append(_object("s3:GetObject", *copied.split("/", 1)))
        if not all([self._guarded.may(one) for one in wanted]):  # noqa: C419 - each is noted
            # Or the next request on this connection would begin with it.
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            return _refusal(start_response, method)
        return self._passed(environ, start_response, copied or (path if key else ""))

    def _passed(self, environ: dict[str, Any], start_response: Any, where: str) -> Iterable[bytes]:
        """What the store answers; that something is not there only to who may list it."""
        answer: list[Any] = []

        def noting(status: str, headers: Any, exc_info: Any = None) -> Any:
            del exc_info
            answer[:] = [status, headers]
            return lambda _data: None

        body = list(self._store(environ, noting))
        status, headers = answer
        method = environ["REQUEST_METHOD"]
        if status.startswith("404") and where and method in {"GET", "HEAD", "PUT"}:
            bucket, _, key = where.lstrip("/").partition("/")
            if not self._guarded.may(Asked("s3:ListBucket", f"arn:aws:s3:::{bucket}", key)):
                return _refusal(start_response, method)
        start_response(status, headers)
        return body

    def _delete(self, environ: dict[str, Any], start_response: Any, bucket: str) -> Iterable[bytes]:
        """Several objects at once, each a question of its own."""
        asked = ET.fromstring(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        kept, errors = 0, []
        for one in list(asked.iter(f"{_NAMESPACE}Object")):
            key = one.findtext(f"{_NAMESPACE}Key") or ""
            if self._guarded.may(_object("s3:DeleteObject", bucket, key)):
                kept += 1
            else:
                asked.remove(one)
                errors.append(f"<Error><Key>{escape(key)}</Key><Code>AccessDenied</Code></Error>")
        if kept:
            data = ET.tostring(asked, default_namespace=_NAMESPACE.strip("{}"))
            environ |= {"wsgi.input": BytesIO(data), "CONTENT_LENGTH": str(len(data))}
            environ.pop("HTTP_CONTENT_MD5", None)
            list(self._store(environ, lambda _status, _headers, _exc_info=None: lambda _data: None))
        space = _NAMESPACE.strip("{}")
        text = f'<DeleteResult xmlns="{space}">{"".join(errors)}</DeleteResult>'.encode()
        start_response("200 OK", [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
        return [text]


def _asked(method: str, bucket: str, key: str, query: Mapping[str, list[str]]) -> Asked:
    """The action behind a request for a bucket or an object; one that nobody may do for what is unknown."""
    where = f"arn:aws:s3:::{bucket}"
    if not bucket:
        return Asked("s3:ListAllMyBuckets", "*")
    if not key:
        if method == "GET" and "uploads" in query:
            return Asked("s3:ListBucketMultipartUploads", where)
        if method == "GET" and not set(query) - _LISTING:
            return Asked("s3:ListBucket", where, query.get("prefix", [None])[0])
        return Asked({"HEAD": "s3:ListBucket", "PUT": "s3:CreateBucket"}.get(method, "unknown"), where)
    match method:
        case "GET" | "HEAD" if not set(query) - {"x-id", "partNumber"}:
            return _object("s3:GetObject", bucket, key)
        case "PUT" if not set(query) - {"x-id", "partNumber", "uploadId"}:
            return _object("s3:PutObject", bucket, key)
        case "POST" if "uploads" in query or "uploadId" in query:
            return _object("s3:PutObject", bucket, key)
        case "DELETE":
            return _object(
                "s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject", bucket, key
            )
    return _object("unknown", bucket, key)


_LISTING: Final = {
    "list-type", "prefix", "delimiter", "max-keys", "continuation-token", "start-after", "encoding-type",
    "fetch-owner", "marker",
}  # fmt: skip


def _object(action: str, bucket: str, key: str) -> Asked:
    return Asked(action, f"arn:aws:s3:::{bucket}/{key}")


def _refusal(start_response: Any, method: str) -> list[bytes]:
    text = b"" if method == "HEAD" else b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    start_response("403 Forbidden", [("Content-Type", "application/xml"), ("Content-Length", str(len(text)))])
    return [text]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"  # with 1.0, clients wait a second in vain to be told to go on

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - its name is werkzeug's
        """Nobody reads it."""


@contextmanager
def guarded() -> Iterator[Guarded]:
    """The server, until the end of the block. What is in moto's buckets is shared by a whole process."""
    running = Guarded()
    server = make_server("127.0.0.1", 0, _Judge(running), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    running.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
