"""OpenLineage's own provider, in a real Airflow, sends what a run made: to a file, over no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etl_callables.reader import read_posts
from tests.airflow.served import ROOT, project
from trawl.local import environment
from trawl.up import migrate

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("rehearsal")]


def test_a_run_tells_openlineage_of_its_object_and_of_nothing_else(tmp_path: Path) -> None:
    """The steps before it make nothing that anybody else reads."""
    project(tmp_path)
    sent = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(sent), "append": True}
    settings = environment(tmp_path) | {"AIRFLOW__OPENLINEAGE__TRANSPORT": json.dumps(transport)}
    migrate(settings, tmp_path / "migrate.log")
    done = subprocess.run(
        [sys.executable, "-m", "trawl.rehearsal", "examples.covid_archive", "2021-07-05"],
        cwd=tmp_path,
        env={**settings, "PYTHONPATH": os.pathsep.join([str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
    events: list[dict[str, Any]] = [json.loads(line) for line in sent.read_text().splitlines()]
    ended = {event["job"]["name"]: event for event in events if event["eventType"] == "COMPLETE"}
    outputs = {name.rpartition(".")[2]: event["outputs"] for name, event in ended.items() if "." in name}
    assert (outputs["extract"], outputs["transform"]) == ([], [])
    (dataset,) = outputs["load"]
    made = tmp_path / "bucket/examples/covid_archive/2021-07-05/posts.csv"
    assert (dataset["namespace"], dataset["name"]) == ("file", str(made))
    statistics = dataset["outputFacets"]["outputStatistics"]
    assert (statistics["rowCount"], statistics["size"]) == (48, made.stat().st_size)
    columns = read_posts(str(made)).column_names
    assert [field["name"] for field in dataset["facets"]["schema"]["fields"]] == columns
    assert "non-valid metadata" not in done.stdout + done.stderr
