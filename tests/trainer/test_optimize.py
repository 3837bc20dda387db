"""The learning rate's course, and what decays."""

from __future__ import annotations

import pytest

from trainer.config import model_config
from trainer.model import Qwen2
from trainer.optimize import WEIGHT_DECAY, LearningRate, adamw


def test_cosine() -> None:
    """Warm-up in equal steps to the peak, half-way between peak and floor in the middle, the floor at the last step."""
    rate = LearningRate("cosine", peak=2.0, steps=105, warmup=4)
    assert [rate.at(step) for step in range(4)] == [0.5, 1.0, 1.5, 2.0]
    assert rate.at(4) == 2.0
    assert rate.at(54) == pytest.approx(1.1)
    assert rate.at(104) == pytest.approx(0.2)


def test_wsd() -> None:
    """The peak until a fifth of the steps is left, then down in a straight line."""
    rate = LearningRate("wsd", peak=1.0, steps=100, warmup=10)
    assert {rate.at(step) for step in range(9, 81)} == {1.0}
    assert rate.at(90) == pytest.approx(0.5)
    assert rate.at(99) == pytest.approx(0.1)


def test_only_matrices_of_layers_decay() -> None:
    """Norms, biases and the embedding do not decay; every parameter is in exactly one group."""
    model = Qwen2(model_config("toy").with_vocabulary(64))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {group["weight_decay"]: {names.pop(id(p)) for p in group["params"]} for group in adamw(model).param_groups}
    assert not names
    assert all(name.endswith("_proj.weight") for name in groups[WEIGHT_DECAY])
    assert not any(name.endswith("_proj.weight") for name in groups[0.0])
