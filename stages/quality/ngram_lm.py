"""An n-gram model of documents, with modified Kneser-Ney smoothing, for the stage ``perplexity``.

The summary is the documents' prepared text, cut into the tokenizer's pieces if there is one, by the hash of their
content. Some documents, ``held_out`` of them, are not learnt from: their perplexities under the model give its
percentiles, by which the stage tells head, middle and tail. Perplexities of the documents that it has learnt from would
be far too low for that.

Memory is bounded by ``max_bytes``: text beyond is not kept while summaries are merged, and is an error in the end. The
artifact is an ARPA file (:mod:`classifiers.ngram_lm`) that the kenlm package reads; how the text was prepared, the
tokenizer's SHA-256 and the percentiles are in a comment at its head. It is about 18 times as large as English text
learnt from without pruning.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field, model_validator

from classifiers.arpa import parse_arpa
from classifiers.language_model import (
    TOKENIZER_LIBRARIES,
    Facts,
    LanguageModel,
    Preparation,
    Tokenizer,
    Tokens,
    cut_lines,
    load_tokenizer,
    totals,
)
from classifiers.ngram_lm import DEFAULT_MEMORY_BYTES, arpa_bytes, check_thresholds, estimate
from stages.contract import ADDRESS, FitConfig, FitRef, FitStep
from stages.kernels.arrow_text import TextView, byte_lengths, text_array, text_view
from stages.kernels.hashing import binary_to_u64, mix64

_HELD_OUT_SEED = 0x68656C64
_TEXT_SHARE = 4
"""The text may take up a quarter of the memory: it is there up to four times while summaries are merged."""
_COPIES = 2
"""It is there twice while the model is made: as it was merged, and in one piece."""

_SCHEMA = pa.schema([("hash", pa.uint64()), (ADDRESS, pa.uint64()), ("text", pa.large_string())])


class NgramLm(FitConfig):
    """Settings of ``ngram_lm``."""

    tokens: Tokens
    """``words``: what stands between white space; ``characters`` for Chinese, Japanese, Thai and other scripts without
    spaces between words; or the pieces of a ``tokenizer``: ``bpe`` or ``sentencepiece``."""
    tokenizer: str | FitRef | None = None
    """For ``bpe`` the path of a ``tokenizer.json``, or ``{fit: name}`` of a ``bpe_tokenizer``; for ``sentencepiece``
    the path of a ``.model``."""
    order: int = Field(5, ge=1, le=16)
    """Length of the longest n-grams; 5 as in CCNet (Wenzek et al. 2020, arXiv 1911.00359)."""
    prune: list[int] = Field(default=[])
    """Counts up to which n-grams are left out, for lengths 1, 2, …, as in ``[0, 0, 1]``: all that occur once and are
    longer than 2. The last number holds for longer ones too; the first one is 0."""
    prepare: Literal["ccnet", "plain"] = "ccnet"
    """``ccnet``: small letters, no accents, digits as 0, ASCII punctuation, as in CCNet; ``plain``: text as it is."""
    sentences: Literal["lines", "documents"] = "lines"
    """What begins and ends a sentence of the model: each line, or the document as one line, as in CCNet's pipeline."""
    held_out: float = Field(0.1, ge=0, lt=1)
    """Share of documents, chosen by content, whose perplexities give the percentiles; 0: a model without percentiles,
    for which thresholds have to be set."""
    max_bytes: int = Field(DEFAULT_MEMORY_BYTES, gt=0)
    """Memory that the training may take: twice the text as it is learnt from, with 170 bytes for each token, or 40 and
    57 for each n-gram, or the model and twice its file."""

    @model_validator(mode="after")
    def _thresholds_make_sense(self) -> Self:
        check_thresholds(self.prune, self.order)
        return self

    @model_validator(mode="after")
    def _tokenizer_is_that_of_the_tokens(self) -> Self:
        if self.tokens in ("words", "characters"):
            if self.tokenizer is not None:
                raise ValueError(f"tokens: {self.tokens} needs no tokenizer: leave it out, or set tokens: bpe")
        elif self.tokenizer is None:
            raise ValueError(f"tokens: {self.tokens} needs a tokenizer: set it to the path of its file")
        elif self.tokens == "sentencepiece" and isinstance(self.tokenizer, FitRef):
            raise ValueError("no fit makes a tokenizer for tokens: sentencepiece: give the path of a .model")
        return self

    @property
    def preparation(self) -> Preparation:
        """What becomes of text."""
        return Preparation(self.prepare, self.tokens, self.sentences)


def load(config: NgramLm, files: Mapping[str, str]) -> Tokenizer | None:
    """The tokenizer, from its local path under ``tokenizer``. Raises ModelError."""
    return load_tokenizer(config.tokens, files["tokenizer"])


def summarize(batch: pa.RecordBatch, config: NgramLm, tokenizer: Tokenizer | None = None) -> pa.Table:
    """The batch's prepared text, cut into pieces, with hash and address, sorted by both."""
    high, _ = binary_to_u64(batch.column("content_hash"))
    prepared = config.preparation.text(text_view(batch.column("text")))
    if tokenizer is not None:
        prepared = cut_lines(prepared, tokenizer)
    table = pa.table([pa.array(high), batch.column(ADDRESS), text_array(*_from_zero(prepared))], schema=_SCHEMA)
    return _bounded(table, config)


def merge(tables: Sequence[pa.Table], config: NgramLm) -> pa.Table:
    """All documents, or those with the smallest hashes that make up more text than is allowed."""
    return _bounded(pa.concat_tables([_SCHEMA.empty_table(), *tables]), config)


def finish(table: pa.Table, config: NgramLm, tokenizer: Tokenizer | None = None) -> bytes:
    """The ARPA file. Raises ValueError where there is no text, too much, or nothing to hold out."""
    size = int(_lengths(table).sum())
    if size >= config.max_bytes // _TEXT_SHARE:
        raise ValueError(
            f"the prepared text is larger than {config.max_bytes // _TEXT_SHARE:,} bytes, a {_TEXT_SHARE}th of "
            "max_bytes: set a smaller sample under from, or raise max_bytes"
        )
    held = _held_out(table.column("hash").to_numpy(), config.held_out)
    if len(held) and held.all():
        raise ValueError("all documents are copies of one, which is held out: learn from more, or set held_out: 0")
    learnt, judged = (_text(table, chosen) for chosen in (~held, held))
    left = config.max_bytes - _COPIES * size
    tokens: Literal["words", "characters"] = "characters" if config.tokens == "characters" else "words"
    model = estimate(text_view(learnt), config.order, tokens=tokens, prune=config.prune, max_bytes=left)
    content = arpa_bytes(model, left)
    del model  # before the file is read back
    percentiles = _percentiles(content, judged, config) if config.held_out else ()
    facts = Facts(config.preparation, percentiles, None if tokenizer is None else tokenizer.sha256)
    return facts.comment() + content


def _from_zero(view: TextView) -> TextView:
    first, last = view.offsets[0], view.offsets[-1]
    return TextView(view.data[first:last], view.offsets - first)


def _text(table: pa.Table, chosen: npt.NDArray[np.bool_]) -> pa.Array:
    """The chosen documents' text in one piece."""
    return table.column("text").filter(pa.array(chosen)).combine_chunks()


def _lengths(table: pa.Table) -> npt.NDArray[np.int64]:
    """int64[documents]: bytes of text."""
    return np.concatenate([np.zeros(0, np.int64), *map(byte_lengths, table.column("text").chunks)])


def _bounded(table: pa.Table, config: NgramLm) -> pa.Table:
    """Sorted, and cut behind the document with which the text reaches its bound.

    What is cut off has larger hashes than a full bound of text, in every table that it will be merged into, so the
    result is the same for any order of merging.
    """
    order = np.lexsort((table.column(ADDRESS).to_numpy(), table.column("hash").to_numpy()))
    kept = np.searchsorted(np.cumsum(_lengths(table)[order]), config.max_bytes // _TEXT_SHARE) + 1
    return table.take(pa.array(order[:kept]))


def _held_out(hashes: npt.NDArray[np.uint64], share: float) -> npt.NDArray[np.bool_]:
    """bool[documents]: those with the smallest of other hashes; copies of one text go together."""
    count = math.ceil(share * len(hashes))
    if count == 0:
        return np.zeros(len(hashes), np.bool_)
    mixed = mix64(hashes, _HELD_OUT_SEED)
    return np.asarray(mixed <= np.partition(mixed, count - 1)[count - 1], np.bool_)


def _percentiles(content: bytes, held: pa.Array, config: NgramLm) -> tuple[float, ...]:
    """101 perplexities of the documents that were not learnt from."""
    lookup, _ = parse_arpa(np.frombuffer(content, np.uint8), "the model")
    scores = LanguageModel(lookup, Facts(config.preparation)).score_prepared(text_view(held))
    found = totals(scores, len(held)).perplexities()
    found = found[~np.isnan(found)]
    if not len(found):
        raise ValueError("no document with text is held out of the model: learn from more, or set held_out: 0")
    return tuple(np.round(np.quantile(found, np.linspace(0, 1, 101)), 4).tolist())


STAGE = FitStep(
    kind="ngram_lm",
    version=1,
    config=NgramLm,
    summarize=summarize,
    merge=merge,
    finish=finish,
    suffix="arpa",
    reads=("text", "content_hash"),
    chosen_libraries=lambda config: TOKENIZER_LIBRARIES.get(config.tokens, ()),
    resources=lambda config: {} if config.tokenizer is None else {"tokenizer": config.tokenizer},
    load=load,
)
