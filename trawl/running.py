"""`trawl run`: the same extract, transform and load outside Airflow, which can be stopped and goes on."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO

from etl_callables import extract, load, raw, transform
from etl_callables.errors import Overtaken, RetryLater, Stop
from etl_callables.manifest import read_manifest
from etl_callables.run import Kept, Run, prefix
from etl_callables.store import Missing, Store, open_store
from schemas.job import Job
from schemas.schedule import window_at, window_before
from trawl.connections import connections
from trawl.progress import Bar, Lines
from trawl.request import Asked, Overrides, ask, moment_of

_BLINK: Final = 0.2
"""Seconds after which a wait looks whether it should end."""


def request(job: Job, start: str | None, end: str | None, now: datetime) -> Asked:
    """What a run fetches: the last complete window, or what the two moments say, as in the trigger form.

    A moment without an offset is by the clocks of the job's zone. A `start` alone takes the window of the
    schedule that it is in, an `end` alone the last one before it. Raises NothingToDo, and Stop for what
    makes no sense.
    """
    since, until = moment_of(job, "--start", start), moment_of(job, "--end", end)
    try:
        interval = window_at(job.schedule, since) if since else window_before(job.schedule, until or now)
    except ValueError as error:
        raise Stop(f"{error}; choose another time") from None
    if since and until and since >= until:
        raise Stop(f"--start {start} is not before --end {end}")
    asked = ask(job, interval, Overrides(since, until))
    if not asked.variant and asked.window.end > now and job.date_range.each_run == "interval":
        raise Stop(
            f"the window of the schedule ends at {asked.window.end:%Y-%m-%d %H:%M} UTC only; its object would"
            " lack what is still to come. Give an --end before that to look at what is there"
        )
    return asked


def run_once(asked: Asked, run: Run, interruptible: Callable[[bool], None]) -> dict[str, Any]:
    """Extract, transform and load; goes on where an earlier run of the same was stopped.

    Where another run of the window is faster, its object is as good: it has asked the source since.
    `interruptible` is told when pages begin to be fetched, and when they are. Returns what load does.
    Raises RetryLater and Stop.
    """
    job, window = asked.job, asked.window
    extracted = _waiting(open_store(job, run), asked, run)
    if extracted is None:
        interruptible(True)
        try:
            extracted = extract(job, window, run)
        finally:
            interruptible(False)
    else:
        pages = extracted["pages"]
        count = "the only page is" if pages == 1 else f"all {pages:,} pages are"
        run.watch(Kept(pages, extracted["posts"], None, None))
        run.log.info("%s here from an earlier try", count)
    try:
        return load(job, window, run, transform(job, window, run, extracted))
    except Overtaken as other:
        run.log.warning("%s", other)
        return other.published


def _waiting(store: Store, asked: Asked, run: Run) -> dict[str, Any] | None:
    """What an extract of this very run fetched that was stopped before its object was published."""
    folder = prefix(asked.job, asked.window, run)
    wanted = raw.fingerprint(asked.job, asked.window, run)
    for attempt in reversed(raw.attempts(store, folder)):
        if attempt.done is None:
            continue
        try:
            done = raw.read_done(store, attempt.done)
        except Missing:  # another run has published since, and cleaned
            continue
        if done.fingerprint != wanted:
            continue
        manifest = read_manifest(store, folder)
        published = manifest is not None and manifest.raw.done == attempt.done
        if published or any(store.size(page) is None for page in done.pages):
            return None
        return {"raw": attempt.done, "pages": len(done.pages), "posts": done.posts}
    return None


@dataclass(slots=True)
class Patience:
    """What Ctrl-C does: while pages are fetched the first one lets the page under way be kept, and stops.

    The second, and the first at any other time, stops at once. `say` tells the person.
    """

    say: Callable[[str], None]
    fetching: bool = False
    stopping: bool = field(default=False, init=False)

    def switch(self, fetching: bool) -> None:
        """Whether pages are being fetched from now on; after the last one it may be time to stop."""
        self.fetching = fetching
        self.check()

    def interrupt(self, _number: int, _frame: object) -> None:
        """The signal's handler."""
        if not self.fetching or self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self.say("stopping once this page is kept; Ctrl-C again stops at once")

    def check(self) -> None:
        """Stop here, where that was asked."""
        if self.stopping:
            raise KeyboardInterrupt

    def sleep(self, seconds: float) -> None:
        """Wait, unless that is asked to end."""
        # In short steps: an event set by a handler could be held by the very wait that it interrupts.
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(_BLINK, left))
        self.check()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take Ctrl-C until the block ends."""
        before = signal.signal(signal.SIGINT, self.interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def run_job(job: Job, start: str | None, end: str | None, out: TextIO, width: Callable[[], int]) -> str:
    """Run a job, saying on `out` how far it is; the sentence to end with.

    Raises NothingToDo, Stop (also for what can be tried later) and KeyboardInterrupt.
    """
    asked = request(job, start, end, datetime.now(UTC))
    bar = Bar(out, asked.window, asked.job.limit, width, lambda: datetime.now(UTC)) if out.isatty() else None
    say = bar.above if bar else lambda text: print(text, file=out, flush=True)
    patience = Patience(say)
    log = logging.Logger("trawl.run")  # noqa: LOG001  of this run alone, below no other's handlers
    log.addHandler(Lines(say, logging.WARNING if bar else logging.INFO))

    fetched = False

    def watch(kept: Kept) -> None:
        nonlocal fetched
        fetched = fetched or kept.pages > 0
        if bar:
            bar.draw(kept)
        patience.check()

    run = Run(
        variant=asked.variant,
        connection=connections(Path(job.root)),
        sleep=patience.sleep,
        log=log,
        watch=watch,
    )
    try:
        with patience.listening():
            result = run_once(asked, run, patience.switch)
    except RetryLater as error:
        when = f" from {error.after:%Y-%m-%d %H:%M} UTC on" if error.after else " in a while"
        again = f"What is fetched is kept: run the same again{when}, and it goes on."
        raise Stop(f"{error} {again if fetched else f'Run the same again{when}.'}") from None
    finally:
        if bar:
            bar.clear()
    return f"{result['posts']:,} posts in {result['object']}\nmanifest: {result['manifest']}"
