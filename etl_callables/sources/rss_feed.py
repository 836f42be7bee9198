"""Feeds: RSS of any version, Atom and JSON Feed.

A feed holds its newest entries and cannot be asked for older ones, so a job remembers what it took
(`etl_callables.memory`): each run takes what no run before it did, up to the end of its window. ETag
and Last-Modified are sent back, so that a feed that has not changed costs a line. Where a feed holds
nothing any more of what it held before, entries in between may be missing, and the manifest says so.

XML is read by feedparser, which reads what is not quite XML too; JSON Feed (jsonfeed.org) here.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import feedparser

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import Client, address, decode
from etl_callables.http import version as version_with
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request
from etl_callables.sources.feed_names import Signs, name_of, shared, unique
from etl_callables.sources.feed_text import text_of
from etl_callables.sources.feed_times import moment_of
from etl_callables.sources.fields import identifier, items_of, text
from etl_callables.sources.markup import Plain, absolute, mended, plain
from etl_callables.sources.words import Words, parse
from etl_callables.url import shown, veiled
from etl_callables.verdict import Answer

PLATFORM: Final = "rss"
REPEATS: Final = False
INCREMENTAL: Final = True
SEEKS: Final = False

_ROOT: Final = re.compile(rb"<(?:\w+:)?(rss|feed|rdf)\b", re.IGNORECASE)
_END: Final = re.compile(rb"</(?:\w+:)?(?:rss|feed|rdf)\s*>|<(?:\w+:)?feed\b[^>]*/>", re.IGNORECASE)
_BASE: Final = re.compile(r"""\bxml:base\s*=\s*("[^"<]*"|'[^'<]*')""")
_COMMENT: Final = re.compile(rb"<!--.*?(?:-->|\Z)", re.DOTALL)
_NEAR: Final = 4096
"""Bytes in which a feed begins, and in which it ends, but for comments around it."""

_FAR: Final = 1 << 18
"""Bytes that are looked through with the comments."""

_NOT_MODIFIED: Final = 304
_TIMES: Final = ("published", "updated", "created")
_JSON_TIMES: Final = ("date_published", "date_modified")


def version() -> str:
    return version_with("feedparser")


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """A page a feed; a cursor is the numbers of those still to ask. A feed that has not changed has no body.

    A feed that cannot be read takes nothing from the others: it is left for the end, where a refusal
    is told in `truncated`. Raises RetryLater where that may pass, and Stop where all feeds refuse.
    """
    parse(request.query)  # what is wrong with it is told before anything is asked
    feeds = feeds_of(request.options)
    logins = _logins(feeds, request)
    waiting = [int(number) for number in cursor.split(",")] if cursor else list(range(len(feeds)))
    failed: dict[int, RetryLater | Stop] = {}
    while waiting:
        number = waiting.pop(0)
        known = request.memory.get(feeds[number], {})
        try:
            answer = _ask(feeds[number], known, logins.get(feeds[number]), request, run)
        except (RetryLater, Stop) as problem:
            failed[number] = problem
            run.log.warning("%s Its entries are missing as long as it cannot be read.", problem)
            continue
        following = ",".join(map(str, [*waiting, *failed])) or None
        if answer.status == _NOT_MODIFIED:
            yield Page((), following)
            continue
        body = _body(feeds[number], answer, request.query, known.get("untold", ()))
        yield Page((body,), following, _gap(feeds[number], known.get("ids", ()), _held(body)))
    if failed:
        yield Page((), None, _missing(failed.values(), of=len(feeds)))


def _gap(feed: str, before: Iterable[str], held: _Held) -> str | None:
    """What is missing where a feed moved on beyond all that it held before, as far as can be told."""
    now = {*held.names, *(unique(one, veiled(feed)) for one in held.untold)}
    if not before or not held.names or not now.isdisjoint(before):
        return None
    return f"{shown(feed)} holds nothing of what it held before: entries in between may be missing"


def _missing(problems: Collection[RetryLater | Stop], *, of: int) -> str:
    """What is missing without the feeds that refuse, where others do not; else raises."""
    passing = [problem for problem in problems if isinstance(problem, RetryLater)]
    if passing:
        raise max(passing, key=lambda problem: problem.after or datetime.min.replace(tzinfo=UTC))
    if len(problems) == of:
        raise next(iter(problems))
    return "; ".join(f"a feed could not be read: {str(problem).rstrip('.')}" for problem in problems)


def _logins(feeds: Sequence[str], request: Request) -> dict[str, str]:
    """The head that logs in, by feed: for those of the connection's host alone, or of their only one."""
    login, password = request.credentials.get("login"), request.credentials.get("password")
    if not (login and password):
        return {}
    places = {feed: _place(feed.partition("?")[0]) for feed in feeds}
    home = address(request.credentials, "")
    if home:
        own = [feed for feed, place in places.items() if place == _place(home)]
        if not own:
            raise Stop(
                f"The login of the connection {request.connection} is for {shown(home)}, where none of the"
                " job's feeds is: correct its host, or `options.feeds`."
            )
    else:
        own = list(places)
        if len(set(places.values())) > 1:
            raise Stop(
                f"The job's feeds are of several hosts, and nothing says to which of them the login of the"
                f" connection {request.connection} belongs: write it into the connection's host."
            )
    for feed in own:
        address({"host": feed.partition("?")[0], "password": password}, "")  # not over the network in clear
    head = f"Basic {base64.b64encode(f'{login}:{password}'.encode()).decode()}"
    return dict.fromkeys(own, head)


def _place(written: str) -> tuple[str | None, int]:
    """Host and port of an address."""
    parts = urlsplit(address({"host": written}, ""))
    return parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]


def feeds_of(options: Mapping[str, Any]) -> list[str]:
    """The addresses that a job names, each once."""
    feeds = options["feeds"]
    return list(dict.fromkeys([feeds] if isinstance(feeds, str) else feeds))


def remember(bodies: Sequence[bytes], *, rest: bool) -> dict[str, Any]:
    """By feed: what to ask with next time, and the entries it holds."""
    note: dict[str, Any] = {}
    for body in bodies:
        value = decode(body)
        validators = {name: value[name] for name in ("etag", "modified") if value.get(name) and not rest}
        held = _held(body)
        untold = {"untold": sorted(held.untold)} if held.untold else {}
        note[value["feed"]] = {**validators, "ids": held.names, **untold}
    return note


def _ask(feed: str, known: Mapping[str, Any], login: str | None, request: Request, run: Run) -> Answer:
    conditions = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("modified")}
    headers = {"Accept": "application/atom+xml, application/rss+xml, application/feed+json, */*;q=0.5"}
    if login:
        headers["Authorization"] = login
    with Client.of(f"The feed {shown(feed)}", "", request, run, headers=headers, follow=True) as client:
        asked = {name: value for name, value in conditions.items() if value}
        answer = client.get(feed, headers=asked, accept={_NOT_MODIFIED} if asked else ())
    if answer.status != _NOT_MODIFIED:
        _check(feed, answer)
    return answer


def _check(feed: str, answer: Answer) -> None:
    """Raise unless an answer is a whole feed."""
    body = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if body.startswith(b"{"):
        try:
            whole = isinstance(decode(text_of(body, answer.kind).encode()).get("items"), list)
        except ValueError as problem:
            raise RetryLater(
                f"The feed {shown(feed)} sent something that is no whole JSON ({problem})."
            ) from problem
        if whole:
            return
    elif _ROOT.search(_COMMENT.sub(b"", body[:_FAR].replace(b"\0", b""))[:_NEAR]):
        tail = body[-_FAR:].replace(b"\0", b"")
        if not any(_END.search(part[-_NEAR:]) for part in (tail, _COMMENT.sub(b"", tail))):
            raise RetryLater(f"The feed {shown(feed)} broke off before its end.")
        return
    what = "a web page" if answer.is_page else answer.kind or "something"
    raise Stop(f"The feed {shown(feed)} answered with {what} instead of a feed: correct `options.feeds`.")


def _body(feed: str, answer: Answer, query: str | None, untold: Sequence[str] = ()) -> bytes:
    """The feed in one line of JSON, as it came: as text where it is UTF-8, else in base 64.

    With it goes what reading it needs: the query, and the identifiers that told no entry from another before.
    """
    try:
        content = {"text": answer.body.decode()}
    except UnicodeDecodeError:
        content = {"base64": base64.b64encode(answer.body).decode()}
    value = {
        "feed": feed,
        "kind": answer.headers.get("content-type", ""),
        "etag": answer.headers.get("etag"),
        "modified": answer.headers.get("last-modified"),
        "query": query,
        **({"untold": untold} if untold else {}),
        **content,
    }
    return json.dumps(value, ensure_ascii=False).encode()


class _Held(NamedTuple):
    """What all entries of a feed are known by, whether they match the job's query or not.

    `untold` are the identifiers that tell no entry from another.
    """

    names: list[str]
    untold: set[str]


def _held(body: bytes) -> _Held:
    untold: set[str] = set()
    items = _posts(body, datetime.now(UTC), untold, matching=False)
    return _Held([item.id for item in items if isinstance(item, Post)], untold)


# --- reading ----------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The entries of a feed; those that the job's query does not match are skipped."""
    return _posts(body, fetched_at, set(), matching=True)


def _posts(
    body: bytes, fetched_at: datetime, untold: set[str], *, matching: bool
) -> Iterator[Post | Skipped]:
    """The entries of a feed; the identifiers that tell no entry from another are put into `untold`."""
    context: dict[str, Any] = {"untold": untold}

    def found(value: Any) -> Iterable[Any] | None:
        data = value["text"].encode() if "text" in value else _decoded(value["base64"])
        # Published with the posts, for others to read than those who read the job.
        context.update(feed=veiled(value["feed"]), words=parse(value.get("query")))
        written = text_of(data, text(value.get("kind")) or "")
        is_json = written.startswith("{")
        try:
            feed = decode(written.encode()) if is_json else _xml(written)
        except Exception as problem:  # whatever a parser trips over costs one feed, not the others
            raise TypeError("no feed") from problem
        if is_json:
            context.update(read=_json_entry, language=feed.get("language"), authors=feed.get("authors"))
            entries = feed["items"] if isinstance(feed["items"], list) else None
        else:
            context.update(read=_xml_entry, language=feed.feed.get("language"))
            entries = feed.entries if feed.version or feed.entries else None
        signs = _json_signs if is_json else _xml_signs
        told = (signs(entry) for entry in entries or () if isinstance(entry, dict))
        untold.update(shared(told, value.get("untold", ())))
        return entries

    def read(entry: Any) -> Post | Skipped:
        post: Post | Skipped = context["read"](entry, context, fetched_at)
        words: Words = context["words"]
        if matching and isinstance(post, Post) and words and not words.match(post.text, post.author):
            return Skipped("no-match", post.id[:200])
        return post

    return items_of(body, found, read)


def _xml(written: str) -> Any:
    """What feedparser reads in a text, which it is told the encoding of."""
    return feedparser.parse(
        io.BytesIO(_BASE.sub(_readable, mended(written)).encode()),
        response_headers={"content-type": "application/xml; charset=utf-8"},
        sanitize_html=False,
        resolve_relative_uris=False,
    )


def _readable(base: re.Match[str]) -> str:
    """What says of an address that it is the base; nothing where it is none, which would cost the entries."""
    try:
        urlsplit(base[1].strip("\"'"))
    except ValueError:
        return ""
    return base[0]


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as problem:
        raise TypeError("no base 64") from problem


def _when(times: Iterable[Any]) -> datetime | None:
    """The first of an entry's times that can be read."""
    return next((when for one in times if (written := text(one)) and (when := moment_of(written))), None)


def _xml_signs(entry: Any) -> Signs:
    times = (text(entry.get(name)) for name in _TIMES if name in entry)
    title = text(entry.get("title")) or text(entry.get("summary"))
    return Signs(text(entry.get("id")), text(entry.get("link")), title, next(filter(None, times), None))


def _xml_entry(entry: Any, context: Mapping[str, Any], fetched_at: datetime) -> Post | Skipped:
    signs = _xml_signs(entry)
    link = signs.link
    name = name_of(signs, context["feed"], context["untold"])
    when = _when(entry.get(name) for name in _TIMES if name in entry)
    if when is None:
        return Skipped("no-time", name[:200])
    feed = context["feed"]
    title = _part(entry.get("title_detail") or {"value": entry.get("title")}, feed)
    contents = [_part(part, feed) for part in entry.get("content") or [entry.get("summary_detail") or {}]]
    if not any(part.get("rel") == "alternate" for part in entry.get("links") or ()):
        link = absolute(link, "")  # feedparser gives an identifier where there is no link
    links = [link] if link else []
    enclosed = [part.get("href") for part in entry.get("links") or () if part.get("rel") == "enclosure"] + [
        part.get("url") for part in entry.get("media_content") or ()
    ]
    replies = str(entry.get("slash_comments", ""))
    return _post(
        name,
        feed,
        link,
        text((entry.get("author_detail") or {}).get("name")) or text(entry.get("author")),
        when,
        [title, *contents],
        text((entry.get("title_detail") or {}).get("language")) or text(context["language"]),
        int(replies) if replies.isdecimal() else None,
        [text(tag.get("term")) for tag in entry.get("tags") or ()],
        links,
        enclosed,
        fetched_at,
    )


def _part(detail: Mapping[str, Any], feed: str) -> Plain:
    value = detail.get("value") or ""
    if detail.get("type") == "text/plain":
        return Plain(value.strip(), (), ())
    return plain(value, absolute(detail.get("base"), feed) or feed)


def _json_signs(item: Any) -> Signs:
    given = item.get("id")
    name = str(given) if isinstance(given, float) else identifier(given)
    titles = (text(item.get(key)) for key in ("title", "content_text", "content_html"))
    times = (text(item.get(key)) for key in _JSON_TIMES)
    return Signs(
        name, text(item.get("url")), next(filter(None, titles), None), next(filter(None, times), None)
    )


def _json_entry(item: Any, context: Mapping[str, Any], fetched_at: datetime) -> Post | Skipped:
    signs = _json_signs(item)
    link = signs.link
    name = name_of(signs, context["feed"], context["untold"])
    when = _when(item.get(name) for name in _JSON_TIMES)
    if when is None:
        return Skipped("no-time", name[:200])
    content = item.get("content_html")
    said = plain(content, context["feed"]) if content else Plain(text(item.get("content_text")) or "", (), ())
    if not said.text:
        said = Plain(text(item.get("summary")) or "", said.links, said.media)
    own = [item["author"]] if item.get("author") else None  # version 1.0 of the format
    authors = item.get("authors") or own or context["authors"]
    names = [one.get("name") for one in _listed(authors) if isinstance(one, dict)]
    return _post(
        name,
        context["feed"],
        link,
        text(names[0]) if names else None,
        when,
        [Plain(text(item.get("title")) or "", (), ()), said],
        text(item.get("language")) or text(context["language"]),
        None,
        [text(tag) for tag in _listed(item.get("tags"))],
        [one for one in (link, text(item.get("external_url"))) if one],
        [
            item.get("image"),
            *(one.get("url") for one in _listed(item.get("attachments")) if isinstance(one, dict)),
        ],
        fetched_at,
    )


def _listed(value: Any) -> list[Any]:
    """The members of a list; none of what is no list."""
    return value if isinstance(value, list) else []


def _post(  # noqa: PLR0917 - the parts that differ, in the order of a post's fields
    name: str,
    base: str,
    link: str | None,
    author: str | None,
    created_at: datetime,
    parts: Sequence[Plain],
    lang: str | None,
    replies: int | None,
    tags: Sequence[str | None],
    links: Sequence[str],
    media: Sequence[Any],
    fetched_at: datetime,
) -> Post:
    """A post of what both kinds of entries have; categories are its hashtags."""
    return Post(
        platform=PLATFORM,
        id=name,
        url=absolute(link, base),
        author=author,
        author_name=None,
        author_id=None,
        created_at=created_at,
        text="\n\n".join(part.text for part in parts if part.text) or None,
        lang=lang,
        likes=None,
        reposts=None,
        replies=replies,
        quotes=None,
        bookmarks=None,
        views=None,
        source_label=None,
        conversation_id=None,
        in_reply_to=None,
        quoted=None,
        reposted=None,
        hashtags=tuple(dict.fromkeys(tag for tag in tags if tag)),
        mentions=None,
        urls=_addresses(links, base, (part.links for part in parts)),
        media=_addresses(media, base, (part.media for part in parts)),
        scraped_at=fetched_at,
    )


def _addresses(own: Iterable[Any], base: str, of_parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The addresses of an entry and of its parts, each once."""
    whole = (place for one in own if (place := absolute(one, base)))
    return tuple(dict.fromkeys([*whole, *chain.from_iterable(of_parts)]))
