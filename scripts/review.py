"""What GitHub runs on a pull request, in two parts that never share their rights.

    python -m scripts.review check    in a checkout of the change: problems as annotations at their lines
    python -m scripts.review plan     in a checkout of the base: the plan as one comment, renewed in place

`plan` holds a token that may write comments, so nothing of the change is checked out or run for it: its
objects are fetched and read as data, by the code of the base.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from trawl.checking import check_paths, report, summary
from trawl.git import GitProblem
from trawl.plan import Plan
from trawl.plan import plan as make
from trawl.plan.printing import printed

MARK: Final = "<!-- trawl plan -->"
"""The first line of the comment; by it and by its author it is found again."""

AUTHOR: Final = "github-actions[bot]"
HEAD: Final = "refs/trawl/head"
_PAGE: Final = 100
_TIMEOUT: Final = 30


class CannotReview(Exception):  # noqa: N818  says what is so; the log of the run shows it
    """GitHub, or git, did not do what was asked; `str()` is a sentence for a person."""


class Change(NamedTuple):
    """A pull request: its number, what it is merged into, and where to ask about it."""

    number: int
    base: str
    repository: str
    api: str
    token: str


def change(environment: Mapping[str, str]) -> Change:
    """The pull request that the event of this run is about."""
    event = json.loads(Path(environment["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    pull = event["pull_request"]
    return Change(
        int(pull["number"]),
        str(pull["base"]["sha"]),
        environment["GITHUB_REPOSITORY"],
        environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/"),
        environment["GITHUB_TOKEN"],
    )


def check() -> int:
    """Annotate every problem; the exit code."""
    reading = check_paths([Path("pipelines")])
    text, _ = report(reading, "github", 0)
    if text:
        print(text)
    print(summary(reading))
    return 1 if reading.problems else 0


def plan(environment: Mapping[str, str]) -> int:
    """Fetch the change as data, plan it, say the plan in a comment and on the run's own page."""
    asked = change(environment)
    fetch(Path.cwd(), asked)
    now = datetime.now(UTC)
    made = make(Path.cwd(), asked.base, HEAD, now)
    body = printed(made, "markdown", now)
    page = environment.get("GITHUB_STEP_SUMMARY")
    if page:
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(body)
    print(say(asked, f"{MARK}\n{body}", needed=_says_something(made)))
    return 0


def _says_something(made: Plan) -> bool:
    return bool(made.items or made.problems or made.remarks)


def fetch(folder: Path, asked: Change) -> None:
    """Bring the objects of the change here, under a name of their own; no file is touched."""
    word = base64.b64encode(f"x-access-token:{asked.token}".encode()).decode()
    done = subprocess.run(
        [
            *("git", "-c", "core.hooksPath=/dev/null", "-c", "fetch.fsckObjects=true"),
            *("fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *("origin", f"+refs/pull/{asked.number}/head:{HEAD}"),
        ],
        cwd=folder,
        env={
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "GIT_TERMINAL_PROMPT": "0",
            # By the environment, since every process of a machine can read another's arguments.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {word}",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise CannotReview(f"git cannot fetch the change ({said[-1]}).")


def say(asked: Change, body: str, *, needed: bool) -> str:
    """Renew the comment, or write it where there is none and it is `needed`; what was done."""
    there = next(_own(asked), None)
    if there is not None:
        if there["body"] == body:
            return "the plan is as the comment says it"
        _ask(asked, "PATCH", f"/issues/comments/{int(there['id'])}", {"body": body})
        return "renewed the comment"
    if not needed:
        return "no job changes, so there is nothing to comment"
    _ask(asked, "POST", f"/issues/{asked.number}/comments", {"body": body})
    return "wrote a comment"


def _own(asked: Change) -> Iterator[dict[str, Any]]:
    """Our comments: anybody can write the mark, so the author counts too."""
    page = 1
    while True:
        path = f"/issues/{asked.number}/comments?per_page={_PAGE}&page={page}"
        comments = _ask(asked, "GET", path)
        for comment in comments:
            user = comment.get("user") or {}
            if (user.get("login"), user.get("type")) == (AUTHOR, "Bot") and comment["body"].startswith(MARK):
                yield comment
        if len(comments) < _PAGE:
            return
        page += 1


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes nowhere but to where it was sent."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(asked: Change, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
    request = urllib.request.Request(  # noqa: S310  the address is GitHub's own variable
        f"{asked.api}/repos/{asked.repository}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {asked.token}",
            "Accept": "application/vnd.github+json",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": "2022-11-28",
            "User-Agent": "trawl",
        },
        method=method,
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        hint = "; the job needs `pull-requests: write`" if error.code == 403 else ""  # noqa: PLR2004  forbidden
        raise CannotReview(f"GitHub answered {method} {path} with {error.code}{hint}") from None
    except (OSError, ValueError) as error:
        raise CannotReview(f"GitHub did not answer {method} {path}: {error}") from None


def main(arguments: list[str]) -> int:
    """Run one part; the exit code."""
    if arguments == ["check"]:
        return check()
    if arguments == ["plan"]:
        try:
            return plan(os.environ)
        except (CannotReview, GitProblem) as error:
            print(f"::error title=trawl plan::{str(error).replace('%', '%25').replace(chr(10), '%0A')}")
            return 1
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
