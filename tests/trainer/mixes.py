"""A small mix for the tests of the trainer."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from pipeline.tokens.mix import MixPlan, MixReader, plan_mix
from pipeline.tokens.shards import TokenShards
from tests.pipeline.tokens.corpus import corpus

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


@dataclass(frozen=True)
class Mix:
    tokens: str
    mix: str
    shards: TokenShards
    plan: MixPlan

    def reader(self) -> MixReader:
        return MixReader(self.shards, self.plan)


def small_mix(folder: Path, *, documents: int = 200, tokens: int = 40_000, length: int = 32) -> Mix:
    """Counting in words, English and Chinese, a token a byte; a tenth is kept for validation."""
    rng = random.Random(0)
    texts = [f"{number} " + " ".join(WORDS[rng.randrange(8) :]) for number in range(documents)]
    shards = corpus(folder / "tokens", texts, language=["en", "zh"] * (documents // 2))
    weights = {"web.en": 0.75, "web.zh": 0.25}
    plan = plan_mix(shards, tokens=tokens, weights=weights, sequence_length=length, validation=0.1, max_epochs=100)
    (folder / "mix").mkdir()
    plan.write(str(folder / "mix"))
    return Mix(str(folder / "tokens"), str(folder / "mix"), shards, plan)
