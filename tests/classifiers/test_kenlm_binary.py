"""Probing binaries of KenLM are looked up as its package does, and damaged ones are refused."""

from __future__ import annotations

import os
import struct
import subprocess
from functools import partial
from pathlib import Path

import kenlm
import numpy as np
import pyarrow as pa
import pytest

from classifiers import kenlm_binary
from classifiers.arpa import parse_arpa
from classifiers.errors import ModelError
from classifiers.kenlm_binary import is_binary, read_header, read_probing
from classifiers.language_model import load_language_model
from classifiers.ngram_lm import arpa_bytes, estimate
from stages.kernels.arrow_text import text_view
from stages.kernels.ngram_scores import LineScores, score_lines
from stages.kernels.ngram_table import NgramTable, kenlm_shape
from tests.reference.murmur_hash import murmur_hash
from tests.stages.hostile import ROWS

LMPLZ = os.environ.get("GRISTMILL_LMPLZ", "")

TEXTS = [
    "the ferry left at noon\nnobody could say when the ferry would come back",
    "渡轮 在 中午 离开",
    "Ω é ferry",
] * 2
UNSEEN = ["the ferry left", "", "unseen words\n\n<unk> at noon", "when the ferry when the ferry", *ROWS]
SENTENCES = [line for text in UNSEEN for line in text.replace("\0", "").split("\n") if line.strip()]


def arpa(order: int, prune: tuple[int, ...] = ()) -> bytes:
    return arpa_bytes(estimate(text_view(pa.array(TEXTS)), order, prune=prune[:order]))


def binary(content: bytes, space: float = 1.5, *, words: bool = False, kind: int = 0) -> bytes:
    """As ``build_binary`` writes it: test values, settings, counts, tables, perhaps words."""
    table, _ = parse_arpa(np.frombuffer(content, np.uint8), "test", partial(kenlm_shape, space=space))
    counts = [int(line.split(b"=")[1]) for line in content.split(b"\n") if line.startswith(b"ngram ")]
    magic = b"mmap lm http://kheafield.com/code format version 5\n\0".ljust(56, b"\0")
    head = magic + struct.pack("<fffIIIQ", 0, 1, -0.5, 1, 2**32 - 1, 0, 1)
    head += struct.pack("<BxxxfIBxxxI", len(counts), space, kind, words, 0) + struct.pack(f"<{len(counts)}Q", *counts)
    one_grams = content.split(b"\\1-grams:\n")[1].split(b"\n\n")[0].split(b"\n")
    found = [line.split(b"\t")[1] for line in one_grams]
    ends = b"".join(word + b"\0" for word in [b"<unk>", *(word for word in found if word != b"<unk>")])
    return head.ljust(-(-len(head) // 8) * 8, b"\0") + table.memory.tobytes() + ends * words


def scored(table: NgramTable, texts: list[str]) -> LineScores:
    view = text_view(pa.array(texts))
    return score_lines(table, view.data, view.offsets)


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
@pytest.mark.parametrize(("space", "words"), [(1.0, True), (1.2, False), (1.5, True), (4.0, False)])
def test_scores_are_those_of_the_package(order: int, space: float, words: bool, tmp_path: Path) -> None:
    """The package and we read the same file, of any order and density, with words and without, to the same scores."""
    path = tmp_path / "m.bin"
    path.write_bytes(binary(arpa(order, (0, 0, 1)), space, words=words))
    assert is_binary(path) and read_header(path).kind == "probing"
    theirs = kenlm.Model(str(path))
    table = read_probing(path)
    assert table.order == theirs.order == order
    found = scored(table, SENTENCES)
    assert found.scores.tolist() == pytest.approx([theirs.score(line) for line in SENTENCES], rel=1e-5, abs=1e-5)
    assert found.scores.tolist() == scored(parse_arpa(np.frombuffer(arpa(order, (0, 0, 1)), np.uint8), "")[0],
                                           SENTENCES).scores.tolist()  # fmt: skip


def test_a_model_of_words_alone(tmp_path: Path) -> None:
    """Order 1, which build_binary does not make, is a table like others."""
    path = tmp_path / "m.bin"
    path.write_bytes(binary(arpa(1)))
    found = scored(read_probing(path), SENTENCES)
    assert (
        found.scores.tolist() == scored(parse_arpa(np.frombuffer(arpa(1), np.uint8), "")[0], SENTENCES).scores.tolist()
    )


def test_the_stage_takes_the_tables(tmp_path: Path) -> None:
    """A probing binary does not go through the package, other kinds do."""
    path = tmp_path / "m.bin"
    path.write_bytes(binary(arpa(3)))
    assert isinstance(load_language_model(str(path), prepare="plain", tokens="words").lookup, NgramTable)
    path.write_bytes(binary(arpa(3), kind=2))
    with pytest.raises(ModelError, match="m.bin cannot be read as a KenLM binary"):
        load_language_model(str(path), prepare="plain", tokens="words")


def test_a_file_that_is_cut_off(tmp_path: Path) -> None:
    """Wherever it ends, the error names the file."""
    path = tmp_path / "m.bin"
    content = binary(arpa(3), words=True)
    for size in [*range(33, 200, 7), *range(200, len(content), 997), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(ModelError, match=r"m\.bin (is damaged|begins with)"):
            read_probing(path)
    path.write_bytes(content)
    assert read_probing(path).order == 3


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (49, b"6", "begins with 'mmap lm http://kheafield.com/code format version 6'"),
        (60, b"\xff", "test values"),
        (88, b"\0", "order 0"),
        (88, b"\xff", "order 255"),
        (92, struct.pack("<f", 0.5), "0.5 buckets"),
        (92, struct.pack("<f", float("nan")), "nan buckets"),
        (96, b"\x09", "kind 9"),
        (108, b"\xff" * 8, "the counts at its head"),
        (136, b"\1", "vocabulary says version 1"),
        (140, b"\xff" * 4, "4,294,967,295 words"),
        (140, b"\2\0\0\0", "numbers of words that do not exist"),
        (-2, b"\0", "words do not stand at its end"),
    ],
)
def test_a_damaged_file_is_refused(place: int, value: bytes, message: str, tmp_path: Path) -> None:
    """The error says what is wrong with which file."""
    content = bytearray(binary(arpa(3), words=True))
    content[place : place + len(value) or None] = value
    path = tmp_path / "m.bin"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message):
        read_probing(path)


def test_a_full_table_is_refused(tmp_path: Path) -> None:
    """A search in it would not end."""
    content = bytearray(binary(arpa(2)))
    shape = kenlm_shape(read_counts(content), 1.5, 128)
    content[shape.places[2] : shape.ends[2]] = b"\1" * (shape.ends[2] - shape.places[2])
    (tmp_path / "m.bin").write_bytes(content)
    with pytest.raises(ModelError, match="table of 2-grams is full"):
        read_probing(tmp_path / "m.bin")


def read_counts(content: bytes | bytearray) -> list[int]:
    order = content[88]
    return list(struct.unpack_from(f"<{order}Q", content, 108))


def test_a_model_without_markers(tmp_path: Path) -> None:
    """Sentences cannot be scored without them."""
    content = arpa(2).replace(b"<s>", b"<x>")
    with pytest.raises(ModelError, match="no <s>"):
        parse_arpa(np.frombuffer(content, np.uint8), "test")
    data = binary(arpa(2))
    (tmp_path / "m.bin").write_bytes(data.replace(struct.pack("<Q", murmur_hash(b"<s>")), struct.pack("<Q", 5)))
    with pytest.raises(ModelError, match="m.bin has no <s>"):
        read_probing(tmp_path / "m.bin")


@pytest.mark.skipif(not LMPLZ, reason="GRISTMILL_LMPLZ names no lmplz")
@pytest.mark.parametrize("options", [[], ["-p", "1.1"], ["-p", "3"], ["-v"], ["-w", "mmap"]])
@pytest.mark.parametrize("order", [2, 3, 5, 6])
def test_what_build_binary_makes(options: list[str], order: int, tmp_path: Path) -> None:
    """Files of KenLM's own program, which lies beside lmplz, have the package's scores."""
    (tmp_path / "m.arpa").write_bytes(arpa(order))
    program = str(Path(LMPLZ).with_name("build_binary"))
    command = [program, *options, str(tmp_path / "m.arpa"), str(tmp_path / "m.bin")]
    subprocess.run(command, check=True, capture_output=True)
    theirs = kenlm.Model(str(tmp_path / "m.bin"))
    found = scored(read_probing(tmp_path / "m.bin"), SENTENCES)
    assert found.scores.tolist() == pytest.approx([theirs.score(line) for line in SENTENCES], rel=1e-5, abs=1e-5)


def test_a_large_file_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And has the same tables as when it is copied."""
    path = tmp_path / "m.bin"
    path.write_bytes(binary(arpa(3)))
    copied = read_probing(path)
    monkeypatch.setattr(kenlm_binary, "COPIED_BYTES", 0)
    mapped = read_probing(path)
    assert copied.memory.tobytes() == mapped.memory.tobytes() == path.read_bytes()
    assert copied.memory.flags.writeable and not mapped.memory.flags.writeable
