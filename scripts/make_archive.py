"""Write the example archive: invented posts of invented people, in snscrape's JSON-lines shape.

The same file every time. `python scripts/make_archive.py` writes it where the example job reads it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

WHERE = Path(__file__).parent.parent / "pipelines/examples/covid_archive/posts.jsonl"

START = datetime(2021, 7, 5, tzinfo=UTC)
DAYS = 7
POSTS = 396
TWITTER_EPOCH_MS = 1_288_834_974_657  # the milliseconds that a tweet's id counts from

PEOPLE = ("ada", "bo", "chidi", "dalia", "emre", "fumiko", "goran", "hanna", "iker", "joão", "kofi", "lin")
LABELS = ("Twitter Web App", "Twitter for Android", "Twitter for iPhone", "TweetDeck")
PLACES = ("library", "bakery", "tram stop", "allotment", "harbour", "gym", "choir room", "bike shed")

ABOUT_COVID = (
    ("en", "Second dose done at the {place}. Arm hurts, still smiling 😀 #COVID19"),
    ("en", "covid test negative!\nBack to the {place} on day {n}."),
    ("en", '"Covid is over", said the man at the {place}. It is not.'),
    ("en", "@{who} did the {place} ask for a covid certificate?"),
    ("en", "=covid cases today: {n}, says the notice at the {place}"),
    ("en", "+{n} covid cases this week, the {place} stays shut 😷"),
    ("en", "- covid masks\n- soap\n- a book for the {place}, all packed"),
    ("en", "How the {place} opened again after COVID: a thread of {n} 🧵 https://example.org/{n}"),
    ("de", "Die Bäckerei öffnet wieder, Covid-Regeln hängen an der Tür. Tag {n}. Schön!"),
    ("es", "Ya tengo la vacuna contra la covid 💉 ¿y tú, @{who}? #covid #vacuna"),
    ("fr", "Le café rouvre après le covid : {n} tables en terrasse, « enfin » ☕"),
    ("pt", "Fila da vacina da covid: só {n} pessoas. Coragem, @{who}!"),
    ("tr", "Covid aşısı sırası {n} kişi, hava çok güzel ☀️"),  # noqa: RUF001 - Turkish
    ("ja", "covid のワクチン、{n}番目でした。図書館は静か📚"),
    ("ar", "لقاح covid اليوم، الرقم {n} في الدور"),
)
ABOUT_OTHER = (
    ("en", "Rain at the {place} again, {n} umbrellas counted ☔"),
    ("en", '@{who} lunch at the {place}?\n\nBring "the good bread", please.'),
    ("en", "Lost: one blue glove, {place}, around {n} o'clock, tab\tseparated from its twin"),
    ("de", "Heute {n} Tomaten geerntet 🍅, der Rest ist für @{who}"),
    ("it", "Il coro prova alle {n}: chi porta la torta? 🎂 #coro"),
    ("ja", "港で猫を{n}匹見た🐈"),
    ("und", "🌻🌻🌻 {n}"),
)


def user(name: str) -> dict[str, Any]:
    """An invented person, as snscrape nests one in a tweet."""
    plain = name.replace("ã", "a")
    return {
        "_type": "snscrape.modules.twitter.User",
        "username": f"sample_{plain}",
        "id": 9_000_000_000 + PEOPLE.index(name),
        "displayname": f"Sample {name.title()}",
        "url": f"https://twitter.com/sample_{plain}",
    }


def tweet(number: int, random: Random) -> dict[str, Any]:
    """One invented tweet. Only `random.random()` is drawn from, which is the same in every Python."""

    def pick(choices: tuple[Any, ...]) -> Any:
        return choices[int(random.random() * len(choices))]

    moment = START + timedelta(seconds=int(random.random() * DAYS * 86_400))
    lang, template = pick(ABOUT_COVID if random.random() < 2 / 3 else ABOUT_OTHER)
    who, other = pick(PEOPLE), user(pick(PEOPLE))
    n = 1 + int(random.random() * 40)
    text = template.format(place=pick(PLACES), n=n, who=other["username"])
    words = text.split()
    identifier = (int(moment.timestamp() * 1000) - TWITTER_EPOCH_MS << 22) | number
    links = [word for word in words if word.startswith("https://")]
    label = pick(LABELS)
    likes = int(random.random() ** 4 * 500)
    return {
        "_type": "snscrape.modules.twitter.Tweet",
        "url": f"{user(who)['url']}/status/{identifier}",
        "date": moment.isoformat(),
        "rawContent": text,
        "renderedContent": text,
        "id": identifier,
        "user": user(who),
        "replyCount": likes // 40,
        "retweetCount": likes // 9,
        "likeCount": likes,
        "quoteCount": likes // 90,
        "conversationId": identifier,
        "lang": lang,
        "source": f'<a href="https://example.org/app" rel="nofollow">{label}</a>',
        "sourceUrl": "https://example.org/app",
        "sourceLabel": label,
        "links": [{"text": link, "url": link, "tcourl": None, "indices": [0, 0]} for link in links] or None,
        "media": None,
        "retweetedTweet": None,
        "quotedTweet": None,
        "inReplyToTweetId": None,
        "inReplyToUser": other if text.startswith("@") else None,
        "mentionedUsers": [other] if "@" in text else None,
        "hashtags": [word[1:] for word in words if word.startswith("#")] or None,
        "cashtags": None,
    }


def lines() -> Iterator[str]:
    """The archive: newest first as a search gives it, four tweets twice, two lines broken."""
    random = Random(20210705)  # noqa: S311 - the same posts every time are the point
    tweets = sorted((tweet(number, random) for number in range(POSTS)), key=lambda one: one["date"])[::-1]
    for number, one in enumerate(tweets):
        text = json.dumps(one)
        yield text
        if number in {230, 280, 330, 380}:
            yield text
        if number in {120, 300}:
            yield text[:180]  # as a scraper leaves it that was stopped in mid line


def main() -> None:
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else WHERE
    where.write_text("".join(f"{line}\n" for line in lines()), encoding="ascii")


if __name__ == "__main__":
    main()
