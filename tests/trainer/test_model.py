"""The model: sizes, logits and gradients against transformers, packed documents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from trainer.config import SIZES, ModelConfig, model_config
from trainer.errors import TrainerError
from trainer.loss import IGNORED, cross_entropy
from trainer.model import Qwen2

PARAMETERS = {
    "0.5B": 494_032_768,
    "1.5B": 1_543_714_304,
    "3B": 3_085_938_688,
    "7B": 7_615_616_512,
    "14B": 14_770_033_664,
    "32B": 32_763_876_352,
    "72B": 72_706_203_648,
}
"""The published models'."""

SMALL = ModelConfig(320, 64, 3, 4, 2, 96, rope_theta=1e4)


@pytest.mark.parametrize("size", PARAMETERS)
def test_published_sizes(size: str) -> None:
    """Instantiated, every published size has exactly the published model's parameters, and the config says so."""
    config = model_config(size)
    with torch.device("meta"):
        model = Qwen2(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == config.parameters == PARAMETERS[size]


@pytest.mark.parametrize(
    ("size", "most"), [("toy", 1e6), ("proxy-10m", 1e7), ("proxy-50m", 5e7), ("proxy-150m", 1.5e8)]
)
def test_proxies_are_named_by_what_they_are(size: str, most: float) -> None:
    """A proxy is within 10 % of its name without embeddings, and takes the tokenizer's vocabulary in steps of 64."""
    config = model_config(size).with_vocabulary(8190)
    assert config.vocab_size == 8192
    assert config.parameters - config.embedding_parameters == pytest.approx(most, rel=0.1)


def test_what_does_not_fit_is_refused() -> None:
    """An unknown size lists the known ones; more ids than a published model has are refused."""
    with pytest.raises(TrainerError, match="proxy-10m"):
        model_config("huge")
    with pytest.raises(TrainerError, match="152,000 ids"):
        model_config("0.5B").with_vocabulary(152_000)


def _theirs(model: Qwen2) -> Any:
    """transformers' model with the same config and weights, loaded strictly."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    theirs = Qwen2ForCausalLM(Qwen2Config(**model.config.to_hugging_face(None))).train(False)
    weights = dict(model.state_dict())
    if model.config.tie_word_embeddings:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    theirs.load_state_dict(weights, strict=True)
    return theirs


def _random(config: ModelConfig) -> Qwen2:
    """Large weights, biases and norms too, so that a difference anywhere shows."""
    model, generator = Qwen2(config), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, 0.15, generator=generator)
    return model


@pytest.mark.parametrize(
    "config", [SMALL, replace(SMALL, tie_word_embeddings=False, rope_theta=1e6, rms_norm_eps=1e-5)]
)
def test_logits_and_gradients_are_those_of_transformers(config: ModelConfig) -> None:
    """Same weights, same tokens: logits, loss and every gradient agree within 1e-4 in float32."""
    model = _random(config)
    theirs = _theirs(model)
    ids = torch.randint(0, config.vocab_size, (3, 40), generator=torch.Generator().manual_seed(2))
    hidden, other = model(ids), theirs(ids, labels=ids)
    assert (model.logits(hidden) - other.logits).abs().max() < 1e-4
    targets = torch.cat([ids[:, 1:], torch.full((3, 1), IGNORED)], dim=1)
    loss = cross_entropy(hidden, model.output_weight, targets)
    assert loss.item() == pytest.approx(other.loss.item(), abs=1e-5)
    torch.autograd.backward(loss + other.loss)
    gradients = dict(theirs.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, atol=1e-4, rtol=1e-3)


def test_packed_documents_do_not_see_each_other() -> None:
    """Documents packed into a sequence have the logits that transformers gives for each alone."""
    model = _random(SMALL)
    theirs, sizes = _theirs(model), [7, 1, 20, 12]
    parts = [torch.randint(0, 320, (size,), generator=torch.Generator().manual_seed(size)) for size in sizes]
    documents = torch.repeat_interleave(torch.arange(4), torch.tensor(sizes))[None]
    positions = torch.cat([torch.arange(size) for size in sizes])[None]
    packed = torch.split(model.logits(model(torch.cat(parts)[None], documents, positions))[0], sizes)
    for found, part in zip(packed, parts, strict=True):
        assert (found - theirs(part[None]).logits[0]).abs().max() < 1e-4


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_loss_in_chunks_is_the_loss(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is cut, loss and gradients are torch's own; ignored targets count for nothing."""
    monkeypatch.setattr("trainer.loss.CHUNK_LOGITS", rows * 50)
    generator = torch.Generator().manual_seed(3)
    hidden, weight = (torch.randn(size, 16, generator=generator, requires_grad=True) for size in (40, 50))
    targets = torch.randint(0, 50, (40,), generator=generator)
    targets[::3] = IGNORED
    plain = torch.nn.functional.cross_entropy(hidden @ weight.t(), targets, ignore_index=IGNORED)
    expected: tuple[Tensor, ...] = torch.autograd.grad(plain * 2, (hidden, weight))
    loss = cross_entropy(hidden, weight, targets)
    torch.testing.assert_close(loss, plain)
    torch.testing.assert_close(torch.autograd.grad(loss * 2, (hidden, weight)), expected)


def test_first_weights_depend_on_the_seed_only(tmp_path: Path) -> None:
    """The same seed gives the same bits whatever was drawn before; another seed gives others."""
    config = SIZES["toy"].with_vocabulary(300)
    one = Qwen2(config).initialize(5)
    torch.rand(7)
    assert all(
        torch.equal(a, b) for a, b in zip(one.parameters(), Qwen2(config).initialize(5).parameters(), strict=True)
    )
    other = Qwen2(config).initialize(6).model.embed_tokens.weight
    assert not torch.equal(one.model.embed_tokens.weight, other)
    assert one.model.embed_tokens.weight.std().item() == pytest.approx(0.02, rel=0.05)
