"""Pairs of thresholds that leave nothing between them."""

from __future__ import annotations

from stages.contract import StageConfig


def refuse_empty_ranges(config: StageConfig, *signals: str) -> None:
    """Raises ValueError where ``min_…`` of a signal is above ``max_…``: no document could stay."""
    for signal in signals:
        low, high = getattr(config, f"min_{signal}"), getattr(config, f"max_{signal}")
        if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
            raise ValueError(f"min_{signal} {low:g} is above max_{signal} {high:g}: no document could stay")
