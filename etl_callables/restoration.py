"""Restoration: what a verification found wrong, made right from the raw pages that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from etl_callables.errors import RetryLater, Stop
from etl_callables.loading import load
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.publishing import shown_by_tables
from etl_callables.run import Run, object_key
from etl_callables.store import Store
from etl_callables.transformation import transform
from etl_callables.verification import Finding, check_window
from schemas.job import Job, Per
from schemas.window import Window


@dataclass(frozen=True, slots=True)
class Repair:
    """What became of a finding: `note` says what was done, or why nothing was."""

    finding: Finding
    done: bool
    note: str


def restore(
    store: Store,
    findings: Iterable[Finding],
    jobs: Mapping[str, Job],
    run: Run,
    progress: Callable[[Finding], None] = lambda _finding: None,
) -> list[Repair]:
    """Make missing and changed objects again from their raw pages, and remove orphaned files.

    Each window is verified again before it counts as repaired. Objects that no manifest names are
    nobody's to delete here. `run` has the connections; each object is made as by its own run.
    """
    repairs = []
    for finding in findings:
        progress(finding)
        try:
            note = _restored(store, finding, jobs, run)
        except (RetryLater, Stop) as problem:
            repairs.append(Repair(finding, done=False, note=str(problem)))
        else:
            done = note is not None and not _is_there(store, finding, jobs, run)
            repairs.append(Repair(finding, done, note or _ADVICE.get(finding.kind, "")))
    return repairs


_ADVICE = {
    "extra": "it is not touched, for somebody may need it: delete it, or move it away",
    "no-raw": "only fetching it again brings them back: clear the extract task of that run",
    "damaged": "delete it and run that window again",
    "abandoned": "clear the run in Airflow to finish it, or delete these files",
    "rejected": "look at them, then correct the job's `quality` and clear its load task, or delete them",
    "unread": "try again",
    "unfinished": "its run does it",
}


def _restored(store: Store, finding: Finding, jobs: Mapping[str, Job], run: Run) -> str | None:
    """What was done; None where nothing can be. Stop where it cannot in this very case."""
    if finding.kind == "orphaned":
        store.delete(finding.keys)
        return "removed"
    if finding.kind not in {"missing", "changed"}:
        return None
    manifest = read_manifest(store, finding.folder)
    if manifest is None:
        raise Stop("its manifest is gone meanwhile: verify again")
    if manifest.raw.expired is not None or manifest.expired is not None:
        raise Stop("its raw pages are not kept, as its job says: run that window again")
    job = jobs.get(manifest.job)
    if job is None:
        raise Stop(f"there is no job {manifest.job} here, which would say how to make it again")
    asked, own = as_it_was(job, manifest), replace(run, id=manifest.run, variant=manifest.variant)
    window = Window(manifest.start, manifest.end)
    there = manifest.object.key if manifest.table is None else manifest.table.key
    if object_key(asked, window, own) != there:
        rest = "" if finding.kind == "missing" else ", and delete this object"
        raise Stop(f"{job.file} gives it another key today: run that window again{rest}")
    load(asked, window, own, transform(asked, window, own, {"raw": manifest.raw.done}), anew=True)
    pages = f"{manifest.raw.pages:,} raw page{'' if manifest.raw.pages == 1 else 's'}"
    again = read_manifest(store, finding.folder)
    if again is not None and again.object.sha256 == manifest.object.sha256:
        return f"made again from {pages}, byte for byte"
    return f"made again from {pages}, with other bytes, for {job.file} or Trawl has changed since"


def as_it_was(job: Job, manifest: Manifest) -> Job:
    """The job, asking for what that run was asked for: a person may have triggered it with other values."""
    per: Per = "day" if manifest.per == "day" else "run"
    return replace(job, query=manifest.query, options=manifest.options, limit=manifest.limit, per=per)


def _is_there(store: Store, finding: Finding, jobs: Mapping[str, Job], run: Run) -> bool:
    """Whether the same is still wrong."""
    return any(
        other.kind == finding.kind and set(other.keys) & set(finding.keys)
        for other in check_window(store, finding.folder, run.now(), shown_by_tables(jobs, store, run))
    )
