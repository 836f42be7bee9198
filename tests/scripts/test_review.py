"""What GitHub runs on a pull request: the steps of the workflows on real repositories, GitHub on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from scripts.review import AUTHOR, MARK
from tests.trawl.repositories import commit, git, new

ROOT = Path(__file__).resolve().parents[2]
JOB = "source: archive\noptions: {files: a.jsonl}\nlimit: 150\nbucket: s3://b-b-b\nkey: '{job}/{date}.csv'\n"
TOKEN = "made-up-token"


@dataclass
class Comments:
    """GitHub's comments of issues, as its REST API has them, and what was asked of it."""

    kept: list[dict[str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    refuse: int = 0
    url: str = ""

    def add(self, body: str, login: str = AUTHOR, kind: str = "Bot") -> None:
        comment = {"id": 100 + len(self.kept), "body": body, "user": {"login": login, "type": kind}}
        self.kept.append(comment)

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        where, _, query = path.partition("?")
        self.asked.append(f"{method} {where}")
        if self.refuse:
            return self.refuse, {"message": "no"}
        if method == "GET":
            page = int(dict(part.split("=") for part in query.split("&"))["page"])
            return 200, self.kept[100 * (page - 1) : 100 * page]
        if method == "POST":
            self.add(body["body"])
            return 201, self.kept[-1]
        found = next(c for c in self.kept if c["id"] == int(where.rpartition("/")[2]))
        found["body"] = body["body"]
        return 200, found


@pytest.fixture
def comments() -> Iterator[Comments]:
    """The API on a free port of loopback."""
    service = Comments()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            service.tokens.add(self.headers["Authorization"])
            status, answer = service.answer(self.command, self.path, body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _do  # noqa: N815  names that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield service
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Pull:
    """A pull request: GitHub's repository, the author's, and the runner's checkout of the base."""

    hub: Path
    fork: Path
    runner: Path
    base: str

    def push(self, text: str | None, name: str = "covid") -> None:
        """What the author pushes: a job file with that text, or its removal."""
        path = self.fork / "pipelines" / f"{name}.yaml"
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        commit(self.fork, "change")
        git(self.fork, "push", "--quiet", "--force", str(self.hub), "HEAD:refs/pull/7/head")


@pytest.fixture
def pull(tmp_path: Path) -> Pull:
    fork = new(tmp_path / "fork")
    (fork / "pipelines").mkdir()
    (fork / "pipelines" / "covid.yaml").write_text(JOB)
    base = commit(fork)
    hub, runner = tmp_path / "hub.git", tmp_path / "runner"
    git(tmp_path, "clone", "--quiet", "--bare", str(fork), str(hub))
    git(tmp_path, "clone", "--quiet", str(hub), str(runner))
    git(fork, "switch", "--quiet", "--create", "change")
    return Pull(hub, fork, runner, base)


def run(part: str, folder: Path, comments: Comments | None = None, base: str = "") -> tuple[int, str]:
    """A step of a workflow, with the variables that a runner sets; its exit code and what it printed."""
    event = folder.parent / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "base": {"sha": base}}}))
    done = subprocess.run(
        [sys.executable, "-m", "scripts.review", part],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(folder.parent),
            "PYTHONPATH": str(ROOT),
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "team/jobs",
            "GITHUB_API_URL": comments.url if comments else "http://127.0.0.1:9",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_WORKSPACE": str(folder),
            "GITHUB_STEP_SUMMARY": str(folder.parent / "summary.md"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert TOKEN not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def test_a_plan_is_one_comment_renewed_in_place(pull: Pull, comments: Comments) -> None:
    pull.push(JOB.replace("150", "300"))
    assert run("plan", pull.runner, comments, pull.base) == (0, "wrote a comment\n")
    pull.push(JOB.replace("150", "1500"))
    assert run("plan", pull.runner, comments, pull.base) == (0, "renewed the comment\n")
    (comment,) = comments.kept
    assert comment["body"].startswith(f"{MARK}\n### What this change does\n")
    assert "`1,500`" in comment["body"]
    assert "limit-grew" in comment["body"]
    assert "`300`" not in comment["body"]
    assert comments.tokens == {f"Bearer {TOKEN}"}
    assert "`1,500`" in (pull.runner.parent / "summary.md").read_text()


def test_a_plan_that_is_the_same_is_not_written_again(pull: Pull, comments: Comments) -> None:
    pull.push(JOB.replace("schedule", "x").replace("150", "300") + "schedule: manual\n")
    run("plan", pull.runner, comments, pull.base)
    assert run("plan", pull.runner, comments, pull.base)[1] == "the plan is as the comment says it\n"
    assert [line.split()[0] for line in comments.asked] == ["GET", "POST", "GET"]


def test_a_change_without_jobs_is_not_commented(pull: Pull, comments: Comments) -> None:
    (pull.fork / "README.md").write_text("hello")
    pull.push(JOB)
    assert run("plan", pull.runner, comments, pull.base)[1].startswith("no job changes")
    assert comments.kept == []


def test_a_change_that_no_longer_changes_jobs_says_so_where_it_said_otherwise(
    pull: Pull, comments: Comments
) -> None:
    pull.push(JOB.replace("150", "300"))
    run("plan", pull.runner, comments, pull.base)
    pull.push(JOB)
    run("plan", pull.runner, comments, pull.base)
    assert "no job changes" in comments.kept[0]["body"]
    assert len(comments.kept) == 1


def test_nobody_elses_comment_is_touched(pull: Pull, comments: Comments) -> None:
    comments.add(f"{MARK}\nmine", "mallory", "User")
    comments.add(f"{MARK}\nmine", "other-app[bot]", "Bot")
    comments.add(f"hello {MARK}")
    for number in range(120):
        comments.add(f"talk {number}", "ana", "User")
    before = json.dumps(comments.kept)
    pull.push(JOB.replace("150", "300"))
    run("plan", pull.runner, comments, pull.base)
    run("plan", pull.runner, comments, pull.base)
    assert json.dumps(comments.kept[:-1]) == before
    assert len(comments.kept) == 124


def test_nothing_of_the_change_reaches_the_disk_or_is_run(pull: Pull, comments: Comments) -> None:
    evil = f"import pathlib; pathlib.Path({str(pull.runner.parent / 'sprung')!r}).touch()\n"
    for name in (
        "sitecustomize.py",
        "scripts/__init__.py",
        "scripts/review.py",
        "trawl/__init__.py",
        "json.py",
    ):
        path = pull.fork / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(evil)
    (pull.fork / ".gitattributes").write_text("* filter=evil diff=evil\n")
    pull.push(JOB.replace("150", "300"))
    before = sorted(path for path in pull.runner.rglob("*") if ".git" not in path.parts)
    assert run("plan", pull.runner, comments, pull.base)[0] == 0
    assert not (pull.runner.parent / "sprung").exists()
    assert sorted(path for path in pull.runner.rglob("*") if ".git" not in path.parts) == before
    assert "`300`" in comments.kept[0]["body"]


def test_words_of_a_stranger_call_nobody_and_end_nothing(pull: Pull, comments: Comments) -> None:
    evil = f"'@team/all {MARK} </details> ::error::x %0A::set-output'\n"
    pull.push(JOB + f"description: {evil}")
    code, out = run("plan", pull.runner, comments, pull.base)
    assert (code, out) == (0, "wrote a comment\n")
    assert f"`@team/all {MARK} </details> ::error::x %0A::set-output`" in comments.kept[0]["body"]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refusal_is_said_in_the_log_and_fails_the_run(pull: Pull, comments: Comments, status: int) -> None:
    comments.refuse = status
    pull.push(JOB.replace("150", "300"))
    code, out = run("plan", pull.runner, comments, pull.base)
    assert code == 1
    assert out.startswith("::error title=trawl plan::GitHub answered GET ")
    assert str(status) in out
    assert ("pull-requests: write" in out) == (status == 403)


def test_github_out_of_reach_fails_the_run(pull: Pull) -> None:
    pull.push(JOB.replace("150", "300"))
    code, out = run("plan", pull.runner, None, pull.base)
    assert (code, out.startswith("::error title=trawl plan::GitHub did not answer")) == (1, True)


def test_a_change_that_is_gone_fails_the_run(pull: Pull, comments: Comments) -> None:
    code, out = run("plan", pull.runner, comments, pull.base)
    assert (code, out.startswith("::error title=trawl plan::git cannot fetch the change (fatal: ")) == (
        1,
        True,
    )


def test_problems_are_annotations_at_their_lines(pull: Pull) -> None:
    (pull.fork / "pipelines" / "covid.yaml").write_text(JOB.replace("limit", "limt"))
    code, out = run("check", pull.fork)
    assert code == 1
    first = (
        "::error file=pipelines/covid.yaml,line=3,col=1,endColumn=5,title=trawl%3A unknown-key::unknown key"
    )
    assert out.startswith(first)
    assert out.endswith("1 problem in 1 file; 1 job file read\n")


def test_good_files_annotate_nothing(pull: Pull) -> None:
    assert run("check", pull.fork) == (0, "1 job file, no problems\n")


def test_the_steps_need_only_what_their_lock_has() -> None:
    code = (
        "import sys, scripts.review\n"
        "print(sorted({'airflow', 'pandas', 'pyarrow', 'httpx', 'rich', 'fsspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
