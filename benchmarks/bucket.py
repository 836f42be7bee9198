"""A read-only S3 over a folder, as a process of its own: `python -m benchmarks.bucket FOLDER LATENCY`.

Each folder in FOLDER is a bucket. LATENCY is in seconds, before each answer. It knows what reading takes:
lists and objects. Prints its URL, and ends with its standard input.
"""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_left, bisect_right
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is one piece: in two, the second waits for the first to be acknowledged

    def __init__(self, objects: dict[str, dict[str, bytes]], latency: float, *rest: Any) -> None:
        self._objects, self._latency = objects, latency
        super().__init__(*rest)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        """An object's size."""
        self.do_GET(body=False)

    def do_GET(self, *, body: bool = True) -> None:
        """An object, or a list of them."""
        time.sleep(self._latency)
        url = urlsplit(self.path)
        bucket, _, key = unquote(url.path).lstrip("/").partition("/")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if not key:
            self._answer(200, _listed(self._objects[bucket], query), "application/xml", body=body)
        elif key in self._objects[bucket]:
            self._answer(200, self._objects[bucket][key], "binary/octet-stream", body=body)
        else:
            text = b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"
            self._answer(404, text, "application/xml", body=body)

    def _answer(self, status: int, data: bytes, kind: str, *, body: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("ETag", f'"{hash(data) & 0xFFFFFFFF:032x}"')
        self.end_headers()
        if body:
            self.wfile.write(data)


def _listed(objects: dict[str, bytes], query: dict[str, str]) -> bytes:
    keys = list(objects)  # sorted when it began
    prefix = query.get("prefix", "")
    after = query.get("continuation-token")
    start = bisect_left(keys, prefix) if after is None else bisect_right(keys, after)
    found = [key for key in keys[start : start + PAGE] if key.startswith(prefix)]
    more = len(found) == PAGE
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size>"
        "<LastModified>2026-07-01T00:00:00.000Z</LastModified></Contents>"
        for key in found
    )
    token = f"<NextContinuationToken>{escape(found[-1])}</NextContinuationToken>" if more else ""
    return (
        f"<ListBucketResult><IsTruncated>{str(more).lower()}</IsTruncated>{token}{entries}</ListBucketResult>"
    ).encode()


def main(folder: Path, latency: float) -> None:
    objects = {
        bucket.name: {
            path.relative_to(bucket).as_posix(): path.read_bytes()
            for path in sorted(bucket.rglob("*"), key=lambda path: path.relative_to(bucket).as_posix())
            if path.is_file()
        }
        for bucket in folder.iterdir()
    }
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, objects, latency)) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
