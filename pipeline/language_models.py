"""Language models from files and for files, without a recipe: ``gristmill lm train`` and ``gristmill lm score``.

Files are UTF-8 text, one sentence a line, perhaps compressed (``.gz``, ``.zst``, ``.bz2``, ``.lz4``), each one
document; or files of documents and runs, as :mod:`pipeline.document_files` reads them. Models that are made here have
no percentiles, which need documents held out of them; the fit ``ngram_lm`` makes models with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

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
from pipeline.document_files import TEXT, kind_of, read_documents
from pipeline.errors import GristmillError, SourceError
from pipeline.storage import Folder, check_writable, filesystem
from stages.kernels.arrow_text import TextView, byte_lengths, text_view


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
    text_key: str = "text",
) -> Trained:
    """Estimate a model from the files and write it to ``out``. ``text_key``: column of the text, or its path in JSON.

    Raises GristmillError.
    """
    folder, name = os.path.split(out)
    if not name:
        raise GristmillError(
            "no name for the model", where=out, remedy="give the path of a file, as in --out model.arpa"
        )
    check_writable(folder or ".")
    try:
        cut = load_tokenizer(preparation.tokens, tokenizer and local_copy(tokenizer))
        view = preparation.text(_text(files, text_key, max_bytes))
        view = view if cut is None else cut_lines(view, cut)
        left = max_bytes - len(view.data)
        tokens: Literal["words", "characters"] = "characters" if preparation.tokens == "characters" else "words"
        model = estimate(view, order, tokens=tokens, prune=prune, max_bytes=left)
        content = Facts(preparation, tokenizer=None if cut is None else cut.sha256).comment() + arpa_bytes(model, left)
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


def score_file(model: LanguageModel, file: str, text_key: str = "text") -> Scored:
    """What the model says of a file or run. Raises SourceError if it cannot be read."""
    lines = tokens = unknown = 0
    total = 0.0
    for texts in _documents(file, text_key):
        found = model.score(texts)
        lines, tokens, unknown = lines + len(found.rows), tokens + found.tokens.sum(), unknown + found.unknown.sum()
        total += float(found.scores.sum())
    whole = perplexity(np.array([total]), np.array([tokens + lines]))
    return Scored(lines, int(tokens), int(unknown), float(whole[0]) if tokens else None, total)


def line_perplexities(model: LanguageModel, file: str, text_key: str = "text") -> Iterator[tuple[float, str]]:
    """Perplexity and text of every line that has a token."""
    for texts in _documents(file, text_key):
        lines = [line for text in texts.to_pylist() for line in text.split("\n")]
        found = model.score(pa.array(lines, pa.large_string()))
        for row, value in zip(found.rows, perplexity(found.scores, found.tokens + 1), strict=True):
            yield float(value), lines[row]


def _text(files: Sequence[str], text_key: str, max_bytes: int) -> TextView:
    """The files' text, a row for each document. Raises GristmillError beyond ``max_bytes``."""
    found: list[pa.Array] = []
    size = 0
    for texts in (texts for file in files for texts in _documents(file, text_key)):
        found.append(texts)
        size += int(byte_lengths(texts).sum())
        if size > max_bytes:
            raise GristmillError(
                f"more text than the {max_bytes:,} bytes allowed", remedy="allow more with --memory, or give less"
            )
    return text_view(pa.chunked_array(found, pa.large_string()).combine_chunks())


def _documents(file: str, text_key: str) -> Iterator[pa.Array]:
    """Texts of the documents, batch by batch. A text file is one, as it is."""
    if kind_of(file) == TEXT and not os.path.isdir(file):
        yield pa.array([_read(file)], pa.large_binary()).view(pa.large_string())
    else:
        yield from (rows.column("text") for rows in read_documents(file, text_key))


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
