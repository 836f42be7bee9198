"""One Airflow for all tests that look at a real one, and a witness of what leaves the machine."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from tests.airflow.served import Airflow, served_project
from tests.servers.fixtures import authority

__all__ = ["authority"]


class _Witness(http.server.BaseHTTPRequestHandler):
    """Answers nothing and remembers who was asked for."""

    def handle_one_request(self) -> None:
        self.server.asked.append(self.rfile.readline(4096).decode("latin-1").strip())
        self.close_connection = True


@pytest.fixture(scope="session")
def outbound() -> Iterator[list[str]]:
    """What was asked of the outside world: every process's HTTP proxy is a witness on loopback."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Witness)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            for spelling in (name, name.lower()):
                patch.setenv(spelling, f"http://127.0.0.1:{server.server_address[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        yield server.asked
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    outbound: list[str],  # noqa: ARG001 (the witness must be there first)
) -> Iterator[Airflow]:
    """A real Airflow over a copy of the project's dags and examples."""
    with served_project(tmp_path_factory.mktemp("project")) as server:
        yield server
