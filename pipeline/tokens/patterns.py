"""Pre-tokenization patterns: how text is cut before byte pairs are merged.

A ``.tiktoken`` file holds ranks only; the pattern and the end-of-document token live in the code that
published the encoding. These are the published ones. ``scheme`` is gigatoken's name for the same cut, given only
where a test compares its ids with tiktoken's on text of every kind; without it tiktoken encodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

END_OF_DOCUMENT_NAMES = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|eot|>")
"""Control tokens that end a document, in the order in which a ``tokenizer.json`` is asked for them."""


class Pattern(NamedTuple):
    """``regex`` in the dialect of tiktoken; ``scheme``: gigatoken's name for it, or None."""

    regex: str
    scheme: str | None


class Encoding(NamedTuple):
    """What a rank file leaves out: its pattern, the id that ends a document, and ids with the control tokens."""

    pattern: str
    eos_id: int
    vocab_size: int


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]"
_LOWER = r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

PATTERNS: Mapping[str, Pattern] = {
    "qwen2": Pattern(_CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _REST, "qwen2"),
    "llama3": Pattern(_CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _REST, None),
    "gpt2": Pattern(r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", "gpt2"),
    "cl100k": Pattern(
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
        "gpt4",
    ),
    "o200k": Pattern(
        rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "o200k",
    ),
}

ENCODINGS: Mapping[str, Encoding] = {
    "qwen": Encoding("qwen2", 151643, 151665),
    "cl100k_base": Encoding("cl100k", 100257, 100277),
    "o200k_base": Encoding("o200k", 199999, 200019),
    "p50k_base": Encoding("gpt2", 50256, 50281),
    "r50k_base": Encoding("gpt2", 50256, 50257),
    "gpt2": Encoding("gpt2", 50256, 50257),
    "meta-llama-3-8B": Encoding("llama3", 128001, 128256),
}
"""File name without ``.tiktoken`` → what the file leaves out, as published with each encoding."""
