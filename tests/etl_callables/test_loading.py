"""Load commits once: whole objects only, a manifest that agrees, and any kill is repaired by the next run."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import random
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

import etl_callables
from etl_callables import raw
from etl_callables.errors import Overtaken, Stop
from etl_callables.loading import load
from etl_callables.manifest import (
    Durations,
    Manifest,
    encode,
    json_schema,
    list_manifests,
    manifest_key,
    read_manifest,
)
from etl_callables.raw import read_done
from etl_callables.restoration import restore
from etl_callables.run import Run, object_key, prefix
from etl_callables.store import Missing, Store, open_store, store_at
from etl_callables.transformation import transform
from etl_callables.verification import verify
from schemas.job import Job, Quality
from schemas.window import Window
from tests.etl_callables.jobs import NEXT_DAY, WINDOW, a_run, extracted, job, tweets, write_pages

ROOT = Path(__file__).parents[2]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def staged(job: Job, numbers: range, run: Any = None, **done: Any) -> dict[str, Any]:
    """What transform returns for these tweets."""
    run = run or a_run()
    return transform(job, WINDOW, run, extracted(job, run, [tweets(numbers)], **done))


def agrees(store: Store, ours: Job) -> Manifest:
    """The manifest, once it is certain that the object is the one it describes."""
    manifest = read_manifest(store, prefix(ours, WINDOW, a_run()))
    assert manifest is not None
    data = store.read(manifest.object.key)
    assert manifest.object.key == object_key(ours, WINDOW, a_run())
    assert (manifest.object.size, manifest.object.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return manifest


def test_load_publishes_the_object_and_commits_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The manifest says everything about the run; nothing staged is left."""
    ours = job(tmp_path, query="covid", limit=5, options={"files": "x.jsonl"})
    with caplog.at_level(logging.INFO):
        result = load(
            ours, WINDOW, a_run(id="run 1"), staged(ours, range(1, 9), truncated="limit", complete=False)
        )
    store = open_store(ours, a_run())
    manifest = agrees(store, ours)
    assert result == {
        "object": manifest.object.url,
        "manifest": store.url(manifest_key(prefix(ours, WINDOW, a_run()))),
        "posts": 5,
        "job": ours.id,
        "partition": manifest.object.key,
        "start": "2021-07-05T00:00:00Z",
        "end": "2021-07-06T00:00:00Z",
        "truncated": "limit",
        "complete": False,
        "size": manifest.object.size,
        "sha256": manifest.object.sha256,
        "run": "run 1",
        "variant": "",
        "unchanged": False,
    }
    assert (manifest.counts.fetched, manifest.counts.kept, manifest.counts.over_limit) == (8, 5, 3)
    assert (manifest.query, manifest.limit, manifest.options) == ("covid", 5, {"files": "x.jsonl"})
    assert (manifest.truncated, manifest.complete, manifest.replaced, manifest.run) == (
        "limit",
        False,
        None,
        "run 1",
    )
    assert manifest.window == str(WINDOW)
    assert list(store.list(f"{prefix(ours, WINDOW, a_run())}/staged")) == []
    assert "Wrote 5 posts" in caplog.text


def test_the_manifest_follows_its_published_schema(tmp_path: Path) -> None:
    """And people can read it: indented, its names sorted."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    assert schema == json.loads(json.dumps(json_schema()))
    jsonschema.Draft202012Validator.check_schema(schema)
    for numbers in (range(1, 4), range(1, 5), range(0)):
        load(ours, WINDOW, a_run(), staged(ours, numbers))
        text = store.read(manifest_key(prefix(ours, WINDOW, a_run()))).decode()
        value = json.loads(text)
        jsonschema.validate(value, schema, format_checker=jsonschema.FormatChecker())
        assert text == json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        assert set(value) == set(schema["properties"]) == set(schema["required"])


def test_a_manifest_that_does_not_say_which_raw_pages_there_were_is_one_still(tmp_path: Path) -> None:
    """So are all that were written before manifests said it, and what was staged then can be published."""
    ours = job(tmp_path)
    store, given = open_store(ours, a_run()), staged(ours, range(1, 4))
    value = json.loads(store.read(given["staged"]))
    del value["raw_sha256"]
    store.write(given["staged"], json.dumps(value).encode())
    load(ours, WINDOW, a_run(), given)
    folder = prefix(ours, WINDOW, a_run())
    value = json.loads(store.read(manifest_key(folder)))
    assert value["raw"].pop("sha256") is None
    jsonschema.validate(value, json.loads((ROOT / "schemas" / "manifest.schema.json").read_text()))
    store.write(manifest_key(folder), json.dumps(value).encode())
    manifest = read_manifest(store, folder)
    assert manifest is not None
    assert manifest.raw.sha256 is None


def test_what_lies_between_the_steps_of_a_run_is_no_time_that_they_took(tmp_path: Path) -> None:
    """Where posts were rejected and taken a day later, or the object made again by a repair."""
    ours = job(tmp_path)
    seconds = itertools.count()
    hour, day = (
        a_run(now=lambda ago=ago: NEXT_DAY + ago + timedelta(seconds=next(seconds))) for ago in (HOUR, DAY)
    )
    end = NEXT_DAY + timedelta(seconds=4.5)
    found = extracted(ours, a_run(), [tweets(range(1, 4))], started=NEXT_DAY, finished=end)
    load(ours, WINDOW, day, transform(ours, WINDOW, hour, found))
    manifest = agrees(open_store(ours, a_run()), ours)
    assert manifest.durations == Durations(extract=4.5, transform=1.0, load=1.0)
    assert (manifest.started, manifest.finished - manifest.started > DAY) == (NEXT_DAY, True)


def test_no_posts_are_an_object_and_a_manifest(tmp_path: Path) -> None:
    """Silence is visible."""
    ours = job(tmp_path)
    assert load(ours, WINDOW, a_run(), staged(ours, range(0)))["posts"] == 0
    assert agrees(open_store(ours, a_run()), ours).counts.kept == 0


def test_the_same_posts_are_not_written_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The object stays untouched, and the log says so."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    first = load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    tag = store.tag("posts/2021-07-05.csv")
    with caplog.at_level(logging.INFO):
        again = load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    assert (first["unchanged"], again["unchanged"]) == (False, True)
    assert store.tag("posts/2021-07-05.csv") == tag
    assert agrees(store, ours).replaced is None
    assert "not written again" in caplog.text


def test_a_load_that_was_stopped_before_it_could_tell_tells_when_it_is_run_again(tmp_path: Path) -> None:
    """Whoever waits for the object has not heard of it, so that it is not said to be unchanged."""
    ours = job(tmp_path)
    waiting = staged(ours, range(1, 9))
    first = load(ours, WINDOW, a_run(), waiting)
    assert load(ours, WINDOW, a_run(), waiting) == first
    assert first["unchanged"] is False


def test_other_posts_replace_the_object_and_the_manifest_says_what_was_there(tmp_path: Path) -> None:
    """Checksum, size, posts and run of what is gone."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    load(ours, WINDOW, a_run(id="first"), staged(ours, range(1, 9)))
    old = agrees(store, ours)
    load(ours, WINDOW, a_run(id="second"), staged(ours, range(1, 5)))
    replaced = agrees(store, ours).replaced
    assert replaced is not None
    assert (replaced.sha256, replaced.size, replaced.posts, replaced.run) == (
        old.object.sha256,
        old.object.size,
        8,
        "first",
    )


def test_an_object_that_somebody_else_put_there_is_replaced_and_told(tmp_path: Path) -> None:
    """No manifest knew it."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    store.write("posts/2021-07-05.csv", b"not ours")
    load(ours, WINDOW, a_run(), staged(ours, range(1, 3)))
    replaced = agrees(store, ours).replaced
    assert replaced is not None
    assert (replaced.size, replaced.posts) == (8, None)


def test_an_object_under_an_earlier_key_stays_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is in no other's place: the manifest keeps it in mind for as long as it is there."""
    ours, store = job(tmp_path), open_store(job(tmp_path), a_run())
    load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    old = agrees(store, ours)
    moved = job(tmp_path, key="elsewhere/{date}.csv")
    with caplog.at_level(logging.INFO):
        load(moved, WINDOW, a_run(), staged(moved, range(1, 5)))
    manifest = agrees(store, moved)
    url, kept = manifest.object.url, f"What an earlier key gave stays: {old.object.url}."
    assert f"Wrote 4 posts to {url} ({manifest.object.size:,} bytes). {kept}" in caplog.text
    assert manifest.replaced is None
    (left,) = manifest.left
    assert (left.object, left.finished, left.table) == (old.object, old.finished, None)
    schema = json.loads((ROOT / "schemas" / "manifest.schema.json").read_text())
    jsonschema.validate(json.loads(encode(manifest)), schema)
    load(moved, WINDOW, a_run(), staged(moved, range(1, 5)))
    assert agrees(store, moved).left == (left,)
    load(ours, WINDOW, a_run(), staged(ours, range(1, 3)))
    assert [one.object for one in agrees(store, ours).left] == [manifest.object]
    store.delete([manifest.object.key])
    load(ours, WINDOW, a_run(), staged(ours, range(1, 4)))
    assert agrees(store, ours).left == ()


def test_an_object_that_was_changed_since_is_written_again(tmp_path: Path) -> None:
    """Even by the same posts: what the manifest says is made true."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    store.write("posts/2021-07-05.csv", b"tampered with")
    load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    agrees(store, ours)


def test_a_load_that_was_done_already_is_done(tmp_path: Path) -> None:
    """Stopped after the commit and tried again, with its staged file gone: the same answer."""
    ours = job(tmp_path)
    transformed = staged(ours, range(1, 9))
    first = load(ours, WINDOW, a_run(), transformed)
    assert load(ours, WINDOW, a_run(), transformed) == first


def test_a_staged_file_that_is_not_what_transform_wrote_is_refused(tmp_path: Path) -> None:
    """Nothing is published then."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    transformed = staged(ours, range(1, 9))
    file = next(
        entry.key for entry in store.list(prefix(ours, WINDOW, a_run())) if entry.key.endswith(".csv")
    )
    data = store.read(file)
    for harm in (data[:-1], data[:-2] + b"x\n"):
        store.write(file, harm)
        with pytest.raises(Stop, match="is not what transform wrote"):
            load(ours, WINDOW, a_run(), transformed)
    assert store.size("posts/2021-07-05.csv") is None


def test_raw_pages_that_nothing_refers_to_are_removed(tmp_path: Path) -> None:
    """Those of the run and those it adopted stay, and so do those of a younger attempt."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    folder = prefix(ours, WINDOW, a_run())
    orphan = write_pages(store, folder, raw.new_attempt(NEXT_DAY - timedelta(hours=2)), [[b"{}"]], "other")
    adopted = write_pages(store, folder, raw.new_attempt(NEXT_DAY - timedelta(hours=1)), [tweets([1])], "f")
    younger = write_pages(store, folder, raw.new_attempt(NEXT_DAY + timedelta(hours=1)), [[b"{}"]], "f")
    run = a_run()
    found = extracted(ours, run, [])
    done = raw.read_done(store, found["raw"])
    store.write(found["raw"], msgspec.json.encode(msgspec.structs.replace(done, pages=tuple(adopted))))
    load(ours, WINDOW, run, transform(ours, WINDOW, run, found))
    left = {entry.key for entry in store.list(f"{folder}/raw")}
    assert left == {found["raw"], *adopted, *younger}
    assert not left & set(orphan)


def test_staged_files_of_dead_runs_are_removed_after_a_day(tmp_path: Path) -> None:
    """A younger one may be about to be published."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    old, young = (a_run(now=lambda ago=ago: NEXT_DAY - timedelta(hours=ago)) for ago in (30, 2))
    staged(ours, range(1, 3), old)
    kept = staged(ours, range(1, 3), young)["staged"].rpartition("/")[0]
    load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    left = {entry.key.rpartition("/")[0] for entry in store.list(f"{prefix(ours, WINDOW, a_run())}/staged")}
    assert left == {kept}


def test_a_manual_variant_writes_beside_never_over(tmp_path: Path) -> None:
    """The job's own object and manifest stay as they were."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    load(ours, WINDOW, a_run(), staged(ours, range(1, 9)))
    before = encode(agrees(store, ours))
    variant = a_run(variant="mine")
    result = load(ours, WINDOW, variant, staged(ours, range(1, 3), variant))
    assert encode(agrees(store, ours)) == before
    assert "~mine/" in result["object"]
    assert [manifest.variant for manifest in list_manifests(store, ours.id)] == ["", "mine"]


def test_manifests_of_a_job_are_listed_by_window(tmp_path: Path) -> None:
    """And those of other jobs, whose names begin the same, are not."""
    for name in ("team.posts", "team.posts2"):
        ours = job(tmp_path, id=name, key="{job}/{date}.csv")
        for day in range(3):
            window = Window(WINDOW.start + timedelta(days=day), WINDOW.end + timedelta(days=day))
            run = a_run()
            found = extracted(ours, run, [[]], window=window)
            load(ours, window, run, transform(ours, window, run, found))
    found_windows = [manifest.start for manifest in list_manifests(store_at(str(tmp_path)), "team.posts")]
    assert found_windows == [WINDOW.start + timedelta(days=day) for day in range(3)]


def test_a_damaged_manifest_is_said_to_be(tmp_path: Path) -> None:
    """With what to do; one of a later Trawl is not guessed at."""
    store = store_at(str(tmp_path))
    store.write("x/manifest.json", b"{")
    with pytest.raises(Stop, match=r"manifest\.json is damaged"):
        read_manifest(store, "x")
    ours = job(tmp_path)
    load(ours, WINDOW, a_run(), staged(ours, range(1, 3)))
    folder = prefix(ours, WINDOW, a_run())
    text = store.read(manifest_key(folder)).replace(b'"version": 1', b'"version": 2')
    store.write(manifest_key(folder), text)
    with pytest.raises(Stop, match="written by another Trawl"):
        read_manifest(store, folder)


def test_the_manifest_has_the_job_as_it_was(tmp_path: Path) -> None:
    """Whoever finds the object years later knows what was asked for, whatever the file says by then."""
    values = {"source": "archive", "tags": ["a", "b"], "date_range.since": "2021-07-05", "limit": 5}
    ours = job(tmp_path, values=values)
    load(ours, WINDOW, a_run(), staged(ours, range(1, 4)))
    manifest = read_manifest(open_store(ours, a_run()), prefix(ours, WINDOW, a_run()))
    assert manifest is not None
    assert manifest.values == values


@pytest.mark.parametrize("jump", [timedelta(days=-3), timedelta(hours=-1), timedelta(days=40)])
def test_a_clock_that_jumps_loses_nothing(tmp_path: Path, jump: timedelta) -> None:
    """Between an extract that was killed and its retry, and between that and the run after it."""
    ours = job(tmp_path)
    write_pages(
        open_store(ours, a_run()),
        prefix(ours, WINDOW, a_run()),
        raw.new_attempt(NEXT_DAY),
        [tweets(range(1, 3))],
        "a run that was killed",
    )
    for number, count in enumerate((4, 6, 6)):
        run = a_run(now=lambda number=number: NEXT_DAY + (number + 1) * jump)
        load(ours, WINDOW, run, staged(ours, range(1, count), run))
        store = open_store(ours, run)
        assert agrees(store, ours).counts.kept == count - 1
    later = NEXT_DAY + timedelta(days=400)
    findings = verify(store, later).findings
    assert {finding.kind for finding in findings} <= {"orphaned"}
    restore(store, findings, {ours.id: ours}, a_run(now=lambda: later))
    assert verify(store, later, with_raw=True).findings == ()
    assert agrees(store, ours).counts.kept == 5


# --- Several at once, and none that lives ----------------------------------------------------------


RACER = """
import sys
sys.path.insert(0, "tests/etl_callables")
from etl_callables import load, transform
from etl_callables.errors import Overtaken, RetryLater
from etl_callables.run import Run
from jobs import WINDOW, extracted, job, tweets
ours, run = job(sys.argv[1]), Run()
print("ready", flush=True)
sys.stdin.readline()
for _ in range(25):
    try:
        found = extracted(ours, run, [tweets(range(1, int(sys.argv[2])))])
        load(ours, WINDOW, run, transform(ours, WINDOW, run, found))
    except (Overtaken, RetryLater):
        pass
"""


@pytest.mark.slow
def test_runs_of_one_window_at_once_leave_one_that_agrees(tmp_path: Path) -> None:
    """A zombie and its retry, with different posts, over and over."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), posts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for posts in ("9", "5")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == b"ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate()
        assert racer.returncode == 0
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    assert agrees(store, ours).counts.kept in {4, 8}
    assert [
        str(finding) for finding in verify(store, datetime.now(UTC), with_raw=True).findings if finding.wrong
    ] == []


def _at(minutes: int) -> Run:
    return a_run(now=lambda: NEXT_DAY + timedelta(minutes=minutes))


def test_a_run_whose_pages_a_later_one_has_cleaned_away_gives_way_to_it(tmp_path: Path) -> None:
    """It says which object there is, and leaves nothing of its own."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    slow = extracted(ours, _at(0), [tweets(range(1, 5))])
    fast = load(ours, WINDOW, _at(2), staged(ours, range(1, 9), _at(1)))
    write_pages(store, prefix(ours, WINDOW, a_run()), slow["raw"].split("/")[-2], [tweets([1])], "f")
    with pytest.raises(
        Overtaken, match="Another run has published this window since this one began: 8 posts"
    ) as told:
        etl_callables.transform(ours, WINDOW, _at(3), slow)
    assert told.value.published == {**fast, "unchanged": True}
    assert agrees(store, ours).counts.kept == 8
    assert verify(store, NEXT_DAY, with_raw=True).findings == ()


def test_a_run_whose_staged_file_is_gone_gives_way_to_one_that_published_since(tmp_path: Path) -> None:
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    slow = staged(ours, range(1, 5), _at(0))
    store.delete([entry.key for entry in store.list("_trawl") if "/staged/" in entry.key])
    load(ours, WINDOW, _at(2), staged(ours, range(1, 9), _at(1)))
    with pytest.raises(Overtaken):
        etl_callables.load(ours, WINDOW, _at(3), slow)
    assert agrees(store, ours).counts.kept == 8


def test_what_is_missing_though_no_other_run_has_published_since_is_said(tmp_path: Path) -> None:
    """Whoever deleted it, nobody is told that all is well."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    load(ours, WINDOW, _at(0), staged(ours, range(1, 9), _at(0)))
    for step in ("transform", "load"):
        given = extracted(ours, _at(5), [tweets(range(1, 5))])
        given = given if step == "transform" else transform(ours, WINDOW, _at(5), given)
        own = [
            entry.key
            for entry in store.list("_trawl")
            if given[next(iter(given))].rpartition("/")[0] in entry.key
        ]
        store.delete(own)
        with pytest.raises(Missing):
            getattr(etl_callables, step)(ours, WINDOW, _at(6), given)


def test_pages_that_another_run_reads_stay_when_one_gives_way(tmp_path: Path) -> None:
    """As those that the published object was made of, which both had found."""
    ours = job(tmp_path)
    store = open_store(ours, a_run())
    shared = extracted(ours, _at(0), [tweets(range(1, 9))])
    slow = transform(ours, WINDOW, _at(1), shared)
    load(ours, WINDOW, _at(3), transform(ours, WINDOW, _at(2), shared))
    store.delete([slow["staged"].replace("staged.json", "2021-07-05.csv")])
    with pytest.raises(Overtaken):
        etl_callables.load(ours, WINDOW, _at(4), slow)
    assert verify(store, NEXT_DAY, with_raw=True).findings == ()
    assert read_done(store, shared["raw"]).pages


@pytest.mark.parametrize("again", [False, True])
def test_what_a_rejected_run_staged_goes_once_another_has_ended(tmp_path: Path, *, again: bool) -> None:
    """It is over, whether that one is rejected as well or published; what was rejected last can be taken."""
    strict = job(tmp_path, quality=Quality(min_posts=7))
    store = open_store(strict, a_run())
    with pytest.raises(Stop):
        load(strict, WINDOW, _at(1), staged(strict, range(1, 5), _at(0)))
    second = staged(strict, range(1, 7), _at(2))
    if again:
        with pytest.raises(Stop):
            load(strict, WINDOW, _at(3), second)
        left = {entry.key.split("/")[-2] for entry in store.list(f"{prefix(strict, WINDOW, a_run())}/staged")}
        assert left == {second["staged"].split("/")[-2]}
    load(replace(strict, quality=None), WINDOW, _at(4), second)
    assert agrees(store, strict).counts.kept == 6
    assert verify(store, NEXT_DAY, with_raw=True).findings == ()


VICTIM = """
import sys
sys.path.insert(0, "tests/etl_callables")
from jobs import WINDOW, a_run, job
from etl_callables import load, transform
import etl_callables.transformation, etl_callables.loading
ours, run = job(sys.argv[1]), a_run()
print("ready", flush=True)
transformed = transform(ours, WINDOW, run, {"raw": sys.argv[2]})
load(ours, WINDOW, run, transformed)
print("done", flush=True)
"""


@pytest.mark.slow
def test_any_kill_is_repaired_by_the_next_run(tmp_path: Path) -> None:
    """SIGKILL at random moments of transform and load: never a part of an object, and then the same bytes."""
    chance = random.Random(5)
    ours = job(tmp_path)
    run = a_run()
    store = open_store(ours, run)
    bodies = tweets(range(1, 4000))
    found = extracted(ours, run, [bodies])
    load(ours, WINDOW, run, transform(ours, WINDOW, run, found))
    wanted = agrees(store, ours)
    span = 0.3
    killed = 0
    for _ in range(20):
        if chance.random() < 0.5:
            store.delete(["posts/2021-07-05.csv", manifest_key(prefix(ours, WINDOW, run))])
        command = [sys.executable, "-c", VICTIM, str(tmp_path), found["raw"]]
        victim = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        began = time.monotonic()
        time.sleep(chance.random() * span)
        victim.kill()
        if b"done" in victim.stdout.read():
            span = time.monotonic() - began
        else:
            killed += 1
        victim.wait()
        victim.stdout.close()
        assert store.size("posts/2021-07-05.csv") in {None, wanted.object.size}
        load(ours, WINDOW, run, transform(ours, WINDOW, run, found))
        assert agrees(store, ours).object.sha256 == wanted.object.sha256
        assert not list(tmp_path.rglob(".trawl-part-*"))
    assert killed > 5
    later = a_run(now=lambda: NEXT_DAY + timedelta(days=2))
    load(ours, WINDOW, later, transform(ours, WINDOW, later, found))
    assert list(store.list(f"{prefix(ours, WINDOW, run)}/staged")) == []
