"""The corpora of job files, good and bad."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

JOBS = Path(__file__).resolve().parents[1] / "jobs"


def cases(kind: str) -> list[Path]:
    """The files and folders of a corpus; a folder stands for a whole pipelines folder."""
    return sorted(path for path in (JOBS / kind).iterdir() if path.suffix != ".txt")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for kind in ("ok", "err"):
        if f"{kind}_case" in metafunc.fixturenames:
            found = cases(kind)
            metafunc.parametrize(f"{kind}_case", found, ids=[path.stem for path in found])


@pytest.fixture
def pipelines(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A pipelines folder with the case in it, or an empty one for a test without a case."""
    folder = tmp_path / "pipelines"
    case = next(
        (request.getfixturevalue(n) for n in ("ok_case", "err_case") if n in request.fixturenames), None
    )
    if case is None:
        folder.mkdir()
    elif case.is_dir():
        shutil.copytree(case, folder)
    else:
        folder.mkdir()
        shutil.copy(case, folder)
    return folder
