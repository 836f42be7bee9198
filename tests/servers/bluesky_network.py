"""The real Bluesky network (PLC, PDS, AppView) on loopback, and people who post in it.

What is installed by `scripts/bluesky.sh` runs over PostgreSQL and Redis of its own. The search is ours
(tests/servers/bluesky/search.mjs), for Bluesky's is not open; everything else is theirs.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from tests.servers.databases import Absent, postgres, redis

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).with_name("bluesky")
_BATCH = 200
"""Records that one `applyWrites` may have."""

_names = itertools.count(1)


def installed() -> Path:
    """Where the network is installed; Absent, with the reason, where it is not."""
    done = subprocess.run(
        [ROOT / "scripts/bluesky.sh", "--where"], capture_output=True, text=True, check=True
    )
    folder = Path(done.stdout.strip())
    if (folder / "complete").exists():
        return folder
    why = folder.with_name(f"{folder.name}.why")
    raise Absent(why.read_text().strip() if why.exists() else "run scripts/bluesky.sh to install it")


@dataclass(frozen=True)
class Person:
    """Somebody with an account; `app_password` is what they would give to Trawl."""

    network: Network = field(repr=False)
    handle: str
    did: str
    app_password: str
    token: str = field(repr=False)

    def write(self, records: Sequence[dict[str, Any]]) -> list[str]:
        """Put records into this person's repository, all at once; their AT URIs."""
        uris = []
        for start in range(0, len(records), _BATCH):
            writes = [
                {
                    "$type": "com.atproto.repo.applyWrites#create",
                    "collection": record["$type"],
                    "value": record,
                }
                for record in records[start : start + _BATCH]
            ]
            found = self.network.call(
                "com.atproto.repo.applyWrites", {"repo": self.did, "writes": writes}, self.token
            )
            uris += [result["uri"] for result in found["results"]]
        return uris

    def post(self, text: str, created: datetime, **more: Any) -> str:
        """Post one text; its AT URI."""
        (uri,) = self.write([post(text, created, **more)])
        return uri


def post(text: str, created: datetime, **more: Any) -> dict[str, Any]:
    """The record of a post."""
    stamp = created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"$type": "app.bsky.feed.post", "text": text, "createdAt": stamp, **more}


@dataclass
class Network:
    """Addresses of the network: `gate` is its PDS for somebody to whom rate limits apply."""

    pds: str
    appview: str
    gate: str
    control: str
    process: int
    http: httpx.Client = field(repr=False)

    def call(self, method: str, data: Any = None, token: str = "") -> Any:
        """What the PDS answers to a procedure, or to a query where there is no data."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"{self.pds}/xrpc/{method}"
        if data is None:
            answer = self.http.get(url, headers=headers)
        else:
            answer = self.http.post(url, json=data, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    def order(self, name: str, **data: Any) -> Any:
        """One of the orders in network.mjs."""
        answer = self.http.post(f"{self.control}/{name}", json=data)
        assert answer.is_success, answer.text
        return answer.json()

    def settle(self) -> None:
        """Return once everybody sees everything that was posted."""
        self.order("settle")

    def join(self, name: str = "", display: str = "") -> Person:
        """A new account, with an app password."""
        handle = f"{name or 'person'}-{next(_names)}.test"
        account = self.call(
            "com.atproto.server.createAccount",
            {"handle": handle, "email": f"{handle}@example.org", "password": "made-up-and-long"},
        )
        token = account["accessJwt"]
        word = self.call("com.atproto.server.createAppPassword", {"name": "trawl"}, token)["password"]
        person = Person(self, handle, account["did"], word, token)
        if display:
            self._record(person, "app.bsky.actor.profile", "self", {"displayName": display})
        return person

    def feed(self, owner: Person, name: str, posts: Sequence[str]) -> str:
        """A feed generator that gives these posts, in this order; its AT URI."""
        uri = f"at://{owner.did}/app.bsky.feed.generator/{name}"
        did = self.order("feed", uri=uri, posts=list(posts))
        self._record(
            owner,
            "app.bsky.feed.generator",
            name,
            {"did": did, "displayName": name, "createdAt": "2026-01-01T00:00:00.000Z"},
        )
        self.settle()
        return uri

    def _record(self, owner: Person, kind: str, name: str, record: dict[str, Any]) -> None:
        self.call(
            "com.atproto.repo.createRecord",
            {"repo": owner.did, "collection": kind, "rkey": name, "record": {"$type": kind, **record}},
            owner.token,
        )


@contextmanager
def network() -> Iterator[Network]:
    """The network, running. Raises Absent where it cannot run, saying why."""
    modules = installed()
    folder = Path(tempfile.mkdtemp(prefix="trawl-bluesky-"))
    try:
        with postgres() as database, redis() as cache, (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [modules / "node", HERE / "network.mjs"],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(folder),
                    "TMPDIR": str(folder),
                    "MODULES": str(modules),
                    "DB_POSTGRES_URL": database,
                    "DB_POSTGRES_SCHEMA": "trawl",
                    "REDIS_HOST": cache,
                },
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                assert line, (folder / "log").read_text()
                with httpx.Client(timeout=120) as client:
                    yield Network(**json.loads(line), process=process.pid, http=client)
            finally:
                process.stdin.close()  # it ends with its input
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                process.stdout.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
