"""AdamW, and how the learning rate goes.

Betas 0.9 and 0.95, weight decay 0.1, gradients clipped to norm 1: as in GPT-3 (arXiv 2005.14165) and most open models
since. Only the layers' matrices (and an output embedding of its own) decay; norms, biases and the embedding do not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

BETAS = (0.9, 0.95)
EPS = 1e-8
WEIGHT_DECAY = 0.1
CLIP_NORM = 1.0

ScheduleName = Literal["cosine", "wsd"]


@dataclass(frozen=True)
class LearningRate:
    """``peak`` after ``warmup`` steps, then ``cosine`` down to ``floor`` · peak at the last step, or ``wsd``.

    ``wsd``: warm-up, stable, decay: constant, and down in a straight line over the last ``decay`` share of the steps
    (Hu et al. 2024, arXiv 2404.06395).
    """

    schedule: ScheduleName
    peak: float
    steps: int
    warmup: int
    floor: float = 0.1
    decay: float = 0.2

    def at(self, step: int) -> float:
        """The rate of step 0 … steps − 1."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        if self.schedule == "cosine":
            done = (step - self.warmup) / max(self.steps - 1 - self.warmup, 1)
            return self.peak * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(done, 1.0))) / 2)
        left = (self.steps - step) / max(round(self.steps * self.decay), 1)
        return self.peak * max(min(left, 1.0), self.floor)


def adamw(model: nn.Module) -> torch.optim.AdamW:
    """AdamW (Loshchilov and Hutter 2019); :func:`update` sets the learning rate."""
    decays = {name: p.dim() >= 2 and "embed_tokens" not in name for name, p in model.named_parameters()}
    groups = [
        {"params": [p for name, p in model.named_parameters() if decays[name]], "weight_decay": WEIGHT_DECAY},
        {"params": [p for name, p in model.named_parameters() if not decays[name]], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, eps=EPS, fused=True)


def update(model: nn.Module, optimizer: torch.optim.Optimizer, rate: float) -> float:
    """Clip the gradients, take a step with that learning rate, drop them; gives their norm before clipping."""
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(norm)
