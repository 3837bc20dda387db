"""A percentile is the same number for any partitioning, and exact while all values fit."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stages.contract import SIGNAL
from stages.kernels.hashing import u64_to_binary
from stages.quality import percentile
from stages.quality.percentile import STAGE, Percentile, finish, merge, summarize, value
from tests.batches import CUTS, cut_at, documents

VALUES = st.lists(st.none() | st.integers(-50, 50) | st.floats(-1e6, 1e6), max_size=40)
QUANTILES = st.sampled_from([0.0, 1.0, 0.5]) | st.floats(0, 1)


def config(quantile: float = 0.5) -> Percentile:
    return Percentile.model_validate({"signal": "length.words", "quantile": quantile})


def measured(values: Sequence[float | None], number: int = 1, text: str = "t") -> pa.RecordBatch:
    """Documents with a signal; every third is a copy of the one before."""
    texts = [f"{text}{i - (i % 3 == 2)}" for i in range(len(values))]
    batch = documents(texts, number=number)
    return batch.append_column(SIGNAL, pa.array(values, pa.float64()))


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


@pytest.mark.parametrize("sample", [3, 200_000])
@given(VALUES, VALUES, CUTS, st.randoms(use_true_random=False))
def test_merge_in_any_order_and_grouping(
    sample: int, one: list[float | None], other: list[float | None], cuts: list[int], rng: random.Random
) -> None:
    """Summaries of any cut, merged in any order and grouping, are the same bytes as the summary of everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(percentile, "SAMPLE", sample)
        batches = [measured(one), measured(other, number=2)]
        whole = merge([summarize(pa.concat_batches(batches), config())], config())
        parts = [summarize(piece, config()) for batch in batches for piece in cut_at(batch, cuts)]
        rng.shuffle(parts)
        at = rng.randint(1, len(parts))
        grouped = [merge(parts[:at], config()), *parts[at:]]
        assert written(merge(grouped, config())) == written(merge(parts, config())) == written(whole)
        assert whole.num_rows == min(sample, sum(value is not None for value in [*one, *other]))


@given(VALUES.filter(lambda values: any(value is not None for value in values)), QUANTILES)
def test_exact_while_all_values_fit(values: list[float | None], quantile: float) -> None:
    """Up to 200,000 documents the value is the exact lower quantile: at most that share lies below it."""
    artifact = finish(summarize(measured(values), config(quantile)), config(quantile))
    present = sorted(value for value in values if value is not None)
    found = value(artifact, config(quantile))
    assert found == np.quantile(present, quantile, method="lower")
    assert sum(each < found for each in present) <= quantile * len(present)
    assert json.loads(artifact)["documents"] == len(present)


def test_the_sample_is_of_the_smallest_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the sample's size the documents with the smallest content hash are kept, ties by address."""
    monkeypatch.setattr(percentile, "SAMPLE", 3)
    hashes = np.array([9, 1, 5, 1, 7], np.uint64)
    batch = measured([0, 1, 2, 3, 4])
    place = batch.schema.get_field_index("content_hash")
    batch = batch.set_column(place, "content_hash", u64_to_binary(hashes, np.zeros(5, np.uint64)))
    assert summarize(batch, config()).column("value").to_pylist() == [1, 3, 2]


def test_a_sample_of_many_is_close() -> None:
    """Of 1,000,000 documents the median's rank is off by less than 0.25 points, as 200,000 samples promise."""
    count = 1_000_000
    numbers = np.random.default_rng(3).permutation(count).astype(np.float64)
    hashes = np.random.default_rng(4).integers(0, 2**64, count, np.uint64, endpoint=False)
    columns = {
        "_address": np.arange(count, dtype=np.uint64),
        "content_hash": u64_to_binary(hashes, hashes),
        SIGNAL: numbers,
    }
    batch = pa.RecordBatch.from_pydict(columns)
    table = merge([summarize(batch.slice(start, 250_000), config()) for start in range(0, count, 250_000)], config())
    assert table.num_rows == percentile.SAMPLE
    assert abs(value(finish(table, config()), config()) / count - 0.5) < 0.0025


def test_no_value_at_all_is_an_error() -> None:
    """Where no document has the signal there is no threshold, and the error names the signal."""
    for values in ([], [None, None]):
        with pytest.raises(ValueError, match=r"no document has a value of length\.words"):
            finish(summarize(measured(values), config()), config())


def test_whole_numbers_are_fine() -> None:
    """An integer signal gives the number as it is."""
    batch = documents(["a", "b", "c"]).append_column(SIGNAL, pa.array([7, None, 9], pa.int64()))
    assert value(finish(summarize(batch, config(1.0)), config(1.0)), config(1.0)) == 9.0


def test_the_artifact_says_what_it_is() -> None:
    """The artifact is JSON with the value, the signal, the quantile and how many documents were looked at."""
    artifact = finish(summarize(measured([1.0, 2.0, 3.0]), config(0.5)), config(0.5))
    assert json.loads(artifact) == {"documents": 3, "quantile": 0.5, "signal": "length.words", "value": 2.0}
    assert STAGE.signal(config()) == "length.words"


@pytest.mark.parametrize("quantile", [-0.1, 1.1])
def test_a_quantile_is_a_share(quantile: float) -> None:
    """A quantile below 0 or above 1 is refused."""
    with pytest.raises(ValidationError):
        config(quantile)
