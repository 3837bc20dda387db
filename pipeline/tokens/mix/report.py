"""What a mix says about itself: asked and realised, epochs, what is missing, what to be warned of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.tokens.shards import TokenShards

GOOD_EPOCHS = 4.0
"""Up to here repeated data is nearly as good as new (Muennighoff et al. 2023, arXiv 2305.16264)."""


@dataclass(frozen=True)
class StreamFigures:
    """What a stream was asked for and gives. ``documents``, ``available_tokens``: of one epoch, without validation."""

    key: str
    weight: float
    documents: int
    available_tokens: int
    tokens: int
    sequences: int
    cap: float

    @property
    def epochs(self) -> float:
        return self.tokens / self.available_tokens if self.available_tokens else 0.0

    @property
    def capped(self) -> bool:
        """Whether it gives less than its weight because it may not be repeated more often."""
        return self.weight > 0 and 0 < self.cap <= self.tokens


def stream_rows(streams: Sequence[StreamFigures]) -> list[dict[str, Any]]:
    """The report's ``streams``; ``realised`` is the share of all tokens."""
    total = max(sum(stream.tokens for stream in streams), 1)
    return [
        {
            "key": stream.key,
            "weight": stream.weight,
            "realised": stream.tokens / total,
            "tokens": stream.tokens,
            "sequences": stream.sequences,
            "documents": stream.documents,
            "available_tokens": stream.available_tokens,
            "epochs": stream.epochs,
            "capped": stream.capped,
        }
        for stream in streams
    ]


def unmatched_rows(shards: TokenShards, codes: npt.NDArray[np.int16]) -> list[list[Any]]:
    """[domain, language, documents, tokens] of what no weight names, sorted."""
    documents = np.bincount(shards.key, minlength=len(shards.keys))
    tokens = np.bincount(shards.key, shards.length, len(shards.keys))
    return sorted(
        [domain, language, int(documents[code]), int(tokens[code])]
        for code, (domain, language) in enumerate(shards.keys)
        if codes[code] < 0
    )


def warnings(
    streams: Sequence[StreamFigures], missing: Sequence[str], unmatched: Sequence[Sequence[Any]], asked: int
) -> list[str]:
    """One sentence for each thing that a user may not have meant."""
    found = [f"{key} has a weight but no documents; its share goes to the others" for key in missing]
    if unmatched:
        names = ", ".join(f"{domain}.{language}" for domain, language, *_ in unmatched[:5])
        more = f" and {len(unmatched) - 5} more" if len(unmatched) > 5 else ""
        tokens = sum(row[3] for row in unmatched)
        found.append(f"no weight for {names}{more}: {tokens:,} tokens are left out")
    for stream in streams:
        if stream.epochs > GOOD_EPOCHS * (1 + 1e-9):
            found.append(
                f"{stream.key} is seen {stream.epochs:.1f} times; beyond {GOOD_EPOCHS:g} repetition stops helping"
            )
        if stream.capped:
            found.append(
                f"{stream.key} is used up after {stream.epochs:.2f} epochs; the rest of its share goes to the others"
            )
    total = sum(stream.tokens for stream in streams)
    if total < asked * 0.999:
        found.append(f"{asked:,} tokens asked for, {total:,} within max_epochs")
    return found
