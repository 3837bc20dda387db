"""Runs: learning, interrupted and killed ones, finished ones, the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch

from tests.trainer.mixes import Mix, small_mix
from trainer.__main__ import main
from trainer.checkpoint import NAME
from trainer.errors import TrainerError
from trainer.loop import Options, train
from trainer.loss import cross_entropy
from trainer.progress import Progress

OPTIONS = Options("toy", 10, 32, 4, 1e-3, "cosine", None, 3, 4)
SHOW = Progress.show


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Mix:
    return small_mix(tmp_path_factory.mktemp("mix"))


def run(mix: Mix, out: Path, options: Options = OPTIONS, **more: Any) -> dict[str, Any]:
    return train(options, mix.tokens, mix.mix, out, **more)


def _files(out: Path) -> dict[str, bytes]:
    names = ("log.jsonl", f"{NAME}/model.safetensors", f"{NAME}/optimizer.safetensors", f"{NAME}/state.json")
    return {name: (out / name).read_bytes() for name in names}


@pytest.fixture(scope="module")
def whole(mix: Mix, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from start to end."""
    out = tmp_path_factory.mktemp("whole")
    run(mix, out)
    return out


def test_a_killed_run_goes_on_bit_for_bit(
    mix: Mix, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed three steps behind a checkpoint, it takes them again: same log, weights, moments and state."""

    def die(self: Progress, step: int, loss: float) -> None:
        if step == 7:
            raise MemoryError

    monkeypatch.setattr(Progress, "show", die)
    with pytest.raises(MemoryError):
        run(mix, tmp_path, save_every=4)
    monkeypatch.setattr(Progress, "show", SHOW)
    torch.rand(5)
    result = run(mix, tmp_path, save_every=4, resume=True)
    assert _files(tmp_path) == _files(whole)
    expected = json.loads((whole / "result.json").read_text("utf-8"))
    assert {**result, "seconds": 0} == {**expected, "seconds": 0}


def test_an_interrupt_saves_the_step(mix: Mix, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop, a run keeps the step that it is in and goes on behind it."""
    stop = Event()
    monkeypatch.setattr(Progress, "show", lambda self, step, loss: stop.set() if step == 3 else None)
    with pytest.raises(KeyboardInterrupt):
        run(mix, tmp_path, stop=stop)
    assert json.loads((tmp_path / NAME / "state.json").read_text("utf-8"))["step"] == 3
    run(mix, tmp_path)
    assert _files(tmp_path) == _files(whole)


def test_a_crash_while_saving_leaves_a_checkpoint(mix: Mix, whole: Path, tmp_path: Path) -> None:
    """Between the two renames only the old checkpoint has its data, and it is found; half-written ones are not read."""
    run(mix, tmp_path)
    (tmp_path / "result.json").unlink()
    (tmp_path / NAME).rename(tmp_path / f"{NAME}.old")
    (tmp_path / f"{NAME}.partial").mkdir()
    run(mix, tmp_path, resume=True)
    assert _files(tmp_path) == _files(whole)


def test_a_finished_run_is_not_trained_again(mix: Mix, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same options and mix find it; its files stay as they are."""
    before = (whole / "result.json").read_bytes()
    run(mix, whole)
    assert "already trained" in capsys.readouterr().out
    assert (whole / "result.json").read_bytes() == before


def test_another_run_in_the_folder_is_replaced(mix: Mix, tmp_path: Path) -> None:
    """Other options begin anew; with ``resume`` they are refused instead."""
    run(mix, tmp_path, replace(OPTIONS, steps=3))
    with pytest.raises(TrainerError, match="no checkpoint of this run"):
        run(mix, tmp_path, resume=True)
    assert run(mix, tmp_path, replace(OPTIONS, steps=4, seed=9))["steps"] == 4
    assert len((tmp_path / "log.jsonl").read_text("utf-8").splitlines()) == 4


def test_the_mix_limits_the_run(mix: Mix, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No sample comes twice: the run ends with the mix and says so; a sequence length of its own is refused."""
    few = small_mix(tmp_path, documents=10, tokens=1000)
    batches = few.reader().sequences // 4
    result = run(few, tmp_path / "out", replace(OPTIONS, steps=50))
    assert 0 < batches < 50
    assert (result["steps"], result["asked_steps"]) == (batches, 50)
    assert f"enough for {batches} of 50 steps" in capsys.readouterr().out
    with pytest.raises(TrainerError, match="the mix has 32"):
        run(mix, tmp_path, replace(OPTIONS, sequence_length=64))


def test_it_learns(tmp_path: Path) -> None:
    """Ten documents seen many times are learnt by heart; the training loss falls below 0.1."""
    few = small_mix(tmp_path, documents=10, tokens=45_000, length=64)
    result = run(few, tmp_path / "out", replace(OPTIONS, steps=160, sequence_length=64, learning_rate=3e-3))
    assert result["first_loss"] > 5
    assert result["last_loss"] < 0.1


def test_what_transformers_makes_of_a_checkpoint(mix: Mix, whole: Path) -> None:
    """transformers loads the checkpoint's folder and has the logged loss of the data; validation covers both keys."""
    from transformers import AutoModelForCausalLM

    from trainer.data import Loader

    theirs = AutoModelForCausalLM.from_pretrained(whole / NAME)
    reader, total, tokens = mix.reader(), 0.0, 0
    for sample in range(4):
        sequence = reader.sequence(sample)
        for start, stop in zip(sequence.bounds[:-1], sequence.bounds[1:], strict=True):
            if stop - start > 1:
                ids = torch.from_numpy(sequence.tokens[start:stop].astype("int64"))[None]
                total += theirs(ids, labels=ids).loss.item() * (ids.shape[1] - 1)
                tokens += ids.shape[1] - 1
    from safetensors.torch import load_file

    from trainer.config import model_config
    from trainer.model import Qwen2

    ours = Qwen2(model_config("toy").with_vocabulary(257))
    ours.load_state_dict(load_file(whole / NAME / "model.safetensors"))
    batch = Loader(reader, 4).next()
    hidden = ours(batch.ids, batch.documents, batch.positions)
    assert batch.tokens == tokens
    assert cross_entropy(hidden, ours.output_weight, batch.targets).item() == pytest.approx(total / tokens, abs=1e-4)
    result = json.loads((whole / "result.json").read_text("utf-8"))
    assert set(result["validation"]) == {"web.en", "web.zh"}
    assert all(0 < score["loss"] < 6 and score["tokens"] > 0 for score in result["validation"].values())


def test_the_command_line(mix: Mix, whole: Path, tmp_path: Path) -> None:
    """``python -m trainer`` does what the function does, in a process of its own."""
    threads = json.loads((whole / "result.json").read_text("utf-8"))["threads"]
    places = ["--tokens", mix.tokens, "--mix", mix.mix, "--out", str(tmp_path), "--threads", str(threads)]
    options = ["--steps", "10", "--sequence-length", "32", "--batch-size", "4", "--seed", "3"]
    command = [sys.executable, "-m", "trainer", *places, *options, "--validation-sequences", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "step 10 of 10" in done.stdout
    assert _files(tmp_path) == _files(whole)


def test_errors_say_what_to_do(mix: Mix, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the user can mend is a message with a remedy and exit status 1, from the mix too."""
    places = ["--tokens", mix.tokens, "--out", str(tmp_path), "--steps", "2", "--sequence-length", "32"]
    assert main([*places, "--mix", mix.mix, "--model", "huge"]) == 1
    assert "one of toy" in capsys.readouterr().err
    assert main([*places, "--mix", str(tmp_path / "none")]) == 1
    assert "run a recipe that has a `mix`" in capsys.readouterr().err
