"""Small random fastText models, a writer of their files, and a slow, obvious twin of ``stages.kernels.fasttext``."""

from __future__ import annotations

import heapq
import math
import random
import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Float32s = npt.NDArray[np.float32]

HIERARCHICAL, NEGATIVE_SAMPLING, SOFTMAX, ONE_VERSUS_ALL = 1, 2, 3, 4
SPACES = re.compile("[ \t\n\v\f\r\0]+")


@dataclass(frozen=True)
class Quantized:
    codes: npt.NDArray[np.uint8]
    centroids: Float32s
    width: int
    norm_codes: npt.NDArray[np.uint8]
    norms: Float32s

    def expanded(self) -> Float32s:
        parts = [self.centroids[part][self.codes[:, part]] for part in range(self.codes.shape[1])]
        rows: Float32s = np.concatenate(parts, axis=1) * self.norms[self.norm_codes][:, None]
        return rows


@dataclass(frozen=True)
class TinyModel:
    words: list[str]
    labels: list[str]
    label_counts: list[int]
    loss: int
    shortest: int
    longest: int
    word_ngrams: int
    buckets: int
    kept: dict[int, int] | None
    inputs: Float32s
    outputs: Float32s
    quantized: Quantized | None = None


def tiny_model(
    loss: int = SOFTMAX,
    labels: int = 5,
    ngrams: tuple[int, int] = (2, 4),
    word_ngrams: int = 1,
    pruned: bool = False,
    quantized: bool = False,
) -> TinyModel:
    """A model that has learned nothing: random vectors, the same each time."""
    draw, numbers = random.Random(5), np.random.default_rng(5)
    words = ["</s>", "the", "naïve", "中文", "a", "of", "the,"]
    buckets = 97 if ngrams[1] or word_ngrams > 1 else 0
    kept = {bucket: row for row, bucket in enumerate(draw.sample(range(buckets), 40))} if pruned else None
    rows = len(words) + (40 if pruned else buckets)
    inputs = numbers.normal(size=(rows, 4)).astype(np.float32)
    compressed = None
    if quantized:
        compressed = Quantized(
            numbers.integers(0, 256, (rows, 2), np.uint8),
            numbers.normal(size=(2, 256, 2)).astype(np.float32),
            2,
            numbers.integers(0, 256, rows, np.uint8),
            numbers.uniform(0.5, 2, 256).astype(np.float32),
        )
        inputs = compressed.expanded()
    names = [f"l{number}" for number in range(labels)]
    counts = sorted(draw.sample(range(1, 10_000), labels), reverse=True)
    outputs = numbers.normal(size=(labels, 4)).astype(np.float32) * 3
    return TinyModel(words, names, counts, loss, *ngrams, word_ngrams, buckets, kept, inputs, outputs, compressed)


def write_model(model: TinyModel, path: Path, version: int = 12, kind: int = 3) -> None:
    """The library's file format."""
    head = (4, 5, 1, 1, 5, model.word_ngrams, model.loss, kind, model.buckets, model.shortest, model.longest, 100)
    parts = [struct.pack("<ii12id", 793712314, version, *head, 0.1)]
    sizes = len(model.words) + len(model.labels), len(model.words), len(model.labels)
    parts.append(struct.pack("<iiiqq", *sizes, 1000, -1 if model.kept is None else len(model.kept)))
    entries = [(word, 50, 0) for word in model.words]
    entries += [(f"__label__{name}", count, 1) for name, count in zip(model.labels, model.label_counts, strict=True)]
    parts += [word.encode() + b"\0" + struct.pack("<qb", count, kind_) for word, count, kind_ in entries]
    parts += [struct.pack("<ii", *pair) for pair in (model.kept or {}).items()]
    if model.quantized is None:
        parts.append(struct.pack("<?qq", False, *model.inputs.shape) + model.inputs.tobytes())
    else:
        parts.append(_quantized_bytes(model.quantized))
    parts.append(struct.pack("<?qq", False, *model.outputs.shape) + model.outputs.tobytes())
    path.write_bytes(b"".join(parts))


def _quantized_bytes(matrix: Quantized) -> bytes:
    rows, parts = matrix.codes.shape
    columns = parts * matrix.width
    head = struct.pack("<??qqi", True, True, rows, columns, matrix.codes.size) + matrix.codes.tobytes()
    quantizer = struct.pack("<iiii", columns, parts, matrix.width, matrix.width) + matrix.centroids.tobytes()
    return head + quantizer + matrix.norm_codes.tobytes() + struct.pack("<iiii", 1, 1, 1, 1) + matrix.norms.tobytes()


def hashed(text: bytes) -> int:
    value = 2166136261
    for byte in text:
        value = (value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 % 2**32
    return value


def features(model: TinyModel, text: str) -> list[int]:
    """Rows of ``inputs``."""
    found: list[int] = []

    def add_bucket(value: int) -> None:
        bucket = value % model.buckets
        if model.kept is None:
            found.append(len(model.words) + bucket)
        elif bucket in model.kept:
            found.append(len(model.words) + model.kept[bucket])

    words = [word for word in SPACES.split(text) if word and not word.startswith("__label__")]
    found += [model.words.index(word) for word in [*words, "</s>"] if word in model.words]
    for word in words:
        marked = f"<{word}>"
        for start in range(len(marked)):
            for size in range(max(model.shortest, 1), model.longest + 1):
                piece = marked[start : start + size]
                mark_alone = size == 1 and start in (0, len(marked) - 1)
                if len(piece) == size and not mark_alone:
                    add_bucket(hashed(piece.encode()))
    hashes = [value - 2**32 if value >= 2**31 else value for value in (hashed(w.encode()) for w in [*words, "</s>"])]
    for start in range(len(hashes)):
        value = hashes[start] % 2**64
        for other in hashes[start + 1 : start + model.word_ngrams]:
            value = (value * 116049371 + other) % 2**64
            add_bucket(value)
    return found


def probabilities(model: TinyModel, text: str) -> list[float]:
    """Of each label."""
    hidden = np.mean([model.inputs[row].astype(float) for row in features(model, text)], axis=0)
    logits = (model.outputs.astype(float) @ hidden).tolist()
    if model.loss == HIERARCHICAL:
        return _leaves(model, logits)
    if model.loss == SOFTMAX:
        total = sum(math.exp(logit) for logit in logits)
        return [math.exp(logit) / total for logit in logits]
    return [1 / (1 + math.exp(-logit)) for logit in logits]


def parts(text: bytes, shortest: int) -> list[bytes]:
    """Lines of so many bytes or more, shorter ones joined, longer ones cut at a space after four times as many."""
    found: list[bytes] = []
    start = 0
    for at in range(1, len(text)):
        space, size = text[at - 1] in b" \t\n\v\f\r\0", at - start
        if space and size >= shortest and (text[at - 1] == 10 or size >= 4 * shortest):
            found.append(text[start:at])
            start = at
    return [part for part in [*found, text[start:]] if len(part) >= shortest]


def other_bytes(model: TinyModel, text: str, shortest: int, least: float, groups: list[int]) -> int:
    """Bytes of parts that surely have another label than the text; without word n-grams, which reach over parts."""
    own = probabilities(model, text)
    count = 0
    for part in parts(text.encode(), shortest):
        if len(features(model, part.decode())) < 2:
            continue  # nothing but the end of the line
        found = probabilities(model, part.decode())
        best = found.index(max(found))
        if found[best] > least and groups[best] != groups[own.index(max(own))]:
            count += len(part)
    return count


def _leaves(model: TinyModel, logits: list[float]) -> list[float]:
    heap = [(count, number) for number, count in enumerate(model.label_counts)]
    heapq.heapify(heap)
    children: list[tuple[int, int]] = []
    while len(heap) > 1:
        (one, left), (two, right) = heapq.heappop(heap), heapq.heappop(heap)
        heapq.heappush(heap, (one + two, len(model.labels) + len(children)))
        children.append((left, right))
    found = [0.0] * len(model.labels)

    def walk(node: int, probability: float) -> None:
        if node < len(found):
            found[node] = probability
            return
        inner = node - len(found)
        right = 1 / (1 + math.exp(-logits[inner]))
        walk(children[inner][0], probability * (1 - right + 1e-5))
        walk(children[inner][1], probability * (right + 1e-5))

    walk(heap[0][1], 1.0)
    return found
