"""Qwen2.5, dense, in one file: grouped-query attention with biased q, k, v, rotary positions, SwiGLU, RMSNorm.

Parameters have Hugging Face's names, so ``state_dict`` and transformers' checkpoints are each other's (arXiv
2412.15115). Suffixes of tensors say their shape: B batch, T positions, D hidden, H query heads, K key and value heads,
E head size, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trainer.config import ModelConfig


class RMSNorm(nn.Module):
    """x / rms(x) · weight, computed in float32 (Zhang and Sennrich 2019)."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.weight.shape, self.weight.float(), self.eps).to(x.dtype)


def rotary(positions_BT: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Cosine and sine of the angles of every position, [B, 1, T, E] (Su et al. 2021); float32."""
    steps = torch.arange(0, config.head_dim, 2, device=positions_BT.device, dtype=torch.float32)
    frequencies = config.rope_theta ** (-steps / config.head_dim)
    angles = positions_BT[:, None, :, None].float() * frequencies
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x_BHTE: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the pairs (i, i + E/2) of every head by their angles."""
    first, second = x_BHTE.chunk(2, dim=-1)
    return x_BHTE * cos.to(x_BHTE.dtype) + torch.cat([-second, first], dim=-1) * sin.to(x_BHTE.dtype)


class Attention(nn.Module):
    """Causal attention; each group of query heads shares a key and value head (Ainslie et al. 2023)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, kv_width = config.hidden_size, config.num_key_value_heads * config.head_dim
        self.head_dim = config.head_dim
        self.groups = config.num_attention_heads // config.num_key_value_heads
        self.q_proj = nn.Linear(width, width, bias=True)
        self.k_proj = nn.Linear(width, kv_width, bias=True)
        self.v_proj = nn.Linear(width, kv_width, bias=True)
        self.o_proj = nn.Linear(width, width, bias=False)

    def forward(self, x_BTD: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        q_BHTE = rotate(self._heads(self.q_proj(x_BTD)), cos, sin)
        k_BKTE = rotate(self._heads(self.k_proj(x_BTD)), cos, sin)
        v_BKTE = self._heads(self.v_proj(x_BTD))
        k_BHTE, v_BHTE = (kv.repeat_interleave(self.groups, dim=1) for kv in (k_BKTE, v_BKTE))
        y_BHTE = F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE, attn_mask=mask, is_causal=mask is None)
        return self.o_proj(y_BHTE.transpose(1, 2).flatten(2))

    def _heads(self, x_BTD: Tensor) -> Tensor:
        return x_BTD.view(*x_BTD.shape[:2], -1, self.head_dim).transpose(1, 2)


class MLP(nn.Module):
    """down(silu(gate(x)) · up(x)) (Shazeer 2020)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x_BTD: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x_BTD)) * self.up_proj(x_BTD))


class Layer(nn.Module):
    """Attention and MLP, each on the normed stream and added to it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x_BTD: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x_BTD = x_BTD + self.self_attn(self.input_layernorm(x_BTD), cos, sin, mask)
        return x_BTD + self.mlp(self.post_attention_layernorm(x_BTD))


class Trunk(nn.Module):
    """Everything below the output embedding; Hugging Face calls it ``model``."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, ids_BT: Tensor, positions_BT: Tensor, mask: Tensor | None) -> Tensor:
        cos, sin = rotary(positions_BT, self.config)
        x_BTD = self.embed_tokens(ids_BT)
        for layer in self.layers:
            x_BTD = layer(x_BTD, cos, sin, mask)
        return self.norm(x_BTD)


class Qwen2(nn.Module):
    """The language model. ``lm_head`` exists only where it is not the input embedding."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head = (
            None if config.tie_word_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        )

    def initialize(self, seed: int) -> Qwen2:
        """Normal weights of deviation ``initializer_range``, zero biases; the same for the same seed on a CPU."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, 0.0, self.config.initializer_range, generator)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        return self

    def forward(self, ids_BT: Tensor, documents_BT: Tensor | None = None, positions_BT: Tensor | None = None) -> Tensor:
        """Last hidden states, [B, T, D], of which :meth:`logits` and the loss make use.

        ``documents_BT``: attention stays within equal numbers; ``positions_BT``: within the document. Without them a
        row is one document.
        """
        if positions_BT is None:
            positions_BT = torch.arange(ids_BT.shape[1], device=ids_BT.device).expand_as(ids_BT)
        mask = None if documents_BT is None else causal_within(documents_BT)
        return self.model(ids_BT, positions_BT, mask)

    def logits(self, x_BTD: Tensor) -> Tensor:
        """Logits, [B, T, V], of hidden states; large: the loss does without."""
        return F.linear(x_BTD, self.output_weight)

    @property
    def output_weight(self) -> Tensor:
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight


def causal_within(documents_BT: Tensor) -> Tensor:
    """bool[B, 1, T, T]: position i sees j ≤ i of the same document."""
    same = documents_BT[:, None, :, None] == documents_BT[:, None, None, :]
    return same & torch.ones(same.shape[-2:], dtype=torch.bool, device=same.device).tril()
