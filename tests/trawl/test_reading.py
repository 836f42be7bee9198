"""`trawl read` gives back what was written: to the byte, in whichever format it is wanted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from etl_callables.loading import load
from etl_callables.transformation import transform
from tests.etl_callables.jobs import NOON, WINDOW, a_run, extracted, job, tweet, tweets
from trawl.cli import trawl

TEXTS = [
    "=1+1",
    "@someone hello",
    "'=quoted",
    "a\nb\r\nc",
    'say "x", y',
    "nul\0",
    "␀0",
    "\u202ebidi",
    "😀" * 300,
    "",
    " ",
]
SUFFIXES = ["csv", "jsonl", "parquet", "csv.gz", "jsonl.zst"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same posts as objects of every format; the working directory is the bucket."""
    monkeypatch.chdir(tmp_path)
    bodies = [tweet(number, NOON, rawContent=text) for number, text in enumerate(TEXTS, 1000)]
    for suffix in SUFFIXES:
        form, _, packed = suffix.partition(".")
        ours = job(
            tmp_path,
            id=f"posts.{suffix.replace('.', '_')}",
            key=f"posts.{suffix}",
            format=form,
            compression={"gz": "gzip", "zst": "zstd", "": None}[packed],
        )
        pages = extracted(ours, a_run(), [[*bodies, *tweets(range(1, 400))]])
        load(ours, WINDOW, a_run(), transform(ours, WINDOW, a_run(), pages))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(trawl, ["read", *arguments], catch_exceptions=False)


@pytest.mark.parametrize(("one", "other"), list(permutations(SUFFIXES, 2)))
def test_any_format_becomes_the_very_file_of_another_that_load_would_write(
    folder: Path, one: str, other: str
) -> None:
    result = run(f"posts.{one}", "--into", f"made.{other}")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"wrote 410 posts to made.{other}\n"
    assert (folder / f"made.{other}").read_bytes() == (folder / f"posts.{other}").read_bytes()
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_exact_texts_are_printed(folder: Path, suffix: str) -> None:
    result = run((folder / f"posts.{suffix}").as_uri())
    assert result.stdout_bytes == (folder / "posts.jsonl").read_bytes()
    rows = [json.loads(line) for line in result.stdout_bytes.splitlines() if b'"10' in line]
    assert {row["text"] for row in rows} >= set(TEXTS)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_other_formats_are_printed_into_a_pipe(folder: Path, form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trawl", "read", "posts.jsonl.zst", "--format", form],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        capture_output=True,
        check=True,
    )
    assert done.stdout == (folder / f"posts.{form}").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["posts.txt"], "has no suffix that says its format: csv, jsonl, parquet"),
        (["nothing.csv"], "There is no file"),
        (["posts.csv", "--into", "made.txt"], "has no suffix that says its format"),
        (["posts.csv", "--into", "posts.parquet"], "posts.parquet is there already"),
        (["posts.csv", "--into", "no/where.csv"], "no/where.csv cannot be written"),
    ],
)
def test_what_cannot_be_read_or_written_is_said_in_a_sentence(
    folder: Path, arguments: list[str], said: str
) -> None:
    before = sorted(folder.iterdir())
    result = run(*arguments)
    is_there = "no file" not in said
    assert (result.exit_code, result.stdout) == (1 if is_there else 2, "")
    assert said in result.stderr
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_part_of_a_file_is_said_to_be_one(folder: Path, suffix: str) -> None:
    """Nothing of it is printed as if it were all."""
    path = folder / f"posts.{suffix}"
    path.write_bytes(path.read_bytes()[:-40])
    result = run(path.name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is no file that Trawl wrote, or a part of one" in result.stderr


@pytest.mark.parametrize("suffix", ["csv.zst", "jsonl.zst", "csv.gz", "jsonl.gz"])
@pytest.mark.parametrize("percent", [0, 1, 50, 90, 99])
def test_a_compressed_file_that_was_cut_is_refused_wherever_it_was_cut(
    folder: Path, suffix: str, percent: int
) -> None:
    """Its end tells: what comes before would do for a file of fewer posts, or of none."""
    assert run("posts.parquet", "--into", f"cut.{suffix}").exit_code == 0
    path = folder / f"cut.{suffix}"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * percent // 100])
    result = run(path.name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "is no file that Trawl wrote, or a part of one" in result.stderr


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_compressed_frames_one_after_another_are_one_file(folder: Path, suffix: str) -> None:
    assert run("posts.jsonl", "--into", f"once.jsonl.{suffix}").exit_code == 0
    packed, plain = ((folder / name).read_bytes() for name in (f"once.jsonl.{suffix}", "posts.jsonl"))
    (folder / f"twice.jsonl.{suffix}").write_bytes(packed * 2)
    assert run(f"twice.jsonl.{suffix}").stdout_bytes == plain * 2


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", b"", "it has no header"),
        ("empty.csv.zst", b"", "the compressed data ends early"),
        ("empty.jsonl.gz", b"", "the compressed data ends early"),
        ("plain.jsonl.gz", b"{}\n", "the compressed data is damaged"),
        ("strange.jsonl", b'{"a":1}\n[1]\n', "line 2 is no post as those before it"),
        ("strange.jsonl", b'{"a":1}\n{"b":1}\n', "line 2 is no post as those before it"),
        ("strange.jsonl", b"[1]\n", "line 1 is no post as those before it"),
        ("strange.jsonl", b'{"a":1}\n{"a":"b"}\n', "a column has values of a kind that no post has"),
        ("strange.jsonl", b'{"likes":{"a":1}}\n', "a column has values of a kind that no post has"),
        ("strange.jsonl", b'{"likes":1e400}\n', "a column has values of a kind that no post has"),
        ("cut.csv", b'"likes"\n12\n1', "its last line has no end"),
    ],
)
def test_a_file_of_others_is_said_to_be_one(folder: Path, name: str, content: bytes, said: str) -> None:
    (folder / name).write_bytes(content)
    result = run(name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"is no file that Trawl wrote, or a part of one ({said}" in result.stderr


def test_json_lines_without_a_line_are_no_posts(folder: Path) -> None:
    (folder / "empty.jsonl").write_bytes(b"")
    result = run("empty.jsonl")
    assert (result.exit_code, result.stdout) == (0, "")


def test_a_pipe_that_closes_early_is_no_defect(folder: Path) -> None:
    """As in `trawl read … | head`."""
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m trawl read posts.csv | head -n 1"],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
