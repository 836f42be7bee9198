"""What the YAML parser could not read, in words for someone who has never heard of a token."""

from __future__ import annotations

import re

import yaml

from schemas.fault import Fault, Place
from schemas.inside import lines_of

_INDENT = re.compile(r"\s*")
_BRACE_FIRST = re.compile(r"\s*[A-Za-z_]+:\s+\{")
_NEARLY_A_COLON = re.compile(
    "[A-Za-z_]+ ?"
    "(?:(?P<wide>[\uff1a\ufe55\ua789])|:(?P<space>[\xa0\u2000-\u200b\u202f\u3000])|(?P<colon>:)\\S)"
)
_BRACKETS = {"]": "[", "}": "{"}
# What libyaml says; whether the culprit is where it began to read rather than where it gave up; what
# we say and advise.
_KNOWN = (
    ("expected ':'", True, 'this line has no ":" after its key', "write key: value"),
    ("end of stream", True, "the quote that opens here is never closed", ""),
    (
        "expected ',' or",
        True,
        'the "<bracket>" that opens here is not closed where it should be',
        "look for a missing comma, quote or bracket",
    ),
    (
        "alphabetic or numeric",
        True,
        'a value cannot begin with "<character>"',
        "put it in quotes",
    ),
    ("cannot start any token", False, 'a value cannot begin with "<character>"', "put it in quotes"),
    (
        "escape character",
        False,
        "a backslash in double quotes begins an escape, and this is none",
        "use single quotes, in which a backslash is a backslash",
    ),
    (
        "'-' indicator",
        False,
        'a list goes on here without "-"',
        "begin the line with - or check its indentation",
    ),
    ("block sequence entries", False, 'a list cannot begin here with "-"', "begin it on its own line"),
    (
        "expected <document start>",
        False,
        "more text follows a value that has ended",
        "write key: value lines",
    ),
)


def explain(error: yaml.YAMLError, text: str) -> Fault:
    """The fault behind an error of libyaml, placed at its culprit."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return Fault(f"this is not YAML: {error}", "syntax", place=Place(1, 1))
    lines = lines_of(text)
    mark = error.problem_mark
    line = lines[mark.line] if mark.line < len(lines) else ""
    at = Place(mark.line + 1, mark.column + 1)
    start = at
    if error.context_mark is not None:
        start = Place(error.context_mark.line + 1, error.context_mark.column + 1)
    for number in (mark.line, start.line - 1):
        if number < len(lines) and "\t" in (indent := _INDENT.match(lines[number])[0]):  # type: ignore[index]
            place = Place(number + 1, indent.index("\t") + 1)
            return Fault("a tab indents this line", "tab", "YAML is indented with spaces", place=place)
    if "expected key" in (error.problem or "") and (opening := _left_open(lines, at)):
        message, hint = (
            "the quote that opens here is not closed on its line",
            "close it, or double it inside a text",
        )
        return Fault(message, "syntax", hint, place=opening)
    if at.line > len(lines):
        at = Place(len(lines), len(lines[-1]) + 1)
    problem = error.problem or ""
    return _before_it(problem, lines, at, start) or _in_words(problem, line, at, start)


def _before_it(problem: str, lines: list[str], at: Place, start: Place) -> Fault | None:
    """A fault whose culprit stands before the place where the parser gave up, if it is one that we know."""
    if "expected ':'" in problem and start.line <= len(lines):
        found = _NEARLY_A_COLON.match(lines[start.line - 1], start.column - 1)
        return None if found is None else _nearly_a_colon(found, start.line)
    if "expected <document start>" in problem:
        first = next((number for number, text in enumerate(lines, 1) if text[:1] not in ("", "#")), 1)
        if lines[first - 1].startswith("%"):
            message = 'a line that begins with "%" speaks to YAML itself'
            return Fault(message, "syntax", "leave it out", place=Place(first, 1))
    if "node content" in problem and (opening := _last_opening(lines, at)):
        message = f'the "{lines[opening.line - 1][opening.column - 1]}" that opens here is never closed'
        return Fault(message, "syntax", "look for a missing comma, quote or bracket", place=opening)
    return None


def without_space(text: str, at: Place) -> Fault | None:
    """The fault of a line that should be a key and its value and is one word, as `query:covid`."""
    found = _NEARLY_A_COLON.match(lines_of(text)[at.line - 1], at.column - 1)
    return _nearly_a_colon(found, at.line) if found and found["colon"] else None


def _last_opening(lines: list[str], at: Place) -> Place | None:
    """The bracket that a file ends after, if nothing else follows it."""
    number = next((number for number in range(len(lines), 0, -1) if lines[number - 1].strip()), 1)
    last = lines[number - 1].rstrip()
    return Place(number, len(last)) if at.line >= number and last.endswith(("[", "{")) else None


def _nearly_a_colon(found: re.Match[str], line: int) -> Fault:
    """What stands after a key instead of ":" and a space, and looks like them."""
    if found["wide"]:
        message, hint = 'this wide ":" is none for YAML', 'type ":" and a space'
        return Fault(message, "syntax", hint, place=Place(line, found.start("wide") + 1))
    if found["space"]:
        message, hint = 'what follows ":" looks like a space and is none for YAML', "type a space instead"
        return Fault(message, "syntax", hint, place=Place(line, found.start("space") + 1))
    place = Place(line, found.start("colon") + 1)
    return Fault('a space is missing after ":"', "syntax", "write key: value", place=place)


def _left_open(lines: list[str], at: Place) -> Place | None:
    """Where a text began that a quote just before `at` ended, if that was on an earlier line.

    A quote that somebody forgot to close ends at the next one in the file, wherever that is.
    """
    before = lines[at.line - 1][: at.column - 1].rstrip() if at.line <= len(lines) else ""
    quote = before[-1:]
    if quote not in ("'", '"') or before.count(quote) % 2 == 0:
        return None
    for number in range(at.line - 2, -1, -1):
        if lines[number].count(quote) % 2:
            return Place(number + 1, lines[number].rindex(quote) + 1)
    return None


def _in_words(problem: str, line: str, at: Place, start: Place) -> Fault:
    if "mapping values are not allowed" in problem:
        return _second_colon(line, at)
    if "expected key" in problem:
        if opening := _BRACE_FIRST.match(line):
            message = 'a value that begins with "{" is a mapping for YAML, and this one is not'
            hint = "put the whole text in single quotes"
            return Fault(message, "syntax", hint, place=Place(at.line, opening.end()))
        if line[: at.column - 1].strip():
            message, hint = "more text follows a value that has ended", "put the whole text in single quotes"
        else:
            message, hint = "this line belongs to nothing above it", "check its indentation"
        return Fault(message, "syntax", hint, place=at)
    for sign, at_start, message, hint in _KNOWN:
        if sign in problem:
            place = start if at_start else at
            said = message.replace("<character>", line[place.column - 1 : place.column])
            said = said.replace("<bracket>", _BRACKETS.get(problem[-2:-1], "["))
            return Fault(said, "syntax", hint, place=place)
    return Fault(f"this is not YAML: {problem}", "syntax", place=at)


def _second_colon(line: str, at: Place) -> Fault:
    if ":" in line[: at.column - 1]:
        message, hint = 'a second ":" follows on this line', "put the text after the first one in quotes"
        return Fault(message, "syntax", hint, place=at)
    place = Place(at.line, len(line) - len(line.lstrip()) + 1)
    message = "this line is indented more than the line above it, which has a value already"
    return Fault(message, "syntax", "give both the same indentation", place=place)
