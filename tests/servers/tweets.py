"""Invented tweets in the shapes that X's search page had: of June 2023, and of July 2026."""

from __future__ import annotations

from datetime import datetime
from typing import Any

_USER = {
    "description": "",
    "entities": {"description": {}},
    "followers_count": 1,
    "friends_count": 1,
    "statuses_count": 1,
    "favourites_count": 1,
    "listed_count": 1,
    "media_count": 1,
    "location": "",
    "profile_image_url_https": "",
}
_NAMES = {"screen_name": "sample_ada", "name": "Ada", "created_at": "Tue Mar 21 20:50:14 +0000 2006"}
_SOURCE = '<a href="https://example.org" rel="nofollow">Twitter Web App</a>'


def entry(number: int, moment: datetime, text: str = "covid") -> dict[str, Any]:
    """A tweet as of June 2023: everything in `legacy`."""
    result = {
        "__typename": "Tweet",
        "rest_id": str(number),
        "core": {
            "user_results": {
                "result": {
                    "__typename": "User",
                    "is_blue_verified": False,
                    "affiliates_highlighted_label": {},
                    "legacy": {**_USER, **_NAMES},
                }
            }
        },
        "legacy": {**_tweet(number, moment, text), "source": _SOURCE},
    }
    return _around(number, result)


def entry_2026(number: int, moment: datetime, text: str = "covid") -> dict[str, Any]:
    """A tweet as of July 2026: the author's name in `core`, `source` beside `legacy`."""
    user = {"__typename": "User", "rest_id": "7", "core": dict(_NAMES), "location": {"location": ""}}
    result = {
        "__typename": "Tweet",
        "rest_id": str(number),
        "core": {"user_results": {"result": user}},
        "legacy": _tweet(number, moment, text),
        "source": _SOURCE,
        "views": {"count": "12", "state": "EnabledWithCount"},
    }
    return _around(number, result)


def _tweet(number: int, moment: datetime, text: str) -> dict[str, Any]:
    return {
        "id_str": str(number),
        "user_id_str": "7",
        "full_text": text,
        "entities": {},
        "created_at": moment.strftime("%a %b %d %H:%M:%S +0000 %Y"),
        "reply_count": 0,
        "retweet_count": 1,
        "favorite_count": number,
        "quote_count": 0,
        "conversation_id_str": str(number),
        "lang": "en",
    }


def _around(number: int, result: dict[str, Any]) -> dict[str, Any]:
    item = {"itemType": "TimelineTweet", "tweet_results": {"result": result}}
    return {
        "entryId": f"tweet-{number}",
        "content": {"entryType": "TimelineTimelineItem", "itemContent": item},
    }
