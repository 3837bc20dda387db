"""Turns HTML into the text that a reader of the page is after.

Three extractors. ``gristmill``, the default, is our own (kernels ``html_*``): a forest of small decision trees, trained
on trafilatura's evaluation set, says which blocks of a page are its content. ``resiliparse`` (Bevendorff et al. 2018)
goes by rules on names and is what DCLM took (Li et al. 2024, arXiv 2406.11794); ``trafilatura`` (Barbaresi 2021) is
what FineWeb took (Penedo et al. 2024, arXiv 2406.17557). Both come with ``gristmill[html]``.

With our extractor paragraphs are parted by an empty line, list items, lines of code and rows of a table by a line
break; cells are parted by `` | ``; formulas become LaTeX between dollars. With ``content: all`` nothing visible is left
out: so are bodies of posts and chapters of books read, which are content as a whole. Text without a single complete tag
is no HTML and passes as it is, byte for byte, whatever the extractor.

A page on which a library raises an error, or that is larger or deeper than what it can be trusted with, is dropped by
``failed``, and its signal ``failure`` says why; the run goes on, because it is the page's fault more often than not.
Our own extractor takes every page; an error in it stops the run.

Limits: what a script would write is not there. Pages that are lists of links (front pages, archives) and forums have
little that counts as content. Nothing is marked as heading, bold or link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from classifiers.errors import ModelError
from stages.contract import Applied, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.html_libraries import missing, resiliparse, texts_of, trafilatura
from stages.kernels.arrow_text import byte_lengths, text_array, text_view
from stages.kernels.html_choice import Wanted
from stages.kernels.html_metadata import AUTHOR_FIELD, DATE_FIELD, FIELDS, LANGUAGE_FIELD, TITLE_FIELD
from stages.kernels.html_pages import (
    P_BLOCKS,
    P_DEPTH,
    P_HIDDEN_BYTES,
    P_KEPT_BYTES,
    P_LEFT_BYTES,
    P_PLAIN,
    Output,
    text_of_pages,
)
from stages.kernels.html_scores import FEATURES, NO_FOREST, Forest

MODEL = Path(__file__).with_name("extract_model.json")
FIELD_OF = {
    "title": TITLE_FIELD, "author": AUTHOR_FIELD, "published": DATE_FIELD, "html_language": LANGUAGE_FIELD,
}  # fmt: skip
"""Column → field of ``html_metadata``."""
_ISO_DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"


class ExtractConfig(StageConfig):
    """How HTML becomes text."""

    extractor: Literal["gristmill", "resiliparse", "trafilatura"] = measure("gristmill")
    """Who does it; the last two need ``gristmill[html]``."""
    content: Literal["main", "all"] = measure("main")
    """``main``: what the page is about, without navigation, advertising, comments and footers. ``all``: everything that
    is visible; not with trafilatura, which knows main content only."""
    favor: Literal["balanced", "precision", "recall"] = measure("balanced")
    """With ``content: main``, which mistake is worse: keeping what is not content (``precision``) or losing content
    (``recall``). resiliparse has no such choice."""
    lists: bool = measure(True)
    """Mark list items, with ``- `` or their number. trafilatura always does."""
    tables: bool = measure(True)
    """Keep tables of data. resiliparse always does."""
    code: bool = measure(True)
    """Keep preformatted text. Ours only."""
    max_html_bytes: int = measure(10_000_000, ge=1)
    """Largest page that the libraries are given; a larger one is dropped by ``failed``. Ours takes all."""
    model: str | None = measure(None)
    """Path of another forest for our extractor, as ``benchmarks/train_extractor.py`` writes it; ours if left out."""
    min_characters: Threshold = rule(1)
    """Fewest characters of text; a page with fewer is dropped by ``empty``."""

    @model_validator(mode="after")
    def _the_extractor_can(self) -> Self:
        for setting, able in _CAN.items():
            value = getattr(self, setting)
            if value != ExtractConfig.model_fields[setting].default and self.extractor not in able:
                others = " or ".join(able)
                raise ValueError(
                    f"{self.extractor} has no {setting}: {value}; take extractor: {others}, or leave it out"
                )
        return self


_CAN: Mapping[str, tuple[str, ...]] = {
    "content": ("gristmill", "resiliparse"),
    "favor": ("gristmill", "trafilatura"),
    "lists": ("gristmill", "resiliparse"),
    "tables": ("gristmill", "trafilatura"),
    "code": ("gristmill",),
    "model": ("gristmill",),
}
"""Setting → extractors that know other values than the default."""


Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ExtractModel:
    """``bounds``: value of ``favor`` → score up to which a block is left out."""

    forest: Forest
    bounds: Mapping[str, int]


def load(config: ExtractConfig, files: Mapping[str, str]) -> ExtractModel:
    """The forest, from its local path under ``model``. Raises ModelError."""
    return read_model(Path(files["model"]).read_bytes())


def read_model(content: bytes) -> ExtractModel:
    """The forest as ``benchmarks/train_extractor.py`` writes it. Raises ModelError."""
    try:
        model = json.loads(content)
        if model["features"] != FEATURES:
            raise ValueError(f"made for descriptions of {model['features']} numbers, here they have {FEATURES}")
        nodes, roots, depths = (np.array(model[name], np.int32) for name in Forest._fields)
        return ExtractModel(Forest(nodes.reshape(-1, 4), roots, depths), dict(model["bounds"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"not a forest ({error!r}); benchmarks/train_extractor.py makes one") from error


def apply(batch: pa.RecordBatch, config: ExtractConfig, model: ExtractModel | None) -> Applied:
    """Text instead of HTML; what the page says of itself; bytes cut as ``markup``, ``boilerplate`` and ``hidden``.

    Columns ``title``, ``author``, ``published`` (as the page writes it) and ``html_language`` keep what the source gave
    and are null where nobody knows; ``date`` is filled with the day in ``published`` where the source left it null.

    Signals: ``characters``; ``blocks`` that stay and ``kept``, their share of the page's text in bytes (null where
    there is no text and with libraries); ``failure``, null unless the library failed.
    """
    view = text_view(batch.column("text"))
    found = text_of_pages(view.data, view.offsets, *_asked(config, model))
    text, failure = text_array(found.text, found.ends), pa.nulls(batch.num_rows, pa.string())
    ours = config.extractor == "gristmill"
    if not ours:
        text, failure = _by_library(batch.column("text"), found.counts, config)
    return Applied(
        columns={"text": text, **_columns(batch, found)},
        signals={"characters": pc.utf8_length(text), "failure": failure, **_shares(found.counts, ours)},
        cut=_cut(np.diff(view.offsets), byte_lengths(text), found.counts),
    )


def _asked(config: ExtractConfig, model: ExtractModel | None) -> tuple[Forest, Wanted]:
    """What the kernels are to do; where a library makes the text, they find plain text and fields only."""
    wanted = Wanted(
        text=config.extractor == "gristmill",
        whole=config.content == "all",
        bound=0 if model is None else model.bounds[config.favor],
        lists=config.lists,
        tables=config.tables,
        code=config.code,
    )
    return NO_FOREST if model is None else model.forest, wanted


def _scores(config: ExtractConfig) -> bool:
    """Whether blocks are scored, which takes the forest."""
    return config.extractor == "gristmill" and config.content == "main"


def _cut(before: Counts, after: Counts, counts: Counts) -> dict[str, Counts]:
    """Bytes by reason. Text can be longer than it was in the page (list marks, LaTeX of MathML): that is added."""
    boilerplate, hidden = counts[:, P_LEFT_BYTES], counts[:, P_HIDDEN_BYTES]
    rest = before - boilerplate - hidden
    return {"markup": np.maximum(rest - after, 0), "boilerplate": boilerplate, "hidden": hidden}


def _shares(counts: Counts, ours: bool) -> dict[str, pa.Array]:
    kept, text = counts[:, P_KEPT_BYTES], counts[:, P_KEPT_BYTES : P_HIDDEN_BYTES + 1].sum(axis=1)
    unknown = np.full(len(counts), not ours)
    return {
        "blocks": pa.array(counts[:, P_BLOCKS], mask=unknown),
        "kept": pa.array(kept / np.maximum(text, 1), mask=unknown | (text == 0)),
    }


def _columns(batch: pa.RecordBatch, found: Output) -> dict[str, pa.Array]:
    """What the page says of itself, where the source has not said it."""
    fields = text_array(found.fields, found.field_ends)
    fields = pc.if_else(pc.equal(pc.binary_length(fields), 0), None, fields).cast(pa.string())
    columns = {}
    for name, place in FIELD_OF.items():
        values = fields.take(pa.array(np.arange(place, len(fields), FIELDS)))
        known = name in batch.schema.names
        columns[name] = pc.coalesce(batch.column(name), values) if known else values
    day = pc.utf8_slice_codeunits(columns["published"], 0, 10)
    is_day = pc.match_substring_regex(columns["published"], _ISO_DATE)
    columns["date"] = pc.coalesce(batch.column("date"), pc.if_else(is_day, day, None))
    return columns


def _by_library(html: pa.Array, counts: Counts, config: ExtractConfig) -> tuple[pa.Array, pa.Array]:
    """Texts and failures of the library that the recipe asks for."""
    if config.extractor == "trafilatura":
        extract = trafilatura(favor=config.favor, tables=config.tables)
    else:
        extract = resiliparse(main=config.content == "main", lists=config.lists)
    return texts_of(html, counts[:, P_PLAIN] > 0, counts[:, P_DEPTH], extract, config.max_html_bytes)


def rules(config: ExtractConfig) -> Sequence[Rule]:
    """``failed``, ``empty``."""
    return (Rule("failed", "failure", allowed=()), Rule("empty", "characters", min=config.min_characters))


def check(config: ExtractConfig, model: ExtractModel | None) -> Sequence[str]:
    """That the library is there."""
    return () if config.extractor == "gristmill" else missing(config.extractor)


STAGE = RowStage(
    kind="extract",
    version=1,
    config=ExtractConfig,
    apply=apply,
    signals=lambda config: {
        "characters": pa.int64(), "blocks": pa.int64(), "kept": pa.float64(), "failure": pa.string(),
    },
    writes=lambda config: {"text": pa.large_string(), **dict.fromkeys(FIELD_OF, pa.string()), "date": pa.string()},
    reads=("text", "date"),
    rules=rules,
    resources=lambda config: {"model": config.model or str(MODEL)} if _scores(config) else {},
    load=load,
    check=check,
    chosen_libraries=lambda config: () if config.extractor == "gristmill" else (config.extractor,),
)  # fmt: skip
