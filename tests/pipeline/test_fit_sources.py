"""Fits that learn from sources: the text is that which the source's own stages make of what it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.reports.stored_run import StoredRun
from tests import fake_stages
from tests.pipeline.corpora import run

RECIPE = """
name: brought
store: {root}/store
sources:
  pages: {{kind: fake_lines, path: "{root}/pages", stream: {stream}}}
  plain: {{kind: text, path: "{root}/plain"}}
fits:
  longest: {{kind: percentile, from: {{source: [pages, plain]}}, signal: size.bytes, quantile: 1}}
stages:
  - fake_size: {{name: size, max_bytes: {{fit: longest}}}}
execution: {{executor: local}}
"""


@pytest.mark.parametrize("stream", [False, True])
def test_a_fit_sees_extracted_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: bool) -> None:
    """What the source's stage cuts out is not learned from; other sources' rows are not cut."""
    (tmp_path / "installed").mkdir()
    fake_stages.install(tmp_path / "installed", monkeypatch)
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "a").write_text("axxxxxxxxxxb\nabxcd\n")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "b").write_text("xxx")
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(root=tmp_path, stream=str(stream).lower()))
    assert StoredRun.open(run(str(tmp_path / "recipe.yaml")).folder).fits["longest"].value == 4
