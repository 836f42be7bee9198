"""Schedules: from words, presets and cron to exact windows in a time zone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job runs.

    `cron` is a five-field cron expression, or None for a job that only runs when asked;
    `timezone` an IANA name; `text` what the person wrote.
    """

    cron: str | None
    timezone: str = "UTC"
    text: str = ""
