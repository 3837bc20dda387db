"""Words, tokens and sentences by our definitions as Python strings, for datatrove's filters, which want lists.

Our stages with the preset ``datatrove`` differ in what they take for a word, see their docstrings; a filter gets the
tokens that its counterpart counts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial

import pyarrow as pa

from stages.kernels.arrow_text import TextView, text_view
from stages.kernels.english_tokens import english_tokens
from stages.kernels.sentences import sentence_ends
from stages.kernels.word_marks import words_and_marks
from stages.kernels.word_spans import WordSpans, word_spans

Splitter = Callable[[TextView], WordSpans]

SPLITTERS: Mapping[str, Splitter] = {
    "GopherQualityFilter": lambda view: english_tokens(view.data, view.offsets),
    "GopherRepetitionFilter": lambda view: words_and_marks(
        view.data, view.offsets, word_spans(view.data, view.offsets)
    ),
    "FineWebQualityFilter": lambda view: word_spans(view.data, view.offsets),
}
"""datatrove's filter → the tokens of our counterpart."""


def _view(texts: Sequence[str]) -> TextView:
    return text_view(pa.array(texts, pa.large_string()))


def tokens(split: Splitter, text: str) -> list[str]:
    """The tokens of a text."""
    raw, spans = text.encode(), split(_view([text]))
    return [raw[start:end].decode() for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)]


def sentences(text: str) -> list[str]:
    """The sentences of a text, each with the spaces behind it."""
    raw, view = text.encode(), _view([text])
    ends = sentence_ends(view.data, view.offsets)[1].tolist()
    return [raw[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]


def splitters() -> dict[str, Callable[[str], list[str]]]:
    """Filter → text → tokens; each remembers the last texts, since every rule of a filter asks again."""
    return {name: lru_cache(4)(partial(tokens, split)) for name, split in SPLITTERS.items()}


def fingerprint(texts: Sequence[str]) -> str:
    """What tokens and sentences of these texts are, as a hash."""
    found, view = hashlib.sha256(), _view(texts)
    for split in SPLITTERS.values():
        spans = split(view)
        found.update(spans.starts.tobytes() + spans.ends.tobytes())
    found.update(sentence_ends(view.data, view.offsets)[1].tobytes())
    return found.hexdigest()
