"""A repository is read as it is, and nothing in it or set up for it is run."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.reading import read_jobs
from tests.trawl.repositories import ENVIRONMENT, commit, git, new
from trawl.git import GitProblem, repository
from trawl.snapshot import snapshot

JOB = b"source: twitter\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with one job, committed."""
    folder = new(tmp_path / "project")
    (folder / "pipelines" / "team").mkdir(parents=True)
    (folder / "pipelines" / "team" / "covid.yaml").write_bytes(JOB)
    commit(folder)
    return folder


@pytest.mark.parametrize("name", ["HEAD", "main", "@", "main~0"])
def test_a_revision_is_a_commit(project: Path, name: str) -> None:
    assert repository(project).commit(name) == git(project, "rev-parse", "HEAD").strip()


@pytest.mark.parametrize(
    "name", ["nope", "-h", "--help", "HEAD:pipelines", "--output=x", "HEAD --all", "", "main..HEAD", "$(id)"]
)
def test_what_is_no_revision_is_said_to_be_none(project: Path, name: str) -> None:
    with pytest.raises(GitProblem, match="git knows no revision"):
        repository(project).commit(name)


def test_the_usual_base_is_what_is_there(project: Path) -> None:
    assert repository(project).usual_base() == "main"
    git(project, "update-ref", "refs/remotes/origin/master", "HEAD")
    assert repository(project).usual_base() == "origin/master"
    git(project, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/master")
    assert repository(project).usual_base() == "origin/master"
    git(project, "update-ref", "refs/remotes/origin/develop", "HEAD")
    git(project, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")
    assert repository(project).usual_base() == "origin/develop"


def test_without_a_usual_base_a_person_is_asked_for_one(project: Path) -> None:
    git(project, "branch", "--move", "main", "trunk")
    with pytest.raises(GitProblem, match="--base"):
        repository(project).usual_base()


def test_the_fork_point_is_where_a_branch_began(project: Path) -> None:
    begin = git(project, "rev-parse", "HEAD").strip()
    git(project, "switch", "--quiet", "--create", "work")
    mine = commit(project, "mine")
    git(project, "switch", "--quiet", "main")
    theirs = commit(project, "theirs")
    assert repository(project).fork_point(theirs, mine) == begin


def test_histories_that_never_met_are_compared_as_they_are(project: Path) -> None:
    base = git(project, "rev-parse", "HEAD").strip()
    git(project, "switch", "--quiet", "--orphan", "other")
    other = commit(project, "other")
    assert repository(project).fork_point(base, other) == base


def test_where_the_history_is_cut_off_nobody_says_what_main_did_since(project: Path, tmp_path: Path) -> None:
    git(project, "switch", "--quiet", "--create", "work")
    commit(project, "mine")
    git(project, "switch", "--quiet", "main")
    commit(project, "theirs")
    git(tmp_path, "clone", "--quiet", "--depth=1", "--no-single-branch", project.as_uri(), "cut")
    cut = repository(tmp_path / "cut")
    with pytest.raises(GitProblem, match=r"only the end of the history here.*git fetch --unshallow"):
        cut.fork_point(cut.commit("origin/main"), cut.commit("origin/work"))


def test_a_folder_below_the_top_is_read_by_its_own_names(project: Path) -> None:
    inner = project / "data ü" / "social"
    (inner / "pipelines").mkdir(parents=True)
    (inner / "pipelines" / "flu.yaml").write_bytes(JOB)
    commit(project)
    entries = repository(inner).files("HEAD", "pipelines")
    assert [entry.path for entry in entries] == ["flu.yaml"]
    assert list(repository(inner).blobs([entries[0].blob])) == [JOB]


def test_names_that_a_shell_would_trip_over_are_names(project: Path) -> None:
    names = ["a b.yaml", "quote'\".yaml", "new\nline.yaml", "$(touch pwned).yaml", "-x.yaml", "ü\\.yaml"]
    for name in names:
        (project / "pipelines" / name).write_bytes(JOB)
    commit(project)
    found = {entry.path for entry in repository(project).files("HEAD", "pipelines")}
    assert found == {*names, "team/covid.yaml"}
    with snapshot(repository(project), "HEAD", "pipelines") as root:
        assert {str(path.relative_to(root / "pipelines")) for path in root.rglob("*.yaml")} == found


@pytest.mark.parametrize("what", ["pipelines", "nowhere"])
def test_a_folder_that_a_revision_lacks_is_empty(project: Path, what: str) -> None:
    git(project, "rm", "--quiet", "-r", "pipelines")
    commit(project)
    with snapshot(repository(project), "HEAD", what) as root:
        assert list((root / what).iterdir()) == []


def test_a_folder_outside_git_says_so(tmp_path: Path) -> None:
    with pytest.raises(GitProblem, match="not a git repository"):
        repository(tmp_path)


def test_a_damaged_repository_says_which_object(project: Path) -> None:
    (entry,) = repository(project).files("HEAD", "pipelines")
    (project / ".git" / "objects" / entry.blob[:2] / entry.blob[2:]).unlink()
    with pytest.raises(GitProblem):
        list(repository(project).blobs([entry.blob]))


@pytest.fixture
def hostile(project: Path) -> Iterator[Path]:
    """A repository with a trap behind everything that git can be told to run."""
    trap = project / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch '{project}/sprung'\ncat\n")
    trap.chmod(0o755)
    for hook in ("post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman"):
        path = project / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(trap.read_bytes())
        path.chmod(0o755)
    for name in (
        *("core.fsmonitor", "core.pager", "core.sshCommand", "core.askPass", "core.editor"),
        *("diff.external", "diff.evil.textconv", "diff.evil.command"),
        *("filter.evil.smudge", "filter.evil.clean", "filter.evil.process"),
        *("alias.ls-tree", "alias.cat-file", "credential.helper", "uploadpack.packObjectsHook"),
    ):
        git(project, "config", name, str(trap))
    (project / ".gitattributes").write_text("* filter=evil diff=evil\n")
    yield project
    assert not (project / "sprung").exists()


def test_nothing_that_a_repository_brings_is_run(hostile: Path) -> None:
    repo = repository(hostile)
    head = repo.commit(repo.usual_base())
    with snapshot(repo, repo.fork_point(head, head), "pipelines") as root:
        assert len(read_jobs(root / "pipelines").jobs) == 1


def test_another_repository_named_by_the_environment_is_not_read(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = new(tmp_path / "other")
    for name, value in (("GIT_DIR", other / ".git"), ("GIT_INDEX_FILE", "x"), ("GIT_WORK_TREE", other)):
        monkeypatch.setenv(name, str(value))
    assert len(repository(project).files("HEAD", "pipelines")) == 1


def test_a_link_in_a_revision_leads_nowhere_outside(project: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    (project / "pipelines" / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (project / "pipelines" / "up.yaml").symlink_to("../../secret.yaml")
    (project / "pipelines" / "folder").symlink_to(tmp_path)
    (project / "pipelines" / "in.yaml").symlink_to("team/covid.yaml")
    commit(project)
    with snapshot(repository(project), "HEAD", "pipelines") as root:
        reading = read_jobs(root / "pipelines")
    assert [job.id for job in reading.jobs] == ["in", "team.covid"]
    kinds = {problem.path: problem.kind for problem in reading.problems}
    assert kinds == {
        "pipelines/folder": "linked-folder",
        "pipelines/out.yaml": "linked-file",
        "pipelines/up.yaml": "linked-file",
    }


def test_a_tree_that_git_would_not_check_out_writes_nothing_outside(project: Path, tmp_path: Path) -> None:
    """Such trees are made by hand; whoever fetches one without checking has it."""
    blob = git(project, "hash-object", "-w", "pipelines/team/covid.yaml").strip()

    def tree(*entries: tuple[str, str, str]) -> str:
        body = b"".join(
            f"{mode} {name}".encode() + b"\0" + bytes.fromhex(object_) for mode, name, object_ in entries
        )
        done = subprocess.run(
            ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"],
            cwd=project,
            env=ENVIRONMENT,
            input=body,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()

    link = tmp_path / "link"
    link.write_text(str(tmp_path))
    target = git(project, "hash-object", "-w", str(link)).strip()
    evil = tree(("100644", "escaped.yaml", blob))
    inner = tree(
        *(("40000", "..", evil), ("40000", ".git", evil), ("40000", "dir", evil), ("120000", "dir", target)),
        *(("100644", "file", blob), ("40000", "file", evil), ("100644", f"{'x' * 300}.yaml", blob)),
    )
    top = tree(("40000", "pipelines", inner))
    made = git(project, "commit-tree", "-m", "evil", top).strip()
    before = set(tmp_path.iterdir())
    with snapshot(repository(project), made, "pipelines") as root:
        written = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert written == {"pipelines/dir/escaped.yaml", "pipelines/file/escaped.yaml"}
    assert set(tmp_path.iterdir()) == before


def test_a_file_too_large_to_be_a_job_is_not_copied(project: Path) -> None:
    (project / "pipelines" / "huge.yaml").write_bytes(b"# " + b"x" * (3 << 20))
    commit(project)
    with snapshot(repository(project), "HEAD", "pipelines") as root:
        assert (root / "pipelines" / "huge.yaml").stat().st_blocks < 100
        assert [problem.kind for problem in read_jobs(root / "pipelines").problems] == ["too-large"]
