"""What a user of Weibo posts, through snscrape, which asks the site for phones (m.weibo.cn) without a login.

Pages go back from the newest post, and there are no dates to ask for. snscrape asks and reads each post on
its own, so that one it trips over costs no other. Since August 2025 Weibo refuses most of who asks without
a login's cookies by HTTP 432 (github.com/dataabc/weibo-crawler/issues/565), which this source says.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

import bs4
import requests

from etl_callables.errors import RetryLater, Stop, TrawlError
from etl_callables.http import TIMEOUT, decode, one_line, persist
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, snscrape_door
from etl_callables.sources.fields import count, identifier, items_of, needed, text
from etl_callables.sources.markup import plain
from etl_callables.sources.snscrape_session import Session, received
from etl_callables.verdict import Answer, come_back

weibo: Final[Any] = snscrape_door.load("weibo")
logging.getLogger(weibo.__name__).setLevel(logging.ERROR)

PLATFORM: Final = "weibo"
REPEATS: Final = True
SEEKS: Final = False

NOTHING: Final = "Weibo said that there is nothing more, which it says at the end and to who asks too fast"
"""Why pages may end before the window's start."""

_HOME: Final = "https://m.weibo.cn"
_POST: Final = 9
"""The `card_type` of a card that is a post."""

_TOO_FAST: Final = frozenset({414, 418})
_NO_COOKIES: Final = 432
_LOGIN: Final = -100
"""What Weibo says in `ok` to who has to log in first."""

_OWN: Final = frozenset({"m.weibo.cn", "weibo.com", "s.weibo.com"})
_FILMS: Final = ("mp4_720p_mp4", "mp4_hd_mp4", "mp4_ld_mp4")
"""The sizes of a film that snscrape knows."""

version = snscrape_door.version


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of about 10 posts, newest first but for one that the user pinned.

    A cursor is the user's number and Weibo's own mark of the page.
    """
    return read(request, cursor, run)


def read(request: Request, cursor: str | None, run: Run, timeout: float = TIMEOUT) -> Iterator[Page]:
    """As `pages`, with the seconds to wait for an answer."""
    with Session("Weibo", timeout) as session:
        shown = _Timeline(str(request.options["user"]), session, run)
        number, _, since = cursor.partition(" ") if cursor else (shown.number(), "", "")
        while True:
            body = shown.page(number, since)
            if body is None:
                yield Page((), None, NOTHING)
                return
            since = _following(body)
            moments = [moment for post in _unpinned(body) if (moment := _moment(post.get("created_at")))]
            over = moments and max(moments) < request.window.start
            following = f"{number} {since}" if since and not over else None
            yield Page((one_line(body),), following)
            if following is None:
                return


def _cards(value: Any) -> list[Any] | None:
    """The cards of a page, those of a group each by itself; None where it is none."""
    data = value.get("data") if isinstance(value, dict) else None
    cards = data.get("cards") if isinstance(data, dict) else None
    return [one for card in cards for one in _group(card)] if isinstance(cards, list) else None


def _group(card: Any) -> list[Any]:
    group = card.get("card_group") if isinstance(card, dict) and card.get("card_type") != _POST else None
    return group if isinstance(group, list) else [card]


def _following(body: bytes) -> str:
    """What the next page is asked for with; nothing on the last."""
    about = decode(body)["data"].get("cardlistInfo")
    since = about.get("since_id") if isinstance(about, dict) else None
    return identifier(since or None) or ""


def _unpinned(body: bytes) -> Iterator[Mapping[str, Any]]:
    """The posts of a page that stand where their time puts them."""
    for card in _cards(decode(body)) or ():
        post = card.get("mblog") if isinstance(card, dict) else None
        if isinstance(post, dict) and not post.get("isTop"):
            yield post


def _moment(value: Any) -> datetime | None:
    """A time that says its day, its year and its zone; None for all that Weibo writes besides.

    `5分钟前`, `昨天 12:00`, `06-30` and `2019-06-30` lack some of it: when that was, nobody knows.
    """
    try:
        return datetime.strptime(value, "%a %b %d %H:%M:%S %z %Y").astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


# --- asking -----------------------------------------------------------------------------------------


class _Scraper(weibo.WeiboUserScraper):  # type: ignore[misc]  # snscrape has no types
    """snscrape's scraper, which neither sleeps nor tries again by itself, and hands on what was refused."""

    _session: requests.Session

    def __init__(self, user: str | int, session: Session, run: Run) -> None:
        super().__init__(user, retries=0)
        session.adapters = self._session.adapters
        self._session, self._run = session, run

    def _get(self, *args: Any, **kwargs: Any) -> requests.Response:
        answer: requests.Response = super()._get(*args, **kwargs)
        self._judge(answer)
        return answer

    def _judge(self, answer: requests.Response) -> None:
        status = answer.status_code
        by_name = urlsplit(answer.url).path.startswith("/n/")
        if status == requests.codes.ok or (by_name and status == requests.codes.found):
            return
        refusal = received(answer, "Weibo", _HOME, self._run)
        if status in _TOO_FAST:
            after = come_back(refusal.headers, self._run.now())
            raise RetryLater(f"Weibo has had enough questions for now (HTTP {status}).", after)
        if status == _NO_COOKIES:
            raise Stop(
                f"Weibo refuses this machine (HTTP {status}), as it does most of who asks without a login"
                " since August 2025; snscrape has none. Use `source: archive` with posts collected elsewhere."
            )
        raise Stop(
            f"Weibo does not show {self._user} (HTTP {status}): correct the job's `options.user`, or see"
            " whether this machine may reach m.weibo.cn without a login at all."
        )


class _Timeline:
    """What a user posted, a page at a time."""

    def __init__(self, user: str, session: Session, run: Run) -> None:
        name = unquote(user.rstrip("/").rpartition("/")[2]).lstrip("@")
        self.name: str | int = int(name) if _is_number(name) else quote(name, safe="")
        self.shown = name
        self._scraper = _Scraper(self.name, session, run)
        self._run = run

    def number(self) -> str:
        """The number of the user, asked for where a name was given."""
        return persist(self._number, self._run)

    def _number(self) -> str:
        try:
            self._scraper._ensure_user_id()  # noqa: SLF001 - snscrape's own way to find it
        except TrawlError:
            raise
        except Exception as problem:
            raise Stop(
                f"Weibo did not say which user {self.shown} is ({type(problem).__name__}): write the number"
                " of the user, which the address of its page has, in the job's `options.user`."
            ) from problem
        found = self._scraper._user  # noqa: SLF001
        if not isinstance(found, int):
            raise Stop(f"Weibo knows no user {self.shown}: correct the job's `options.user`.")
        return str(found)

    def page(self, number: str, since: str) -> bytes | None:
        """A page as it came; None where Weibo says that there is no more, and stays by it."""
        try:
            return persist(lambda: self._ask(number, since), self._run)
        except _NothingHere:
            if since:
                return None
            raise

    def _ask(self, number: str, since: str) -> bytes:
        mark = f"&since_id={quote(since, safe='')}" if since else ""
        answer = self._scraper._get(  # noqa: SLF001 - as snscrape asks
            f"{_HOME}/api/container/getIndex?type=uid&value={number}&containerid=107603{number}&count=25{mark}",
            headers=self._scraper._headers,  # noqa: SLF001
            allowRedirects=False,
        )
        body = answer.content
        kind = {"content-type": answer.headers.get("Content-Type", "")}
        if Answer(answer.status_code, kind, body, _HOME).is_page:
            raise Stop(
                "Weibo answered with a web page instead of data: it asks for a login, or something in between"
                " blocks this machine."
            )
        try:
            value = decode(body)
        except ValueError as problem:
            raise RetryLater(
                f"Weibo sent something that is no whole JSON ({str(problem)[:100]})."
            ) from problem
        _check(value, self.shown)
        return bytes(body)


class _NothingHere(RetryLater):
    """`No content here yet`: the end, or too many questions."""


def _check(value: Any, user: str) -> None:
    """Raise what a page means that has no cards."""
    said = value.get("msg") if isinstance(value, dict) else None
    told = f" ({said[:100]})" if isinstance(said, str) and said else ""
    if isinstance(value, dict) and value.get("ok") == _LOGIN:
        raise Stop(
            f"Weibo shows {user} only to who has logged in{told}, which snscrape does not do: use"
            " `source: archive` with posts collected elsewhere."
        )
    cards = _cards(value)
    if cards is None:
        raise RetryLater(f"Weibo sent no page of posts{told}.")
    if not cards and not value.get("ok"):
        raise _NothingHere(
            f"Weibo shows nothing of {user}{told}: there is no such user, it has no posts, or Weibo was asked"
            " too often. Where it stays so, correct the job's `options.user`."
        )


def _is_number(value: str) -> bool:
    return value.isascii() and value.isdecimal()


# --- reading ----------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The posts of a page, each read on its own with snscrape's own parser."""
    parser = weibo.WeiboUserScraper(0)
    return items_of(body, _cards, lambda card: _read(parser, card, fetched_at))


def _read(parser: Any, card: Any, fetched_at: datetime) -> Post | Skipped:
    if card["card_type"] != _POST:
        return Skipped("not-a-post", f"a card of type {card['card_type']}"[:200])
    post = card["mblog"]
    created = _moment(post["created_at"])
    if created is None:
        return Skipped("no-time", f"{post['id']}: {post['created_at']}"[:200])
    item = parser._mblog_to_item(_alone(post))  # noqa: SLF001 - snscrape's reader
    html = bs4.BeautifulSoup(post["text"] if isinstance(post.get("text"), str) else "", "lxml")
    links = [str(link["href"]) for link in html.find_all("a", href=True)]
    tags, mentions, elsewhere = _tags(links), _mentions(links), [item.link] if item.link else []
    shared = post.get("retweeted_status")
    return Post(
        platform=PLATFORM,
        id=needed(identifier(item.id), "id"),
        url=item.url,
        author=text(item.user.screenname) if item.user else None,
        author_name=None,
        author_id=identifier(item.user.uid) if item.user else None,
        created_at=created,
        text=text(item.text) if "raw_text" in post else text(_text(html)),
        lang=None,
        likes=count(item.likesCount),  # what is "100万+" is no number
        reposts=count(item.repostsCount),
        replies=count(item.commentsCount),
        quotes=None,
        bookmarks=None,
        views=None,
        source_label=text(post.get("source")),
        conversation_id=None,
        in_reply_to=None,
        quoted=None,
        reposted=identifier(shared.get("id")) if isinstance(shared, dict) else None,
        hashtags=tags,
        mentions=mentions,
        urls=tuple(dict.fromkeys([*filter(_is_elsewhere, links), *elsewhere])),
        media=tuple(dict.fromkeys([*(item.pictures or ()), *([item.video] if item.video else [])])),
        scraped_at=fetched_at,
    )


def _alone(post: dict[str, Any]) -> dict[str, Any]:
    """A post without what snscrape would trip over beside it: a shared post that is gone, an unknown film."""
    alone = {name: value for name, value in post.items() if name != "retweeted_status"}
    about = alone.pop("page_info", None)
    if not isinstance(about, dict) or about.get("type") != "video":
        return alone | ({"page_info": about} if isinstance(about, dict) else {})
    films = about.get("urls")
    films = {size: films.get(size) for size in _FILMS} if isinstance(films, dict) else {}
    return alone | ({"page_info": {**about, "urls": films}} if any(films.values()) else {})


def _text(html: bs4.BeautifulSoup) -> str:
    """What people see: with line breaks, faces by their names, and without the link to all of a long text."""
    for face in html.find_all("img"):
        face.replace_with(str(face.get("alt", "")))
    for link in html.find_all("a"):
        if link.get_text() == "全文":
            link.decompose()
    return plain(str(html)).text


def _tags(links: list[str]) -> tuple[str, ...]:
    """The topics that links within Weibo look for, which stand between two signs."""
    queries = (parse_qs(urlsplit(link).query).get("q", [""])[0] for link in links)
    return tuple(dict.fromkeys(query[1:-1] for query in queries if re.fullmatch(r"#[^#]+#", query)))


def _mentions(links: list[str]) -> tuple[str, ...]:
    paths = (urlsplit(link).path for link in links if not _is_elsewhere(link))
    return tuple(dict.fromkeys(unquote(path[3:]) for path in paths if path.startswith("/n/") and path[3:]))


def _is_elsewhere(link: str) -> bool:
    """Whether a link leads out of Weibo's own pages."""
    where = urlsplit(link)
    return where.scheme in {"http", "https"} and where.hostname not in _OWN
