"""Small stages for tests of the engine, of every shape that the contract allows, and some that break it.

They reach the catalogue as any other distribution's stages do: :func:`install` writes the metadata of one that
declares them as entry points, and puts it on the path of this process and of its children.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from stages.contract import (
    Applied,
    CorpusStage,
    FitRef,
    RowStage,
    Rule,
    StageConfig,
    Threshold,
    measure,
    rule,
)
from tests.fake_corpus_stages import LETTERS, NEAR

MARKER = "☠ kill the process ☠"


class SizeConfig(StageConfig):
    min_bytes: Threshold = rule(None)
    """Fewest bytes."""
    max_bytes: Threshold = rule(None)
    """Most bytes."""


class ShareConfig(StageConfig):
    letter: str = measure("a")
    """What is counted."""
    max_share: Threshold = rule(None)
    """Most of it, as a share of characters."""


class FirstConfig(StageConfig):
    allowed: list[str] | None = rule(None)
    """Kinds of first character that are fine."""
    only: dict[str, list[str]] | None = rule(None)
    """Rows that the rule looks at."""


class CutConfig(StageConfig):
    letter: str = measure("x")
    """What is cut."""
    min_left: Threshold = rule(None)
    """Fewest bytes that are left."""


class AddConfig(StageConfig):
    text: str = measure("!")
    """What is put behind each text."""


class ModelConfig(StageConfig):
    model: str | FitRef = measure()
    """A file of one number: the fewest bytes."""


class CrashConfig(StageConfig):
    how: str = measure("exit")
    """``exit``, ``segfault``, ``hang`` or ``always`` (exit, whatever the rows)."""


def rows_of(batch: pa.RecordBatch) -> list[str]:
    """The texts."""
    texts: list[str] = batch.column("text").to_pylist()
    return texts


def kind_of(text: str) -> str | None:
    """Kind of the first character; None where there is none."""
    if not text:
        return None
    return "letter" if text[0].isalpha() else "digit" if text[0].isdigit() else "other"


def share_of(text: str, letter: str) -> float | None:
    """Share of the letter among all characters; None for an empty text."""
    return text.count(letter) / len(text) if text else None


def _size(batch: pa.RecordBatch, config: SizeConfig, model: Any) -> Applied:
    return Applied(signals={"bytes": np.array([len(text.encode()) for text in rows_of(batch)], np.int64)})


def _share(batch: pa.RecordBatch, config: ShareConfig, model: Any) -> Applied:
    return Applied(signals={"share": pa.array([share_of(t, config.letter) for t in rows_of(batch)], pa.float64())})


def _first(batch: pa.RecordBatch, config: FirstConfig, model: Any) -> Applied:
    return Applied(signals={"kind": pa.array([kind_of(text) for text in rows_of(batch)], pa.string())})


def _cut(batch: pa.RecordBatch, config: CutConfig, model: Any) -> Applied:
    old = rows_of(batch)
    new = [text.replace(config.letter, "") for text in old]
    cut = [len(before.encode()) - len(after.encode()) for before, after in zip(old, new, strict=True)]
    left = np.array([len(text.encode()) for text in new], np.int64)
    return Applied({"text": pa.array(new, pa.large_string())}, {"left": left}, {config.letter: np.array(cut, np.int64)})


def _add(batch: pa.RecordBatch, config: AddConfig, model: Any) -> Applied:
    return Applied({"text": pa.array([text + config.text for text in rows_of(batch)], pa.large_string())})


def _language(batch: pa.RecordBatch, config: StageConfig, model: Any) -> Applied:
    return Applied({"language": pa.array([kind_of(text) or "und" for text in rows_of(batch)], pa.string())})


def _mark(batch: pa.RecordBatch, config: StageConfig, model: Any) -> Applied:
    return Applied({"mark": pa.array([len(text) for text in rows_of(batch)], pa.int64())})


def _model(batch: pa.RecordBatch, config: ModelConfig, model: int) -> Applied:
    return Applied(signals={"over": pa.array([len(text.encode()) - model for text in rows_of(batch)], pa.int64())})


def _load(config: ModelConfig, files: Mapping[str, str]) -> int:
    return int(Path(files["model"]).read_text())


def _crash(batch: pa.RecordBatch, config: CrashConfig, model: Any) -> Applied:
    if config.how == "always" or any(MARKER in text for text in rows_of(batch)):
        if config.how == "segfault":
            ctypes.string_at(0)
        if config.how == "hang":
            ctypes.PyDLL(None).sleep(3600)  # as native code does it, without letting go of the interpreter
        os._exit(1)
    return Applied(signals={"bytes": np.array([len(text.encode()) for text in rows_of(batch)], np.int64)})


def _limits(signal: str, low: str | None, high: str | None) -> Callable[[Any], list[Rule]]:
    def rules(config: Any) -> list[Rule]:
        found = [Rule("too_small", signal, min=getattr(config, low))] if low else []
        return [*found, Rule("too_large", signal, max=getattr(config, high))] if high else found

    return rules


def _int(name: str) -> Callable[[Any], Mapping[str, pa.DataType]]:
    return lambda config: {name: pa.int64()}


def _text(config: Any) -> Mapping[str, pa.DataType]:
    return {"text": pa.large_string()}


SIZE = RowStage(
    "fake_size", 1, SizeConfig, _size, signals=_int("bytes"), rules=_limits("bytes", "min_bytes", "max_bytes")
)
SHARE = RowStage(
    "fake_share",
    1,
    ShareConfig,
    _share,
    signals=lambda config: {"share": pa.float64()},
    rules=_limits("share", None, "max_share"),
)
FIRST = RowStage(
    "fake_first",
    1,
    FirstConfig,
    _first,
    signals=lambda config: {"kind": pa.string()},
    rules=lambda config: [
        Rule("not_allowed", "kind", allowed=None if config.allowed is None else tuple(config.allowed), when=config.only)
    ],
)
CUT = RowStage(
    "fake_cut", 1, CutConfig, _cut, signals=_int("left"), writes=_text, rules=_limits("left", "min_left", None)
)
ADD = RowStage("fake_add", 1, AddConfig, _add, writes=_text)
LANGUAGE = RowStage("fake_language", 1, StageConfig, _language, writes=lambda config: {"language": pa.string()})
MARK = RowStage("fake_mark", 1, StageConfig, _mark, writes=_int("mark"))
READER = RowStage("fake_reader", 1, StageConfig, lambda b, c, m: Applied(), reads=("text", "mark"))
MODEL = RowStage(
    "fake_model",
    1,
    ModelConfig,
    _model,
    signals=_int("over"),
    rules=lambda config: [Rule("too_small", "over", min=0)],
    resources=lambda config: {"model": config.model},
    load=_load,
    check=lambda config, model: [f"the model says {model}, expected more than 0"] if model <= 0 else [],
)
CRASH = RowStage("fake_crash", 1, CrashConfig, _crash, signals=_int("bytes"))


def _breaks(
    kind: str,
    outcome: Callable[[pa.RecordBatch], Applied],
    signals: Mapping[str, pa.DataType] | None = None,
    writes: Mapping[str, pa.DataType] | None = None,
) -> RowStage:
    return RowStage(
        f"fake_{kind}",
        1,
        StageConfig,
        lambda batch, config, model: outcome(batch),
        signals=lambda config: signals or {},
        writes=lambda config: writes or {},
    )


def _ints(count: int, value: int = 1) -> pa.Array:
    return pa.array([value] * count, pa.int64())


_TEXT = {"text": pa.large_string()}
_NUMBER = {"number": pa.int64()}
BROKEN = {
    "undeclared_column": _breaks("undeclared_column", lambda b: Applied({"other": _ints(b.num_rows)})),
    "undeclared_signal": _breaks("undeclared_signal", lambda b: Applied(signals={"other": _ints(b.num_rows)})),
    "missing_signal": _breaks("missing_signal", lambda b: Applied(), _NUMBER),
    "short_signal": _breaks("short_signal", lambda b: Applied(signals={"number": _ints(b.num_rows - 1)}), _NUMBER),
    "nan_signal": _breaks(
        "nan_signal",
        lambda b: Applied(signals={"number": np.full(b.num_rows, np.nan)}),
        {"number": pa.float64()},
    ),
    "short_column": _breaks("short_column", lambda b: Applied({"number": _ints(b.num_rows + 1)}, {}), None, _NUMBER),
    "null_text": _breaks(
        "null_text", lambda b: Applied({"text": pa.nulls(b.num_rows, pa.large_string())}), None, _TEXT
    ),
    "null_language": _breaks(
        "null_language",
        lambda b: Applied({"language": pa.nulls(b.num_rows, pa.string())}),
        None,
        {"language": pa.string()},
    ),
    "other_type": _breaks("other_type", lambda b: Applied({"id": _ints(b.num_rows)}), None, {"id": pa.int64()}),
    "lost_bytes": _breaks(
        "lost_bytes", lambda b: Applied({"text": pa.array([""] * b.num_rows, pa.large_string())}), None, _TEXT
    ),
    "short_cut": _breaks(
        "short_cut",
        lambda b: Applied({"text": b.column("text")}, cut={"x": np.zeros(1, np.int64)}),
        None,
        _TEXT,
    ),
    "negative_cut": _breaks(
        "negative_cut",
        lambda b: Applied({"text": b.column("text")}, cut={"x": np.full(b.num_rows, -1, np.int64)}),
        None,
        _TEXT,
    ),
    "cut_without_text": _breaks(
        "cut_without_text", lambda b: Applied(cut={"x": np.full(b.num_rows, 1, np.int64)}), None, None
    ),
}
"""What breaks the contract → a stage that does."""

_ROW_STAGES = (SIZE, SHARE, FIRST, CUT, ADD, LANGUAGE, MARK, READER, MODEL, CRASH, *BROKEN.values())
STAGES: dict[str, RowStage | CorpusStage] = {
    **{stage.kind: stage for stage in _ROW_STAGES},
    NEAR.kind: NEAR,
    LETTERS.kind: LETTERS,
}


def __getattr__(name: str) -> RowStage | CorpusStage:
    """Every stage under its kind, for entry points."""
    if name in STAGES:
        return STAGES[name]
    raise AttributeError(name)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a distribution's metadata into the folder and put it on the path, here and in child processes."""
    metadata = folder / "fake_stages-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-stages\nVersion: 1.0\n")
    lines = [f"{kind} = tests.fake_stages:{kind}" for kind in STAGES]
    lines = ["[gristmill.stages]", *lines, "[gristmill.sources]", "fake_lines = tests.fake_source:SOURCE", ""]
    (metadata / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(folder))
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([before] if before else [])]))
