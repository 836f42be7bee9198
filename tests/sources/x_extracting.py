"""An extract from X as a process that can be killed: `python -m tests.sources.x_extracting URL BUCKET`.

Asks a stand-in for all posts of sample_ada; the clock is an hour after its newest post's day.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime

from etl_callables import extract
from etl_callables.run import Run
from schemas.job import MaxCost
from schemas.window import Window
from tests.etl_callables.jobs import job

DAY = Window(datetime(2026, 7, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))
NOW = datetime(2026, 7, 6, 1, tzinfo=UTC)


if __name__ == "__main__":
    url, bucket, token = sys.argv[1:]
    asked = job(
        bucket,
        source="twitter",
        via="x-api",
        options={"user": "sample_ada"},
        source_connection="x_api",
        max_cost=MaxCost(month=100.0),
    )
    run = Run(connection=lambda _: {"host": url, "password": token}, now=lambda: NOW)
    print(json.dumps(extract(asked, DAY, run)))  # noqa: T201 - for the test that started it
