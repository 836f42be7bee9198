"""The command line. Each command imports what it needs when it runs, so that all of them start fast.

Exit codes: 0 fine, 1 something the person wrote, 2 a wrong command line, 3 a defect of Trawl.
"""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

DEFECT = 3
_PIPE = 160


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="trawl", message="trawl %(version)s")
def trawl() -> None:
    """One YAML file, one daily scrape."""


@trawl.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]...")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["text", "json", "github", "sarif"]),
    default="text",
    help="For people, or for tools.",
)
@click.option("--fix", is_flag=True, help="First mend what is certain, and nothing else of a file.")
@click.pass_context
def check(context: click.Context, paths: tuple[Path, ...], as_format: str, *, fix: bool) -> None:
    """Say everything that is wrong with job files.

    PATH is a job file, a folder of them or a pipelines folder; ./pipelines where it is left out.
    Two files that write the same object are found among the files named.
    """
    from trawl.checking import check_paths, mend_paths, report  # noqa: PLC0415  see the module's docstring

    if not paths:
        if not Path("pipelines").is_dir():
            raise click.UsageError("there is no folder pipelines here; name the files or folders to check")
        paths = (Path("pipelines"),)
    reading, fixes = mend_paths(paths) if fix else (check_paths(paths), [])
    for fixed in fixes:
        click.echo(f"mended {fixed.problem}", err=True, color=_colour())
    text, summary = report(reading, as_format, _width())
    if text:
        click.echo(text, color=_colour())
    if summary:
        click.echo(summary, err=True)
    context.exit(1 if reading.problems else 0)


@trawl.command()
@click.argument("job")
@click.pass_context
def show(context: click.Context, job: str) -> None:
    """Show what JOB means: every value with its origin, its schedule, its next runs.

    JOB is a job's name (team.covid) or its file (pipelines/team/covid.yaml).
    """
    from schemas.job import Job  # noqa: PLC0415  see the module's docstring
    from trawl.showing import NoSuchJob, find, sheet  # noqa: PLC0415  see the module's docstring

    try:
        found = find(job, Path("pipelines"))
    except NoSuchJob as error:
        raise click.ClickException(str(error)) from None
    if isinstance(found, Job):
        click.echo(sheet(found), color=_colour())
        return
    from trawl.checking import printed  # noqa: PLC0415  see the module's docstring

    click.echo(printed(found, _width()), color=_colour())
    context.exit(1)


@trawl.command()
@click.option("--base", metavar="REV", help="Compare with where this left REV; the main branch by default.")
@click.option("--head", metavar="REV", help="Plan what REV holds, not the files here.")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="For a terminal, a comment or a tool.",
)
@click.pass_context
def plan(context: click.Context, base: str | None, head: str | None, as_format: str) -> None:
    """Say what a change to job files would do.

    Every job that comes, goes or means something else: its values before and after, its runs, what it
    can fetch and cost at most, and what to know. Reads git and the files, and runs nothing of them.
    """
    from trawl.git import GitProblem  # noqa: PLC0415  see the module's docstring
    from trawl.plan import plan as make  # noqa: PLC0415  see the module's docstring
    from trawl.plan.printing import printed  # noqa: PLC0415  see the module's docstring

    now = datetime.now(UTC)
    try:
        made = make(Path.cwd(), base, head, now)
    except GitProblem as error:
        raise click.ClickException(str(error)) from None
    click.echo(printed(made, as_format, now), color=_colour(), nl=False)
    context.exit(0 if made.valid else 1)


@trawl.command()
@click.option("--defaults", is_flag=True, help="The schema of defaults.yaml, which need not say everything.")
@click.option(
    "--into",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write both schemas into FOLDER/schemas, and .vscode where there is none.",
)
def schema(*, defaults: bool, into: Path | None) -> None:
    """Print the JSON schema of job files, or set an editor up with it."""
    from trawl.editing import NotOurs, defaults_schema, install, job_schema  # noqa: PLC0415  as above

    if into is None:
        click.echo(defaults_schema() if defaults else job_schema(), nl=False)
        return
    try:
        for name in install(into):
            click.echo(f"wrote {name}", err=True)
    except NotOurs as error:
        raise click.ClickException(str(error)) from None


@trawl.command()
def demo() -> None:
    """Run the example job for three days through Airflow and show what it left."""
    from rich.console import Console  # noqa: PLC0415  see the module's docstring

    from trawl.demo import demo as run  # noqa: PLC0415  see the module's docstring
    from trawl.up import CannotStart  # noqa: PLC0415  see the module's docstring

    try:
        run(Path.cwd(), Console())
    except CannotStart as error:
        raise click.ClickException(str(error)) from None


@trawl.command()
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="On 127.0.0.1.")
def up(port: int) -> None:
    """Run Airflow with every job of this project until Ctrl-C."""
    from trawl.up import CannotStart  # noqa: PLC0415  see the module's docstring
    from trawl.up import up as run  # noqa: PLC0415  see the module's docstring

    try:
        run(Path.cwd(), port)
    except CannotStart as error:
        raise click.ClickException(str(error)) from None


def _colour() -> bool | None:
    """False where the person asked for none; None leaves it to whether a person is looking."""
    return False if os.environ.get("NO_COLOR") else None


def _width() -> int:
    """Columns of the terminal; of a pipe, as many as a wide one has."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _PIPE


def main() -> NoReturn:
    """Run the command line; a defect of ours ends with its trace and exit code 3."""
    try:
        trawl()
    except Exception:  # noqa: BLE001  the outermost frame: anything that arrives here is our defect
        import traceback  # noqa: PLC0415  for defects only

        traceback.print_exc()
        click.echo(
            "This is a defect of Trawl, not of your files. Please report it with the lines above.", err=True
        )
    sys.exit(DEFECT)


if __name__ == "__main__":
    main()
