"""Checkpoints: a folder with the model, the optimizer and where the run stands. Safetensors and JSON, no pickle.

``model.safetensors`` with ``config.json`` is what transformers loads; ``optimizer.safetensors`` holds AdamW's moments
and the random state, ``state.json`` step, samples and which run it is. A checkpoint is written beside the last one and
renamed, so that a crash leaves one of the two. What goes on from it gives the same bits on the same device with the
same number of threads.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from trainer.errors import TrainerError
from trainer.model import Qwen2

NAME = "checkpoint"
FORMAT_VERSION = 1
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
_RANDOM = "random_state"


def save(folder: Path, model: Qwen2, optimizer: torch.optim.AdamW, state: dict[str, Any]) -> None:
    """Write ``folder/checkpoint``; the one that was there is gone when the new one is whole."""
    new, old, place = (folder / f"{NAME}.partial", folder / f"{NAME}.old", folder / NAME)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    save_file(model.state_dict(), new / "model.safetensors", metadata={"format": "pt"})
    save_file(_optimizer(model, optimizer), new / "optimizer.safetensors")
    _write_json(new / "config.json", model.config.to_hugging_face(state["eos_id"]))
    _write_json(new / "state.json", {"format": FORMAT_VERSION, **state})
    for path in [*new.iterdir(), new]:
        _flush(path)
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    _flush(folder)
    shutil.rmtree(old, ignore_errors=True)


def find(folder: Path) -> dict[str, Any] | None:
    """The state of the checkpoint in a folder, None where there is none. Raises TrainerError for another format."""
    place, old = folder / NAME, folder / f"{NAME}.old"
    if not place.exists() and old.exists():
        old.rename(place)
    if not place.exists():
        return None
    state: dict[str, Any] = json.loads((place / "state.json").read_text("utf-8"))
    if state.pop("format", None) != FORMAT_VERSION:
        raise TrainerError(f"{place} is a checkpoint of another format", "train into another folder")
    return state


def load(folder: Path, model: Qwen2, optimizer: torch.optim.AdamW) -> None:
    """Put the checkpoint's tensors into a model and an optimizer of the same config."""
    model.load_state_dict(load_file(folder / NAME / "model.safetensors"), strict=True)
    tensors = load_file(folder / NAME / "optimizer.safetensors")
    for name, parameter in model.named_parameters():
        moments = {key: tensors[f"{key}.{name}"].to(parameter.device) for key in _MOMENTS}
        optimizer.state[parameter] = moments
    torch.set_rng_state(tensors[_RANDOM])


def _optimizer(model: Qwen2, optimizer: torch.optim.AdamW) -> dict[str, torch.Tensor]:
    tensors = {_RANDOM: torch.get_rng_state()}
    for name, parameter in model.named_parameters():
        tensors |= {f"{key}.{name}": optimizer.state[parameter][key] for key in _MOMENTS}
    return tensors


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", "utf-8")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
