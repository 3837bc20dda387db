"""FineWeb's own filters: lists, menus and boilerplate that the filters of Gopher and C4 let through.

From Penedo et al. 2024, "The FineWeb Datasets" (arXiv 2406.17557, section 3.5): of about fifty measures on lines and
words, those three that told better from worse crawls and made models better; the code that made FineWeb has a fourth on
line breaks. The paper and versions of the code disagree, so each is a preset:

| | ``datatrove`` | ``released`` | ``paper`` |
|---|---|---|---|
| share of lines with an end, a document goes | < 0.12 | ≤ 0.12 | ≤ 0.12 |
| what is an end | a terminal of any script | ``. ? ! " '`` | ``. ? ! " '`` |
| share of lines of at most 30 characters | > 0.67 | ≥ 0.67 | ≥ 0.67, fewer than 30 |
| share of characters in repeated lines | > 0.01 | ≥ 0.01 | ≥ 0.1 |
| line breaks per word | > 0.3 | > 0.3 | – |

``datatrove`` is ``FineWebQualityFilter`` of datatrove 0.10.1, the default; ``released`` is the earlier version of that
filter, before other scripts were thought of (it also counted blank lines as lines, which extracted text hardly has).
Signals are stored to four decimals and the ends of a rule are inclusive, so "≤ 0.12 goes" is written as 0.1201: the
least that stays.

Lines are what line feeds separate, blank ones left out; their ends are judged as they stand, so that a line with white
space behind its full stop has no end (two spaces in Markdown); ``trimmed: true`` looks past that. Line breaks are
counted per word of :mod:`stages.kernels.word_classes`, which has no punctuation among its words as datatrove's splitter
does: a document has about 1.2 times the line breaks per word here.

Thirty characters of Chinese or Japanese say more than thirty of English, and a word is a character: for them the paper
of FineWeb-2 (Penedo et al. 2025, arXiv 2506.20920) has thresholds per language.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import model_validator

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels import line_signals as columns
from stages.kernels.arrow_text import text_view
from stages.kernels.line_signals import line_counts
from stages.kernels.words import count_words

Preset = Literal["datatrove", "released", "paper"]
LineEnds = Literal["any_script", "latin"]

PRESETS: Mapping[str, Mapping[str, object]] = {
    "datatrove": {},
    "released": {
        "line_ends": "latin",
        "min_line_end_share": 0.1201,
        "max_short_line_share": 0.6699,
        "max_duplicate_character_share": 0.0099,
    },
    "paper": {
        "line_ends": "latin",
        "short_line_characters": 29,
        "min_line_end_share": 0.1201,
        "max_short_line_share": 0.6699,
        "max_duplicate_character_share": 0.0999,
        "max_line_breaks_per_word": None,
    },
}
"""What each preset changes in the defaults."""

_ENDS: Mapping[LineEnds, tuple[int, ...]] = {
    "any_script": (columns.END_TERMINALS,),
    "latin": (columns.END_MARKS, columns.END_QUOTES, columns.END_APOSTROPHES),
}


class FineWebConfig(StageConfig):
    """How much of a document may be lists, repeated lines and short lines."""

    preset: Preset = measure("datatrove")
    """Whose version: decides every setting that is not given."""
    line_ends: LineEnds = measure("any_script")
    """What a line of prose ends with: a character that ends sentences in any script, or ``latin``: ``. ? ! " '``."""
    trimmed: bool = measure(False)
    """Whether white space behind a line is looked past; the published code does not."""
    short_line_characters: int = measure(30, ge=0)
    """Most characters of a short line."""
    min_lines: Threshold = rule(1)
    """Fewest lines that are not blank."""
    min_line_end_share: Threshold = rule(0.12)
    """Smallest share of lines that have an end: 0.12 in paper and code."""
    max_short_line_share: Threshold = rule(0.67)
    """Largest share of short lines: 0.67 in paper and code."""
    max_duplicate_character_share: Threshold = rule(0.01)
    """Largest share of characters in lines that an earlier line is equal to: 0.01 in the code, 0.1 in the paper."""
    max_line_breaks_per_word: Threshold = rule(0.3)
    """Most line feeds per word: 0.3 in the code, not in the paper."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        chosen = PRESETS.get(str(given.get("preset", "datatrove")), {}) if isinstance(given, dict) else {}
        return {**chosen, **given} if chosen else given


def _share(part: npt.NDArray[np.int64], whole: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return part / np.maximum(whole, 1)


def apply(batch: pa.RecordBatch, config: FineWebConfig, model: None) -> Applied:
    """Signals: ``lines``, int64; shares, float64, 0 where there is nothing to count.

    ``line_end_share``, ``short_line_share``: of lines that are not blank. ``duplicate_character_share``: of characters
    without line feeds. ``line_breaks_per_word``: per line feed; a document without words counts as one of one word.
    """
    text = batch.column("text")
    found = line_counts(*text_view(text), short=config.short_line_characters, trimmed=config.trimmed)
    lines = found[:, columns.LINES].copy()
    return Applied(
        signals={
            "lines": lines,
            "line_end_share": _share(found[:, _ENDS[config.line_ends]].sum(axis=1), lines),
            "short_line_share": _share(found[:, columns.SHORT], lines),
            "duplicate_character_share": _share(found[:, columns.DUPLICATE_CHARACTERS], found[:, columns.CHARACTERS]),
            "line_breaks_per_word": _share(found[:, columns.LINE_FEEDS], count_words(text)),
        }
    )


def rules(config: FineWebConfig) -> Sequence[Rule]:
    """In the order of the published code."""
    return (
        Rule("empty", "lines", min=config.min_lines),
        Rule("too_few_lines_end_in_punctuation", "line_end_share", min=config.min_line_end_share),
        Rule("too_many_short_lines", "short_line_share", max=config.max_short_line_share),
        Rule("too_many_duplicate_characters", "duplicate_character_share", max=config.max_duplicate_character_share),
        Rule("too_many_line_breaks", "line_breaks_per_word", max=config.max_line_breaks_per_word),
    )


def _signals(config: FineWebConfig) -> Mapping[str, pa.DataType]:
    shares = ("line_end_share", "short_line_share", "duplicate_character_share", "line_breaks_per_word")
    return {"lines": pa.int64(), **dict.fromkeys(shares, pa.float64())}


STAGE = RowStage(
    kind="fineweb",
    version=1,
    config=FineWebConfig,
    apply=apply,
    signals=_signals,
    rules=rules,
)
