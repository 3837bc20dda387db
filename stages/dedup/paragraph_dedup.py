"""Cuts paragraphs that occur more than once in the corpus, and keeps the documents.

See :mod:`stages.dedup.repeated_spans`. Paragraphs end at blank lines; text that has none is one paragraph.
"""

from __future__ import annotations

from stages.dedup.repeated_spans import RepeatedSpans, repeated_spans_stage


class ParagraphDedup(RepeatedSpans):
    """Settings of ``paragraph_dedup``."""


STAGE = repeated_spans_stage("paragraph_dedup", ParagraphDedup, "repeated_paragraph", paragraphs=True)
