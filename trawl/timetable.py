"""When a job runs and which window each run gets, as Airflow asks for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from pendulum import DateTime, instance

from schemas.job import Job
from schemas.schedule import Schedule, describe, window_at, window_before, window_from
from schemas.window import Window


class ScrapeTimetable(Timetable):
    """Explicit windows: the calendar interval between two fire times in the job's zone.

    The window of a date is the same for scheduled, backfilled, manual and `dags test` runs: the
    interval that holds it, or the last complete one where that interval has not ended yet.
    Decoding is cheap on purpose: a scheduler decodes every DAG's timetable again and again.
    """

    def __init__(
        self, schedule: Schedule, since: datetime | None, until: datetime | None, description: str
    ) -> None:
        self._schedule = schedule
        self._since = since
        self._until = until
        self.description = description
        self.can_be_scheduled = self.periodic = schedule.cron is not None

    @classmethod
    def of(cls, job: Job) -> Self:
        """The timetable of a job: over its range, and on after it where each run takes all of that.

        The range is not told Airflow as start and end dates: it would create a run by hand before a
        start date without any tasks and call it a success.
        """
        until = job.date_range.until if job.date_range.each_run == "interval" else None
        return cls(job.schedule, job.date_range.since, until, describe(job.schedule))

    @property
    def summary(self) -> str:
        return self._schedule.text or self._schedule.cron or "manual"

    def serialize(self) -> dict[str, Any]:
        return {
            "cron": self._schedule.cron,
            "timezone": self._schedule.timezone,
            "text": self._schedule.text,
            "since": _stored(self._since),
            "until": _stored(self._until),
            "description": self.description,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        return cls(
            Schedule(data["cron"], data["timezone"], data["text"]),
            _restored(data["since"]),
            _restored(data["until"]),
            data["description"],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScrapeTimetable) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._schedule, self._since, self._until))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Itself: nothing in it changes, and DAG builders copy whatever they are handed."""
        return self

    def window_of(self, moment: datetime) -> Window:
        """The window that holds `moment` if it has ended, else the last one that has."""
        now = datetime.now(UTC)
        window = window_at(self._schedule, moment)
        return window if window.end <= now else window_before(self._schedule, now)

    def infer_manual_data_interval(self, *, run_after: DateTime) -> DataInterval:
        return _interval(self.window_of(run_after))

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        if self._schedule.cron is None:
            return None
        candidates = []
        if self._since is not None:
            candidates.append(window_at(self._schedule, self._since))
        if last_automated_data_interval is not None:
            # The last run's end is a boundary unless the schedule was edited meanwhile; then the
            # next window is the first whole one of the new schedule that repeats nothing.
            candidates.append(window_from(self._schedule, last_automated_data_interval.end))
        if restriction.earliest is not None:
            candidates.append(window_from(self._schedule, restriction.earliest))
        if not restriction.catchup:
            candidates.append(window_before(self._schedule, datetime.now(UTC)))
        if not candidates:
            return None
        window = max(candidates)
        latest = restriction.latest
        if (latest and window.start > latest) or (self._until and window.start >= self._until):
            return None
        start, end = _interval(window)
        return DagRunInfo.interval(start=start, end=end)


def _stored(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _restored(stored: float | None) -> datetime | None:
    return None if stored is None else datetime.fromtimestamp(stored, UTC)


def _interval(window: Window) -> DataInterval:
    return DataInterval(instance(window.start), instance(window.end))
