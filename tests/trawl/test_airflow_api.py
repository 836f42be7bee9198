"""What Airflow refuses, or is too busy for, becomes patience or a sentence that says what to do.

A stand-in on loopback answers as Airflow 3.3.2 does where that cannot be had at will; `tests/airflow` asks
a real one.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from etl_callables.errors import Stop
from schemas.job import Job
from schemas.window import Window
from tests.trawl.jobs import job, utc
from trawl.airflow_api import (
    PASSWORD,
    TOKEN,
    USER,
    Airflow,
    Known,
    Refused,
    airflow_at,
    create,
    follow,
    known_runs,
    ready,
)
from trawl.backfill import Part
from trawl.up import _alone, running

DAY = timedelta(days=1)
DAG = "/api/v2/dags/team.covid"
LOCKED = 503, {"detail": "Database is locked. Backfill creation is not supported on SQLite"}
BROKEN = 500, {"detail": {"reason": "Database error", "message": "Serious error when handling your request"}}
CONFLICT = 409, {"detail": "There is already a running backfill for dag team.covid"}
PARTS = [
    Part(Window(start, start + DAY), Window(start, start + DAY), "")
    for start in (utc(2021, 7, 5), utc(2021, 7, 6), utc(2021, 7, 7))
]


@dataclass
class StandIn:
    """Answers each path as told, in order, the last answer for ever; remembers what was asked."""

    url: str = ""
    answers: dict[str, list[tuple[int, Any]]] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def on(self, asked: str, *answers: tuple[int, Any]) -> None:
        self.answers[asked] = list(answers)

    def answer(self, asked: str) -> tuple[int, Any]:
        known = self.answers.get(asked) or [(404, {"detail": "Not Found"})]
        return known.pop(0) if len(known) > 1 else known[0]

    def airflow(self) -> Airflow:
        return Airflow(self.url, "a-token", self.slept.append)

    def bodies(self, asked: str) -> list[Any]:
        return [body for one, body in self.asked if one == asked]


@pytest.fixture
def served() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            asked = f"{self.command} {self.path.partition('?')[0]}"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            stand_in.asked.append((asked, json.loads(body) if body else None))
            stand_in.headers.append(dict(self.headers))
            status, value = stand_in.answer(asked)
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        stand_in.url = f"http://127.0.0.1:{server.server_port}"
        yield stand_in
        server.shutdown()
        thread.join()


def runs(*states: str, first: datetime = PARTS[0].interval.start, **more: Any) -> tuple[int, Any]:
    """As Airflow lists runs, a day each; `none` is a day without one."""
    found = [
        {
            "dag_run_id": f"run-{number}",
            "logical_date": f"{first + number * DAY:%Y-%m-%dT%H:%M:%SZ}",
            "state": state,
            "conf": {"query": None},
            **more,
        }
        for number, state in enumerate(states)
        if state != "none"
    ]
    return 200, {"dag_runs": found, "total_entries": len(found)}


def would(*parts: Part) -> tuple[int, Any]:
    """As Airflow says which runs a backfill would create."""
    found = [{"logical_date": part.interval.start.isoformat()} for part in parts]
    return 200, {"backfills": found, "total_entries": len(found)}


def dag(**changes: bool) -> tuple[int, Any]:
    return 200, {"is_paused": False, "is_stale": False, "has_import_errors": False, **changes}


def said(airflow: Airflow, one: Job, known: dict[datetime, Known] | None = None) -> list[str]:
    """What the person is told while three days are asked for."""
    told: list[str] = []
    create(airflow, one, PARTS, known or {}, told.append)
    return told


@pytest.mark.parametrize("busy", [LOCKED, BROKEN])
def test_a_busy_database_is_asked_again(served: StandIn, busy: tuple[int, Any]) -> None:
    served.on("GET /x", busy, busy, (200, {"is": "here"}))
    assert served.airflow().ask("GET", "/x") == {"is": "here"}
    assert served.slept == [0.5, 1]


def test_a_database_that_stays_busy_is_given_up_and_its_words_are_shown(served: StandIn) -> None:
    served.on("GET /x", LOCKED)
    with pytest.raises(Refused, match=r"answers 503: Database is locked\. Backfill creation"):
        served.airflow().ask("GET", "/x")
    assert 20 < sum(served.slept) < 60


def test_another_error_is_shown_at_once(served: StandIn) -> None:
    served.on("GET /x", (500, b"Internal\x1b[2J"))
    with pytest.raises(Refused, match="answers 500: Internal Server Error"):
        served.airflow().ask("GET", "/x")
    assert served.slept == []


def test_the_token_is_sent_to_the_address_that_was_named_and_to_no_other(served: StandIn) -> None:
    served.on("GET /x", (307, {}))
    with pytest.raises(Refused, match="answers 307"):
        served.airflow().ask("GET", "/x")
    assert [asked for asked, _ in served.asked] == ["GET /x"]
    assert served.headers[0]["Authorization"] == "Bearer a-token"
    assert "a-token" not in repr(served.airflow())


def test_who_does_not_answer_is_named() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    with pytest.raises(
        Stop, match=rf"Airflow at http://127.0.0.1:{port} does not answer .*see whether it runs"
    ):
        Airflow(f"http://127.0.0.1:{port}").ask("GET", "/x")


def test_this_machine_is_not_asked_through_a_proxy(served: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    served.on("GET /x", (200, {}))
    assert served.airflow().ask("GET", "/x") == {}


@pytest.mark.parametrize("answer", [(200, b"<html>"), (200, [])])
def test_what_is_no_airflow_is_said_to_be_none(
    served: StandIn, answer: tuple[int, Any], tmp_path: Path
) -> None:
    served.on("POST /auth/token", answer)
    with pytest.raises(Stop, match="does not answer as Airflow's API does"):
        airflow_at(tmp_path, served.url, {USER: "ann", PASSWORD: "s3cret"})


def test_another_airflow_gets_what_the_environment_says(served: StandIn, tmp_path: Path) -> None:
    served.on("POST /auth/token", (201, {"access_token": "given"}))
    found = airflow_at(tmp_path, f"{served.url}/", {USER: "ann", PASSWORD: "s3cret"})
    assert (found.url, found.token) == (served.url, "given")
    assert served.bodies("POST /auth/token") == [{"username": "ann", "password": "s3cret"}]
    assert airflow_at(tmp_path, served.url, {TOKEN: "mine"}).token == "mine"


def test_a_wrong_password_is_said_and_not_shown(served: StandIn, tmp_path: Path) -> None:
    served.on("POST /auth/token", (401, {"detail": "Invalid credentials"}))
    with pytest.raises(Stop, match="does not let ann in with that password") as error:
        airflow_at(tmp_path, served.url, {USER: "ann", PASSWORD: "s3cret"})
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://airflow.example.org", f"set {USER} and {PASSWORD}, or {TOKEN}, for the Airflow at"),
        ("airflow.example.org", "--airflow wants an address such as"),
        ("file:///etc/passwd", "--airflow wants an address such as"),
        ("https://ann:s3cret@airflow.example.org", "without credentials"),
        (None, "no Airflow runs for this folder"),
    ],
)
def test_where_to_ask_must_be_clear(url: str | None, words: str, tmp_path: Path) -> None:
    with pytest.raises(Stop, match=words) as error:
        airflow_at(tmp_path, url, {})
    assert "s3cret" not in str(error.value)


def test_the_airflow_of_a_folder_is_known_while_it_runs(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with _alone(tmp_path, 8123):
        assert running(tmp_path) == "http://127.0.0.1:8123"
    assert running(tmp_path) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((404, {"detail": "The Dag with ID: `team.covid` was not found"}), "does not know team.covid yet"),
        (dag(is_stale=True), r"cannot read team.covid now \(pipelines/team/covid.yaml:4:1: bad\); mend that"),
        (dag(has_import_errors=True), "cannot read team.covid now"),
        (
            dag(is_paused=True),
            r"team.covid is paused in Airflow: switch it on at http://\S+/dags/team.covid,",
        ),
    ],
)
def test_a_job_that_airflow_would_not_run_is_said_to_be_so(
    served: StandIn, answer: tuple[int, Any], words: str
) -> None:
    served.on(f"GET {DAG}", answer)
    trace = "InvalidScrapeJobs:\n  pipelines/team/covid.yaml:4:1: bad\npipelines/other.yaml:1:1: other\n"
    served.on("GET /api/v2/importErrors", (200, {"import_errors": [{"stack_trace": trace}]}))
    with pytest.raises(Stop, match=words) as error:
        ready(served.airflow(), job())
    assert "other" not in str(error.value)


def test_a_job_that_runs_is_ready(served: StandIn) -> None:
    served.on(f"GET {DAG}", dag())
    ready(served.airflow(), job())


def test_runs_are_known_however_many_there_are(served: StandIn) -> None:
    pages = [runs("success"), runs("failed", first=utc(2021, 7, 6)), runs("running", first=utc(2021, 7, 7))]
    for _, page in pages:
        page["total_entries"] = 3
    served.on(f"GET {DAG}/dagRuns", *pages)
    found = known_runs(served.airflow(), job(), PARTS)
    assert [(run.state, run.under_way) for run in found.values()] == [
        ("success", False),
        ("failed", False),
        ("running", True),
    ]
    assert list(found) == [part.interval.start for part in PARTS]


@pytest.mark.parametrize(
    ("answers", "behaviour"),
    [
        ([would(*PARTS)], "none"),
        ([would(PARTS[0]), would(*PARTS)], "failed"),
        ([would(), would(PARTS[0]), would(*PARTS)], "completed"),
    ],
)
def test_one_backfill_creates_exactly_what_was_announced(
    served: StandIn, answers: list[tuple[int, Any]], behaviour: str
) -> None:
    """Airflow is asked first which runs it would create, and only the announced set is taken."""
    served.on("POST /api/v2/backfills/dry_run", *answers)
    served.on("POST /api/v2/backfills", LOCKED, (200, {}))
    assert said(served.airflow(), job()) == []
    assert served.bodies("POST /api/v2/backfills")[-1] == {
        "dag_id": "team.covid",
        "from_date": "2021-07-05T00:00:00+00:00",
        "to_date": "2021-07-07T00:00:00+00:00",
        "reprocess_behavior": behaviour,
        "max_active_runs": 4,
        "dag_run_conf": {},
    }


def test_what_depends_on_the_past_never_asks_for_what_airflow_refuses_then(served: StandIn) -> None:
    served.on("POST /api/v2/backfills/dry_run", would(*PARTS))
    served.on("POST /api/v2/backfills", (200, {}))
    said(served.airflow(), job(depends_on_past=True))
    assert served.bodies("POST /api/v2/backfills/dry_run")[0]["reprocess_behavior"] == "failed"


def test_a_file_that_airflow_has_not_read_again_is_waited_for(served: StandIn) -> None:
    served.on("POST /api/v2/backfills/dry_run", would(PARTS[0]))
    with pytest.raises(
        Stop, match=r"other windows of team.covid than pipelines/team/covid.yaml, which it has not"
    ):
        said(served.airflow(), job())


def test_a_backfill_under_way_is_not_disturbed(served: StandIn) -> None:
    served.on("POST /api/v2/backfills/dry_run", would(*PARTS))
    served.on("POST /api/v2/backfills", CONFLICT)
    served.on(f"GET {DAG}/dagRuns", runs("success", "running"))
    with pytest.raises(Stop, match=r"a backfill of team.covid is under way in Airflow, and there can be one"):
        said(served.airflow(), job())
    assert served.slept == []


def test_a_backfill_whose_runs_have_ended_is_waited_for_until_airflow_closes_it(served: StandIn) -> None:
    served.on("POST /api/v2/backfills/dry_run", would(*PARTS))
    served.on("POST /api/v2/backfills", CONFLICT, CONFLICT, (200, {}))
    served.on(f"GET {DAG}/dagRuns", runs())
    (told,) = said(served.airflow(), job())
    assert told.startswith("Airflow has yet to close the backfill before")
    assert served.slept == [5, 5]


def test_a_try_that_seemed_to_fail_and_did_not_is_not_made_again(served: StandIn) -> None:
    served.on("POST /api/v2/backfills/dry_run", would(*PARTS))
    served.on("POST /api/v2/backfills", LOCKED, CONFLICT)
    served.on(f"GET {DAG}/dagRuns", runs("queued", "running", "queued"))
    assert said(served.airflow(), job()) == []


def test_a_run_by_hand_with_other_values_is_not_taken_for_the_jobs_own(served: StandIn) -> None:
    more = Part(Window(utc(2021, 7, 8), utc(2021, 7, 9)), Window(utc(2021, 7, 8), utc(2021, 7, 9)), "")
    served.on("POST /api/v2/backfills/dry_run", would(*PARTS, more))
    served.on(f"GET {DAG}/dagRuns", runs("failed", conf={"query": "other"}))
    airflow = served.airflow()
    with pytest.raises(Stop, match=r"a run by hand with other values .* delete run-0 at http"):
        said(airflow, job(), known_runs(airflow, job(), PARTS))


def test_following_tells_each_change_once_and_ends_with_the_last_run(served: StandIn) -> None:
    served.on(
        f"GET {DAG}/dagRuns",
        runs("queued", "queued"),
        runs("queued", "queued"),
        runs("success", "running", "queued"),
        runs("success", "failed", "success"),
    )
    told = list(follow(served.airflow(), job(), PARTS))
    assert [str(standing) for standing in told] == [
        "0 of 3 done, 0 running",
        "1 of 3 done, 1 running",
        "2 of 3 done, 1 failed, 0 running",
    ]
    assert told[-1].failed == (utc(2021, 7, 6),)
    assert served.slept == [2, 2, 2]
