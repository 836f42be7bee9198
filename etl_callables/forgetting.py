"""Forgetting: a post, or all posts of somebody, out of objects and raw pages, and kept out.

What is forgotten is written down as salted hashes below `_trawl/<job>/forgotten.json`: enough to know it
again when a run is given it once more, and no way back to who it was.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from etl_callables.errors import Stop
from etl_callables.http import decode
from etl_callables.post import Post
from etl_callables.run import STATE
from etl_callables.sources import Source
from etl_callables.store import Missing, Store
from schemas.job import Job

Kind = Literal["author", "post"]

VERSION: Final = 1
_DEEPEST: Final = 12
"""Levels of lists and objects in which a post is looked for."""


_WHO: Final = re.compile(r"(?i)(id|acct|handle|name|author|user)$")
"""How keys end under which items say who wrote them, or which they are."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be forgotten: the posts of an author, by handle or id, or a post by its id."""

    kind: Kind
    value: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the audit: when what kind of thing was forgotten, and how much of it there was.

    `pending` are folders of windows in which it was found, and which have not been gone through for it.
    """

    at: datetime
    kind: str
    digest: str
    windows: int
    posts: int
    pending: tuple[str, ...] = ()


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """All that a job has been told to forget; `pending` are folders of windows that are not rid of it yet.

    Those of the entries tell whose forgetting was stopped; others have been gone through, with a problem.
    """

    salt: str
    entries: tuple[Entry, ...] = ()
    pending: tuple[str, ...] = ()
    version: int = VERSION

    @property
    def digests(self) -> frozenset[str]:
        """What stands for all that is to be forgotten."""
        return frozenset(entry.digest for entry in self.entries)

    @property
    def mark(self) -> str:
        """What tells it from what a job was told to forget before or after; nothing can be read from it."""
        return hashlib.sha256("".join([self.salt, *sorted(self.digests)]).encode()).hexdigest()

    def digest(self, subject: Subject) -> str:
        """What stands for a subject: SHA-256 of the salt, the kind and the value."""
        value = subject.value
        if subject.kind == "author":
            value = value.removeprefix("@").casefold()
        text = json.dumps([self.salt, subject.kind, value])
        return hashlib.sha256(text.encode()).hexdigest()

    def begun(self, subjects: Collection[Subject], folders: Collection[str]) -> Forgotten:
        """The same, about to forget subjects in windows."""
        digests = {self.digest(one) for one in subjects}
        entries = tuple(
            msgspec.structs.replace(entry, pending=tuple(sorted({*entry.pending, *folders})))
            if entry.digest in digests
            else entry
            for entry in self.entries
        )
        pending = tuple(sorted({*self.pending, *folders}))
        return msgspec.structs.replace(self, entries=entries, pending=pending)

    def ended(self, subjects: Collection[Subject], folder: str, posts: int, *, rid: bool) -> Forgotten:
        """The same with one window gone through, which is rid of all, or not yet.

        Of several subjects at once, each has the count of all.
        """
        digests = {self.digest(one) for one in subjects}

        def after(entry: Entry) -> Entry:
            own = entry.digest in digests
            left = tuple(one for one in entry.pending if one != folder or not (own or rid))
            entry = msgspec.structs.replace(entry, pending=left)
            more = {"windows": entry.windows + bool(posts), "posts": entry.posts + posts} if own else {}
            return msgspec.structs.replace(entry, **more)

        pending = tuple(one for one in self.pending if one != folder or not rid)
        return msgspec.structs.replace(self, entries=tuple(map(after, self.entries)), pending=pending)

    def waiting(self, subjects: Collection[Subject], folder: str) -> frozenset[str]:
        """The kinds of what else was to be forgotten in a window, when that was stopped."""
        digests = {self.digest(one) for one in subjects}
        return frozenset(
            entry.kind for entry in self.entries if folder in entry.pending and entry.digest not in digests
        )

    def knows(self, post: Post) -> bool:
        """Whether a post is to be forgotten."""
        digests = self.digests
        return any(self.digest(one) in digests for one in subjects_of(post))


def subjects_of(post: Post) -> Iterator[Subject]:
    """All that a post could be forgotten by."""
    yield Subject("post", post.id)
    if post.author:
        yield Subject("author", post.author)
    if post.author_id:
        yield Subject("author", post.author_id)


def key(job_id: str) -> str:
    """Where a job's audit is kept."""
    return f"{STATE}/{job_id}/forgotten.json"


def recall(store: Store, job: Job) -> Forgotten | None:
    """What a job was told to forget, None where that is nothing; Stop when it is damaged."""
    return _recalled(store, job.id)


def mark_of(store: Store, job: Job) -> str | None:
    """The mark of what a job was told to forget, None where that is nothing; Stop when it is damaged."""
    forgotten = recall(store, job)
    return None if forgotten is None else forgotten.mark


def is_pending(store: Store, job_id: str, folder: str) -> bool:
    """Whether what a job was told to forget may be in a window still, for whoever did it was stopped."""
    with suppress(Stop):
        found = _recalled(store, job_id)
        return found is not None and folder in found.pending
    return False


def _recalled(store: Store, job_id: str) -> Forgotten | None:
    try:
        data = store.read(key(job_id))
    except Missing:
        return None
    try:
        found = msgspec.json.decode(data, type=Forgotten)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise Stop(
            f"{store.url(key(job_id))} is damaged ({problem}): put an earlier version of it back, or forget"
            " everybody again after removing it."
        ) from problem
    if found.version != VERSION:
        raise Stop(f"{store.url(key(job_id))} was written by another version of Trawl.")
    return found


def noted(store: Store, job: Job, subjects: Collection[Subject], at: datetime) -> Forgotten:
    """What a job was told to forget, these subjects among it; nothing is written."""
    known = recall(store, job) or Forgotten(salt=secrets.token_hex(16))
    there = {entry.digest for entry in known.entries}
    new = {known.digest(one): one.kind for one in subjects}
    entries = [
        Entry(at=at, kind=kind, digest=digest, windows=0, posts=0)
        for digest, kind in new.items()
        if digest not in there
    ]
    return msgspec.structs.replace(known, entries=(*known.entries, *entries))


def write(store: Store, job: Job, forgotten: Forgotten) -> None:
    store.write(key(job.id), msgspec.json.format(msgspec.json.encode(forgotten), indent=2) + b"\n")


# --- raw pages ---------------------------------------------------------------------------------------


class Unparted(Exception):  # noqa: N818  says what is so; callers then do without the body
    """A body cannot be parted from what is to be forgotten without losing other posts."""


def scrub(
    source: Source, bodies: Sequence[bytes], forget: Callable[[Post], bool], now: datetime
) -> tuple[list[bytes], int]:
    """Bodies without the posts to be forgotten, and how many those were. Unparted where that cannot be.

    Copies of them in the posts of others, which quote them, go where these do not need them; so does an item
    that could not be read, and names them.
    """
    left: list[bytes] = []
    count = 0
    for body in bodies:
        kept, gone = _scrubbed(source, body, forget, now)
        left += [] if kept is None else [kept]
        count += gone
    return left, count


def _scrubbed(
    source: Source, body: bytes, forget: Callable[[Post], bool], now: datetime
) -> tuple[bytes | None, int]:
    posts = _posts(source, body, now)
    gone = [post for post in posts if forget(post)]
    if posts and len(gone) == len(posts):
        return None, len(gone)
    if not posts:
        return (None, 1) if _unread(source, body, forget, now) else (body, 0)
    try:
        value = decode(body)
    except ValueError as problem:
        if not gone:
            return body, 0
        raise Unparted(str(problem)) from problem
    left = [post for post in posts if post not in gone]
    parts = _Parts(source, now)
    for post in gone:
        value = parts.without(value, post)
    value, copies = parts.without_copies(value, left, forget)
    if not gone and not copies:
        return body, 0
    for name in {post.author_id for post in (*gone, *copies)} - {post.author_id for post in left}:
        value = value if name is None else parts.without_name(value, name)
    return _encoded(value), len(gone) + len(copies)


def found_in(
    source: Source, bodies: Sequence[bytes], forget: Callable[[Post], bool], now: datetime
) -> set[tuple[str, str]]:
    """The posts to be forgotten in bodies, each by its platform and id, as far as they can be read.

    Among them are copies of them that can go.
    """
    found: list[Post] = []
    for body in bodies:
        posts = _posts(source, body, now)
        gone = [post for post in posts if forget(post)]
        found += gone
        found += [] if posts else _unread(source, body, forget, now)
        if len(gone) < len(posts):
            with suppress(ValueError):
                left = [post for post in posts if post not in gone]
                found += _Parts(source, now).without_copies(decode(body), left, forget)[1]
    return {post[:2] for post in found}


def _unread(source: Source, body: bytes, forget: Callable[[Post], bool], now: datetime) -> list[Post]:
    """The one item of a body, which could not be read, if it names somebody or something to be forgotten."""
    items = list(source.posts(body, now))
    if len(items) != 1 or isinstance(items[0], Post):
        return []
    with suppress(ValueError):
        value = decode(body)
        said = {str(one) for _, part in _dicts(value) for key, one in part.items() if _says_who(key, one)}
        nothing = Post(*[None] * len(Post._fields))  # type: ignore[arg-type]
        return [
            nothing._replace(platform="", id="")
            for name in said
            if forget(nothing._replace(platform="", id=name, author=name, author_id=name, created_at=now))
        ][:1]
    return []


def _says_who(key: str, value: Any) -> bool:
    return isinstance(value, str | int) and _WHO.search(key) is not None


def _posts(source: Source, body: bytes, now: datetime) -> list[Post]:
    return [item for item in source.posts(body, now) if isinstance(item, Post)]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The value of a body, taken apart by trying what a source still reads in what is left of it."""

    source: Source
    now: datetime

    def posts(self, value: Any) -> list[Post]:
        return _posts(self.source, _encoded(value), self.now)

    def without(self, value: Any, post: Post) -> Any:
        """The value without the one part, wherever it is, that makes this post."""
        before = self.posts(value)
        wanted = [one for one in before if one.id != post.id]
        if wanted == before:  # it went with another part
            return value
        for path in _parts(value, post.id):
            smaller = _cut(value, path)
            if self.posts(smaller) == wanted:
                return smaller
        raise Unparted(f"the post {post.id} is no part of its own")

    def without_copies(
        self, value: Any, left: Sequence[Post], forget: Callable[[Post], bool]
    ) -> tuple[Any, list[Post]]:
        """The value without parts that are posts to be forgotten in or beside those that are left, and which.

        What is left may need such a part's id, or all of it, as where it says again what it reposts.
        """
        copies: list[Post] = []
        home = _home(value, left[0].id) if left else None
        while home is not None:
            for path, part in _dicts(value):
                post = self._copy(value, home, path)
                if post is None or not forget(post):
                    continue
                ids = {key: one for key, one in part.items() if _is_name(one, post.id)}
                tries = (_cut(value, path), _put(value, path, ids))
                smaller = next((one for one in tries if self.posts(one) == self.posts(value)), None)
                if smaller is not None:
                    value = smaller
                    copies.append(post)
                    break
            else:
                break
        return value, copies

    def _copy(self, value: Any, home: Path, path: Path) -> Post | None:
        """The post that a part is which is made like the one at `home`, read in that one's place."""
        own, part, among = _at(value, home), _at(value, path), home[:-1]
        beside = bool(home) and isinstance(_at(value, among), list)
        if path == home or (beside and path[:-1] == among) or 2 * len(part.keys() & own.keys()) < len(own):
            return None
        posts = self.posts(_put(value, among, [part]) if beside else _put(value, home, part))
        return posts[0] if posts else None

    def without_name(self, value: Any, name: str) -> Any:
        """The value without what else is said of somebody whose posts are gone, where no post needs it."""
        wanted = self.posts(value)
        while True:
            for path in _parts(value, name):
                smaller = _cut(value, path)
                if self.posts(smaller) == wanted:
                    value = smaller
                    break
            else:
                return value


Path = tuple[Any, ...]
"""Steps to a part of a value: keys of objects and places in lists."""


def _dicts(value: Any, path: Path = ()) -> Iterator[tuple[Path, dict[str, Any]]]:
    """All objects in a value, outer ones first, and where they are."""
    if len(path) > _DEEPEST or not isinstance(value, list | dict):
        return
    if isinstance(value, dict):
        yield path, value
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for step, part in pairs:
        if isinstance(part, list | dict):
            yield from _dicts(part, (*path, step))


def _home(value: Any, name: str) -> Path | None:
    """Where the object of a post is, by its id; None where it is nowhere as it is."""
    wanted = (path for path, part in _dicts(value) if any(_is_name(one, name) for one in part.values()))
    return next(wanted, None)


def _is_name(value: Any, name: str) -> bool:
    return isinstance(value, str | int) and str(value) == name


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


def _put(value: Any, path: Path, part: Any) -> Any:
    """The same value with another part at a path; what is not on the way is shared."""
    if not path:
        return part
    changed = value.copy()
    changed[path[0]] = _put(value[path[0]], path[1:], part)
    return changed


def _encoded(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def _parts(value: Any, name: str, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where objects stand, in lists or under a key, that have `name` somewhere in them; outer ones first."""
    if len(path) > _DEEPEST:
        return
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, list):
        pairs = enumerate(value)
    elif isinstance(value, dict):
        pairs = value.items()
    within = [(step, part) for step, part in pairs if isinstance(part, list | dict) and _has(part, name)]
    yield from ((*path, step) for step, part in within if isinstance(part, dict))
    for step, part in within:
        yield from _parts(part, name, (*path, step))


def _has(value: Any, name: str) -> bool:
    """Whether a value says a name: as a text, a number, or the end of an address."""
    if isinstance(value, str):
        return value == name or name in value
    if isinstance(value, int):
        return str(value) == name
    if isinstance(value, list):
        return any(_has(part, name) for part in value)
    return isinstance(value, dict) and any(_has(part, name) for part in value.values())


def _cut(value: Any, path: tuple[Any, ...]) -> Any:
    """The same value without the part at a path; what is not on the way is shared."""
    step, *rest = path
    changed = value.copy()
    if rest:
        changed[step] = _cut(value[step], tuple(rest))
    else:
        del changed[step]
    return changed
