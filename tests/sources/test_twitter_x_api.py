"""X through its API: what is asked, what comes of it, what it costs, and what a refusal means."""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl_callables import extract, load, raw, transform
from etl_callables.cost import Cost
from etl_callables.counting import preview
from etl_callables.errors import RetryLater, Stop
from etl_callables.manifest import Manifest, read_manifest
from etl_callables.post import Post, Skipped
from etl_callables.reader import read_posts
from etl_callables.run import Run, prefix
from etl_callables.sources import Request, archive, source_for, twitter_x_api, x_prices
from etl_callables.sources.facts import FACTS
from etl_callables.store import open_store
from schemas.job import DateRange, Job, MaxCost
from schemas.meaning import CHARGING
from schemas.reading import read_job
from schemas.shape import schema
from schemas.window import Window
from tests.etl_callables.jobs import job as any_job
from tests.servers.standin import Answer
from tests.servers.x_api import PRICES, XApi, broken
from tests.servers.x_api_posts import AUTHORS, User, made_up, snowflake
from tests.servers.x_api_posts import Post as XPost
from tests.sources.test_x_api_stand_in import fits
from trawl.plan.forecast import forecast

DAY = Window(datetime(2026, 7, 5, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC))
NEWEST = DAY.end - timedelta(minutes=1)
NOW = DAY.end + timedelta(hours=1)
ROOT = Path(__file__).parents[2]
SECRET = "made-up-secret-token"


@dataclass
class World:
    """A service, a job that asks it, and a clock that only sleeping moves."""

    x: XApi
    job: Job
    window: Window = DAY
    now: datetime = NOW
    slept: list[float] = field(default_factory=list)
    id: str = "scheduled"

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    @property
    def credentials(self) -> dict[str, Any]:
        return {"host": self.x.url, "password": self.x.token, "extra": {"timeout": 10}}

    @property
    def run(self) -> Run:
        return Run(
            id=self.id,
            connection=lambda _: self.credentials,
            now=lambda: self.now,
            sleep=self.sleep,
            log=logging.getLogger("trawl.test"),
        )

    def does(self, **changes: Any) -> World:
        """The same world, with another job."""
        self.job = replace(self.job, **changes)
        return self

    def extract(self) -> raw.Done:
        result = extract(self.job, self.window, self.run)
        return raw.read_done(open_store(self.job, self.run), result["raw"])

    def whole(self) -> tuple[Manifest, list[dict[str, Any]]]:
        """All three callables; the manifest and the rows."""
        job, window, run = self.job, self.window, self.run
        loaded = load(job, window, run, transform(job, window, run, extract(job, window, run)))
        manifest = read_manifest(open_store(job, run), prefix(job, window, run))
        assert manifest is not None
        return manifest, read_posts(loaded["object"].removeprefix("file://")).to_pylist()

    def asked(self, name: str) -> list[str | None]:
        """One parameter of every question."""
        return [asked.query.get(name) for asked in self.x.asked]

    @property
    def paths(self) -> list[str]:
        return [asked.path.removeprefix("/2/") for asked in self.x.asked]


Build = Callable[..., World]


@contextmanager
def world(folder: Path, posts: list[XPost], users: tuple[User, ...] = (), **how: Any) -> Iterator[World]:
    spelling = how.pop("spelling", "post")
    with XApi(posts, users, spelling=spelling) as x:
        x.token = SECRET
        job = any_job(
            folder,
            source="twitter",
            via="x-api",
            query="covid",
            key="{date}/posts.parquet",
            format="parquet",
            source_connection="x_api",
            **how,
        )
        found = World(x, job)
        x.now = lambda: found.now
        yield found


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    """Makes a world; each question that was asked in it must be one that X's document allows."""
    running = []

    def build(posts: list[XPost] | None = None, *users: User, **how: Any) -> World:
        folder = tmp_path / str(len(running))
        running.append(world(folder, made_up(250, NEWEST) if posts is None else posts, users, **how))
        made = running[-1].__enter__()
        worlds.append(made)
        return made

    worlds: list[World] = []
    yield build
    for one in running:
        one.__exit__(None, None, None)
    for made in worlds:
        if made.x.spelling == "post":
            for asked in made.x.asked:
                fits(asked.path, asked.query, httpx.Response(200, json={"meta": {}}))


def inside(posts: list[XPost], window: Window = DAY) -> list[str]:
    return [post.id for post in posts if post.created in window]


# --- what is asked ---------------------------------------------------------------------------------


def test_a_window_becomes_start_and_end_and_every_page_is_asked_for_once(build: Build) -> None:
    at = build()
    manifest, rows = at.whole()
    assert {row["id"] for row in rows} == set(inside(at.x.posts))
    assert at.paths == ["tweets/search/recent"] * 3
    assert at.asked("max_results") == ["100"] * 3
    assert set(at.asked("start_time")) == {"2026-07-05T00:00:00Z"}
    assert set(at.asked("end_time")) == {"2026-07-06T00:00:00Z"}
    assert at.asked("query") == ["covid"] * 3
    assert at.asked("next_token")[0] is None
    assert (manifest.complete, manifest.provider.split()[0]) == (True, "trawl")


@pytest.mark.parametrize(
    ("limit", "search", "sizes"),
    [
        (150, "recent", [100, 50]),
        (100, "recent", [100]),
        (105, "recent", [100, 10]),
        (3, "recent", [10]),
        (240, "all", [240]),
        (None, "all", [500]),
    ],
)
def test_no_page_is_larger_than_the_limit_takes(
    build: Build, limit: int | None, search: str, sizes: list[int]
) -> None:
    at = build().does(limit=limit, options={"search": search})
    done = at.extract()
    assert at.asked("max_results") == [str(size) for size in sizes]
    assert done.posts == min(limit or 250, 250)
    assert done.items == min(sum(sizes), 250)
    assert done.cost == Cost(usd=float(at.x.bill), reads={"post": done.items}, prices="2026-04")


@pytest.mark.parametrize(
    ("days", "door"), [(0, "recent"), (6, "recent"), (6.99, "recent"), (7, "all"), (400, "all")]
)
def test_the_archive_is_searched_where_the_last_week_is_not_enough(
    build: Build, days: float, door: str
) -> None:
    at = build()
    at.now = DAY.start + timedelta(days=days, hours=1 if days < 1 else 0, minutes=0)
    at.window = Window(DAY.start, DAY.start + timedelta(minutes=30))
    assert at.extract().complete
    assert at.paths == [f"tweets/search/{door}"]


def test_an_archive_is_asked_once_a_second(build: Build) -> None:
    at = build().does(options={"search": "all"})
    at.x.at_most = 50
    assert at.extract().posts == 250
    assert at.slept == [1.0] * 4
    assert len(at.x.asked) == 5, "none was refused"


def test_what_recent_search_cannot_reach_is_called_missing(build: Build) -> None:
    at = build(made_up(200, NEWEST, apart=timedelta(hours=1))).does(options={"search": "recent"})
    at.window = Window(DAY.end - timedelta(days=10), DAY.end)
    manifest, rows = at.whole()
    assert manifest.truncated == (
        "X's recent search goes back 7 days: 2026-06-26 00:00 to 2026-06-29 01:01 UTC is missing"
    )
    assert not manifest.complete
    assert len(rows) == 7 * 24 - 1


def test_a_limit_that_recent_posts_fill_misses_nothing(build: Build) -> None:
    at = build(made_up(200, NEWEST, apart=timedelta(hours=1))).does(options={"search": "recent"}, limit=20)
    at.window = Window(DAY.end - timedelta(days=10), DAY.end)
    done = at.extract()
    assert (done.posts, done.complete, done.truncated) == (20, True, None)


def test_a_window_before_the_last_week_is_refused_before_anything_is_asked(build: Build) -> None:
    at = build().does(options={"search": "recent"})
    at.now = DAY.end + timedelta(days=8)
    with pytest.raises(Stop, match=r"leave `options\.search` out, or write `all`"):
        at.extract()
    assert at.x.asked == []


def test_a_window_that_has_just_ended_is_waited_for(build: Build) -> None:
    at = build()
    at.now = DAY.end + timedelta(seconds=2)
    done = at.extract()
    assert (at.slept, done.complete, done.posts) == ([10], True, 250)


def test_what_has_not_happened_yet_is_called_missing(build: Build) -> None:
    at = build()
    at.now = DAY.end - timedelta(hours=6)
    done = at.extract()
    assert done.truncated == "the window is not over yet: 2026-07-05 17:59 to 2026-07-06 00:00 UTC is missing"
    assert (at.slept, done.posts) == ([], len(inside(at.x.posts, Window(DAY.start, at.now))))
    at.now = DAY.start + timedelta(seconds=5)
    with pytest.raises(Stop, match="hardly begun"):
        at.extract()


def test_a_job_without_a_beginning_asks_from_the_first_post_of_all(build: Build) -> None:
    at = build()
    at.window = Window(datetime(1970, 1, 1, tzinfo=UTC), DAY.end)
    assert at.extract().complete
    assert at.asked("start_time") == ["2006-03-21T00:00:00Z"]


def test_where_x_does_not_know_the_new_names_the_old_ones_are_asked_for(build: Build) -> None:
    """And remembered, also by a try that goes on where another was killed."""
    options = {"expand": ["author", "media", "references"]}
    posts = made_up(250, NEWEST)
    answer = XPost(snowflake(NEWEST, 4000), AUTHORS[1], NEWEST, "covid @x", reply=posts[9].id, note="long")
    old, new = (
        build([answer, *posts], spelling=spelling).does(options=options) for spelling in ("tweet", "post")
    )
    manifest, found = old.whole()
    rows = [row | {"scraped_at": None} for row in found]
    assert rows == [row | {"scraped_at": None} for row in new.whole()[1]]
    assert rows[-1]["in_reply_to"] == posts[9].id or rows[-2]["in_reply_to"] == posts[9].id
    assert [bool(name) for name in old.asked("post.fields")] == [True, False, False, False]
    assert [bool(name) for name in old.asked("tweet.fields")] == [False, True, True, True]
    assert manifest.cost is not None
    assert manifest.cost.usd == float(old.x.bill) == float(new.x.bill)


def test_old_names_that_x_does_not_know_either_are_the_end(build: Build) -> None:
    at = build()
    refusal = json.dumps({"errors": [{"message": "The query parameter [post.fields] is not one of []"}]})
    other = refusal.replace("post.fields", "tweet.fields")
    at.x.instead = {0: Answer(refusal.encode(), 400), 1: Answer(other.encode(), 400)}
    with pytest.raises(Stop, match=r"tweet\.fields"):
        at.extract()
    at.x.instead = {2: Answer(refusal.encode(), 400), 3: Answer(refusal.encode(), 400)}
    with pytest.raises(Stop, match="neither by their new names nor by their old ones"):
        at.extract()


# --- a user's posts --------------------------------------------------------------------------------

ADA = AUTHORS[0]


@pytest.mark.parametrize("name", ["sample_ada", "@Sample_Ada", ADA.id])
def test_a_users_posts_are_found_by_name_or_number(build: Build, name: str) -> None:
    at = build().does(query=None, options={"user": name})
    manifest, rows = at.whole()
    assert {row["id"] for row in rows} == {post.id for post in at.x.posts if post.author == ADA}
    assert manifest.complete
    lookup = [] if name == ADA.id else [f"users/by/username/{name.removeprefix('@')}"]
    assert at.paths == [*lookup, f"users/{ADA.id}/tweets"]
    reads = {"post": len(rows)} | ({"user": 1} if lookup else {})
    assert manifest.cost == Cost(usd=float(at.x.bill), reads=reads, prices="2026-04")
    assert manifest.counts.skipped == {}


def test_replies_and_retweets_of_a_user_are_left_out_where_asked(build: Build) -> None:
    posts = made_up(10, NEWEST)
    own = [
        XPost(snowflake(NEWEST, 1), ADA, NEWEST, "covid", reply=posts[0].id),
        XPost(snowflake(NEWEST, 2), ADA, NEWEST, "covid", repost=posts[0].id),
        XPost(snowflake(NEWEST, 3), ADA, NEWEST, "covid"),
    ]
    at = build(own).does(query=None, options={"user": ADA.id, "exclude": ["replies", "retweets"]})
    assert at.extract().posts == 1
    assert at.asked("exclude") == ["replies,retweets"] * 2  # the page, and the look at what is before it


def test_a_run_by_hand_that_adds_a_query_to_a_user_is_refused(build: Build) -> None:
    at = build().does(options={"user": "sample_ada"})
    with pytest.raises(Stop, match="search for from:sample_ada"):
        at.extract()
    assert at.x.asked == []


def test_a_user_whom_x_does_not_know_or_show_stops_the_run(build: Build) -> None:
    at = build().does(query=None, options={"user": "sample_nobody"})
    with pytest.raises(Stop, match=r"no user sample_nobody \(Could not find user .* correct `options.user`"):
        at.extract()
    hidden = User("7999", "sample_hidden", "Hidden", protected=True)
    at = build(None, hidden).does(query=None, options={"user": "sample_hidden"})
    with pytest.raises(Stop, match="not authorized to see"):
        at.extract()


PROLIFIC = User("7100", "sample_prolific", "Prolific", posted=5000)


def prolific(count: int) -> list[XPost]:
    return [replace(post, author=PROLIFIC) for post in made_up(count, NEWEST)]


@dataclass(frozen=True)
class Reach:
    """A window of some hours, so many days ago, of a user with so many posts, a minute apart."""

    hours: int
    posts: int = 3500
    days: int = 0


@pytest.mark.parametrize(
    ("reach", "probed", "complete"),
    [
        pytest.param(Reach(40), True, True, id="within reach"),
        pytest.param(Reach(60), True, False, id="beyond it"),
        pytest.param(Reach(24), False, True, id="a day can never be beyond it"),
        pytest.param(Reach(24, posts=100, days=9), True, False, id="nothing before the window"),
    ],
)
def test_whether_a_window_reaches_beyond_a_users_last_posts_is_found_out(
    build: Build, reach: Reach, probed: bool, complete: bool
) -> None:
    """With a page of five from before the window, where it cannot be known otherwise."""
    at = build(prolific(reach.posts)).does(query=None, options={"user": "sample_prolific"})
    at.window = Window(DAY.end - timedelta(hours=reach.hours), DAY.end)
    at.now += timedelta(days=reach.days)
    done = at.extract()
    assert done.posts == min(3200, len(inside(at.x.posts, at.window)))
    assert (at.asked("max_results")[-1] == "5") is probed
    assert done.complete is complete
    assert done.outside_window == (5 if probed and complete else 0)
    if not complete:
        assert done.truncated is not None
        assert done.truncated.startswith("X gives the last 3,200 posts of a user, and may have left out")
    assert done.cost is not None
    assert done.cost.usd == float(at.x.bill)


@pytest.mark.parametrize(("hours", "complete"), [(7, True), (20, False)])
def test_without_replies_x_gives_fewer_of_a_users_posts_and_that_is_told(
    build: Build, hours: int, *, complete: bool
) -> None:
    """800 at most, and here a user writes one a minute."""
    at = build(prolific(3500)).does(query=None, options={"user": "sample_prolific", "exclude": ["replies"]})
    at.window = Window(DAY.end - timedelta(hours=hours), DAY.end)
    done = at.extract()
    assert done.posts == min(800, len(inside(at.x.posts, at.window)))
    assert done.complete is complete
    if not complete:
        assert done.truncated is not None
        assert done.truncated.startswith("X gives the last 800 posts of a user without replies, and may have")


def test_an_empty_last_page_does_not_hide_how_far_back_a_user_was_read(build: Build) -> None:
    at = build(prolific(450)).does(query=None, options={"user": "sample_prolific"})
    at.now += timedelta(days=9)
    at.x.instead[2] = Answer(b'{"meta":{"result_count":0}}')
    done = at.extract()
    assert (done.posts, done.complete) == (100, False)
    assert done.truncated is not None
    assert done.truncated.endswith("may have left out what is older than 2026-07-05 22:20 UTC")


def test_a_user_with_few_posts_has_no_more_than_x_gives(build: Build) -> None:
    at = build().does(query=None, options={"user": "sample_ada"})
    at.now = NOW + timedelta(days=100)
    assert at.extract().complete
    assert len(at.paths) == 2


# --- money -----------------------------------------------------------------------------------------


def test_nothing_that_costs_is_asked_for_unless_the_job_says(build: Build) -> None:
    at = build()
    manifest, rows = at.whole()
    assert at.asked("expansions") == [None] * 3
    assert at.x.charged == {"post": 250}
    assert manifest.cost == Cost(usd=1.25, reads={"post": 250}, prices="2026-04")
    assert {row["author"] for row in rows} == {None}


def test_what_the_job_asks_for_besides_is_there_and_accounted(build: Build) -> None:
    at = build().does(options={"expand": ["author", "media"]}, limit=100)
    manifest, rows = at.whole()
    assert {row["author"] for row in rows} == {author.username for author in AUTHORS}
    assert sum(bool(row["media"]) for row in rows) == 10
    assert manifest.cost == Cost(usd=0.60, reads={"media": 10, "post": 100, "user": 5}, prices="2026-04")
    assert at.x.bill == Decimal("0.60")


def test_our_prices_are_those_of_the_stand_in() -> None:
    names = {"counts of the last 7 days": "counts/recent", "counts of the archive": "counts/all"}
    ours = {names.get(name, name): Decimal(str(usd)) for name, usd in x_prices.PRICES.usd.items()}
    assert ours == PRICES


def test_no_page_of_a_source_that_charges_is_asked_for_ahead_or_kept_late() -> None:
    for source, via in CHARGING:
        module = source_for(source, via)
        assert (getattr(module, "UNKEPT", 0), getattr(module, "PARALLEL", 1)) == (0, 1)


def test_what_people_are_told_of_prices_is_in_the_table() -> None:
    told = FACTS["twitter", "x-api"].prices
    options = schema()["$defs"]["twitter_x_api_options"]["properties"]["expand"]["description"]
    for name, word in {"post": "post", "user": "author", "media": "picture or film"}.items():
        assert f"{word} ${x_prices.PRICES.usd[name]:.3f}" in told
        assert f"${x_prices.PRICES.usd[name]:.3f} each" in options
    assert {name for name, facts in FACTS.items() if facts.dollars} == CHARGING


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 300),
    limit=st.none() | st.integers(1, 320),
    expand=st.sets(st.sampled_from(["author", "media", "references"])),
    bound=st.none() | st.integers(1, 400).map(lambda cents: cents / 100),
    search=st.sampled_from(["recent", "all"]),
)
def test_no_run_costs_more_than_it_may_and_each_says_what_it_cost(  # noqa: PLR0917 - hypothesis names them
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    limit: int | None,
    expand: set[str],
    bound: float | None,
    search: str,
) -> None:
    """Whatever there is to find and to be told: the bill is what the run says it is."""
    options = {"search": search, **({"expand": sorted(expand)} if expand else {})}
    with world(tmp_path_factory.mktemp("x"), made_up(count, NEWEST), limit=limit, options=options) as at:
        at.does(max_cost=MaxCost(run=bound))
        if bound is not None and bound < x_prices.most(10, expand).usd:
            with pytest.raises(Stop, match="does not pay for the smallest page"):
                at.extract()
            assert at.x.asked == []
            return
        done = at.extract()
        assert (done.cost.usd if done.cost else 0) == float(at.x.bill)
        assert bound is None or float(at.x.bill) <= bound
        wanted = min(count, limit or count)
        if done.complete:
            assert done.posts == wanted
        else:
            assert done.posts < wanted
            assert done.truncated is not None
            assert done.truncated.startswith(f"max_cost.run of ${bound:.2f} does not pay for $")
            assert done.truncated.endswith("UTC is missing")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 60),
    limit=st.integers(1, 60) | st.none(),
    days=st.integers(1, 6),
    per=st.sampled_from(["run", "day"]),
    subject=st.sampled_from([{}, {"user": ADA.username}, {"user": ADA.id}]),
    expand=st.sets(st.sampled_from(["author", "media", "references"])),
    at_most=st.none() | st.integers(1, 12),
)
def test_what_a_run_pays_is_within_what_the_plan_says(  # noqa: PLR0917 - hypothesis names them
    tmp_path_factory: pytest.TempPathFactory,
    count: int,
    limit: int | None,
    days: int,
    per: Literal["run", "day"],
    subject: dict[str, Any],
    expand: set[str],
    at_most: int | None,
) -> None:
    """However small the pages are that X gives, and wherever in the window the posts lie."""
    posts = [replace(post, author=ADA) for post in made_up(count, NEWEST, apart=timedelta(hours=3))]
    window = Window(DAY.end - timedelta(days=days), DAY.end)
    options = {"expand": sorted(expand), **subject}
    with world(tmp_path_factory.mktemp("x"), posts, AUTHORS, limit=limit, options=options, per=per) as at:
        at.does(query=None if subject else "covid", date_range=DateRange(window.start, window.end, "whole"))
        at.window, at.x.at_most = window, at_most
        bound = forecast(at.job, NOW, last=None).run_dollars
        at.extract()
        assert (bound is None) == (limit is None and not subject)
        assert bound is None or at.x.bill <= bound
        if bound is not None and not subject:
            paid = at.x.bill
            found = preview(at.job, window, at.run)
            assert found is not None
            assert found.most is not None
            assert paid <= Decimal(str(found.most.usd)) <= bound


@pytest.mark.parametrize(
    ("limit", "options", "parts", "reads"),
    [
        (3, {}, 1, {"post": 12}),
        (150, {}, 1, {"post": 159}),
        (150, {}, 365, {"post": 1500}),
        (150, {}, 7, {"post": 213}),
        (3, {"user": "nasa"}, 1, {"post": 7, "user": 1}),
        (3, {"user": "7000"}, 1, {"post": 7}),
        (None, {"user": "7000"}, 1, {"post": 3205}),
        (None, {"user": "nasa", "exclude": ["replies"]}, 1, {"post": 805, "user": 1}),
        (5000, {"user": "7000"}, 2, {"post": 3210}),
        (1, {"user": "nasa", "expand": ["author", "media"]}, 1, {"post": 5, "user": 6, "media": 20}),
    ],
)
def test_a_run_may_read_a_page_of_the_least_size_for_its_last_post(
    limit: int | None, options: dict[str, Any], parts: int, reads: dict[str, int]
) -> None:
    cost = x_prices.of_run(limit, options, parts)
    assert cost is not None
    assert cost.reads == reads
    assert x_prices.of_run(None, {}) is None


def test_a_bound_takes_smaller_pages_before_it_gives_up(build: Build) -> None:
    at = build().does(max_cost=MaxCost(run=0.70), limit=200)
    done = at.extract()
    assert at.asked("max_results") == ["100", "40"]
    assert (done.posts, done.cost and done.cost.usd) == (140, 0.70)
    missing = "what is older than 2026-07-05 21:40 UTC is missing"
    assert done.truncated == f"max_cost.run of $0.70 does not pay for $0.05 more: {missing}"


@pytest.mark.parametrize(("expand", "size"), [("author", 40), ("media", 24), ("references", 40)])
def test_what_is_told_besides_is_reckoned_with_before_it_is_asked_for(
    build: Build, expand: str, size: int
) -> None:
    """As if each post had another author, four pictures, or two others that it refers to."""
    at = build().does(options={"expand": [expand]}, max_cost=MaxCost(run=0.60))
    at.extract()
    assert at.asked("max_results")[0] == str(size)
    assert at.x.bill <= Decimal("0.60")


def test_a_bound_is_used_up_to_the_last_post_it_pays_for(build: Build) -> None:
    """Though 0.145 / 0.005 is a little less than 29 where numbers are binary."""
    at = build().does(max_cost=MaxCost(run=0.645))
    assert at.extract().posts == 129


def test_a_bound_below_a_user_and_a_page_is_refused_before_anything_is_asked(build: Build) -> None:
    at = build().does(query=None, options={"user": "sample_ada"}, max_cost=MaxCost(run=0.03))
    with pytest.raises(Stop, match=r"smallest page, which may cost \$0\.035"):
        at.extract()
    assert at.x.asked == []
    assert at.does(max_cost=MaxCost(run=0.035)).extract().posts == 5


def test_the_bound_of_a_month_counts_all_runs_of_the_job(build: Build) -> None:
    at = build().does(max_cost=MaxCost(month=1.60))
    assert at.extract().cost == Cost(usd=1.25, reads={"post": 250}, prices="2026-04")
    at.id = "the next day"
    done = at.extract()
    assert (done.posts, done.complete) == (70, False)
    assert done.truncated is not None
    assert "max_cost.month of $1.60, of which $1.25 is spent in July 2026," in done.truncated
    at.id = "the third day"
    asked = len(at.x.asked)
    with pytest.raises(Stop, match=r"of which \$1\.60 is spent .* raise it, or wait for another month"):
        at.extract()
    assert len(at.x.asked) == asked
    assert at.x.bill == Decimal("1.60")


@pytest.mark.parametrize("pages", range(6))
def test_killed_at_any_page_no_page_is_paid_for_twice(build: Build, pages: int) -> None:
    """The page about the user included."""
    at = build(prolific(450)).does(query=None, options={"user": "sample_prolific", "expand": ["author"]})
    clean = build(prolific(450)).does(query=None, options={"user": "sample_prolific", "expand": ["author"]})
    expected = clean.extract()
    at.x.instead = {pages: Answer(b"{}", 503), pages + 1: Answer(b"{}", 503), pages + 2: Answer(b"{}", 503)}
    try:
        done = at.extract()
    except RetryLater:
        at.now += timedelta(minutes=5)
        done = at.extract()
    assert (done.posts, done.cost, done.complete) == (450, expected.cost, True)
    assert at.x.bill == clean.x.bill


def test_a_bound_that_is_raised_between_two_tries_keeps_what_was_paid_for(build: Build) -> None:
    at = build().does(max_cost=MaxCost(run=1.0))
    at.x.instead = dict.fromkeys(range(1, 4), broken())
    with pytest.raises(RetryLater):
        at.extract()
    at.does(max_cost=MaxCost(run=2.0))
    assert at.extract().posts == 250
    assert at.x.bill == Decimal("1.25")


FORGOTTEN = Answer(b'{"errors":[{"message":"The `next_token` query parameter value [x] is not valid"}]}', 400)


@pytest.mark.parametrize(
    ("options", "query", "first"), [({}, "covid", 1), ({"user": "sample_prolific"}, None, 2)], ids=str
)
def test_where_x_has_forgotten_a_page_what_is_older_is_asked_for(
    build: Build, options: dict[str, str], query: str | None, first: int
) -> None:
    """Nothing is missing, and no more than a second is asked for twice."""
    at = build(prolific(350)).does(query=query, options=options)
    at.x.instead[first] = FORGOTTEN
    manifest, rows = at.whole()
    assert (len(rows), manifest.complete, manifest.truncated) == (350, True, None)
    assert at.asked("end_time")[-3:] == ["2026-07-05T22:20:01Z"] * 3
    assert manifest.counts.duplicate == 1
    assert at.x.charged["post"] == 351


def test_a_token_that_x_never_knew_or_a_place_of_another_version_stops_the_run(build: Build) -> None:
    at = build()
    at.x.instead[0] = FORGOTTEN
    with pytest.raises(Stop, match="run it again"):
        at.extract()
    with pytest.raises(Stop, match="trigger a new run"):
        list(twitter_x_api.pages(request(at), '{"at": "recent"}', at.run))


BUSY = Answer(b"{}", 429)


@pytest.mark.parametrize(
    ("later", "missing"),
    [
        (timedelta(seconds=30), "06-29 01:01"),
        (timedelta(minutes=20), "06-29 01:21"),
        (timedelta(days=3), "07-02 01:01"),
        (timedelta(days=6), "07-04 00:59"),
    ],
    ids=str,
)
def test_a_recent_search_goes_on_though_its_first_hours_have_gone_out_of_reach_meanwhile(
    build: Build, later: timedelta, missing: str
) -> None:
    """The seven days go on while a run waits: nothing that is left is lost, and what is gone is told."""
    hourly = made_up(240, NEWEST, apart=timedelta(hours=1))
    at = build(hourly).does(options={"search": "recent"})
    at.window = TEN_DAYS
    at.x.at_most = 48
    at.x.instead[1] = BUSY
    with pytest.raises(RetryLater):
        at.extract()
    at.now += later
    manifest, rows = at.whole()
    assert manifest.truncated == (
        f"X's recent search goes back 7 days: 2026-06-26 00:00 to 2026-{missing} UTC is missing"
    )
    reach = Window(datetime.fromisoformat(f"2026-{missing}Z"), DAY.end)
    assert {row["id"] for row in rows} == set(inside(at.x.posts, reach))
    assert manifest.counts.duplicate <= 1
    assert at.x.charged["post"] == len(rows) + manifest.counts.duplicate


# --- a share of the limit for each day -------------------------------------------------------------

TEN_DAYS = Window(DAY.end - timedelta(days=10), DAY.end)


def test_days_beyond_the_last_week_are_missing_and_the_others_are_there(build: Build) -> None:
    at = build(made_up(240, NEWEST, apart=timedelta(hours=1)))
    at.does(options={"search": "recent"}, limit=100, per="day").window = TEN_DAYS
    manifest, rows = at.whole()
    days = Counter(row["created_at"].date().isoformat() for row in rows)
    assert days == {
        f"2026-{day}": 10 for day in ("06-29", "06-30", *(f"07-0{number}" for number in range(1, 6)))
    }
    assert manifest.truncated is not None
    gone = "X's recent search goes back 7 days: 2026-06-2{} 00:00 to 2026-06-2{} 00:00 UTC is missing"
    assert all(gone.format(day, day + 1) in manifest.truncated for day in (6, 7, 8))
    assert at.x.bill == Decimal("0.35")


def test_days_share_the_second_that_the_archive_wants_between_questions(build: Build) -> None:
    at = build(made_up(96, NEWEST, apart=timedelta(hours=1)))
    at.does(options={"search": "all"}, limit=30, per="day").window = Window(
        DAY.end - timedelta(days=3), DAY.end
    )
    assert at.extract().posts == 30
    assert at.slept == [1.0, 1.0]
    assert len(at.x.asked) == 3, "none was refused"


def test_days_without_posts_do_not_turn_days_out_of_reach_into_a_failure(build: Build) -> None:
    at = build(made_up(20, DAY.end - timedelta(days=8), apart=timedelta(hours=1)))
    at.does(options={"search": "recent"}, limit=100, per="day").window = TEN_DAYS
    done = at.extract()
    assert (done.posts, done.complete, len(at.x.asked)) == (0, False, 7)


def test_a_user_is_looked_up_once_for_all_days(build: Build) -> None:
    at = build(prolific(200)).does(query=None, options={"user": "sample_prolific"}, limit=20, per="day")
    at.window = Window(DAY.end - timedelta(days=2), DAY.end)
    assert at.extract().posts == 10
    assert at.x.charged["user"] == 1
    assert [path.rpartition("/")[2] for path in at.paths[:3]] == ["sample_prolific", "tweets", "tweets"]


@pytest.mark.parametrize("killed", range(1, 6))
def test_a_try_that_goes_on_at_another_day_knows_the_user(build: Build, killed: int) -> None:
    """Whichever question of three days is the last of the first try."""
    at = build(prolific(2000)).does(query=None, options={"user": "sample_prolific"}, limit=330, per="day")
    at.window = Window(DAY.end - timedelta(days=3), DAY.end)
    at.x.instead = {killed + again: broken() for again in range(3)}
    with pytest.raises(RetryLater):
        at.extract()
    assert at.extract().posts > 110
    assert at.x.charged["user"] == 1


def test_days_that_the_bound_does_not_pay_for_are_missing(build: Build) -> None:
    at = build(made_up(240, NEWEST, apart=timedelta(hours=1)))
    at.does(limit=100, per="day", max_cost=MaxCost(run=0.17)).window = Window(
        DAY.end - timedelta(days=5), DAY.end
    )
    at.x.instead = dict.fromkeys(range(1, 4), broken())
    with pytest.raises(RetryLater):
        at.extract()
    at.now += timedelta(minutes=5)
    done = at.extract()
    assert (done.posts, done.cost and done.cost.usd, at.x.bill) == (34, 0.17, Decimal("0.17"))
    assert done.truncated is not None
    assert "what is older than 2026-07-04 10:59 UTC is missing" in done.truncated
    assert "2026-07-01 00:00 to 2026-07-02 00:00 UTC is missing" in done.truncated


# --- refusals --------------------------------------------------------------------------------------


def test_a_wrong_token_names_the_connection_to_correct(build: Build) -> None:
    at = build()
    at.x.token = "another"
    wrong = replace(at.run, connection=lambda _: {**at.credentials, "password": "wrong"})
    with pytest.raises(Stop, match="correct the credentials in the connection x_api"):
        extract(at.job, DAY, wrong)


def test_a_wrong_token_of_the_environment_names_the_variable(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = build()
    monkeypatch.setenv("X_BEARER_TOKEN", "wrong")
    bare = Request("covid", DAY, credentials={"host": at.x.url})
    with pytest.raises(Stop, match="accept the token in the environment variable X_BEARER_TOKEN"):
        list(twitter_x_api.pages(bare, None, at.run))
    monkeypatch.setenv("X_BEARER_TOKEN", f" {SECRET}\n")
    assert sum(len(page.bodies) for page in twitter_x_api.pages(bare, None, at.run)) == 3


def test_without_a_token_nothing_is_asked(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("X_BEARER_TOKEN", raising=False)
    at = build().does(source_connection=None)
    with pytest.raises(Stop, match="needs a bearer token: name a connection"):
        at.extract()
    monkeypatch.setenv("X_BEARER_TOKEN", "two words")
    with pytest.raises(Stop, match="characters that no token has") as caught:
        at.extract()
    assert "two words" not in str(caught.value)
    at = build()
    empty = replace(at.run, connection=lambda _: {"host": at.x.url})
    with pytest.raises(Stop, match="The connection x_api has no bearer token"):
        extract(at.job, DAY, empty)
    assert at.x.asked == []


def test_a_token_may_be_in_the_connections_extra(build: Build) -> None:
    at = build()
    credentials = {"host": at.x.url, "password": None, "extra": {"bearer_token": SECRET}}
    assert extract(at.job, DAY, replace(at.run, connection=lambda _: credentials))["posts"] == 250


def test_no_credits_and_no_access_to_the_archive_say_what_to_do(build: Build) -> None:
    at = build()
    at.x.credits = Decimal("0.50")
    with pytest.raises(Stop, match="no credits left"):
        at.extract()
    at = build().does(options={"search": "all"})
    at.x.archive = False
    with pytest.raises(Stop, match=r"write `options: \{search: recent\}`"):
        at.extract()


def test_a_used_up_month_is_for_a_person_and_no_rate_limit(build: Build) -> None:
    at = build()
    capped = {"title": "UsageCapExceeded", "type": "https://api.x.com/2/problems/usage-capped", "status": 429}
    reset = {"x-rate-limit-reset": str(int(NOW.timestamp()) + 600)}
    at.x.instead[0] = Answer(json.dumps(capped).encode(), 429, headers=reset)
    with pytest.raises(Stop, match="raise its spending limit"):
        at.extract()


def test_a_used_up_quarter_of_an_hour_is_waited_for_elsewhere(build: Build) -> None:
    """After the last question that is allowed, not by asking one more."""
    at = build()
    at.x.limits["/2/tweets/search/recent"] = [(2, 900)]
    with pytest.raises(RetryLater) as caught:
        at.extract()
    assert len(at.x.asked) == 2
    assert caught.value.after is not None
    assert NOW + timedelta(minutes=15) <= caught.value.after <= NOW + timedelta(minutes=15, seconds=1)
    at.now = caught.value.after
    assert at.extract().posts == 250
    assert len(at.x.asked) == 3


def test_a_query_that_x_does_not_take_is_told_in_its_words(build: Build) -> None:
    at = build().does(query="(covid")
    with pytest.raises(Stop, match=r"no viable alternative .* correct the job's `query`"):
        at.extract()


@pytest.mark.parametrize("body", [b"[]", b"7", b'{"errors":[{"title":"Odd"}]}'])
def test_an_answer_without_posts_stops_the_run(build: Build, body: bytes) -> None:
    at = build()
    at.x.instead[0] = Answer(body)
    with pytest.raises(Stop, match=r"X (answered with something else|gives no posts \(Odd\))"):
        at.extract()


def test_the_token_is_in_no_message_log_page_or_manifest(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        at = build().does(options={"expand": ["author"]})
        at.whole()
        assert at.x.asked[0].headers["authorization"] == f"Bearer {SECRET}"
        messages = []
        for number, answer in enumerate([Answer(b"{}", 401), Answer(b"{}", 403), Answer(b"{}", 400)]):
            at.id = f"another {number}"
            at.x.instead[len(at.x.asked)] = answer
            with pytest.raises(Stop) as caught:
                at.extract()
            messages.append(f"{caught.value!r}{caught.value.__cause__!r}")
    asking = twitter_x_api._Asking(Request("covid", DAY, credentials=at.credentials), at.run)  # noqa: SLF001
    said = "".join([caplog.text, *messages, repr(asking.client), str(asking.client)])
    assert SECRET not in said
    files = [path for path in Path(at.job.bucket).rglob("*") if path.is_file()]
    assert len(files) > 4
    assert all(SECRET.encode() not in path.read_bytes() for path in files)


# --- counts ----------------------------------------------------------------------------------------


def request(at: World, **changes: Any) -> Request:
    return Request(at.job.query, at.window, credentials=at.credentials, connection="x_api", **changes)


def test_counts_tell_how_many_there_are_and_what_they_would_cost(build: Build) -> None:
    at = build()
    found = twitter_x_api.counts(request(at, options={"expand": ["author"]}, limit=100), at.run)
    assert (found.posts, found.missing) == (250, None)
    assert [(day.isoformat(), number) for day, number in found.days] == [("2026-07-05T00:00:00+00:00", 250)]
    assert found.asked == Cost(usd=0.005, reads={"counts of the last 7 days": 1}, prices="2026-04")
    assert found.most == Cost(usd=1.635, reads={"post": 109, "user": 109}, prices="2026-04")
    assert at.x.charged == {"counts/recent": 1}


def test_a_job_is_counted_where_its_source_can(build: Build) -> None:
    at = build().does(limit=100)
    found = preview(at.job, DAY, at.run)
    assert found is not None
    assert (found.posts, found.most and found.most.usd) == (250, 0.545)
    three_days = Window(DAY.start - timedelta(days=2), DAY.end)
    spread = preview(replace(at.job, limit=40, per="day"), three_days, at.run)
    assert spread is not None
    assert spread.most == Cost(usd=0.335, reads={"post": 67}, prices="2026-04")
    few = preview(replace(at.job, limit=1000), DAY, at.run)
    assert few is not None
    assert few.most == Cost(usd=1.25, reads={"post": 250}, prices="2026-04")
    assert preview(any_job("./bucket"), DAY, at.run) is None
    with pytest.raises(Stop, match="There is no connection x_api"):
        preview(at.job, DAY, Run())


def test_counts_of_the_archive_come_in_pages_and_add_up(build: Build) -> None:
    posts = made_up(300, NEWEST, apart=timedelta(hours=7))
    at = build(posts)
    at.window = Window(DAY.end - timedelta(days=80), DAY.end)
    found = twitter_x_api.counts(request(at), at.run)
    assert found.posts == sum(number for _, number in found.days) == len(inside(posts, at.window))
    assert len(found.days) == 80
    assert [day for day, _ in found.days] == sorted(day for day, _ in found.days)
    assert found.asked == Cost(usd=0.03, reads={"counts of the archive": 3}, prices="2026-04")
    assert float(at.x.bill) == 0.03
    before = build(posts, spelling="tweet")
    before.window = at.window
    assert twitter_x_api.counts(request(before), before.run).days == found.days


def test_counts_of_a_users_posts_are_those_of_a_search(build: Build) -> None:
    at = build().does(query=None)
    found = twitter_x_api.counts(request(at, options={"user": "@sample_ada"}), at.run)
    assert found.posts == 50
    assert at.asked("query") == ["from:sample_ada"]
    with pytest.raises(Stop, match="by name only"):
        twitter_x_api.counts(request(at, options={"user": "7000"}), at.run)


def test_counts_say_what_they_cannot_reach(build: Build) -> None:
    at = build()
    at.window = Window(DAY.start - timedelta(days=9), DAY.end)
    found = twitter_x_api.counts(request(at, options={"search": "recent"}), at.run)
    assert found.missing is not None
    assert found.missing.startswith("X's recent search goes back 7 days: 2026-06-26 00:00 to")


# --- reading ---------------------------------------------------------------------------------------


def test_a_page_about_a_user_has_no_posts_for_its_source_and_is_told_by_an_archive() -> None:
    body = b'{"data":{"id":"7","username":"sample_ada","name":"Ada","created_at":"2021-07-05T12:00:00Z"}}'
    assert list(twitter_x_api.posts(body, NOW)) == []
    assert list(archive.posts(body, NOW)) == [Skipped("users", "1 users, who are no posts")]
    post = json.dumps(
        {"data": [{"id": "1", "username": "x", "text": "a", "created_at": "2021-07-05T12:00:00Z"}]}
    )
    (found,) = twitter_x_api.posts(post.encode(), NOW)
    assert isinstance(found, Post)


# --- the jobs of the project -----------------------------------------------------------------------


def of_project(at: World, name: str, folder: Path) -> World:
    """The job of a file of this project, its bucket a folder."""
    found = read_job(ROOT / "pipelines" / name, ROOT)
    assert isinstance(found, Job), found
    at.job = replace(found, bucket=str(folder))
    return at


def test_the_tutorials_job_is_what_it_was_and_costs_what_it_says(build: Build, tmp_path: Path) -> None:
    """A hundred and fifty posts under its five headers, from X, in one file, run after run."""
    posts = made_up(400, datetime(2022, 7, 5, 23, 59, tzinfo=UTC))
    at = of_project(build(posts), "covid_twitter.yaml", tmp_path / "bucket")
    at.window = Window(datetime(2021, 7, 5, tzinfo=UTC), datetime(2022, 7, 6, tzinfo=UTC))
    for day in range(3):
        at.id = f"scheduled {day}"
        manifest, rows = at.whole()
        assert len(rows) == manifest.counts.kept == 150
        assert manifest.complete
        assert manifest.cost is not None
        assert manifest.cost.usd <= 2.25  # no page needed to be asked for the last post alone
    with (tmp_path / "bucket" / "covid_twitter_data.csv").open(encoding="utf-8", newline="") as file:
        head, *_, last = csv.reader(file)
    assert head == ["User", "Date Created", "Number of Likes", "Source of Tweet", "Tweet"]
    assert last[::2] == ["sample_ada", "0", "covid number 0 #sample"]
    bound = x_prices.of_run(at.job.limit, at.job.options)
    assert bound is not None
    assert 0 <= at.job.max_cost.run - bound.usd < 0.01
    assert set(at.paths) == {"tweets/search/all"}


def test_the_example_job_runs_through_all_three_callables(build: Build, tmp_path: Path) -> None:
    posts = made_up(120, NEWEST, text="airflow lang:en -is:retweet")
    at = of_project(build(posts), "examples/x_api.yaml", tmp_path / "bucket")
    manifest, rows = at.whole()
    assert (len(rows), manifest.complete) == (100, True)
    assert {row["author"] for row in rows} == {author.username for author in AUTHORS}
    assert manifest.cost is not None
    assert manifest.cost.usd <= (at.job.max_cost.run or 0)


@pytest.mark.parametrize(
    ("page", "posts"),
    [
        ({"data": [{"id": "1", "text": "a"}], "includes": ["a"]}, 1),
        ({"data": [{"id": "1", "text": "a"}], "includes": {"users": 5, "posts": None}}, 1),
        ({"data": 5}, 0),
        ({"data": "a", "includes": {"tweets": [{}, {}]}}, 2),
    ],
)
def test_an_answer_of_another_shape_has_a_price(page: dict[str, Any], posts: int) -> None:
    assert x_prices.of_page(page) == x_prices.PRICES.cost({"post": posts, "user": 0, "media": 0})


def test_pages_of_real_answers_cost_what_is_in_them(data: Path) -> None:
    """Where recorded answers of X are at hand: every one of them has a price, and is read."""
    counted = 0
    for path in sorted((data / "x-api-v2").glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            try:
                page = json.loads(line)
            except ValueError:
                continue
            if isinstance(page.get("data"), list) and "text" in page["data"][0]:
                cost = x_prices.of_page(page)
                assert cost.reads["post"] >= len(page["data"])
                found = [item for item in twitter_x_api.posts(line, NOW) if isinstance(item, Post)]
                assert len(found) <= len(page["data"])
                counted += 1
    assert counted > 5
