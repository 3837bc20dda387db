"""Where the documents' values of a signal lie: a table that turns a value into the share of documents below it.

Scores of different classifiers cannot be compared, their ranks can (Su et al. 2024, arXiv 2412.02595, section 3). The
stage ``ensemble`` takes tables as ``ranks``. The sample is that of ``percentile``: 200,000 documents by the hash of
their content, the same for any partitioning; a rank is off by less than 0.003 at 95 % confidence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stages.contract import FitConfig, FitStep
from stages.quality import percentile

POINTS = 2001
"""Values in a table, at equal shares of documents."""


class Ranks(FitConfig):
    """Settings of ``ranks``."""

    signal: str
    """The signal, as ``stage.signal``: that stage of this recipe measures it, its rules are not applied."""


@dataclass(frozen=True)
class RankTable:
    """``values``: float64[points], ascending; at place k lies the share k / (points − 1) of documents below."""

    values: npt.NDArray[np.float64]

    def ranks(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """float64[n] in 0 to 1: the share of documents below each value, half of those that are equal to it."""
        low, high = (np.searchsorted(self.values, values, side) for side in ("left", "right"))
        return np.clip((low + high - 1) / (2 * (len(self.values) - 1)), 0, 1)


def finish(table: pa.Table, config: Ranks, model: None = None) -> bytes:
    """JSON with the table; ValueError if no document had the signal."""
    if not table.num_rows:
        raise ValueError(f"no document has a value of {config.signal}")
    found = np.quantile(table.column("value").to_numpy(), np.linspace(0, 1, POINTS), method="inverted_cdf")
    facts = {"signal": config.signal, "documents": table.num_rows, "values": np.round(found, 4).tolist()}
    return json.dumps(facts, sort_keys=True).encode()


def read_ranks(path: str) -> RankTable:
    """The table in a file that the fit step has made. Raises ValueError for another file."""
    try:
        with open(path, "rb") as stream:
            values = np.array(json.load(stream)["values"], np.float64)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: no table of ranks; expected the artifact of a fit `ranks`") from error
    return RankTable(values)


STAGE = FitStep(
    kind="ranks",
    version=1,
    config=Ranks,
    summarize=percentile.STAGE.summarize,
    merge=percentile.STAGE.merge,
    finish=finish,
    signal=lambda config: config.signal,
    reads=("content_hash",),
)
