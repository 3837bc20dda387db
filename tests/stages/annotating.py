"""Settings of ``annotate`` for a test's server, and what the stage makes of texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from stages import annotate, annotate_cache
from stages.annotate import STAGE, apply
from stages.annotate_config import AnnotateConfig
from stages.contract import Applied
from tests.batches import documents
from tests.completion_server import Completions
from tests.stages.hostile import values


def settings(server: Completions | None, folder: Path, **more: Any) -> AnnotateConfig:
    """Of a stage that asks about every document and loses no time."""
    url = "http://127.0.0.1:9/v1" if server is None else server.url
    patience = {"timeout_seconds": 10, "backoff_seconds": 0.01, "concurrency": 8}
    known = {"base_url": url, "model": "judge", "share": 1.0, "cache": str(folder), "max_documents": None}
    return AnnotateConfig.model_validate({**known, **patience, **more})


def rubric_of(config: AnnotateConfig) -> str | None:
    """What the engine hands to the stage."""
    files = {name: str(path) for name, path in STAGE.resources(config).items()}
    return annotate.load(config, files) if files else None


def annotated(rows: pa.RecordBatch | Sequence[str], config: AnnotateConfig) -> Applied:
    """The stage's output."""
    batch = rows if isinstance(rows, pa.RecordBatch) else documents(rows)
    return apply(batch, config, rubric_of(config))


def signal(rows: pa.RecordBatch | Sequence[str], config: AnnotateConfig, name: str = "score") -> list[Any]:
    """One of its signals."""
    return values(annotated(rows, config))[f"signal {name}"]


def forget() -> None:
    """As if the process had been started anew: nothing is known but what is on the disk."""
    annotate._annotators.clear()
    annotate_cache._opened.cache_clear()
