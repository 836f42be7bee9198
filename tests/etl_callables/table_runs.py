"""Runs that write one table, killed or all at once: `python -m tests.etl_callables.table_runs kills 1`.

Processes are forked from this one, which has imported everything and does nothing itself. Prints what came of
it as JSON; `breaches` should be empty. `races 3` are three turns of each race.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy.dialects.sqlite  # noqa: F401 (what a step would import when it begins)

import etl_callables.sources.files  # noqa: F401
from etl_callables import load
from etl_callables.errors import Overtaken
from etl_callables.iceberg import Lake
from etl_callables.publishing import shown_by_tables
from etl_callables.run import Run, prefix
from etl_callables.store import open_store
from etl_callables.transformation import transform
from etl_callables.verification import verify
from schemas.job import Job
from schemas.window import Window
from tests.etl_callables.jobs import WINDOW, extracted, job, tweet

POINTS = {
    "copy",  # of the staged file to its place in the table
    "write_manifest",  # the table's, and ours
    "write_manifest_list",
    "_write_metadata",
    "commit_table",
    "commit",  # of the catalog's database, too
    "_delete_old_metadata",
    "holds",
    "clean",
    "expire",
}
"""Functions at whose beginning and end a run is killed, in modules of OURS."""

OURS = ("etl_callables", "pyiceberg", "sqlalchemy")


def table_job(folder: Path) -> Job:
    return job(folder, key="social/posts", format="iceberg")


def a_run() -> Run:
    return Run(now=lambda: datetime.now(UTC))


def staged(ours: Job, window: Window, posts: int) -> dict[str, Any]:
    """So many posts of a window, transformed."""
    bodies = [tweet(number, window.start + timedelta(seconds=number)) for number in range(posts)]
    return transform(ours, window, a_run(), extracted(ours, a_run(), [bodies], window=window))


def rows(ours: Job) -> dict[datetime, int]:
    """How many rows the table shows, by window."""
    found: dict[datetime, int] = {}
    with Lake(ours, open_store(ours, a_run()), a_run())._catalog() as catalog:  # noqa: SLF001
        table = catalog.load_table(ours.key.replace("/", "."))
        for row in table.scan(selected_fields=("_window_start",)).to_arrow().to_pylist():
            found[row["_window_start"]] = found.get(row["_window_start"], 0) + 1
    return found


def wrong(ours: Job) -> list[str]:
    """What a verification finds, the table's own view included."""
    store = open_store(ours, a_run())
    report = verify(
        store, datetime.now(UTC), shown=shown_by_tables({ours.id: ours}, store, a_run()), threads=1
    )
    return [str(finding) for finding in report.findings if finding.wrong]


def doubled(ours: Job) -> list[str]:
    """Snapshots, of all that there were, that show two files of one window."""
    found = []
    with Lake(ours, open_store(ours, a_run()), a_run())._catalog() as catalog:  # noqa: SLF001
        table = catalog.load_table(ours.key.replace("/", "."))
        for number, snapshot in enumerate(table.snapshots()):
            files = [task.file for task in table.scan(snapshot_id=snapshot.snapshot_id).plan_files()]
            if len({file.partition for file in files}) != len(files):
                found.append(f"snapshot {number} shows two files of a window")
    return found


def child(work: Callable[[], object]) -> int:
    """Work in a process of its own; its id."""
    one = os.fork()
    if one == 0:
        try:
            work()
        except BaseException as problem:  # noqa: BLE001 (a child must never return into its parent's code)
            sys.stderr.write(f"{type(problem).__name__}: {problem}\n")
            os._exit(1)
        os._exit(0)
    return one


def ended(one: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(one, 0)[1])


def asked(work: Callable[[], Any]) -> Any:
    """What work gives, in a process of its own, so that this one stays as it was."""
    read, write = os.pipe()

    def tell() -> None:
        os.write(write, json.dumps(work()).encode())

    one = child(tell)
    os.close(write)
    with os.fdopen(read) as answer:
        said = answer.read()
    assert ended(one) == 0
    return json.loads(said)


def dying(work: Callable[[], object], at: int) -> None:
    """Work, until the beginning or the end of a function of POINTS comes that is the `at`th."""
    passed = 0

    def watch(frame: Any, event: str, _argument: object) -> None:
        nonlocal passed
        if event in {"call", "return"} and frame.f_code.co_name in POINTS:
            if not any(
                part in frame.f_code.co_filename for part in ("etl_callables", "pyiceberg", "sqlalchemy")
            ):
                return
            passed += 1
            if passed == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    work()


def kills(folder: Path, step: int) -> dict[str, Any]:
    """A run that replaces a window is killed at every `step`th point; then it, or another one, goes on."""
    ours = table_job(folder)
    breaches: list[str] = []
    before, killed, at = 0, 0, 1 - step
    while True:
        at += step
        number = 10 + at
        given = asked(lambda number=number: staged(ours, WINDOW, number))  # type: ignore[misc]
        code = ended(child(lambda: dying(lambda: load(ours, WINDOW, a_run(), given), at)))  # noqa: B023
        if code == 0:
            break
        if code != -signal.SIGKILL:
            breaches.append(f"a run to be killed at {at} ended with {code}")
            break
        killed += 1
        seen = asked(lambda: sum(rows(ours).values()))
        if seen not in {before, number}:
            breaches.append(f"after a kill at {at} there were {seen} rows, not {before} or {number}")
        if killed % 2:
            number += 100  # another run, with other posts
            given = asked(lambda number=number: staged(ours, WINDOW, number))  # type: ignore[misc]
        if ended(child(lambda: load(ours, WINDOW, a_run(), given))):  # noqa: B023
            breaches.append(f"the run after a kill at {at} failed")
        seen = asked(lambda: sum(rows(ours).values()))
        if seen != number:
            breaches.append(f"after the run after a kill at {at} there were {seen} rows, not {number}")
        breaches += asked(lambda: wrong(ours))
        before = number
    return {"kills": killed, "breaches": breaches}


def races(folder: Path, turns: int) -> dict[str, Any]:
    """Four runs at once, of windows of their own, and of one window; the first ones make the table."""
    ours = table_job(folder)
    breaches: list[str] = []
    windows = [
        Window(WINDOW.start + n * timedelta(days=1), WINDOW.end + n * timedelta(days=1)) for n in range(4)
    ]
    for turn in range(turns):
        at = time.time() + 0.5

        def run(window: Window, posts: int, at: float = at) -> None:
            given = staged(ours, window, posts)
            time.sleep(max(0, at - time.time()))
            load(ours, window, a_run(), given)

        ones = [child(lambda w=w, n=n: run(w, 10 * turn + n)) for n, w in enumerate(windows, 1)]  # type: ignore[misc]  # noqa: B023
        breaches += [f"one of four runs ended with {code}" for code in map(ended, ones) if code]
        wanted = {window.start.isoformat(): 10 * turn + n for n, window in enumerate(windows, 1)}
        seen = asked(lambda: {start.isoformat(): count for start, count in rows(ours).items()})
        if seen != wanted:
            breaches.append(f"four windows at once: {seen}, not {wanted}")
    for turn in range(turns):
        at = time.time() + 0.5
        day = timedelta(days=10 + turn)  # nobody has written it yet
        window = Window(WINDOW.start + day, WINDOW.end + day)

        def race(posts: int, window: Window = window, at: float = at) -> None:
            with suppress(Overtaken):  # who gives way ends well
                run(window, posts, at)

        ones = [child(lambda n=n: race(50 + n)) for n in range(4)]  # type: ignore[misc]
        breaches += [f"one of four runs of a window ended with {code}" for code in map(ended, ones) if code]
        count = asked(lambda: rows(ours)[window.start])  # noqa: B023
        if count not in range(50, 54):
            breaches.append(f"one window four times at once, turn {turn}: {count} rows")
        breaches += asked(lambda: wrong(ours))
    breaches += asked(lambda: doubled(ours))
    return {"breaches": breaches, "manifest": (folder / prefix(ours, WINDOW, a_run())).exists()}


if __name__ == "__main__":
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="trawl-table-") as name:
        made = {"kills": kills, "races": races}[sys.argv[1]](Path(name), int(sys.argv[2]))
        print(json.dumps(made, indent=2))  # noqa: T201 - for whoever started it
