"""YouTube through its Data API: videos found by a search, or the comments of a video.

It is asked with httpx: Google's client builds itself from a description that it fetches first, and gives
values, not the answer as it came. What counts here is the quota: in 2026 a project has so many
searches and units a day (`depths.py`), until midnight in California. A search ends near 500 videos, so
it is asked again up to the oldest of them.
API: https://developers.google.com/youtube/v3/docs, determine_quota_cost for the quota.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from etl_callables.errors import Stop
from etl_callables.http import version
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.youtube_comments import comments
from etl_callables.sources.youtube_items import PLATFORM, posts
from etl_callables.sources.youtube_project import Project
from etl_callables.sources.youtube_search import search

REPEATS: Final = True

__all__ = ["PLATFORM", "REPEATS", "pages", "posts", "version"]


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of a search, each two answers, what was found and what is known of it; or of comments."""
    with Project(request, run) as project:
        if request.options.get("video"):
            yield from comments(project, request, cursor)
        elif request.query:
            yield from search(project, request, cursor)
        else:
            raise Stop("YouTube needs a `query`, or a `video` in `options`.")
