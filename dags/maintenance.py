"""The DAG trawl.maintenance: every day, what is older than its job lets it be is listed, then deleted."""

from pathlib import Path

from trawl.upkeep import maintenance

globals().update(maintenance(Path(__file__).resolve().parent.parent / "pipelines"))
