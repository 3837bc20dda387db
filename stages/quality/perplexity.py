"""Drops documents that a language model finds too unlikely, or too likely; tells head, middle and tail.

The method of CCNet (Wenzek et al. 2020, arXiv 1911.00359): a 5-gram model of good text gives each document a
perplexity per token, and the documents of a language fall into head, middle and tail by it. The model is one that the
recipe's fit ``ngram_lm`` trains, an ARPA file, or a KenLM binary such as CCNet's, with its sentencepiece model.

Head ends and tail begins at percentiles of the documents that the fit held out of its model; or at perplexities:
numbers, or fits of kind ``percentile`` on this stage's signal ``perplexity``, which take them from the run.

A model knows what it has learnt from: such documents are head far more often than others of their source. (Of articles
of which the model had seen half, 23 % were tail, where 40 % are meant to be.) So learn from other documents than those
that are judged.

A low perplexity means that text is like the model's, not that it is good: short repeated phrases and boilerplate have
the lowest of all. Perplexities of models with different tokens or preparation, or of two languages, cannot be compared;
log probabilities per character or byte can within a language. Blank lines do not count, and in a model of lines text
without line ends is one long line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from classifiers.errors import ModelError
from classifiers.language_model import (
    TOKENIZER_LIBRARIES,
    LanguageModel,
    Prepare,
    SentencesOf,
    Tokens,
    load_language_model,
    totals,
)
from classifiers.language_model import perplexity as per_token
from stages.contract import Applied, FitRef, RowStage, Rule, StageConfig, Threshold, measure, rule
from stages.kernels.arrow_text import byte_lengths
from stages.kernels.ngram_scores import LineScores

Bucket = Literal["head", "middle", "tail"]
BUCKETS: tuple[Bucket, ...] = ("head", "middle", "tail")
_APART = {"head", "tail"}
_FILES = (".arpa", ".gz", ".bin", ".binary", ".klm", ".lm", ".mmap")

Float64s = npt.NDArray[np.float64]


class PerplexityConfig(StageConfig):
    """Which model looks at documents, and which perplexities are fine."""

    model: str | FitRef = measure()
    """Name of a fit ``ngram_lm`` (also as ``{fit: name}``), or path of an ARPA file (``.arpa``, ``.arpa.gz``) or a
    KenLM binary (``.bin``). Every worker holds it: 32 bytes for each n-gram of an ARPA file, a binary of up to a
    gigabyte as it is; a larger one is shared by all."""
    prepare: Prepare | None = measure(None)
    """How the model's text was prepared, ``ccnet`` or ``plain``; models of ``ngram_lm`` say it themselves."""
    tokens: Tokens | None = measure(None)
    """The model's tokens: ``words`` between spaces, ``characters``, or the pieces of ``sentencepiece`` or ``bpe``;
    models of ``ngram_lm`` say it themselves."""
    sentences: SentencesOf | None = measure(None)
    """``lines``, the default, or ``documents``: the whole document is one line, as CCNet scores documents."""
    tokenizer: str | FitRef | None = measure(None)
    """Path of the sentencepiece model, or of the ``tokenizer.json`` for ``bpe``, which may be ``{fit: name}``; that of
    the fit ``ngram_lm`` when left out."""
    keep: list[Bucket] | None = rule(None, min_length=1)
    """Buckets to keep, neighbours: ``[head]``, ``[head, middle]``, ``[middle]``, ``[middle, tail]`` or ``[tail]``. All
    if left out."""
    head: Threshold = rule(None)
    """Documents with a lower perplexity are the head; a number or ``{fit: name}``. Together with ``tail``; where both
    are left out the percentiles decide."""
    tail: Threshold = rule(None)
    """Documents with a higher perplexity are the tail."""
    head_percentile: float | None = rule(0.3, ge=0, le=1)
    """Share of the model's held-out documents that would be head; 0.3 as in CCNet's published code (its paper has three
    even parts)."""
    tail_percentile: float | None = rule(0.6, ge=0, le=1)
    """Share of the held-out documents that would be head or middle; 0.6 as in CCNet's published code."""
    min_perplexity: Threshold = rule(None)
    """Lowest perplexity that stays; for text that is repeated over and over."""
    max_perplexity: Threshold = rule(None)
    """Highest perplexity that stays."""
    max_unknown_share: Threshold = rule(None)
    """Largest share of tokens that the model does not know."""
    lines: bool = measure(False)
    """Also look at each line by itself: signals ``worst_line``, the highest perplexity of a line, and
    ``bad_line_share``."""
    bad_line: float | None = measure(None, gt=0)
    """With ``lines``: a line with a higher perplexity is bad; ``bad_line_share`` is null without."""
    max_bad_line_share: Threshold = rule(None)
    """Largest share of lines that are bad."""
    column: str | None = measure("perplexity_bucket")
    """Column that gets ``head``, ``middle`` or ``tail``, for routes and mixes; null where nothing tells. ``null``: no
    column."""

    @model_validator(mode="after")
    def _settings_fit_together(self) -> Self:
        if self.keep is not None and set(self.keep) == _APART:
            raise ValueError(
                f"keep {self.keep}: head and tail are no neighbours, and a rule keeps one range; leave keep out and go "
                f"by the column {self.column or 'perplexity_bucket'}"
            )
        if (self.head is None) != (self.tail is None):
            raise ValueError("head and tail are set together, or both left out: then the percentiles decide")
        for low, high in (
            ("head", "tail"),
            ("head_percentile", "tail_percentile"),
            ("min_perplexity", "max_perplexity"),
        ):
            first, last = getattr(self, low), getattr(self, high)
            if isinstance(first, int | float) and isinstance(last, int | float) and first > last:
                raise ValueError(f"{low} {first:g} is above {high} {last:g}")
        if self.max_bad_line_share is not None and not (self.lines and self.bad_line is not None):
            raise ValueError(
                "max_bad_line_share needs lines: true and bad_line, the perplexity above which a line is bad"
            )
        return self


def resources(config: PerplexityConfig) -> Mapping[str, str | FitRef]:
    """The model, and the tokenizer if there is one."""
    model = config.model
    if isinstance(model, str) and not ("/" in model or model.endswith(_FILES)):
        model = FitRef(fit=model)
    return {"model": model} if config.tokenizer is None else {"model": model, "tokenizer": config.tokenizer}


def load(config: PerplexityConfig, files: Mapping[str, str]) -> LanguageModel:
    """The model, from its local path under ``model``. Raises ModelError."""
    stamps = tuple(os.stat(path).st_mtime_ns for path in files.values())
    said = (config.prepare, config.tokens, config.sentences)
    tokenizer = files.get("tokenizer", files.get("model.tokenizer"))
    model = _loaded(files["model"], stamps, said, tokenizer)
    if config.keep is not None and config.head is None and not model.facts.percentiles:
        raise ModelError(
            f"{files['model']} has no percentiles of held-out documents to keep {config.keep} by: set head and tail, "
            "to numbers or fits"
        )
    return model


@lru_cache(maxsize=4)
def _loaded(
    path: str,
    stamps: tuple[int, ...],
    said: tuple[Prepare | None, Tokens | None, SentencesOf | None],
    tokenizer: str | None,
) -> LanguageModel:
    """Uses of one model with other thresholds share it."""
    prepare, tokens, sentences = said
    return load_language_model(path, prepare=prepare, tokens=tokens, sentences_of=sentences, tokenizer=tokenizer)


def apply(batch: pa.RecordBatch, config: PerplexityConfig, model: LanguageModel) -> Applied:
    """Signals, all null for a document without a token; and the bucket's column.

    ``perplexity``: float64, per token, each line's end a token (CCNet). ``percentile``: float64, share of the model's
    held-out documents below it; null if the model has none. ``log_probability_per_character`` and ``…_per_byte``:
    float64, base 10, by the text as it came. ``unknown_share``: float64, of tokens. With ``lines``: ``worst_line``,
    ``bad_line_share``: float64.
    """
    text = batch.column("text")
    found = model.score(text)
    whole = totals(found, batch.num_rows)
    judged = whole.lines > 0
    perplexity = np.round(whole.perplexities(), 4)
    percentile = _percentile(perplexity, model.facts.percentiles)
    characters = pc.utf8_length(text).to_numpy(zero_copy_only=False)
    signals = {
        "perplexity": _known(perplexity, judged),
        "percentile": _known(percentile, judged & bool(model.facts.percentiles)),
        "log_probability_per_character": _known(_share(whole.scores, characters), judged),
        "log_probability_per_byte": _known(_share(whole.scores, byte_lengths(text)), judged),
        "unknown_share": _known(_share(whole.unknown, whole.tokens), judged),
    }
    if config.lines:
        signals |= _line_signals(found, whole.lines, config.bad_line)
    columns = {} if config.column is None else {config.column: _buckets(perplexity, percentile, config)}
    return Applied(columns=columns, signals=signals)


def _percentile(perplexity: Float64s, percentiles: Sequence[float]) -> Float64s:
    if not percentiles:
        return np.full(len(perplexity), np.nan)
    return np.round(np.interp(perplexity, percentiles, np.linspace(0, 1, len(percentiles))), 4)


def _share(part: npt.NDArray[Any], whole: npt.NDArray[np.int64]) -> Float64s:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _known(values: Float64s, known: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(values, pa.float64(), mask=~known)


def _line_signals(found: LineScores, lines: npt.NDArray[np.int64], bad_line: float | None) -> dict[str, pa.Array]:
    each = np.round(per_token(found.scores, found.tokens + 1), 4)
    worst = np.zeros(len(lines))
    np.maximum.at(worst, found.rows, each)
    judged = lines > 0
    bad = np.zeros(len(lines)) if bad_line is None else np.bincount(found.rows, each > bad_line, len(lines))
    return {
        "worst_line": _known(worst, judged),
        "bad_line_share": _known(_share(bad, lines), judged & (bad_line is not None)),
    }


def _buckets(perplexity: Float64s, percentile: Float64s, config: PerplexityConfig) -> pa.Array:
    """string[rows]: null where there is no number to go by. What stands at a threshold is on the side that is kept."""
    by_value = config.head is not None
    values = perplexity if by_value else percentile
    low, high = (config.head, config.tail) if by_value else (config.head_percentile, config.tail_percentile)
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return pa.nulls(len(values), pa.string())
    in_head = values <= low if config.keep == ["head"] else values < low
    in_tail = values >= high if config.keep == ["tail"] else values > high
    numbers = np.where(np.isnan(values), len(BUCKETS), np.where(in_tail, 2, np.where(in_head, 0, 1)))
    return pa.array([*BUCKETS, None], pa.string()).take(pa.array(numbers))


def rules(config: PerplexityConfig) -> Sequence[Rule]:
    """``too_low``, ``too_high``, ``unknown_words``, ``bad_lines``, and one or two for what is not kept.

    ``not_head`` or ``not_tail`` where only that is kept, else ``head`` and ``tail``.
    """
    made = [
        Rule("too_low", "perplexity", min=config.min_perplexity),
        Rule("too_high", "perplexity", max=config.max_perplexity),
        Rule("unknown_words", "unknown_share", max=config.max_unknown_share),
    ]
    if config.lines:
        made.append(Rule("bad_lines", "bad_line_share", max=config.max_bad_line_share))
    signal, low, high = "perplexity", config.head, config.tail
    if config.head is None:
        signal, low, high = "percentile", config.head_percentile, config.tail_percentile
    kept = set(config.keep or BUCKETS)
    if kept == {"head"}:
        return [*made, Rule("not_head", signal, max=low)]
    if kept == {"tail"}:
        return [*made, Rule("not_tail", signal, min=high)]
    if "head" not in kept:
        made.append(Rule("head", signal, min=low))
    if "tail" not in kept:
        made.append(Rule("tail", signal, max=high))
    return made


def signals(config: PerplexityConfig) -> Mapping[str, pa.DataType]:
    """All float64."""
    names = ["perplexity", "percentile", "log_probability_per_character", "log_probability_per_byte", "unknown_share"]
    return {name: pa.float64() for name in [*names, *(("worst_line", "bad_line_share") if config.lines else ())]}


def values(config: PerplexityConfig, model: LanguageModel) -> Mapping[str, Sequence[str]]:
    """The buckets that are kept."""
    return {} if config.column is None else {config.column: [b for b in BUCKETS if b in (config.keep or BUCKETS)]}


def libraries(config: PerplexityConfig) -> tuple[str, ...]:
    """kenlm for its binaries, and the tokenizer's package."""
    model = resources(config)["model"]
    binary = isinstance(model, str) and not model.endswith((".arpa", ".gz"))
    is_sentencepiece = isinstance(config.tokenizer, str) and config.tokenizer.endswith(".model")
    tokens = config.tokens or ("sentencepiece" if is_sentencepiece else "bpe" if config.tokenizer else "words")
    return (*(("kenlm",) if binary else ()), *TOKENIZER_LIBRARIES.get(tokens, ()))


STAGE = RowStage(
    kind="perplexity",
    version=2,
    config=PerplexityConfig,
    apply=apply,
    signals=signals,
    writes=lambda config: {} if config.column is None else {config.column: pa.string()},
    rules=rules,
    resources=resources,
    load=load,
    values=values,
    chosen_libraries=libraries,
)
