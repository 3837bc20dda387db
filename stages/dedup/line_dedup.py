"""Cuts lines that occur more than once in the corpus, and keeps the documents: menus, licences, cookie notices.

See :mod:`stages.dedup.repeated_spans`. In code and poems lines repeat for good reason: use ``min_characters``, or leave
such sources to a recipe of their own.
"""

from __future__ import annotations

from stages.dedup.repeated_spans import RepeatedSpans, repeated_spans_stage


class LineDedup(RepeatedSpans):
    """Settings of ``line_dedup``."""


STAGE = repeated_spans_stage("line_dedup", LineDedup, "repeated_line", paragraphs=False)
