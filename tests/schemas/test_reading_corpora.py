"""Good files are jobs; bad ones print exactly what is written beside them.

`REGENERATE=1 pytest tests/schemas` writes the expected texts anew; look at every line that changes. Where
the culprit is in a bad file is said by hand, in tests/jobs/culprits.txt.
"""

from __future__ import annotations

import os
from pathlib import Path

from schemas.inside import lines_of
from schemas.job import Job
from schemas.reading import job_path, read_job, read_jobs


def test_a_good_file_is_a_job_without_problems(ok_case: Path, pipelines: Path) -> None:
    reading = read_jobs(pipelines)
    assert [str(problem) for problem in reading.problems] == []
    assert len(reading.jobs) == reading.files > 0, ok_case


def test_a_job_read_alone_equals_the_job_read_with_all(ok_case: Path, pipelines: Path) -> None:
    for job in read_jobs(pipelines).jobs:
        path = job_path(job.id, pipelines)
        assert path == pipelines.parent / job.file, ok_case
        assert read_job(path, pipelines.parent) == job


def test_a_bad_file_prints_exactly_its_problems(err_case: Path, pipelines: Path) -> None:
    printed = "".join(f"{problem}\n" for problem in read_jobs(pipelines).problems)
    expected = err_case.with_suffix(".txt")
    if "REGENERATE" in os.environ:
        expected.write_text(printed, encoding="utf-8")
    assert printed
    assert printed == expected.read_text(encoding="utf-8")


def test_every_place_points_into_the_file(err_case: Path, pipelines: Path) -> None:
    for problem in read_jobs(pipelines).problems:
        path = pipelines.parent / problem.path
        if problem.kind in ("encoding", "linked-folder"):
            continue
        lines = lines_of(path.read_bytes().decode("utf-8-sig"))
        assert 1 <= problem.line <= len(lines), (err_case, problem)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, (err_case, problem)


def test_the_bad_files_name_each_kind_of_problem_once_at_least() -> None:
    folder = Path(__file__).resolve().parents[1] / "jobs" / "err"
    shown = {
        line.rpartition("[")[2].rstrip("]")
        for file in folder.glob("*.txt")
        for line in file.read_text().splitlines()
    }
    source = "".join(
        path.read_text() for path in (Path(__file__).resolve().parents[2] / "schemas").glob("*.py")
    )
    for kind in shown:
        assert f'"{kind}"' in source


def test_a_healthy_job_stays_healthy_beside_bad_ones(pipelines: Path) -> None:
    (pipelines / "good.yaml").write_text(
        "source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: good/{date}.csv\n"
    )
    (pipelines / "bad.yaml").write_text("source: twitter\n\tquery: covid\n")
    (pipelines / "worse.yaml").write_bytes(b"\xff\xfe\x00")
    reading = read_jobs(pipelines)
    assert [job.id for job in reading.jobs] == ["good"]
    assert {problem.path for problem in reading.problems} == {"pipelines/bad.yaml", "pipelines/worse.yaml"}
    assert isinstance(read_job(pipelines / "good.yaml", pipelines.parent), Job)
