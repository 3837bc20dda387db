"""Batches: what is a target, where documents begin, the order of samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.tokens.mix import Sequence
from tests.trainer.mixes import small_mix
from trainer.data import PADDING, Loader, collate
from trainer.loss import IGNORED


def test_targets_stay_within_a_document() -> None:
    """The last token of a piece has no target; padding is a document of its own without targets."""
    tokens, none = np.array([5, 6, 9, 7, 9], np.uint32), np.zeros(2, np.int64)
    batch = collate([Sequence(tokens, np.array([0, 3, 5]), none, none, 0)], 6)
    assert batch.ids.tolist() == [[5, 6, 9, 7, 9, 0]]
    assert batch.targets.tolist() == [[6, 9, IGNORED, 9, IGNORED, IGNORED]]
    assert batch.documents.tolist() == [[0, 0, 0, 1, 1, PADDING]]
    assert batch.positions.tolist()[0][:5] == [0, 1, 2, 0, 1]
    assert batch.tokens == 3


def test_a_full_sequence_ends_with_a_target() -> None:
    """Of sequence_length + 1 tokens the last one is a target and no input."""
    tokens, none = np.arange(5, dtype=np.uint32), np.zeros(1, np.int64)
    batch = collate([Sequence(tokens, np.array([0, 5]), none, none, 0)], 4)
    assert (batch.ids.tolist(), batch.targets.tolist()) == ([[0, 1, 2, 3]], [[1, 2, 3, 4]])


def test_a_loader_goes_on_where_another_stopped(tmp_path: Path) -> None:
    """The number of consumed samples is all the state: from there on the batches are the same."""
    reader = small_mix(tmp_path).reader()
    loader = Loader(reader, 4)
    batches = [loader.next() for _ in range(6)]
    assert loader.state == {"seed": 0, "consumed": 24}
    later = Loader(reader, 4, consumed=12)
    for batch in batches[3:]:
        assert all(a.equal(b) for a, b in zip(later.next(), batch, strict=True))
    with pytest.raises(IndexError):
        Loader(reader, 4, consumed=reader.sequences - 3).next()
