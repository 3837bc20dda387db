"""Sizes of Qwen2.5: the published ones and small ones of the same shape.

Published values are those of the models' config.json files; the proxies keep the shape (head size 64 as in 0.5B, few
key and value heads, intermediate size about three times the hidden one) and are named by their non-embedding
parameters. A vocabulary of 151,936 would dominate them, so they take the vocabulary of the token shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from trainer.errors import TrainerError

VOCAB_MULTIPLE = 64
"""A proxy's vocabulary is padded to a multiple of this, which matrix products like."""


@dataclass(frozen=True)
class ModelConfig:
    """Shape of a model, under Hugging Face's names. ``vocab_size`` 0: that of the token shards."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    intermediate_size: int
    tie_word_embeddings: bool = True
    rms_norm_eps: float = 1e-6
    rope_theta: float = 1e6
    initializer_range: float = 0.02
    max_position_embeddings: int = 32768

    @property
    def head_dim(self) -> int:
        return self.hidden_size // self.num_attention_heads

    @property
    def embedding_parameters(self) -> int:
        """Parameters of the input embedding, and of the output one where it is its own."""
        return self.vocab_size * self.hidden_size * (1 if self.tie_word_embeddings else 2)

    @property
    def parameters(self) -> int:
        """All parameters, a tied embedding counted once."""
        width, kv_width = self.hidden_size, self.num_key_value_heads * self.head_dim
        attention = width * width + width + 2 * (width * kv_width + kv_width) + width * width
        layer = attention + 3 * width * self.intermediate_size + 2 * width
        return self.embedding_parameters + self.num_hidden_layers * layer + width

    def with_vocabulary(self, vocab_size: int) -> ModelConfig:
        """The config for token ids below ``vocab_size``. Raises TrainerError if they do not fit a published size."""
        if not self.vocab_size:
            return replace(self, vocab_size=-(-vocab_size // VOCAB_MULTIPLE) * VOCAB_MULTIPLE)
        if vocab_size > self.vocab_size:
            raise TrainerError(
                f"the tokenizer has {vocab_size:,} ids, this model's vocabulary is {self.vocab_size:,}",
                "tokenize with qwen2.5, or train a proxy size, which takes the tokenizer's vocabulary",
            )
        return self

    def to_hugging_face(self, eos_id: int | None) -> dict[str, Any]:
        """The model's config.json."""
        return {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "hidden_act": "silu",
            "attention_dropout": 0.0,
            "use_sliding_window": False,
            "torch_dtype": "float32",
            "eos_token_id": eos_id,
            "bos_token_id": eos_id,
            **asdict(self),
        }


def _published(width: int, layers: int, heads: int, kv_heads: int, intermediate: int, large: bool) -> ModelConfig:
    """From 7B on the embeddings are untied and padded further, and from 14B on epsilon is larger."""
    return ModelConfig(
        vocab_size=152064 if large else 151936,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        intermediate_size=intermediate,
        tie_word_embeddings=not large,
        rms_norm_eps=1e-5 if layers >= 48 else 1e-6,
    )


def _proxy(width: int, layers: int, heads: int, kv_heads: int, intermediate: int) -> ModelConfig:
    """RoPE's base is the published one before its long-context extension."""
    return ModelConfig(0, width, layers, heads, kv_heads, intermediate, rope_theta=1e4, max_position_embeddings=4096)


SIZES: Mapping[str, ModelConfig] = {
    "toy": _proxy(128, 4, 4, 2, 512),
    "proxy-10m": _proxy(384, 6, 6, 2, 1088),
    "proxy-50m": _proxy(640, 10, 10, 2, 2048),
    "proxy-150m": _proxy(896, 16, 14, 2, 2816),
    "0.5b": _published(896, 24, 14, 2, 4864, large=False),
    "1.5b": _published(1536, 28, 12, 2, 8960, large=False),
    "3b": _published(2048, 36, 16, 2, 11008, large=False),
    "7b": _published(3584, 28, 28, 4, 18944, large=True),
    "14b": _published(5120, 48, 40, 8, 13824, large=True),
    "32b": _published(5120, 64, 40, 8, 27648, large=True),
    "72b": _published(8192, 80, 64, 8, 29568, large=True),
}


def model_config(size: str) -> ModelConfig:
    """The config of that name, in any case. Raises TrainerError for an unknown one."""
    found = SIZES.get(size.lower())
    if found is None:
        raise TrainerError(f"unknown model size {size!r}", f"one of {', '.join(SIZES)}")
    return found
