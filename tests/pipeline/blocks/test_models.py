"""Models are loaded once per process, and again when their file or settings change."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.blocks import models
from pipeline.blocks.models import file_hashes, forget, local_copy, models_of
from pipeline.blocks.steps import RouteStep, StageStep, Step
from pipeline.errors import SourceError
from stages import catalogue
from stages.contract import RowStage
from tests import fake_stages
from tests.fake_stages import ModelConfig


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Paths that the stage ``fake_model`` was asked to load."""
    seen: list[str] = []

    def load(config: Any, files: Mapping[str, str]) -> int:
        seen.append(files["model"])
        return int(Path(files["model"]).read_text())

    stage = RowStage("fake_model", 1, ModelConfig, fake_stages.MODEL.apply, load=load)
    monkeypatch.setattr(catalogue, "stage", lambda kind: stage)
    forget()
    yield seen
    forget()


def step(path: str | Path, name: str = "m", branch: str | None = None, **settings: Any) -> StageStep:
    config = ModelConfig(name=name, model=str(path), **settings)
    address = name if branch is None else f"{name}[{branch}]"
    return StageStep(address, name, "fake_model", config, {"model": str(path)})


def write(path: Path, content: str, time_ns: int) -> Path:
    path.write_text(content)
    os.utime(path, ns=(time_ns, time_ns))
    return path


def test_a_model_is_loaded_once(tmp_path: Path, loads: list[str]) -> None:
    """Two uses with one file and one setting share a model, whatever they are called; it is kept for the next unit."""
    path = write(tmp_path / "m.bin", "7", 1)
    steps: list[Step] = [
        step(path, "a"),
        RouteStep("language", {"zh": (step(path, "b", "zh", when={"source": ["x"]}),)}),
    ]
    assert models_of(steps) == {"a": 7, "b[zh]": 7}
    assert models_of(steps) == {"a": 7, "b[zh]": 7}
    assert loads == [str(path)]


def test_a_stage_without_files_has_no_model(loads: list[str]) -> None:
    """Only steps with resources appear."""
    bare = StageStep("m", "m", "fake_model", ModelConfig(name="m", model="x"))
    assert models_of([bare]) == {}
    assert loads == []


@pytest.mark.parametrize(("content", "time_ns"), [("9", 2), ("99", 1)])
def test_a_changed_file_is_loaded_again(tmp_path: Path, loads: list[str], content: str, time_ns: int) -> None:
    """A process that goes on after a model was trained again uses the new one: its hash is in the fingerprint."""
    path = write(tmp_path / "m.bin", "7", 1)
    assert models_of([step(path)]) == {"m": 7}
    write(path, content, time_ns)
    assert models_of([step(path)]) == {"m": int(content)}


def test_a_missing_model_is_named(tmp_path: Path, loads: list[str]) -> None:
    """A model file that is not there is an error with its path before anything is loaded."""
    for path in (tmp_path / "absent.bin", tmp_path):
        with pytest.raises(SourceError, match="no model file") as caught:
            models_of([step(path)])
        assert str(path) in str(caught.value)
        with pytest.raises(SourceError, match="no model file") as caught:
            file_hashes({"model": str(path)}, "m")
        assert str(path) in str(caught.value)
    assert loads == []


def test_hashes_are_of_the_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same content has the same hash under any path, absolute or relative."""
    for name in ("a.bin", "b.bin"):
        (tmp_path / name).write_bytes(b"model")
    monkeypatch.chdir(tmp_path)
    expected = hashlib.sha256(b"model").hexdigest()
    uris = {"one": str(tmp_path / "a.bin"), "two": "b.bin", "three": f"file://{tmp_path}/a.bin"}
    assert file_hashes(uris, "m") == dict.fromkeys(sorted(uris), expected)


def test_a_local_file_is_not_copied(tmp_path: Path) -> None:
    """A path stays where it is; only what has a scheme is fetched, once for each content."""
    path = write(tmp_path / "m.bin", "7", 1)
    assert local_copy(str(path)) == str(path)
    uri = f"file://{path}"
    fetched = local_copy(uri)
    assert fetched != str(path) and fetched.endswith("m.bin") and Path(fetched).read_text() == "7"
    assert local_copy(uri) == fetched
    write(path, "8", 2)
    assert Path(local_copy(uri)).read_text() == "8"


def test_forget(tmp_path: Path, loads: list[str]) -> None:
    """``forget`` drops the models of the named kinds, or all."""
    path = write(tmp_path / "m.bin", "7", 1)
    models_of([step(path)])
    forget(["another"])
    models_of([step(path)])
    assert len(loads) == 1
    forget(["fake_model"])
    models_of([step(path)])
    assert len(loads) == 2
    assert len(models._loaded) == 1
