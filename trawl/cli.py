"""The command line. Each command imports what it needs when it runs, so that all of them start fast.

Exit codes: 0 fine, 1 something the person wrote, 2 a wrong command line, 3 a defect of Trawl;
130 for a run that Ctrl-C stopped, as shells expect.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from schemas.job import Job

DEFECT = 3
INTERRUPTED = 130
_PIPE = 160
_SELDOM = {"policy", "table", "docs", "schema", "completion", "demo", "up"}
"""Commands that a person calls once, or make does: named in the list of all, and no more."""


_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class _InOrder(click.Group):
    """Commands in the order in which a person comes to need them, not in that of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(self.commands)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing: it is the heading of the commands."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands alone: with what everybody knows besides, they would not fit a screen."""
        del ctx
        widest = max(map(len, self.commands))
        limit = formatter.width - 6 - widest
        rows = [
            (name, command.get_short_help_str(limit))
            for name, command in self.commands.items()
            if name not in _SELDOM
        ]
        rows.append(("and", ", ".join(name for name in self.commands if name in _SELDOM)))
        with formatter.section((self.help or "").rstrip(".")):
            formatter.write_dl(rows)


def _example(*lines: str) -> str:
    """The end of a command's help: lines to type."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))


def _jobs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of jobs that begin like what is typed, for a shell to complete."""
    del context, parameter
    from schemas.folder import job_files  # noqa: PLC0415  see the module's docstring

    names = job_files(str(_pipelines()), "pipelines", [])
    jobs = (name.removeprefix("pipelines/").rpartition(".")[0].replace("/", ".") for name in names)
    return [job for job in jobs if job.startswith(incomplete)]


def _sources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of sources that begin like what is typed."""
    del context, parameter
    return [source for source in _enum("source") if source.startswith(incomplete)]


def _fields(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of fields and sources that begin like what is typed."""
    del context, parameter
    from schemas.shape import schema  # noqa: PLC0415  see the module's docstring

    names = [*schema()["properties"], *_enum("source")]
    return [name for name in names if name.startswith(incomplete)]


def _enum(name: str) -> list[str]:
    from schemas.shape import schema  # noqa: PLC0415  see the module's docstring

    return list(schema()["properties"][name]["enum"])


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_example("trawl new covid --source twitter --query covid"),
)
@click.version_option(package_name="trawl", message="trawl %(version)s")
def trawl() -> None:
    """One YAML file, one daily scrape. Each COMMAND has a --help of its own."""


@trawl.command(epilog=_example("trawl new team.covid --source twitter --query covid --bucket s3://my-bucket"))
@click.argument("name", required=False, default="")
@click.option("--source", metavar="SOURCE", help="Where the posts come from.", shell_complete=_sources)
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
    from trawl.interview import GivenUp, text_of_job  # noqa: PLC0415  see the module's docstring
    from trawl.writing import CannotWrite, place_of_job, values_of, write  # noqa: PLC0415  as above

    asking = sys.stdin.isatty() if ask is None else ask
    if not name:
        if not asking:
            raise click.UsageError("give the job a name, such as team.covid")
        name = click.prompt("Name of the job (such as team.covid)")
    pipelines = _pipelines()
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


@trawl.command(epilog=_example("trawl check pipelines/team --format github", "trawl check --fix"))
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

    PATH is a job file, a folder of them or a pipelines folder; where it is left out, the project's,
    which is found from its subfolders too.
    Two files that write the same object are found among the files named.
    """
    from trawl.checking import check_paths, mend_paths, report  # noqa: PLC0415  see the module's docstring

    if not paths:
        paths = (_pipelines(),)
        if not paths[0].is_dir():
            message = "there is no folder pipelines here or above; name the files or folders to check"
            raise click.UsageError(message)
    reading, fixes = mend_paths(paths) if fix else (check_paths(paths), [])
    for fixed in fixes:
        click.echo(f"mended {fixed.problem}", err=True, color=_colour())
    text, summary = report(reading, as_format, _width())
    if text:
        click.echo(text, color=_colour())
    if summary:
        click.echo(summary, err=True)
    context.exit(1 if reading.problems else 0)


@trawl.command(epilog=_example("trawl show team.covid"), short_help="Show what a job means and does next.")
@click.argument("job", shell_complete=_jobs)
def show(job: str) -> None:
    """Show what JOB means: every value with its origin, its schedule, its next runs.

    JOB is a job's name (team.covid) or its file (pipelines/team/covid.yaml).
    """
    from trawl.showing import sheet  # noqa: PLC0415  see the module's docstring

    click.echo(sheet(_found(job), width=_columns()), color=_colour())


@trawl.command(epilog=_example("trawl plan --base origin/main", "trawl plan --format markdown"))
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
        made = make(_pipelines().absolute().parent, base, head, now)
    except GitProblem as error:
        raise click.ClickException(str(error)) from None
    click.echo(printed(made, as_format, now, _columns()), color=_colour(), nl=False)
    context.exit(0 if made.valid else 1)


@trawl.command(epilog=_example("trawl preview team.covid", "trawl preview team.covid --posts 20"))
@click.argument("job", shell_complete=_jobs)
@click.option("--posts", default=5, show_default=True, type=click.IntRange(1, 100), help="How many to show.")
def preview(job: str, posts: int) -> None:
    """Fetch a few posts of JOB now, and write nothing.

    Shows how many there are where the source can count, the first of them, and how full each column is.
    A source that charges charges for this too.
    """
    from etl_callables.errors import NothingToDo  # noqa: PLC0415  see the module's docstring

    found = _found(job)
    try:
        with _explained():
            from etl_callables.run import Run  # noqa: PLC0415  see the module's docstring
            from trawl.connections import connections  # noqa: PLC0415  as above
            from trawl.sampling import sample, sheet, window_of  # noqa: PLC0415  as above

            window = window_of(found, datetime.now(UTC))
            seen = sample(found, window, Run(connection=connections(Path(found.root))), posts)
    except NothingToDo as error:
        raise click.ClickException(str(error)) from None
    click.echo(sheet(found, seen, posts, _width()), color=_colour())


@trawl.command(
    epilog=_example("trawl run team.covid", "trawl run team.covid --start 2021-07-05 --end 2021-07-08"),
    short_help="Run a job here, without Airflow.",
)
@click.argument("job", shell_complete=_jobs)
@click.option("--start", metavar="TIME", help="Where its window begins: 2021-07-05, 2021-07-05T06:00Z …")
@click.option("--end", metavar="TIME", help="Where it ends, not included.")
@click.pass_context
def run(context: click.Context, job: str, start: str | None, end: str | None) -> None:
    """Run JOB here, without Airflow: its last complete window, or the one given.

    A window of the schedule's own writes the job's object; any other one writes beside it. Ctrl-C stops
    it with 130, and run again it goes on. Connections come from AIRFLOW_CONN_… or the project's Airflow.
    """
    from etl_callables.errors import NothingToDo  # noqa: PLC0415  see the module's docstring

    found = _found(job)
    try:
        with _explained():
            from trawl.running import run_job  # noqa: PLC0415  see the module's docstring

            click.echo(run_job(found, start, end, sys.stderr, lambda: shutil.get_terminal_size().columns))
    except NothingToDo as error:
        click.echo(f"{error}; give --start and --end", err=True)
    except KeyboardInterrupt:
        click.echo("stopped; what is fetched is kept: run the same again, and it goes on", err=True)
        context.exit(INTERRUPTED)


@trawl.command(
    epilog=_example("trawl runs team.covid", "trawl runs team.covid --last 7 --format json"),
    short_help="Show what the runs of a job did.",
)
@click.argument("job", shell_complete=_jobs)
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

    Windows of the schedule that no run has covered are shown between them.
    """
    from trawl.history import as_json, lines_of, sheet  # noqa: PLC0415  see the module's docstring

    found = _found(job)
    with _explained():
        from etl_callables.manifest import list_manifests  # noqa: PLC0415  see the module's docstring
        from etl_callables.run import Run  # noqa: PLC0415  as above
        from etl_callables.store import open_store  # noqa: PLC0415  as above
        from trawl.connections import connections  # noqa: PLC0415  as above

        store = open_store(found, Run(connection=connections(Path(found.root))))
        lines = lines_of(found, list_manifests(store, found.id), last)
    text = as_json(lines) if as_format == "json" else sheet(found, lines, found.bucket, _columns())
    click.echo(text, color=_colour())


@trawl.command(
    epilog=_example("trawl backfill team.covid --from 2021-07-05 --to 2021-07-08 --wait"),
    short_help="Have Airflow run a job for days of the past.",
)
@click.argument("job", shell_complete=_jobs)
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
    found = _found(job)
    with _explained():
        from trawl.backfilling import Wish, backfill_job  # noqa: PLC0415  see the module's docstring

        wish = Wish(since, until, url, again=again, yes=yes, wait=wait)
        context.exit(backfill_job(found, wish, _columns()))


@trawl.command(
    epilog=_example("trawl verify", "trawl verify s3://my-bucket --repair"),
    short_help="Compare buckets with their manifests.",
)
@click.argument("names", nargs=-1, metavar="[BUCKET or JOB]...", shell_complete=_jobs)
@click.option("--repair", is_flag=True, help="Make objects again from raw pages, remove leftovers.")
@click.option("--connection", metavar="NAME", help="The AWS connection for the buckets named.")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people, or for tools.",
)
@click.pass_context
def verify(
    context: click.Context, names: tuple[str, ...], connection: str | None, as_format: str, *, repair: bool
) -> None:
    """Read every object and say what is not as its manifest says.

    Finds objects that are missing, changed, or known to no manifest, raw pages that are gone, and what
    runs left behind. Without BUCKET or JOB, those of all jobs. Ends with 1 where anything is wrong.
    """
    with _explained():
        from trawl.verifying import verify_named  # noqa: PLC0415  see the module's docstring

        text, summary, wrong = verify_named(names, connection, as_format, repair=repair)
    if text:
        click.echo(text, color=_colour())
    click.echo(summary, err=True)
    context.exit(1 if wrong else 0)


@trawl.command(
    epilog=_example("trawl expire", "trawl expire team.covid --yes"),
    short_help="Delete what is older than jobs let it be.",
)
@click.argument("names", nargs=-1, metavar="[JOB]...", shell_complete=_jobs)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.pass_context
def expire(context: click.Context, names: tuple[str, ...], *, yes: bool) -> None:
    """List what is older than keep and keep_raw of jobs say, and delete it once you agree.

    JOB is a job's name or file; without one, all of them. The DAG trawl.maintenance does it every day.
    """
    with _explained():
        from trawl.maintenance import expire_named  # noqa: PLC0415  see the module's docstring

        context.exit(expire_named(names, yes=yes))


@trawl.command(
    epilog=_example("trawl forget --author somebody", "trawl forget --posts compliance.jsonl team.covid"),
    short_help="Take somebody's posts, or a post, out of everything.",
)
@click.argument("names", nargs=-1, metavar="[JOB]...", shell_complete=_jobs)
@click.option("--author", "authors", metavar="NAME", multiple=True, help="A handle, or an account's id.")
@click.option("--post", "posts", metavar="ID", multiple=True, help="The id of a post.")
@click.option("--authors", "author_files", metavar="FILE", type=_FILE, multiple=True, help="Ids, one a line.")
@click.option("--posts", "post_files", metavar="FILE", type=_FILE, multiple=True, help="The same of posts.")
@click.option("--yes", is_flag=True, help="Forget without asking.")
@click.pass_context
def forget(
    context: click.Context,
    /,
    names: tuple[str, ...],
    author_files: tuple[Path, ...],
    post_files: tuple[Path, ...],
    *,
    yes: bool,
    **said: tuple[str, ...],
) -> None:
    """Take posts out of objects and raw pages, and keep them out of later runs.

    Lists the windows first. An answer of X's compliance API is such a FILE too. What others wrote
    about somebody stays. Without JOB, every job is looked through.
    """
    with _explained():
        from trawl.forgetting import forget_named, subjects_from  # noqa: PLC0415  see the docstring

        subjects = subjects_from(said, {"author": author_files, "post": post_files})
        context.exit(forget_named(subjects, names, yes=yes))


@trawl.command(
    epilog=_example(
        "trawl read s3://my-bucket/covid.csv | head -n 3", "trawl read bucket/covid.csv --into a.parquet"
    ),
    short_help="Print or convert an object, exactly.",
)
@click.argument("url")
@click.option(
    "--into", metavar="FILE", type=click.Path(path_type=Path), help="Write a file; its suffix is its format."
)
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["jsonl", "csv", "parquet"]),
    default="jsonl",
    show_default=True,
    help="What to print.",
)
@click.option("--connection", metavar="NAME", help="The AWS connection for the bucket.")
def read(url: str, into: Path | None, as_format: str, connection: str | None) -> None:
    """Print the posts of an object with the exact text that was scraped, or convert them.

    URL is an object that a job wrote (s3://bucket/key, file:///folder/key) or a local file. What is
    escaped in CSV for spreadsheets is undone.
    """
    with _explained():
        from trawl.reading import convert, print_posts  # noqa: PLC0415  see the module's docstring

        if into is not None:
            count = convert(url, into, connection)
            click.echo(f"wrote {count:,} post{'' if count == 1 else 's'} to {into}", err=True)
            return
        if as_format == "parquet" and sys.stdout.isatty():
            raise click.UsageError("Parquet is not for terminals: redirect it, or name a file with --into")
        print_posts(url, as_format, sys.stdout.buffer, connection)


@trawl.command(
    epilog=_example("trawl table team.covid --for duckdb", "trawl table team.covid --for athena"),
    short_help="Print the statement that makes a table.",
)
@click.argument("job", shell_complete=_jobs)
@click.option("--for", "whom", type=click.Choice(["duckdb", "athena"]), required=True, help="Who reads it.")
def table(job: str, whom: str) -> None:
    """Print the statement that makes a table of all that JOB has written.

    Folders of its key that are called dt={date} are columns of the table too. A column that the job got
    later is null in older files.
    """
    found = _found(job)
    with _explained():
        from trawl.querying import KINDS, NoTable  # noqa: PLC0415  see the module's docstring

        try:
            made = KINDS[whom](found)
        except NoTable as error:
            raise click.ClickException(str(error)) from None
    click.echo(made.text)
    if made.note:
        click.echo(made.note, err=True)


@trawl.command(
    epilog=_example("trawl docs limit", "trawl docs twitter"),
    short_help="Print the reference, or a part of it.",
)
@click.argument("name", required=False, default="", shell_complete=_fields)
def docs(name: str) -> None:
    """Print the job reference, or the part of it on one field or source, as Markdown.

    NAME is a field (limit, options.files) or a source (twitter).
    """
    from trawl.reference import reference, section  # noqa: PLC0415  see the module's docstring

    try:
        text = section(name) if name else reference()
    except LookupError as error:
        raise click.ClickException(str(error)) from None
    if name or not sys.stdout.isatty():
        click.echo(text, nl=False)
    else:
        click.echo_via_pager(text)


@trawl.command(
    epilog=_example("trawl sources", "trawl sources --ask"), short_help="Say what there is to scrape from."
)
@click.option("--ask", is_flag=True, help="Ask each service whether it answers now.")
@click.option(
    "--format",
    "as_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people, or for tools.",
)
def sources(as_format: str, *, ask: bool) -> None:
    """Say what there is to scrape from: what it needs, reaches and costs."""
    from schemas.reading import read_jobs  # noqa: PLC0415  see the module's docstring
    from trawl.providers import as_json, as_text, providers  # noqa: PLC0415  as above

    pipelines = _pipelines()
    jobs = read_jobs(pipelines).jobs if pipelines.is_dir() else ()
    found = providers(jobs, os.environ, ask=ask)
    text = as_json(found) if as_format == "json" else as_text(found, _width())
    click.echo(text, color=_colour())


@trawl.command(
    epilog=_example("trawl doctor", "trawl doctor team.covid"),
    short_help="Say whether this machine can run the jobs.",
)
@click.argument("job", required=False, default="", shell_complete=_jobs)
@click.pass_context
def doctor(context: click.Context, job: str) -> None:
    """Say whether this machine can run the jobs here, or JOB, and what to do where it cannot.

    Looks at Python, Airflow, folders and connections, writes and deletes a small object in each bucket,
    and asks each source whether it answers. Ends with 1 where anything is red.
    """
    from schemas.reading import read_jobs  # noqa: PLC0415  see the module's docstring

    found = _found(job) if job else None
    root = Path(found.root) if found else Path.cwd()
    reading = read_jobs(root / "pipelines")
    red = False
    with _explained():
        from etl_callables.run import Run  # noqa: PLC0415  see the module's docstring
        from trawl.connections import connections  # noqa: PLC0415  as above
        from trawl.health import findings, line  # noqa: PLC0415  as above

        run = Run(connection=connections(root))
        for finding in findings(reading, [found] if found else reading.jobs, root, run):
            red = red or bool(finding.remedy)
            click.echo(line(finding, _width()), color=_colour())
    context.exit(1 if red else 0)


@trawl.command(
    epilog=_example("trawl policy team.covid > policy.json", "trawl policy --read team.covid team.rsv"),
    short_help="Print what AWS must allow for jobs.",
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=_jobs)
@click.option("--read", is_flag=True, help="For who only reads and verifies what the jobs wrote.")
def policy(jobs: tuple[str, ...], *, read: bool) -> None:
    """Print the IAM policy that lets a worker run JOBs in S3, and do nothing else there.

    Several jobs give one policy. A bucket that is encrypted with a key of your own in KMS needs
    kms:GenerateDataKey and kms:Decrypt on that key besides.
    """
    from trawl.policy import MOST, NoPolicy, printed, size  # noqa: PLC0415  see the module's docstring
    from trawl.policy import policy as make  # noqa: PLC0415  as above

    try:
        made = make(map(_found, jobs), read=read)
    except NoPolicy as error:
        raise click.ClickException(str(error)) from None
    click.echo(printed(made))
    if size(made) > MOST:
        click.echo(
            f"This policy has {size(made):,} characters, and AWS takes {MOST:,} as a managed policy: print"
            " one for fewer jobs.",
            err=True,
        )


@trawl.command(
    epilog=_example("trawl schema --into .", "trawl schema > scrape_job.schema.json"),
    short_help="Print the schema, or set an editor up.",
)
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


@trawl.command(
    epilog=_example('eval "$(trawl completion bash)"', "trawl completion fish | source"),
    short_help="Let a shell complete commands and jobs.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, jobs and fields.

    To keep it, add the line of the example to ~/.bashrc or ~/.zshrc, or write it into
    ~/.config/fish/completions/trawl.fish.
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415  see the module's docstring

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"{shell} cannot be completed here")
    click.echo(found(trawl, {}, "trawl", "_TRAWL_COMPLETE").source())


@trawl.command(epilog=_example("trawl demo"), short_help="Run an example job through Airflow.")
def demo() -> None:
    """Run the example job for three days through Airflow and show what it left."""
    from rich.console import Console  # noqa: PLC0415  see the module's docstring

    from trawl.demo import demo as run  # noqa: PLC0415  see the module's docstring
    from trawl.up import CannotStart  # noqa: PLC0415  see the module's docstring

    try:
        run(Path.cwd(), Console())
    except CannotStart as error:
        raise click.ClickException(str(error)) from None


@trawl.command(epilog=_example("trawl up --port 8081"), short_help="Run Airflow with every job.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="On 127.0.0.1.")
def up(port: int) -> None:
    """Run Airflow with every job of this project until Ctrl-C."""
    from trawl.up import CannotStart  # noqa: PLC0415  see the module's docstring
    from trawl.up import up as run  # noqa: PLC0415  see the module's docstring

    try:
        run(Path.cwd(), port)
    except CannotStart as error:
        raise click.ClickException(str(error)) from None


def _pipelines() -> Path:
    """The folder of the project's jobs, here or above."""
    from trawl.project import PIPELINES, project  # noqa: PLC0415  see the module's docstring

    return project() / PIPELINES


def _found(name: str) -> Job:
    """The job of a name or file; where it has problems they are printed, and the command ends with 1."""
    from schemas.job import Job  # noqa: PLC0415  see the module's docstring
    from trawl.showing import NoSuchJob, find  # noqa: PLC0415  as above

    try:
        found = find(name, _pipelines())
    except NoSuchJob as error:
        raise click.ClickException(str(error)) from None
    if isinstance(found, Job):
        return found
    from trawl.checking import printed  # noqa: PLC0415  for jobs with problems only

    click.echo(printed(found, _width()), color=_colour())
    raise click.exceptions.Exit(1)


@contextmanager
def _explained() -> Iterator[None]:
    """What goes wrong where data moves, as a sentence and exit code 1."""
    from etl_callables.errors import NothingToDo, TrawlError  # noqa: PLC0415  see the module's docstring

    try:
        yield
    except NothingToDo:
        raise
    except TrawlError as error:
        raise click.ClickException(str(error)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"", "etl_callables", "schemas", "trawl"}:
            raise
        raise click.ClickException(
            f"{error.name} is missing, which runs jobs and reads buckets: pip install 'trawl[airflow]'"
        ) from None


def _colour() -> bool | None:
    """False where the person asked for none; None leaves it to whether a person is looking."""
    return False if os.environ.get("NO_COLOR") else None


def _columns() -> int | None:
    """Columns of the terminal; None where nobody looks at one."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _width() -> int:
    """As `_columns`; of a pipe, as many as a wide terminal has."""
    return _columns() or _PIPE


def main() -> NoReturn:
    """Run the command line; a defect of ours ends with its trace and exit code 3."""
    try:
        trawl(prog_name="trawl")
    except Exception:  # noqa: BLE001  the outermost frame: anything that arrives here is our defect
        import traceback  # noqa: PLC0415  for defects only

        traceback.print_exc()
        click.echo(
            "This is a defect of Trawl, not of your files. Please report it with the lines above.", err=True
        )
    sys.exit(DEFECT)


if __name__ == "__main__":
    main()
