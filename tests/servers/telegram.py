"""A public channel as t.me shows it: pages of messages, oldest first, with a link to those before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from tests.servers.made import Made, newest_first
from tests.servers.standin import Answer, Asked

HTML = "text/html; charset=utf-8"
HOST = "t.me"


def message(post: Made, channel: str = "sample_news") -> str:
    """A message with a hashtag, a link, a photo and an answer to the one before."""
    name = f"{channel}/{post.number}"
    tag = '<a href="?q=%23covid">#covid</a>'
    link = '<a href="https://example.org/a" target="_blank">example.org/a</a>'
    reply = (
        f'<a class="tgme_widget_message_reply" href="https://t.me/{channel}/{post.number - 1}">'
        '<div class="tgme_widget_message_text js-message_reply_text">before</div></a>'
    )
    return (
        '<div class="tgme_widget_message_wrap js-widget_message_wrap">'
        f'<div class="tgme_widget_message text_not_supported_wrap js-widget_message" data-post="{name}">'
        f'<div class="tgme_widget_message_user"><a href="https://t.me/{channel}"><i></i></a></div>'
        '<div class="tgme_widget_message_bubble"><div class="tgme_widget_message_author accent_color">'
        f'<a class="tgme_widget_message_owner_name" href="https://t.me/{channel}"><span>News</span></a></div>'
        f"{reply if post.number % 2 else ''}"
        f'<a class="tgme_widget_message_photo_wrap 1" href="https://t.me/{name}"'
        " style=\"width:800px;background-image:url('https://cdn.example/1.jpg')\"></a>"
        f'<div class="tgme_widget_message_text js-message_text" dir="auto">{escape(post.text)}<br/>'
        f"{tag} {link}</div>"
        '<div class="tgme_widget_message_footer compact js-message_footer">'
        '<div class="tgme_widget_message_info short js-message_info">'
        '<span class="tgme_widget_message_views">123</span><span class="copyonly"> views</span>'
        f'<span class="tgme_widget_message_meta"><a class="tgme_widget_message_date" href="https://t.me/{name}">'
        f'<time datetime="{post.created.isoformat()}" class="time">12:00</time></a></span></div></div>'
        "</div></div></div>"
    )


def page(messages: Sequence[str], before: int | None) -> bytes:
    """A page of messages, given oldest first; the title and description are made up."""
    kind = "tme_messages_more js-messages_more"
    more = f'<a href="/s/x?before={before}" class="{kind}" data-before="{before}"></a>'
    return (
        "<!DOCTYPE html>\n<html><head><meta charset=utf-8><title>News on Telegram</title></head><body>"
        '<header class="tgme_header"><div class="tgme_channel_info"><div class="tgme_channel_info_header">'
        '<div class="tgme_channel_info_header_title"><span>News</span></div></div></div></header>'
        '<main class="tgme_main"><section class="tgme_channel_history js-message_history">'
        f"{f'<div>{more}</div>' if before else ''}{''.join(messages)}</section></main></body></html>\n"
    ).encode()


def channel(
    posts: Sequence[Made],
    *,
    size: int = 20,
    overlap: int = 0,
    loop: bool = False,
    name: str = "sample_news",
    item: Callable[[Made], str] = message,
) -> Callable[[Asked], Answer]:
    """Answers of t.me over the messages of a channel, of any where it has no name.

    Other names are of people, who show no messages.
    """
    ordered = newest_first(posts)

    def answer(asked: Asked) -> Answer:
        if asked.path != f"/s/{name}" and (name or not asked.path.startswith("/s/")):
            if asked.path.startswith("/s/"):
                return Answer(status=302, kind=HTML, headers={"Location": asked.path.removeprefix("/s")})
            return Answer(b"<!DOCTYPE html><html><body class=tgme_page>Contact</body></html>", kind=HTML)
        before = asked.query.get("before")
        older = [post for post in ordered if before is None or post.number < int(before)]
        shown = older[:size]
        first = ordered.index(shown[0]) if shown else 0
        following = shown[-1].number if len(older) > size else None
        if following is None and loop:
            following = ordered[size - 1].number
        both = ordered[max(0, first - overlap) : first] + shown
        return Answer(page([item(post) for post in both[::-1]], following), kind=HTML)

    return answer
