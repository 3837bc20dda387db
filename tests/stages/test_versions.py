"""A stage whose output changes must say so: its version is part of what names stored work.

``python -m tests.stages.test_versions`` stores the digests anew, once the version of the stage was raised.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from classifiers.fasttext_model import lid176_path
from pipeline.fingerprint import digest
from stages import catalogue
from stages.contract import SIGNAL, CorpusStage, FitStep, RowStage, Sketch
from tests.batches import documents
from tests.stages.hostile import ROWS
from tests.stages.test_extract import ARTICLE, HOSTILE

STORED = Path(__file__).with_name("versions.json")
FIT = "fit "
KINDS = [*catalogue.STAGES, *(FIT + kind if kind in catalogue.STAGES else kind for kind in catalogue.FITS)]
"""Stages, then fits; a fit step that is called like a stage has a word in front."""
LIBRARY_TRAINS = ("classifier", "label_classifier")
"""Fits whose artifact is the work of a library that is compiled for the machine: their summary stands for it."""
FIT_SETTINGS: dict[str, dict[str, Any]] = {
    "percentile": {"signal": "word_count.words", "quantile": 0.5},
    "bpe_tokenizer": {"vocab_size": 300},
    "ngram_lm": {"tokens": "words", "order": 3},
    "label_classifier": {"column": "id", "passage_bytes": 100},
    "ranks": {"signal": "word_count.words"},
    "classifier": {
        "positive": {"where": {"id": [f"f1.jsonl#{row}" for row in range(0, 20, 2)]}},
        "negative": {"where": {"id": [f"f1.jsonl#{row}" for row in range(1, 20, 2)]}},
        "passage_bytes": 100,
    },
}
STAGE_SETTINGS: dict[str, dict[str, Any]] = {
    "annotate": {
        "base_url": "http://127.0.0.1:9/v1",
        "model": "judge",
        "share": 0,
        "cache": "/answers",
        "max_documents": 1,
    },
    "datatrove": {"filter": "C4ParagraphFilter"},
    "perplexity": {"model": str(Path(__file__).with_name("quality") / "small.arpa")},
    "classifier": {"model": lid176_path(), "label": "en", "labels": ["de", "zh"]},
    "ensemble": {"signals": [{"signal": "one.score"}, {"signal": "two.score", "lower_is_better": True}], "column": "q"},
}
"""Of stages that have no default settings."""

MORE_ROWS = {"extract": [ARTICLE, *HOSTILE.values()]}


def batch(kind: str) -> pa.RecordBatch:
    """The fixed input: hostile rows and ordinary prose in some languages, some of it twice; what the kind is about."""
    prose = [
        "The ferry left at noon, and nobody on the pier could say when it would come back.",
        "Die Fähre fuhr mittags ab, und niemand am Kai wusste, wann sie wiederkommt.\r\nNiemand.",
        "渡船中午离开了码头，没有人知道它什么时候回来。",
        "フェリーは正午に出て、いつ戻るのか誰も知らなかった。",
        "Паром ушёл в полдень, и никто на пристани не знал, когда он вернётся.",
    ]
    return documents([*prose, *ROWS, *prose, "e\u0301te\u0301 \u212b", *MORE_ROWS.get(kind, ())])


def made(kind: str) -> RowStage | CorpusStage | FitStep:
    """The stage or fit step of that name, by :data:`KINDS`."""
    is_fit = kind.startswith(FIT) or kind not in catalogue.STAGES
    return catalogue.fit(kind.removeprefix(FIT)) if is_fit else catalogue.stage(kind)


def output(kind: str) -> str:
    """Digest of everything that the stage or fit makes of the fixed input."""
    found = made(kind)
    if isinstance(found, FitStep):
        return digest(_fit_output(found).hex())
    config = found.config(name=kind, **STAGE_SETTINGS.get(kind, {}))
    if isinstance(found, CorpusStage):
        return digest([_plain_table(table) for table in _corpus_output(found, batch(kind), config)])
    model = found.load(config, {name: str(path) for name, path in found.resources(config).items()})
    rows = batch(kind)
    for place, name in enumerate(found.asks(config)):
        rows = rows.append_column(name, pa.array(np.arange(rows.num_rows) ** (place + 1) / 1000))
    applied = found.apply(rows, config, model)
    parts = {**applied.columns, **applied.signals, **applied.cut}
    return digest({name: _plain(values) for name, values in sorted(parts.items())})


def _corpus_output(stage: CorpusStage, rows: pa.RecordBatch, config: Any) -> list[pa.RecordBatch]:
    """Records, and patches, or signatures and candidates where the engine verifies those."""
    sketch = stage.sketch(rows, config)
    records, signatures = sketch if isinstance(sketch, Sketch) else (sketch, None)
    keys = [name for name in ("_address", "key_low", "key_high", "key") if name in records.schema.names]
    order = np.lexsort([records.column(name).to_numpy() for name in keys])
    linked = stage.link(records.take(pa.array(order)), config)
    return [records, stage.resolve(linked, config)] if signatures is None else [records, signatures, linked]


def _plain_table(table: pa.RecordBatch) -> dict[str, Any]:
    rows: dict[str, Any] = table.to_pydict()
    return rows


def _fit_output(fit: FitStep) -> bytes:
    config = fit.config(**FIT_SETTINGS[fit.kind])
    rows = batch(fit.kind)
    rows = rows.append_column(SIGNAL, pa.array(np.arange(rows.num_rows), pa.int64()))
    summary = fit.merge([fit.summarize(rows, config)], config)
    if fit.kind in LIBRARY_TRAINS:
        return repr(summary.to_pydict()).encode()
    return fit.finish(summary, config)


def _plain(values: Any) -> list[Any]:
    listed: list[Any] = values.to_pylist() if isinstance(values, pa.Array) else values.tolist()
    return [round(value, 4) if isinstance(value, float) else value for value in listed]


def versions() -> dict[str, dict[str, Any]]:
    """Kind → version and digest of its output."""
    return {kind: {"version": made(kind).version, "output": output(kind)} for kind in KINDS}


@pytest.mark.compiled
@pytest.mark.parametrize("kind", KINDS)
def test_other_output_needs_another_version(kind: str) -> None:
    """The output on fixed input is the stored one of this version."""
    stored = json.loads(STORED.read_text())
    assert kind in stored, "a new stage: run python -m tests.stages.test_versions"
    found = made(kind)
    assert found.version == stored[kind]["version"], "raised: run python -m tests.stages.test_versions"
    assert output(kind) == stored[kind]["output"], f"{kind} gives other output: raise its version"


if __name__ == "__main__":
    STORED.write_text(json.dumps(versions(), indent=1, sort_keys=True) + "\n")
