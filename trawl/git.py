"""Reading a git repository, a stranger's too, without running anything that is in it or set up for it.

Only plumbing is called, which knows no hooks, filters, external differs or pagers, and each of those is
switched off besides. Names of files come and go as bytes between NULs, never through a shell.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

_COMMAND: Final = (
    "git",
    "--no-pager",
    "--no-replace-objects",
    "--no-optional-locks",
    "--literal-pathspecs",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.attributesFile=/dev/null"),
    *("-c", "core.sshCommand=false"),
    *("-c", "credential.helper="),
    *("-c", "diff.external="),
    *("-c", "protocol.allow=never"),
    *("-c", "safe.bareRepository=explicit"),
    *("-c", "submodule.recurse=false"),
)
_KEPT: Final = ("PATH", "HOME", "XDG_CONFIG_HOME")
"""Of the environment; what a hook or a caller set up for another repository (GIT_DIR) stays behind."""

_ORIGIN: Final = "refs/remotes/origin/"
_OWN: Final = "refs/heads/"
_DEFAULTS: Final = tuple(f"{place}{name}" for place in (_ORIGIN, _OWN) for name in ("main", "master"))
_AT_ONCE: Final = 50
_LINK: Final = "120000"
_REGULAR: Final = ("100644", "100755")


class GitProblem(Exception):  # noqa: N818  says what is so; the person sees its text only
    """Something is not there or cannot be read; `str()` is a sentence for a person."""


class NoSuchRevision(GitProblem):
    """A person named what git does not know."""


class Entry(NamedTuple):
    """A file of a revision: its path below the folder asked for, if it is a link, its object, its size."""

    path: str
    link: bool
    blob: str
    size: int


class Repository(NamedTuple):
    """A repository as seen from a folder in it; `prefix` is that folder's path below the top, or empty."""

    folder: Path
    prefix: str

    def commit(self, revision: str) -> str:
        """The full name of the commit that `revision` means; NoSuchRevision where there is none."""
        found = self._ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        if found is None:
            raise NoSuchRevision(f'git knows no revision "{revision}" here; fetch it, or name another')
        return found.strip()

    def usual_base(self) -> str:
        """The name of what changes here are merged into; GitProblem where that is anybody's guess."""
        # By the name of the branch, so that whoever reads the plan sees which one the remote calls its main.
        said = self._ask("symbolic-ref", "--quiet", f"{_ORIGIN}HEAD")
        for name in (*([said.strip()] if said else []), *_DEFAULTS):
            if self._ask("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}") is not None:
                return name.removeprefix("refs/remotes/").removeprefix(_OWN)
        raise GitProblem("there is no branch main or master to compare with; name one with --base")

    def fork_point(self, base: str, head: str) -> str:
        """Where `head` left `base`, both commits; `base` itself where they have no history in common.

        GitProblem where git has only the end of the history, so that nobody can know.
        """
        found = self._ask("merge-base", "--end-of-options", base, head)
        if found:
            return found.split()[0]
        if (self._ask("rev-parse", "--is-shallow-repository") or "").strip() == "true":
            raise GitProblem(
                "git has only the end of the history here, and not where these files left what they are"
                " compared with; fetch the rest: git fetch --unshallow"
            )
        return base

    def files(self, commit: str, folder: str) -> list[Entry]:
        """Every file and link below a folder, as the commit has them; none where it has no such folder."""
        top = f"{self.prefix}{folder}/"
        listed = _run(self.folder, "ls-tree", "-r", "-z", "-l", "--full-tree", commit, "--", top)
        entries = []
        for line in listed.split(b"\0")[:-1]:
            facts, _, name = line.partition(b"\t")
            mode, _, blob, size = facts.decode("ascii").split()
            path = os.fsdecode(name).removeprefix(top)
            if mode in _REGULAR or mode == _LINK:
                entries.append(Entry(path, mode == _LINK, blob, int(size)))
        return entries

    def blobs(self, names: Iterable[str]) -> Iterator[bytes]:
        """The contents of objects, one after the other, so that many large ones need no memory."""
        with subprocess.Popen(  # noqa: S603  the words above and full names of objects
            [*_COMMAND, "cat-file", "--batch"],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as git:
            if git.stdin is None or git.stdout is None:
                raise RuntimeError("a pipe was asked for")
            waiting = iter(names)
            # As many questions at once as surely fit into a pipe; then their answers, one by one.
            while asked := list(islice(waiting, _AT_ONCE)):
                with suppress(BrokenPipeError):  # what is wrong then is found below
                    git.stdin.write("".join(f"{name}\n" for name in asked).encode("ascii"))
                    git.stdin.flush()
                for name in asked:
                    header = git.stdout.readline().split()
                    if len(header) != 3 or header[1] != b"blob":  # noqa: PLR2004  name, kind, size
                        raise GitProblem(f"git cannot read the object {name} of this repository")
                    yield git.stdout.read(int(header[2]) + 1)[:-1]
            git.stdin.close()

    def _ask(self, *words: str) -> str | None:
        """What git answers; None where it says no."""
        try:
            return _run(self.folder, *words).decode("utf-8", "surrogateescape")
        except GitProblem:
            return None


def repository(folder: Path) -> Repository:
    """The repository that `folder` is in; GitProblem where there is none, or none that git trusts."""
    prefix = _run(folder, "rev-parse", "--show-prefix").removesuffix(b"\n")
    return Repository(folder, os.fsdecode(prefix))


def _run(folder: Path, *words: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  the words above and revisions behind --end-of-options
            [*_COMMAND, *words],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise GitProblem("git is not installed here; a plan compares with what it knows") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise GitProblem(
            f"git cannot read this folder: {said.removeprefix('fatal: ') or 'it does not say why'}"
        )
    return done.stdout


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }
