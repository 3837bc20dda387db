"""Of documents with the same text and scope one stays, the best by source and address."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.contract import ADDRESS, RELATION_COLUMNS, SKETCH_KEYS
from stages.dedup.exact_dedup import STAGE, ExactDedup, link, resolve, sketch
from tests.batches import CUTS, cut_at, documents
from tests.reference.exact_dedup import survivors
from tests.stages.hostile import ROWS, TEXT, long_bytes

SOURCES = ["news", "books", "crawl"]
DOCUMENT = st.tuples(
    st.sampled_from(["", "a", "b", "ab"]) | TEXT,
    st.sampled_from(SOURCES),
    st.sampled_from(["en", "zh"]),
    st.sampled_from([None, "", "2024-18", "en"]),
)
CORPUS = st.lists(DOCUMENT, max_size=40)
SCOPES = st.sampled_from(["all", ["source"], ["language"], ["snapshot"], ["language", "snapshot"], ["snapshot", "id"]])
PREFER = st.lists(st.sampled_from([*SOURCES, "unknown"]), unique=True, max_size=3)


def batch_of(corpus: Sequence[tuple[str, str, str, str | None]]) -> pa.RecordBatch:
    texts, sources, languages, snapshots = (
        (list(column) for column in zip(*corpus, strict=True)) if corpus else ([], [], [], [])
    )
    snapshot = pa.array(snapshots, pa.string())
    return documents(texts, source=sources, language=languages, snapshot=snapshot)


def patches(batches: Sequence[pa.RecordBatch], config: ExactDedup, parts: int = 1) -> list[dict[str, Any]]:
    """What the stage decides, by address; records are linked in ``parts`` groups that tear no key."""
    records = pa.concat_batches([sketch(batch, config) for batch in batches])
    ranges = records.column("key_high").to_numpy() % np.uint64(parts)
    relations = pa.concat_batches([link(records.filter(pa.array(ranges == part)), config) for part in range(parts)])
    relations = relations.take(pa.array(np.argsort(relations.column(ADDRESS).to_numpy(), kind="stable")))
    rows: list[dict[str, Any]] = resolve(relations, config).to_pylist()
    return rows


@given(CORPUS, CUTS, SCOPES, PREFER, st.integers(1, 3), st.randoms(use_true_random=False))
def test_the_slow_twin_decides_the_same(
    corpus: list[Any], cuts: list[int], scope: Any, prefer: list[str], parts: int, rng: random.Random
) -> None:
    """Who goes and for whom is as a dictionary says, for every scope and preference, cut and order of batches."""
    config = ExactDedup(scope=scope, prefer=prefer)
    batch = batch_of(corpus)
    pieces = cut_at(batch, cuts)
    rng.shuffle(pieces)
    found = {row[ADDRESS]: row for row in patches(pieces, config, parts)}
    expected = survivors(batch.to_pylist(), [] if scope == "all" else scope, prefer)
    assert {address: (row["survivor"], row["cluster_size"]) for address, row in found.items()} == expected
    assert all(row["drop"] == (row["survivor"] != address) for address, row in found.items())
    assert all(row["similarity"] == 1 for row in found.values())
    assert sum(not row["drop"] for row in found.values()) == len({row["survivor"] for row in found.values()})


@given(CORPUS, CUTS, SCOPES)
def test_a_sketch_depends_on_the_row_alone(corpus: list[Any], cuts: list[int], scope: Any) -> None:
    """Sketching pieces gives the records of the whole, slices and ``string`` columns too."""
    config = ExactDedup(scope=scope, prefer=["books"])
    batch = batch_of(corpus)
    whole = sketch(batch, config)
    assert pa.concat_batches([sketch(piece, config) for piece in cut_at(batch, cuts)]) == whole
    place = batch.schema.get_field_index("text")
    narrow = batch.set_column(place, "text", batch.column("text").cast(pa.string()))
    assert sketch(narrow, config) == whole


def test_the_copy_of_the_preferred_source_stays() -> None:
    """Sources named first win; among equals the lowest address does."""
    corpus = [("a", "crawl", "en", None), ("a", "books", "en", None), ("a", "news", "en", None)] * 2
    cases: list[tuple[list[str], int]] = [([], 0), (["news"], 2), (["books", "news"], 1), (["unknown", "crawl"], 0)]
    for prefer, winner in cases:
        rows = patches([batch_of(corpus)], ExactDedup(prefer=prefer))
        base = documents([""]).column(ADDRESS)[0].as_py()
        assert {row["survivor"] - base for row in rows} == {winner}
        assert {row["cluster_size"] for row in rows} == {6}


def test_scope_columns_are_told_apart() -> None:
    """A value of one scope column is not taken for the same value of another."""
    rows = [("a", "news", "en", "zh"), ("a", "news", "zh", "en")]
    assert patches([batch_of(rows)], ExactDedup(scope=["language", "snapshot"])) == []
    assert len(patches([batch_of(rows)], ExactDedup(scope=["source"]))) == 2


def test_texts_that_look_alike_are_not_copies() -> None:
    """Composed and decomposed letters, spaces and controls differ: what is the same is decided by normalize."""
    assert patches([documents(["é", "e\u0301", "e", "e ", "e\0", "E", "\ufeffe"])], ExactDedup()) == []


def test_hostile_text_is_found_again() -> None:
    """Emoji, CJK, right-to-left, lone marks, NULs, empty texts and a row of 50 MB have copies like any other."""
    texts = [*ROWS, "x" * long_bytes()]
    rows = patches([documents(texts), documents(texts, number=2)], ExactDedup())
    assert len(rows) == 2 * len(texts)
    assert sum(row["drop"] for row in rows) == len(texts)
    assert {row["cluster_size"] for row in rows} == {2}


def test_a_last_byte_makes_a_difference() -> None:
    """Long rows that differ in their last byte are no copies."""
    long = "x" * long_bytes()
    assert patches([documents([long + "a", long + "b"])], ExactDedup()) == []


def test_a_million_copies() -> None:
    """Groups of any size are linked in one sort: what compares pairs would not end within the time of a test."""
    batch = documents(["copy"] * 1_000_000)
    rows = resolve(link(sketch(batch, ExactDedup()), ExactDedup()), ExactDedup())
    assert rows.column("drop").to_numpy(zero_copy_only=False).sum() == 999_999
    assert rows.column("cluster_size").unique().to_pylist() == [1_000_000]


def test_both_halves_of_the_key_count() -> None:
    """Records whose keys share 64 bits by chance are no copies."""
    halves = [(1, 1), (1, 2), (2, 1), (1, 2)]
    columns = {
        "key_high": np.array([high for high, _ in halves], np.uint64),
        "key_low": np.array([low for _, low in halves], np.uint64),
        ADDRESS: np.arange(4, dtype=np.uint64),
        "rank": np.zeros(4, np.uint16),
    }
    assert link(pa.RecordBatch.from_pydict(columns), ExactDedup()).column(ADDRESS).to_pylist() == [1, 3]


def test_nothing_in_nothing_out() -> None:
    """No documents, and no copies, give empty tables with all columns."""
    for batch in (documents([]), documents(["a", "b"])):
        relations = link(sketch(batch, ExactDedup()), ExactDedup())
        assert relations.num_rows == 0
        assert relations.schema == pa.schema(list(RELATION_COLUMNS.items()))
        assert resolve(relations, ExactDedup()).num_rows == 0


def test_the_contract_of_corpus_stages() -> None:
    """Sketches begin with the keys, patches have the declared columns, and rows go as ``duplicate``."""
    config = ExactDedup(scope=["snapshot"])
    batch = batch_of([("a", "news", "en", "x")] * 2)
    records = sketch(batch, config)
    assert dict(zip(records.schema.names, records.schema.types, strict=True)).items() >= SKETCH_KEYS.items()
    assert records.schema.names[: len(SKETCH_KEYS)] == list(SKETCH_KEYS)
    decided = resolve(link(records, config), config)
    assert decided.schema.names == [ADDRESS, "drop", "survivor", "similarity", *STAGE.columns(config)]
    assert [decided.schema.field(name).type for name in STAGE.columns(config)] == list(STAGE.columns(config).values())
    assert STAGE.rule == "duplicate"
    assert set(STAGE.reads(config)) == {"text", "source", "snapshot"}
    assert STAGE.reads(ExactDedup(scope=["source"])) == ("text", "source")


def test_a_misspelt_setting_is_refused() -> None:
    """Unknown keys are an error; a scope is ``all`` or columns."""
    with pytest.raises(ValidationError):
        ExactDedup(scpoe="all")  # type: ignore[call-arg]  # that is the mistake
    with pytest.raises(ValidationError):
        ExactDedup(scope="source")  # type: ignore[arg-type]  # a list is meant
