"""Pages of X's own search, as its web page gets them: where they end, and the shape snscrape reads.

snscrape 0.7.0.20230622 reads the shape of June 2023. Since then the fields of a user have moved from
`legacy` to `core` and others beside it, and a tweet's `source` from `legacy` to the tweet (seen on
pages of July 2026). `to_2023` puts them back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

PATH: Final = ("data", "search_by_raw_query", "search_timeline", "timeline", "instructions")
"""Where the instructions of a search page are."""

_CURSORS: Final = ("cursor-", "sq-cursor-")
_FURNITURE: Final = (*_CURSORS, "toptabsrpusermodule-", "tweetdetailrelatedtweets-", "label-")
"""How the identifiers of entries begin that are parts of a web page and no posts."""


def instructions(page: Any) -> list[Any] | None:
    """What a search page tells a browser to do; None when the page is none."""
    value = page
    for key in PATH:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value if isinstance(value, list) else None


def entries(page: Any) -> Iterator[tuple[str, Any]]:
    """Identifier and entry of everything that is, or might be, a post."""
    for name, entry in _all_entries(page):
        if not name.startswith(_FURNITURE):
            yield name, entry


def bottom_cursor(page: Any) -> str | None:
    """What to ask with for the page below this one; None when the page names nothing."""
    found = None
    for name, entry in _all_entries(page):
        if not (name == "sq-cursor-bottom" or name.startswith("cursor-bottom-")):
            continue
        content = entry.get("content")
        if isinstance(content, Mapping):
            inner = content.get("itemContent")
            value = (inner if isinstance(inner, Mapping) else content).get("value")
            found = value if isinstance(value, str) and value else found
    return found


def _all_entries(page: Any) -> Iterator[tuple[str, Any]]:
    """Every entry. From the second page on, the cursors come as replacements of the first page's."""
    for instruction in instructions(page) or ():
        if not isinstance(instruction, Mapping):
            continue
        several = instruction.get("entries")
        for entry in several if isinstance(several, list) else (instruction.get("entry"),):
            if isinstance(entry, Mapping):
                yield str(entry.get("entryId", "")), entry


def to_2023(entry: Any) -> Any:
    """The same entry with everything where snscrape looks for it. Changes the entry itself.

    What no column comes from and its parser is strict about is left out: cards, edits, and the
    text of a quoted tweet, whose identifier stays.
    """
    match entry:
        case {"content": {"itemContent": {"tweet_results": {"result": dict(result)}}}}:
            _tweet(result)
        case {"content": {"items": list(items)}}:
            for item in items:
                match item:
                    case {"item": {"itemContent": {"tweet_results": {"result": dict(result)}}}}:
                        _tweet(result)
    return entry


def _tweet(result: dict[str, Any]) -> None:
    tweet = result.get("tweet") if result.get("__typename") == "TweetWithVisibilityResults" else result
    if not isinstance(tweet, dict):
        return
    tweet.setdefault("__typename", "Tweet")
    for strict in ("card", "vibe", "edit_control"):
        tweet.pop(strict, None)
    legacy = tweet.get("legacy")
    if isinstance(legacy, dict):
        if isinstance(tweet.get("source"), str):
            legacy.setdefault("source", tweet["source"])
        if "quoted_status_id_str" in legacy:
            tweet.pop("quoted_status_result", None)
        match legacy.get("retweeted_status_result"):
            case {"result": dict(reposted)}:
                _tweet(reposted)
    match tweet.get("core"):
        case {"user_results": {"result": dict(user)}}:
            _user(user)


def _user(user: dict[str, Any]) -> None:
    """Only what is needed to name the author; the rest of a user is not asked for by any column."""
    core = user.get("core")
    if not isinstance(core, dict):
        return
    user.setdefault("affiliates_highlighted_label", {})
    user.setdefault("is_blue_verified", None)
    user.pop("profile_image_shape", None)
    legacy = user.setdefault("legacy", {})
    for name in ("screen_name", "name", "created_at"):
        legacy.setdefault(name, core.get(name))
    legacy.setdefault("description", "")
    legacy.setdefault("location", "")
    legacy.setdefault("profile_image_url_https", "")
    legacy.setdefault("entities", {}).setdefault("description", {})
    for count in ("followers", "friends", "statuses", "favourites", "listed", "media"):
        legacy.setdefault(f"{count}_count", None)
