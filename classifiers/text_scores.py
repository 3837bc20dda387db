"""Scores of texts by a fastText model, each text made ready the way the model's authors did it.

* ``plain``: the whole text as one line, words as fastText parts them (ASCII white space and NUL). So the library reads
  a text whose line feeds were replaced with spaces, as Dolma's taggers of hate speech and adult text do it.
* ``dclm``: ``" ".join(text.strip().splitlines())``, as DCLM's code does for its OpenHermes and ELI5 model
  (mlfoundations/dclm, ``quality_prediction_enrichers_calc_fasttext.py``). It differs from ``plain`` at separators
  like U+2028 and U+0085, and at odd spaces at the ends of a text.
* ``dolma``: words between any white space of Unicode, as Dolma 1.7's quality model has it (allenai/dolma,
  ``taggers/quality.py``: ``Strip`` and ``WhitespaceSplit`` of the tokenizers library).
* ``glotlid``: the text as it is; its README hands it to ``predict`` unchanged (cisnlp/GlotLID). The same as ``plain``.
* ``fasttext_lines``: every line by itself, as a model that was trained on lines expects; the text's score is the mean
  over its lines, weighted with their bytes that are not white space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifiers.fasttext_model import FastText
from stages.kernels.arrow_text import TextView, text_array, text_view
from stages.kernels.one_line import PYTHON_LINES, UNICODE_SPACES, one_line

Int64s = npt.NDArray[np.int64]
Preparation = Literal["plain", "dclm", "dolma", "glotlid", "fasttext_lines"]

_WAYS = {"dclm": PYTHON_LINES, "dolma": UNICODE_SPACES}
_LINE_FEED = 0x0A
_SPACES = np.zeros(256, np.bool_)
_SPACES[[0, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20]] = True


def prepared(texts: pa.Array, preparation: Preparation) -> TextView:
    """The texts' bytes as the model is to read them, rows where they were."""
    data, offsets = text_view(texts)
    if preparation in _WAYS:
        data = one_line(data, offsets, _WAYS[preparation])
    return TextView(data, offsets)


def prepared_array(texts: pa.Array, preparation: Preparation) -> pa.Array:
    """The same as an array, to train with."""
    data, offsets = prepared(texts, preparation)
    return text_array(data[offsets[0] : offsets[-1]], offsets - offsets[0])


@dataclass(frozen=True)
class Scorer:
    """A model that scores texts, made ready the way that it wants them."""

    model: FastText

    @property
    def labels(self) -> tuple[str, ...]:
        return self.model.labels

    def probabilities(
        self, data: npt.NDArray[np.uint8], starts: Int64s, ends: Int64s, labels: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """float64[rows, labels] of the rows ``data[starts[i]:ends[i]]``; 0 where the model knows nothing of a row.

        Raises KeyError for a label that the model does not have.
        """
        return self.model.probabilities(data, np.stack([starts, ends], axis=1).reshape(-1, 1, 2), labels)

    def scores(
        self, texts: pa.Array, labels: Sequence[str], preparation: Preparation = "plain"
    ) -> npt.NDArray[np.float64]:
        """:meth:`probabilities` of texts, made ready as it is said."""
        view = prepared(texts, preparation)
        if preparation == "fasttext_lines":
            return _line_means(self, view, labels)
        return self.probabilities(view.data, view.offsets[:-1], view.offsets[1:], labels)


def _line_means(scorer: Scorer, view: TextView, labels: Sequence[str]) -> npt.NDArray[np.float64]:
    rows, starts, ends, weights = _lines(view)
    found = scorer.probabilities(view.data, starts, ends, labels)
    total = np.bincount(rows, weights, len(view.offsets) - 1)
    sums = [np.bincount(rows, found[:, label] * weights, len(total)) for label in range(len(labels))]
    return np.stack([np.divide(one, total, out=np.zeros(len(total)), where=total > 0) for one in sums], axis=1)


def _lines(view: TextView) -> tuple[npt.NDArray[np.int64], ...]:
    """Row, start, end and weight of every line that is not blank: int64[lines] each. O(bytes)."""
    first, last = int(view.offsets[0]), int(view.offsets[-1])
    breaks = np.flatnonzero(view.data[first:last] == _LINE_FEED) + (first + 1)
    bounds = np.unique(np.concatenate([view.offsets, breaks]))
    starts, ends = bounds[:-1], bounds[1:]
    if not len(starts):
        return starts, starts, ends, starts
    solid = (~_SPACES[view.data[first:last]]).view(np.uint8)
    weights = np.add.reduceat(solid, starts - first, dtype=np.int64)
    rows = np.searchsorted(view.offsets, starts, side="right") - 1
    kept = weights > 0
    return rows[kept], starts[kept], ends[kept], weights[kept]
