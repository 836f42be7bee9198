"""Commands about jobs: written, checked, shown, reviewed and run."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from trawl.cli.given import (
    colour,
    explained,
    job_named,
    pipelines_folder,
    shell_jobs,
    shell_sources,
    terminal_columns,
    text_width,
)
from trawl.cli.group import example, trawl

INTERRUPTED = 130


@trawl.command(epilog=example("trawl new team.covid --source twitter --query covid --bucket s3://my-bucket"))
@click.argument("name", required=False, default="")
@click.option("--source", metavar="SOURCE", help="Where the posts come from.", shell_complete=shell_sources)
@click.option("--query", metavar="TEXT", help="What to search for.")
@click.option("--schedule", metavar="WORDS", help="How often: daily, weekly on monday at 06:00 …")
@click.option("--bucket", metavar="URL", help="Where the posts go: s3://my-bucket, ./bucket …")
@click.option("--key", metavar="KEY", help="The object's name: {job}/{date}/posts.csv …")
@click.option(
    "--set", "more", metavar="FIELD=VALUE", multiple=True, help="Any other field: options.files=a.csv"
)
@click.option("--ask/--no-ask", default=None, help="Ask for what is missing; so in a terminal.")
def new(name: str, more: tuple[str, ...], *, ask: bool | None, **said: str | None) -> None:
    """Write a job file that passes the check, after some questions.

    NAME is the job's name (team.covid) or its file. What is there already is never written over.
    """
    from trawl.interview import GivenUp, text_of_job
    from trawl.writing import CannotWrite, place_of_job, values_of, write

    asking = sys.stdin.isatty() if ask is None else ask
    if not name:
        if not asking:
            raise click.UsageError("give the job a name, such as team.covid")
        name = click.prompt("Name of the job (such as team.covid)")
    pipelines = pipelines_folder()
    try:
        values = values_of({key: value for key, value in said.items() if value is not None}, more)
        path = place_of_job(name, pipelines)
        write(path, text_of_job(values, path, pipelines, ask=asking))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except CannotWrite as error:
        raise click.ClickException(str(error)) from None
    except GivenUp as error:
        click.echo(str(error), err=True)
        raise click.ClickException(f"this is no job yet, so {path} was not written") from None
    click.echo(f"wrote {path}; see what it will do: trawl show {path}")


@trawl.command(epilog=example("trawl check pipelines/team --format github", "trawl check --fix"))
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
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

    PATH is a job file, a folder of them, a pipelines folder or a job's name (team.covid); where it is
    left out, the project's pipelines, which are found from its subfolders too.
    Two files that write the same object are found among the files named.
    """
    from trawl.checking import check_paths, mend_paths, report
    from trawl.naming import NotThere

    named = tuple(map(_file_or_job, paths))
    paths = named or (pipelines_folder(),)
    if not named and not paths[0].is_dir():
        message = "there is no folder pipelines here or above; name the files or folders to check"
        raise click.UsageError(message)
    reading, fixes = mend_paths(paths) if fix else (check_paths(paths), [])
    if named and not reading.files and not any(_is_of_jobs(path) for path in named):
        raise NotThere(f"there is no job file in {' or '.join(map(str, named))}")
    for fixed in fixes:
        click.echo(f"mended {fixed.problem}", err=True, color=colour())
    text, summary = report(reading, as_format, text_width())
    if text:
        click.echo(text, color=colour())
    if summary:
        click.echo(summary, err=True)
    context.exit(1 if reading.problems else 0)


def _is_of_jobs(path: Path) -> bool:
    """Whether a folder is where jobs are looked for, though there may be none yet."""
    return "pipelines" in path.absolute().parts or (path / "pipelines").is_dir()


def _file_or_job(path: Path) -> Path:
    """The path, or the file of the job of that name; NotThere where there is neither."""
    from schemas.folder import SUFFIXES
    from schemas.words import short
    from trawl.naming import NotThere, file_of

    name = str(path)
    if os.path.exists(path):  # noqa: PTH110  false, too, of what can be no path
        return path
    if name.endswith(SUFFIXES) or os.sep in name:
        meant = next((f"{name}{end}" for end in SUFFIXES if os.path.isfile(f"{name}{end}")), None)  # noqa: PTH113
        hint = f'; did you mean "{short(meant)}"?' if meant else ""
        raise NotThere(f"there is no file or folder {short(name)}{hint}")
    return file_of(name, pipelines_folder())


@trawl.command(epilog=example("trawl show team.covid"), short_help="Show what a job means and does next.")
@click.argument("job", shell_complete=shell_jobs)
def show(job: str) -> None:
    """Show what JOB means: every value with its origin, its schedule, its next runs.

    JOB is a job's name (team.covid) or its file (pipelines/team/covid.yaml).
    """
    from trawl.showing import sheet

    click.echo(sheet(job_named(job), width=terminal_columns()), color=colour())


@trawl.command(epilog=example("trawl plan --base origin/main", "trawl plan --format markdown"))
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
    from trawl.git import GitProblem, NoSuchRevision
    from trawl.naming import NotThere
    from trawl.plan import plan as make
    from trawl.plan.printing import printed

    now = datetime.now(UTC)
    try:
        made = make(pipelines_folder().absolute().parent, base, head, now)
    except NoSuchRevision as error:
        raise NotThere(str(error)) from None
    except GitProblem as error:
        raise click.ClickException(str(error)) from None
    click.echo(printed(made, as_format, now, terminal_columns()), color=colour(), nl=False)
    context.exit(0 if made.valid else 1)


@trawl.command(epilog=example("trawl preview team.covid", "trawl preview team.covid --posts 20"))
@click.argument("job", shell_complete=shell_jobs)
@click.option("--posts", default=5, show_default=True, type=click.IntRange(1, 100), help="How many to show.")
def preview(job: str, posts: int) -> None:
    """Fetch a few posts of JOB now, and write nothing.

    Shows how many there are where the source can count, the first of them, and how full each column is.
    A source that charges charges for this too.
    """
    from etl_callables.errors import NothingToDo

    found = job_named(job)
    try:
        with explained():
            from etl_callables.run import Run
            from trawl.connections import connections
            from trawl.sampling import sample, sheet, window_of

            window = window_of(found, datetime.now(UTC))
            seen = sample(found, window, Run(connection=connections(Path(found.root))), posts)
    except NothingToDo as error:
        raise click.ClickException(str(error)) from None
    click.echo(sheet(found, seen, posts, text_width()), color=colour())


@trawl.command(
    epilog=example("trawl run team.covid", "trawl run team.covid --start 2021-07-05 --end 2021-07-08"),
    short_help="Run a job here, without Airflow.",
)
@click.argument("job", shell_complete=shell_jobs)
@click.option("--start", metavar="TIME", help="Where its window begins: 2021-07-05, 2021-07-05T06:00Z …")
@click.option("--end", metavar="TIME", help="Where it ends, not included.")
@click.pass_context
def run(context: click.Context, job: str, start: str | None, end: str | None) -> None:
    """Run JOB here, without Airflow: its last complete window, or the one given.

    A window of the schedule's own writes the job's object; any other one writes beside it. Ctrl-C stops
    it with 130, and run again it goes on. Connections come from AIRFLOW_CONN_… or the project's Airflow.
    """
    from etl_callables.errors import NothingToDo

    found = job_named(job, among_all=True)
    try:
        with explained():
            from trawl.running import run_job

            click.echo(run_job(found, start, end, sys.stderr, lambda: shutil.get_terminal_size().columns))
    except NothingToDo as error:
        click.echo(f"{error}; give --start and --end", err=True)
    except KeyboardInterrupt:
        click.echo("stopped; what is fetched is kept: run the same again, and it goes on", err=True)
        context.exit(INTERRUPTED)


@trawl.command(
    epilog=example("trawl runs team.covid", "trawl runs team.covid --last 7 --format json"),
    short_help="Show what the runs of a job did.",
)
@click.argument("job", shell_complete=shell_jobs)
@click.option("--last", default=30, show_default=True, type=click.IntRange(1), help="How many runs.")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people, or for tools.",
)
def runs(job: str, last: int, as_format: str) -> None:
    """Show what the runs of JOB did, by their manifests: posts, cost, duration, what was truncated.

    Windows of the schedule that no run has covered are shown between them, and runs whose window newer runs
    have too are named.
    """
    from trawl.history import as_json, lines_of, sheet

    found = job_named(job)
    with explained():
        from etl_callables.manifest import list_manifests
        from etl_callables.overlapping import overlaps
        from etl_callables.run import Run
        from etl_callables.store import open_store
        from trawl.connections import connections

        store = open_store(found, Run(connection=connections(Path(found.root))))
        manifests = list(list_manifests(store, found.id, rejected=True))
        lines, overlapped = lines_of(found, manifests, last), overlaps(manifests)
    if as_format == "json":
        text = as_json(lines, overlapped)
    else:
        text = sheet(found, lines, found.bucket, terminal_columns(), overlapped)
    click.echo(text, color=colour())


@trawl.command(
    epilog=example("trawl backfill team.covid --from 2021-07-05 --to 2021-07-08 --wait"),
    short_help="Have Airflow run a job for days of the past.",
)
@click.argument("job", shell_complete=shell_jobs)
@click.option("--from", "since", metavar="DAY", help="The first day; by default where its date range begins.")
@click.option("--to", "until", metavar="DAY", help="The day after the last; by default up to now.")
@click.option("--again", is_flag=True, help="Also what is there already.")
@click.option("--yes", is_flag=True, help="Do not ask before.")
@click.option("--wait", is_flag=True, help="Follow until all have ended; 1 where one failed.")
@click.option("--airflow", "url", metavar="URL", help="Another Airflow than that of trawl up.")
@click.pass_context
def backfill(
    context: click.Context,
    job: str,
    since: str | None,
    until: str | None,
    url: str | None,
    *,
    again: bool,
    yes: bool,
    wait: bool,
) -> None:
    """Have Airflow run JOB for each window of the past, after saying how many and what they cost.

    Days are by the job's clocks, as in `trawl run`, and may have a time: 2021-07-05T06:00. For another
    Airflow, TRAWL_AIRFLOW_TOKEN, or TRAWL_AIRFLOW_USER and TRAWL_AIRFLOW_PASSWORD, say who asks.
    """
    found = job_named(job)
    with explained():
        from trawl.backfilling import Wish, backfill_job

        wish = Wish(since, until, url, again=again, yes=yes, wait=wait)
        context.exit(backfill_job(found, wish, terminal_columns()))
