"""What OpenLineage is told of an object. Only its provider comes here: without it there is nobody to tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import OutputDataset
from openlineage.client.facet_v2 import (
    dataset_version_dataset,
    output_statistics_output_dataset,
    schema_dataset,
)

from etl_callables.table import output_schema
from schemas.job import Job


def lineage_of(job: Job, published: Mapping[str, Any] | None) -> OperatorLineage[Any, Any]:
    """The object that `load` announced: what it is called, its columns, its posts and its bytes.

    Nothing of a step that published none.
    """
    if published is None:
        return OperatorLineage()
    namespace, name = dataset_name(published["object"])
    schema = schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(name=column.name, type=str(column.type))
            for column in output_schema(job.columns)
        ]
    )
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=published["posts"], size=published["size"], fileCount=1
    )
    version = dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=published["sha256"])
    dataset = OutputDataset(
        namespace=namespace,
        name=name,
        facets={"schema": schema, "version": version},
        outputFacets={"outputStatistics": statistics},
    )
    return OperatorLineage(outputs=[dataset])


def dataset_name(url: str) -> tuple[str, str]:
    """The namespace and the name that OpenLineage gives an object at `url`, in S3 or in a folder."""
    scheme, _, place = url.partition("://")
    if scheme == "file":
        return "file", unquote(place)
    bucket, _, key = place.partition("/")
    return f"{scheme}://{bucket}", key
