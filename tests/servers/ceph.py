"""A real S3 that is not ours: Ceph's RADOS Gateway over a cluster of one, of Debian's packages, on loopback.

    with cluster() as ceph:
        os.environ.update(ceph.environment)
        ceph.kill("radosgw")
        ceph.start("radosgw")

A monitor, a disk that is a sparse file, and a gateway, all in a temporary folder. Each is a child that ends
with the process that started it, whatever becomes of that.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from tests.servers.authority import Authority
from tests.servers.databases import Absent, free_port

SECONDS: Final = 90
"""How long a part may take to be ready; all of them together take about five."""

PROGRAMS: Final = {
    "ceph-mon": "ceph-mon",
    "ceph-osd": "ceph-osd",
    "ceph-authtool": "ceph-common",
    "radosgw": "radosgw",
}
"""What is run, and Debian's package that has it."""

_DISK: Final = 6 << 30
"""Bytes of the sparse file; what is written to it is what it takes."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with a key; `environment` is what leads the ordinary AWS chain there."""

    name: str
    key: str
    secret: str
    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_S3": self.endpoint,
        }


@dataclass
class Cluster:
    """The parts, by name: `mon`, `osd` and `radosgw`. `admin` may do everything.

    `tls` is the gateway's other address, where it was given a certificate. `encrypting` is the address of
    another gateway, a part that nobody has started, which encrypts every object by itself.
    """

    folder: Path
    port: int
    admin: User
    tls: str = ""
    encrypting: str = ""
    commands: dict[str, list[str]] = field(default_factory=dict)
    parts: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    # To Linux the parent with which a child ends is the thread that started it: one that stays.
    starter: ThreadPoolExecutor = field(default_factory=partial(ThreadPoolExecutor, 1))

    @property
    def environment(self) -> dict[str, str]:
        return self.admin.environment

    def start(self, name: str) -> None:
        """Start a part that does not run, from any thread; the gateway answers when this returns."""
        with (self.folder / f"{name}.out").open("ab") as out:
            command = ["setpriv", "--pdeathsig=KILL", "--", *self.commands[name]]
            started = self.starter.submit(
                lambda: subprocess.Popen(command, cwd=self.folder, stdout=out, stderr=out)
            )
            self.parts[name] = started.result()
        if name in {"radosgw", "encrypting"}:
            self.wait(self.encrypting if name == "encrypting" else self.admin.endpoint)

    def kill(self, name: str) -> None:
        """End a part by SIGKILL, as a machine does that loses its power."""
        process = self.parts.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """End all parts. Nothing outlives them, so nothing has to be closed in order."""
        for name in list(self.parts):
            self.kill(name)
        self.starter.shutdown()

    def wait(self, endpoint: str) -> None:
        """Return once a gateway answers."""
        deadline = time.monotonic() + SECONDS
        while True:
            for name, process in self.parts.items():
                assert process.poll() is None, self.log(name)
            try:
                httpx.get(f"{endpoint}/", timeout=5)
                return
            except httpx.HTTPError:
                assert time.monotonic() < deadline, self.log("radosgw")
                time.sleep(0.05)

    def log(self, name: str) -> str:
        """The last that a part said."""
        out = (self.folder / f"{name}.out").read_text(errors="replace")
        return f"{name} of Ceph:\n{out[-3000:]}"

    def user(self) -> User:
        """A new user, who may do nothing yet with what others have."""
        name = f"user-{next(_numbers)}"
        key, secret = f"{name}-key", uuid.uuid4().hex
        self.order("PUT", "user", uid=name, **{"display-name": name, "access-key": key, "secret-key": secret})
        return User(name, key, secret, self.admin.endpoint)

    def order(self, method: str, what: str, **values: Any) -> Any:
        """One of the gateway's orders for administrators (`/admin/user` and such)."""
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        query = "&".join(f"{name}={value}" if value != "" else name for name, value in values.items())
        request = AWSRequest(method, f"{self.admin.endpoint}/admin/{what}?{query}")
        S3SigV4Auth(Credentials(self.admin.key, self.admin.secret), "s3", "us-east-1").add_auth(request)
        answer = httpx.request(method, str(request.url), headers=dict(request.headers), timeout=60)
        assert answer.is_success, answer.text
        return json.loads(answer.text) if answer.text else None


@contextmanager
def cluster(authority: Authority | None = None, **settings: object) -> Iterator[Cluster]:
    """A new, empty cluster, which has an address with TLS too where an authority signs it. Raises Absent.

    `settings` go into its ceph.conf.
    """
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            raise Absent(
                f"Debian's package {package} is not installed; scripts/debian.sh installs it as root"
            )
    folder = Path(tempfile.mkdtemp(prefix="trawl-ceph-"))
    port = free_port()
    running = Cluster(folder, port, User("admin", "admin", "made-up-secret", f"http://127.0.0.1:{port}"))
    try:
        with closing(running):
            if authority is not None:
                authority.write("127.0.0.1", folder / "certificate.pem")
                running.tls = f"https://127.0.0.1:{free_port()}"
            _bring_up(running, settings)
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _bring_up(running: Cluster, settings: Mapping[str, object]) -> None:
    folder, name, monitor = running.folder, str(uuid.uuid4()), f"v2:127.0.0.1:{free_port()}"
    conf = folder / "ceph.conf"
    conf.write_text(_conf(folder, name, monitor, settings))
    for part in ("mon", "osd"):
        (folder / part).mkdir()
    _keys(folder / "keyring")
    at = ["-c", str(conf)]
    _run(["monmaptool", "--create", "--fsid", name, "--addv", "a", f"[{monitor}]", folder / "monmap"])
    _run(["ceph-mon", *at, "-i", "a", "--mkfs", "--monmap", folder / "monmap"])
    foreground = ["-f", *at]
    front = f"beast tcp_nodelay=1 endpoint=127.0.0.1:{running.port}"
    if running.tls:
        front += f" ssl_endpoint={running.tls.removeprefix('https://')}"
        front += f" ssl_certificate={folder / 'certificate.pem'}"
    running.commands = {
        "mon": ["ceph-mon", *foreground, "-i", "a", "--public-addrv", f"[{monitor}]"],
        "osd": ["ceph-osd", *foreground, "-i", "0"],
        "radosgw": ["radosgw", *foreground, "-n", "client.rgw", f"--rgw-frontends={front}"],
    }
    running.encrypting = f"http://127.0.0.1:{free_port()}"
    running.commands["encrypting"] = [
        *running.commands["radosgw"][:-1],
        f"--rgw-frontends=beast tcp_nodelay=1 endpoint={running.encrypting.removeprefix('http://')}",
        f"--rgw-crypt-default-encryption-key={b64encode(os.urandom(32)).decode()}",
        "--rgw-crypt-require-ssl=false",
    ]
    running.start("mon")
    disk = str(uuid.uuid4())
    _run(["ceph", *at, "osd", "new", disk])
    _run(["ceph-osd", *at, "-i", "0", "--mkfs", "--osd-uuid", disk, "--no-mon-config"])
    running.start("osd")
    running.start("radosgw")
    admin = running.admin
    keys = [f"--uid={admin.name}", "--display-name=admin", "--caps=users=*;buckets=*"]
    keys += [f"--access-key={admin.key}", f"--secret-key={admin.secret}"]
    _run(["radosgw-admin", *at, "-n", "client.rgw", "user", "create", *keys])


def _conf(folder: Path, name: str, monitor: str, settings: Mapping[str, object]) -> str:
    """What a cluster of one on loopback needs, and what makes it start and write quickly."""
    values: dict[str, object] = {
        "fsid": name,
        "mon host": monitor,
        "ms bind msgr1": "false",
        "public addr": "127.0.0.1",
        "cluster addr": "127.0.0.1",
        "public network": "127.0.0.0/8",
        # Without authentication it hangs.
        "auth cluster required": "cephx",
        "auth service required": "cephx",
        "auth client required": "cephx",
        "keyring": folder / "keyring",
        "mon allow pool size one": "true",
        "osd pool default size": 1,
        "osd pool default min size": 1,
        "osd pool default pg num": 4,
        "osd pool default pgp num": 4,
        "osd pool default pg autoscale mode": "off",
        "osd crush chooseleaf type": 0,
        "mon max pg per osd": 1000,
        "mon data avail crit": 1,
        "mon data avail warn": 2,
        "osd objectstore": "bluestore",
        "bluestore block size": _DISK,
        "bluestore fsck on mount": "false",
        "osd memory target": 939_524_096,
        # A proposal waits for others to come, at every pool that the gateway makes when it first starts.
        "paxos propose interval": 0.02,
        "paxos min wait": 0.01,
        # How long a killed gateway is still told what changes, and everybody waits for its answer.
        "osd client watch timeout": 3,
        "objecter tick interval": 1,
        "run dir": folder,
        "log file": folder / "$name.log",
        "log to stderr": "false",
        "admin socket": folder / "$name.asok",
        "pid file": "",
        "crash dir": folder / "crash",
        "mon data": folder / "mon",
        "osd data": folder / "osd",
        "rgw dynamic resharding": "false",
        "rgw run sync thread": "false",
        "rgw thread pool size": 64,
        **settings,
    }
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def _keys(keyring: Path) -> None:
    """Everybody's keys and what they may do."""
    _run(["ceph-authtool", "--create-keyring", keyring])
    for name, may in {
        "mon.": {"mon": "allow *"},
        "client.admin": dict.fromkeys(("mon", "osd", "mgr", "mds"), "allow *"),
        "client.rgw": {"mon": "allow rwx", "osd": "allow rwx"},
        "osd.0": {"mon": "allow profile osd", "osd": "allow *"},
    }.items():
        caps = [word for part, what in may.items() for word in ("--cap", part, what)]
        _run(["ceph-authtool", keyring, "--gen-key", "-n", name, *caps])


def _run(command: Sequence[object]) -> None:
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd="/", env=os.environ, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
