"""Cross-entropy from hidden states, in chunks: all logits of a step never stand in memory at once.

Loss and both gradients are computed chunk by chunk in the forward pass, so that the logits, the widest numbers of a
small model, are made once, used while they are in the cache and thrown away.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

IGNORED = -100
"""Target of a token whose successor is not to be predicted."""

CHUNK_LOGITS = 2**21
"""Logits of a chunk: 8 MiB in float32."""


def cross_entropy(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Mean over the targets that count, in nats: hidden [..., D], head's weight [V, D], targets int64[...]."""
    loss: Tensor = _Chunked.apply(  # type: ignore[no-untyped-call]
        hidden.reshape(-1, hidden.shape[-1]), weight, targets.reshape(-1)
    )
    return loss


def summed_loss(hidden: Tensor, weight: Tensor, targets: Tensor) -> float:
    """Sum over the targets that count, in nats, without gradients."""
    with torch.no_grad():
        count = int((targets != IGNORED).sum())
        return float(cross_entropy(hidden, weight, targets)) * count


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        counted = targets != IGNORED
        count = counted.sum().clamp(min=1)
        needed = any(ctx.needs_input_grad)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        by_hidden = torch.empty_like(hidden) if needed else None
        by_weight = torch.zeros_like(weight, dtype=torch.float32) if needed else None
        rows = max(1, CHUNK_LOGITS // weight.shape[0])
        for start in range(0, len(hidden), rows):
            chunk = slice(start, start + rows)
            logits = (hidden[chunk] @ weight.t()).float()
            target = targets[chunk].clamp(min=0)[:, None]
            share = logits.gather(1, target)
            normalizer = logits.logsumexp(1, keepdim=True)
            total += ((normalizer - share).squeeze(1) * counted[chunk]).sum()
            if by_hidden is not None and by_weight is not None:
                slope = logits.sub_(normalizer).exp_()
                slope.scatter_add_(1, target, torch.full_like(share, -1.0))
                slope.mul_((counted[chunk] / count)[:, None])
                slope = slope.to(weight.dtype)
                torch.mm(slope, weight, out=by_hidden[chunk])
                by_weight.add_(slope.t() @ hidden[chunk])
        ctx.save_for_backward(by_hidden, by_weight)
        return total / count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        by_hidden, by_weight = ctx.saved_tensors
        return by_hidden * gradients[0], by_weight * gradients[0], None
