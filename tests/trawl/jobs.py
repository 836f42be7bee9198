"""Jobs and moments for tests of what is done with them."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas.job import DateRange, Job
from schemas.schedule import Schedule


def utc(*parts: int) -> datetime:
    """An aware moment from year, month, day and so on."""
    return datetime(*parts, tzinfo=UTC)


def job(**changes: object) -> Job:
    """A small valid job, with some values changed."""
    values: dict[str, object] = {
        "id": "team.covid",
        "file": "pipelines/team/covid.yaml",
        "folder": "/p/pipelines/team",
        "root": "/p",
        "digest": "0" * 64,
        "text": "",
        "source": "archive",
        "via": "files",
        "bucket": "./bucket",
        "key": "covid/{date}.csv",
        "format": "csv",
        "compression": None,
        "columns": (),
        "schedule": Schedule("0 0 * * *", "UTC", "daily"),
        "query": "covid",
        "limit": 150,
        "date_range": DateRange(utc(2021, 7, 5), utc(2021, 7, 12)),
    }
    return Job(**{**values, **changes})
