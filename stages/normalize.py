"""Makes text uniform: Unicode normal form, line breaks, control characters, and on request width.

The same sentence may come in several byte sequences (é as one character or as two, CRLF or LF, a byte order
mark in front); they look alike, but hash apart, tokenize apart and slip through deduplication. NFC changes
nothing that a reader can see. NFKC also folds ligatures, full-width letters and superscripts, and with them
meaning (x² becomes x2): take it for search, not for training. ``width`` folds the forms that only differ in how wide
they are, as NFKC does, and nothing else.

Kept on purpose: zero-width joiner and non-joiner (Persian, Indic scripts, emoji), zero-width space (Thai and
Khmer word boundaries), bidirectional marks, soft hyphens, U+FFFD (a sign of damage that quality rules can see).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from stages.contract import Applied, RowStage, StageConfig, measure
from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.normalize import CLEAN, clean, scan, scan_cleaned
from stages.kernels.unicode_form import compose
from stages.kernels.widths import Width


class NormalizeConfig(StageConfig):
    """How text is made uniform."""

    form: Literal["NFC", "NFKC"] | None = measure("NFC")
    """Unicode normal form (UAX #15); ``null`` leaves characters as they are."""
    newlines: bool = measure(True)
    """Write CR LF, CR, vertical tab, form feed, U+0085, U+2028 and U+2029 as one line feed each."""
    controls: bool = measure(True)
    """Remove C0 and C1 control characters other than tab, line feed and line breaks; U+FEFF; noncharacters."""
    width: Width = measure("keep")
    """``narrow``: full-width letters, digits and signs become ASCII, the ideographic space a space, half-width kana
    usual ones with their voicing marks in them (Unicode's Halfwidth and Fullwidth Forms). The marks that Chinese and
    Japanese sentences are written with, ！（），：；？, stay; ``narrow_punctuation`` makes them ASCII as well."""


def apply(batch: pa.RecordBatch, config: NormalizeConfig, model: None) -> Applied:
    """Text in normal form, bytes cut by ``newlines``, ``controls``, ``width`` unless it is kept, and ``form``.

    ``form`` cuts where composing makes the text shorter.
    """
    text = batch.column("text")
    view = text_view(text)
    reasons = ("newlines", "controls", "form") if config.width == "keep" else ("newlines", "controls", "width", "form")
    cut = {reason: np.zeros(batch.num_rows, np.int64) for reason in reasons}
    todo = scan(view, config.form, config.newlines, config.controls, config.width)
    if not todo.any():
        return Applied(columns={"text": text}, cut=cut)
    if (todo == CLEAN).any():
        cleaned = clean(view, todo, config.newlines, config.controls, config.width)
        cut.update({reason: getattr(cleaned, reason) for reason in reasons if reason != "form"})
        view = cleaned.view
        todo = scan_cleaned(view, todo, config.form)
    if config.form is not None and todo.any():
        before = np.diff(view.offsets)
        view = compose(view, todo, config.form)
        cut["form"] = np.maximum(before - np.diff(view.offsets), 0)
    return Applied(columns={"text": text_array(view.data, view.offsets)}, cut=cut)


STAGE = RowStage(
    kind="normalize",
    version=1,
    config=NormalizeConfig,
    apply=apply,
    writes=lambda config: {"text": pa.large_string()},
)
