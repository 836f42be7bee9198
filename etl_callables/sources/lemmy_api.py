"""Any Lemmy server: the posts or comments of a community, or a search.

Lists come newest first and know no dates, so a window in the past is reached through all that is newer.
API: https://join-lemmy.org/docs/contributors/04-api.html (version 3 of it, Lemmy 0.18 and 0.19)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from etl_callables.errors import RetryLater, StaleCursor, Stop
from etl_callables.http import Client, one_line, rate_of, version
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.fields import count, identifier, items_of, moment, needed, text
from etl_callables.verdict import Answer, Unhelpful, said

PLATFORM: Final = "lemmy"
REPEATS: Final = True
SEEKS: Final = False

RATE: Final = (60, 600.0)
"""Questions and seconds: the searches that servers allow an address unless they say otherwise."""

UNKEPT: Final = 4

_SIZE: Final = 50

__all__ = ["PLATFORM", "REPEATS", "SEEKS", "pages", "posts", "version"]


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of up to 50 items, newest first. A cursor is a server's own, or the number of a page."""
    server = str(request.options["server"])
    items = str(request.options.get("items", "posts"))
    path, asked = _place(request, items)
    with Client.of(
        server, f"https://{server}", request, run, rate=rate_of(request, *RATE), judge=_judge
    ) as client:
        # What an earlier try's cursor leads to may have been purged since: then no list goes on there.
        refusals = {400, 404} if "page_cursor" in _turn(cursor) else set()
        while True:
            answer = client.get_json(path, {**asked, **_turn(cursor)}, accept=refusals)
            if answer.status in refusals:
                raise StaleCursor(f"{server} knows no more where the list was (HTTP {answer.status}).")
            refusals = set()
            found = _found(answer.value)
            if found is None:
                raise RetryLater(f"{server} sent no page of {items}.")
            cursor = None if _is_over(found, request.window.start) else _next(answer.value, found, cursor)
            yield Page((one_line(answer.body),), cursor)
            if cursor is None:
                return


def _place(request: Request, items: str) -> tuple[str, dict[str, Any]]:
    """The path of what a job asks for, and what to ask with besides."""
    asked: dict[str, Any] = {"sort": "New", "limit": _SIZE, "type_": "All"}
    community = request.options.get("community")
    if community:
        asked["community_name"] = str(community).lstrip("!")
    if request.query:
        return "/api/v3/search", {
            **asked,
            "q": request.query,
            "type_": items.capitalize(),
            "listing_type": "All",
        }
    if not community:
        raise Stop("Nothing says what to read: the job needs `options.community` or a `query`.")
    return f"/api/v3/{items.removesuffix('s')}/list", asked


def _turn(cursor: str | None) -> dict[str, Any]:
    if cursor is None:
        return {}
    return {"page": int(cursor)} if cursor.isdecimal() else {"page_cursor": cursor}


def _next(value: Any, found: list[Any], cursor: str | None) -> str | None:
    """What to ask with for the page after: what the server says, or else the next number."""
    following = value.get("next_page")
    if isinstance(following, str) and following and not following.isdecimal():
        return following
    if not found or (cursor is not None and not cursor.isdecimal()):
        return None
    return str(int(cursor or 1) + 1)


def _judge(answer: Answer) -> None:
    """Too many questions are a bad one, as Lemmy puts it."""
    if "rate_limit" in said(answer):
        raise Unhelpful(f"{urlsplit(answer.url).netloc} has had enough questions for now.")


def _is_over(found: list[Any], start: datetime) -> bool:
    """Whether a page lies wholly before the window."""
    try:
        times = [moment((item.get("comment") or item["post"])["published"]) for item in found]
    except (ValueError, TypeError, LookupError, AttributeError):
        return False
    return bool(times) and max(times) < start


# --- reading ----------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts or comments of a page."""
    return items_of(body, _found, lambda item: _post(item, fetched_at))


def _found(value: Any) -> list[Any] | None:
    """The items of a list, or of a search, which has a list of each kind."""
    if not isinstance(value, dict):
        return None
    kinds = [value[name] for name in ("posts", "comments") if isinstance(value.get(name), list)]
    return [item for items in kinds for item in items] if kinds else None


def _post(item: Mapping[str, Any], fetched_at: datetime) -> Post | Skipped:
    comment = item.get("comment")
    shown, thread = comment or item["post"], item["post"]
    name = f"{'comment' if comment else 'post'}/{needed(identifier(shown.get('id')), 'id')}"
    if shown.get("removed") or shown.get("deleted"):
        return Skipped("unavailable", name)
    counts, creator = item["counts"], item["creator"]
    parts: Iterable[Any] = [shown.get("content")] if comment else [shown.get("name"), shown.get("body")]
    link = None if comment else text(shown.get("url"))
    return Post(
        platform=PLATFORM,
        id=name,
        url=text(shown.get("ap_id")),
        author=_account(creator),
        author_name=text(creator.get("display_name")),
        author_id=identifier(creator.get("id")),
        created_at=moment(shown["published"]),
        text="\n\n".join(part for part in map(text, parts) if part) or None,
        lang=None,
        likes=count(counts.get("upvotes")),
        reposts=None,
        replies=count(counts.get("child_count" if comment else "comments")),
        quotes=None,
        bookmarks=None,
        views=None,
        source_label=None,
        conversation_id=f"post/{thread['id']}",
        in_reply_to=_answered(comment) if comment else None,
        quoted=None,
        reposted=None,
        hashtags=None,
        mentions=None,
        urls=(link,) if link else (),
        media=None,
        scraped_at=fetched_at,
    )


def _account(creator: Mapping[str, Any]) -> str | None:
    """The name of an account, with its server where that is another one."""
    name = text(creator.get("name"))
    home = urlsplit(str(creator.get("actor_id") or "")).netloc
    return name if name is None or creator.get("local", True) or not home else f"{name}@{home}"


def _answered(comment: Mapping[str, Any]) -> str:
    """What a comment answers: of its path, `0.12.15`, the last but one; a post where that is the root."""
    *_, parent, _own = ["0", *str(comment.get("path") or "").split(".")]
    return f"comment/{parent}" if parent != "0" else f"post/{comment['post_id']}"
