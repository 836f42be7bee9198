"""What commands have in common: the job that is meant, what a shell completes, how wide a text may be."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from schemas.job import Job
    from schemas.problem import Problem

_PIPE = 160


def shell_jobs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of jobs that begin like what is typed, for a shell to complete."""
    del context, parameter
    from schemas.folder import job_files

    names = job_files(str(pipelines_folder()), "pipelines", [])
    jobs = (name.removeprefix("pipelines/").rpartition(".")[0].replace("/", ".") for name in names)
    return [job for job in jobs if job.startswith(incomplete)]


def shell_sources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of sources that begin like what is typed."""
    del context, parameter
    return [source for source in _enum("source") if source.startswith(incomplete)]


def shell_fields(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of parts of the reference that begin like what is typed."""
    del context, parameter
    from schemas.shape import schema

    names = [*schema()["properties"], *_enum("source"), "defaults"]
    return [name for name in names if name.startswith(incomplete)]


def _enum(name: str) -> list[str]:
    from schemas.shape import schema

    return list(schema()["properties"][name]["enum"])


def project_folder() -> Path:
    """The project's folder, here or above, as an absolute path."""
    from trawl.project import project

    return project().absolute()


def pipelines_folder() -> Path:
    """The folder of the project's jobs, here or above."""
    from trawl.project import PIPELINES, project

    return project() / PIPELINES


def job_named(name: str, *, among_all: bool = False) -> Job:
    """The job of a name or file; NotThere where there is none.

    Where it has problems they are printed, and the command ends with 1.

    With `among_all`, what is wrong between files is a problem too: an object of two jobs.
    """
    from schemas.job import Job
    from trawl.naming import find

    found = find(name, pipelines_folder())
    if isinstance(found, Job):
        beside = _beside(found) if among_all else ()
        if not beside:
            return found
        found = beside
    from trawl.checking import printed

    click.echo(printed(found, text_width()), color=colour())
    raise click.exceptions.Exit(1)


def _beside(job: Job) -> tuple[Problem, ...]:
    """What is wrong with a job that has nothing wrong in itself: another one writes its object."""
    from schemas.reading import read_jobs

    reading = read_jobs(Path(job.root, job.file).parents[job.file.count("/") - 1])
    return tuple(problem for problem in reading.problems if problem.path == job.file)


@contextmanager
def explained() -> Iterator[None]:
    """What goes wrong where data moves, as a sentence and exit code 1; 2 for what was asked wrongly."""
    from etl_callables.errors import NothingToDo, TrawlError
    from trawl.naming import NotThere
    from trawl.request import NoMoment

    try:
        yield
    except NothingToDo:
        raise
    except NoMoment as error:
        raise NotThere(str(error)) from None
    except TrawlError as error:
        raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"", "etl_callables", "schemas", "trawl"}:
            raise
        raise click.ClickException(
            f"{error.name} is missing, which runs jobs and reads buckets: pip install 'trawl[airflow]'"
        ) from None


def colour() -> bool | None:
    """False where the person asked for none; None leaves it to whether a person is looking."""
    return False if os.environ.get("NO_COLOR") else None


def terminal_columns() -> int | None:
    """Columns of the terminal; None where nobody looks at one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def text_width() -> int:
    """As `terminal_columns`; of a pipe, as many as a wide terminal has."""
    return terminal_columns() or _PIPE
