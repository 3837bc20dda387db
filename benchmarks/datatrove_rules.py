"""What datatrove's four quality filters say about documents, rule by rule.

A filter of datatrove stops at the first rule that a document breaks, so here each rule is asked by itself: the filter
is built once per rule with all other thresholds out of reach, and runs as it is. Three things need more than that:

* a threshold of 0 or None switches a rule of ``GopherQualityFilter`` off, which is how the others are kept quiet;
* its two symbol rules share one threshold and the second is asked only if the first passes: the second is computed here
  by the same expression on the same words;
* the rules of ``C4QualityFilter`` on documents see only lines that its rules on lines have kept, so these stay on, and
  what is left of the text is compared as one more rule, ``text``.

A document on which a filter raises an error (no words: it divides by their number) has no verdict.

The filters split English with spaCy's rules for English (``spacy.blank("en")``) and its rule-based sentencizer. Both
come with spaCy itself: no model is loaded and nothing is downloaded. :func:`splitting` puts other splitters in.
"""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt

KEPT, DROPPED, ERROR = 0, 1, 2
"""Verdicts."""

Verdicts = npt.NDArray[np.int8]
Words = Callable[[str], list[str]]
Probe = Callable[[str], bool]
"""Text → whether the rule drops it."""

_MODULES = {
    "GopherQualityFilter": "gopher_quality_filter",
    "GopherRepetitionFilter": "gopher_repetition_filter",
    "C4QualityFilter": "c4_filters",
    "FineWebQualityFilter": "fineweb_quality_filter",
}
FILTERS = tuple(_MODULES)

_QUIET: Mapping[str, Mapping[str, object]] = {
    "GopherQualityFilter": dict.fromkeys(
        (
            "min_doc_words", "max_doc_words", "min_avg_word_length", "max_avg_word_length", "max_symbol_word_ratio",
            "max_bullet_lines_ratio", "max_ellipsis_lines_ratio", "max_non_alpha_words_ratio", "min_stop_words",
        )
    ),
    "GopherRepetitionFilter": {
        "dup_line_frac": None, "dup_para_frac": None, "dup_line_char_frac": None, "dup_para_char_frac": None,
        "top_n_grams": (), "dup_n_grams": (),
    },
    "C4QualityFilter": {"filter_lorem_ipsum": False, "filter_curly_bracket": False, "min_num_sentences": -1},
    "FineWebQualityFilter": {
        "line_punct_thr": 0, "short_line_thr": math.inf, "char_duplicates_ratio": math.inf, "new_line_ratio": math.inf,
    },
}  # fmt: skip
"""Filter → options with which it drops nothing."""

_ASKED: Mapping[str, Mapping[str, str | None]] = {
    "GopherQualityFilter": {
        "gopher_short_doc": "min_doc_words",
        "gopher_long_doc": "max_doc_words",
        "gopher_below_avg_threshold": "min_avg_word_length",
        "gopher_above_avg_threshold": "max_avg_word_length",
        "gopher_too_many_hashes": "max_symbol_word_ratio",
        "gopher_too_many_bullets": "max_bullet_lines_ratio",
        "gopher_too_many_end_ellipsis": "max_ellipsis_lines_ratio",
        "gopher_below_alpha_threshold": "max_non_alpha_words_ratio",
        "gopher_enough_stop_words": "min_stop_words",
    },
    "GopherRepetitionFilter": {
        "empty": None,
        **{name: name for name in ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")},
    },
    "C4QualityFilter": {
        "lorem_ipsum": "filter_lorem_ipsum",
        "curly_bracket": "filter_curly_bracket",
        "too_few_sentences": "min_num_sentences",
    },
    "FineWebQualityFilter": {
        "empty": None,
        "line_punct_ratio": "line_punct_thr",
        "short_line_ratio": "short_line_thr",
        "char_dup_ratio": "char_duplicates_ratio",
        "list_ratio": "new_line_ratio",
    },
}
"""Filter → reason → the option whose default lets it be given; None: it is always given."""


def _module(filter_name: str) -> Any:
    return import_module(f"datatrove.pipeline.filters.{_MODULES[filter_name]}")


def _defaults(filter_name: str) -> Mapping[str, Any]:
    parameters = inspect.signature(getattr(_module(filter_name), filter_name)).parameters
    return {name: each.default for name, each in parameters.items()}


def _probe(filter_name: str, reason: str, **options: object) -> Probe:
    """Whether the filter, quiet but for those options, drops a text for that reason."""
    from datatrove.data import Document

    rule = getattr(_module(filter_name), filter_name)(**{**_QUIET[filter_name], **options})

    def drops(text: str) -> bool:
        found = rule.filter(Document(text=text, id=""))
        return isinstance(found, tuple) and not found[0] and found[1] == reason

    return drops


def probes(filter_name: str) -> dict[str, Probe]:
    """Reason → its probe, with the threshold that datatrove ships."""
    defaults = _defaults(filter_name)
    found = {
        reason: _probe(filter_name, reason, **({option: defaults[option]} if option else {}))
        for reason, option in _ASKED[filter_name].items()
    }
    for option, reason in (("top_n_grams", "top_{}_gram"), ("dup_n_grams", "duplicated_{}_n_grams")):
        for n, share in defaults.get(option, ()):
            name = reason.format(n)
            found[name] = _probe(filter_name, name, **{option: ((n, share),)})
    if filter_name == "GopherQualityFilter":
        found["gopher_too_many_ellipsis"] = _ellipses(defaults["max_symbol_word_ratio"])
    return found


def _ellipses(most: float) -> Probe:
    module = _module("GopherQualityFilter")

    def drops(text: str) -> bool:
        words = module.split_into_words(text, "eng")
        return bool((text.count("...") + text.count("…")) / len(words) > most)

    return drops


def verdicts(texts: Sequence[str]) -> Mapping[str, Verdicts]:
    """``Filter:reason`` → int8[n]: KEPT, DROPPED or ERROR for each text."""
    asked = {f"{name}:{reason}": probe for name in FILTERS for reason, probe in probes(name).items()}
    found = {key: np.zeros(len(texts), np.int8) for key in asked}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of no words
        for i, text in enumerate(texts):  # a text's words are split once: datatrove remembers the last five
            for key, probe in asked.items():
                try:
                    found[key][i] = DROPPED if probe(text) else KEPT
                except ZeroDivisionError:
                    found[key][i] = ERROR
    return found


def texts_after_c4(texts: Sequence[str]) -> list[str]:
    """What is left of each text once ``C4QualityFilter`` has taken lines away, its rules on documents switched off."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import C4QualityFilter

    rule = C4QualityFilter(filter_lorem_ipsum=False, filter_curly_bracket=False, min_num_sentences=-1)
    documents = [Document(text=text, id="") for text in texts]
    for document in documents:
        rule.filter(document)
    return [document.text for document in documents]


@contextlib.contextmanager
def splitting(words: Mapping[str, Words], sentences: Words | None) -> Iterator[None]:
    """Let filters split texts by other functions: filter → the one for words, and one for sentences."""
    asked = [(_module(name), "split_into_words", split) for name, split in words.items()]
    asked += [(_module("C4QualityFilter"), "split_into_sentences", sentences)] if sentences else []
    own = [(module, function, getattr(module, function)) for module, function, _ in asked]
    try:
        for module, function, split in asked:
            setattr(module, function, lambda text, language=None, split=split: split(text))
        yield
    finally:
        for module, function, split in own:
            setattr(module, function, split)


def versions() -> str:
    """What decides: ``datatrove 0.10.1, spacy 3.8.18``."""
    return ", ".join(f"{name} {version(name)}" for name in ("datatrove", "spacy"))
