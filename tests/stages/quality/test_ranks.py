"""The fit ranks: the share of documents below a value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.contract import SIGNAL
from stages.quality.ranks import STAGE, Ranks, RankTable, finish, read_ranks
from tests.batches import documents

CONFIG = Ranks.model_validate({"signal": "quality.score"})


def fitted(values: list[float | None], folder: Path) -> RankTable:
    batch = documents([f"text {n}" for n in range(len(values))])
    table = STAGE.summarize(batch.append_column(SIGNAL, pa.array(values, pa.float64())), CONFIG)
    (folder / "ranks.json").write_bytes(finish(STAGE.merge([table], CONFIG), CONFIG))
    return read_ranks(str(folder / "ranks.json"))


@given(values=st.lists(st.integers(0, 30).map(float), min_size=1, max_size=300))
def test_ranks_are_shares_below(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Equal documents have half of themselves below; within the coarseness of the table."""
    table = fitted([*values], tmp_path_factory.mktemp("ranks"))
    data = np.array(values)
    asked = np.array([-1.0, *range(31), 99.0])
    exact = [((data < value).mean() + (data <= value).mean()) / 2 for value in asked]
    assert table.ranks(asked) == pytest.approx(exact, abs=1e-3)
    assert table.ranks(asked)[[0, -1]].tolist() == [0, 1]


def test_null_values_do_not_count(tmp_path: Path) -> None:
    """And where there are only such, there is no table."""
    assert fitted([None, 1.0, None, 3.0], tmp_path).ranks(np.array([2.0]))[0] == pytest.approx(0.5, abs=1e-3)
    with pytest.raises(ValueError, match=r"no document has a value of quality\.score"):
        fitted([None], tmp_path)


def test_another_file_is_refused(tmp_path: Path) -> None:
    """With what was expected."""
    (tmp_path / "other.json").write_text('{"value": 3}')
    with pytest.raises(ValueError, match="no table of ranks; expected the artifact of a fit `ranks`"):
        read_ranks(str(tmp_path / "other.json"))
