"""What a bucket holds is what its manifests say; whatever is not is found, and made again from raw pages."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, get_args

import msgspec
import pytest

from etl_callables import memory, raw, spending
from etl_callables.erasure import Erasure
from etl_callables.errors import RetryLater, Stop
from etl_callables.forgetting import Subject
from etl_callables.iceberg_catalog import CATALOG
from etl_callables.loading import load
from etl_callables.manifest import list_manifests, manifest_key, read_manifest, write_manifest
from etl_callables.restoration import Repair, restore
from etl_callables.run import Run, object_key, prefix
from etl_callables.store import Entry, Store, open_store, store_at
from etl_callables.transformation import transform
from etl_callables.verification import Finding, Kind, Report, verify
from schemas.job import DateRange, Job, Pseudonyms, Quality
from schemas.window import Window
from tests.etl_callables.jobs import NEXT_DAY, WINDOW, a_run, extracted, job, tweets, write_pages
from tests.etl_callables.test_privacy import run_with
from trawl import health
from trawl.running import request

DAY = timedelta(days=1)
LATER = NEXT_DAY + 2 * DAY
OBJECT = "posts/2021-07-05.csv"


def run_of(ours: Job, numbers: range = range(1, 9), window: Window = WINDOW, run: Run | None = None) -> None:
    """One run, from pages to the manifest."""
    run = run or a_run()
    bodies = tweets(numbers)
    load(ours, window, run, transform(ours, window, run, extracted(ours, run, [bodies[:3], bodies[3:]])))


@pytest.fixture(params=["local", "memory"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "local" else f"memory://{tmp_path.name}"


@pytest.fixture
def ours(bucket: str) -> Job:
    """A job with a run, and beside it another window and another job."""
    mine = job(bucket)
    run_of(mine)
    next_window = Window(WINDOW.start + DAY, WINDOW.end + DAY)
    load(
        mine,
        next_window,
        a_run(),
        transform(mine, next_window, a_run(), extracted(mine, a_run(), [[]], window=next_window)),
    )
    run_of(job(bucket, id="team.others", key="{job}/{date}.jsonl", format="jsonl"))
    return mine


FOLDER = prefix(job(""), WINDOW, a_run())


def files(store: Store, part: str) -> list[str]:
    return [entry.key for entry in store.list(FOLDER) if part in entry.key]


def found(ours: Job, now: datetime = NEXT_DAY, **named: Any) -> list[Finding]:
    return list(verify(open_store(ours, a_run()), now, **named).findings)


def test_what_runs_leave_is_right_whenever_it_is_looked_at(ours: Job) -> None:
    """Every object was read, to its last byte."""
    store = open_store(ours, a_run())
    for now in (NEXT_DAY, LATER):
        sizes = [entry.size for entry in store.list("") if not entry.key.startswith("_trawl/")]
        assert verify(store, now) == Report(3, 3, sum(sizes), ())
    mine = verify(store, NEXT_DAY, {ours.id: ours})
    assert (mine.manifests, mine.objects, mine.findings) == (2, 2, ())


def test_a_bucket_that_nobody_wrote_to_has_nothing(bucket: str) -> None:
    """That is no error, nor a report of anything."""
    assert verify(store_at(bucket), NEXT_DAY) == Report(0, 0, 0, ())


def delete(store: Store) -> None:
    store.delete([OBJECT])


def shorten(store: Store) -> None:
    store.write(OBJECT, store.read(OBJECT)[:-1])


def overwrite(store: Store) -> None:
    store.write(OBJECT, b"x" * len(store.read(OBJECT)))


def put_another_beside_it(store: Store) -> None:
    store.write("posts/2021-07-04.csv", b"whose?")


def put_another_below_trawl(store: Store) -> None:
    store.write(f"{FOLDER}/notes.txt", b"whose?")


def lose_a_page(store: Store) -> None:
    store.delete([files(store, "00001.jsonl.zst")[0]])


def lose_the_list_of_pages(store: Store) -> None:
    store.delete([files(store, "done.json")[0]])


def damage_the_list_of_pages(store: Store) -> None:
    store.write(files(store, "done.json")[0], b"{")


def damage_the_manifest(store: Store) -> None:
    store.write(manifest_key(FOLDER), store.read(manifest_key(FOLDER))[:-9])
    store.delete([OBJECT])


def lose_the_manifest(store: Store) -> None:
    store.delete([manifest_key(FOLDER), OBJECT])


def lose_only_the_manifest(store: Store) -> None:
    store.delete([manifest_key(FOLDER)])


def leave_a_note(store: Store) -> None:
    store.write("_trawl/team.posts/note.txt", b"whose?")


def leave_a_note_in_a_folder_like_a_window(store: Store) -> None:
    store.write("_trawl/team.posts/20219999T000000Z_20210706T000000Z/raw/x/00000.jsonl.zst", b"whose?")


def leave_pages(store: Store) -> None:
    write_pages(store, FOLDER, raw.new_attempt(NEXT_DAY), [[b"{}"]], "another")


def leave_a_staged_file(store: Store) -> None:
    store.write(f"{FOLDER}/staged/{raw.new_attempt(NEXT_DAY)}/2021-07-05.csv", b"half")


HARMS: list[tuple[Callable[[Store], None], str, str]] = [
    (delete, "missing", "missing"),
    (shorten, "changed", "changed"),
    (overwrite, "changed", "changed"),
    (put_another_beside_it, "extra", "extra"),
    (put_another_below_trawl, "extra", "extra"),
    (lose_a_page, "no-raw", "no-raw"),
    (lose_the_list_of_pages, "no-raw", "no-raw"),
    (damage_the_list_of_pages, "damaged", "damaged"),
    (damage_the_manifest, "damaged", "damaged"),
    (lose_the_manifest, "unfinished", "abandoned"),
    (leave_a_note, "extra", "extra"),
    (leave_a_note_in_a_folder_like_a_window, "extra", "extra"),
    (leave_pages, "unfinished", "orphaned"),
    (leave_a_staged_file, "unfinished", "orphaned"),
]


@pytest.mark.parametrize(("harm", "today", "later"), HARMS, ids=[harm.__name__ for harm, *_ in HARMS])
def test_every_harm_is_found_once_and_named(
    ours: Job, harm: Callable[[Store], None], today: str, later: str
) -> None:
    """In the whole bucket and in what the job writes; another job's objects are never blamed."""
    store = open_store(ours, a_run())
    harm(store)
    for now, kind in ((NEXT_DAY, today), (LATER, later)):
        for jobs in (None, {ours.id: ours}):
            (finding,) = verify(store, now, jobs).findings
            assert (finding.kind, finding.wrong) == (kind, kind != "unfinished")
            assert finding.url.startswith(store.url("x")[:-1])
            assert str(finding).endswith(f"[{kind}]")
    assert verify(
        store, LATER, {"team.others": job(ours.bucket, id="team.others", key="{job}/{date}.jsonl")}
    ) == (Report(1, 1, store.size("team/others/2021-07-05.jsonl") or 0, ()))


def test_the_documentation_has_every_kind() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reading.md").read_text(encoding="utf-8")
    rows = text.partition("| kind |")[2].partition("\n\n")[0].splitlines()[2:]
    named = " ".join(row.split("|")[1] for row in rows)
    assert sorted(re.findall(r"`(.+?)`", named)) == sorted(get_args(Kind))


def test_findings_say_what_and_how_much(ours: Job) -> None:
    """A person reads them."""
    store = open_store(ours, a_run())
    lose_a_page(store)
    leave_pages(store)
    leave_a_staged_file(store)
    size = store.size(OBJECT) or 0
    shorten(store)
    said = {finding.kind: finding.message for finding in found(ours, LATER)}
    assert said == {
        "changed": f"has {size - 1:,} bytes; its manifest says {size:,}",
        "no-raw": "could not be made again: 1 of its 2 raw pages are gone",
        "orphaned": "has 1 raw page and 1 other file of runs that are over",
    }
    delete(store)
    said = {finding.kind: finding.message for finding in found(ours)}
    assert said["missing"] == f"is gone; its manifest says 8 posts, {size:,} bytes"


AGAIN = "run that window again (`trawl run team.posts --start 2021-07-05T00:00Z --end 2021-07-06T00:00Z`)"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("now", [NEXT_DAY, LATER])
def test_an_object_that_lost_its_manifest_is_said_to_be_its_windows(
    ours: Job, now: datetime, *, whole: bool
) -> None:
    """Nobody is told to delete it, or the raw pages that it was made of."""
    store = open_store(ours, a_run())
    lose_only_the_manifest(store)
    (finding,) = found(ours, now, jobs=None if whole else {ours.id: ours}, known={ours.id: ours})
    assert str(finding) == (
        f"{store.url(OBJECT)}: is what team.posts writes for {WINDOW}, whose manifest is gone: {AGAIN}"
        " [no-manifest]"
    )
    assert (finding.wrong, finding.keys, finding.folder) == (True, (OBJECT,), FOLDER)


def test_an_object_whose_manifest_is_damaged_is_named_with_it(ours: Job) -> None:
    """It is known whose it is; only the manifest is to go."""
    store = open_store(ours, a_run())
    store.write(manifest_key(FOLDER), store.read(manifest_key(FOLDER))[:-9])
    (finding,) = found(ours, known={ours.id: ours})
    assert finding.kind == "damaged"
    assert finding.message.endswith(f"; {store.url(OBJECT)} is its object")
    (repair,) = restore(store, [finding], {ours.id: ours}, a_run())
    assert repair.note == f"delete this file, and no other of that window, and {AGAIN}"


def test_where_its_job_is_not_here_an_object_is_said_to_be_perhaps_a_windows_without_a_manifest(
    ours: Job,
) -> None:
    store = open_store(ours, a_run())
    lose_only_the_manifest(store)
    (said,) = [finding.message for finding in found(ours) if finding.kind == "extra"]
    assert said == (
        f"no manifest names this object; it may be of team.posts/{WINDOW}, whose manifest is gone"
    )


def test_the_words_that_run_a_window_again_are_taken_by_trawl_run(ours: Job) -> None:
    """They mean that very window, and no variant of it."""
    lose_only_the_manifest(open_store(ours, a_run()))
    (finding,) = found(ours, known={ours.id: ours})
    words = shlex.split(finding.message.split("`")[1])
    asked = request(ours, words[4], words[6], LATER)
    assert (words[2], asked.window, asked.variant) == (ours.id, WINDOW, "")


@pytest.mark.parametrize("before", [False, True])
def test_an_object_whose_manifest_is_yet_to_come_is_unfinished_for_a_day(ours: Job, *, before: bool) -> None:
    """So it is between the last two steps of every load, whether or not something was there before."""
    store = open_store(ours, a_run())
    if not before:
        store.delete([manifest_key(FOLDER)])
    staged = transform(ours, WINDOW, a_run(), extracted(ours, a_run(), [tweets(range(1, 5))]))["staged"]
    store.copy(staged.replace("staged.json", "2021-07-05.csv"), OBJECT)
    for jobs in (None, {ours.id: ours}):
        assert {finding.kind for finding in found(ours, jobs=jobs)} == {"unfinished"}
    assert ("changed" if before else "extra") in {finding.kind for finding in found(ours, LATER)}


def test_a_staged_file_of_other_bytes_excuses_nothing(ours: Job) -> None:
    """Though it has the name and the size of what is there."""
    store = open_store(ours, a_run())
    staged = transform(ours, WINDOW, a_run(), extracted(ours, a_run(), [tweets(range(1, 9))]))["staged"]
    assert store.size(staged.replace("staged.json", "2021-07-05.csv")) == store.size(OBJECT)
    overwrite(store)
    assert "changed" in {finding.kind for finding in found(ours)}


def test_a_stranger_that_goes_meanwhile_is_none(ours: Job) -> None:
    """It was there when the bucket was listed."""
    store = open_store(ours, a_run())
    put_another_beside_it(store)
    gone: Any = Changed(store, OBJECT, lambda: store.delete(["posts/2021-07-04.csv"]))
    assert verify(gone, NEXT_DAY).findings == ()


def test_a_variant_of_a_run_is_an_object_like_others(ours: Job) -> None:
    """It lies beside its manifest, below `_trawl/`."""
    mine = a_run(variant="mine")
    run_of(replace(ours, limit=3), run=mine)
    assert found(ours) == []
    store = open_store(ours, a_run())
    store.delete([object_key(ours, WINDOW, mine)])
    assert [finding.kind for finding in found(ours)] == ["missing"]


def test_of_a_job_that_writes_one_object_again_and_again_the_last_manifest_counts(bucket: str) -> None:
    """The earlier ones describe what is gone as it should be."""
    mine = job(bucket, key="all.csv", date_range=DateRange(None, None, "whole"))
    for day in range(3):
        window = Window(WINDOW.start, WINDOW.end + day * DAY)
        run = a_run(now=lambda day=day: NEXT_DAY + day * DAY)
        pages = [tweets(range(1, 4 + day))]
        load(mine, window, run, transform(mine, window, run, extracted(mine, run, pages, window=window)))
    report = verify(store_at(bucket), NEXT_DAY, {mine.id: mine})
    assert (report.manifests, report.objects, report.findings) == (3, 1, ())
    store_at(bucket).write("all.csv", b"")
    assert [finding.kind for finding in found(mine)] == ["changed"]


@dataclass
class Changed:
    """A store that something happens to when a key is read."""

    store: Store
    at: str
    happen: Callable[[], None]
    times: int = 1
    lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, key: str) -> bytes:
        with self.lock:
            happens = key == self.at and self.times > 0
            self.times -= happens
        if happens:
            self.happen()
        return self.store.read(key)

    def list(self, folder: str) -> Iterator[Entry]:
        return self.store.list(folder)

    def open(self, key: str) -> BinaryIO:
        return self.store.open(key)

    def size(self, key: str) -> int | None:
        return self.store.size(key)

    def url(self, key: str) -> str:
        return self.store.url(key)


def test_runs_that_go_on_meanwhile_are_not_mistaken_for_harm(ours: Job) -> None:
    """An object, its pages and its manifest are replaced after they were listed and before they are read."""
    later = a_run(now=lambda: NEXT_DAY + timedelta(hours=1))
    store: Any = Changed(open_store(ours, a_run()), OBJECT, lambda: run_of(ours, range(1, 5), run=later))
    assert verify(store, NEXT_DAY).findings == ()
    assert store.times == 0


def test_a_job_that_comes_meanwhile_is_no_stranger(ours: Job) -> None:
    """Its object was listed, its manifest came after."""
    store = open_store(ours, a_run())
    run_of(ours, window=WINDOW, run=a_run(variant="mine"))
    folder = prefix(ours, WINDOW, a_run(variant="mine"))
    manifest = read_manifest(store, folder)
    assert manifest is not None
    store.delete([manifest_key(folder)])
    changing: Any = Changed(store, OBJECT, lambda: str(write_manifest(store, folder, manifest)) and None)
    assert verify(changing, NEXT_DAY).wrong == 0


def test_objects_and_manifests_are_read_side_by_side(bucket: str) -> None:
    """No read ends before eight have begun: a store's latency is paid once for many."""
    mine = job(bucket)
    for day in range(20):
        window = Window(WINDOW.start + day * DAY, WINDOW.end + day * DAY)
        pages = extracted(mine, a_run(), [[]], window=window)
        load(mine, window, a_run(), transform(mine, window, a_run(), pages))

    @dataclass
    class Waiting(Changed):
        what: str = ".csv"
        barrier: threading.Barrier = field(default_factory=lambda: threading.Barrier(8))
        begun: set[str] = field(default_factory=set)

        def read(self, key: str) -> bytes:
            with self.lock:
                self.begun.add(key)
                wait = key.endswith(self.what) and sum(one.endswith(self.what) for one in self.begun) <= 16
            if wait:
                self.barrier.wait(60)
            return self.store.read(key)

    store: Any = Waiting(store_at(bucket), "", lambda: None)
    steps: list[tuple[int, int]] = []
    report = verify(store, NEXT_DAY, None, lambda done, whole: steps.append((done, whole)))
    assert (report.objects, report.findings) == (20, ())
    assert steps == [(number, 20) for number in range(1, 21)]
    again: Any = Waiting(store_at(bucket), "", lambda: None, what="manifest.json")
    assert len(list(list_manifests(again, mine.id))) == 20


def test_an_object_that_cannot_be_read_now_is_told_and_the_rest_is_read(ours: Job) -> None:
    """What concerns all of them is raised."""

    def later() -> None:
        raise RetryLater("S3 cannot take s3:GetObject now.")

    for key in (OBJECT, manifest_key(FOLDER)):
        store: Any = Changed(open_store(ours, a_run()), key, later, times=99)
        report = verify(store, NEXT_DAY)
        kinds = [finding.kind for finding in report.findings]
        assert (report.objects, "unread" in kinds) == (2, True)

    def refuse() -> None:
        raise Stop("The AWS credentials have expired: renew them.")

    store = Changed(open_store(ours, a_run()), OBJECT, refuse)
    with pytest.raises(Stop, match="expired"):
        verify(store, NEXT_DAY)


def test_nothing_that_trawl_keeps_in_a_bucket_is_a_stranger(tmp_path: Path) -> None:
    """Each file of a bucket that has seen all of it is known, and what is beside them is not."""
    now = datetime.now(UTC)
    run = a_run(now=lambda: now)
    mine = job(tmp_path)
    store = open_store(mine, run)
    run_of(mine, run=run)
    run_of(replace(mine, limit=3), run=a_run(variant="mine", now=lambda: now))
    refusing = job(tmp_path, id="team.refusing", key="r/{date}.csv", quality=Quality(min_posts=99))
    with pytest.raises(Stop, match="min_posts"):
        run_of(refusing, run=run)
    run_of(job(tmp_path, id="team.table", key="social/posts", format="iceberg"), run=run)
    page = files(store, "00000.jsonl.zst")[0]
    spending.record(store, mine.id, raw.new_attempt(now), [spending.Payment(page, now, 0.5)], now)
    memory.remember(store, mine, memory.Memory(claimed={"1": str(WINDOW)}))
    Erasure(store, mine, [Subject("author", "nobody")], run).erase([])
    store.write(f"{CATALOG}-journal", b"of a commit that goes on")

    @dataclass
    class Keeping(Changed):
        def write(self, key: str, data: bytes) -> None:
            self.store.write(key, data)

        def delete(self, _keys: Iterable[str]) -> None:
            raise RetryLater("it died before")

    opened: Any = Keeping(store, "", lambda: None)
    assert health.bucket(mine, run, lambda *_: opened).found == "cannot be deleted"
    there = {entry.key for entry in store.list("_trawl")}
    names = {"memory.json", "forgotten.json", "catalog.sqlite", "catalog.sqlite-journal"}
    kinds = {"raw", "staged", "rejected", "spending", "doctor"}
    assert names <= {key.rpartition("/")[2] for key in there}
    assert kinds <= {part for key in there for part in key.split("/")}
    jobs = {one.id: one for one in (mine, refusing)}
    for only in (None, jobs):
        assert {finding.kind for finding in verify(store, now, only).findings} <= {"rejected", "unfinished"}
    strangers = {"_trawl/team.posts/junk", "_trawl/nosuch.job/x", "_trawl/note.txt", "_trawl/a.sqlite"}
    for key in strangers:
        store.write(key, b"whose?")
    for only, seen in ((None, strangers), (jobs, {"_trawl/team.posts/junk"})):
        found = [finding for finding in verify(store, now, only).findings if finding.kind == "extra"]
        assert {key for finding in found for key in finding.keys} == seen
        assert {finding.message for finding in found} == {"is nothing that Trawl keeps here"}


# --- Raw pages -------------------------------------------------------------------------------------


def change_a_page(store: Store) -> None:
    """It can be read as before, and one of its posts says something else."""
    page = files(store, "00001.jsonl.zst")[0]
    envelope, bodies = raw.read_page(store, page).envelope, raw.read_page(store, page).bodies
    raw.rewrite_page(store, page, envelope, [body.replace(b"made up", b"MADE UP") for body in bodies])


def damage_a_page(store: Store) -> None:
    store.write(files(store, "00001.jsonl.zst")[0], b"no page at all")


def swap_pages(store: Store) -> None:
    first, second = (files(store, f"0000{page}.jsonl.zst")[0] for page in (0, 1))
    one, other = store.read(first), store.read(second)
    store.write(first, other)
    store.write(second, one)


def list_pages_the_other_way_round(store: Store) -> None:
    listed = files(store, "done.json")[0]
    done = raw.read_done(store, listed)
    data = msgspec.json.encode(msgspec.structs.replace(done, pages=done.pages[::-1]))
    store.write(listed, data)


NOT_AS_READ = (
    f"the raw pages of team.posts/{WINDOW} are not those that its run read: put them back as they were,"
    f" from a copy or an earlier version of theirs, or {AGAIN}"
)


@pytest.mark.parametrize("harm", [change_a_page, damage_a_page, swap_pages, list_pages_the_other_way_round])
def test_raw_pages_that_a_run_did_not_read_are_found_where_they_are_asked_for(
    ours: Job, harm: Callable[[Store], None]
) -> None:
    """They are named once, with what to do."""
    store = open_store(ours, a_run())
    assert verify(store, NEXT_DAY, with_raw=True) == replace(verify(store, NEXT_DAY), pages=5)
    harm(store)
    assert found(ours) == []
    (finding,) = found(ours, with_raw=True)
    assert (finding.kind, finding.wrong, finding.url) == ("changed-raw", True, store.url(OBJECT))
    assert finding.message == f"could not be made again, for {NOT_AS_READ}"
    assert set(finding.keys) == set(files(store, ".jsonl.zst"))
    (repair,) = restore(store, [finding], {ours.id: ours}, a_run())
    assert (repair.done, repair.note) == (False, "nothing is made of other pages than its run read")


def test_raw_pages_are_read_only_where_they_are_asked_for(ours: Job) -> None:
    """Verifying stays as quick as it was."""
    read: list[str] = []

    @dataclass
    class Noting(Changed):
        def read(self, key: str) -> bytes:
            read.append(key)
            return self.store.read(key)

        def open(self, key: str) -> BinaryIO:
            read.append(key)
            return self.store.open(key)

    store: Any = Noting(open_store(ours, a_run()), "", lambda: None)
    assert verify(store, NEXT_DAY).pages is None
    assert not any(key.endswith(".jsonl.zst") for key in read)
    assert verify(store, NEXT_DAY, with_raw=True).pages == 5
    assert sum(key.endswith(".jsonl.zst") for key in read) == 5


def test_raw_pages_that_are_gone_are_told_as_such(ours: Job) -> None:
    lose_a_page(open_store(ours, a_run()))
    assert [finding.kind for finding in found(ours, with_raw=True)] == ["no-raw"]


def test_pages_that_another_run_replaces_meanwhile_are_not_mistaken_for_harm(ours: Job) -> None:
    """That run takes away the pages that are about to be read, and writes its own."""
    store = open_store(ours, a_run())
    page, later = files(store, "00001.jsonl.zst")[0], a_run(now=lambda: NEXT_DAY + timedelta(hours=1))
    changing: Any = Changed(store, page, lambda: run_of(ours, range(1, 5), run=later))
    report = verify(changing, NEXT_DAY, with_raw=True)
    assert (report.findings, report.pages, changing.times) == ((), 5, 0)


def forget_which_pages(store: Store) -> None:
    """As a manifest that an earlier Trawl wrote."""
    manifest = read_manifest(store, FOLDER)
    assert manifest is not None
    write_manifest(
        store,
        FOLDER,
        msgspec.structs.replace(manifest, raw=msgspec.structs.replace(manifest.raw, sha256=None)),
    )


def test_pages_whose_manifest_does_not_say_what_they_were_are_counted(ours: Job) -> None:
    store = open_store(ours, a_run())
    forget_which_pages(store)
    change_a_page(store)
    report = verify(store, NEXT_DAY, with_raw=True)
    assert (report.findings, report.pages, report.untold) == ((), 3, 1)
    assert verify(store, NEXT_DAY).untold == 0


# --- Repairs ---------------------------------------------------------------------------------------


def repaired(ours: Job, *jobs: Job, now: datetime = LATER) -> list[Repair]:
    store = open_store(ours, a_run())
    run = a_run(now=lambda: now)
    return restore(store, found(ours, now), {one.id: one for one in jobs}, run)


@pytest.mark.parametrize("harm", [delete, shorten, overwrite, leave_pages, leave_a_staged_file])
def test_what_pages_are_kept_of_is_made_again_byte_for_byte(ours: Job, harm: Callable[[Store], None]) -> None:
    """And what nothing needs is removed."""
    store = open_store(ours, a_run())
    before = store.read(OBJECT)
    harm(store)
    (repair,) = repaired(ours, ours)
    assert repair.done
    assert store.read(OBJECT) == before
    assert found(ours, LATER) == []


def test_bytes_that_changed_under_the_stores_own_mark_are_made_again(tmp_path: Path) -> None:
    """A disk that forgets keeps the time of a file, and load would take it for the one it wrote."""
    import os

    mine = job(tmp_path)
    run_of(mine)
    path = tmp_path / OBJECT
    before, status = path.read_bytes(), path.stat()
    path.write_bytes(before.replace(b"made up", b"MADE UP"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    (repair,) = repaired(mine, mine)
    assert (repair.done, path.read_bytes()) == (True, before)


def test_a_repaired_variant_asks_for_what_its_run_was_asked_for(ours: Job) -> None:
    """Its limit was a person's own."""
    mine = a_run(variant="mine", id="manual run")
    run_of(replace(ours, limit=3, query="another"), run=mine)
    store = open_store(ours, a_run())
    key = object_key(ours, WINDOW, mine)
    before = store.read(key)
    store.delete([key])
    (repair,) = repaired(ours, ours)
    manifest = read_manifest(store, prefix(ours, WINDOW, mine))
    assert manifest is not None
    assert (repair.done, store.read(key)) == (True, before)
    assert (manifest.query, manifest.limit, manifest.run) == ("another", 3, "manual run")


def test_a_lost_manifest_is_made_again_where_pages_give_the_very_object(ours: Job) -> None:
    """It counts what was there, and makes nothing younger than its pages."""
    store = open_store(ours, a_run())
    before = read_manifest(store, FOLDER)
    assert before is not None
    lose_only_the_manifest(store)
    (finding,) = found(ours, LATER, known={ours.id: ours})
    (repair,) = restore(store, [finding], {ours.id: ours}, a_run(now=lambda: LATER))
    assert (repair.done, repair.note) == (
        True,
        "its manifest is made again from 2 raw pages, which give this object byte for byte",
    )
    after = read_manifest(store, FOLDER)
    assert after is not None
    assert (after.counts, after.object.sha256) == (before.counts, before.object.sha256)
    assert after.finished <= before.finished
    assert found(ours, LATER) == []


@pytest.mark.parametrize("change", ["object", "job", "pages", "no job"])
def test_a_lost_manifest_is_not_made_again_from_what_is_not_the_same(ours: Job, change: str) -> None:
    """Object and pages stay as they are, and the advice is to run the window again."""
    store = open_store(ours, a_run())
    lose_only_the_manifest(store)
    known = {ours.id: ours}
    if change == "object":
        overwrite(store)
    if change == "pages":
        lose_a_page(store)
    (finding,) = found(ours, LATER, known=known)
    jobs = {"job": {ours.id: replace(ours, columns=ours.columns[:7])}, "no job": {}}.get(change, known)
    kept = {entry.key: store.read(entry.key) for entry in store.list("")}
    (repair,) = restore(store, [finding], jobs, a_run(now=lambda: LATER))
    assert (repair.done, repair.note.endswith(AGAIN)) == (False, True)
    assert {entry.key: store.read(entry.key) for entry in store.list("")} == kept


@pytest.mark.parametrize(
    ("harm", "note"),
    [
        (put_another_beside_it, "somebody may need it"),
        (lose_a_page, "only fetching it again"),
        (damage_the_manifest, "run that window again"),
        (lose_the_manifest, "clear the run in Airflow"),
    ],
)
def test_what_cannot_be_made_again_is_left_alone_with_advice(
    ours: Job, harm: Callable[[Store], None], note: str
) -> None:
    """No object is deleted that might be somebody's."""
    store = open_store(ours, a_run())
    harm(store)
    before = list(store.list(""))
    (repair,) = repaired(ours, ours)
    assert (repair.done, note in repair.note) == (False, True)
    assert list(store.list("")) == before


@pytest.mark.parametrize("whole", [True, False])
def test_what_an_earlier_key_gave_is_named_once_and_not_touched(ours: Job, *, whole: bool) -> None:
    """No run looks after it any more, but somebody may read it."""
    store = open_store(ours, a_run())
    moved = replace(ours, key="elsewhere/{date}.csv")
    later = a_run(now=lambda: LATER)
    run_of(moved, run=later)
    jobs = None if whole else {moved.id: moved}
    (finding,) = verify(store, LATER, jobs).findings
    assert finding.kind == "extra"
    assert (finding.url, finding.job) == (store.url(OBJECT), ours.id)
    assert finding.message == (
        "is what an earlier key gave for this window, which elsewhere/2021-07-05.csv has today"
    )
    (repair,) = restore(store, [finding], {moved.id: moved}, a_run())
    assert (repair.done, store.size(OBJECT) is not None) == (False, True)
    store.delete([OBJECT])
    assert verify(store, LATER, jobs).findings == ()


def test_an_object_whose_job_or_pages_are_gone_says_so(ours: Job) -> None:
    """Each in a sentence, with the object as missing as before."""
    store = open_store(ours, a_run())
    delete(store)
    assert "there is no job team.posts here" in repaired(ours)[0].note
    moved = replace(ours, key="elsewhere/{date}.csv", file="pipelines/team/posts.yaml")
    advice = "pipelines/team/posts.yaml gives it another key today: run that window again"
    assert repaired(ours, moved)[0].note == advice
    store.write(OBJECT, b"another's")
    assert repaired(ours, moved)[0].note == f"{advice}, and delete this object"
    store.delete([OBJECT])
    lose_a_page(store)
    assert not any(repair.done for repair in repaired(ours, ours))
    assert store.size(OBJECT) is None


def test_a_job_that_changed_since_makes_other_bytes_and_says_so(ours: Job) -> None:
    """The manifest is then of the new ones."""
    store = open_store(ours, a_run())
    delete(store)
    fewer = replace(ours, columns=ours.columns[:7])
    (repair,) = repaired(ours, fewer)
    assert repair.done
    assert "with other bytes" in repair.note
    assert found(ours, LATER) == []


@pytest.mark.parametrize("harm", [delete, shorten])
@pytest.mark.parametrize("change", [change_a_page, swap_pages])
def test_nothing_is_published_of_raw_pages_that_its_run_did_not_read(
    ours: Job, harm: Callable[[Store], None], change: Callable[[Store], None]
) -> None:
    """All stays as it is, and it is said which window that is and what to do."""
    store = open_store(ours, a_run())
    harm(store)
    change(store)
    before = {entry.key: store.read(entry.key) for entry in store.list("")}
    (repair,) = repaired(ours, ours)
    assert (repair.done, repair.note) == (False, NOT_AS_READ)
    assert {entry.key: store.read(entry.key) for entry in store.list("")} == before


def test_nothing_is_published_of_a_raw_page_that_is_damaged(ours: Job) -> None:
    store = open_store(ours, a_run())
    delete(store)
    damage_a_page(store)
    before = {entry.key: store.read(entry.key) for entry in store.list("")}
    (repair,) = repaired(ours, ours)
    page = store.url(files(store, "00001.jsonl.zst")[0])
    assert not repair.done
    assert repair.note.startswith(f"The raw page {page} is damaged")
    assert {entry.key: store.read(entry.key) for entry in store.list("")} == before


YAML = "pipelines/team/posts.yaml"
LIBRARY = "nor have its raw pages: a library that Trawl uses may have"
UNTOLD = "its manifest did not say which raw pages its run read, and these may be others"


@pytest.mark.parametrize(
    ("job_changed", "trawl_changed", "untold", "why"),
    [
        (True, False, False, f"for {YAML} has changed since"),
        (False, True, False, "for Trawl (0.0.1 then, {today} today) has changed since"),
        (True, True, False, f"for {YAML} and Trawl (0.0.1 then, {{today}} today) have changed since"),
        (False, False, False, f"though neither {YAML} nor Trawl has changed since, {LIBRARY}"),
        (True, False, True, f"for {YAML} has changed since; {UNTOLD}"),
        (False, False, True, f"though neither {YAML} nor Trawl has changed since; {UNTOLD}"),
    ],
)
def test_of_an_object_made_again_with_other_bytes_it_is_said_what_changed(
    ours: Job, *, job_changed: bool, trawl_changed: bool, untold: bool, why: str
) -> None:
    store = open_store(ours, a_run())
    manifest = read_manifest(store, FOLDER)
    assert manifest is not None
    today = manifest.trawl
    other = msgspec.structs.replace(manifest.object, sha256="0" * 64)
    was = msgspec.structs.replace(manifest, object=other, trawl="0.0.1" if trawl_changed else today)
    write_manifest(store, FOLDER, was)
    if untold:
        forget_which_pages(store)
    delete(store)
    mine = replace(ours, digest="1" * 64) if job_changed else ours
    (repair,) = repaired(ours, replace(mine, file=YAML))
    assert repair.note == f"made again from 2 raw pages, with other bytes, {why.format(today=today)}"
    assert (repair.done, found(ours, LATER, with_raw=True)) == (True, [])


def test_another_key_of_pseudonyms_is_said_to_be_why_bytes_are_others(bucket: str) -> None:
    mine = job(bucket, pseudonymise=Pseudonyms(("author",), "pseudonyms"))
    run_of(mine, run=run_with())
    store = open_store(mine, a_run())
    delete(store)
    run = run_with("another key of the very same kind")
    (repair,) = restore(store, found(mine), {mine.id: mine}, run)
    assert (
        repair.note
        == "made again from 2 raw pages, with other bytes, for the key of its pseudonyms has changed since"
    )
