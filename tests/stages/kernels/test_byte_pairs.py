"""Training of byte pairs against its twin and Hugging Face's trainer."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stages.kernels.arrow_text import text_view
from stages.kernels.byte_pairs import train_merges
from tests.reference.byte_pairs import train_merges as reference

WORDS = st.dictionaries(
    st.binary(max_size=8) | st.text("ab", max_size=12).map(str.encode) | st.text("中a文", max_size=6).map(str.encode),
    st.integers(0, 5),
    max_size=12,
)


def trained(words: dict[bytes, int], byte_ids: list[int], ids: int, min_count: int) -> list[tuple[int, int, int]]:
    view = text_view(pa.array(list(words), pa.large_binary()))
    counts = np.array(list(words.values()), np.int64)
    merges = train_merges(view, counts, np.array(byte_ids, np.int32), ids, min_count)
    return list(zip(*(column.tolist() for column in merges), strict=True))


@settings(max_examples=300)
@given(words=WORDS, seed=st.integers(0, 3), ids=st.integers(256, 300), min_count=st.integers(1, 3))
@example(words={b"aaaaaaa": 3, b"abcabc": 2, b"bcabca": 2}, seed=0, ids=300, min_count=1)
def test_merges_are_those_of_the_twin(words: dict[bytes, int], seed: int, ids: int, min_count: int) -> None:
    """The same merges in the same order as counting all pairs anew, overlaps, ties and equal spellings included."""
    byte_ids = random.Random(seed).sample(range(256), 256) if seed else list(range(256))
    expected = reference(list(words), list(words.values()), byte_ids, ids, min_count)
    assert trained(words, byte_ids, ids, min_count) == expected


def test_two_spellings_make_one_id() -> None:
    """Two pairs that spell the same bytes give one id: a vocabulary never holds a token twice."""
    words = {b"abc": 10, b"ab": 50, b"bc": 40, b"xbc": 30, b"xb": 10, b"abcd": 1, b"zabc": 20, b"bcbc": 9}
    merges = trained(words, list(range(256)), 290, 1)
    spelt = {number: bytes([number]) for number in range(256)}
    for left, right, made in merges:
        assert spelt.setdefault(made, spelt[left] + spelt[right]) == spelt[left] + spelt[right]
    assert len(set(spelt.values())) == len(spelt)


def test_merges_are_those_of_hugging_face() -> None:
    """On words of real shape the merges are those of Hugging Face's trainer, in its order."""
    import tokenizers

    rng = random.Random(5)
    syllables = ["ba", "na", "tion", "ing", "e", "s", "th", "the", "中", "文字", "ed", "re"]
    words = {"".join(rng.choices(syllables, k=rng.randint(1, 5))): rng.randint(1, 40) for _ in range(800)}
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=600, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    model.train_from_iterator((" ".join([word] * count) for word, count in words.items()), trainer)
    vocabulary = model.get_vocab()
    from stages.bpe_vocabulary import BYTE_IDS, CHARACTERS

    ours = trained({word.encode(): count for word, count in sorted(words.items())}, BYTE_IDS.tolist(), 600, 2)
    spelt = {int(BYTE_IDS[byte]): CHARACTERS[byte] for byte in range(256)}
    for left, right, made in ours:
        spelt[made] = spelt[left] + spelt[right]
    assert {text: number for number, text in spelt.items()} == vocabulary
