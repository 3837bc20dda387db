"""Language models from files and for files, without a recipe: ``gristmill lm train`` and ``gristmill lm score``.

Files are UTF-8 text, one sentence a line, perhaps compressed (``.gz``, ``.zst``, ``.bz2``, ``.lz4``); each is one
document. Models from files have no percentiles, which need documents; the fit ``ngram_lm`` makes models with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from classifiers.errors import ModelError
from classifiers.language_model import (
    Facts,
    LanguageModel,
    Preparation,
    Prepare,
    SentencesOf,
    Tokens,
    cut_lines,
    load_language_model,
    load_tokenizer,
    perplexity,
)
from classifiers.ngram_lm import arpa_bytes, estimate
from pipeline.blocks.models import local_copy
from pipeline.errors import GristmillError, SourceError
from pipeline.storage import Folder, check_writable, filesystem
from stages.kernels.arrow_text import TextView, read_only


class Trained(NamedTuple):
    """n-grams of each length in the file; lengths whose discounts could not be estimated; bytes written."""

    ngrams: tuple[int, ...]
    fallback: tuple[int, ...]
    size: int


class Scored(NamedTuple):
    """Of a file: lines with a token, tokens, unknown ones, perplexity (None without a token), log10 probability."""

    lines: int
    tokens: int
    unknown: int
    perplexity: float | None
    log_probability: float


def train_model(
    files: Sequence[str],
    out: str,
    preparation: Preparation,
    *,
    order: int,
    prune: Sequence[int] = (),
    tokenizer: str | None = None,
    max_bytes: int,
) -> Trained:
    """Estimate a model from the files and write it to ``out``. Raises GristmillError."""
    folder, name = os.path.split(out)
    if not name:
        raise GristmillError(
            "no name for the model", where=out, remedy="give the path of a file, as in --out model.arpa"
        )
    check_writable(folder or ".")
    try:
        cut = load_tokenizer(preparation.tokens, tokenizer)
        view = preparation.text(_text(files))
        view = view if cut is None else cut_lines(view, cut)
        tokens = "characters" if preparation.tokens == "characters" else "words"
        model = estimate(view, order, tokens=tokens, prune=prune, max_bytes=max_bytes)  # type: ignore[arg-type]
        content = Facts(preparation).comment() + arpa_bytes(model, max_bytes)
    except ModelError as error:
        raise GristmillError(str(error), where=", ".join(files)) from error
    Folder(folder or ".").write(name, content)
    return Trained(tuple(int(level.kept.sum()) for level in model.levels), model.fallback, len(content))


def open_model(
    path: str, prepare: Prepare | None, tokens: Tokens | None, sentences: SentencesOf | None, tokenizer: str | None
) -> LanguageModel:
    """The model of a path or URI. Raises GristmillError."""
    try:
        local = local_copy(path)
        return load_language_model(
            local, prepare=prepare, tokens=tokens, sentences_of=sentences, tokenizer=tokenizer and local_copy(tokenizer)
        )
    except ModelError as error:
        raise GristmillError(str(error)) from error


def score_file(model: LanguageModel, file: str) -> Scored:
    """What the model says of a file. Raises SourceError if it cannot be read."""
    found = model.score(pa.array([_read(file).decode()], pa.large_string()))
    tokens, total = int(found.tokens.sum()), float(found.scores.sum())
    whole = perplexity(np.array([total]), np.array([tokens + len(found.rows)]))
    return Scored(len(found.rows), tokens, int(found.unknown.sum()), float(whole[0]) if tokens else None, total)


def line_perplexities(model: LanguageModel, file: str) -> Iterator[tuple[float, str]]:
    """Perplexity and text of every line that has a token."""
    lines = _read(file).decode().split("\n")
    found = model.score(pa.array(lines, pa.large_string()))
    for row, value in zip(found.rows, perplexity(found.scores, found.tokens + 1), strict=True):
        yield float(value), lines[row]


def _text(files: Sequence[str]) -> TextView:
    """The files' text, a row each."""
    contents = [_read(file) for file in files]
    offsets = np.cumsum([0, *map(len, contents)], dtype=np.int64)
    return read_only(np.frombuffer(b"".join(contents), np.uint8), offsets)


def _read(file: str) -> bytes:
    fs, path = filesystem(file)
    try:
        with fs.open_input_stream(path, compression="detect") as stream:
            content = bytes(stream.read())
    except FileNotFoundError:
        raise SourceError("no such file", where=file, remedy="give paths of text files") from None
    except OSError as error:
        raise SourceError(f"cannot be read: {error}", where=file, remedy="give paths of text files") from None
    try:
        content.decode()
    except UnicodeDecodeError as error:
        remedy = "convert it to UTF-8 first"
        raise SourceError(f"is no UTF-8 at byte {error.start:,}", where=file, remedy=remedy) from None
    return content
