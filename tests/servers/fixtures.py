"""What tests of and above sources share; a folder's conftest imports what it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers import bluesky_network
from tests.servers.authority import Authority
from tests.servers.ceph import Cluster, cluster
from tests.servers.databases import Absent
from tests.servers.x_search import HOSTS, Answer, Search

DATA = Path(__file__).parents[3] / "shared/data"


@pytest.fixture
def data() -> Path:
    """Real posts, where this machine has them; they are no part of the project."""
    if not DATA.is_dir():
        pytest.skip(f"there are no recorded posts in {DATA}")
    return DATA


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def bluesky() -> Iterator[bluesky_network.Network]:
    """The real Bluesky network. Mark what uses it `xdist_group("bluesky")`, so that there is one."""
    try:
        with bluesky_network.network() as running:
            yield running
    except Absent as why:
        pytest.skip(f"no Bluesky network: {why}")


@pytest.fixture(scope="session")
def ceph(authority: Authority) -> Iterator[Cluster]:
    """A real S3, Ceph's. Mark what uses it `xdist_group("ceph")`, so that there is one."""
    try:
        with cluster(authority) as running:
            yield running
    except Absent as why:
        pytest.skip(f"no Ceph: {why}")


@pytest.fixture
def x(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Mapping[str | None, Sequence[Answer]]], Search]]:
    """Starts X's search with the pages given, and sends everything that asks for twitter.com there."""
    with ExitStack() as running:

        def start(pages: Mapping[str | None, Sequence[Answer]]) -> Search:
            search = Search(authority.serve(*HOSTS), str(authority.file), pages)
            for name, value in search.environment.items():
                monkeypatch.setenv(name, value)
            return running.enter_context(search)

        yield start
