"""Every source under test: one module each, which has its `CASE`."""

from __future__ import annotations

from importlib import import_module

from tests.sources.conformance.case import Case

MODULES = {
    ("archive", "files"): "archive_files",
    ("bluesky", "api"): "bluesky_api",
    ("hackernews", "algolia"): "hackernews_algolia",
    ("lemmy", "api"): "lemmy_api",
    ("mastodon", "api"): "mastodon_api",
    ("reddit", "api"): "reddit_api",
    ("rss", "feed"): "rss_feed",
    ("telegram", "snscrape"): "telegram_snscrape",
    ("twitter", "x-api"): "twitter_x_api",
    ("twitter", "snscrape"): "twitter_snscrape",
    ("weibo", "snscrape"): "weibo_snscrape",
    ("youtube", "api"): "youtube_api",
}
"""(source, via) -> module of this folder."""


def case_of(source: str, via: str) -> Case:
    case: Case = import_module(f"tests.sources.conformance.{MODULES[source, via]}").CASE
    assert (case.source, case.via) == (source, via)
    return case


CASES = [case_of(*name) for name in MODULES]
