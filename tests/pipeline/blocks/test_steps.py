"""Steps: what happens to a row does not depend on its neighbours, and all of it is booked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.blocks.steps import (
    BatchLog,
    RouteStep,
    Rows,
    StageStep,
    Step,
    StepRunner,
    conform,
    extended,
    merge,
    rule_names,
    signal_columns,
    written_columns,
)
from pipeline.books import Books
from pipeline.errors import StageBug
from stages.contract import ADDRESS
from tests import fake_stages
from tests.batches import CUTS, cut_at, documents
from tests.reference.row_steps import fate_of


@pytest.fixture(scope="module", autouse=True)
def fakes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        fake_stages.install(tmp_path_factory.mktemp("installed"), patch)
        yield


SETTINGS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "fake_size": {"min_bytes": st.none() | st.integers(0, 6), "max_bytes": st.none() | st.integers(0, 30)},
    "fake_share": {"letter": st.sampled_from("ax"), "max_share": st.sampled_from([None, 0, 0.3333, 0.5])},
    "fake_first": {
        "allowed": st.sampled_from([None, [], ["letter"], ["letter", "digit"]]),
        "only": st.sampled_from([None, {"language": ["en", "letter"]}, {"source": ["other"]}]),
    },
    "fake_cut": {"letter": st.sampled_from("x中"), "min_left": st.sampled_from([None, 0, 1, 3])},
    "fake_add": {"text": st.sampled_from(["", "!", "中x"])},
    "fake_language": {},
    "fake_mark": {},
}
WHEN = st.sampled_from([None] * 4 + [{"language": ["en", "digit"]}, {"source": ["news"], "language": ["zh", "letter"]}])
LANGUAGES = ["en", "zh", "letter"]


def use(kind: str, name: str, branch: str | None = None, **settings_: Any) -> StageStep:
    """A use of a fake stage."""
    config = fake_stages.STAGES[kind].config(name=name, **settings_)
    return StageStep(name if branch is None else f"{name}[{branch}]", name, kind, config)


@st.composite
def stage_step(draw: st.DrawFn, name: str, branch: str | None = None) -> StageStep:
    kind = draw(st.sampled_from(sorted(SETTINGS)))
    chosen = {key: draw(values) for key, values in SETTINGS[kind].items()}
    return use(kind, f"{name}{kind.removeprefix('fake')}", branch, when=draw(WHEN), **chosen)


@st.composite
def route_step(draw: st.DrawFn, name: str) -> RouteStep:
    def branch(value: str) -> tuple[StageStep, ...]:
        return tuple(draw(stage_step(f"{name}{i}", value)) for i in range(draw(st.integers(0, 2))))

    values = draw(st.sets(st.sampled_from([*LANGUAGES, "other"]), max_size=3))
    default = branch("default") if draw(st.booleans()) else None
    return RouteStep("language", {value: branch(value) for value in sorted(values)}, default)


@st.composite
def programs(draw: st.DrawFn) -> list[Step]:
    """Up to four steps, a third of them routes."""
    return [
        draw(route_step(f"r{i}_")) if draw(st.integers(0, 2)) == 0 else draw(stage_step(f"s{i}"))
        for i in range(draw(st.integers(0, 4)))
    ]


TEXT = st.text("axx1中!", max_size=6) | st.sampled_from(["", "xxx", "\0", "e\u0301x", "x😀", "שלוםx"])
CORPUS = st.lists(st.tuples(TEXT, st.sampled_from(LANGUAGES)), max_size=25)


@dataclass
class Outcome:
    """What came out of a corpus that went through in batches."""

    survivors: pa.Table
    signals: dict[str, list[Any]]
    dropped_by: list[str | None]
    samples: dict[str, list[int]]
    books: Books


def run(steps: Sequence[Step], batches: Sequence[pa.RecordBatch], first_rule: int = 0) -> Outcome:
    """Run the steps on the batches, one after the other."""
    runner, books = StepRunner(steps, {}, first_rule=first_rule), Books()
    reasons = [*(["before"] * first_rule), *rule_names(steps)]
    schema = extended(batches[0].schema, written_columns(steps))
    kinds = {**signal_columns(steps), "language": pa.string()}
    survivors: list[pa.RecordBatch] = []
    signals: dict[str, list[Any]] = {name: [] for name in kinds}
    dropped_by: list[str | None] = []
    samples: dict[str, list[int]] = {}
    for batch in batches:
        log = BatchLog.of(batch.num_rows)
        rows = runner.run(Rows(batch, np.arange(batch.num_rows)), "news", books, log)
        survivors.append(conform(rows.batch, schema))
        for name, kind in kinds.items():
            signals[name] += log.signal(name, kind).cast(kind).to_pylist()
        dropped_by += [None if rule < 0 else reasons[rule] for rule in log.dropped]
        for rule, dropped in log.dropped_rows:
            samples.setdefault(reasons[rule], []).extend(dropped.column(ADDRESS).to_pylist())
    return Outcome(pa.Table.from_batches(survivors), signals, dropped_by, samples, books)


def batch_of(corpus: list[tuple[str, str]]) -> pa.RecordBatch:
    return documents([text for text, _ in corpus], language=[language for _, language in corpus])


@settings(max_examples=150)
@given(programs(), CORPUS, CUTS, st.integers(0, 1))
def test_every_row_has_the_fate_of_the_slow_twin(
    steps: list[Step], corpus: list[tuple[str, str]], cuts: list[int], first_rule: int
) -> None:
    """Survivors, columns, signals, first broken rules and books are those of one document after the other."""
    batch = batch_of(corpus)
    found = run(steps, cut_at(batch, cuts), first_rule)
    books = Books()
    fates = [fate_of(steps, row, "news", books) for row in batch.to_pylist()]
    assert found.dropped_by == [fate.dropped_by for fate in fates]
    kept = [fate.row for fate in fates if fate.dropped_by is None]
    for column in (ADDRESS, "id", "text", "language"):
        assert found.survivors.column(column).to_pylist() == [row[column] for row in kept]
    if "mark" in found.survivors.schema.names:
        assert found.survivors.column("mark").to_pylist() == [row.get("mark") for row in kept]
    for name in signal_columns(steps):
        assert found.signals[name] == [fate.signals.get(name) for fate in fates]
    languages = zip(found.signals["language"], corpus, strict=True)
    assert [new or old for new, (_, old) in languages] == [fate.row["language"] for fate in fates]
    assert found.books.rows() == books.rows()


@settings(max_examples=100)
@given(programs(), CORPUS, CUTS, CUTS)
def test_batches_do_not_matter(
    steps: list[Step], corpus: list[tuple[str, str]], cuts: list[int], others: list[int]
) -> None:
    """However the input is cut, the survivors, their order and type, signals, samples and books are the same."""
    batch = batch_of(corpus)
    one, other = run(steps, cut_at(batch, cuts)), run(steps, cut_at(batch, others))
    assert one.survivors.combine_chunks() == other.survivors.combine_chunks()
    assert one.survivors.schema == extended(batch.schema, written_columns(steps))
    assert (one.signals, one.dropped_by) == (other.signals, other.dropped_by)
    assert {rule: sorted(rows) for rule, rows in one.samples.items()} == {
        rule: sorted(rows) for rule, rows in other.samples.items()
    }
    assert one.books.rows() == other.books.rows()


@settings(max_examples=100)
@given(programs(), CORPUS)
def test_the_identity_holds_for_every_stage(steps: list[Step], corpus: list[tuple[str, str]]) -> None:
    """in = out + dropped + cut − added for every stage, source and language; every document survives or is dropped."""
    found = run(steps, [batch_of(corpus)])
    assert found.books.unbalanced() == []
    assert found.survivors.num_rows + sum(rule is not None for rule in found.dropped_by) == len(corpus)
    assert found.books.total("dropped")[0] == sum(map(len, found.samples.values()))


def test_signals_after_a_drop_are_null() -> None:
    """A row that is dropped is not measured by later stages."""
    steps = [use("fake_size", "first", min_bytes=3), use("fake_size", "second")]
    found = run(steps, [documents(["a", "abc", "ab", "abcd"])])
    assert found.signals["first.bytes"] == [1, 3, 2, 4]
    assert found.signals["second.bytes"] == [None, 3, None, 4]
    assert found.dropped_by == ["first:too_small", None, "first:too_small", None]


def test_a_route_keeps_order_and_lets_others_pass() -> None:
    """Branches work on their rows only; rows of no branch pass where there is no default; order stays."""
    route = RouteStep("language", {"en": (use("fake_mark", "m", "en"),), "zh": (use("fake_add", "a", "zh"),)})
    batch = documents(list("abcdef"), language=["zh", "en", "fr", "en", "zh", "fr"])
    found = run([route], [batch])
    assert found.survivors.column(ADDRESS) == pa.Table.from_batches([batch]).column(ADDRESS)
    assert found.survivors.column("text").to_pylist() == ["a!", "b", "c", "d", "e!", "f"]
    assert found.survivors.column("mark").to_pylist() == [None, 1, None, 1, None, None]
    assert found.books.total("in", "m[en]") == (2, 2)
    assert found.books.total("in")[0] == 4


def test_default_takes_the_rest() -> None:
    """``default`` takes rows of no branch, null among them."""
    route = RouteStep("kind", {"a": ()}, (use("fake_add", "rest", "default"),))
    batch = documents(["1", "2", "3"], kind=pa.array(["a", None, "b"]))
    assert run([route], [batch]).survivors.column("text").to_pylist() == ["1", "2!", "3!"]


def test_branches_share_a_signal_by_name() -> None:
    """One name in two branches is one column of signals, and two addresses in books and rules."""
    branches = {value: (use("fake_size", "size", value, min_bytes=limit),) for value, limit in (("en", 2), ("zh", 4))}
    steps = [RouteStep("language", branches)]
    found = run(steps, [documents(["abc", "abc", "a"], language=["en", "zh", "en"])])
    assert found.signals["size.bytes"] == [3, 3, 1]
    assert found.dropped_by == [None, "size[zh]:too_small", "size[en]:too_small"]
    assert list(signal_columns(steps)) == ["size.bytes"]


def test_a_branch_may_drop_all_its_rows() -> None:
    """Rows of other branches are not touched when one branch loses all."""
    steps: list[Step] = [
        RouteStep("language", {"en": (use("fake_size", "s", "en", min_bytes=9), use("fake_mark", "m", "en"))}),
        use("fake_mark", "after"),
    ]
    found = run(steps, [documents(["a", "b"], language=["en", "zh"])])
    assert found.survivors.column("text").to_pylist() == ["b"]
    assert found.survivors.column("mark").to_pylist() == [1]


def test_rows_of_the_log_that_a_sample_shows_are_as_the_stage_left_them() -> None:
    """A dropped row is sampled with the text that the rule judged."""
    runner, log = StepRunner([use("fake_cut", "c", min_left=2)], {}), BatchLog.of(2)
    runner.run(Rows(documents(["axx", "abc"]), np.arange(2)), "news", Books(), log)
    [(rule, dropped)] = log.dropped_rows
    assert (rule, dropped.column("text").to_pylist()) == (0, ["a"])


def test_rules_are_numbered_in_the_order_in_which_rows_meet_them() -> None:
    """Rule numbers run through the steps, branches one after the other, ``default`` last."""
    route = RouteStep(
        "language",
        {"zh": (use("fake_size", "s", "zh"),), "en": (use("fake_size", "s", "en"),)},
        (use("fake_cut", "c", "default"),),
    )
    assert rule_names([use("fake_share", "first"), route]) == [
        "first:too_large",
        "s[zh]:too_small",
        "s[zh]:too_large",
        "s[en]:too_small",
        "s[en]:too_large",
        "c[default]:too_small",
    ]


def test_time_is_noted_by_address() -> None:
    """Every stage that had rows has its seconds."""
    runner = StepRunner([use("fake_size", "s"), use("fake_size", "t", when={"source": ["other"]})], {})
    runner.run(Rows(documents(["a"]), np.arange(1)), "news", Books(), BatchLog.of(1))
    assert runner.seconds.keys() == {"s"} and runner.seconds["s"] > 0


def test_the_watch_sees_each_stage_before_it_starts() -> None:
    """``watch`` is told the address and the rows, and nothing about stages without rows."""
    seen: list[tuple[str, list[str]]] = []
    route = RouteStep("language", {"en": (use("fake_size", "in", "en"),), "zh": (use("fake_size", "in", "zh"),)})
    steps: list[Step] = [use("fake_size", "s", min_bytes=2), route]
    runner = StepRunner(steps, {}, watch=lambda address, batch: seen.append((address, fake_stages.rows_of(batch))))
    runner.run(Rows(documents(["a", "bb"], language=["en", "zh"]), np.arange(2)), "news", Books(), BatchLog.of(2))
    assert seen == [("s", ["a", "bb"]), ("in[zh]", ["bb"])]


MESSAGES = {
    "undeclared_column": r"undeclared columns \['other'\]",
    "undeclared_signal": r"extra \['other'\]",
    "missing_signal": r"missing \['number'\]",
    "short_signal": "signal number: 1 values for 2 rows",
    "nan_signal": "NaN",
    "short_column": "column number: 3 values for 2 rows",
    "null_text": "wrote null text",
    "null_language": "wrote null language",
    "other_type": "column id is string, declared as int64",
    "lost_bytes": "lost bytes that no cut reason accounts for",
    "short_cut": "cut x: expected 2 counts",
    "negative_cut": "cut x: expected 2 counts",
    "cut_without_text": "does not declare that it writes text",
}


@pytest.mark.parametrize("what", sorted(fake_stages.BROKEN))
def test_a_stage_that_breaks_its_contract_stops_the_run(what: str) -> None:
    """Every breach is a StageBug that says what is wrong and names the use; it is never missing data."""
    step = use(f"fake_{what}", "guilty", "en")
    with pytest.raises(StageBug, match=MESSAGES[what]) as caught:
        run([RouteStep("language", {"en": (step,)})], [documents(["ab", "cd"], language="en")])
    assert str(caught.value).startswith("guilty[en]")


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30))
def test_merge_puts_rows_back(part_of: list[int]) -> None:
    """Parts of a batch, in any order, come back in the order of positions; what a part lacks is null."""
    batch = documents([str(i) for i in range(len(part_of))])
    positions = np.arange(len(part_of))
    parts = []
    for part in sorted(set(part_of), reverse=True):
        chosen = np.array(part_of) == part
        rows = Rows(batch, positions).keep(chosen)
        if part % 2:
            rows = Rows(rows.batch.append_column("odd", pa.array([part] * chosen.sum(), pa.int64())), rows.positions)
        parts.append(rows)
    found = merge(parts, extended(batch.schema, {"odd": pa.int64()}))
    assert found.batch.column("text") == batch.column("text")
    assert found.batch.column("odd").to_pylist() == [part if part % 2 else None for part in part_of]
    assert found.positions.tolist() == positions.tolist()
