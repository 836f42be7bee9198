"""Commands about what jobs have written."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trawl.cli.given import (
    colour,
    explained,
    job_named,
    shell_jobs,
)
from trawl.cli.group import example, trawl

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@trawl.command(
    epilog=example("trawl verify", "trawl verify s3://my-bucket --repair", "trawl verify team.covid --raw"),
    short_help="Compare buckets with their manifests.",
)
@click.argument("names", nargs=-1, metavar="[BUCKET or JOB]...", shell_complete=shell_jobs)
@click.option("--repair", is_flag=True, help="Make objects again from raw pages, remove leftovers.")
@click.option("--raw", "with_raw", is_flag=True, help="Read raw pages too, and compare them.")
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
    context: click.Context,
    names: tuple[str, ...],
    connection: str | None,
    as_format: str,
    *,
    repair: bool,
    with_raw: bool,
) -> None:
    """Read every object and say what is not as its manifest says.

    Finds objects that are missing, changed, or known to no manifest, manifests and raw pages that are gone,
    what runs left behind, and what others put below _trawl/; with --raw, raw pages that are not those that
    a run read. Without BUCKET or JOB, those of all jobs. Ends with 1 where anything is wrong, which a run
    is not whose window newer runs cover too, as after a change of schedule: it is named.
    """
    with explained():
        from trawl.verifying import verify_named

        text, summary, wrong = verify_named(names, connection, as_format, repair=repair, with_raw=with_raw)
    if text:
        click.echo(text, color=colour())
    click.echo(summary, err=True)
    context.exit(1 if wrong else 0)


@trawl.command(
    epilog=example("trawl expire", "trawl expire team.covid --yes"),
    short_help="Delete what is older than jobs let it be.",
)
@click.argument("names", nargs=-1, metavar="[JOB]...", shell_complete=shell_jobs)
@click.option("--yes", is_flag=True, help="Delete without asking.")
@click.pass_context
def expire(context: click.Context, names: tuple[str, ...], *, yes: bool) -> None:
    """List what is older than keep and keep_raw of jobs say, and delete it once you agree.

    JOB is a job's name or file; without one, all of them. The DAG trawl.maintenance does it every day.
    """
    with explained():
        from trawl.maintenance import expire_named

        context.exit(expire_named(names, yes=yes))


@trawl.command(
    epilog=example("trawl forget --author somebody", "trawl forget --posts compliance.jsonl team.covid"),
    short_help="Take somebody's posts, or a post, out of everything.",
)
@click.argument("names", nargs=-1, metavar="[JOB]...", shell_complete=shell_jobs)
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
    with explained():
        from trawl.forgetting import forget_named, subjects_from

        subjects = subjects_from(said, {"author": author_files, "post": post_files})
        context.exit(forget_named(subjects, names, yes=yes))


@trawl.command(
    epilog=example(
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
    with explained():
        from trawl.reading import convert, print_posts

        if into is not None:
            count = convert(url, into, connection)
            click.echo(f"wrote {count:,} post{'' if count == 1 else 's'} to {into}", err=True)
            return
        if as_format == "parquet" and sys.stdout.isatty():
            raise click.UsageError("Parquet is not for terminals: redirect it, or name a file with --into")
        print_posts(url, as_format, sys.stdout.buffer, connection)


@trawl.command(
    epilog=example("trawl table team.covid --for duckdb", "trawl table team.covid --for athena"),
    short_help="Print the statement that makes a table.",
)
@click.argument("job", shell_complete=shell_jobs)
@click.option("--for", "whom", type=click.Choice(["duckdb", "athena"]), required=True, help="Who reads it.")
def table(job: str, whom: str) -> None:
    """Print the statement that makes a table of all that JOB has written.

    Folders of its key that are called dt={date} are columns of the table too. A column that the job got
    later is null in older files. What it wrote under earlier keys is in the table too, or told.
    """
    found = job_named(job)
    with explained():
        from etl_callables.run import Run
        from trawl.connections import connections
        from trawl.earlier import look
        from trawl.querying import KINDS, NOTHING_ELSE, NoTable

        try:
            KINDS[whom](found, NOTHING_ELSE)  # no bucket is read where there can be no table
            made = KINDS[whom](found, look(found, Run(connection=connections(Path(found.root)))))
        except NoTable as error:
            raise click.ClickException(str(error)) from None
    click.echo(made.text)
    if made.note:
        click.echo(made.note, err=True)


@trawl.command(
    epilog=example("trawl policy team.covid > policy.json", "trawl policy --read team.covid team.rsv"),
    short_help="Print what AWS must allow for jobs.",
)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...", shell_complete=shell_jobs)
@click.option("--read", is_flag=True, help="For who only reads and verifies what the jobs wrote.")
def policy(jobs: tuple[str, ...], *, read: bool) -> None:
    """Print the IAM policy that lets a worker run JOBs in S3, and do nothing else there.

    Several jobs give one policy. A bucket that is encrypted with a key of your own in KMS needs
    kms:GenerateDataKey and kms:Decrypt on that key besides.
    """
    from trawl.policy import MOST, NoPolicy, printed, size
    from trawl.policy import policy as make

    try:
        made = make(map(job_named, jobs), read=read)
    except NoPolicy as error:
        raise click.ClickException(str(error)) from None
    click.echo(printed(made))
    if size(made) > MOST:
        click.echo(
            f"This policy has {size(made):,} characters, and AWS takes {MOST:,} as a managed policy: print"
            " one for fewer jobs.",
            err=True,
        )
