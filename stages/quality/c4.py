"""C4's rules: lines that are no prose go, then documents of which too little is left, or that hold code or filler.

From Raffel et al. 2020, "Exploring the Limits of Transfer Learning" (arXiv 1910.10683, section 2.2). The paper, the
code that made the data set, and datatrove's version of it disagree, so each is a preset:

| | ``released`` | ``paper`` | ``datatrove`` | ``fineweb`` | ``any_script`` |
|---|---|---|---|---|---|
| a line ends with | ``. ? ! "`` | ``. ? ! "`` | ``. ? ! " '`` | anything | a terminal of any script |
| ``...`` is an end | no | yes | no | – | no |
| fewest words of a line | 5 | 5 | 3, citations counted | 3, citations counted | 5 of our words |
| longest word of a line | 1,000 | – | 1,000 | 1,000 | 1,000 |
| fewest sentences | 3 | 3 | 5 | 5 | 3 |

``released`` is the code of TensorFlow Datasets (``tensorflow_datasets/text/c4_utils.py``), with which C4 was made and
which is the default here. ``paper`` is the text on arXiv. ``datatrove`` is ``C4QualityFilter`` of datatrove 0.10.1,
which quotes the printed paper with three words and five sentences where the other two have five and three. ``fineweb``
is that filter as FineWeb used it (Penedo et al. 2024, arXiv 2406.17557, section 3.4): all but the rule on terminal
punctuation, which takes too much. ``any_script`` is ours, for languages that end sentences with other marks or write no
spaces. ``mc4`` is the multilingual C4 of the same code (Xue et al. 2021, arXiv 2010.11934, section 3.1): no line goes,
and a document has to have three lines of 200 characters. A setting that is given wins over the preset.

As in the published code, lines are judged in order, a line goes for the first thing that is wrong with it, and the
rules on documents see what the rules on lines have left: sentences are counted in the new text, and lorem ipsum and
curly brackets count only in lines that had not gone before (curly brackets: for JavaScript either).

Not here: C4's list of bad words, which is a rule on toxicity; the removal of repeated three-sentence spans, which needs
the whole corpus; language identification. Phrases are English, and case is that of ASCII. Chinese has no spaces, so
that with ``line_words: spaces`` every line is a word or two: take ``any_script``; five of its words are three of a
dictionary's, and 8 come closest to five of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa
from pydantic import model_validator

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.line_cuts import SPACED, SPACED_BEFORE_CITATIONS, WORDS, Cut, LineRules, cut_lines
from stages.kernels.line_marks import APOSTROPHE, END_MARK, QUOTE, TERMINAL_CLOSED
from stages.kernels.line_signals import LINES, SHORT, line_counts
from stages.kernels.sentences import count_sentences

Preset = Literal["released", "paper", "datatrove", "fineweb", "any_script", "mc4"]
LineEnds = Literal["c4", "datatrove", "any_script"]
LineWords = Literal["spaces", "spaces_and_citations", "words"]

PRESETS: Mapping[str, Mapping[str, object]] = {
    "released": {},
    "paper": {"ellipses": True, "max_word_characters": None},
    "datatrove": {
        "line_ends": "datatrove",
        "line_words": "spaces_and_citations",
        "min_line_words": 3,
        "min_sentences": 5,
    },
    "fineweb": {"line_ends": None, "line_words": "spaces_and_citations", "min_line_words": 3, "min_sentences": 5},
    "any_script": {"line_ends": "any_script", "line_words": "words"},
    "mc4": {
        "line_ends": None,
        "min_line_words": None,
        "max_word_characters": None,
        "javascript": False,
        "policy": False,
        "citations": False,
        "min_sentences": None,
        "max_lorem_ipsum_lines": None,
        "max_curly_bracket_lines": None,
        "long_line_characters": 200,
    },
}
"""What each preset changes in the defaults."""

_ENDS: Mapping[LineEnds | None, int] = {
    None: 0,
    "c4": END_MARK | QUOTE,
    "datatrove": END_MARK | QUOTE | APOSTROPHE,
    "any_script": END_MARK | QUOTE | TERMINAL_CLOSED,
}
_WORDS: Mapping[LineWords, int] = {"spaces": SPACED, "spaces_and_citations": SPACED_BEFORE_CITATIONS, "words": WORDS}


class C4Config(StageConfig):
    """Which lines go, and which documents."""

    preset: Preset = measure("released")
    """Whose version: decides every setting that is not given."""
    line_ends: LineEnds | None = measure("c4")
    """What a line has to end with, or it goes: ``c4`` is ``. ? ! "``, ``datatrove`` also ``'``, ``any_script`` a
    terminal of any script behind which there may be closing marks. ``null``: anything."""
    ellipses: bool = measure(False)
    """Whether ``...`` and ``…`` are ends of a line too."""
    min_line_words: int | None = measure(5, ge=0)
    """Fewest words of a line, or it goes; 5 in the released code, 3 in datatrove."""
    line_words: LineWords = measure("spaces")
    """What words of a line are: between ``spaces``, as published; ``spaces_and_citations``: the same while citation
    marks still stand (datatrove); ``words``: those of ``word_count``, for scripts without spaces."""
    max_word_characters: int | None = measure(1000, ge=0)
    """Most characters between spaces, or the line goes; in the released code, not in the paper."""
    javascript: bool = measure(True)
    """Lines with the word JavaScript go."""
    policy: bool = measure(True)
    """Lines with ``terms of use``, ``privacy policy``, ``cookie policy``, ``uses cookies``, ``use of cookies`` or
    ``use cookies`` go."""
    citations: bool = measure(True)
    """Take ``[1]``, ``[]``, ``[edit]`` and ``[citation needed]`` out of lines."""
    min_sentences: Threshold = rule(3)
    """Fewest sentences in what is left; 3 in the released code, 5 in datatrove."""
    max_lorem_ipsum_lines: Threshold = rule(0)
    """Most lines with ``lorem ipsum``."""
    max_curly_bracket_lines: Threshold = rule(0)
    """Most lines with ``{``."""
    long_line_characters: int | None = measure(None, ge=1)
    """From how many characters on a line is a long one; long lines are not counted when left out. 200 in mC4."""
    min_long_lines: Threshold = rule(3)
    """Fewest long lines, where they are counted; 3 in mC4."""

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        chosen = PRESETS.get(str(given.get("preset", "released")), {}) if isinstance(given, dict) else {}
        return {**chosen, **given} if chosen else given

    def line_rules(self) -> LineRules:
        """The settings as the kernel takes them."""
        return LineRules(
            ends=_ENDS[self.line_ends],
            ellipses=self.ellipses,
            min_words=self.min_line_words or 0,
            words=_WORDS[self.line_words],
            max_word_length=self.max_word_characters,
            javascript=self.javascript,
            policy=self.policy,
            citations=self.citations,
        )


def apply(batch: pa.RecordBatch, config: C4Config, model: None) -> Applied:
    """New text; bytes cut per reason; signals, int64 each.

    ``sentences``, ``lines`` and, if asked for, ``long_lines`` of the new text; ``lorem_ipsum_lines`` and
    ``curly_bracket_lines``.
    """
    view = text_view(batch.column("text"))
    found: Cut = cut_lines(view.data, view.offsets, config.line_rules())
    signals = {
        "sentences": count_sentences(found.text.data, found.text.offsets),
        "lines": found.kept,
        "lorem_ipsum_lines": found.lorem_ipsum,
        "curly_bracket_lines": found.curly_bracket,
    }
    if config.long_line_characters is not None:
        counts = line_counts(found.text.data, found.text.offsets, short=config.long_line_characters - 1)
        signals["long_lines"] = counts[:, LINES] - counts[:, SHORT]
    return Applied(columns={"text": text_array(found.text.data, found.text.offsets)}, signals=signals, cut=found.bytes)


def rules(config: C4Config) -> Sequence[Rule]:
    """``lorem_ipsum``, ``curly_bracket``, ``too_few_sentences``, ``too_few_long_lines``."""
    always = (
        Rule("lorem_ipsum", "lorem_ipsum_lines", max=config.max_lorem_ipsum_lines),
        Rule("curly_bracket", "curly_bracket_lines", max=config.max_curly_bracket_lines),
        Rule("too_few_sentences", "sentences", min=config.min_sentences),
    )
    long_lines = Rule("too_few_long_lines", "long_lines", min=config.min_long_lines)
    return always if config.long_line_characters is None else (*always, long_lines)


def _signals(config: C4Config) -> Mapping[str, pa.DataType]:
    names = ["sentences", "lines", "lorem_ipsum_lines", "curly_bracket_lines"]
    if config.long_line_characters is not None:
        names.append("long_lines")
    return dict.fromkeys(names, pa.int64())


STAGE = RowStage(
    kind="c4",
    version=1,
    config=C4Config,
    apply=apply,
    signals=_signals,
    writes=lambda config: {"text": pa.large_string()},
    rules=rules,
)
