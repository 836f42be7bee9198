"""A public channel of Telegram through snscrape, which reads the pages that t.me shows to anybody.

Pages go back from the newest message, and messages are numbered: a window in the past is looked for by
halving. snscrape reads each message on its own, so that one it trips over costs no other.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs, quote, urljoin, urlsplit

import bs4
import requests

from etl_callables.errors import RetryLater, Stop
from etl_callables.http import TIMEOUT, decode, persist
from etl_callables.post import Post, Skipped
from etl_callables.run import Run
from etl_callables.sources import Page, Request, snscrape_door
from etl_callables.sources.fields import needed, text
from etl_callables.sources.patience import Patience
from etl_callables.sources.snscrape_session import Session, received

telegram: Final[Any] = snscrape_door.load("telegram")
logging.getLogger(telegram.__name__).setLevel(logging.ERROR)

PLATFORM: Final = "telegram"
REPEATS: Final = True

_HOME: Final = "https://t.me"
_BLOCKS: Final = ", ".join(f".tgme_widget_message_text {name}" for name in ("blockquote", "pre", "p", "div"))
_NEAR: Final = 40
"""Messages between which it is quicker to read two pages than to halve again."""

_STEP: Final = 160
"""Messages that are passed over first where newer ones are looked for below old ones."""

_FARTHER: Final = 8
"""How much longer each further step is."""

version = snscrape_door.version


def pages(request: Request, cursor: str | None, run: Run) -> Iterator[Page]:
    """Pages of about 20 messages, newest first.

    A cursor is how the list was read so far, and the number that the next page lies before.
    """
    return read(request, cursor, run)


def read(request: Request, cursor: str | None, run: Run, timeout: float = TIMEOUT) -> Iterator[Page]:
    """As `pages`, with the seconds to wait for an answer."""
    channel = str(request.options["channel"])
    channel = channel.rstrip("/").rpartition("/")[2].lstrip("@")
    with Session("Telegram", timeout) as session:
        shown = _Channel(channel, session, run)
        written, _, number = (cursor or "").rpartition("~")
        before = int(number) if number else None
        patience = Patience.parse(written) if written else Patience()
        sheet = shown.sheet(before)
        while True:
            # The newest page may have nothing but what the service says itself, which has no time.
            if patience.last is None and sheet.messages and sheet.messages[-1].moment >= request.window.end:
                sheet = _seek(shown, sheet, request.window.end)
            # Messages may be numbered among newer ones though they are old: a history that was imported.
            newest = max((one.moment for one in sheet.messages), default=None)
            patience = patience.after([] if newest is None else [newest], request.window.start)
            further = sheet.before
            if further is not None and patience.is_over:
                further = _beyond(shown, sheet, further)
                if further is not None:
                    patience = Patience(last=patience.last, ordered=False)
            if further is None:
                yield Page((sheet.body,), None, None if sheet.before is None else patience.missing)
                return
            yield Page((sheet.body,), f"{patience}~{further}")
            sheet = shown.sheet(further)


def _beyond(shown: _Channel, sheet: _Sheet, before: int) -> int | None:
    """Where to go on below a page of old messages, if what is numbered below them is newer than they are.

    Looked for in steps that grow, and then by halving, so that a history of any length is passed by. What
    else is below is then in the order of time again, as far as the steps can tell.
    """
    high, newest = before, max(one.moment for one in sheet.messages)

    def is_newer(number: int) -> bool:
        return any(one.moment > newest for one in shown.sheet(number).messages)

    step = _STEP
    while step < before:
        low = before - step
        if is_newer(low):
            break
        high, step = low, step * _FARTHER
    else:
        low = high // 2
        if low <= 1 or not is_newer(low):
            return None
    while high - low > _NEAR // 2:
        middle = (low + high) // 2
        low, high = (middle, high) if is_newer(middle) else (low, middle)
    return high


def _seek(shown: _Channel, newest: _Sheet, end: datetime) -> _Sheet:
    """The newest page that has a message from before `end`, or the last of those that have none."""
    low, high = 1, newest
    while high.messages[-1].number - low > _NEAR:
        middle = (low + high.messages[-1].number) // 2
        sheet = shown.sheet(middle)
        if not sheet.messages or sheet.messages[0].moment < end:
            low = middle  # all of that page is older: what is looked for is newer
        elif sheet.messages[-1].moment >= end:
            high = sheet
        else:
            return sheet
    return high


# --- asking -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Message:
    number: int
    moment: datetime


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A page: its body, its messages newest first, and the number that the next one lies before."""

    body: bytes
    messages: tuple[_Message, ...]
    before: int | None


class _Channel:
    """snscrape's scraper of a channel, a page at a time, which neither sleeps nor tries again by itself."""

    def __init__(self, name: str, session: Session, run: Run) -> None:
        self.name = name
        self._scraper = telegram.TelegramChannelScraper(name, retries=0)
        session.adapters = self._scraper._session.adapters  # noqa: SLF001 - snscrape's own way to connect
        self._scraper._session = session  # noqa: SLF001 - see Session
        self._run = run

    def sheet(self, before: int | None) -> _Sheet:
        return persist(lambda: self._ask(before), self._run)

    def _ask(self, before: int | None) -> _Sheet:
        url = f"{_HOME}/s/{quote(self.name, safe='')}" + (f"?before={before}" if before is not None else "")
        answer = self._scraper._get(url, headers=self._scraper._headers)  # noqa: SLF001 - as snscrape asks
        self._judge(answer)
        page = answer.text
        soup = bs4.BeautifulSoup(page, "lxml")
        if not re.search(r"</html>\s*$", page[-2000:], re.IGNORECASE):
            raise RetryLater("Telegram's page broke off before its end.")
        if "/s/" not in urlsplit(answer.url).path:
            raise Stop(
                f"Telegram shows no messages of {self.name} to the public: there is no such channel, it is"
                " private, or it is a person or a group. Correct the job's `options.channel`."
            )
        if soup.find(class_=re.compile("^tgme_")) is None:
            raise Stop(
                "Telegram answered with a page that is none of a channel: something in between blocks this"
                f" machine, or {_HOME} has changed."
            )
        more = soup.find("a", attrs={"class": "tme_messages_more", "data-before": True})
        body = json.dumps({"channel": self.name, "url": answer.url, "html": page}, ensure_ascii=False)
        return _Sheet(
            body.encode(errors="replace"),
            tuple(message for div in _messages(soup) if (message := _message(div))),
            _number(more["data-before"]) if isinstance(more, bs4.Tag) else None,
        )

    def _judge(self, answer: requests.Response) -> None:
        status = answer.status_code
        if status == requests.codes.ok:
            return
        received(answer, "Telegram", f"{_HOME}/s/{self.name}", self._run)
        raise Stop(
            f"Telegram does not show {self.name} (HTTP {status}): correct the job's `options.channel`, or see"
            " whether this machine may reach t.me at all."
        )


def _messages(soup: bs4.BeautifulSoup) -> list[bs4.Tag]:
    """The messages of a page, newest first."""
    return list(soup.find_all("div", attrs={"class": "tgme_widget_message", "data-post": True}))[::-1]


def _message(div: bs4.Tag) -> _Message | None:
    """Number and time of a message; None where it has none."""
    number = _number(str(div["data-post"]).rpartition("/")[2])
    time = div.select_one("a.tgme_widget_message_date time[datetime]")
    if number is None or time is None:
        return None
    try:
        return _Message(number, datetime.fromisoformat(str(time["datetime"])).astimezone(UTC))
    except ValueError:
        return None


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() else None


# --- reading ----------------------------------------------------------------------------------------


def posts(body: bytes, fetched_at: datetime) -> Iterator[Post | Skipped]:
    """The messages of a page, each read on its own with snscrape's own parser."""
    try:
        value = decode(body)
    except ValueError as problem:
        yield Skipped("broken-json", str(problem)[:200])
        return
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in ("url", "html")):
        yield Skipped("unknown-shape", "no page of a channel")
        return
    for div in _messages(bs4.BeautifulSoup(value["html"], "lxml")):
        yield _read(div, value["url"], fetched_at)


def _read(div: bs4.Tag, url: str, fetched_at: datetime) -> Post | Skipped:
    name = str(div["data-post"])
    reply = div.select_one("a.tgme_widget_message_reply[href]")
    answered = _answered(str(reply["href"])) if reply and _leads(reply["href"], url) else None
    if reply:
        reply.decompose()  # snscrape takes the quoted beginning of the other for the text of this one
    for link in div.select("a:not(.tgme_widget_message_date)"):
        if not _leads(link.get("href"), url):
            link.unwrap()  # snscrape would lose the message over it; its text stays
    for line in div.find_all("br"):  # and the text of a message without its line breaks
        line.replace_with("\n")
    for block in div.select(_BLOCKS):
        _apart(block)
    alone = bs4.BeautifulSoup("", "lxml")
    alone.append(div.extract())
    try:
        (item,) = _parser()._soup_to_items(alone, url)  # noqa: SLF001 - snscrape's reader
        return _post(name, item, div, fetched_at)._replace(in_reply_to=answered)
    except Exception as problem:  # noqa: BLE001 - whatever its parser trips over costs one message
        return Skipped("unknown-shape", f"{name[:80]}: {type(problem).__name__}: {str(problem)[:200]}")


def _leads(link: Any, page: str) -> bool:
    """Whether a link on a page is an address, as `http://[` is not."""
    try:
        return isinstance(link, str) and bool(urljoin(page, link))
    except ValueError:
        return False


def _apart(block: bs4.Tag) -> None:
    """Put a line break between a block and what stands beside it, as people see it."""
    if block.previous_sibling is not None and not str(block.previous_sibling).endswith("\n"):
        block.insert_before("\n")
    if block.next_sibling is not None and not str(block.next_sibling).startswith("\n"):
        block.insert_after("\n")


def _parser() -> Any:
    return telegram.TelegramChannelScraper("never asked: it only reads")


def _post(name: str, item: Any, div: bs4.Tag, fetched_at: datetime) -> Post:
    channel, _, number = name.rpartition("/")
    needed(_number(number), "number")
    tags = [query for link in item.outlinks if (query := _tag(link))]
    return Post(
        platform=PLATFORM,
        id=name,
        url=f"{_HOME}/{name}",
        author=channel,
        author_name=_text_of(div, ".tgme_widget_message_owner_name"),
        author_id=None,
        created_at=item.date.astimezone(UTC),
        text=text(item.content) or _text_of(div, ".tgme_widget_message_poll_question"),
        lang=None,
        likes=None,
        reposts=None,
        replies=None,
        quotes=None,
        bookmarks=None,
        views=_number(_text_of(div, ".tgme_widget_message_views")),  # "1.2K" is no number
        source_label=None,
        conversation_id=None,
        in_reply_to=None,
        quoted=None,
        reposted=None,
        hashtags=tuple(dict.fromkeys(tags)),
        mentions=None,
        urls=tuple(link for link in item.outlinks if not _tag(link)),
        media=_pictures(div),
        scraped_at=fetched_at,
    )


def _text_of(div: bs4.Tag, selector: str) -> str | None:
    found = div.select_one(selector)
    return text(found.get_text().strip()) if found else None


def _tag(link: str) -> str | None:
    """The hashtag that a link within Telegram looks for."""
    query = parse_qs(urlsplit(link).query).get("q", [""])[0]
    return query[1:] if query.startswith("#") and len(query) > 1 else None


def _answered(link: str) -> str | None:
    """The message that a link leads to."""
    path = urlsplit(link).path.strip("/").removeprefix("s/")
    return path if re.fullmatch(r"\w+/[0-9]+", path) else None


def _pictures(div: bs4.Tag) -> tuple[str, ...]:
    """Addresses of photos, which are backgrounds, and of films."""
    photos = (
        re.search(r"background-image:\s*url\('([^']+)'\)", str(photo.get("style", "")))
        for photo in div.select("a.tgme_widget_message_photo_wrap")
    )
    films = (film.get("src") for film in div.select("video.tgme_widget_message_video[src]"))
    return tuple(dict.fromkeys([*(photo[1] for photo in photos if photo), *map(str, films)]))
