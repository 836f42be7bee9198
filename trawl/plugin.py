"""What Airflow must know by name: the timetable, or it could not decode our DAGs."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from trawl.timetable import ScrapeTimetable


class TrawlPlugin(AirflowPlugin):
    """Registered through the `airflow.plugins` entry point in pyproject.toml."""

    name = "trawl"
    timetables = [ScrapeTimetable]  # noqa: RUF012 (Airflow's own declaration)
