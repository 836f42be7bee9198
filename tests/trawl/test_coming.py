"""The runs that a plan lists, and the gap it warns of, are those of the timetable that Airflow asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.timetables.base import DataInterval, TimeRestriction
from hypothesis import given, settings
from hypothesis import strategies as st
from pendulum import instance

from schemas.job import DateRange, EachRun, Job
from schemas.schedule import Schedule, parse_schedule
from schemas.window import Window
from schemas.zone import zone
from tests.trawl.jobs import job
from trawl.coming import last_end
from trawl.plan.changes import Change
from trawl.plan.forecast import RUNS, forecast
from trawl.plan.remark import Remark
from trawl.plan.remarks import Surroundings, remarks
from trawl.request import own_window
from trawl.timetable import ScrapeTimetable

LONGEST = timedelta(days=70)
"""Before so long every schedule here has begun a window that is over."""

_CLOCK = st.times().map(lambda time: f"{time:%H:%M}")
SCHEDULES = st.one_of(
    st.builds("daily at {}".format, _CLOCK),
    st.builds("weekdays at {}".format, _CLOCK),
    st.builds("weekly on {} at {}".format, st.sampled_from(["sunday", "tuesday", "friday"]), _CLOCK),
    st.builds("monthly on {} at {}".format, st.integers(1, 28), _CLOCK),
    st.builds("{} * * * *".format, st.integers(0, 59)),
    st.sampled_from(["hourly", "every 6 hours", "every 30 minutes", "daily"]),
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"])
WHEN = st.builds(parse_schedule, SCHEDULES, ZONES)
MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001  aware by the strategy
HOURS = st.integers(-24 * 40, 24 * 5).map(lambda hours: timedelta(hours=hours))


@st.composite
def ranges(draw: st.DrawFn, now: datetime, *, begins: bool) -> DateRange:
    """A date range about now; with a beginning where `begins`."""
    since = now + draw(HOURS) if begins or draw(st.booleans()) else None
    length = timedelta(hours=draw(st.integers(1, 24 * 50)))
    until = (since or now + draw(HOURS)) + length if draw(st.booleans()) else None
    return DateRange(since, until)


def made(
    table: ScrapeTimetable, last: DataInterval | None, count: int, *, catchup: bool
) -> list[DataInterval]:
    """The intervals that the scheduler asks the timetable for, one after the other."""
    found: list[DataInterval] = []
    restriction = TimeRestriction(None, None, catchup)
    while len(found) < count:
        info = table.next_dagrun_info(
            last_automated_data_interval=found[-1] if found else last, restriction=restriction
        )
        if info is None or info.data_interval is None:
            break
        found.append(info.data_interval)
    return found


def last_of(one: Job, now: datetime) -> DataInterval | None:
    """The last interval that its timetable has had a run made of by `now`."""
    table, last = ScrapeTimetable.of(one), None
    restriction = TimeRestriction(instance(now - LONGEST), None, catchup=True)
    while (
        info := table.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
    ) is not None and info.run_after <= now:
        last = info.data_interval
    return last


def told(before: Job, after: Job, now: datetime) -> tuple[list[tuple[datetime | None, Window]], list[Remark]]:
    """When the runs that a plan lists start and what they take, and what it says about a gap."""
    ahead = forecast(after, now, last=last_end(before, now))
    change = Change("edited", after.id, after.file, before, after)
    said = remarks(change, ahead, Surroundings(frozenset(), {}), now)
    runs = [] if ahead.over else [(run.moment, run.window) for run in ahead.runs]
    return runs, [remark for remark in said if remark.kind == "gap"]


def agree(before: Job, after: Job, now: datetime) -> None:
    last = last_of(before, now)
    listed, gaps = told(before, after, now)
    intervals = made(ScrapeTimetable.of(after), last, RUNS, catchup=after.backfill)
    windows = [Window(interval.start, interval.end) for interval in intervals]
    assert listed == [(window.end, own_window(after, window)) for window in windows]
    span = after.date_range
    endless = ScrapeTimetable(after.schedule, span.since, None, "")
    (first,) = made(endless, last, 1, catchup=after.backfill)
    nothing = None
    if last is not None and span.each_run == "interval":
        taken = min(last.end, before.date_range.until or last.end)
        nothing = Window(taken, first.start).clip(span.since, span.until) if first.start > taken else None
    assert [str(gap) for gap in gaps] == ([] if nothing is None else [gap_of(nothing, after)])


def gap_of(window: Window, after: Job) -> str:
    here = zone(after.schedule.timezone)
    span = " to ".join(f"{end.astimezone(here):%Y-%m-%d %H:%M}" for end in (window.start, window.end))
    text = f"between the last run so far and the first after this change, nothing takes {span}"
    return f"{text} ({after.schedule.timezone})"


@settings(max_examples=100)
@given(st.data(), MOMENTS, WHEN, WHEN)
def test_a_job_with_backfill_goes_on_where_the_old_schedule_ended_as_its_plan_says(
    data: st.DataObject, now: datetime, old: Schedule, new: Schedule
) -> None:
    before = job(schedule=old, key="{start}.csv", date_range=data.draw(ranges(now, begins=False)))
    span = data.draw(ranges(now, begins=True))
    agree(before, job(schedule=new, key="{start}.csv", date_range=span, backfill=True), now)


@settings(max_examples=100)
@given(st.data(), WHEN, WHEN, st.sampled_from(["interval", "whole"]))
def test_a_job_without_backfill_goes_on_with_the_last_window_or_a_later_one_as_its_plan_says(
    data: st.DataObject, old: Schedule, new: Schedule, each_run: EachRun
) -> None:
    """The timetable looks at the clock here, and so the moment is now."""
    now = datetime.now(UTC)
    before = job(schedule=old, key="{start}.csv", date_range=data.draw(ranges(now, begins=False)))
    span = data.draw(ranges(now, begins=each_run == "whole"))
    span = DateRange(span.since, span.until, each_run)
    agree(before, job(schedule=new, key="{start}.csv", date_range=span), now)
