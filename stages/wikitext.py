"""Wikitext (the markup of Wikipedia and other MediaWiki sites) as plain text.

What is left: paragraphs, headings as lines of their own, list items with ``-`` or a number, labels of links,
``<math>`` as ``$LaTeX$``, code as it is. What goes: templates (infoboxes, navigation, maintenance), references, files,
categories and links to other languages, galleries, comments, tables unless they are wanted, and sections that are lists
of sources or links. Templates that only wrap text (``{{lang|fr|mot}}``, ``{{convert|12|km}}``) leave it; which they are
stands in ``stages.kernels.wikitext_names``. Templates are not expanded: text that a wiki keeps in templates (many
infoboxes, some dates and conversions, ``{{circa}}``) is not there. The markup is MediaWiki's; the method is our own.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import text_array, text_view
from stages.kernels.wikitext import (
    CUT_MEDIA,
    CUT_REFERENCES,
    CUT_SECTIONS,
    CUT_TABLES,
    CUT_TEMPLATES,
    LINKS,
    REFERENCES,
    plain_text,
)
from stages.kernels.wikitext_names import DEFAULT_SECTIONS, names

_CUTS = {
    "templates": CUT_TEMPLATES,
    "tables": CUT_TABLES,
    "references": CUT_REFERENCES,
    "sections": CUT_SECTIONS,
    "media": CUT_MEDIA,
}


class WikitextConfig(StageConfig):
    """How wikitext becomes text."""

    tables: Literal["out", "text"] = measure("out")
    """``text`` writes a table's rows as lines, its cells with `` | `` between them."""
    cut_sections: list[str] | None = measure(None)
    """Headings (ASCII letters in any case) of sections that are left out with all below them. ``null`` takes the
    built-in list (References, External links, See also and the like in 21 languages), ``[]`` keeps all sections."""
    drop_prefixes: list[str] = measure([])
    """Prefixes of links that are left out, besides files, categories and other languages, as in ``[Portal]``."""
    min_bytes: Threshold = rule(1)
    """A row with less text than this, in bytes of UTF-8, is dropped as ``empty``."""


def apply(batch: pa.RecordBatch, config: WikitextConfig, model: None) -> Applied:
    """Text without markup.

    Signals: ``text_bytes`` (int64, what is left), ``kept`` (float64, share of the bytes that is left, 0 for an empty
    row), ``links`` (int64, links whose label was kept), ``references`` (int64, references left out). Bytes are cut by
    ``templates``, ``tables``, ``references``, ``sections``, ``media`` and, for all the rest, ``markup``.
    """
    view = text_view(batch.column("text"))
    sections = DEFAULT_SECTIONS if config.cut_sections is None else tuple(config.cut_sections)
    made = plain_text(view, config.tables == "text", names(sections, tuple(config.drop_prefixes)))
    before, after = np.diff(view.offsets), np.diff(made.view.offsets)
    cut = {reason: made.counts[:, column] for reason, column in _CUTS.items()}
    cut["markup"] = np.maximum(before - after - sum(cut.values()), 0)
    signals = {
        "text_bytes": after,
        "kept": np.divide(after, before, out=np.zeros(len(before)), where=before > 0),
        "links": made.counts[:, LINKS],
        "references": made.counts[:, REFERENCES],
    }
    return Applied(columns={"text": text_array(*made.view)}, signals=signals, cut=cut)


STAGE = RowStage(
    kind="wikitext",
    version=1,
    config=WikitextConfig,
    apply=apply,
    signals=lambda config: {
        "text_bytes": pa.int64(),
        "kept": pa.float64(),
        "links": pa.int64(),
        "references": pa.int64(),
    },
    writes=lambda config: {"text": pa.large_string()},
    rules=lambda config: [Rule("empty", "text_bytes", min=config.min_bytes)],
)
