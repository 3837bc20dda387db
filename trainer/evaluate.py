"""Validation: loss on the documents that the mix kept out of training, by key of the mix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from pipeline.tokens.mix import MixReader
from trainer.data import collate
from trainer.loss import summed_loss
from trainer.model import Qwen2


def validate(model: Qwen2, reader: MixReader, batch_size: int, most: int) -> dict[str, dict[str, Any]]:
    """Mean loss in nats and bits per token of each key that has validation documents, over ``most`` sequences of it.

    Where a key has more, they are taken at even distances. ``tokens`` says over how many targets.
    """
    ends = [0, *reader.ends.tolist()]
    keys = reader.plan.streams
    spans = {key: (ends[index], ends[index + 1]) for index, key in enumerate(keys) if ends[index + 1] > ends[index]}
    return {key: _loss_of(model, reader, _spread(*span, most), batch_size) for key, span in spans.items()}


def _spread(first: int, last: int, most: int) -> list[int]:
    count = min(most, last - first)
    return (first + np.arange(count) * (last - first) // count).tolist()


def _loss_of(model: Qwen2, reader: MixReader, numbers: list[int], batch_size: int) -> dict[str, Any]:
    total, tokens = 0.0, 0
    for start in range(0, len(numbers), batch_size):
        sequences = [reader.sequence(number) for number in numbers[start : start + batch_size]]
        batch = collate(sequences, reader.plan.sequence_length)
        with torch.no_grad():
            hidden = model(batch.ids, batch.documents, batch.positions)
        total += summed_loss(hidden, model.output_weight, batch.targets)
        tokens += batch.tokens
    loss = total / max(1, tokens)
    return {"loss": loss, "bits_per_token": loss / math.log(2), "tokens": tokens}
