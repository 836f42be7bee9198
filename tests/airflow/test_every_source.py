"""The example job of every source, run by Airflow against its service on loopback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from etl_callables.manifest import Manifest, read_manifest
from etl_callables.run import Run, prefix
from etl_callables.sources import SOURCES
from etl_callables.store import open_store
from schemas.job import Job
from schemas.reading import read_job
from schemas.window import Window
from tests.airflow.served import ROOT
from tests.servers.authority import Authority
from tests.servers.made import Made, made
from tests.sources.conformance.case import Setting
from tests.sources.conformance.cases import case_of
from trawl.local import environment
from trawl.up import migrate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rehearsal")]


def examples() -> dict[tuple[str, str], str]:
    """An example job of each provider, by its file; of several the last by name."""
    jobs = [read_job(file, ROOT) for file in sorted((ROOT / "pipelines/examples").glob("*.yaml"))]
    return {(job.source, job.via): Path(job.file).stem for job in jobs if isinstance(job, Job)}


EXAMPLES = examples()
"""X refuses snscrape, so there is none of that."""

ALONE = ("weibo", "snscrape")
"""Run in a process of its own: it is reached through a proxy, as Telegram is, and a process has only one."""

NOW = datetime.now(UTC)
YESTERDAY = Window(
    NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1),
    NOW.replace(hour=0, minute=0, second=0, microsecond=0),
)
ARCHIVED = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2021, 7, 6, tzinfo=UTC))
POSTS = 25
ARCHIVED_POSTS = 48
WORDS = 'covid airflow opendata "open data"'
"""What the examples look for."""


@dataclass
class Project:
    """A project with the examples in it, told where their services are."""

    root: Path
    authority: Authority
    environment: dict[str, str]
    windows: dict[tuple[str, str], Window]
    alone: dict[str, str] = field(default_factory=dict)
    """What the process of `ALONE` has besides."""

    def add(self, name: tuple[str, str], running: ExitStack) -> None:
        """Start a source's service with yesterday's posts, and put its example in the project."""
        case = case_of(*name)
        file = f"examples/{EXAMPLES[name]}.yaml"
        text = (ROOT / "pipelines" / file).read_text(encoding="utf-8")
        (self.root / "pipelines/examples").mkdir(parents=True, exist_ok=True)
        self.windows[name] = ARCHIVED if name[0] == "archive" else YESTERDAY
        if name[0] == "archive":
            shutil.copytree(
                ROOT / "pipelines/examples/covid_archive", self.root / "pipelines/examples/covid_archive"
            )
        else:
            posts = [Made(post.number, post.created, WORDS) for post in made(POSTS, YESTERDAY)]
            folder = self.root / "served" / "-".join(name)
            folder.mkdir(parents=True)
            served = running.enter_context(case.serve(posts, Setting(folder, self.authority, YESTERDAY)))
            (self.alone if name == ALONE else self.environment).update(served.environment)
            job = yaml.safe_load(text)
            connection = job.get("source_connection", "_".join(name).replace("-", "_"))
            if served.credentials:
                values = {**served.credentials, "extra": {}, "conn_type": "http"}
                self.environment[f"AIRFLOW_CONN_{connection.upper()}"] = json.dumps(values)
                if "source_connection" not in job:
                    text += f"source_connection: {connection}\n"
            for option, value in served.options.items():  # of a source whose job says where to ask
                text = _replaced(text, option, value)
        (self.root / "pipelines" / file).write_text(text, encoding="utf-8")

    def job(self, name: tuple[str, str]) -> Job:
        job = read_job(self.root / f"pipelines/examples/{EXAMPLES[name]}.yaml", self.root)
        assert isinstance(job, Job), job
        return job

    def manifest(self, name: tuple[str, str]) -> Manifest | None:
        job = self.job(name)
        return read_manifest(open_store(job, Run()), prefix(job, self.windows[name], Run()))


def _replaced(text: str, option: str, value: object) -> str:
    """The job's text with another value of an option, the last one of the options."""
    head, _, tail = text.partition(f"  {option}:")
    rest = tail[tail.index("\n\n") :]
    return f"{head}  {option}: {json.dumps(value)}{rest}"


def test_each_source_has_an_example_that_runs_here() -> None:
    known = {(source, via) for source, providers in SOURCES.items() for via in providers}
    wanting = known - set(EXAMPLES) - {("twitter", "snscrape")}
    assert not wanting, f"pipelines/examples wants an example of each provider; there is none of {wanting}"


def rehearse(project: Project, names: Sequence[tuple[str, str]], environs: Mapping[str, str]) -> None:
    """Run the examples of some sources by Airflow in one process."""
    asked = [
        part for name in names for part in (project.job(name).id, f"{project.windows[name].start:%Y-%m-%d}")
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.airflow.rehearsing", *asked],
        cwd=ROOT,
        env={**environs, "PYTHONPATH": os.pathsep.join([str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]


def test_airflow_runs_the_example_of_every_source(tmp_path: Path, authority: Authority) -> None:
    """Each against its service; what they left is complete."""
    home = tmp_path / "airflow"
    project = Project(tmp_path / "project", authority, environment(tmp_path / "project", home), {})
    with ExitStack() as running:
        shutil.copytree(ROOT / "dags", project.root / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        for name in EXAMPLES:
            project.add(name, running)
        (home / "logs").mkdir(parents=True, exist_ok=True)
        log = home / "logs" / "rehearsal.log"
        migrate(project.environment, log)
        others = [name for name in EXAMPLES if name != ALONE]
        for names, environs in (
            (others, project.environment),
            ([ALONE], project.environment | project.alone),
        ):
            rehearse(project, names, environs)
    manifests = {name: project.manifest(name) for name in EXAMPLES}
    kept = {name: manifest and manifest.counts.kept for name, manifest in manifests.items()}
    assert kept == {name: ARCHIVED_POSTS if name[0] == "archive" else POSTS for name in EXAMPLES}
    for name, manifest in manifests.items():
        assert manifest is not None
        assert (manifest.source, manifest.via) == name
        assert (manifest.complete, manifest.truncated) == (True, None), name
        assert manifest.first_post in project.windows[name]
        assert manifest.last_post in project.windows[name]
