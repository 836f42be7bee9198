"""A running Airflow, asked through its REST API to run a job for windows of the past."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from etl_callables.errors import Stop
from schemas.job import Job
from schemas.words import printable
from trawl.backfill import Part
from trawl.request import runs_at_once
from trawl.up import password, running

USER: Final = "TRAWL_AIRFLOW_USER"
PASSWORD: Final = "TRAWL_AIRFLOW_PASSWORD"  # noqa: S105  the name of a variable
TOKEN: Final = "TRAWL_AIRFLOW_TOKEN"  # noqa: S105  the name of a variable
"""Environment variables with the credentials for an Airflow that is named by its address."""

_ENDED: Final = frozenset({"success", "failed"})
"""States of a run that nothing is done for any more."""

_NOT_ALLOWED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

_PATIENCE: Final = 300.0
"""Seconds for an answer: a thousand runs take a while to create."""

_PAGE: Final = 100
"""Runs in an answer; Airflow gives no more unless it is told to."""

_PAUSES: Final = (0.5, 1, 2, 4, 8, 15)
"""Seconds between tries where Airflow's database is busy: SQLite lets one write at a time."""

_MOMENT: Final = 5.0
"""Seconds between two looks whether a backfill is closed."""

_CLOSING: Final = 36
"""Looks: a scheduler closes backfills every half a minute, and one that broke off after two minutes."""

_BEHAVIOURS: Final = ("none", "failed", "completed")
"""Which windows that Airflow has run before a backfill takes again, from few to all."""


class Refused(Stop):
    """Airflow answered, and not with what was asked for. `busy` says whether it may in a moment."""

    def __init__(self, message: str, status: int, *, busy: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.busy = busy


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows nothing: credentials are for the address that a person named."""

    def redirect_request(self, *_: object) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Airflow:
    """An Airflow at `url`, with a token of its API. `sleep` lets seconds pass."""

    url: str
    token: str = field(default="", repr=False)
    sleep: Callable[[float], None] = time.sleep

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The JSON that it answers; tries again while its database is busy. Raises Refused and Stop."""
        for pause in _PAUSES:
            try:
                return self._once(method, path, body)
            except Refused as error:
                if not error.busy:
                    raise
            self.sleep(pause)
        return self._once(method, path, body)

    def _once(self, method: str, path: str, body: object) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  http or https: `airflow_at` sees to that
            f"{self.url}{path}", None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with _opener(self.url).open(request, timeout=_PATIENCE) as answer:
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                detail = _detail(error)
            # SQLite's lock is a 503 of the backfills alone; elsewhere it is an error of the database.
            locked = error.code == HTTPStatus.INTERNAL_SERVER_ERROR and "Database error" in detail
            busy = locked or error.code == HTTPStatus.SERVICE_UNAVAILABLE
            message = f"Airflow at {self.url} answers {error.code}: {detail}"
            if error.code in _NOT_ALLOWED:
                message += "; ask as a user who may run its DAGs"
            raise Refused(message, error.code, busy=busy) from None
        except OSError as error:
            reason = getattr(error, "reason", None) or error
            raise Stop(
                f"Airflow at {self.url} does not answer ({printable(str(reason))}): see whether it runs,"
                " and say this again"
            ) from None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Stop(f"{self.url} does not answer as Airflow's API does: is that its address?")
        return found

    def page_of(self, job: Job) -> str:
        """Where a person watches the runs of a job."""
        return f"{self.url}/dags/{quote(job.id, safe='')}"


def _opener(url: str) -> urllib.request.OpenerDirector:
    """What is on this machine is not reached through a proxy."""
    here = urlsplit(url).hostname in {"127.0.0.1", "::1", "localhost"}
    return urllib.request.build_opener(_Straight(), *([urllib.request.ProxyHandler({})] if here else []))


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        found = json.loads(error.read(10_000))["detail"]
    except (OSError, ValueError, LookupError, TypeError):
        return error.reason
    return printable(found if isinstance(found, str) else json.dumps(found))


def airflow_at(
    root: Path, url: str | None, environment: Mapping[str, str], sleep: Callable[[float], None] = time.sleep
) -> Airflow:
    """The Airflow that `trawl up` runs for a project, or the one at `url`; logged in.

    Raises Stop where it does not run, or lets nobody in.
    """
    if url is None:
        home = root / ".airflow"
        here = running(home)
        if here is None:
            raise Stop("no Airflow runs for this folder")
        return _logged_in(here, "admin", password(home), sleep)
    url = url.rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise Stop("--airflow wants an address such as https://airflow.example.org, without credentials")
    if token := environment.get(TOKEN):
        return Airflow(url, token, sleep)
    user, secret = environment.get(USER, ""), environment.get(PASSWORD, "")
    if not user or not secret:
        raise Stop(f"set {USER} and {PASSWORD}, or {TOKEN}, for the Airflow at {url}")
    return _logged_in(url, user, secret, sleep)


def _logged_in(url: str, user: str, secret: str, sleep: Callable[[float], None]) -> Airflow:
    try:
        answer = Airflow(url, sleep=sleep).ask("POST", "/auth/token", {"username": user, "password": secret})
        return Airflow(url, str(answer["access_token"]), sleep)
    except Refused as error:
        if error.status in _NOT_ALLOWED:
            raise Stop(f"Airflow at {url} does not let {printable(user)} in with that password") from None
        raise
    except (LookupError, TypeError):
        raise Stop(f"{url} does not answer as Airflow's API does: is that its address?") from None


def ready(airflow: Airflow, job: Job) -> None:
    """Raise Stop, with what to do, unless Airflow has the job as it is and would run it."""
    try:
        dag = airflow.ask("GET", _dag(job))
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise Stop(
            f"Airflow at {airflow.url} does not know {job.id} yet: a new file takes it some seconds. If it"
            " stays so, see whether its dags folder is that of this project, and its import errors"
        ) from None
    if dag["is_stale"] or dag["has_import_errors"]:
        raise Stop(
            f"Airflow at {airflow.url} cannot read {job.id} now{_import_error(airflow, job)}; mend that"
            " (trawl check), or wait some seconds where it is mended"
        )
    if dag["is_paused"]:
        page = airflow.page_of(job)
        raise Stop(f"{job.id} is paused in Airflow: switch it on at {page}, and say this again")


def _import_error(airflow: Airflow, job: Job) -> str:
    """What its import errors say of the job's file."""
    errors = airflow.ask("GET", "/api/v2/importErrors")["import_errors"]
    lines = [line.strip() for error in errors for line in error["stack_trace"].splitlines()]
    mine = [printable(line) for line in lines if line.startswith(f"{job.file}:")]
    return f" ({'; '.join(mine)})" if mine else ""


@dataclass(frozen=True, slots=True)
class Known:
    """A run that Airflow has: its `id` and `state`; `own` where nobody changed by hand what it fetches."""

    id: str
    state: str
    own: bool

    @property
    def under_way(self) -> bool:
        """Whether it waits or goes on."""
        return self.state not in _ENDED


def known_runs(airflow: Airflow, job: Job, parts: Sequence[Part]) -> dict[datetime, Known]:
    """The runs that Airflow has in the span of windows, by the start of the interval."""
    if not parts:
        return {}
    asked = {
        "logical_date_gte": parts[0].interval.start.isoformat(),
        "logical_date_lte": parts[-1].interval.start.isoformat(),
        "order_by": "logical_date",
        "limit": _PAGE,
    }
    found: dict[datetime, Known] = {}
    offset = 0
    while True:
        page = airflow.ask("GET", f"{_dag(job)}/dagRuns?{urlencode({**asked, 'offset': offset})}")
        for run in page["dag_runs"]:
            known = Known(run["dag_run_id"], run["state"], not any((run["conf"] or {}).values()))
            found[_moment(run["logical_date"])] = known
        offset += len(page["dag_runs"])
        if not page["dag_runs"] or offset >= page["total_entries"]:
            return found


def create(
    airflow: Airflow,
    job: Job,
    parts: Sequence[Part],
    known: Mapping[datetime, Known],
    say: Callable[[str], None],
) -> None:
    """Have Airflow run exactly these windows; `known` are the runs it has, none of these under way.

    As one backfill, which a person can pause and cancel, where Airflow can be told so; else as a run each.
    `say` tells the person what is waited for. Raises Stop.
    """
    behaviour = behaviour_of(airflow, job, parts) if job.schedule.cron else None
    if behaviour is None:
        _one_by_one(airflow, job, parts, known)
        return
    body = _body(job, parts, behaviour)
    for attempt in range(_CLOSING):
        try:
            airflow.ask("POST", "/api/v2/backfills", body)
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            if _created(airflow, job, parts):
                return
            if _filling(airflow, job):
                break
        else:
            return
        if not attempt:
            say("Airflow has yet to close the backfill before, whose runs have ended: half a minute, mostly.")
        airflow.sleep(_MOMENT)
    raise Stop(
        f"a backfill of {job.id} is under way in Airflow, and there can be one at a time: see"
        f" {airflow.page_of(job)}, and say this again when it is done"
    )


def _created(airflow: Airflow, job: Job, parts: Sequence[Part]) -> bool:
    """Whether a try that seemed to fail has created the runs after all: none was under way before."""
    known = known_runs(airflow, job, parts)
    starts = [part.interval.start for part in parts]
    return all(start in known and known[start].under_way for start in starts)


def _filling(airflow: Airflow, job: Job) -> bool:
    """Whether a run of a backfill waits or goes on."""
    path = f"{_dag(job)}/dagRuns?run_type=backfill&state=queued&state=running&limit=1"
    return bool(airflow.ask("GET", path)["total_entries"])


def _body(job: Job, parts: Sequence[Part], behaviour: str) -> dict[str, object]:
    return {
        "dag_id": job.id,
        "from_date": parts[0].interval.start.isoformat(),
        "to_date": parts[-1].interval.start.isoformat(),
        "reprocess_behavior": behaviour,
        "max_active_runs": runs_at_once(job),
        "dag_run_conf": {},  # a run that was triggered with other values is the job's own again
    }


def behaviour_of(airflow: Airflow, job: Job, parts: Sequence[Part]) -> str | None:
    """How to tell Airflow to create exactly these runs; None where windows between them stay as they are.

    Raises Stop where Airflow has other windows than the job's file: it has not read that yet.
    """
    wanted = {part.interval.start for part in parts}
    most: set[datetime] = set()
    for behaviour in _BEHAVIOURS[1 if job.depends_on_past else 0 :]:
        answer = airflow.ask("POST", "/api/v2/backfills/dry_run", _body(job, parts, behaviour))
        most = {_moment(run["logical_date"]) for run in answer["backfills"]}
        if most == wanted:
            return behaviour
    if wanted - most:
        raise Stop(
            f"Airflow has other windows of {job.id} than {job.file}, which it has not read again yet: say"
            " this again in some seconds"
        )
    return None


def _one_by_one(airflow: Airflow, job: Job, parts: Sequence[Part], known: Mapping[datetime, Known]) -> None:
    by_hand = [run.id for part in parts if (run := known.get(part.interval.start)) and not run.own]
    if by_hand:
        raise Stop(
            f"a run by hand with other values has the date of a window to fill: delete"
            f" {printable(by_hand[0])} at {airflow.page_of(job)}, and say this again"
        )
    for part in parts:
        start = part.interval.start
        if run := known.get(start):
            path = f"{_dag(job)}/dagRuns/{quote(run.id, safe='')}/clear"
            airflow.ask("POST", path, {"dry_run": False})
            continue
        body = {
            "dag_run_id": f"trawl-backfill__{start.isoformat()}",
            "logical_date": start.isoformat(),
            "data_interval_start": start.isoformat(),
            "data_interval_end": part.interval.end.isoformat(),
        }
        try:
            airflow.ask("POST", f"{_dag(job)}/dagRuns", body)
        except Refused as error:
            if error.status != HTTPStatus.CONFLICT or not _created(airflow, job, [part]):
                raise


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the runs are, by the starts of their intervals. The rest is waiting."""

    total: int
    done: int
    running: int
    failed: tuple[datetime, ...]

    @property
    def over(self) -> bool:
        """Whether all have ended."""
        return self.done + len(self.failed) == self.total

    def __str__(self) -> str:
        failed = f", {len(self.failed):,} failed" if self.failed else ""
        return f"{self.done:,} of {self.total:,} done{failed}, {self.running:,} running"


def standing(parts: Sequence[Part], known: Mapping[datetime, Known]) -> Standing:
    """How far the runs of windows are."""
    states = {
        part.interval.start: known[part.interval.start].state
        for part in parts
        if part.interval.start in known
    }
    counts = list(states.values())
    failed = tuple(start for start, state in states.items() if state == "failed")
    return Standing(len(parts), counts.count("success"), counts.count("running"), failed)


def follow(airflow: Airflow, job: Job, parts: Sequence[Part], pause: float = 2.0) -> Iterator[Standing]:
    """How far the runs are, whenever that has changed, until all have ended; looks every `pause` seconds."""
    before = None
    while True:
        now = standing(parts, known_runs(airflow, job, parts))
        if now != before:
            yield now
        if now.over:
            return
        before = now
        airflow.sleep(pause)


def _dag(job: Job) -> str:
    return f"/api/v2/dags/{quote(job.id, safe='')}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
