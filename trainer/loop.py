"""A training run: from options to ``result.json``, going on from the checkpoint that it finds.

A run is known by its options, the mix's plan and the format below; threads and places do not count. Finished, it is
not trained again; half-way, it goes on; what another run left in the folder is replaced. ``log.jsonl`` has a line
a step.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event
from typing import Any, TextIO

import torch

from pipeline.tokens.mix import MixPlan, MixReader
from pipeline.tokens.shards import TokenShards
from trainer import checkpoint
from trainer.config import model_config
from trainer.data import Batch, Loader
from trainer.errors import TrainerError
from trainer.evaluate import validate
from trainer.loss import cross_entropy
from trainer.model import Qwen2
from trainer.optimize import LearningRate, ScheduleName, adamw, update
from trainer.progress import Progress

RUN_FORMAT = 1
"""Raised when the same options give other numbers than before: finished runs are then trained again."""


@dataclass(frozen=True)
class Options:
    """What makes a run what it is. ``warmup`` None: a twentieth of the steps.

    ``validation_sequences``: of a key, at most.
    """

    model: str
    steps: int
    sequence_length: int
    batch_size: int
    learning_rate: float
    schedule: ScheduleName
    warmup: int | None
    seed: int
    validation_sequences: int


@dataclass
class Run:
    """What a running training holds. ``steps``: those asked for, or as many as the mix has full batches for."""

    options: Options
    identity: str
    eos_id: int
    steps: int
    rate: LearningRate
    model: Qwen2
    optimizer: torch.optim.AdamW
    loader: Loader
    out: Path
    step: int = 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps besides tensors."""
        where = {"step": self.step, "loader": self.loader.state, "eos_id": self.eos_id}
        return {"run": self.identity, "options": asdict(self.options), **where}


def train(
    options: Options,
    tokens: str,
    mix: str,
    out: Path,
    *,
    save_every: int = 100,
    resume: bool = False,
    stop: Event | None = None,
) -> dict[str, Any]:
    """Train, or go on, or find that all is done; gives the content of ``result.json``.

    ``save_every``: steps between checkpoints. ``resume``: refuse to begin anew. ``stop``: set, the run ends with a
    checkpoint behind the step that it is in. Raises TrainerError, StoreError, and KeyboardInterrupt for ``stop``.
    """
    stop = stop or Event()
    shards, plan = TokenShards.open(tokens), MixPlan.read(mix)
    identity = _identity(options, plan)
    state = checkpoint.find(out)
    found = state if state and state["run"] == identity else None
    if resume and not found:
        raise TrainerError(f"{out} has no checkpoint of this run to resume", "check the options, or leave out --resume")
    result = _finished(out, identity) if found else None
    if result:
        print(f"already trained: {_summary(result)} ({out})", flush=True)
        return result
    run = _prepare(options, identity, shards, plan, out)
    begun = time.monotonic()
    _train(run, found, save_every, stop)
    validation = MixReader(shards, plan, "validation")
    scores = validate(run.model, validation, options.batch_size, options.validation_sequences)
    result = _result(run, scores, time.monotonic() - begun)
    _write(out / "result.json", result)
    print(f"trained: {_summary(result)}", flush=True)
    return result


def _identity(options: Options, plan: MixPlan) -> str:
    digest = hashlib.sha256(json.dumps([RUN_FORMAT, asdict(options)], sort_keys=True).encode())
    for name, content in sorted(plan.files().items()):
        digest.update(name.encode() + hashlib.sha256(content).digest())
    return digest.hexdigest()


def _finished(out: Path, identity: str) -> dict[str, Any] | None:
    try:
        result: dict[str, Any] = json.loads((out / "result.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    return result if result["run"] == identity else None


def _prepare(options: Options, identity: str, shards: TokenShards, plan: MixPlan, out: Path) -> Run:
    if plan.sequence_length != options.sequence_length:
        text = f"sequences of {options.sequence_length} tokens asked for, the mix has {plan.sequence_length}"
        raise TrainerError(text, f"--sequence-length {plan.sequence_length}, or plan the mix again")
    loader = Loader(MixReader(shards, plan, "train"), options.batch_size)
    batches = loader.reader.sequences // options.batch_size
    steps = min(options.steps, batches)
    if not steps:
        text = f"the mix has {loader.reader.sequences} sequences, fewer than a batch of {options.batch_size}"
        raise TrainerError(text, "raise mix.tokens or lower train.batch_size")
    if steps < options.steps:
        print(f"the mix is enough for {steps} of {options.steps} steps; raise mix.tokens for more", flush=True)
    torch.manual_seed(options.seed)
    model = Qwen2(model_config(options.model).with_vocabulary(shards.tokenizer["vocab_size"])).initialize(options.seed)
    out.mkdir(parents=True, exist_ok=True)
    warmup = -(-steps // 20) if options.warmup is None else options.warmup
    rate = LearningRate(options.schedule, options.learning_rate, steps, warmup)
    return Run(options, identity, shards.tokenizer["eos_id"], steps, rate, model, adamw(model), loader, out)


def _train(run: Run, found: dict[str, Any] | None, save_every: int, stop: Event) -> None:
    """All steps that are left. Raises KeyboardInterrupt behind a checkpoint when it is told to stop."""
    if found:
        checkpoint.load(run.out, run.model, run.optimizer)
        run.step, run.loader.consumed = found["step"], found["loader"]["consumed"]
        print(f"going on from step {run.step} of {run.steps}", flush=True)
    progress = Progress(run.step, run.steps, run.options.batch_size * run.options.sequence_length)
    with _open_log(run.out / "log.jsonl", run.step) as log:
        while run.step < run.steps:
            record = _step(run, run.loader.next())
            log.write(json.dumps(record) + "\n")
            progress.show(run.step, record["loss"])
            if run.step % save_every == 0 or run.step == run.steps or stop.is_set():
                _save(run, log)
            if stop.is_set():
                print(f"interrupted; step {run.step} is saved, the same command goes on from it", flush=True)
                raise KeyboardInterrupt


def _step(run: Run, batch: Batch) -> dict[str, Any]:
    rate = run.rate.at(run.step)
    hidden = run.model(batch.ids, batch.documents, batch.positions)
    loss = cross_entropy(hidden, run.model.output_weight, batch.targets)
    if not torch.isfinite(loss):
        raise TrainerError(
            f"the loss of step {run.step + 1} is {loss.item()}", "lower the learning rate or warm up longer"
        )
    torch.autograd.backward(loss)
    norm = update(run.model, run.optimizer, rate)
    run.step += 1
    return {"step": run.step, "loss": loss.item(), "learning_rate": rate, "gradient_norm": norm}


def _save(run: Run, log: TextIO) -> None:
    log.flush()
    os.fsync(log.fileno())
    checkpoint.save(run.out, run.model, run.optimizer, run.state())


def _open_log(path: Path, steps: int) -> TextIO:
    """The log with the lines of the steps that count; a killed run may have written more than it saved."""
    kept = path.read_text("utf-8").splitlines(keepends=True)[:steps] if steps else []
    path.write_text("".join(kept), "utf-8")
    return path.open("a", encoding="utf-8")


def _result(run: Run, validation: dict[str, Any], seconds: float) -> dict[str, Any]:
    """``seconds`` and ``threads`` are what another machine would measure differently."""
    losses = [json.loads(line)["loss"] for line in (run.out / "log.jsonl").read_text("utf-8").splitlines()]
    last = losses[-max(1, len(losses) // 20) :]
    config = run.model.config
    return {
        "run": run.identity,
        "model": run.options.model,
        "parameters": config.parameters,
        "non_embedding_parameters": config.parameters - config.embedding_parameters,
        "steps": run.steps,
        "asked_steps": run.options.steps,
        "tokens": run.steps * run.options.batch_size * run.options.sequence_length,
        "first_loss": losses[0],
        "last_loss": sum(last) / len(last),
        "validation": validation,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
    }


def _summary(result: dict[str, Any]) -> str:
    scores = ", ".join(f"{key} {score['loss']:.2f}" for key, score in result["validation"].items())
    losses = f"loss {result['first_loss']:.2f} → {result['last_loss']:.2f}"
    text = f"{result['model']}, {result['parameters']:,} parameters, {result['steps']} steps, {losses}"
    return f"{text}; validation {scores}" if scores else text


def _write(path: Path, content: dict[str, Any]) -> None:
    temporary = path.with_suffix(".partial")
    temporary.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    temporary.replace(path)
