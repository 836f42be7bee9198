"""What is certain is mended; nothing else of a file changes, to the byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.schemas.conftest import cases
from trawl.checking import check_paths, mend_paths
from trawl.cli import trawl

JOB = "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with an empty pipelines folder, with the working directory in it."""
    (tmp_path / "pipelines").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fix(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["check", "--fix", *arguments], catch_exceptions=False)


CERTAIN = [
    ("querry: covid", "query: covid"),
    ("Query: covid", "query: covid"),
    ("query : covid", None),
    ("query: @who", "query: '@who'"),
    ("query: %covid # hm", "query: '%covid' # hm"),
    ("query: `covid`", "query: '`covid`'"),
    ("query: covid: the news", "query: 'covid: the news'"),
    ("query: it's covid: the news  # hm", "query: 'it''s covid: the news'  # hm"),
    ('query: "covid" OR "corona"', 'query: \'"covid" OR "corona"\''),
    ("query: 2021", 'query: "2021"'),
    ("query: 1.50", 'query: "1.50"'),
    ("query: true", 'query: "true"'),
    ("query: \u201ccovid\u201d", None),
    ("query: \u201copen data\u201d OR corona", None),
    ("query: *covid", None),
    ("query: !covid", None),
    ("query: [covid]", None),
    ("query:", None),
]
SPACES = "date_range:\n  since: 2021-01-01\n  until: 2022-01-01"
CERTAIN_BESIDE = [
    ("tag: [a]", None),
    ("tagz: [a]", "tags: [a]"),
    ("tasg: [a]", "tags: [a]"),
    ("tags: covid", "tags: [covid]"),
    ("tags: 'covid'  # one", "tags: ['covid']  # one"),
    ("tags: covid, daily", None),
    ("limit: '150'", "limit: 150"),
    ("limit: 1_000", "limit: 1000"),
    ("limit: 010", "limit: 10"),
    ("limit: 0x10", None),
    ("limit: 150 posts", "limit: 150"),
    ("limit: 5 k", None),
    ("limit: many", None),
    ("limit: -5", None),
    ("backfill: 'false'", "backfill: false"),
    ("backfill: no", "backfill: false"),
    ("backfill: Off", "backfill: false"),
    ("catchup: false", "backfill: false"),
    ("schedule_interval: daily", "schedule: daily"),
    ("cron: 0 6 * * *", "schedule: 0 6 * * *"),
    ("timezone: berlin", "timezone: Europe/Berlin"),
    ("timezone: europe/berlin", "timezone: Europe/Berlin"),
    ('timezone: "Europe/Belrin"', 'timezone: "Europe/Berlin"'),
    ("timezone: Atlantis", None),
    ("via: Snscrape", "via: snscrape"),
    ("format: CSV", "format: csv"),
    ("format: excel", None),
    ("columns: [author, txt]", None),
    ("columns: [author, replys]", None),
    ("columns: [author, Created-At]", "columns: [author, created_at]"),
    ("date_range: {sinse: 2021-07-05}", "date_range: {since: 2021-07-05}"),
    ("date_range:\n\tsince: 2021-07-05", "date_range:\n  since: 2021-07-05"),
    (
        "date_range:\n  since: 2021-07-05\n\tuntil: 2021-07-06",
        "date_range:\n  since: 2021-07-05\n  until: 2021-07-06",
    ),
    ("since: 2021-07-05", None),
    ("# just a comment with querry in it\nowner: me", "# just a comment with querry in it\nowner: me"),
]
PLACES = [
    ("key: /covid/{date}.csv", "key: covid/{date}.csv"),
    ("key: '/covid/{date}.csv'", "key: 'covid/{date}.csv'"),
    ("key: /{date}.csv", 'key: "{date}.csv"'),
    ("key: covid//{date}.csv", "key: covid/{date}.csv"),
    ("key: {job}/{date}.csv", "key: '{job}/{date}.csv'"),
    ("key: {job}/{date}.csv  # by day", "key: '{job}/{date}.csv'  # by day"),
    ("key: covid/{dat}.csv", None),
    ("key: covid/../{date}.csv", None),
    ("Key: covid/{date}.csv", "key: covid/{date}.csv"),
]
BUCKETS = [
    ("bucket: /data/posts", "bucket: file:///data/posts"),
    ("bucket: s3a://my-bucket", "bucket: s3://my-bucket"),
    ("bucket: s3:/my-bucket", "bucket: s3://my-bucket"),
    ("bucket: s3://my-bucket//social", "bucket: s3://my-bucket/social"),
    ("bucket: \u201cs3://my-bucket\u201d  # theirs", 'bucket: "s3://my-bucket"  # theirs'),
    ("bucket: my-bucket", None),
    ("bucket: s3://My_Bucket", None),
]
LINES = [
    *((1, *pair) for pair in CERTAIN),
    *((4, *pair) for pair in CERTAIN_BESIDE),
    *((3, *pair) for pair in PLACES),
    *((2, *pair) for pair in BUCKETS),
]


def job_with(place: int, line: str) -> str:
    lines = JOB.splitlines()
    lines[place : place + 1] = [line]
    return "".join(f"{text}\n" for text in lines)


@pytest.mark.parametrize(("place", "before", "after"), LINES, ids=[line for _, line, _ in LINES])
def test_what_is_certain_is_mended_and_nothing_else(
    project: Path, place: int, before: str, after: str | None
) -> None:
    file = project / "pipelines" / "a.yaml"
    file.write_text(job_with(place, before), encoding="utf-8")
    result = fix()
    assert file.read_text(encoding="utf-8") == job_with(place, before if after is None else after)
    assert result.exit_code == (0 if after is not None else result.exit_code)
    assert (after is None or after == before) == ("mended" not in result.stderr)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_bytes_around_a_mistake_stay(project: Path, end: str, mark: str) -> None:
    lines = [
        *("# who asked?   ", "", "source:   twitter", "limit: '150'   # a day", "querry: 'größe'"),
        *("bucket: s3://my-bucket", 'key: "{job}/{date}.csv"', "", "# the end"),
    ]
    text = mark + end.join(lines)
    file = project / "pipelines" / "a.yaml"
    file.write_bytes(text.encode())
    file.chmod(0o640)
    assert fix().exit_code == 0
    assert file.read_bytes().decode() == text.replace("querry", "query").replace("'150'", "150")
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(file.parent.iterdir()) == [file]


def test_a_fix_that_would_bring_another_problem_is_not_made(project: Path) -> None:
    """The right name is there already: to rename the slip would write it twice."""
    file = project / "pipelines" / "a.yaml"
    file.write_text(JOB + "querry: corona\n")
    assert fix().exit_code == 1
    assert file.read_text() == JOB + "querry: corona\n"


def test_a_mistake_behind_a_mistake_is_mended_too(project: Path) -> None:
    file = project / "pipelines" / "a.yaml"
    file.write_text(JOB.replace("query: covid", "querry: covid: now") + "limit: '5'\n")
    assert fix().exit_code == 0
    assert file.read_text() == JOB.replace("query: covid", "query: 'covid: now'") + "limit: 5\n"


def test_defaults_are_mended_for_the_jobs_they_reach(project: Path) -> None:
    (project / "pipelines" / "defaults.yaml").write_text("retires: 2\nlimit: '5'\n")
    (project / "pipelines" / "a.yaml").write_text(JOB)
    assert fix().exit_code == 0
    assert (project / "pipelines" / "defaults.yaml").read_text() == "retries: 2\nlimit: 5\n"


def test_only_the_files_named_are_mended(project: Path) -> None:
    for name in ("a", "b"):
        (project / "pipelines" / f"{name}.yaml").write_text(JOB.replace("query", "querry"))
    fix("pipelines/a.yaml")
    assert (project / "pipelines" / "a.yaml").read_text() == JOB
    assert (project / "pipelines" / "b.yaml").read_text() == JOB.replace("query", "querry")


def test_what_was_mended_is_said(project: Path) -> None:
    (project / "pipelines" / "a.yaml").write_text(JOB.replace("query", "querry"))
    assert 'mended pipelines/a.yaml:2:1: unknown key "querry"; did you mean "query"?' in fix().stderr


def test_a_link_is_not_written_through(project: Path) -> None:
    """It would become a file of its own, or change a job that nobody named."""
    real = project / "pipelines" / ".data" / "real.yaml"
    real.parent.mkdir()
    real.write_text(JOB.replace("query", "querry"))
    link = project / "pipelines" / "a.yaml"
    link.symlink_to(".data/real.yaml")
    assert fix().exit_code == 1
    assert link.is_symlink()
    assert real.read_text() == JOB.replace("query", "querry")


def test_good_files_are_not_touched(project: Path) -> None:
    file = project / "pipelines" / "a.yaml"
    file.write_text(JOB)
    before = file.stat()
    fix()
    after = file.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


@pytest.mark.parametrize("case", cases("err"), ids=[case.name for case in cases("err")])
def test_no_bad_file_gets_worse(project: Path, case: Path) -> None:
    """Each file of the corpus: what is mended stays mended, problems only go, all other lines stay."""
    target = project / "pipelines"
    if case.is_dir():
        shutil.copytree(case, target, dirs_exist_ok=True)
    else:
        shutil.copy(case, target)
    before = check_paths([target])
    texts = {path: path.read_bytes() for path in target.rglob("*.y*ml") if path.is_file()}
    after, fixes = mend_paths([target])
    fixed = {fix.problem.path for fix in fixes}
    assert mend_paths([target])[1] == []
    for path, text in texts.items():
        name = str(path.relative_to(project))
        lines = [
            (old, new) for old, new in zip(text.splitlines(), path.read_bytes().splitlines(), strict=True)
        ]
        changed = sum(old != new for old, new in lines)
        assert changed <= sum(fix.problem.path == name for fix in fixes)
        assert (text != path.read_bytes()) == (name in fixed)
    if all(fix.problem.kind not in ("syntax", "tab") for fix in fixes):
        own = [problem for problem in after.problems if problem.path in fixed]
        assert len(own) <= sum(problem.path in fixed for problem in before.problems) - len(fixes)
