"""Reading job files: a path in; a Job, or everything that is wrong with the file, out."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.builtin import builtin_values
from schemas.collisions import collisions
from schemas.draft import Draft
from schemas.fault import Fault, Place
from schemas.fault import Path as ValuePath
from schemas.job import Job, Origin
from schemas.layers import Layer, Layers, lay, written
from schemas.meaning import understand, via_fault
from schemas.problem import Problem
from schemas.shape import Misfit, misfits
from schemas.tree import MAX_BYTES, Tree, read_tree
from schemas.wording import fault_of

SUFFIXES: Final = (".yaml", ".yml")
DEFAULTS: Final = "defaults"
_MAX_ID: Final = 200
"""Airflow takes 250 characters; the rest is for what is written around it."""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_BUILT_IN: Final = Origin()
_TOP: Final = Place(1, 1)
# Values that a parser of their own explains better than a pattern can.
_EXPLAINED: Final = frozenset(
    {
        ("schedule",),
        ("bucket",),
        ("retry_delay",),
        ("timeout",),
        ("date_range", "since"),
        ("date_range", "until"),
    }
)


@dataclass(frozen=True, slots=True)
class Reading:
    """All of a pipelines folder: the healthy jobs by id, and what is wrong with the rest."""

    jobs: tuple[Job, ...]
    problems: tuple[Problem, ...]
    files: int = 0
    """How many job files there are, healthy or not."""


def read_job(path: Path, root: Path) -> Job | tuple[Problem, ...]:
    """The job in the file `path`, or its problems. `root` is the folder that holds pipelines/.

    Problems of the defaults that reach the job are among them, each at its own place.
    """
    base = os.path.abspath(root)  # noqa: PTH100  a symlinked project keeps the name the person knows
    reader = _Reader(base)
    found = reader.read(os.path.relpath(os.path.abspath(path), base))  # noqa: PTH100  as above
    return found if isinstance(found, Job) else tuple(sorted((*found, *reader.problems)))


def read_jobs(pipelines: Path) -> Reading:
    """Every job below `pipelines`, and the problems of all, those between files included."""
    base, folder = os.path.split(os.path.abspath(pipelines))  # noqa: PTH100  as read_job
    reader = _Reader(base)
    jobs: list[Job] = []
    problems: list[Problem] = []
    files = 0
    for name in _job_files(os.path.join(base, folder), folder, problems):  # noqa: PTH118  hot path
        files += 1
        found = reader.read(name)
        if isinstance(found, Job):
            jobs.append(found)
        else:
            problems.extend(found)
    taken = {}
    for later, earlier in collisions(jobs):
        taken[later.id] = True
        problems.append(_same_object(later, earlier))
    healthy = sorted((job for job in jobs if job.id not in taken), key=lambda job: job.id)
    return Reading(tuple(healthy), tuple(sorted({*problems, *reader.problems})), files)


def job_path(job_id: str, pipelines: Path) -> Path | None:
    """The file of a job, None where there is none; looks at no more than two names."""
    parts = job_id.split(".")
    if parts[-1] == DEFAULTS or not all(map(_NAME.fullmatch, parts)):
        return None
    for suffix in SUFFIXES:
        path = pipelines.joinpath(*parts[:-1], parts[-1] + suffix)
        if path.is_file():
            return path
    return None


def _same_object(later: Job, earlier: Job) -> Problem:
    origin = later.origins.get("key", _BUILT_IN)
    line, column = (origin.line, origin.column) if origin.path == later.file else _TOP
    message = f"this job writes the same object as {earlier.file}"
    return Problem(
        later.file, line, column, message, "same-object", "change the key, the bucket or the dates"
    )


def _job_files(folder: str, name: str, problems: list[Problem]) -> Iterator[str]:
    """The job files below a folder by the names a person would type, in order."""
    try:
        with os.scandir(folder) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(Problem(name, 1, 1, f"cannot read this folder: {error.strerror}", "unreadable"))
        return
    for entry in inside:
        if entry.name.startswith("."):
            continue
        inner = f"{name}/{entry.name}"
        stem, suffix = os.path.splitext(entry.name)  # noqa: PTH122  hot path
        if entry.is_dir(follow_symlinks=False):
            yield from _job_files(entry.path, inner, problems)
        elif entry.is_dir():
            message = "this folder is a link, and jobs behind links are not read"
            problems.append(Problem(inner, 1, 1, message, "linked-folder", "move the folder here"))
        elif suffix in SUFFIXES and stem != DEFAULTS:
            yield inner


class _Reader:
    """Reads files of one project, each defaults file once.

    `problems` are those of the defaults files met so far.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._defaults: dict[str, Layer | None] = {}
        self._bad_defaults: set[str] = set()
        self.problems: list[Problem] = []

    def read(self, file: str) -> Job | tuple[Problem, ...]:
        """The job of a file, by its name below the root, or the file's own problems."""
        own = self._layer(file)
        if isinstance(own, Problem):
            return (own,)
        faults = list(own.tree.faults)
        job_id, name_faults = self._id(file)
        faults += name_faults
        defaults = self._defaults_of(file)
        bad = [layer.file for layer in defaults if layer.file in self._bad_defaults]
        if bad:
            # What the job takes from them is unknown, so only what it says itself can be judged.
            message = f"the defaults in {bad[0]} have problems of their own"
            faults.append(Fault(message, "bad-defaults", "mend them first", place=_TOP))
            defaults = ()
        layers = lay((own, *defaults))
        if not own.tree.whole:
            return self._place(faults, layers)
        parts, found = _judge(layers, job_id, self._root, partial=bool(bad), known=faults)
        faults += found
        return self._place(faults, layers) if faults else self._job(job_id, layers, parts)

    def _layer(self, file: str) -> Layer | Problem:
        try:
            with open(os.path.join(self._root, file), "rb") as source:  # noqa: PTH118, PTH123  hot path
                data = source.read(MAX_BYTES + 1)
                if len(data) > MAX_BYTES:
                    data += source.read(1)  # enough to tell that it is too large
        except OSError as error:
            return Problem(file, 1, 1, f"cannot read this file: {error.strerror}", "unreadable")
        return Layer(file, data, read_tree(data))

    def _id(self, file: str) -> tuple[str, list[Fault]]:
        """The job's id, and what is wrong with the names it comes from."""
        stem, suffix = os.path.splitext(file)  # noqa: PTH122  hot path
        parts = stem.replace(os.sep, "/").split("/")[1:]
        faults = []
        for part in parts:
            if not _NAME.fullmatch(part):
                message = f'"{part}" in the name of this file has more than letters, digits, _ and -'
                faults.append(Fault(message, "bad-name", "rename it; the job is called by it", place=_TOP))
        job_id = ".".join(parts)
        if len(job_id) > _MAX_ID:
            message = f"the job's name is {len(job_id)} characters long; {_MAX_ID} is the most"
            faults.append(Fault(message, "bad-name", "shorten the names of its folders", place=_TOP))
        other = next(one for one in SUFFIXES if one != suffix)
        if os.path.exists(os.path.join(self._root, stem + other)):  # noqa: PTH110, PTH118  hot path
            message = f"{os.path.basename(stem)}{other} beside it is the same job"  # noqa: PTH119  as above
            faults.append(Fault(message, "two-files", "keep one of the two files", place=_TOP))
        return job_id, faults

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
        names = [f"{folder}/{DEFAULTS}{suffix}" for suffix in SUFFIXES]
        there = [name for name in names if os.path.exists(os.path.join(self._root, name))]  # noqa: PTH110, PTH118
        if not there:
            return None
        file = there[0]
        layer = self._layer(file)
        if isinstance(layer, Problem):
            self.problems.append(layer)
            layer = Layer(file, b"", Tree({}, {}, {}, []))
            self._bad_defaults.add(file)
            return layer
        faults = list(layer.tree.faults)
        if len(there) > 1:
            message = f"{DEFAULTS}.yml beside it says defaults too"
            faults.append(Fault(message, "two-files", "keep one of the two files", place=_TOP))
        layers = lay((layer,))
        if layer.tree.whole:
            faults += _judge(layers, "", self._root, partial=True, known=faults)[1]
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
        builtin = builtin_values(value["source"])
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


_PLAIN: Final = (
    "source",
    "bucket",
    "key",
    "query",
    "limit",
    "backfill",
    "description",
    "owner",
    "retries",
    "email_on_failure",
    "email_on_retry",
    "depends_on_past",
    "source_connection",
    "bucket_connection",
)


def _digest(layers: Layers) -> str:
    """The SHA-256 of the file and its defaults, nearest first, each after its length."""
    digest = hashlib.sha256()
    for layer in layers.layers:
        digest.update(len(layer.data).to_bytes(8, "big"))
        digest.update(layer.data)
    return digest.hexdigest()


def _judge(
    layers: Layers, job_id: str, root: str, *, partial: bool, known: list[Fault]
) -> tuple[dict[str, Any], list[Fault]]:
    """What the layers mean, and what is wrong with them beyond the faults known already."""
    blamed = {fault.path for fault in known if fault.path}
    faults: list[Fault] = []
    explained: dict[ValuePath, Fault] = {}
    for misfit in misfits(layers.value, partial=partial):
        if any(misfit.path[: len(path)] == path for path in blamed):
            continue  # one slip, one problem
        fault = _via(misfit, layers.value) or fault_of(misfit)
        if misfit.path in _EXPLAINED and fault.kind == "wrong-form":
            explained[misfit.path] = fault
            continue
        faults.append(fault)
        if fault.path and not fault.at_key:
            blamed.add(fault.path)
    source = layers.value.get("source")
    builtin = builtin_values(source if isinstance(source, str) else None)
    draft = Draft(job_id, root, layers.value, builtin, blamed)
    parts = understand(draft)
    heard = {fault.path for fault in draft.faults}
    faults += draft.faults
    faults += [fault for path, fault in explained.items() if path not in heard]
    return parts, faults


def _via(misfit: Misfit, value: dict[str, Any]) -> Fault | None:
    if misfit.path == ("via",) and misfit.keyword == "enum":
        return via_fault(str(value.get("source")), str(misfit.value), misfit.extra)
    return None


def _problem(fault: Fault, layers: Layers) -> Problem:
    own = layers.own
    message, place = fault.message, fault.place
    if place is None and fault.path:
        found = layers.find(fault.path, at_key=fault.at_key)
        if found is not None:
            layer, place = found
            if layer is not own:
                message += f" ({layer.file}:{place.line} says so)"
                place = None
    place = place or _TOP
    return Problem(own.file, place.line, place.column, message, fault.kind, fault.hint)
