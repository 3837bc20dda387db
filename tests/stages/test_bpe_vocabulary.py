"""The fit step that trains a vocabulary."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tokens.patterns import PATTERNS
from pipeline.tokens.tokenizers import load_tokenizer
from stages.bpe_vocabulary import PATTERN, STAGE, BpeTokenizer
from stages.kernels.hashing import hash128_binary
from tests.reference.pretokens import pretokens

HOSTILE = [
    "",
    "😀👨‍👩‍👧 中文没有空格",
    "שלום עולם",
    "e\u0301\u0301",
    "\0\0",
    "<|endoftext|>",
    "tabs\t\nnew\r\nlines   ",
    "1234",
]
TEXTS = [f"the quick brown fox {number} jumps over the lazy dog" for number in range(60)] + HOSTILE


def settings_of(**changes: int) -> BpeTokenizer:
    return BpeTokenizer.model_validate(changes)


def batch(texts: list[str]) -> pa.RecordBatch:
    text = pa.array(texts, pa.large_string())
    return pa.record_batch({"text": text, "content_hash": hash128_binary(text)})


def summary(pieces: list[list[str]], config: BpeTokenizer) -> pa.Table:
    return STAGE.merge([STAGE.summarize(batch(piece), config) for piece in pieces], config)


def rows(table: pa.Table) -> list[tuple[int, bytes, int]]:
    """(level, pre-token, count), without the row that carries the lowest level."""
    return list(zip(*(table.slice(1).column(name).to_pylist() for name in table.column_names), strict=True))


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, len(TEXTS)), max_size=5), cap=st.integers(1, 400), data=st.data())
def test_summaries_merge_in_any_order(cuts: list[int], cap: int, data: st.DataObject) -> None:
    """Any cutting into batches, any order and any nesting of merges gives the same table, capped or not."""
    config = settings_of(max_pretokens=cap)
    bounds = [0, *sorted(cuts), len(TEXTS)]
    pieces = [TEXTS[a:b] for a, b in pairwise(bounds)]
    shuffled = data.draw(st.permutations(pieces))
    half = len(shuffled) // 2
    nested = STAGE.merge([summary(shuffled[:half] or [[]], config), summary(shuffled[half:] or [[]], config)], config)
    whole = STAGE.summarize(batch(TEXTS), config)
    assert nested.equals(summary(pieces, config))
    assert nested.equals(whole)


def test_counts_are_exact() -> None:
    """Below the cap the summary counts every pre-token of every document."""
    table = STAGE.summarize(batch(TEXTS), settings_of())
    counted: Counter[bytes] = Counter()
    for _, word, count in rows(table):
        counted[word] += count
    assert counted == Counter(piece for text in TEXTS for piece in pretokens(text, 256))


def test_the_cap_halves_documents() -> None:
    """Over the cap whole documents are left out, about half of them at a time, and the rest is counted exactly."""
    letters = "abcdefghij"
    texts = ["shared " + "".join(letters[int(digit)] for digit in f"{number:06d}") for number in range(8000)]
    table = STAGE.summarize(batch(texts), settings_of(max_pretokens=3000))
    counts: Counter[bytes] = Counter()
    for _, word, count in rows(table):
        counts[word] += count
    assert 1500 < len(counts) <= 3000
    assert counts[b"shared"] == len(counts) - 1


def test_vocabulary_is_a_tokenizer_json(tmp_path: Path) -> None:
    """The artifact opens in ``tokenizers`` and here with the same ids, and gives every text back, hostile ones too."""
    config = settings_of(vocab_size=290)
    content = STAGE.finish(summary([TEXTS], config), config)
    path = tmp_path / "vocabulary.json"
    path.write_bytes(content)
    ours, theirs = load_tokenizer(str(path)), tokenizers.Tokenizer.from_str(content.decode())
    assert (ours.vocab_size, ours.eos_id, ours.engine) == (290, 289, "gigatoken")
    assert theirs.token_to_id("<|endoftext|>") == 289
    ids, offsets = ours.encode_batch(pa.array(TEXTS))
    for text, (start, end) in zip(TEXTS, pairwise(offsets), strict=True):
        row = ids[start:end]
        assert ours.decode(row).decode() == text
        assert 289 not in row
        if text != "<|endoftext|>":
            assert theirs.encode(text).ids == row.tolist()


def test_frequent_words_become_tokens() -> None:
    """What is frequent is one token: the vocabulary holds `` quick`` and not a word that occurs once."""
    vocabulary = json.loads(STAGE.finish(summary([TEXTS], c := settings_of()), c))["model"]["vocab"]
    assert "Ġquick" in vocabulary and "Ġjumps" in vocabulary and "Ġעולם" not in vocabulary


def test_little_text_makes_a_small_vocabulary() -> None:
    """Where no pair occurs twice the vocabulary ends early, and ``<|endoftext|>`` is still its last id."""
    document = json.loads(STAGE.finish(summary([["abc"]], c := settings_of()), c))
    assert len(document["model"]["vocab"]) == 256
    assert document["added_tokens"][0]["id"] == 256


def test_no_text_is_an_error() -> None:
    """Nothing to learn from is an error, not an empty vocabulary."""
    for nothing in (summary([[""]], c := settings_of()), STAGE.merge([], c)):
        with pytest.raises(ValueError, match="no text"):
            STAGE.finish(nothing, c)


def test_the_pattern_is_qwens() -> None:
    """The vocabulary cuts text with the pattern that the Qwen tokenizer uses."""
    assert PATTERNS["qwen2"].regex == PATTERN


def test_settings() -> None:
    """A vocabulary needs room for the bytes and the end of a document."""
    with pytest.raises(ValueError, match="257"):
        settings_of(vocab_size=256)
