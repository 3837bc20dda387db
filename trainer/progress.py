"""Plain lines about a running training: one at the first step, then about every 5 seconds, and one at the end."""

from __future__ import annotations

import time

EVERY_SECONDS = 5.0


class Progress:
    """``first``: steps that were done before; ``tokens``: of a step."""

    def __init__(self, first: int, steps: int, tokens: int) -> None:
        self.first, self.steps, self.tokens = first, steps, tokens
        self.begun = time.monotonic()
        self.shown = float("-inf")

    def show(self, step: int, loss: float) -> None:
        """Say where the run stands, unless it was said just now."""
        now = time.monotonic()
        if now - self.shown < EVERY_SECONDS and step < self.steps:
            return
        self.shown = now
        pace = (step - self.first) / max(now - self.begun, 1e-9)
        left = (self.steps - step) / pace
        text = f"step {step:,} of {self.steps:,}  loss {loss:.3f}  {pace * self.tokens:,.0f} tokens/s"
        print(f"{text}  {left:.0f} s left" if left else text, flush=True)
