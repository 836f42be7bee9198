"""A user's posts as m.weibo.cn gives them to phones: cards in JSON, newest first."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta, timezone
from html import escape
from typing import Any

from tests.servers.made import Made, newest_first
from tests.servers.standin import Answer, Asked

HOST = "m.weibo.cn"
NUMBER = 1234567890
NAME = "样本新闻"
CHINA = timezone(timedelta(hours=8))

NOTHING = Answer(b'{"ok":0,"msg":"\\u8fd9\\u91cc\\u8fd8\\u6ca1\\u6709\\u5185\\u5bb9","data":{"cards":[]}}')
"""What Weibo says where nothing is, and to who asks too fast."""

NOBODY = '<html><p class="h5-4con">用户不存在</p></html>'

USER = {
    "id": NUMBER,
    "screen_name": NAME,
    "verified": False,
    "description": "made up",
    "statuses_count": 35,
    "followers_count": "1.2万",
    "follow_count": 7,
    "avatar_hd": "https://pictures.example/face.jpg",
}


def mblog(post: Made, **changes: Any) -> dict[str, Any]:
    """A post with a topic, a mention, a link and a picture; each second one shares another."""
    topic = '<a href="https://m.weibo.cn/search?containerid=231522&q=%23covid%23"><span>#covid#</span></a>'
    link = '<a href="https://example.org/a">网页链接</a>'
    made = {
        "id": str(post.number),
        "bid": f"B{post.number}",
        "created_at": post.created.astimezone(CHINA).strftime("%a %b %d %H:%M:%S %z %Y"),
        "text": f"{escape(post.text)}<br />{topic} <a href='/n/sample_bob'>@sample_bob</a> {link}",
        "source": "iPhone客户端",
        "user": USER,
        "reposts_count": 1,
        "comments_count": 2,
        "attitudes_count": 3,
        "pic_num": 1,
        "pics": [{"large": {"url": "https://pictures.example/1.jpg"}}],
    }
    if post.number % 2:
        # One that its author took back has little left.
        made["retweeted_status"] = {"id": str(post.number - 1), "user": None, "text": "gone"}
    return {**made, **changes}


def card(post: Mapping[str, Any]) -> dict[str, Any]:
    return {"card_type": 9, "itemid": "", "mblog": post}


def page(cards: Sequence[Any], since: int | None) -> dict[str, Any]:
    about = {"containerid": f"107603{NUMBER}", "total": 35, **({"since_id": since} if since else {})}
    return {"ok": 1, "data": {"cardlistInfo": about, "cards": list(cards)}}


def answer_of(value: Any) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False).encode())


def user(
    posts: Sequence[Made],
    *,
    size: int = 10,
    overlap: int = 0,
    loop: bool = False,
    pinned: Made | None = None,
    item: Callable[[Made], dict[str, Any]] = mblog,
) -> Callable[[Asked], Answer]:
    """Answers of m.weibo.cn over the posts of one user, who is found by name too."""
    ordered = newest_first(posts)

    def answer(asked: Asked) -> Answer:
        if asked.path.startswith("/n/"):
            if asked.path == "/n/%E6%A0%B7%E6%9C%AC%E6%96%B0%E9%97%BB":
                return Answer(b"", 302, "text/html", {"Location": f"/u/{NUMBER}"})
            return Answer(NOBODY.encode(), kind="text/html; charset=utf-8")
        if asked.query.get("value") != str(NUMBER):
            return NOTHING
        since = asked.query.get("since_id")
        older = [post for post in ordered if since is None or post.number < int(since)]
        shown = older[:size]
        if not shown:
            return NOTHING
        first = ordered.index(shown[0])
        following = shown[-1].number if len(older) > size else None
        if following is None and loop:
            following = ordered[size - 1].number
        cards = [card(item(post)) for post in ordered[max(0, first - overlap) : first] + shown]
        if pinned and since is None:
            cards.insert(0, card({**item(pinned), "isTop": 1}))
        return answer_of(page(cards, following))

    return answer
