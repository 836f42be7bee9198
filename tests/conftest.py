"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from tests.sources.conformance.table import pytest_runtest_makereport, pytest_terminal_summary
from trawl.local import QUIET

__all__ = ["pytest_runtest_makereport", "pytest_terminal_summary"]

# Airflow reads its settings when it is first imported, which any test may be the first to do. Each
# worker of a parallel run has a home of its own.
_HOME = Path(tempfile.mkdtemp(prefix="trawl-airflow-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ.update(
    QUIET,
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
)

# No test measures time: on a busy machine an example may take long.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")
