"""Values and texts of any service become those of a post, or nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from html import escape
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl_callables.sources import markup
from etl_callables.sources.fields import count, identifier, moment, needed, text
from etl_callables.sources.markup import plain

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(JSON)
def test_values_of_another_kind_are_nothing(value: Any) -> None:
    assert text(value) is None or (isinstance(value, str) and value)
    assert count(value) is None or (type(value) is int and value >= 0)
    assert identifier(value) is None or identifier(value) == str(value) != ""
    with suppress(ValueError):
        assert moment(value).tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-07-01T12:00:00Z", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("2026-07-01T12:00:00.250Z", datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-07-01T12:00:00+02:00", datetime(2026, 7, 1, 10, tzinfo=UTC)),
        ("2026-07-01T12:00:00", datetime(2026, 7, 1, 12, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 7, 1, tzinfo=UTC)),
        (1_782_907_200, datetime(2026, 7, 1, 12, tzinfo=UTC)),
        (1_782_907_200.5, datetime(2026, 7, 1, 12, 0, 0, 500_000, tzinfo=UTC)),
    ],
)
def test_times_as_services_write_them(written: Any, meant: datetime) -> None:
    assert moment(written) == meant


@pytest.mark.parametrize("value", [None, True, "", "soon", [], 1e300, float("nan"), -(10**20)])
def test_what_is_no_time_is_an_error(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is Python's
        moment(value)


def test_what_is_needed_and_not_there_is_an_error() -> None:
    assert needed("a", "name") == "a"
    with pytest.raises(ValueError, match="no name"):
        needed(None, "name")


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("plain", "plain"),
        ("a &lt;b&gt; &amp;amp; &#x27;c&#39;", "a <b> &amp; 'c'"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<p>two<p>three", "one\n\ntwo\n\nthree"),
        ("one<br>two<br/>three", "one\ntwo\nthree"),
        ("<p>one\n   and\ttwo</p>", "one and two"),
        ("<pre><code>a\n  b</code></pre>", "a\n  b"),
        ("<ul><li>a</li><li>b</li></ul>", "a\n\nb"),
        ("a <script>alert(1)</script><style>p{}</style>b", "a b"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<p>unclosed <b>bold", "unclosed bold"),
        ("a<!-- hidden -->b", "ab"),
        ('<span class="invisible">https://</span><span class="ellipsis">a.example/b</span>c', None),
        ("a &#55357;&#56832;&#xd83d; <b>&#x1F600;</b>", "a 😀\N{REPLACEMENT CHARACTER} 😀"),
        (f"a &#{'1' * 5000}; <b>b", "a \N{REPLACEMENT CHARACTER} b"),
        (f"a &#x{'0' * 5000}42; &#{'0' * 5000}67;<!-- c -->", "a B C"),
        (f"a &amp;#{'1' * 4301};", f"a &#{'1' * 4301};"),
        ("", ""),
    ],
)
def test_html_as_people_read_it(html: str, expected: str | None) -> None:
    assert plain(html).text == ("https://a.example/bc" if expected is None else expected)


def test_links_and_pictures_are_listed_once_each_in_their_order() -> None:
    html = (
        '<a href="https://b.example/?x=1&amp;y=2">b</a> <a href="https://a.example/">a</a>'
        '<a href="https://a.example/">again</a> <a href="javascript:alert(1)">no</a> <a>none</a>'
        '<img src="https://a.example/1.png"><img src="https://a.example/1.png"><img>'
    )
    found = plain(html)
    assert found.links == ("https://b.example/?x=1&y=2", "https://a.example/")
    assert found.media == ("https://a.example/1.png",)


def test_an_address_with_a_number_of_no_character_is_an_address() -> None:
    for tag in (
        f'<a href="https://b.example/&#{"1" * 5000};">',
        f"<td><a href='https://b.example/&#{'1' * 5000};'>",
    ):
        assert plain(tag).links == ("https://b.example/\N{REPLACEMENT CHARACTER}",)


@given(st.text())
def test_any_text_can_be_read(html: str) -> None:
    said = plain(html).text
    assert said == said.strip()
    assert not re.search(r"\n{3,}", said) or "<pre" in html.lower() or "<" not in html


@given(st.text(alphabet="abc äöü\N{GRINNING FACE}'\"", max_size=50))
def test_text_without_markup_stays_as_it_is(words: str) -> None:
    assert plain(words).text == words.strip()
    assert plain(f"<p>{words}</p>").text == " ".join(words.split(" ")).strip() or "  " in words


PLAIN_TAGS = ["<p>", "</p>", "<br>", "<br/>", "<BR />", "<span class='a'>", "</span>", "<b>", "</b>", "</a>"]
LINKS = [
    '<a href="https://a.example/?x=1&amp;y=2" rel="me">',
    '<a class="x" href="#">',
    '<a href="x" href="https://b.example/">',
    "<a data-href='x' href='https://c.example/'>",
    "<a>",
]
OTHERS = ["<p", "<pre>", "<i >", "<!-- c -->", "</p >", "<script>"]
TAGS = st.sampled_from([*PLAIN_TAGS, *LINKS, *OTHERS])
TEXTS = st.text(alphabet="ab c<>&;\"'\n\t#x2", max_size=8) | st.sampled_from(["&amp;", "&lt;b&gt;", "&#39;"])


@given(st.lists(TAGS | TEXTS, max_size=12))
def test_the_fast_way_reads_as_the_whole_one_does(parts: list[str]) -> None:
    html = "".join(parts)
    fast = markup._simple(html)  # noqa: SLF001 - it is the same function's other half
    if fast is not None:
        assert fast == markup._whole(html)  # noqa: SLF001


class Parsed(HTMLParser):
    """The same tags and texts, as Python's own parser finds them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.reader = markup._Reader()  # noqa: SLF001
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.reader.start(tag, {name: value or "" for name, value in attrs})

    def handle_endtag(self, tag: str) -> None:
        self.reader.end(tag)

    def handle_data(self, data: str) -> None:
        self.reader.text(escape(data))


NAMES = st.sampled_from(
    ["p", "a", "div", "PRE", "script", "b", "img", "td", "br", "video", "h1", "style", "x-y"]
)
VALUES = st.text(alphabet="ab /=<>&;'h", max_size=8) | st.sampled_from(["https://a.example/?x=1&amp;y", ""])
ATTRIBUTES = st.one_of(
    st.sampled_from([" disabled", " class=a", " href=https://b.example/x", " href='x>y'", "\nsrc = i.png"]),
    st.builds(lambda name, value: f' {name}="{value}"', st.sampled_from(["href", "src", "Title"]), VALUES),
)
STARTS = st.builds(
    lambda name, attributes, end: f"<{name}{''.join(attributes)}{end}",
    NAMES, st.lists(ATTRIBUTES, max_size=3), st.sampled_from([">", " >", " />"]),
)  # fmt: skip
ENDS = st.builds("</{}>".format, NAMES) | st.builds("</{} >".format, NAMES)
APART = st.sampled_from(
    ["<!-- a <b> -->", "<!doctype html>", "<?xml a?>", "<![CDATA[a > b]]>", "1 < 2", "a &lt; b"]
)
WORDS = st.text(alphabet="ab c>\"'\n\t", max_size=8)


@given(st.lists(STARTS | ENDS | APART | WORDS, max_size=12))
def test_html_whose_parts_have_ends_is_read_as_pythons_parser_reads_it(parts: list[str]) -> None:
    html = "".join(parts)
    reader = Parsed(html).reader
    expected = markup._plain(reader.parts, reader.links, reader.media)  # noqa: SLF001
    assert markup._whole(html) == expected  # noqa: SLF001


@given(
    st.lists(TAGS | STARTS | APART | WORDS | st.sampled_from(["<a x='", '<a href="', "<!--", "<![if", "</"]))
)
def test_what_has_no_end_is_text_and_loses_no_words_after_it(parts: list[str]) -> None:
    found = plain("".join(parts))
    assert all(link.startswith(("http://", "https://")) for link in found.links)


HOSTILE = [
    "<a ", '<a href="', "<a x='", "<!--", "<![CDATA[", "<!", "<?", "</", "</ ", "<script>", "<style></", "<",
    "&", "&#", " ", "<b> ", "\n ", '<a x=">" ', "<a x='>' y=\"", "<p/", "<a =", "--", "<pre> </pre>",
    "<!-- --", "\0", "<a ='>", "<img src=/",
]  # fmt: skip


def test_a_long_text_of_anything_is_read_within_seconds_of_work() -> None:
    """Where each thing without an end is looked for up to the end of the text, it takes minutes."""
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_CPU, (30, 30))\n"
        "from etl_callables.sources.markup import plain\n"
        "plain('<a ' * 400_000)\n"
        "for part in eval(sys.argv[1]):\n"
        "    for end in ('', '>', '\">-->'):\n"
        "        plain(part * (200_000 // len(part)) + end)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, repr(HOSTILE)], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
