"""What Trawl writes, other people's readers read, to the character."""

from __future__ import annotations

import ast
import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from etl_callables import extract, load, transform
from etl_callables.formats import write_file
from etl_callables.formats.csv import LEADS, unescaped
from etl_callables.post import FIELDS, Post
from etl_callables.reader import read_posts
from etl_callables.table import SCHEMA, batch_of
from schemas.window import Window
from tests.etl_callables.jobs import NOON, a_run, job
from tests.servers.fixtures import DATA
from trawl.cli import trawl

ROOT = Path(__file__).resolve().parents[2]
READING = (ROOT / "docs" / "reading.md").read_text(encoding="utf-8")

LONG = 100_000
TEXTS = [
    "plain", "", " ", " pad ", "two\nlines", "two\r\nlines", "cr\ronly", "\n", "\r", "\t", "a,b;c\td",
    'say "yes"', '"', '""', '",\n"', "'", "''", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'=1", "''@x",
    "'plain", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", '=HYPERLINK("http://x.example","y")',
    "a\0b", "\0", "\u2400", "\u24000", "\u24001\u2400", "\u24000\u24001", "\ufffd", "\ufeffbom",
    "\u202eabc\u202c", "\u200f\u2066x\u2069", "\u2028x\u2029", "\x01\x1f\x7f\x85", "e\u0301é",
    "😀 👩\u200d💻 🏴\U000e0067\U000e0062", "\U0010ffff", "x" * LONG, "😀" * LONG, "line\n" * (LONG // 5),
    "NULL", "null", "NA", "nan", "None", "true", "007", "1e5", "1,5", "2021-07-05",
    "2021-07-05 12:00:00+00:00",
    "\\N", "\\", "\\n", '\\"', "#c", "--", "[]", '{"a": 1}', "{date}", "${x}", "<b>&amp;</b>",
]  # fmt: skip
SIGNS = LEADS.replace("-", r"\-").replace("\t", r"\t").replace("\r", r"\r").replace("\n", r"\n")
"""What is escaped in CSV, as inside the brackets of a regular expression."""

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("='+-@\t\r\n\"',;\\\0\u240001\uff1d\uff0b\uff0d\uff20 \u202e\u2028\ufeff😀é[]{}"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=30,
)
COMPRESSIONS = {"": None, ".gz": "gzip", ".zst": "zstd"}
NAMES = [f"posts.{form}{suffix}" for form in ("csv", "jsonl") for suffix in COMPRESSIONS] + ["posts.parquet"]


def blocks(language: str, heading: str) -> list[str]:
    """The code under a heading of the page about reading."""
    part = READING.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL)


def statement(language: str, heading: str, word: str) -> str:
    """The one line of them that has a word; of Python, the one statement."""
    parts = [
        part
        for block in blocks(language, heading)
        for part in (
            [ast.unparse(node) for node in ast.parse(block).body]
            if language == "python"
            else block.splitlines()
        )
    ]
    (found,) = [part for part in parts if word in part]
    return found


def table(texts: list[str | None]) -> pa.Table:
    """Posts with these texts, alone and in lists; some counts are missing."""
    count = len(texts)
    values: dict[str, list[Any]] = {
        "platform": ["twitter"] * count,
        "id": [f"{number:03}" for number in range(count)],
        "created_at": [NOON] * count,
        "text": list(texts),
        "hashtags": [None if text is None else [text, text] for text in texts],
        "likes": [None if number % 3 else number for number in range(count)],
    }
    columns = {name: pa.array(values.get(name, [None] * count), SCHEMA.field(name).type) for name in FIELDS}
    return pa.table(columns, SCHEMA)


def written(folder: Path, name: str, texts: list[str | None]) -> Path:
    path = folder / name
    form, _, suffix = name.removeprefix("posts.").partition(".")
    rows = table(texts)
    write_file(path, form, COMPRESSIONS[f".{suffix}" if suffix else ""], SCHEMA, rows.to_batches())
    return path


def documented(heading: str, word: str, path: Path) -> Any:
    """What a line of the page makes of a file."""
    line = statement("python", heading, word)
    line = re.sub(r"""["']posts\.\w+["']""", lambda _: repr(str(path)), line)
    names: dict[str, Any] = {"pd": pd, "pl": pl, "Path": Path}
    exec(line, names)
    return names["posts"]


def by_pandas(path: Path) -> list[str | None]:
    if ".csv" in path.name:
        return [text or None for text in documented("pandas", "read_csv", path)["text"]]
    if ".parquet" in path.name:
        frame = documented("pandas", "read_parquet", path)
    else:
        frame = documented("pandas", "read_json", path)
    return [None if pd.isna(text) else text for text in frame["text"]]


def by_pyarrow(path: Path) -> list[str | None]:
    if ".csv" in path.name:
        options = pyarrow.csv.ConvertOptions(
            column_types={"text": pa.string()},
            include_columns=["text"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            null_values=[""],
        )
        block = pyarrow.csv.ReadOptions(block_size=1 << 24)
        parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
        read = pyarrow.csv.read_csv(path, block, parse, options)
        return list(unescaped(read["text"]).to_pylist())
    if ".parquet" in path.name:
        return list(pq.read_table(path)["text"].to_pylist())
    with pa.input_stream(path, compression="detect") as source:
        lines = pyarrow.json.read_json(cast("Any", source), pyarrow.json.ReadOptions(block_size=1 << 24))
    return list(lines["text"].to_pylist())


def by_duckdb(path: Path) -> list[str | None]:
    if ".csv" in path.name:
        plain = f"replace(replace(regexp_replace(text, '^''(''*[{SIGNS}])', '\\1'), '␀0', chr(0)), '␀1', '␀')"
        query = (
            f"SELECT {plain} FROM read_csv('{path}', header = true, all_varchar = true, delim = ',',"
            " quote = '\"', escape = '\"', allow_quoted_nulls = false)"
        )
    elif ".parquet" in path.name:
        query = f"SELECT text FROM ({blocks('sql', 'DuckDB')[0].replace('posts.parquet', str(path))})"
    else:
        query = (
            f"SELECT text FROM read_json('{path}', format = 'newline_delimited', columns = {{text: VARCHAR}})"
        )
    with duckdb.connect() as connection:
        return [text for (text,) in connection.sql(query).fetchall()]


def by_polars(path: Path) -> list[str | None]:
    word = {"csv": "read_csv", "jso": "read_ndjson", "par": "read_parquet"}[path.name[6:9]]
    return list(documented("Polars", word, path)["text"])


READERS: Mapping[str, Callable[[Path], list[str | None]]] = {
    "pandas": by_pandas,
    "pyarrow": by_pyarrow,
    "duckdb": by_duckdb,
    "polars": by_polars,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_hostile_text_comes_back_exactly(reader: str, name: str, tmp_path: Path) -> None:
    """Line breaks, quotes, signs of formulas, directions, NUL, all planes, 100,000 signs; empty and missing
    are told apart, but by pandas in CSV.
    """
    texts: list[str | None] = [*TEXTS, None]
    wanted = [text or None for text in texts] if (reader, name[:9]) == ("pandas", "posts.csv") else texts
    assert READERS[reader](written(tmp_path, name, texts)) == wanted


@settings(max_examples=60)
@given(
    texts=st.lists(st.one_of(st.none(), HOSTILE), min_size=1, max_size=6),
    form=st.sampled_from(["csv", "jsonl"]),
)
def test_no_text_is_changed_by_any_reader(
    texts: list[str | None], form: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("any"), f"posts.{form}", texts)
    # An empty text and a missing one are the same to pandas.
    assert [text or None for text in by_pandas(path)] == [text or None for text in texts]
    assert by_duckdb(path) == texts
    assert by_polars(path) == texts


def test_polars_gives_everything_else_back_too(tmp_path: Path) -> None:
    """Lists and times are text in CSV, and lists have their own escapes inside."""
    path = written(tmp_path, "posts.csv", ["=a", "b\0"])
    frame = documented("Polars", "read_csv", path)
    assert frame["hashtags"].to_list() == ['["=a", "=a"]', '["b\\u0000", "b\\u0000"]']
    assert frame["created_at"][0] == "2021-07-05 12:00:00+00:00"
    assert frame["id"].to_list() == ["000", "001"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_polars_takes_an_object_without_posts(form: str, tmp_path: Path) -> None:
    """JSON lines without posts have not even a header."""
    word = "read_ndjson" if form == "jsonl" else f"read_{form}"
    assert documented("Polars", word, written(tmp_path, f"posts.{form}", [])).height == 0


def test_pandas_keeps_the_zeros_of_identifiers(tmp_path: Path) -> None:
    for name, word in {"csv": "read_csv", "jsonl": "read_json", "parquet": "read_parquet"}.items():
        assert list(documented("pandas", word, written(tmp_path, f"posts.{name}", ["a"]))["id"]) == ["000"]


@pytest.mark.parametrize(
    "texts", [[None] * 3, [None, "a", "", None]], ids=["nothing but nulls", "some nulls"]
)
def test_a_file_with_one_column_has_all_its_rows(texts: list[str | None], tmp_path: Path) -> None:
    """In CSV a row with nothing in it is a blank line."""
    path = tmp_path / "posts.csv"
    schema = pa.schema([SCHEMA.field("text")])
    write_file(path, "csv", None, schema, pa.table([pa.array(texts, pa.string())], schema).to_batches())
    assert by_pandas(path) == [text or None for text in texts]
    assert by_polars(path) == texts
    assert by_duckdb(path) == texts


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_half_a_character_is_replaced_and_counted(form: str, tmp_path: Path) -> None:
    """Two halves side by side are the character; one alone is U+FFFD, and every reader can go on."""
    texts = ["a\ud83d", "\ude00b", "\ud83d\ude00", "\ude00\ud83d", "plain"]
    empty: dict[str, Any] = dict.fromkeys(FIELDS)
    empty |= {"platform": "x", "created_at": NOON, "scraped_at": NOON}
    posts = [Post(**(empty | {"id": str(number), "text": text})) for number, text in enumerate(texts)]
    batch, mended = batch_of(posts, FIELDS)
    assert mended == 4
    path = tmp_path / f"posts.{form}"
    write_file(path, form, None, SCHEMA, [batch])
    wanted = ["a\ufffd", "\ufffdb", "😀", "\ufffd\ufffd", "plain"]
    assert {reader: read(path) for reader, read in READERS.items()} == dict.fromkeys(READERS, wanted)


# --- Spreadsheets ------------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[Path, str], str]:
    """What LibreOffice makes of a CSV file that a person opens, saved as another kind of file."""
    program = shutil.which("soffice")
    if program is None:
        pytest.skip("LibreOffice is not installed; scripts/debian.sh installs it as root")

    def convert(path: Path, kind: str) -> str:
        home = f"-env:UserInstallation={(tmp_path / 'office').as_uri()}"
        into = tmp_path / "opened"
        # Commas, double quotes, UTF-8, from the first line, quoted cells as text; it may evaluate formulas.
        how = "Text - txt - csv (StarCalc):44,34,76,1,,0,true,true"
        subprocess.run(
            [program, home, "--headless", f"--infilter={how}", "--convert-to", kind, "--outdir", into, path],
            check=True,
            capture_output=True,
            timeout=120,
        )
        return (into / path.with_suffix(f".{kind.partition(':')[0]}").name).read_text(encoding="utf-8")

    return convert


SPREADSHEET = 32_767
"""Signs that a cell can hold in Excel; LibreOffice takes more."""


@pytest.mark.slow
def test_a_spreadsheet_runs_nothing_and_shows_the_cells(
    opened: Callable[[Path, str], str], tmp_path: Path
) -> None:
    """Each cell is the text in the file, and none is a formula; without the escape, some would be."""
    # What XML cannot hold, LibreOffice saves as it can; and it knows one kind of line break.
    shown = [
        text for text in TEXTS if len(text) <= SPREADSHEET and not re.search("[\x00-\x08\x0b-\x1f]", text)
    ]
    path = written(tmp_path, "posts.csv", list(shown))
    flat = opened(path, "fods")
    assert "table:formula" not in flat
    again = opened(path, "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,true,false")
    cells = [row["text"] for row in csv.DictReader(io.StringIO(again, newline=""))]
    in_file = [
        row["text"] for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"), newline=""))
    ]
    assert cells == in_file
    assert [row["id"] for row in csv.DictReader(io.StringIO(again, newline=""))][7] == "007"
    naive = tmp_path / "naive.csv"
    naive.write_text("text\n=1+1\n")
    assert "table:formula" in opened(naive, "fods")


# --- Parquet -----------------------------------------------------------------------------------------


def test_parquet_is_laid_out_for_those_who_scan_it(tmp_path: Path) -> None:
    """zstd, statistics of every column, columns in order, groups of as many rows as DuckDB takes at once."""
    rows = 300_000
    texts: list[str | None] = [f"text {number}" for number in range(rows)]
    path = written(tmp_path, "posts.parquet", texts)
    meta = pq.ParquetFile(path).metadata
    groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
    assert [group.num_rows for group in groups] == [122_880, 122_880, 54_240]
    for group in groups:
        columns = [group.column(number) for number in range(group.num_columns)]
        assert [column.path_in_schema.split(".")[0] for column in columns] == list(FIELDS)
        assert {column.compression for column in columns} == {"ZSTD"}
        for column in columns:
            known: Any = column.statistics
            assert known.has_null_count, column.path_in_schema
            assert known.has_min_max or known.null_count == column.num_values, column.path_in_schema
    with duckdb.connect() as connection:
        answer = connection.execute(f"SELECT count(*), min(id), max(likes) FROM '{path}' WHERE id > '2'")
        assert answer.fetchone() == (sum(f"{n:03}" > "2" for n in range(rows)), "200", 299_997)


# --- Real posts --------------------------------------------------------------------------------------

FILES = sorted(path for path in DATA.rglob("*") if path.is_file()) if DATA.is_dir() else []
ALL_TIME = Window(datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


@pytest.mark.slow
@pytest.mark.skipif(not FILES, reason="there are no recorded posts on this machine")
@pytest.mark.parametrize("file", FILES, ids=lambda path: path.relative_to(DATA).as_posix())
def test_real_posts_are_the_same_in_every_format(file: Path, tmp_path: Path) -> None:
    """Whatever is in a file, the archive reads it or counts it, and the formats agree."""
    asked = job(tmp_path, options={"files": str(file)})
    extracted = extract(asked, ALL_TIME, a_run())
    read = {}
    for form in ("parquet", "csv", "jsonl"):
        one = job(tmp_path, options={"files": str(file)}, format=form, key=f"posts.{form}")
        run = a_run(id=form)
        made = load(one, ALL_TIME, run, transform(one, ALL_TIME, run, extracted))
        read[form] = read_posts(str(tmp_path / f"posts.{form}")).to_pylist()
        assert len(read[form]) == made["posts"]
    assert read["csv"] == read["parquet"]
    assert read["jsonl"] == read["parquet"]
    texts = [post["text"] for post in read["parquet"]]
    if texts:
        assert by_duckdb(tmp_path / "posts.csv") == texts
        assert by_polars(tmp_path / "posts.csv") == texts
        assert by_polars(tmp_path / "posts.jsonl") == texts


def test_the_command_of_the_page_converts_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts: list[str | None] = [*TEXTS, None]
    written(tmp_path, "posts.csv", texts)
    monkeypatch.chdir(tmp_path)
    (line,) = blocks("sh", "trawl read")
    done = CliRunner().invoke(trawl, line.split()[1:])
    assert done.exit_code == 0, done.output
    assert by_pyarrow(tmp_path / "posts.parquet") == texts


def test_what_the_page_says_of_the_escape_is_what_the_format_does() -> None:
    """The same signs in each line of the page as in the code."""
    assert READING.count(f"^'('*[{SIGNS}])") == 2
