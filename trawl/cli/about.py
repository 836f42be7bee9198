"""Commands about Trawl itself, and those that start Airflow."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from trawl.cli.given import (
    colour,
    explained,
    job_named,
    pipelines_folder,
    project_folder,
    shell_fields,
    shell_jobs,
    text_width,
)
from trawl.cli.group import example, trawl


@trawl.command(
    epilog=example("trawl docs limit", "trawl docs twitter"),
    short_help="Print the reference, or a part of it.",
)
@click.argument("name", required=False, default="", shell_complete=shell_fields)
def docs(name: str) -> None:
    """Print the job reference, or the part of it on one field or source, as Markdown.

    NAME is a field (limit, options.files), a source (twitter), or defaults: what jobs of a folder share.
    """
    from trawl.naming import NotThere
    from trawl.reference import reference, section

    try:
        text = section(name) if name else reference()
    except LookupError as error:
        raise NotThere(str(error)) from None
    if name or not sys.stdout.isatty():
        click.echo(text, nl=False)
    else:
        click.echo_via_pager(text)


@trawl.command(
    epilog=example("trawl sources", "trawl sources --ask"), short_help="Say what there is to scrape from."
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
    from schemas.reading import read_jobs
    from trawl.providers import as_json, as_text, providers

    pipelines = pipelines_folder()
    jobs = read_jobs(pipelines).jobs if pipelines.is_dir() else ()
    found = providers(jobs, os.environ, ask=ask)
    text = as_json(found) if as_format == "json" else as_text(found, text_width())
    click.echo(text, color=colour())


@trawl.command(
    epilog=example("trawl doctor", "trawl doctor team.covid"),
    short_help="Say whether this machine can run the jobs.",
)
@click.argument("job", required=False, default="", shell_complete=shell_jobs)
@click.pass_context
def doctor(context: click.Context, job: str) -> None:
    """Say whether this machine can run the jobs here, or JOB, and what to do where it cannot.

    Looks at Python, Airflow, folders and connections, writes and deletes a small object in each bucket,
    and asks each source whether it answers. Ends with 1 where anything is red.
    """
    from schemas.reading import read_jobs
    from trawl.naming import NotThere

    found = job_named(job) if job else None
    root = Path(found.root) if found else project_folder()
    if not (root / "pipelines").is_dir():
        raise NotThere("there is no folder pipelines here or above")
    reading = read_jobs(root / "pipelines")
    red = False
    with explained():
        from etl_callables.run import Run
        from trawl.connections import connections
        from trawl.health import findings, line

        run = Run(connection=connections(root))
        for finding in findings(reading, [found] if found else reading.jobs, root, run):
            red = red or bool(finding.remedy)
            click.echo(line(finding, text_width()), color=colour())
    context.exit(1 if red else 0)


@trawl.command(
    epilog=example("trawl schema --into .", "trawl schema > scrape_job.schema.json"),
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
    from trawl.editing import NotOurs, defaults_schema, install, job_schema

    if into is None:
        click.echo(defaults_schema() if defaults else job_schema(), nl=False)
        return
    try:
        for name in install(into):
            click.echo(f"wrote {name}", err=True)
    except NotOurs as error:
        raise click.ClickException(str(error)) from None


@trawl.command(
    epilog=example('eval "$(trawl completion bash)"', "trawl completion fish | source"),
    short_help="Let a shell complete commands and jobs.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands, jobs and fields.

    To keep it, add the line of the example to ~/.bashrc or ~/.zshrc, or write it into
    ~/.config/fish/completions/trawl.fish.
    """
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.ClickException(f"{shell} cannot be completed here")
    click.echo(found(trawl, {}, "trawl", "_TRAWL_COMPLETE").source())


@trawl.command(epilog=example("trawl demo"), short_help="Run an example job through Airflow.")
def demo() -> None:
    """Run the example job for three days through Airflow and show what it left."""
    from rich.console import Console

    from trawl.demo import demo as run
    from trawl.up import CannotStart

    try:
        run(project_folder(), Console())
    except CannotStart as error:
        raise click.ClickException(str(error)) from None


@trawl.command(epilog=example("trawl up --port 8081"), short_help="Run Airflow with every job.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="On 127.0.0.1.")
def up(port: int) -> None:
    """Run Airflow with every job of this project until Ctrl-C."""
    from trawl.up import CannotStart
    from trawl.up import up as run

    try:
        run(project_folder(), port)
    except CannotStart as error:
        raise click.ClickException(str(error)) from None
