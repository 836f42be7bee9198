"""YouTube's Data API as it answers a project: a search, what is known of videos, comments and replies."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import NOT_FOUND, Answer, Asked, Given

KEY = "a key"
CHANNEL = "UCmadeupmadeupmadeupmade"


def id_of(post: Made) -> str:
    """Eleven characters, as YouTube's are."""
    return f"vid{post.number:08}"


def error(status: int, reason: str, message: str = "no") -> Answer:
    """A refusal in Google's form."""
    said = {"message": message, "domain": "youtube", "reason": reason}
    body = {"error": {"code": status, "message": message, "errors": [said]}}
    return Answer(json.dumps(body).encode(), status)


def stamp(post: Made) -> str:
    return f"{post.created:%Y-%m-%dT%H:%M:%SZ}"


def snippet(post: Made) -> dict[str, Any]:
    name = id_of(post)
    return {
        "publishedAt": stamp(post),
        "channelId": CHANNEL,
        "title": post.text,
        "description": "and more of it",
        "thumbnails": {
            "default": {"url": f"https://i.ytimg.com/vi/{name}/default.jpg", "width": 120, "height": 90},
            "high": {"url": f"https://i.ytimg.com/vi/{name}/hqdefault.jpg", "width": 480, "height": 360},
        },
        "channelTitle": "Sample Ada",
        "liveBroadcastContent": "none",
    }


def video(post: Made) -> dict[str, Any]:
    """What is known of a video; counts are text."""
    return {
        "kind": "youtube#video",
        "etag": "made",
        "id": id_of(post),
        "snippet": {
            **snippet(post),
            "tags": ["covid"],
            "categoryId": "27",
            "localized": {"title": post.text, "description": "and more of it"},
            "defaultAudioLanguage": "en",
        },
        "statistics": {"viewCount": "1200", "likeCount": "57", "favoriteCount": "0", "commentCount": "3"},
    }


def comment(post: Made, parent: str = "") -> dict[str, Any]:
    """A comment, or the reply to one."""
    under = {"parentId": parent} if parent else {}
    return {
        "kind": "youtube#comment",
        "etag": "made",
        "id": f"{parent}.{post.number}" if parent else f"Ugx{post.number}",
        "snippet": {
            "channelId": CHANNEL,
            "videoId": "vid00000001",
            "textDisplay": post.text,
            "textOriginal": post.text,
            **under,
            "authorDisplayName": f"@{post.author}",
            "authorProfileImageUrl": "https://yt3.ggpht.com/made",
            "authorChannelUrl": f"http://www.youtube.com/@{post.author}",
            "authorChannelId": {"value": CHANNEL},
            "canRate": True,
            "viewerRating": "none",
            "likeCount": 57,
            "publishedAt": stamp(post),
            "updatedAt": stamp(post),
        },
    }


def without_video(made: dict[str, Any]) -> dict[str, Any]:
    """A comment as it is given to who asks by its parent."""
    return {**made, "snippet": {name: value for name, value in made["snippet"].items() if name != "videoId"}}


def thread(post: Made, replies: Sequence[Made] = (), shown: int = 5) -> dict[str, Any]:
    """A comment with the first of its replies."""
    first = comment(post)
    below = [comment(reply, first["id"]) for reply in replies[:shown]]
    return {
        "kind": "youtube#commentThread",
        "etag": "made",
        "id": first["id"],
        "snippet": {
            "channelId": CHANNEL,
            "videoId": "vid00000001",
            "topLevelComment": first,
            "canReply": True,
            "totalReplyCount": len(replies),
            "isPublic": True,
        },
        **({"replies": {"comments": below}} if below else {}),
    }


def server(
    posts: Sequence[Made],
    *,
    page: int,
    depth: int = 500,
    overlap: int = 0,
    loop: bool = False,
    item: Callable[[Made], Any] = video,
    replies: Sequence[Made] = (),
    at_too: bool = True,
) -> Callable[[Asked], Given]:
    """Answers over these posts, as videos and as comments, `page` at a time; each comment has `replies`.

    `at_too` is whether `publishedBefore` means that second too.
    """
    listed = newest_first(posts)
    by_id = {id_of(post): post for post in posts}

    def answer(asked: Asked) -> Given:
        if asked.headers.get("x-goog-api-key") != KEY:
            return error(400, "API_KEY_INVALID", "API key not valid. Please pass a valid API key.")
        what = asked.path.removeprefix("/youtube/v3/")
        if what == "videos":
            names = asked.query["id"].split(",")
            return {
                "kind": "youtube#videoListResponse",
                "etag": "made",
                "items": [item(by_id[name]) for name in names if name in by_id],
                "pageInfo": {"totalResults": len(names), "resultsPerPage": len(names)},
            }
        if what == "search":
            first, last = (moment(asked.query[name]) for name in ("publishedAfter", "publishedBefore"))
            last -= timedelta(seconds=0 if at_too else 1)
            found = [
                post for post in listed if first <= post.created <= last and asked.query["q"] in post.text
            ]
            return paged(asked, found[:depth], "youtube#searchListResponse", result)
        if what == "commentThreads":
            if asked.query["videoId"] != "vid00000001":
                return error(404, "videoNotFound")
            with_replies = "replies" in asked.query["part"]
            threads = [thread(post, replies, 5 if with_replies else 0) for post in listed]
            return paged(asked, threads, "youtube#commentThreadListResponse", lambda one, _: one)
        if what == "comments":
            parent = asked.query["parentId"]
            below = [without_video(comment(reply, parent)) for reply in replies]
            return paged(asked, below, "youtube#commentListResponse", lambda one, _: one)
        return NOT_FOUND

    def result(post: Made, asked: Asked) -> dict[str, Any]:
        full = {"snippet": snippet(post)} if asked.query["part"] == "snippet" else {}
        name = {"kind": "youtube#video", "videoId": id_of(post)}
        return {"kind": "youtube#searchResult", "etag": "made", "id": name, **full}

    def paged(
        asked: Asked, found: Sequence[Any], kind: str, shape: Callable[[Any, Asked], Any]
    ) -> dict[str, Any]:
        start = int(asked.query.get("pageToken", "P0")[1:])
        end = start + min(page, int(asked.query["maxResults"]))
        token = f"P{end}" if end < len(found) else "P0" if loop else None
        return {
            "kind": kind,
            "etag": "made",
            **({"nextPageToken": token} if token else {}),
            "regionCode": "DE",
            "pageInfo": {"totalResults": 1_000_000, "resultsPerPage": page},
            "items": [shape(one, asked) for one in found[max(0, start - overlap) : end]],
        }

    return answer


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
