"""Repeated lines and paragraphs are cut where they are not the first, and nothing else is."""

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

from stages.contract import ADDRESS, SKETCH_KEYS, SPAN_COLUMNS, CorpusStage
from stages.dedup import line_dedup, paragraph_dedup
from stages.dedup.repeated_spans import RepeatedSpans
from tests.batches import CUTS, cut_at, documents
from tests.reference.segments import spans_to_cut
from tests.stages.hostile import ROWS, long_bytes

STAGES = [line_dedup.STAGE, paragraph_dedup.STAGE]
LINE = st.sampled_from(["Menu", "menu!", "Page 1", "page 2", "", " ", "só", "中文。", "x"])
ROW = st.tuples(
    st.lists(LINE, max_size=6).map("\n".join), st.sampled_from(["news", "crawl"]), st.sampled_from([None, "a", "b"])
)
SETTINGS = st.builds(
    RepeatedSpans,
    scope=st.sampled_from([None, "all", ["source"], ["source", "snapshot"]]),
    compare=st.sampled_from(["folded", "exact"]),
    min_characters=st.integers(1, 4),
    copies=st.integers(2, 3),
    keep=st.sampled_from(["first", "none"]),
    prefer=st.sampled_from([[], ["crawl"]]),
)


def batch_of(rows: Sequence[tuple[str, str, str | None]]) -> pa.RecordBatch:
    texts, sources, snapshots = (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [])
    return documents(texts, source=sources, snapshot=pa.array(snapshots, pa.string()))


def patches(stage: CorpusStage, batches: Sequence[pa.RecordBatch], config: Any, parts: int = 1) -> list[dict[str, Any]]:
    """What the stage decides, by address and place; records are linked in ``parts`` groups that tear no key."""
    sketches = [stage.sketch(batch, config) for batch in batches]
    records = pa.concat_batches([sketch for sketch in sketches if isinstance(sketch, pa.RecordBatch)])
    ranges = records.column("key_high").to_numpy() % np.uint64(parts)
    spans = pa.concat_batches([stage.link(records.filter(pa.array(ranges == part)), config) for part in range(parts)])
    order = np.lexsort([spans.column(name).to_numpy() for name in ("start", ADDRESS)])
    rows: list[dict[str, Any]] = stage.resolve(spans.take(pa.array(order)), config).to_pylist()
    return rows


def cut(stage: CorpusStage, texts: Sequence[str], **settings: Any) -> list[str]:
    """The texts as the engine leaves them."""
    batch = documents(texts)
    base = batch.column(ADDRESS)[0].as_py()
    left = [text.encode() for text in texts]
    for patch in reversed(patches(stage, [batch], stage.config(**settings))):
        row = patch[ADDRESS] - base
        left[row] = left[row][: patch["start"]] + left[row][patch["end"] :]
    return [text.decode() for text in left]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.kind)
@given(
    rows=st.lists(ROW, max_size=12),
    cuts=CUTS,
    settings=SETTINGS,
    parts=st.integers(1, 3),
    rng=st.randoms(use_true_random=False),
)
def test_the_slow_twin_cuts_the_same(
    stage: CorpusStage, rows: list[Any], cuts: list[int], settings: RepeatedSpans, parts: int, rng: random.Random
) -> None:
    """Spans and whose copy stays are as a dictionary says, for all settings, cuts and orders of batches."""
    batch = batch_of(rows)
    pieces = cut_at(batch, cuts)
    rng.shuffle(pieces)
    found = patches(stage, pieces, settings, parts)
    scope = settings.scope if isinstance(settings.scope, list) else []
    by_paragraph = stage.kind == "paragraph_dedup"
    expected = spans_to_cut(batch.to_pylist(), by_paragraph=by_paragraph, scope=scope, settings=settings)
    assert {(row[ADDRESS], row["start"], row["end"], row["survivor"]) for row in found} == expected
    assert len(found) == len(expected)
    assert not any(row["drop"] for row in found)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.kind)
def test_hostile_text(stage: CorpusStage) -> None:
    """Emoji, CJK, right-to-left, lone marks, NULs, empty rows and a row of 50 MB are cut like any other."""
    texts = [*ROWS, "x" * long_bytes()]
    batches = [documents(texts), documents(texts, number=2)]
    found = patches(stage, batches, RepeatedSpans(compare="exact"))
    worded = [text for text in texts if text.strip(" \t\n\v\f\r")]
    assert {row[ADDRESS] for row in found} >= {
        address for text, address in zip(texts, batches[1].column(ADDRESS).to_pylist(), strict=True) if text in worded
    }
    assert all(row["end"] > row["start"] for row in found)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.kind)
def test_the_contract(stage: CorpusStage) -> None:
    """Sketches begin with the keys, spans have the declared columns, nothing in gives nothing out."""
    config = RepeatedSpans(scope=["snapshot"])
    for rows in ([], [("a", "news", "x")] * 2):
        records = stage.sketch(batch_of(rows), config)
        assert isinstance(records, pa.RecordBatch)
        assert records.schema.names[: len(SKETCH_KEYS)] == list(SKETCH_KEYS)
        spans = stage.link(records, config)
        assert spans.schema == pa.schema(list(SPAN_COLUMNS.items()))
        assert stage.resolve(spans, config).num_rows == len(rows) // 2
    assert set(stage.reads(config)) == {"text", "source", "snapshot"}
    assert stage.rule == "nothing_left" and stage.cut


def test_a_misspelt_setting_is_refused() -> None:
    """Unknown keys and impossible numbers are errors."""
    for settings in ({"scpoe": "all"}, {"copies": 1}, {"min_characters": 0}, {"compare": "ccnet"}):
        with pytest.raises(ValidationError):
            line_dedup.LineDedup(**settings)
