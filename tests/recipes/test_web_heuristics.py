"""The recipe that judges each language, and code, by rules of its own."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import gristmill
from pipeline.reports.model import Report
from pipeline.reports.table import print_report
from pipeline.run_recipe import run_recipe

RECIPES = Path(gristmill.ROOT) / "recipes"
LISTS = {
    "en": ["gopher_repetition", "c4", "fineweb", "gopher_quality"],
    "zh": ["gopher_repetition", "fineweb", "gopher_quality", "chinese"],
    "ja": ["gopher_repetition", "fineweb", "gopher_quality"],
    "de": ["gopher_repetition", "fineweb", "gopher_quality"],
    "code": ["signals"],
    "default": ["word_count"],
}


def record(number: int, text: str) -> bytes:
    """Plain text as a record of an archive."""
    content = text.encode()
    head = (
        "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Date: 2024-04-25T16:24:44Z\r\n"
        f"WARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"WARC-Target-URI: https://example.org/{number}\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content + b"\r\n\r\n"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The recipe over the planted pages of five languages and a folder of modules, some of them bad."""
    root = tmp_path_factory.mktemp("web")
    texts = [
        json.loads(line)["text"]
        for language in ("en", "zh", "ja", "de", "fr")
        for line in (RECIPES / "planted" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    repeated = {"en": "The same words again and again.\n", "de": "Immer wieder dieselben Wörter hier.\n"}
    repeated |= {"zh": "同样的话又说了一遍又一遍。\n", "ja": "同じ言葉を何度も何度も繰り返します。\n"}
    texts += [line * 40 for line in repeated.values()]
    (root / "pages.warc").write_bytes(b"".join(record(number, text) for number, text in enumerate(texts)))
    (root / "code").mkdir()
    for number in range(5):
        body = "".join(
            f"def area_{k}(width, height):\n    return width * height * {k}\n\n\n" for k in range(number * 4)
        )
        (root / "code" / f"module_{number}.py").write_text(f'"""Areas, part {number}."""\n\n\n{body}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CRAWL", str(root / "pages.warc"))
        overrides = [f"store={root}/store", f"runs={root}/runs", f"sources.stdlib.path={root}/code"]
        folder = run_recipe(str(RECIPES / "web-heuristics.yaml"), overrides=overrides)
    return Report.model_validate_json((Path(folder) / "report.json").read_text(encoding="utf-8"))


def test_each_language_has_a_list_of_its_own(finished: Report) -> None:
    """Documents of each language, and code, pass through the stages of their branch and no others."""
    for branch, kinds in LISTS.items():
        stages = [stage for stage in finished.stages if stage.address.endswith(f"[{branch}]")]
        assert [stage.kind for stage in stages] == kinds
        assert stages[0].flow["in"].documents > 0
        if branch != "default":
            assert {language for stage in stages for language in stage.by_language} <= {branch}


def test_the_reductions_stand_apart(finished: Report) -> None:
    """A text that repeats one line is dropped in each branch, by the threshold of that branch."""
    for branch in ("en", "zh", "ja", "de"):
        (stage,) = (stage for stage in finished.stages if stage.address == f"gopher_repetition[{branch}]")
        assert sum(reason.total.documents for reason in stage.reasons if reason.kind == "dropped") >= 1
    (code,) = (stage for stage in finished.stages if stage.address == "signals[code]")
    assert {reason.name for reason in code.reasons if reason.total.documents} == {"words_too_low"}


def test_the_table_shows_them(finished: Report) -> None:
    """Every branch has its lines in the terminal, and the books balance."""
    console = Console(file=io.StringIO(), width=100)
    print_report(finished, console, "runs/web-heuristics")
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for branch, kinds in LISTS.items():
        assert all(f"{kind}[{branch}]" in shown for kind in kinds)
    assert "books balance" in shown
