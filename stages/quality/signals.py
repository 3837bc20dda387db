"""Measures everything that published filters look at, and drops only what the recipe says.

The signals are those of Gopher, C4 and FineWeb and the document statistics of RedPajama-Data v2 (Weber et al. 2024,
arXiv 2411.12372), as :mod:`stages.kernels.document_signals`, :mod:`stages.kernels.repetition` and
:mod:`stages.kernels.line_signals` define them. They are stored for every document, so that thresholds can be chosen
afterwards, by ``whatif`` or from quantiles, without reading the text again.

Every signal has two thresholds, ``min_…`` and ``max_…``, both switched off unless given; a document outside is dropped
as ``…_too_low`` or ``…_too_high``. Where a paper and its released code disagree, the signal follows the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa
from pydantic import create_model, field_validator, model_validator

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels import line_signals as columns
from stages.kernels import repetition as repeated
from stages.kernels.arrow_text import TextView, text_view
from stages.kernels.document_signals import COUNTS, FURTHER, GOPHER, Signal, document_signals, ratio
from stages.kernels.word_spans import WordSpans
from stages.kernels.word_types import WordTypes
from stages.quality.bounds import refuse_empty_ranges
from stages.quality.stop_word_list import StopWords, checked, libraries, word_table

LINES: Mapping[str, str] = {
    "lines": "Lines that are not blank.",
    "line_end_fraction": "Lines that end with what ends sentences in some script, of those that are not blank.",
    "short_line_fraction": "Lines of at most 30 characters, of those that are not blank.",
    "repeated_line_character_fraction": "Characters of lines that an earlier line is equal to, of all but line feeds.",
    "javascript_lines": "Lines that hold `javascript`.",
    "policy_lines": "Lines that hold a phrase of cookie notices or terms of use.",
    "curly_bracket_lines": "Lines that hold `{`.",
}
"""Signal → what it is: lines as the filters of C4 and FineWeb see them."""
_LINE_COUNTS: Mapping[str, int] = {
    "lines": columns.LINES,
    "javascript_lines": columns.JAVASCRIPTS,
    "policy_lines": columns.POLICIES,
    "curly_bracket_lines": columns.CURLY_BRACKETS,
}

REPETITION: Mapping[str, str] = {
    name: f"{name.replace('_', ' ').capitalize()}, as in `gopher_repetition`." for name in repeated.SIGNALS
}

SIGNALS: Mapping[str, str] = {**GOPHER, **FURTHER, **LINES, **REPETITION}
"""Every signal and what it is."""


class SignalSettings(StageConfig):
    """What :data:`SignalsConfig` has besides two thresholds for each signal."""

    stop_words: StopWords = measure("en")
    """The stop words, each one word; or the code of a language, for its list in stopwords-iso; or ``null``: none."""

    _stop_words_are_words = field_validator("stop_words")(checked)

    @model_validator(mode="after")
    def _some_document_can_stay(self) -> Self:
        refuse_empty_ranges(self, *SIGNALS)
        return self

    def threshold(self, end: str, signal: str) -> Threshold:
        """What the field of that end (``min``, ``max``) says of a signal."""
        value: Threshold = getattr(self, f"{end}_{signal}")
        return value


def _fields() -> dict[str, Any]:
    """A field for each end of each signal."""
    return {
        f"{end}_{signal}": (Threshold, rule(None, description=f"{most} value that stays. {meaning}"))
        for signal, meaning in SIGNALS.items()
        for end, most in (("min", "Smallest"), ("max", "Largest"))
    }


SignalsConfig: type[SignalSettings] = create_model(
    "SignalsConfig",
    __base__=SignalSettings,
    __module__=__name__,
    __doc__="Which values of each signal are fine; all are unless a threshold is given.",
    **_fields(),
)


def apply(batch: pa.RecordBatch, config: SignalSettings, model: None) -> Applied:
    """The :data:`SIGNALS`: int64 where they count, else float64, 0 where there is nothing to divide by.

    Those of stop words are null without a list.
    """
    view = text_view(batch.column("text"))

    def repetition(group: TextView, words: WordSpans, types: WordTypes) -> Sequence[Signal]:
        return (repeated.repetition(group, words, types=types),)

    found, (fractions,) = document_signals(view, word_table(config.stop_words), repetition)
    if config.stop_words is None:
        nothing = {"distinct_stop_words": pa.int64(), "stop_word_fraction": pa.float64()}
        found |= {name: pa.nulls(batch.num_rows, kind) for name, kind in nothing.items()}
    repetitions = {name: np.ascontiguousarray(fractions[:, place]) for place, name in enumerate(repeated.SIGNALS)}
    measured = {**found, **_lines(view), **repetitions}
    return Applied(signals={name: measured[name] for name in SIGNALS})


def _lines(view: TextView) -> dict[str, Signal]:
    found = columns.line_counts(*view)
    lines = found[:, columns.LINES]
    return {
        **{name: np.ascontiguousarray(found[:, place]) for name, place in _LINE_COUNTS.items()},
        "line_end_fraction": ratio(found[:, columns.END_TERMINALS], lines),
        "short_line_fraction": ratio(found[:, columns.SHORT], lines),
        "repeated_line_character_fraction": ratio(found[:, columns.DUPLICATE_CHARACTERS], found[:, columns.CHARACTERS]),
    }


def rules(config: SignalSettings) -> Sequence[Rule]:
    """Two for each signal, in the order of :data:`SIGNALS`."""
    ends: list[Rule] = []
    for signal in SIGNALS:
        ends.append(Rule(f"{signal}_too_low", signal, min=config.threshold("min", signal)))
        ends.append(Rule(f"{signal}_too_high", signal, max=config.threshold("max", signal)))
    return ends


def _types(config: SignalSettings) -> Mapping[str, pa.DataType]:
    return {name: pa.int64() if name in COUNTS or name in _LINE_COUNTS else pa.float64() for name in SIGNALS}


STAGE = RowStage(
    kind="signals",
    version=1,
    config=SignalsConfig,
    apply=apply,
    signals=_types,
    rules=rules,
    chosen_libraries=lambda config: libraries(config.stop_words),
)
