"""What tests of and above sources share; a folder's conftest imports what it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from tests.servers import bluesky_network, x_search
from tests.servers.authority import Authority
from tests.servers.ceph import Cluster, cluster
from tests.servers.databases import Absent
from tests.servers.standin import Answer, Asked, StandIn
from tests.servers.x_search import HOSTS, Search

DATA = Path(__file__).parents[3] / "shared/data"


class Posing(AbstractContextManager[Any], Protocol):
    """A server, and the environment in which its hosts are found at it."""

    @property
    def environment(self) -> Mapping[str, str]: ...


Given = TypeVar("Given")
Service = TypeVar("Service", bound=Posing)


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


@contextmanager
def standing_in(
    make: Callable[[Given], Service], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Given], Service]]:
    """Starts what `make` makes of what is given, and sends everything that asks for its hosts there."""
    with ExitStack() as running:

        def start(given: Given) -> Service:
            service = make(given)
            for name, value in service.environment.items():
                monkeypatch.setenv(name, value)
            return running.enter_context(service)

        yield start


@contextmanager
def answering(
    host: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Asked], Answer]], StandIn]]:
    """Starts a host, over TLS, with the answers given."""

    def make(answer: Callable[[Asked], Answer]) -> StandIn:
        return StandIn(answer, context=authority.serve(host), trust=str(authority.file))

    with standing_in(make, monkeypatch) as start:
        yield start


@pytest.fixture
def x(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Mapping[str | None, Sequence[x_search.Answer]]], Search]]:
    """Starts X's search with the pages given, and sends everything that asks for twitter.com there."""

    def make(pages: Mapping[str | None, Sequence[x_search.Answer]]) -> Search:
        return Search(authority.serve(*HOSTS), str(authority.file), pages)

    with standing_in(make, monkeypatch) as start:
        yield start
