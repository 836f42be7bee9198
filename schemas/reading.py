"""Reading job files: a path in; a Job, or everything that is wrong with the file, out."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from schemas.builtin import builtin_values
from schemas.collisions import collisions
from schemas.fault import Fault, Place
from schemas.fault import Path as Steps
from schemas.folder import DEFAULTS, DEFAULTS_FILES, job_files, job_id_of, job_path
from schemas.inside import place_inside
from schemas.job import Job, Origin
from schemas.judging import judge
from schemas.layers import Layer, Layers, lay, written
from schemas.problem import Problem
from schemas.tree import EMPTY, MAX_BYTES, Tree, read_tree
from schemas.words import printable

__all__ = ["Reading", "essential", "job_path", "read_job", "read_jobs", "read_some"]

_BAD_DEFAULTS: Final = "bad-defaults"
_BUILT_IN: Final = Origin()
_TOP: Final = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Reading:
    """All of a pipelines folder: the healthy jobs by id, and what is wrong with the rest."""

    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]
    files: int = 0
    """How many job files there are, healthy or not."""

    texts: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    """What is in each file that was read, defaults too, by its name below the root."""


def read_job(path: Path, root: Path) -> Job | tuple[Problem, ...]:
    """The job in the file `path`, or its problems. `root` is the folder that holds pipelines/.

    Problems of the defaults that reach the job are among them, each at its own place.
    """
    base = os.path.abspath(root)  # noqa: PTH100  a symlinked project keeps the name the person knows
    reader = _Reader(base)
    found = reader.read(os.path.relpath(os.path.abspath(path), base))  # noqa: PTH100  as above
    return found if isinstance(found, Job) else tuple(sorted((*found, *reader.problems)))


def read_jobs(pipelines: Path, trees: dict[bytes, Tree] | None = None) -> Reading:
    """Every job below `pipelines`, and the problems of all, those between files included.

    `trees` are files' contents as parsed before, to which what is parsed is added: of two readings of a
    project most files are the same.
    """
    base, folder = os.path.split(os.path.abspath(pipelines))  # noqa: PTH100  as read_job
    problems: list[Problem] = []
    names = job_files(os.path.join(base, folder), folder, problems)  # noqa: PTH118  hot path
    return _read_all(_Reader(base, trees=trees), names, problems)


def read_some(paths: Iterable[Path], root: Path, instead: Mapping[str, bytes] | None = None) -> Reading:
    """As `read_jobs`, for some files of one project only.

    `instead` has what to read instead of what is in a file, by its name below the root.
    """
    base = os.path.abspath(root)  # noqa: PTH100  as read_job
    names = sorted({os.path.relpath(os.path.abspath(path), base) for path in paths})  # noqa: PTH100
    return _read_all(_Reader(base, instead), names, [])


def essential(problems: Iterable[Problem]) -> tuple[tuple[Problem, ...], int]:
    """Problems for a person: a defaults file's once, and not again for every job that it reaches.

    Also how many jobs' files these are, which are judged for the rest when the defaults are mended.
    """
    known = tuple(problems)
    folders = {path[0] for problem in known if (path := os.path.split(problem.path))[1] in DEFAULTS_FILES}
    reached = tuple(f"{folder}{os.sep}" if folder else "" for folder in folders)
    again = {one for one in known if one.kind == _BAD_DEFAULTS and one.path.startswith(reached)}
    return tuple(one for one in known if one not in again), len({one.path for one in again})


def _read_all(reader: _Reader, names: Iterable[str], problems: list[Problem]) -> Reading:
    jobs: list[Job] = []
    files = 0
    for name in names:
        files += 1
        found = reader.read(name)
        if isinstance(found, Job):
            jobs.append(found)
        else:
            problems.extend(found)
    pairs = collisions(jobs)
    problems.extend(_same_object(later, earlier) for later, earlier in pairs)
    taken = {later.id for later, _ in pairs}
    healthy = sorted((job for job in jobs if job.id not in taken), key=lambda job: job.id)
    return Reading(tuple(healthy), tuple(sorted({*problems, *reader.problems})), files, reader.texts)


def _same_object(later: Job, earlier: Job) -> Problem:
    origin = later.origins.get("key", _BUILT_IN)
    line, column, hint = origin.line, origin.column, "change the key, the bucket or the dates"
    if origin.path != later.file:
        (line, column), place = _TOP, f"{origin.path}:{origin.line}"
        hint = f"their key is in {place}: write {{job}} into it, or give this job a key of its own"
    message = f"this job writes the same object as {earlier.file}"
    return Problem(later.file, line, column, message, "same-object", hint)


class _Reader:
    """Reads files of one project, each defaults file once.

    `problems` are those of the defaults files met so far, `texts` what is in all files.
    """

    def __init__(
        self,
        root: str,
        instead: Mapping[str, bytes] | None = None,
        trees: dict[bytes, Tree] | None = None,
    ) -> None:
        self._root = root
        self._instead = instead or {}
        self._trees = trees
        self._defaults: dict[str, Layer | None] = {}
        self._bad_defaults: set[str] = set()
        self.problems: list[Problem] = []
        self.texts: dict[str, str] = {}

    def read(self, file: str) -> Job | tuple[Problem, ...]:
        """The job of a file, by its name below the root, or the file's own problems."""
        own = self._layer(file)
        if isinstance(own, Problem):
            return (own,)
        faults = list(own.tree.faults)
        job_id, name_faults = job_id_of(file, self._root)
        faults += name_faults
        defaults = self._defaults_of(file)
        bad = [layer.file for layer in defaults if layer.file in self._bad_defaults]
        if bad:
            # What the job takes from them is unknown, so only what it says itself can be judged.
            message = f"the defaults in {bad[0]} have problems of their own"
            faults.append(Fault(message, _BAD_DEFAULTS, "mend them first", place=_TOP))
            defaults = ()
        layers = lay((own, *defaults))
        if not own.tree.whole:
            return self._place(faults, layers)
        parts, found = judge(layers, job_id, self._root, partial=bool(bad), known=faults)
        faults += found
        return self._place(faults, layers) if faults else self._job(job_id, layers, parts)

    def _layer(self, file: str) -> Layer | Problem:
        if file in self._instead:
            return Layer(file, self._instead[file], read_tree(self._instead[file]))
        path = os.path.join(self._root, file)  # noqa: PTH118  hot path
        if os.path.islink(path) and not _inside(path, self._root, file):  # noqa: PTH114  hot path
            message = "this file is a link out of the folder of jobs, and those are not followed"
            return Problem(file, 1, 1, message, "linked-file", "put the file itself here")
        try:
            # Not blocking: of a pipe that somebody put there, nothing would ever come.
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as source:  # noqa: PTH123
                if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                    message = "this is a pipe, a socket or a device, and no file"
                    return Problem(file, 1, 1, message, "unreadable", "put a file here")
                data = source.read(MAX_BYTES + 1)  # enough to tell that it is too large
        except OSError as error:
            return Problem(file, 1, 1, f"cannot read this file: {error.strerror}", "unreadable")
        known = self._trees.get(data) if self._trees is not None else None
        tree = known or read_tree(data)
        if self._trees is not None:
            self._trees[data] = tree
        self.texts[file] = tree.text
        return Layer(file, data, tree)

    def _defaults_of(self, file: str) -> tuple[Layer, ...]:
        """The defaults that reach a file, nearest first."""
        layers = []
        folder = file.rpartition("/")[0]
        while folder:
            if folder not in self._defaults:
                self._defaults[folder] = self._read_defaults(folder)
            layer = self._defaults[folder]
            if layer is not None:
                layers.append(layer)
            folder = folder.rpartition("/")[0]
        return tuple(layers)

    def _read_defaults(self, folder: str) -> Layer | None:
        names = [f"{folder}/{name}" for name in DEFAULTS_FILES]
        there = [name for name in names if os.path.lexists(os.path.join(self._root, name))]  # noqa: PTH118
        if not there:
            return None
        file = there[0]
        layer = self._layer(file)
        if isinstance(layer, Problem):
            self.problems.append(layer)
            layer = Layer(file, b"", Tree({}, {}, {}, []))
            self._bad_defaults.add(file)
            return layer
        # Defaults that say nothing are fine: somebody has yet to write the first.
        faults = [fault for fault in layer.tree.faults if fault.kind != EMPTY]
        if len(there) > 1:
            message = f"{DEFAULTS}.yml beside it says defaults too"
            faults.append(Fault(message, "two-files", "keep one of the two files", place=_TOP))
        layers = lay((layer,))
        if layer.tree.whole:
            faults += judge(layers, "", self._root, partial=True, known=faults)[1]
        if faults:
            self._bad_defaults.add(file)
            self.problems.extend(self._place(faults, layers))
        return layer

    def _place(self, faults: list[Fault], layers: Layers) -> tuple[Problem, ...]:
        """The faults as problems of the layers' own file, sorted, no two alike."""
        return tuple(sorted({_problem(fault, layers) for fault in faults}))

    def _job(self, job_id: str, layers: Layers, parts: dict[str, Any]) -> Job:
        own, value = layers.own, layers.value
        values, origins = written(layers)
        builtin = builtin_values(value["source"], value.get("via"))
        for name, default in builtin.items():
            if name not in values and not (name == "columns" and "columns" in value):
                values[name] = default
                origins[name] = _BUILT_IN
        options = {
            name.removeprefix("options."): default
            for name, default in builtin.items()
            if name.startswith("options.")
        }
        plain = {name: value[name] for name in _PLAIN if name in value}
        return Job(
            id=job_id,
            file=own.file,
            folder=os.path.join(self._root, os.path.dirname(own.file)),  # noqa: PTH118, PTH120  hot path
            root=self._root,
            digest=_digest(layers),
            text=own.tree.text,
            via=value.get("via") or builtin["via"],
            options=options | value.get("options", {}),
            values=values,
            origins=origins,
            **plain,
            **parts,
        )


def _inside(path: str, root: str, file: str) -> bool:
    """Whether a link stays among the jobs: what it led to elsewhere would be shown to whoever checks it."""
    jobs = os.path.realpath(os.path.join(root, file.partition("/")[0]))  # noqa: PTH118  as its caller
    return os.path.realpath(path).startswith(jobs + os.sep)


def _text_at(tree: Tree, path: Steps) -> str:
    """The text at a path; empty where something else is."""
    part: Any = tree.value
    for step in path:
        part = part[step]
    return part if isinstance(part, str) else ""


def _nearest(fault: Fault, own: Tree) -> Place | None:
    """What a file itself says that comes nearest to a culprit in its defaults."""
    if fault.other:
        return own.places.get(fault.other)
    around = (fault.path[:length] for length in range(len(fault.path) - 1, 0, -1))
    return next((own.keys[path] for path in around if path in own.keys), None)


_PLAIN: Final = (
    "source",
    "bucket",
    "key",
    "query",
    "limit",
    "per",
    "backfill",
    "description",
    "owner",
    "retries",
    "email_on_failure",
    "email_on_retry",
    "depends_on_past",
    "source_connection",
    "bucket_connection",
    "catalog_connection",
)


def _digest(layers: Layers) -> str:
    """The SHA-256 of the file and its defaults, nearest first, each after its length."""
    digest = hashlib.sha256()
    for layer in layers.layers:
        digest.update(len(layer.data).to_bytes(8, "big"))
        digest.update(layer.data)
    return digest.hexdigest()


def _problem(fault: Fault, layers: Layers) -> Problem:
    own = layers.own
    message, place = fault.message, fault.place
    if place is None and fault.path:
        found = layers.find(fault.path, at_key=fault.at_key)
        if found is not None:
            layer, place = found
            if layer is not own:
                message += f" ({layer.file}:{place.line} says so)"
                place = _nearest(fault, own.tree)
            elif fault.offset:
                place = place_inside(own.tree.text, place, _text_at(own.tree, fault.path), fault.offset)
    place = place or _TOP
    # Whatever slipped from a file into a message must not steer the terminal that shows it.
    message, hint = printable(message), printable(fault.hint)
    return Problem(printable(own.file), place.line, place.column, message, fault.kind, hint)
