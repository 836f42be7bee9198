"""Temporary folders and threads end with their use, however it ends."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl_callables.ahead import ahead, in_order
from etl_callables.scratch import scratch

KEEPER = """
import sys
from etl_callables.scratch import scratch
with scratch() as folder:
    (folder / "run").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.readline()
"""


def test_a_killed_process_leaves_nothing_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one removes its folder, and never that of one that lives."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    keepers = [
        subprocess.Popen(
            [sys.executable, "-c", KEEPER],
            env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    dead, living = (Path(keeper.stdout.readline().strip()) for keeper in keepers if keeper.stdout)
    keepers[0].kill()
    keepers[0].wait()
    assert dead.exists()
    with scratch() as mine:
        assert {path.name for path in tmp_path.iterdir()} == {mine.name, living.name}
    for keeper in keepers:
        keeper.communicate()
    assert list(tmp_path.iterdir()) == []


HURRIED = """
from etl_callables.scratch import scratch
for number in range(400):
    with scratch() as folder:
        (folder / "run").write_bytes(b"x")
"""


def test_a_folder_is_never_swept_while_its_owner_has_yet_to_lock_it(tmp_path: Path) -> None:
    """Four processes that all make folders and look for left ones as fast as they can."""
    command = [sys.executable, "-c", HURRIED]
    env = {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [process.communicate()[1] for process in processes] == [""] * 4
    assert list(tmp_path.iterdir()) == []


def test_what_is_produced_ahead_comes_in_order_with_its_failure() -> None:
    """Items first, then what the producer raised, where the items are used."""

    def produce() -> Iterator[int]:
        yield from range(10)
        raise OSError("broken")

    got = []
    with pytest.raises(OSError, match="broken"):
        got.extend(ahead(produce()))
    assert got == list(range(10))
    assert list(ahead(range(100))) == list(range(100))


def test_leaving_early_stops_the_producer() -> None:
    """No thread outlives the loop that used it."""
    before = threading.active_count()
    items = ahead(iter(int, 1))
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_work_in_threads_comes_in_the_order_of_its_items() -> None:
    """And what one piece of work raises is raised in its turn."""
    assert list(in_order(lambda n: n * n, range(50))) == [n * n for n in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda n: 1 // n, [1, 0]))
