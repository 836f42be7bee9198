"""What OpenLineage hears of an object, from its own provider and in its own names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.utils.state import TaskInstanceState
from openlineage.client.event_v2 import OutputDataset
from openlineage.client.naming.dataset import S3, LocalFileSystem

from schemas.job import Column
from tests.trawl.jobs import job
from trawl.factory import dag_of
from trawl.lineage import dataset_name
from trawl.operator import ScrapeOperator

COLUMNS = (Column("id", "tweet"), Column("likes", "likes"), Column("created_at", "when"))
PUBLISHED = {
    "object": "s3://posts/team/covid/2021-07-06.csv",
    "posts": 150,
    "size": 4711,
    "sha256": "ab" * 32,
    "variant": "",
}


def heard(task: Any) -> list[OutputDataset]:
    """What the provider takes from a task that has succeeded."""
    run = SimpleNamespace(run_id="scheduled__2021-07-06")
    return list(
        ExtractorManager().extract_metadata(run, task, TaskInstanceState.SUCCESS, task_instance=None).outputs
    )


def test_the_provider_hears_of_the_object_its_columns_posts_and_bytes() -> None:
    load = dag_of(job(columns=COLUMNS)).task_dict["load"]
    assert isinstance(load, ScrapeOperator)
    load.published = PUBLISHED
    (dataset,) = heard(load)
    assert (dataset.namespace, dataset.name) == ("s3://posts", "team/covid/2021-07-06.csv")
    facets: Any = dataset.facets
    assert [(field.name, field.type) for field in facets["schema"].fields] == [
        ("tweet", "string"),
        ("likes", "int64"),
        ("when", "timestamp[us, tz=UTC]"),
    ]
    assert facets["version"].datasetVersion == "ab" * 32
    statistics: Any = (dataset.outputFacets or {})["outputStatistics"]
    assert (statistics.rowCount, statistics.size, statistics.fileCount) == (150, 4711, 1)


@pytest.mark.parametrize("step", ["extract", "transform", "load"])
def test_a_step_that_published_nothing_has_no_output(step: str) -> None:
    assert heard(dag_of(job()).task_dict[step]) == []


@pytest.mark.parametrize(
    ("url", "naming"),
    [
        ("s3://posts/a/b c/ü.csv", S3("posts", "a/b c/ü.csv")),
        ("file:///srv/my%20bucket/%C3%BC/2021.csv", LocalFileSystem("/srv/my bucket/ü/2021.csv")),
    ],
)
def test_objects_are_called_as_openlineage_calls_them(url: str, naming: S3 | LocalFileSystem) -> None:
    assert dataset_name(url) == (naming.get_namespace(), naming.get_name())
