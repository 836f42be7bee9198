"""Any Mastodon server, and those that speak its API: a hashtag, an account, a timeline, a search.

Pages go back in time by identifiers. Those of Mastodon itself begin with the millisecond in which a
post reached the server (`lib/mastodon/snowflake.rb`), so that a window in the past is found at once;
other servers are read back from their newest post.
API: https://docs.joinmastodon.org/methods/timelines/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlsplit

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import Client, one_line, rate_of, version
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.fields import count, identifier, items_of, moment, needed, text
from etl_callables.sources.markup import plain
from etl_callables.verdict import Answer, Service, said

PLATFORM: Final = "mastodon"
REPEATS: Final = True

RATE: Final = (300, 300.0)
"""Questions and seconds: what a server allows an address or an account unless it says otherwise."""

LATE: Final = timedelta(hours=1)
"""How long after it was written a post of another server may arrive and still be found in its window."""

UNKEPT: Final = 4

_SIZE: Final = 40
_OWN: Final = re.compile(r"[3-9][0-9]*[.][0-9]+")
"""Versions of Mastodon whose identifiers hold the time; other software says `(compatible; ...)`."""

__all__ = ["PLATFORM", "REPEATS", "UNKEPT", "brief", "pages", "posts", "version"]


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of up to 40 posts, newest first. A cursor is the identifier that the next page lies before."""
    token = _token(request)
    timeline = _Timeline(request, logged_in=token is not None)
    with Client.of(
        timeline.server,
        f"https://{timeline.server}",
        request,
        run,
        headers={"Authorization": f"Bearer {token}"} if token else {},
        shared=True,
        rate=rate_of(request, *RATE),
        judge=lambda answer: _judge(answer, request),
    ) as client:
        before = cursor if cursor is not None else _before(client, request.window.end)
        path, parameters = timeline.place(client)
        # Not fewer for a small limit: the newest posts asked for may lie after the window.
        asked = {"limit": _SIZE, **parameters}
        earliest = request.window.start - LATE
        while True:
            answer = client.get_json(path, {**asked, "max_id": before} if before else asked)
            found = _statuses(answer.value)
            if found is None:
                raise RetryLater(f"{timeline.server} sent no page of posts.")
            following = None if _is_over(found, earliest) else _older(answer.headers.get("link", ""), found)
            yield Page((one_line(answer.body),), following)
            if following is None:
                return
            before = following


def _token(request: Request) -> str | None:
    return text(request.credentials.get("password"))


class _Timeline:
    """What a job asks a server for: a search for its query, or what its options name."""

    def __init__(self, request: Request, *, logged_in: bool) -> None:
        options = request.options
        self.server = str(options["server"])
        self._query = (request.query or "").strip()
        self._options = options
        if self._query and not logged_in:
            raise Stop(
                f"{self.server} searches posts only for who has logged in: name a connection in the job's"
                " `source_connection` that has an access token as its password."
            )

    def place(self, client: Client) -> tuple[str, dict[str, Any]]:
        """The path of its pages, and what to ask with besides."""
        options = self._options
        if self._query:
            return "/api/v2/search", {"q": self._query, "type": "statuses"}
        if "hashtag" in options:
            return f"/api/v1/timelines/tag/{quote(str(options['hashtag']).lstrip('#'), safe='')}", {}
        if "timeline" in options:
            only = {"local": "true"} if options["timeline"] == "local" else {}
            return "/api/v1/timelines/public", only
        if "account" not in options:
            raise Stop(
                "Nothing says what to read: the job needs a hashtag, an account, a timeline or a query."
            )
        name = needed(identifier(self._account(client).get("id")), "id")
        left_out = {
            f"exclude_{what}": "true"
            for what, option in (("replies", "replies"), ("reblogs", "boosts"))
            if not options.get(option, True)
        }
        return f"/api/v1/accounts/{quote(name, safe='')}/statuses", left_out

    def _account(self, client: Client) -> Mapping[str, Any]:
        name = str(self._options["account"])
        answer = client.get_json("/api/v1/accounts/lookup", {"acct": name.lstrip("@")}, accept={404})
        if answer.status == 404:  # noqa: PLR2004
            raise Stop(
                f"{self.server} knows no account {name} (HTTP 404): correct the job's `options.account`, such"
                " as user or user@another.server."
            )
        if not isinstance(answer.value, dict) or not answer.value.get("id"):
            raise RetryLater(f"{self.server} sent no account.")
        return answer.value


def _judge(answer: Answer, request: Request) -> None:
    """A timeline that is closed to strangers answers 422 on some servers, which means 401."""
    if answer.status == 422 and "authenticated" in said(answer):  # noqa: PLR2004
        service = Service(str(request.options["server"]), request.connection)
        raise Stop(f"{service.name} shows this only to who has logged in (HTTP 422): {service.credentials}.")


def _before(client: Client, end: datetime) -> str | None:
    """The identifier before which a window's posts lie, where the server's identifiers hold times."""
    answer = client.get_json("/api/v2/instance", accept={404})
    software = answer.value.get("version") if isinstance(answer.value, dict) else None
    if not isinstance(software, str) or not _OWN.match(software) or "compatible" in software:
        return None
    return str(int((end + LATE).timestamp() * 1000) << 16)


def _statuses(value: Any) -> list[Any] | None:
    """The posts of a timeline's page, or of a search's."""
    found = value.get("statuses") if isinstance(value, dict) else value
    return found if isinstance(found, list) else None


def _is_over(found: list[Any], earliest: datetime) -> bool:
    """Whether a page lies wholly before the window."""
    times = []
    for status in found:
        try:
            times.append(moment(status["created_at"]))
        except (ValueError, TypeError, LookupError):
            return False
    return bool(times) and max(times) < earliest


def _older(link: str, found: list[Any]) -> str | None:
    """What the next page lies before: what the server says (RFC 8288), else the last identifier.

    Mastodon says nothing after a page of which it filtered something, though there may be more.
    """
    for address, relation in re.findall(r'<([^>]*)>\s*;\s*rel="?(\w+)', link):
        if relation == "next":
            return next(iter(parse_qs(urlsplit(address).query).get("max_id", ())), None)
    if not found or not isinstance(found[-1], dict):
        return None
    return identifier(found[-1].get("id"))


# --- reading ----------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts of a page."""
    return items_of(body, _statuses, lambda status: _post(status, fetched_at))


def brief(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The same posts without their texts and links."""
    return items_of(body, _statuses, lambda status: _post(status, fetched_at, whole=False))


def _post(status: dict[str, Any], fetched_at: datetime, *, whole: bool = True) -> Post | Skipped:
    account = status["account"]
    boosted = status.get("reblog")
    shown = boosted or status  # a boost has no content of its own
    html: str = shown.get("content") or ""
    content = plain(html if whole else html[:0])
    tags, mentions = shown.get("tags") or (), shown.get("mentions") or ()
    known = {one.get("url") for one in (*tags, *mentions)}
    quoted = status.get("quote") or {}
    return Post(
        platform=PLATFORM,
        id=needed(identifier(status.get("id")), "id"),
        url=text(status.get("url")) or text(status.get("uri")),
        author=text(account.get("acct")),
        author_name=text(account.get("display_name")),
        author_id=identifier(account.get("id")),
        created_at=moment(status["created_at"]),
        text="\n\n".join(part for part in (text(shown.get("spoiler_text")), content.text) if part) or None,
        lang=text(shown.get("language")),
        likes=count(status.get("favourites_count")),
        reposts=count(status.get("reblogs_count")),
        replies=count(status.get("replies_count")),
        quotes=count(status.get("quotes_count")),
        bookmarks=None,
        views=None,
        source_label=text((status.get("application") or {}).get("name")),
        conversation_id=None,
        in_reply_to=identifier(status.get("in_reply_to_id")),
        quoted=identifier((quoted.get("quoted_status") or {}).get("id") or quoted.get("quoted_status_id")),
        reposted=identifier(boosted.get("id")) if boosted else None,
        hashtags=tuple(tag["name"] for tag in tags),
        mentions=tuple(mention["acct"] for mention in mentions),
        urls=tuple(link for link in content.links if link not in known and not _is_tag(link, tags)),
        media=tuple(
            address
            for medium in shown.get("media_attachments") or ()
            if (address := text(medium.get("url")) or text(medium.get("remote_url")))
        ),
        scraped_at=fetched_at,
    )


def _is_tag(link: str, tags: Any) -> bool:
    """Whether a link is that of a hashtag, which has the address of the author's own server."""
    place = urlsplit(link).path.casefold()
    return any(place.endswith(f"/tags/{str(tag.get('name')).casefold()}") for tag in tags)
