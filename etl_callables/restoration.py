"""Restoration: what a verification found wrong, made right from the raw pages that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version

from etl_callables import raw
from etl_callables.errors import RetryLater, Stop
from etl_callables.loading import load
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.publishing import shown_by_tables
from etl_callables.run import Run, object_key
from etl_callables.store import Store
from etl_callables.transformation import Staged, read_staged, transform
from etl_callables.verification import Finding, again, check_window, digest_of, not_as_read
from schemas.job import Job, Per
from schemas.key import TABLE
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
    """Make missing and changed objects and lost manifests again from raw pages, and remove orphaned files.

    Nothing is published of raw pages that are not those that a run read, as far as its manifest tells. Each
    window is verified again before it counts as repaired. Objects that no manifest names are nobody's to
    delete here. `run` has the connections; each object is made as by its own run.
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
            repairs.append(Repair(finding, done, note or _advice(finding)))
    return repairs


_ADVICE = {
    "extra": "it is not touched, for somebody may need it: move it away, or delete it where nobody does",
    "changed-raw": "nothing is made of other pages than its run read",
    "no-raw": "only fetching it again brings them back: clear the run's extract in Airflow, or {again}",
    "damaged": "delete this file, and no other of that window, and {again}",
    "abandoned": "clear the run in Airflow or {again}, or delete these files where nobody wants it",
    "no-manifest": "its raw pages do not give these very bytes today: keep both, and {again}",
    "rejected": "look at them, then correct the job's `quality` and clear its load task, or delete them",
    "unread": "try again",
    "unfinished": "its run does it",
}


def _advice(finding: Finding) -> str:
    """What a person can do about what is not repaired."""
    said = _ADVICE.get(finding.kind, "")
    return said.replace("{again}", again(finding)) if finding.folder else said


def _restored(store: Store, finding: Finding, jobs: Mapping[str, Job], run: Run) -> str | None:
    """What was done; None where nothing can be. Stop where it cannot in this very case."""
    if finding.kind == "orphaned":
        store.delete(finding.keys)
        return "removed"
    if finding.kind == "no-manifest":
        return _manifest_again(store, finding, jobs, run)
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
    made = transform(asked, window, own, {"raw": manifest.raw.done})
    staged = read_staged(store, made["staged"])
    if manifest.raw.sha256 not in {None, staged.raw_sha256}:
        store.delete([staged.key, made["staged"]])
        raise Stop(not_as_read(store, finding))
    load(asked, window, own, made, anew=True)
    pages = f"{manifest.raw.pages:,} raw page{'' if manifest.raw.pages == 1 else 's'}"
    if staged.sha256 == manifest.object.sha256:
        return f"made again from {pages}, byte for byte"
    return f"made again from {pages}, with other bytes, {_why(job, manifest, staged)}"


def _why(job: Job, before: Manifest, staged: Staged) -> str:
    """Why an object that is made again has other bytes, as far as its manifest tells."""
    changed = [job.file] if job.digest != before.job_digest else []
    if (today := version("trawl")) != before.trawl:
        changed.append(f"Trawl ({before.trawl} then, {today} today)")
    if before.privacy and staged.privacy and before.privacy.key != staged.privacy.key:
        changed.append("the key of its pseudonyms")
    said = f"for {' and '.join(changed)} {'has' if len(changed) == 1 else 'have'} changed since"
    if not changed:
        said = f"though neither {job.file} nor Trawl has changed since"
    if before.raw.sha256 is None:
        return f"{said}; its manifest did not say which raw pages its run read, and these may be others"
    return said if changed else f"{said}, nor have its raw pages: a library that Trawl uses may have"


def _manifest_again(store: Store, finding: Finding, jobs: Mapping[str, Job], run: Run) -> str | None:
    """Write the manifest that a window has lost, where its raw pages give its very object; else None."""
    job, (key,) = jobs.get(finding.job), finding.keys
    window, own = Window.parse(finding.window), replace(run, variant=finding.folder.partition("~")[2])
    # A variant was asked for something else, and a table has its rows by their commits: only runs know.
    if job is None or job.format == TABLE or own.variant or object_key(job, window, own) != key:
        return None
    for attempt in reversed(raw.attempts(store, finding.folder)):
        if attempt.done is None:
            continue
        done = raw.read_done(store, attempt.done)
        if any(store.size(page) is None for page in done.pages):
            continue
        made = transform(job, window, own, {"raw": attempt.done})
        staged = read_staged(store, made["staged"])
        if staged.size == store.size(key) and staged.sha256 == digest_of(store, key):
            # Whatever is expected of a run, this one was published; and it is as old as its pages.
            load(replace(job, quality=None), window, _at(done.finished, own), made)
            pages = f"{len(done.pages):,} raw page{'' if len(done.pages) == 1 else 's'}"
            return f"its manifest is made again from {pages}, which give this object byte for byte"
        store.delete([staged.key, made["staged"]])
    return None


def _at(moment: datetime, run: Run) -> Run:
    """The run, at another time."""
    return replace(run, now=lambda: moment)


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
