"""Raw pages are a log: immutable, complete or absent, and a retry goes on where a killed try was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from etl_callables import raw
from etl_callables.errors import Stop
from etl_callables.store import Missing, Store, store_at
from tests.etl_callables.jobs import NEXT_DAY, WINDOW, a_run, extracted, job, write_pages

FOLDER = "_trawl/team.posts/window"
EARLY, LATE = raw.new_attempt(NEXT_DAY), raw.new_attempt(NEXT_DAY + timedelta(hours=1))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_at(str(tmp_path))


def test_a_page_comes_back_as_it_was_written(store: Store) -> None:
    """Bodies keep their bytes, but for raw line breaks, which in JSON are white space only."""
    bodies = [b'{"a": "\\n"}', b'{\n"b": 1}', '{"c": "😀"}'.encode()]
    [key] = write_pages(store, FOLDER, EARLY, [bodies], "f")
    page = raw.read_page(store, key)
    assert page.bodies == (bodies[0], b'{ "b": 1}', bodies[2])
    assert page.envelope.page == 0
    assert page.envelope.previous is None
    assert page.envelope.fetched_at == NEXT_DAY


def test_a_page_may_be_empty(store: Store) -> None:
    """A source that found nothing has said so."""
    [key] = write_pages(store, FOLDER, EARLY, [[]], "f")
    assert raw.read_page(store, key).bodies == ()


def test_a_large_page_is_read_in_pieces(store: Store) -> None:
    """More than a reader takes at once, in order and complete."""
    bodies = [b'{"n": %d, "text": "%s"}' % (n, b"x" * 500) for n in range(20_000)]
    [key] = write_pages(store, FOLDER, EARLY, [bodies], "f")
    _, pieces = raw.stream_page(store, key)
    first = next(pieces)
    assert len(first) < len(bodies)
    assert [*first, *(body for piece in pieces for body in piece)] == bodies


@pytest.mark.parametrize(
    "harm",
    [
        lambda data: data[: len(data) // 2],
        lambda _: b"",
        lambda _: b"not zstd",
        lambda _: zstandard.compress(b"{}\n"),
        lambda data: zstandard.compress(zstandard.decompress(data)[:-10]),
        lambda data: zstandard.compress(zstandard.decompress(data) + b"{}\n"),
        lambda data: zstandard.compress(
            zstandard.decompress(data).replace(b'"trawl_raw":1', b'"trawl_raw":2')
        ),
    ],
)
def test_a_damaged_page_is_said_to_be(store: Store, harm: object) -> None:
    """Cut, foreign, one body less or more, or of another version: Stop, naming the page."""
    assert callable(harm)
    [key] = write_pages(store, FOLDER, EARLY, [[b'{"a": "some text"}'] * 3], "f")
    store.write(key, harm(store.read(key)))
    with pytest.raises(Stop, match=r"00000\.jsonl\.zst"):
        raw.read_page(store, key)


def test_an_envelope_that_miscounts_is_refused(store: Store) -> None:
    """It would be a damaged page from the start."""
    [key] = write_pages(store, FOLDER, EARLY, [[b"{}"]], "f")
    with pytest.raises(ValueError, match="1 bodies around 2"):
        raw.write_page(store, FOLDER, LATE, raw.read_page(store, key).envelope, [b"{}", b"{}"])


def test_done_closes_an_attempt(tmp_path: Path) -> None:
    """What extract found is read as it was written, by its key alone."""
    key = extracted(job(tmp_path), a_run(), [[b"{}"], [b"{}"]], skipped={"odd": 1})["raw"]
    done = raw.read_done(store_at(str(tmp_path)), key)
    assert len(done.pages) == 2
    assert done.skipped == {"odd": 1}
    assert [attempt.done for attempt in raw.attempts(store_at(str(tmp_path)), key.split("/raw/")[0])] == [key]


def test_what_is_no_end_of_an_attempt_is_said_to_be(store: Store) -> None:
    """Absent and damaged are told apart."""
    with pytest.raises(Missing):
        raw.read_done(store, f"{FOLDER}/raw/{EARLY}/done.json")
    store.write(f"{FOLDER}/raw/{EARLY}/done.json", b'{"pages": []}')
    with pytest.raises(Stop, match="damaged"):
        raw.read_done(store, f"{FOLDER}/raw/{EARLY}/done.json")


@given(st.lists(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2100, 1, 1)), min_size=2))  # noqa: DTZ001
def test_attempts_sort_by_time_and_are_never_shared(moments: list[datetime]) -> None:
    """Two processes that start in the same microsecond still write apart."""
    aware = sorted(moment.replace(tzinfo=UTC) for moment in moments)
    names = [raw.new_attempt(moment) for moment in aware]
    assert len(set(names)) == len(names)
    cut = [raw.attempt_name(moment) for moment in aware]
    assert cut == sorted(cut)
    assert all(name > begin for name, begin in zip(names, cut, strict=True))


def test_a_retry_adopts_the_pages_of_a_killed_try(store: Store) -> None:
    """All of them, in order, without a copy."""
    keys = write_pages(store, FOLDER, EARLY, [[b"{}"]] * 3, "f")
    assert raw.adoptable(store, FOLDER, "f") == keys


def test_a_second_retry_adopts_through_the_first(store: Store) -> None:
    """Its own pages begin where those it adopted ended; each names the one before."""
    keys = write_pages(store, FOLDER, EARLY, [[b"{}"]] * 3, "f")
    keys = write_pages(store, FOLDER, LATE, [[b"{}"]] * 2, "f", adopted=keys)
    assert raw.adoptable(store, FOLDER, "f") == keys
    assert len(keys) == 5


def test_a_zombie_that_writes_on_changes_nothing(store: Store) -> None:
    """Pages that the first try wrote after it was adopted are not mixed in."""
    keys = write_pages(store, FOLDER, EARLY, [[b"{}"]] * 2, "f")
    mine = write_pages(store, FOLDER, LATE, [[b"{}"]], "f", adopted=keys)
    write_pages(store, FOLDER, EARLY, [[b"{}"]], "f", adopted=keys)
    assert raw.adoptable(store, FOLDER, "f") == mine


def test_pages_of_another_question_are_not_adopted(store: Store) -> None:
    """Another query, window or run has another fingerprint."""
    write_pages(store, FOLDER, EARLY, [[b"{}"]], "f")
    assert raw.adoptable(store, FOLDER, "g") == []


def test_a_finished_extract_is_not_gone_on_with(tmp_path: Path) -> None:
    """Who runs it again wants the source asked again; older tries are out of date then, too."""
    run = a_run(id="manual")
    store = store_at(str(tmp_path))
    wanted = raw.fingerprint(job(tmp_path), WINDOW, run)
    key = extracted(job(tmp_path), run, [[b"{}"]])["raw"]
    folder = key.split("/raw/")[0]
    write_pages(store, folder, raw.new_attempt(NEXT_DAY - timedelta(hours=1)), [[b"{}"]], wanted)
    assert raw.adoptable(store, folder, wanted) == []
    later = write_pages(store, folder, LATE, [[b"{}"]], wanted)
    assert raw.adoptable(store, folder, wanted) == later


@pytest.mark.parametrize("page", [0, 1, 2])
def test_a_damaged_chain_is_adopted_only_up_to_its_first_pages(store: Store, page: int) -> None:
    """A gap ends it; what cannot be read or is not there is never in it."""
    keys = write_pages(store, FOLDER, EARLY, [[b"{}"]] * 3, "f")
    store.delete([keys[page]])
    assert raw.adoptable(store, FOLDER, "f") == keys[:page]


def test_a_fingerprint_tells_questions_apart(tmp_path: Path) -> None:
    """Everything that decides which pages a source gives is in it, and where they are written is not."""
    ours = job(tmp_path)
    run = a_run(id="a")
    same = raw.fingerprint(ours, WINDOW, run)
    assert raw.fingerprint(job(tmp_path / "other", key="other.csv"), WINDOW, run) == same
    others = [
        raw.fingerprint(ours, WINDOW, a_run(id="b")),
        *(
            raw.fingerprint(job(tmp_path, **change), WINDOW, run)
            for change in (
                {"query": "x"},
                {"limit": 5},
                {"options": {"files": "x"}},
                {"via": "y"},
                {"source": "z"},
            )
        ),
    ]
    assert len({same, *others}) == len(others) + 1


def test_done_is_json_that_people_can_read(tmp_path: Path) -> None:
    """Indented, with names for everything."""
    key = extracted(job(tmp_path), a_run(), [[b"{}"]])["raw"]
    text = store_at(str(tmp_path)).read(key).decode()
    assert text.startswith('{\n  "pages": [\n')
    assert msgspec.json.decode(text)["cost"] is None
