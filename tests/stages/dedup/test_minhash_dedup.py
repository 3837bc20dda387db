"""Near-duplicates: what a sketch holds, who survives, and that nothing depends on how rows come."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.contract import ADDRESS, BAND_COLUMNS, CANDIDATE_COLUMNS, Sketch
from stages.dedup.minhash_dedup import (
    STAGE,
    MinHashDedup,
    comparable,
    forecast,
    link,
    shape,
    similarity,
    sketch,
    threshold,
)
from stages.kernels.claims import claim
from tests.batches import CUTS, cut_at, documents
from tests.reference.shingles import jaccard
from tests.stages.hostile import ROWS, TEXT, long_bytes

WORDS = [f"w{k}" for k in range(300)]
CONFIGS = st.sampled_from(
    [
        MinHashDedup(),
        MinHashDedup(preset="nemo"),
        MinHashDedup(verify="exact", bands=3, rows=2, ngram=2, scope=["source"]),
        MinHashDedup(short="skip", survivor=["newest", "longest"], prefer=["books"], scope=["source", "language"]),
    ]
)


def prose(count: int, seed: int) -> list[str]:
    return random.Random(seed).choices(WORDS, k=count)


def edited(words: Sequence[str], changes: int, seed: int) -> str:
    draw = random.Random(seed)
    out = list(words)
    for place in draw.sample(range(len(out)), changes):
        out[place] = "changed"
    return " ".join(out)


def decided(batches: Sequence[pa.RecordBatch], config: MinHashDedup) -> dict[int, int]:
    """Ordinal of every row in a cluster → that of its survivor: what the engine does, in one place."""
    sketches = [sketch(batch, config) for batch in batches]
    records = pa.concat_batches([one.records for one in sketches])
    signed = pa.concat_batches([one.signatures for one in sketches])
    signed = signed.take(pa.array(np.argsort(signed.column(ADDRESS).to_numpy())))
    order = np.lexsort([records.column(ADDRESS).to_numpy(), records.column("key").to_numpy()])
    edges = link(records.take(pa.array(order)), config)
    address, rank = signed.column(ADDRESS).to_numpy(), signed.column("rank").to_numpy()
    centre, member = (np.searchsorted(address, edges.column(name).to_numpy()) for name in CANDIDATE_COLUMNS)
    alike = similarity(signed.take(pa.array(member)), signed, centre, config)
    kept = alike >= np.float32(threshold(config))
    owner = claim(centre[kept], member[kept], np.lexsort([address, rank]))
    sizes = np.bincount(owner, minlength=len(owner))
    base = documents([""]).column(ADDRESS)[0].as_py()
    numbers = (address - np.uint64(base)).tolist()
    return {numbers[row]: numbers[own] for row, own in enumerate(owner.tolist()) if sizes[own] > 1}


@given(st.lists(TEXT | st.text("ab ", max_size=30), max_size=12), CUTS, CONFIGS)
@settings(max_examples=40)
def test_a_sketch_depends_on_the_row_alone(texts: list[str], cuts: list[int], config: MinHashDedup) -> None:
    """Sketching pieces gives the records and signatures of the whole, slices and ``string`` columns too."""
    batch = documents(texts)
    whole = sketch(batch, config)
    pieces = [sketch(piece, config) for piece in cut_at(batch, cuts)]
    assert pa.concat_batches([piece.records for piece in pieces]) == whole.records
    assert pa.concat_batches([piece.signatures for piece in pieces]) == whole.signatures
    place = batch.schema.get_field_index("text")
    assert sketch(batch.set_column(place, "text", batch.column("text").cast(pa.string())), config) == whole


@given(st.lists(TEXT | st.text("ab ", max_size=30), max_size=12), CONFIGS)
@settings(max_examples=40)
def test_the_contract_of_sketches(texts: list[str], config: MinHashDedup) -> None:
    """Columns and types as declared; a signature for every document with records, and ranks leave the highest bit."""
    records, signed = sketch(documents(texts), config)
    assert dict(zip(records.schema.names, records.schema.types, strict=True)) == dict(BAND_COLUMNS)
    assert signed.schema.names[:2] == [ADDRESS, "rank"]
    assert set(records.column(ADDRESS).to_pylist()) == set(signed.column(ADDRESS).to_pylist())
    by_row = dict(zip(records.column(ADDRESS).to_pylist(), records.column("rank").to_pylist(), strict=True))
    assert by_row == dict(zip(signed.column(ADDRESS).to_pylist(), signed.column("rank").to_pylist(), strict=True))
    assert all(rank < 2**63 for rank in by_row.values())
    if config.verify != "exact":
        item = pa.field("item", pa.uint32(), nullable=False)
        assert signed.schema.field("lanes").type == pa.list_(item, shape(config).lanes)
    else:
        assert signed.schema.field("shingles").type == pa.large_list(pa.uint64())
        assert all(row == sorted(set(row)) for row in signed.column("shingles").to_pylist())


def test_edited_copies_go_and_the_longest_stays() -> None:
    """Case, punctuation and line breaks do not count; a few changed words are near, other text is not."""
    words = prose(200, 1)
    texts = [
        edited(words, 1, 2),
        " ".join(words) + " end",
        "\n".join(words).upper(),
        " ".join(prose(200, 3)),
        ", ".join(words),
    ]
    longest = max((0, 1, 2, 4), key=lambda row: len(texts[row]))
    for verify in ("estimate", "exact"):
        found = decided([documents(texts)], MinHashDedup(verify=verify))
        assert found == dict.fromkeys((0, 1, 2, 4), longest)


def test_survivors_by_policy() -> None:
    """A preferred source, the newest, a score, or the first: each stays when asked for."""
    words = prose(100, 4)
    batch = documents(
        [" ".join(words)] * 3,
        source=["crawl", "books", "news"],
        date=pa.array(["2020-01-01", None, "2024-01-01"]),
        score=pa.array([0.1, 0.2, 0.15]),
    )
    cases: list[tuple[dict[str, Any], int]] = [
        ({}, 0),
        ({"prefer": ["news"]}, 2),
        ({"survivor": ["newest"]}, 2),
        ({"survivor": ["oldest"]}, 0),
        ({"survivor": ["score"]}, 1),
        ({"survivor": ["longest", "-score"]}, 0),
        ({"survivor": ["newest"], "prefer": ["books"]}, 1),
        ({"survivor": ["newest", "prefer"], "prefer": ["books"]}, 2),
    ]
    for changes, survivor in cases:
        assert decided([batch], MinHashDedup(**changes)) == dict.fromkeys(range(3), survivor), changes


def test_scopes_are_kept_apart() -> None:
    """Copies of another source or language are not looked at, short ones neither."""
    batch = documents([" ".join(prose(50, 5)), "a b"] * 2, source=["a", "a", "b", "b"])
    assert decided([batch], MinHashDedup(scope="all")) == {0: 0, 2: 0, 1: 1, 3: 1}
    assert decided([batch], MinHashDedup(scope=["source"])) == {}
    assert decided([batch], MinHashDedup(scope=["language"])) == {0: 0, 2: 0, 1: 1, 3: 1}


def test_short_documents_are_compared_for_equality() -> None:
    """Fewer units than a shingle: equal units are copies, near ones are not; without a unit nothing is."""
    texts = ["Hello, world!", "hello world", "hello worlds", "hello", "!", "?", "", "", "中文", "中 文。", "a b c d e"]
    for verify in ("estimate", "exact", "none"):
        assert decided([documents(texts)], MinHashDedup(verify=verify)) == {0: 0, 1: 0, 8: 9, 9: 9}
    assert decided([documents(texts)], MinHashDedup(short="skip")) == {}


def test_verification_keeps_apart_what_only_shares_a_key() -> None:
    """With one row to a band half of the text makes a candidate: without verification it goes, with it it stays."""
    words = prose(200, 6)
    batch = documents([" ".join(words), " ".join(words[:100] + prose(100, 7)) + " longer"])
    assert decided([batch], MinHashDedup(bands=112, rows=1, verify="none")) == {0: 1, 1: 1}
    assert decided([batch], MinHashDedup(bands=112, rows=1)) == {}
    assert decided([batch], MinHashDedup(bands=112, rows=1, verify="exact")) == {}


def test_exact_similarity_is_the_true_one() -> None:
    """In exact mode similarities are those of the sets of shingles, and the threshold cuts at them."""
    words = prose(300, 8)
    texts = [" ".join(words), *(edited(words, changes, changes) for changes in (2, 5, 9))]
    config = MinHashDedup(verify="exact")
    signed = sketch(documents(texts), config).signatures
    found = similarity(signed.slice(1), signed, np.zeros(3, np.int64), config)
    expected = np.array([jaccard(texts[0], text, 5) for text in texts[1:]], np.float32)
    assert found.tolist() == expected.tolist()
    assert similarity(signed, signed.slice(1), np.zeros(4, np.int64), config)[0] == expected[0]
    at = float(expected[1])
    for value, kept in (
        (at, 2),
        (np.nextafter(np.float32(at), np.float32(1)), 1),
        (np.nextafter(np.float32(at), np.float32(0)), 2),
    ):
        limit = MinHashDedup(verify="exact", threshold=float(value))
        assert int((found >= np.float32(threshold(limit))).sum()) == kept


def test_hostile_text_is_found_again() -> None:
    """Emoji, CJK, right-to-left, lone marks, NULs and a row of 50 MB have copies like any other."""
    long = "x " * (long_bytes() // 2)
    batches = [documents([*ROWS, long]), documents([*ROWS, long], number=2)]
    found = decided(batches, MinHashDedup())
    with_units = [row for row in [*ROWS, long] if any(character.isalnum() for character in row)]
    assert len(found) == 2 * len(with_units)
    assert len(set(found.values())) == len(with_units)


@pytest.mark.compiled
def test_copies_by_the_hundred_thousand() -> None:
    """One cluster, in one link of linear time."""
    batch = documents([" ".join(prose(20, 9))] * 100_000)
    assert set(decided([batch], MinHashDedup()).values()) == {0}


def test_nothing_in_nothing_out() -> None:
    """No documents give empty tables with all columns, in every mode."""
    for verify in ("estimate", "exact"):
        config = MinHashDedup(verify=verify)
        found = sketch(documents([]), config)
        assert isinstance(found, Sketch)
        assert found.records.num_rows == found.signatures.num_rows == link(found.records, config).num_rows == 0
        assert similarity(found.signatures, found.signatures, np.zeros(0, np.int64), config).tolist() == []


def test_shapes() -> None:
    """A preset fills in what is not said; a target chooses bands as datasketch does."""
    cases: list[tuple[dict[str, Any], tuple[Any, ...]]] = [
        ({}, (14, 8, 5, "auto")),
        ({"preset": "nemo"}, (20, 13, 24, "characters")),
        ({"preset": "nemo", "ngram": 13, "rows": 9}, (20, 9, 13, "characters")),
        ({"target": 0.8}, (9, 12, 5, "auto")),
        ({"shingles": "words"}, (14, 8, 5, "words")),
    ]
    for changes, expected in cases:
        form = shape(MinHashDedup(**changes))
        assert (form.bands, form.rows, form.ngram, form.shingles) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"target": 0.8, "bands": 3},
        {"survivor": ["first", "longest"]},
        {"survivor": ["a", "b", "c", "d", "e"]},
        {"threshold": 1.1},
        {"bands": 0},
        {"preset": "c4"},
        {"treshold": 0.7},
    ],
)
def test_settings_that_contradict_are_refused(changes: dict[str, Any]) -> None:
    """A target beside bands, criteria after the last word, impossible numbers, misspelt keys."""
    with pytest.raises(ValidationError):
        MinHashDedup(**changes)


def test_what_is_read() -> None:
    """Text, scope, and what the criteria name; signals apart."""
    config = MinHashDedup(scope=["language"], survivor=["word_count.words", "score"], prefer=["books"])
    assert STAGE.reads(config) == ("text", "source", "score", "content_hash", "language")
    assert STAGE.signals(config) == ("word_count.words",)
    assert STAGE.reads(MinHashDedup()) == ("text", "content_hash")


def test_what_sketches_have_to_agree_in() -> None:
    """Shape, seed and scope, and not what is decided afterwards."""
    same = [MinHashDedup(), MinHashDedup(threshold=0.7, survivor=["first"], verify="none", bands=14)]
    assert comparable(same[0]) == comparable(same[1])
    others: list[dict[str, Any]] = [
        {"seed": 1},
        {"rows": 7},
        {"verify": "exact"},
        {"short": "skip"},
        {"scope": ["source"]},
    ]
    for changes in others:
        assert comparable(MinHashDedup(**changes)) != comparable(same[0])


def test_the_forecast() -> None:
    """The curve of the settings, with verification where that is an estimate."""
    assert forecast(MinHashDedup())[:4] == [
        "compared: all rows",
        "5-grams of words, characters in scripts without spaces, as FineWeb (Penedo et al. 2024)",
        "14 bands × 8 rows = 112 lanes, steepest at 0.72",
        "similarity  candidate  verified ≥ 0.8",
    ]
    assert forecast(MinHashDedup(preset="nemo", verify="exact", bands=20, rows=8, scope=["source"]))[:4] == [
        "compared: rows of the same source",
        "24-grams of characters",
        "20 bands × 8 rows = 160 lanes, steepest at 0.69",
        "similarity  candidate",
    ]
