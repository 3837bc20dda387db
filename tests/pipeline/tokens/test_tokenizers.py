"""Tokenizers: ids are tiktoken's, whatever library makes them."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tiktoken
import tokenizers
import zstandard

from pipeline.errors import RecipeError
from pipeline.tokens import engines
from pipeline.tokens import tokenizers as subject
from pipeline.tokens.engines import PROBE, Gigatoken
from pipeline.tokens.patterns import ENCODINGS, PATTERNS
from pipeline.tokens.tokenizers import load_tokenizer, tokenizer_fingerprint

PIECES = [
    *"abcXYZ019 \t\n\r'!?.-_<|>",
    *(
        "'s",
        "'LL",
        "\u00e9",
        "e\u0301",
        "中",
        "文",
        "😀",
        "👨‍👩‍👧",
        "ש",
        "ا",
        "ſ",
        "İ",
        "ǅ",
        "ʰ",
        "Ⅷ",
        "²",
        "\u3000",
        "\u00a0",
    ),
    *(
        "\u0085",
        "\u2028",
        "\0",
        "<|endoftext|>",
        "<|im_start|>",
        "्",
        "٣",
        "한",
        "か",
        "ー",
        "    ",
        "\ufeff",
        "\U000e0001",
    ),
]


def fuzz(count: int, seed: int = 1) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(PIECES, k=rng.randint(0, 24))) for _ in range(count)]


def reference(path: str, pattern: str) -> tiktoken.Encoding:
    ranks = {
        base64.b64decode(token): int(rank) for token, rank in map(bytes.split, Path(path).read_bytes().splitlines())
    }
    return tiktoken.Encoding("x", pat_str=PATTERNS[pattern].regex, mergeable_ranks=ranks, special_tokens={})


@pytest.fixture(scope="module")
def qwen() -> tiktoken.Encoding:
    return reference(str(subject._qwen_file()), "qwen2")


def assert_same(tokenizer: subject.Tokenizer, texts: list[str], expected: list[list[int]]) -> None:
    ids, offsets = tokenizer.encode_batch(pa.array(texts, pa.large_string()))
    assert np.diff(offsets).tolist() == [len(row) for row in expected]
    assert np.array_equal(
        ids, np.concatenate([np.zeros(0, np.uint32), *(np.array(row, np.uint32) for row in expected)])
    )


def test_qwen_is_the_published_vocabulary() -> None:
    """The embedded vocabulary is Qwen's: 151,643 ranks, end of document 151643, known ids of known text."""
    tokenizer = load_tokenizer("qwen2.5")
    assert (tokenizer.vocab_size, tokenizer.eos_id, tokenizer.engine) == (151665, 151643, "gigatoken")
    ids, _ = tokenizer.encode_batch(pa.array(["Hello world! 你好,世界 2024"]))
    assert ids.tolist() == [9707, 1879, 0, 220, 108386, 11, 99489, 220, 17, 15, 17, 19]
    assert tokenizer.decode(ids) == "Hello world! 你好,世界 2024".encode()


def test_ids_are_tiktokens(qwen: tiktoken.Encoding) -> None:
    """On hostile and fuzzed strings ids are exactly ``encode_ordinary``'s."""
    texts = [*PROBE, *fuzz(5000)]
    assert_same(load_tokenizer("qwen2.5"), texts, qwen.encode_ordinary_batch(texts, num_threads=1))


def test_control_tokens_stay_text() -> None:
    """Text that spells a control token is encoded as text and comes back as text."""
    ids, _ = load_tokenizer("qwen2.5").encode_batch(pa.array(["a<|endoftext|>b<|im_start|>"]))
    assert int(ids.max()) < 151643
    assert load_tokenizer("qwen2.5").decode(ids) == b"a<|endoftext|>b<|im_start|>"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_slices_and_empty_arrays(kind: pa.DataType) -> None:
    """A slice gives the ids of its rows only, offsets begin at 0, and no rows give no ids."""
    tokenizer = load_tokenizer("qwen2.5")
    array = pa.array(["skipped", "", "中文", "x y", "skipped"], kind)
    ids, offsets = tokenizer.encode_batch(array[1:4])
    alone = [tokenizer.encode_batch(array[row : row + 1])[0].tolist() for row in (1, 2, 3)]
    assert [ids[a:b].tolist() for a, b in pairwise(offsets)] == alone
    assert ids.dtype == np.uint32 and offsets.dtype == np.int64 and offsets[0] == 0
    empty, starts = tokenizer.encode_batch(array[2:2])
    assert (len(empty), starts.tolist()) == (0, [0])


def test_a_long_line() -> None:
    """A line of 50 MB is encoded as one row and comes back."""
    line = "words and 中文 " * (50_000_000 // 17)
    ids, offsets = load_tokenizer("qwen2.5").encode_batch(pa.array([line], pa.large_string()))
    assert offsets.tolist() == [0, len(ids)]
    assert load_tokenizer("qwen2.5").decode(ids[:60]).startswith(b"words and")
    short, _ = load_tokenizer("qwen2.5").encode_batch(pa.array(["中" * 2_000_000 + "a" * 1_000_000 + " " * 1_000_000]))
    assert load_tokenizer("qwen2.5").decode(short[-3:]).endswith(b" ")


def test_memory_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """gigatoken is loaded anew after enough text, and the ids stay the same."""
    loads: list[int] = []
    path = str(subject._qwen_file())
    monkeypatch.setattr(engines, "RENEW_TEXT_BYTES", 100)
    monkeypatch.setattr(engines, "RENEW_GROWTH_BYTES", -(2**40))

    def load() -> object:
        loads.append(1)
        return subject._gigatoken_ranks(path, "qwen2")

    engine = Gigatoken(load)
    rows = [engine.encode(pa.array(["some words " * 5]))[0].tolist() for _ in range(4)]
    assert len(loads) == 3 and rows.count(rows[0]) == 4


def test_without_gigatoken_ids_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gigatoken is not installed tiktoken encodes, says so, and the ids and fingerprint are the same."""
    texts = fuzz(200, seed=2)
    fast = load_tokenizer("qwen2.5")
    monkeypatch.setattr(subject, "find_spec", lambda name: None if name == "gigatoken" else find_spec(name))
    subject._load.cache_clear()
    slow = load_tokenizer("qwen2.5")
    subject._load.cache_clear()
    assert slow.engine == "tiktoken" and slow.fingerprint == fast.fingerprint
    ids, offsets = slow.encode_batch(pa.array(texts))
    assert np.array_equal(ids, fast.encode_batch(pa.array(texts))[0])
    assert np.array_equal(offsets, fast.encode_batch(pa.array(texts))[1])


def small_json(tmp_path: Path, name: str = "tokenizer.json", **changes: object) -> Path:
    """A byte-level ``tokenizer.json`` with 256 bytes, a merge, a control token and an ordinary added token."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    model = tokenizers.Tokenizer(
        tokenizers.models.BPE({c: n for n, c in enumerate(alphabet)} | {"ab": 256}, [("a", "b")])
    )
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    model.add_special_tokens(["<|endoftext|>"])
    model.post_processor = tokenizers.processors.TemplateProcessing("<|endoftext|> $A", None, [("<|endoftext|>", 257)])
    path = tmp_path / name
    path.write_text(json.dumps({**json.loads(model.to_str()), **changes}))
    return path


def test_tokenizer_json(tmp_path: Path) -> None:
    """A ``tokenizer.json`` encodes without its control tokens and without what its post-processor would add."""
    tokenizer = load_tokenizer(str(small_json(tmp_path)))
    assert (tokenizer.name, tokenizer.vocab_size, tokenizer.eos_id) == ("tokenizer.json", 258, 257)
    ids, _ = tokenizer.encode_batch(pa.array(["ab<|endoftext|>"]))
    assert ids[0] == 256 and 257 not in ids
    assert tokenizer.decode([*ids, 257]) == b"ab<|endoftext|>"


def test_engines_that_disagree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gigatoken is not taken for a ``tokenizer.json`` where it gives other ids."""
    real = engines.Gigatoken.encode
    monkeypatch.setattr(engines.Gigatoken, "encode", lambda self, text: (real(self, text)[0] + 1, real(self, text)[1]))
    assert load_tokenizer(str(small_json(tmp_path))).engine == "tokenizers"


def test_a_model_that_gigatoken_does_not_know(tmp_path: Path) -> None:
    """A word-level model is encoded by ``tokenizers``."""
    model = {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"}
    space = {"type": "WhitespaceSplit"}
    tokenizer = load_tokenizer(str(small_json(tmp_path, model=model, pre_tokenizer=space)))
    assert tokenizer.engine == "tokenizers"
    assert tokenizer.encode_batch(pa.array(["a b"]))[0].tolist() == [0, 1]


def test_rank_files(tmp_path: Path) -> None:
    """A rank file of another name needs a pattern; its end of document is the first free id."""
    path = tmp_path / "mine.tiktoken"
    tokens = [*(bytes([n]) for n in range(256)), b"ab"]
    path.write_bytes(b"".join(base64.b64encode(token) + b" %d\n" % n for n, token in enumerate(tokens)))
    with pytest.raises(RecipeError, match="name the pattern.*qwen2"):
        load_tokenizer(str(path))
    with pytest.raises(RecipeError, match="unknown pattern 'qwen'"):
        load_tokenizer(str(path), pattern="qwen")
    tokenizer = load_tokenizer(str(path), pattern="qwen2")
    assert (tokenizer.eos_id, tokenizer.vocab_size) == (257, 258)
    assert tokenizer.encode_batch(pa.array(["abb"]))[0].tolist() == [256, 98]
    assert tokenizer_fingerprint(str(path), pattern="gpt2") != tokenizer.fingerprint
    path.write_bytes(path.read_bytes() + base64.b64encode(b"bb") + b" 257\n")
    assert load_tokenizer(str(path), pattern="qwen2").encode_batch(pa.array(["abb"]))[0].tolist() == [256, 98]
    assert load_tokenizer(str(path), pattern="qwen2").eos_id == 258


@pytest.mark.parametrize(
    ("spec", "content", "message"),
    [
        ("qwen3", None, "unknown tokenizer 'qwen3'"),
        ("missing.json", None, "no such tokenizer file"),
        ("bad.json", b"{", "not a vocabulary"),
        ("list.json", b"[1]", "not a vocabulary"),
        ("cl100k_base.tiktoken", b"IQ== 0\nnot base64!\n", r"tiktoken:2: expected base64 and a rank"),
        ("gpt2.tiktoken", b"", "empty"),
    ],
)
def test_what_is_no_vocabulary(tmp_path: Path, spec: str, content: bytes | None, message: str) -> None:
    """Unknown names, missing files and files that are no vocabulary are errors with place and remedy."""
    if content is not None:
        (tmp_path / spec).write_bytes(content)
    with pytest.raises(RecipeError, match=message) as caught:
        load_tokenizer(str(tmp_path / spec) if "." in spec else spec)
    assert caught.value.remedy


def test_no_end_of_document(tmp_path: Path) -> None:
    """A ``tokenizer.json`` without a token that ends documents is refused, and the known names are listed."""
    with pytest.raises(RecipeError, match=r"ends a document.*<\|endoftext\|>"):
        load_tokenizer(str(small_json(tmp_path, added_tokens=[], post_processor=None)))


def test_fingerprint_is_that_of_the_file(tmp_path: Path) -> None:
    """The fingerprint is known without loading, is the loaded tokenizer's, and changes with a byte of the file."""
    path = small_json(tmp_path)
    before = tokenizer_fingerprint(str(path))
    assert before == load_tokenizer(str(path)).fingerprint
    path.write_text(path.read_text() + " ")
    assert tokenizer_fingerprint(str(path)) != before


def real_text(path: Path, limit: int) -> Iterator[str]:
    with path.open("rb") as raw:
        stream = zstandard.ZstdDecompressor(max_window_size=2**31).stream_reader(raw)
        for line, _ in zip(io.TextIOWrapper(stream, encoding="utf-8"), range(limit), strict=False):
            yield json.loads(line)["text"]


@pytest.mark.data
@pytest.mark.parametrize("name", ["prose_zh/lctt_published.jsonl.zst", "prose_en/lctt_sources_history.jsonl.zst"])
def test_ids_on_real_text(qwen: tiktoken.Encoding, name: str, real_data: Path) -> None:
    """On real English and Chinese prose ids are exactly tiktoken's."""
    texts = list(real_text(real_data / name, 400))
    assert_same(load_tokenizer("qwen2.5"), texts, qwen.encode_ordinary_batch(texts, num_threads=1))


@pytest.mark.data
@pytest.mark.parametrize("name", ["cl100k_base", "o200k_base", "r50k_base", "p50k_base", "meta-llama-3-8B"])
def test_published_rank_files(name: str, tmp_path: Path, real_data: Path) -> None:
    """For the other published encodings ids are tiktoken's on fuzzed and Chinese text, whichever library makes them."""
    path = tmp_path / f"{name}.tiktoken"
    packed = (real_data / "tokenizers" / f"{name}.tiktoken.zst").read_bytes()
    path.write_bytes(zstandard.ZstdDecompressor().stream_reader(packed).read())
    texts = [*PROBE, *fuzz(2000, seed=3), *real_text(real_data / "prose_zh/lctt_published.jsonl.zst", 20)]
    expected = reference(str(path), ENCODINGS[name].pattern).encode_ordinary_batch(texts, num_threads=1)
    assert_same(load_tokenizer(str(path)), texts, expected)


def test_every_code_point(qwen: tiktoken.Encoding) -> None:
    """Both libraries know the same letters, numbers and spaces: a sample of all code points, each in context."""
    texts = [f"a{chr(c)}b1{chr(c)} {chr(c)}\n" for c in range(0, 0x110000, 37) if not 0xD800 <= c < 0xE000]
    assert_same(load_tokenizer("qwen2.5"), texts, qwen.encode_ordinary_batch(texts, num_threads=1))
