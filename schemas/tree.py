"""YAML text to plain values, every one of which knows its line and column.

This is the part of YAML that an analyst needs, with none of its surprises: plain words become true,
false, null and decimal numbers exactly as YAML 1.2 says (`no` is text, a date is text), and what a
reader could misunderstand (anchors, merge keys, tags, a key written twice) is refused.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

import yaml

from schemas.fault import Fault, Path, Place
from schemas.inside import lines_of, place_inside
from schemas.syntax import explain, without_space

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 20
MAX_NODES: Final = 10_000
EMPTY: Final = "empty"
"""The kind of the fault of a file that says nothing."""

_WORDS: Final = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
# A leading zero is kept as text: it means eight to some readers and ten to others, or is an identifier.
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
# A byte order mark within a file is seen by nobody, and is a part of the word it stands in.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class Tree(NamedTuple):
    """A file's value; the place of every value in it and of every key, by path; what is wrong so far.

    `value` is an empty mapping, and `whole` false, where the file could not be read to its end.
    """

    value: dict[str, Any]
    places: dict[Path, Place]
    keys: dict[Path, Place]
    faults: list[Fault]
    text: str = ""
    whole: bool = True


class _Enough(Exception):  # noqa: N818  a signal to stop reading, not an error
    """The file is not worth reading further; the fault says why."""


def plain(text: str) -> Any:
    """The value of an unquoted scalar by the core schema of YAML 1.2, decimal numbers only."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] in "0123456789+-.":
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def read_tree(data: bytes) -> Tree:
    """The tree of a file's bytes; never raises for what is in them."""
    if len(data) > MAX_BYTES:
        message = f"the file has more than {MAX_BYTES:,} bytes, the most that a job has"
        return _unreadable(Fault(message, "too-large", place=Place(1, 1)))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return _unreadable(_not_utf8(data, error))
    if found := _UNPRINTABLE.search(text):
        message = f"the character U+{ord(found[0]):04X} cannot be shown and has no place in a job"
        fault = Fault(message, "control-character", "delete it", place=_place_in(text, found.start()))
        return _unreadable(fault, text)
    return _Reader(text).read()


def _unreadable(fault: Fault, text: str = "") -> Tree:
    return Tree({}, {}, {}, [fault], text, whole=False)


def _not_utf8(data: bytes, error: UnicodeDecodeError) -> Fault:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Fault("the file is UTF-16", "encoding", "save it as UTF-8", place=Place(1, 1))
    # The error counts from after a byte order mark, as its own copy of the bytes does.
    before = error.object[: error.start].decode()
    message = f"the byte 0x{error.object[error.start]:02X} is not UTF-8"
    return Fault(message, "encoding", "save the file as UTF-8", place=_place_in(before, len(before)))


def _place_in(text: str, offset: int) -> Place:
    lines = lines_of(text[:offset])
    return Place(len(lines), len(lines[-1]) + 1)


class _Reader:
    """One pass over the events of libyaml.

    Events, not nodes: they carry anchors and aliases, and a deep or endless file can be left early.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._places: dict[Path, Place] = {}
        self._keys: dict[Path, Place] = {}
        self._faults: list[Fault] = []
        self._nodes = 0
        # The stubs allow None for every event and mark; within a stream there is none of either.
        self._parser: Any = yaml.CSafeLoader(text)

    def read(self) -> Tree:
        value: Any = None
        try:
            value = self._document()
        except yaml.YAMLError as error:
            self._faults.append(explain(error, self._text))
        except _Enough:
            pass
        finally:
            self._parser.dispose()
        if not isinstance(value, dict):
            return Tree({}, {}, {}, self._faults, self._text, whole=False)
        return Tree(value, self._places, self._keys, self._faults, self._text)

    def _document(self) -> Any:
        next_event = self._parser.get_event
        next_event()  # the start of the stream
        event = next_event()
        if isinstance(event, yaml.StreamEndEvent):
            self._stop(None, "the file is empty", EMPTY, "a job needs at least source, bucket and key")
        value = self._value(next_event(), (), 0)
        if not isinstance(value, dict):
            at = self._places[()]
            if value is None:
                self._stop(at, "the file is empty", EMPTY, "a job needs at least source, bucket and key")
            if isinstance(value, str) and (fault := without_space(self._text, at)):
                self._faults.append(fault)
                raise _Enough
            self._stop(at, "a job is a mapping of names to values", "not-a-mapping", "write key: value lines")
        next_event()  # the end of the document
        event = next_event()
        if not isinstance(event, yaml.StreamEndEvent):
            at = Place(event.start_mark.line + 1, event.start_mark.column + 1)
            message = 'a second document begins here ("---")'
            self._faults.append(Fault(message, "several-documents", "put each job in its own file", place=at))
        return value

    def _stop(self, at: Place | None, message: str, kind: str, hint: str = "") -> None:
        self._faults.append(Fault(message, kind, hint, place=at or Place(1, 1)))
        raise _Enough

    def _value(self, event: Any, path: Path, depth: int) -> Any:
        mark = event.start_mark
        place = Place(mark.line + 1, mark.column + 1)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            self._stop(place, f"the file has over {MAX_NODES:,} values", "too-many-values")
        self._places[path] = place
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path, place)
        if depth >= MAX_DEPTH:
            self._stop(place, f"values are nested more than {MAX_DEPTH} deep", "too-deep")
        self._refuse_extras(event, path, place)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        return None  # an alias, refused above

    def _scalar(self, event: Any, path: Path, place: Place) -> Any:
        if event.anchor or event.tag:
            self._refuse_extras(event, path, place)
        text: str = event.value
        if event.style is None or event.style == "":
            value = plain(text)
            if value is None and not text and path in self._keys:
                # Nothing is written: what is visible is the key.
                self._places[path] = self._keys[path]
            return value
        if found := _CONTROL.search(text):
            self._control(found, path, place)
        return text

    def _control(self, found: re.Match[str], path: Path, place: Place) -> None:
        place = place_inside(self._text, place, found.string, found.start())
        message = f"the text holds the control character U+{ord(found[0]):04X}"
        self._faults.append(Fault(message, "control-character", "leave it out", path, place=place))

    def _refuse_extras(self, event: Any, path: Path, place: Place) -> None:
        anchor = getattr(event, "anchor", None)
        if isinstance(event, yaml.AliasEvent):
            message, kind = f'"*{anchor}" refers to another value, which job files do not do', "alias"
            hint = f'for the text itself, put it in quotes: "*{anchor}"'
            self._faults.append(Fault(message, kind, hint, path, place=place))
        elif anchor:
            message, kind = f'"&{anchor}" marks a value for reuse, which job files do not do', "anchor"
            self._faults.append(
                Fault(message, kind, "write values out, or share them in defaults.yaml", path, place=place)
            )
        tag = getattr(event, "tag", None)
        if tag:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            message = f'"{shown}" asks for a special type, which job files do not have'
            hint = 'put text that begins with "!" in quotes'
            self._faults.append(Fault(message, "tag", hint, path, place=place))

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := self._parser.get_event(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        next_event = self._parser.get_event
        while not isinstance(event := next_event(), yaml.MappingEndEvent):
            mark = event.start_mark
            place = Place(mark.line + 1, mark.column + 1)
            key = self._key(event, path, place, depth)
            inner = (*path, key)
            if key in pairs:
                first = self._keys[inner]
                message = f'"{key}" is written twice; the first is on line {first.line}'
                self._faults.append(Fault(message, "duplicate-key", "keep one of them", place=place))
                inner = (*path, f"{key} (again, line {place.line}:{place.column})")
                self._keys[inner] = place
                self._value(next_event(), inner, depth + 1)
                continue
            self._keys[inner] = place
            pairs[key] = self._value(next_event(), inner, depth + 1)
        # What was refused as a key has no meaning to check.
        return {key: value for key, value in pairs.items() if key} if "" in pairs else pairs

    def _key(self, event: Any, path: Path, place: Place, depth: int) -> str:
        """The text of a key; empty where it is none."""
        self._nodes += 1
        if not isinstance(event, yaml.ScalarEvent):
            self._faults.append(
                Fault("a key is a plain name, not a list, a mapping or an alias", "complex-key", place=place)
            )
            self._value(event, (*path, ""), depth + 1)
            return ""
        if event.anchor or event.tag:
            self._refuse_extras(event, (*path, event.value), place)
        if event.value == "<<" and not event.style:
            hint = "write values out, or share them in defaults.yaml"
            message = '"<<" merges another mapping, which job files do not do'
            self._faults.append(Fault(message, "merge-key", hint, place=place))
            return ""
        if not event.value:
            self._faults.append(Fault("a value here has no name", "empty-key", "", path, place=place))
        if found := _CONTROL.search(event.value):
            self._control(found, (*path, event.value), place)
        return str(event.value)
