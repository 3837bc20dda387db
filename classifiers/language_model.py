"""Language models with the preparation of text that they expect: n-gram models in ARPA files and KenLM binaries.

ARPA files are read into tables (:mod:`classifiers.arpa`); the tables of KenLM's probing binaries are used as they
are (:mod:`classifiers.kenlm_binary`). Its other binaries, tries among them, go through the kenlm package, which takes a
line at a time. What a model was trained on is written at the head of those that Gristmill makes,
as a comment that other readers pass over; for others it has to be said.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.arpa import read_arpa
from classifiers.errors import ModelError
from classifiers.kenlm_binary import is_binary, read_header, read_probing
from stages.kernels.arrow_text import TextView, text_array, text_view
from stages.kernels.lm_text import ccnet_text, one_line, spaced_characters
from stages.kernels.ngram_scores import LineScores, score_lines
from stages.kernels.ngram_table import NgramTable, line_shape, make_table, put_words, with_characters
from stages.kernels.token_numbers import sentences

Prepare = Literal["ccnet", "plain"]
Tokens = Literal["words", "characters", "bpe", "sentencepiece"]
SentencesOf = Literal["lines", "documents"]
Float64s = npt.NDArray[np.float64]

_COMMENT = b"# gristmill "
TOKENIZER_LIBRARIES = {"bpe": ("tokenizers",), "sentencepiece": ("sentencepiece",)}
"""Tokens that a tokenizer cuts → the distributions that do it."""
_LINES = 4096
"""Lines that are cut at a time: the packages take some hundred bytes for each piece."""


class Preparation(NamedTuple):
    """What becomes of text before its tokens are looked up.

    prepare: ``ccnet`` (:mod:`stages.kernels.lm_text`), or ``plain``, as it is. tokens: what stands between white space,
    single characters, or the pieces of a tokenizer. sentences: ``lines``, or ``documents`` that are one line each.
    """

    prepare: Prepare
    tokens: Tokens
    sentences: SentencesOf = "lines"

    def text(self, view: TextView) -> TextView:
        """The rows' text, before a tokenizer cuts it."""
        lines = self.sentences == "lines"
        if self.prepare == "ccnet":
            return ccnet_text(view, lines=lines)
        return view if lines else one_line(view)


class Facts(NamedTuple):
    """What is written at a model's head. percentiles: perplexities of 0 %, 1 % … 100 % of documents held out of it.

    tokenizer: SHA-256 of the file of its tokenizer, as hex digits, if it has one.
    """

    preparation: Preparation
    percentiles: tuple[float, ...] = ()
    tokenizer: str | None = None

    def comment(self) -> bytes:
        """A line for the head of an ARPA file."""
        data = {**self.preparation._asdict(), "percentiles": list(self.percentiles)}
        if self.tokenizer is not None:
            data["tokenizer"] = self.tokenizer
        return _COMMENT + json.dumps(data, sort_keys=True).encode() + b"\n"


def read_facts(comments: bytes) -> Facts | None:
    """The facts among the comments of an ARPA file; None if there are none. Raises ModelError if they are damaged."""
    for line in comments.split(b"\n"):
        if line.startswith(_COMMENT):
            try:
                data = json.loads(line[len(_COMMENT) :])
                percentiles, tokenizer = tuple(map(float, data.pop("percentiles"))), data.pop("tokenizer", None)
                return Facts(Preparation(**data), percentiles, tokenizer)
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise ModelError(f"the comment at the model's head is damaged: {error}; make the model again") from None
    return None


class Totals(NamedTuple):
    """Of each row: lines that have a token, their tokens (without ``</s>``), those unknown, sum of log10 probabilities.

    int64[rows], int64[rows], int64[rows], float64[rows].
    """

    lines: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int64]
    unknown: npt.NDArray[np.int64]
    scores: Float64s

    def perplexities(self) -> Float64s:
        """10 ** (−log10 probability / tokens), each line's end a token as in CCNet; NaN without a line."""
        return perplexity(self.scores, self.tokens + self.lines)


def perplexity(scores: Float64s, tokens: npt.NDArray[np.int64]) -> Float64s:
    """float64: per token, the ends of lines among them; NaN for no token."""
    mean = np.divide(-scores, tokens, out=np.full(len(scores), np.nan), where=tokens > 0)
    return np.power(10.0, mean)


def totals(found: LineScores, rows: int) -> Totals:
    """The lines' scores added up for each of so many rows."""

    def added(values: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        return np.bincount(found.rows, values, rows)

    counts = (added(None), added(found.tokens), added(found.unknown))
    lines, tokens, unknown = (count.astype(np.int64) for count in counts)
    return Totals(lines, tokens, unknown, added(found.scores).astype(np.float64))


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer of sentencepiece or BPE: lines → their pieces with spaces between them.

    ``sha256``: hex digits of its file.
    """

    sha256: str
    pieces: Callable[[Sequence[str]], list[str]] = field(compare=False)

    def __call__(self, lines: Sequence[str]) -> list[str]:
        return self.pieces(lines)


@dataclass(frozen=True)
class LanguageModel:
    """A loaded model. ``lookup``: its table, or kenlm's model. ``cut``: the tokenizer of its pieces."""

    lookup: NgramTable | Any
    facts: Facts
    cut: Tokenizer | None = None

    def score(self, array: pa.Array) -> LineScores:
        """Scores of the lines that have a token, of text as it comes."""
        return self.score_prepared(self.facts.preparation.text(text_view(array)))

    def score_prepared(self, view: TextView) -> LineScores:
        """The same of text that :class:`Preparation` has prepared."""
        if self.cut is not None:
            view = cut_lines(view, self.cut)
        characters = self.facts.preparation.tokens == "characters"
        if isinstance(self.lookup, NgramTable):
            return score_lines(self.lookup, view.data, view.offsets, characters=characters)
        return _score_binary(self.lookup, spaced_characters(view) if characters else view)


def load_language_model(
    path: str,
    *,
    prepare: Prepare | None = None,
    tokens: Tokens | None = None,
    sentences_of: SentencesOf | None = None,
    tokenizer: str | None = None,
) -> LanguageModel:
    """The model of an ARPA file (perhaps gzipped) or a KenLM binary, and the tokenizer of its pieces.

    ``prepare``, ``tokens`` and ``sentences_of`` have to be said, or left out, where the file does not say them.
    ``tokenizer``: a ``.model`` of sentencepiece or a ``tokenizer.json``. Raises ModelError.
    """
    lookup: NgramTable | Any
    if is_binary(path):
        probing = read_header(path).kind == "probing"
        lookup, facts = read_probing(path) if probing else _read_binary(path), None
    else:
        lookup, comments = read_arpa(path)
        facts = read_facts(comments)
    said = (prepare, tokens, sentences_of)
    if facts is not None:
        if any(one not in (None, other) for one, other in zip(said, facts.preparation, strict=True)):
            raise ModelError(f"{path} was made with {_shown(facts.preparation)}: leave these settings out")
    elif prepare is None or tokens is None:
        raise ModelError(
            f"{path} does not say how its text was prepared: set prepare (ccnet or plain) and tokens "
            "(words, characters, bpe or sentencepiece) as it was trained"
        )
    else:
        facts = Facts(Preparation(prepare, tokens, sentences_of or "lines"))
    cut = load_tokenizer(facts.preparation.tokens, tokenizer)
    if cut is not None and facts.tokenizer not in (None, cut.sha256):
        raise ModelError(
            f"{path} was made with another tokenizer than {tokenizer}: its file has the SHA-256 {facts.tokenizer}, "
            f"this one {cut.sha256}"
        )
    if facts.preparation.tokens == "characters" and isinstance(lookup, NgramTable):
        lookup = with_characters(lookup)
    return LanguageModel(lookup, facts, cut)


def _shown(preparation: Preparation) -> str:
    return ", ".join(f"{key}: {value}" for key, value in preparation._asdict().items())


def _read_binary(path: str) -> Any:
    import kenlm

    try:
        return kenlm.Model(path)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read as a KenLM binary: {error}") from None


def load_tokenizer(tokens: Tokens, path: str | None) -> Tokenizer | None:
    """The tokenizer in a file; None for words and characters. Raises ModelError."""
    if tokens not in TOKENIZER_LIBRARIES:
        if path is not None:
            raise ModelError(f"tokens: {tokens} needs no tokenizer: leave {path} out, or set tokens to what it gives")
        return None
    if path is None:
        kind = "a .model of sentencepiece" if tokens == "sentencepiece" else "a tokenizer.json"
        raise ModelError(f"tokens: {tokens} needs the tokenizer's file: set tokenizer to the path of {kind}")
    if not Path(path).is_file():
        raise ModelError(f"{path}: no such tokenizer file")
    pieces = _sentencepiece(path) if tokens == "sentencepiece" else _bpe(path)
    return Tokenizer(hashlib.sha256(Path(path).read_bytes()).hexdigest(), pieces)


def _sentencepiece(path: str) -> Callable[[Sequence[str]], list[str]]:
    try:
        import sentencepiece
    except ImportError:
        raise ModelError("tokens: sentencepiece needs the package: pip install 'gristmill[lm]'") from None
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.Load(path)
    except (OSError, RuntimeError) as error:
        raise ModelError(f"{path} cannot be read as a sentencepiece model: {error}") from None

    def cut(lines: Sequence[str]) -> list[str]:
        return [" ".join(pieces) for pieces in processor.encode(list(lines), out_type=str, num_threads=1)]

    return cut


def _bpe(path: str) -> Callable[[Sequence[str]], list[str]]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(path)
    except Exception as error:  # the package raises nothing more exact
        raise ModelError(f"{path} cannot be read as a tokenizer.json: {error}") from None
    # what is meant for training a network would make a line's pieces depend on its length, its batch, or chance
    tokenizer.no_truncation()
    tokenizer.no_padding()
    if getattr(tokenizer.model, "dropout", None) is not None:
        tokenizer.model.dropout = None

    def cut(lines: Sequence[str]) -> list[str]:
        return [" ".join(line.tokens) for line in tokenizer.encode_batch(list(lines), add_special_tokens=False)]

    return cut


def cut_lines(view: TextView, cut: Tokenizer) -> TextView:
    """The rows, each of their lines cut into pieces."""
    rows = pc.split_pattern(text_array(view.data, view.offsets), "\n")
    lines = pc.utf8_trim_whitespace(rows.flatten())
    parts = [lines.slice(start, _LINES).to_pylist() for start in range(0, len(lines), _LINES)]
    pieces = pa.chunked_array([cut(part) for part in parts], pa.large_string()).combine_chunks()
    made = pa.LargeListArray.from_arrays(rows.offsets.cast(pa.int64()), pieces)
    return text_view(pc.binary_join(made, pa.scalar("\n", pa.large_string())))


def _score_binary(model: Any, view: TextView) -> LineScores:
    """Of words between white space. Which words are known is asked once for each of a batch."""
    with_words = sentences(view.data, view.offsets)
    words = [view.data[a:b].tobytes() for a, b in zip(with_words.starts, with_words.ends, strict=True)]
    vocabulary = make_table(line_shape([len(words) + 2]))
    put_words(vocabulary, [b"<s>", b"</s>", *(word for word in words if word.decode() in model)])
    found = score_lines(vocabulary, view.data, view.offsets)
    rows = [view.data[a:b].tobytes() for a, b in zip(view.offsets[:-1], view.offsets[1:], strict=True)]
    scores = [model.score(line) for row in rows for line in row.split(b"\n") if line.strip()]
    return found._replace(scores=np.array(scores, np.float64))
