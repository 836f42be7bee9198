"""Every command is at home on a terminal, a narrow one too, in a pipe, and in a shell that completes."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from etl_callables.manifest import write_manifest
from etl_callables.run import STATE
from etl_callables.sources import SOURCES
from etl_callables.sources.facts import FACTS
from etl_callables.store_local import LocalStore
from schemas.shape import schema
from tests.trawl.jobs import utc
from tests.trawl.repositories import commit, new
from trawl.cli import trawl
from trawl.providers import answer_of, providers
from trawl.reference import reference

ROOT = Path(__file__).resolve().parents[2]
JOB = "source: hackernews\nquery: covid\nbucket: s3://my-bucket\nkey: '{job}/{date}.csv'\n"
COMMANDS = sorted(trawl.commands)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of two good jobs and a bad one, with the working directory in it."""
    folder = new(tmp_path / "project")
    (folder / "pipelines" / "team").mkdir(parents=True)
    (folder / "pipelines" / "team" / "covid.yaml").write_text(JOB)
    commit(folder)
    (folder / "pipelines" / "team" / "corona.yaml").write_text(JOB)
    (folder / "pipelines" / "bad.yaml").write_text(JOB.replace("query", "querry"))
    monkeypatch.chdir(folder)
    return folder


def local(project: Path) -> None:
    """A job beside the others that needs nobody else, and one run of it."""
    from tests.trawl.test_runs import manifest  # which is written with what is here

    shutil.copy(ROOT / "pipelines/examples/covid_archive/posts.jsonl", project / "pipelines")
    (project / "pipelines" / "local.yaml").write_text(
        "source: archive\noptions: {files: posts.jsonl}\ndate_range: {since: 2021-07-05, until: 2021-07-12}\n"
        "bucket: ./bucket\nkey: '{job}/{date}.csv'\n"
    )
    one = manifest(utc(2021, 7, 5), job="local")
    write_manifest(LocalStore(project / "bucket"), f"{STATE}/local/{one.window}", one)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, arguments, catch_exceptions=False)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trawl", *arguments]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "PYTHONPATH": str(ROOT), **(more or {})}


def on_terminal(folder: Path, columns: int, *arguments: str, **more: str) -> str:
    """What a command shows on a terminal so wide."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    with subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment({"TERM": "xterm-256color", **more}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ):
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_fits_a_screen_and_ends_with_an_example(name: str) -> None:
    result = CliRunner().invoke(trawl, [*([name] if name else []), "--help"], terminal_width=80)
    lines = result.stdout.rstrip().splitlines()
    assert result.exit_code == 0
    assert len(lines) <= 24, name
    assert max(map(len, lines)) <= 80, name
    assert "  Example:" in lines
    assert lines[-1].startswith(("    trawl ", '    eval "$(trawl'))


def test_help_names_every_command_in_the_order_it_is_needed() -> None:
    *names, last = re.findall(r"^  ([a-z]+)  (.*)", run("--help").stdout, re.MULTILINE)
    assert [name for name, _ in names[:4]] == ["new", "check", "show", "plan"]
    seldom = last[1].strip().split(", ")
    assert (last[0], sorted([*(name for name, _ in names), *seldom])) == ("and", COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_a_command_line_that_parses(name: str) -> None:
    epilog = trawl.commands[name].epilog or ""
    for line in re.findall(r"^ {2}trawl (.*)$", epilog, re.MULTILINE):
        words = re.split(r" [|>] ", line)[0].split()
        with trawl.commands[words[0]].make_context(words[0], words[1:], resilient_parsing=True):
            pass


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["check"],
        ["show", "team.covid"],
        ["plan"],
        ["runs", "local"],
        ["backfill", "local"],
        ["doctor", "local"],
        ["docs"],
        ["sources"],
        ["schema"],
        ["policy", "team.covid"],
        *([name, "--help"] for name in COMMANDS),
    ],
)
def test_nothing_heavy_is_imported(project: Path, arguments: list[str]) -> None:
    """This is what keeps every one of them under a quarter of a second.

    What `preview`, `run`, `verify` and `read` are for takes what they import.
    """
    local(project)
    code = (
        f"import sys; sys.argv = ['trawl', *{arguments!r}]\nfrom trawl.cli import main\n"
        "heavy = {'airflow', 'pandas', 'pyarrow', 'numpy', 'rich', 'httpx', 'jsonschema', 'fsspec'}\n"
        "heavy |= {'botocore', 'snscrape'}\n"
        "try: main()\nexcept SystemExit: print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["show", "team.covid"], ["plan"], ["sources"]])
def test_colours_show_on_a_terminal_unless_they_are_not_wanted(project: Path, arguments: list[str]) -> None:
    shown = on_terminal(project, 100, *arguments)
    assert "\x1b[" in shown
    plain = on_terminal(project, 100, *arguments, NO_COLOR="1")
    assert plain == click.unstyle(shown)
    piped = subprocess.run(
        command(*arguments), cwd=project, env=environment(), capture_output=True, text=True, check=False
    )
    assert "\x1b" not in piped.stdout + piped.stderr


@pytest.mark.parametrize("columns", [40, 200])
@pytest.mark.parametrize("arguments", [["show", "team.covid"], ["plan"]])
def test_tables_stand_on_narrow_terminals(project: Path, columns: int, arguments: list[str]) -> None:
    lines = on_terminal(project, columns, *arguments, NO_COLOR="1").splitlines()
    query = next(line for line in lines if line.split()[:1] == ["query"])
    assert query.split() == (["query"] if columns == 40 else ["query", "covid", query.split()[-1]])
    objects = [line for line in lines if "s3://my-bucket/team/co" in line]
    assert objects
    assert all((line.split()[0][:5] == "s3://") == (columns == 40) for line in objects)


def test_check_draws_as_wide_as_the_terminal_is(project: Path) -> None:
    (project / "pipelines" / "bad.yaml").write_text(JOB + f"descripton: '{'x' * 200}'\n")
    lines = on_terminal(project, 50, "check", NO_COLOR="1").splitlines()
    drawn = [line for line in lines if re.match(r" *\d* \| ", line)]
    assert len(drawn) == 2
    assert max(map(len, drawn)) <= 50


@pytest.mark.parametrize(
    "arguments",
    [
        "docs",
        "schema",
        "plan",
        "check",
        "sources",
        "show team.covid",
        "preview local",
        "run local --start 2021-07-06",
        "runs local",
        "backfill local",
        "verify local",
        "doctor local",
    ],
)
def test_a_pipe_that_closes_early_is_no_defect(project: Path, arguments: str) -> None:
    """That of `trawl read` is held to it where there is an object to read."""
    local(project)
    line = f"{sys.executable} -m trawl {arguments} | head -n 1"
    done = subprocess.run(
        ["bash", "-c", line], cwd=project, env=environment(), capture_output=True, text=True, check=False
    )
    assert "defect" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["defaults", "defaults.yaml"])
def test_docs_say_what_defaults_are(project: Path, name: str) -> None:
    result = run("docs", name)
    assert result.exit_code == 0, project
    assert result.stdout.startswith("## defaults.yaml\n")
    assert result.stdout.count("\n## ") == 0
    assert "The nearest wins" in result.stdout


def test_docs_are_the_reference(project: Path) -> None:
    assert run("docs").stdout == reference(), project


@pytest.mark.parametrize("name", [*schema()["properties"], *schema()["properties"]["source"]["enum"]])
def test_docs_of_a_field_or_source_are_its_part(name: str) -> None:
    result = run("docs", name)
    assert result.exit_code == 0
    heading = result.stdout.splitlines()[0]
    assert heading in (f"## {name}", f"### source: {name}") or heading.startswith(f"### source: {name}, via")
    assert "## key" not in result.stdout or name == "key"


def test_docs_of_an_option_name_the_source() -> None:
    result = run("docs", "options.files")
    assert result.stdout.startswith("#### options.files (source: archive)\n")


def test_docs_of_nothing_ask_what_was_meant() -> None:
    result = run("docs", "limitt")
    assert result.exit_code == 2
    assert 'there is no field or source "limitt"; did you mean "limit"?' in result.stderr
    assert "`trawl docs` has all there are" in run("docs", "xyzzy").stderr


def test_every_provider_is_described() -> None:
    wanting = {(source, via) for source, vias in SOURCES.items() for via in vias} - set(FACTS)
    assert not wanting, f"FACTS in etl_callables/sources/facts.py wants a line for each of {wanting}"
    assert all(facts.gives for facts in FACTS.values())


def test_sources_lists_every_provider(project: Path) -> None:
    text = run("sources").stdout
    for source, vias in SOURCES.items():
        for via in vias:
            assert f"{source} via {via}" in text, project
    assert "hackernews via algolia: stories and comments of Hacker News, by words; 2 jobs here" in text


def test_sources_says_which_connections_jobs_name_and_whether_they_are_there(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twitter = JOB.replace("hackernews", "twitter")
    (project / "pipelines" / "x.yaml").write_text(twitter + "source_connection: x_team\n")
    assert "x_team: not in the environment; it may be in Airflow" in run("sources").stdout
    monkeypatch.setenv("AIRFLOW_CONN_X_TEAM", "http://:secret-token@")
    result = run("sources")
    assert "x_team: in the environment" in result.stdout
    assert "secret-token" not in result.output


def test_sources_tells_tools_the_same(project: Path) -> None:
    found = json.loads(run("sources", "--format", "json").stdout)
    (mine,) = (one for one in found if one["source"] == "hackernews")
    assert (mine["via"], mine["usual"], mine["jobs"], mine["answer"]) == ("algolia", True, 2, ""), project


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "answers"),
        (401, "answers"),
        (404, "answers"),
        (500, "in trouble (HTTP 500)"),
        (503, "in trouble"),
    ],
)
def test_a_service_that_is_asked_is_said_to_answer(status: int, words: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert answer_of(f"http://127.0.0.1:{server.server_port}/").startswith(words)
        thread.join()


def test_a_service_that_does_not_answer_is_said_not_to() -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port
    assert answer_of(f"http://127.0.0.1:{port}/").startswith("no answer (")


def test_nobody_is_asked_unless_a_person_says_so() -> None:
    assert {provider.answer for provider in providers([], {}, ask=False)} == {""}


def test_schema_is_the_schema_of_this_version() -> None:
    assert json.loads(run("schema").stdout) == schema()
    defaults = json.loads(run("schema", "--defaults").stdout)
    assert "required" not in defaults
    assert defaults["title"] == "Defaults of scrape jobs"


def test_schema_is_written_for_an_editor_once_and_renewed(project: Path) -> None:
    assert run("schema", "--into", ".").exit_code == 0
    written = project / "schemas" / "scrape_job.schema.json"
    written.write_text(json.dumps({"title": "A scrape job", "old": True}))
    (project / ".vscode" / "settings.json").write_text("{}")
    assert run("schema", "--into", ".").exit_code == 0
    assert json.loads(written.read_text()) == schema()
    assert (project / ".vscode" / "settings.json").read_text() == "{}"


def test_schema_writes_over_nothing_that_is_not_ours(project: Path) -> None:
    (project / "schemas").mkdir()
    mine = project / "schemas" / "scrape_defaults.schema.json"
    mine.write_text("mine")
    result = run("schema", "--into", ".")
    assert (result.exit_code, "is no schema of ours" in result.stderr) == (1, True)
    assert mine.read_text() == "mine"
    assert [path.name for path in (project / "schemas").iterdir()] == [mine.name]


def complete(folder: Path, line: str) -> list[str]:
    """What the real bash offers after a line."""
    words = line.split(" ")
    script = (
        'eval "$(trawl completion bash)"\n'
        f"COMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}\n"
        '_trawl_completion trawl; printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    program = folder.parent / "bin"
    program.mkdir(exist_ok=True)
    (program / "trawl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m trawl "$@"\n')
    (program / "trawl").chmod(0o755)
    path = f"{program}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment({"PATH": path}),
        capture_output=True,
        text=True,
        check=False,
    )
    return sorted(done.stdout.split())


def test_bash_completes_commands_jobs_sources_and_fields(project: Path) -> None:
    assert complete(project, "trawl sh") == ["show"]
    assert complete(project, "trawl show team.co") == ["team.corona", "team.covid"]
    assert complete(project, "trawl new a --source tw") == ["twitter"]
    assert complete(project, "trawl docs date") == ["date_range"]
    assert complete(project, "trawl check --format g") == ["github"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_that_it_can_read(shell: str, project: Path) -> None:
    script = run("completion", shell).stdout
    assert "_TRAWL_COMPLETE" in script
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is missing, which would read the script")
    file = project / f"script.{shell}"
    file.write_text(script)
    done = subprocess.run([program, "-n", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_other_shell_is_promised() -> None:
    assert run("completion", "tcsh").exit_code == 2
