"""The comments of a YouTube video, newest first; and, where wanted, the replies to each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from etl_callables.errors import RetryLater, StaleCursor
from etl_callables.http import one_line
from etl_callables.sources import Page, Request
from etl_callables.sources.fields import moment
from etl_callables.sources.youtube_items import VIDEO
from etl_callables.sources.youtube_project import QUOTA, NoComment, Project

SIZE: Final = 100
"""Comments on a page at most."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to go on: first with the replies to `parents`, at `token` those to the first; then at `threads`.

    `threads` is the token of the next page of comments, empty for the first, None where there is none.
    """

    threads: str | None = ""
    parents: tuple[str, ...] = ()
    token: str = ""

    def __str__(self) -> str:
        threads = "-" if self.threads is None else f"+{self.threads}"
        return f"{threads}:{','.join(self.parents)}:{self.token}"

    @classmethod
    def parse(cls, text: str) -> _Place:
        threads, parents, token = text.split(":")
        return cls(
            None if threads == "-" else threads[1:], tuple(parents.split(",")) if parents else (), token
        )

    @property
    def is_end(self) -> bool:
        return self.threads is None and not self.parents


def comments(project: Project, request: Request, cursor: str | None) -> Iterator[Page]:
    """The comments of `options.video`, and with `options.replies` all replies to them, from `cursor` on.

    A reply may be much younger than its comment, so with replies every comment is looked at.
    """
    begun = place = _Place() if cursor is None else _Place.parse(cursor)
    with_replies = bool(request.options.get("replies"))
    while not place.is_end:
        try:
            body, place = (
                _replies(project, place, video_of(str(request.options["video"])))
                if place.parents
                else _threads(project, request, place, with_replies=with_replies)
            )
        except StaleCursor as problem:
            raise problem if place is begun else RetryLater(str(problem)) from problem
        yield Page((body,), None if place.is_end else str(place), cost=QUOTA.cost({"units": 1}))


def video_of(written: str) -> str:
    """The id of a video that is named by it or by an address, which ends in it."""
    return written[-11:]


def _threads(
    project: Project, request: Request, place: _Place, *, with_replies: bool
) -> tuple[bytes, _Place]:
    asked = {
        "part": "snippet,replies" if with_replies else "snippet",
        "videoId": video_of(str(request.options["video"])),
        "order": "time",
        "textFormat": "plainText",
        "maxResults": SIZE,  # not fewer for a small limit: the newest may lie after the window
        **({"pageToken": place.threads} if place.threads else {}),
    }
    answer = project.get("commentThreads", asked)
    items = answer.value["items"]
    following = answer.value.get("nextPageToken")  # a page may be empty though it is not the last one
    times = [when for item in items if (when := _published(item)) is not None]
    if not with_replies and times and max(times) < request.window.start:
        following = None
    parents = tuple(name for item in items if (name := _with_more(item))) if with_replies else ()
    return one_line(answer.body), _Place(str(following) if following else None, parents)


def _replies(project: Project, place: _Place, video: str) -> tuple[bytes, _Place]:
    """Replies by their comment, of which YouTube does not say to what video they belong: it is put first."""
    parent, *others = place.parents
    asked = {
        "part": "snippet",
        "parentId": parent,
        "textFormat": "plainText",
        "maxResults": SIZE,
        **({"pageToken": place.token} if place.token else {}),
    }
    try:
        answer = project.get("comments", asked)
        token, page = answer.value.get("nextPageToken"), one_line(answer.body)
    except NoComment:  # it was deleted since it was listed
        token, page = None, b'{"items":[]}'
    body = f'{{"{VIDEO}":{json.dumps(video)},'.encode() + page[1:]
    if token:
        return body, replace(place, token=str(token))
    return body, _Place(place.threads, tuple(others))


def _with_more(thread: Any) -> str | None:
    """The comment of a thread that has more replies than came with it."""
    try:
        there = int(thread["snippet"]["totalReplyCount"])
        given = len((thread.get("replies") or {}).get("comments") or ())
        return str(thread["snippet"]["topLevelComment"]["id"]) if there > given else None
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _published(thread: Any) -> datetime | None:
    try:
        return moment(thread["snippet"]["topLevelComment"]["snippet"]["publishedAt"])
    except (LookupError, TypeError, ValueError):
        return None
