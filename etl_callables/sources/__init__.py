"""Where posts come from: one module a provider, behind one protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import Any, Final, Protocol, cast

from etl_callables.cost import Cost, Purse
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from schemas.window import Window

SOURCES: Final[Mapping[str, Mapping[str, str]]] = {
    "archive": {"files": "etl_callables.sources.archive"},
    "bluesky": {"api": "etl_callables.sources.bluesky_api"},
    "hackernews": {"algolia": "etl_callables.sources.hackernews_algolia"},
    "lemmy": {"api": "etl_callables.sources.lemmy_api"},
    "mastodon": {"api": "etl_callables.sources.mastodon_api"},
    "reddit": {"api": "etl_callables.sources.reddit_api"},
    "rss": {"feed": "etl_callables.sources.rss_feed"},
    "telegram": {"snscrape": "etl_callables.sources.telegram_snscrape"},
    "twitter": {
        "x-api": "etl_callables.sources.twitter_x_api",
        "snscrape": "etl_callables.sources.twitter_snscrape",
    },
    "weibo": {"snscrape": "etl_callables.sources.weibo_snscrape"},
    "youtube": {"api": "etl_callables.sources.youtube_api"},
}
"""source -> provider (`via`) -> module; the first provider of a source is its default."""

PLATFORMS: Final = frozenset(SOURCES) - {"archive"}
"""What a post's `platform` can be: the source's name, but for an archive, which holds posts of others."""


ONE_AT_A_TIME: Final = frozenset({("rss", "feed")})
"""Sources without a past (`INCREMENTAL`): runs of a job share what they remember, so never two at once."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask a source for: posts that match `query`, created inside `window`.

    `limit` is how many posts the run will keep at most, None for all there are; a source may use
    it to ask for smaller pages, but it is `extract` that holds it exactly. `folder` is the absolute
    folder of the job's file. `credentials` are the values of the job's source connection, whose name
    `connection` has for messages. `memory` is the note that an incremental source left itself.
    `shared` is what parts of one request, asked for side by side, have in common, such as a rate or a
    login. A source that charges takes from the `purse` before it asks. `parts` says to whoever only counts in
    how many parts a run asks for the window.
    """

    query: str | None
    window: Window
    limit: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    credentials: Mapping[str, Any] = field(default_factory=dict)
    connection: str = ""
    memory: Mapping[str, Any] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict, compare=False)
    purse: Purse = field(default_factory=Purse)
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One answer of a source, as it came.

    `bodies` are JSON texts, each on a single line (a newline in JSON is only ever white space);
    `cursor` is what to ask with for the page after this one, None when this is the last;
    `truncated` says, on a last page, why the source ends before the window does, if it does; `cost`
    is what the answer cost, None where nothing does.
    """

    bodies: tuple[bytes, ...]
    cursor: str | None
    truncated: str | None = None
    cost: Cost | None = None


class Source(Protocol):
    """What a provider's module has. Modules satisfy this; nothing inherits from it.

    It may have besides: `PARALLEL`, how many windows may be asked for side by side (1); `SEEKS = False`,
    where a window in the past costs as much as all that is newer; `INCREMENTAL = True`, where there is no
    past to ask for (`etl_callables.extraction.Incremental`); `columns` (`transformation.Columnar`);
    `brief`, which is `posts` without what is slow to read of an item (text, links), for counting;
    `remind(request, cursor)`, which takes from the cursor of a page that a killed run kept what need not be
    asked again; `UNKEPT`, how many pages a killed run may have been given and not kept (0), for those that
    cost nothing.
    """

    PLATFORM: str
    """The value of `platform` in every post, or a word for several (`archive`)."""

    REPEATS: bool
    """Whether the other side may give the same posts for ever under ever new cursors. Where it cannot,
    as in a file, a page seen twice is data."""

    def version(self) -> str:
        """The name and version of what fetches, for the manifest: `snscrape 0.7.0.20230622`."""

    def pages(self, request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
        """The pages from `cursor` on (None: from the start), newest posts first if it can choose.

        Raises RetryLater and Stop, and nothing else for what the outside world does; of a cursor that leads
        nowhere any more, StaleCursor, before the first page.
        """

    def posts(self, body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
        """The items of one body. Pure: same body, same posts; no network, no clock."""


def source_for(name: str, via: str) -> Source:
    """The module that fetches `name` through `via`; KeyError where there is none."""
    return cast("Source", import_module(SOURCES[name][via]))
