"""A service for `extract`, as a process of its own: `python -m benchmarks.serving KIND POSTS LATENCY`.

KIND is `mastodon` (pages one after the other) or `hackernews` (parts side by side). LATENCY is in
seconds, before each answer. Pages are made before it listens, so that it costs as little as it can.
Prints its URL, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from schemas.window import Window
from tests.servers.hackernews import story
from tests.servers.made import Made, made
from tests.servers.mastodon import INSTANCE, name_of, status
from tests.servers.standin import Answer, Asked, StandIn

MONTH = Window(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))
PAGE = 40


def mastodon(posts: list[Made]) -> Callable[[Asked], Answer]:
    """A hashtag's timeline."""
    pages: dict[str, Answer] = {}
    before = name_of(Made(0, MONTH.end + timedelta(hours=1)))
    for at in range(0, len(posts) + 1, PAGE):
        shown = posts[at : at + PAGE]
        headers = {}
        if shown:
            where = f"https://x/?max_id={name_of(shown[-1])}"
            headers["Link"] = f'<{where}>; rel="next"'
        pages[before] = Answer(json.dumps([status(post) for post in shown]).encode(), headers=headers)
        before = name_of(shown[-1]) if shown else ""
    instance = Answer(json.dumps(INSTANCE).encode())
    return lambda asked: instance if asked.path.endswith("/instance") else pages[asked.query["max_id"]]


def hackernews(posts: list[Made]) -> Callable[[Asked], Answer]:
    """A search of which each day has one answer."""
    days: dict[int, list[Made]] = {}
    for post in posts:
        days.setdefault(post.seconds // 86_400, []).append(post)
    answers = {
        day: Answer(json.dumps({"hits": [story(post) for post in found], "nbHits": len(found)}).encode())
        for day, found in days.items()
    }
    empty = Answer(b'{"hits":[],"nbHits":0}')

    def answer(asked: Asked) -> Answer:
        start = int(asked.query["numericFilters"].partition(">=")[2].partition(",")[0])
        return answers.get(start // 86_400, empty)

    return answer


def main(kind: str, posts: int, latency: float) -> None:
    answer = {"mastodon": mastodon, "hackernews": hackernews}[kind](made(posts, MONTH))
    with StandIn(answer, latency=latency) as service:
        print(service.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
