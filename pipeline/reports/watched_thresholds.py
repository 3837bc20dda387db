"""Which settings of a stage are thresholds on which signals.

A stage says in ``rules(config)`` what it judges by; a rule does not say from which setting its number comes. So each
setting that may be a number is set to one that nothing else has, and the rule in which it turns up is its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.recipe.config_types import effect, members
from pipeline.reports.threshold_methods import Side
from stages.contract import FitRef, RowStage, StageConfig, Threshold

_PROBE = 0.8190213777


@dataclass(frozen=True)
class Watched:
    """A threshold: the setting ``key``, the rule's name, its signal, and the side on which it drops."""

    key: str
    rule: str
    signal: str
    side: Side
    value: Threshold
    whole: bool

    @property
    def on(self) -> bool:
        return self.value is not None


def watched_thresholds(stage: RowStage, config: StageConfig) -> Iterator[Watched]:
    """The thresholds of a use of a stage, in the order of its settings."""
    for key, kinds in _number_settings(type(config)).items():
        probed = stage.rules(config.model_copy(update={key: _PROBE}))
        for rule in probed:
            for side, number in (("min", rule.min), ("max", rule.max)):
                if number == _PROBE:
                    value = getattr(config, key)
                    yield Watched(key, rule.name, rule.signal, _side(side), value, float not in kinds)


def _side(name: str) -> Side:
    return "min" if name == "min" else "max"


def _number_settings(config: type[StageConfig]) -> Mapping[str, tuple[object, ...]]:
    """Settings that are thresholds and may be a number: name → the types that they may have."""
    kinds = {key: tuple(members(info.annotation)) for key, info in config.model_fields.items()}
    return {key: kind for key, kind in kinds.items() if effect(config, key) == "rule" and {int, float} & set(kind)}


def number(threshold: Threshold) -> float | None:
    """The threshold as a number; None where it is off or a fit's."""
    return None if threshold is None or isinstance(threshold, FitRef) else float(threshold)
