"""The quickstart over the planted corpus: every fate is the labelled one, and every byte is the stored one.

Python's library and the installed packages differ from machine to machine; a few files stand in for them.
``python -m tests.recipes.test_golden`` stores the checksums anew, for a change that is meant to change bytes.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import gristmill
from pipeline.run_recipe import run_recipe
from pipeline.runs import Run, data_checksums, load_run, run_books
from tests.recipes.test_planted import KINDS

STORED = Path(__file__).parent / "golden.json"
RECIPES = Path(gristmill.ROOT) / "recipes"

SMALLER = ("fits.vocabulary.vocab_size=2048", "mix.tokens=60_000", "mix.sequence_length=256", "train=null")
STAY = {"clean", "curated", "personal_data", "benchmark_leak"}
"""Kinds that no stage of the quickstart is meant for."""


def run(root: Path, *overrides: str, **options: Any) -> Run:
    """Run the quickstart without its trainer; its store, and what stands in for the machine's files, below ``root``."""
    for number in range(12):
        areas = (f"def area_{k}(width, height):\n    return width * height * {k}\n" for k in range(number * 3))
        _write(root / "code" / f"module_{number}.py", "\n\n".join(['"""Areas."""\n', *areas]))
    for name in ("ladders", "lanterns"):
        _write(root / "packages" / f"{name}-1.0.dist-info" / "METADATA", _description(name))
    places = (
        f"store={root}/store",
        f"sources.stdlib.path={root}/code",
        f"sources.packages.path={root}/packages/*.dist-info/METADATA",
    )
    options = {"executor": "local", **options}
    return load_run(run_recipe(str(RECIPES / "quickstart.yaml"), overrides=[*places, *SMALLER, *overrides], **options))


def _write(path: Path, text: str) -> None:
    """Write a file that is not there: another time stamp would be another file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _description(name: str) -> str:
    lines = (
        f"This package has what a small program needs to know of {name}, and nothing that it does not.",
        "It was written for a library that lends them, where the old list had grown longer than the shelf.",
        "To begin with, ask for the shortest one that reaches; the answer is a number, or an error that says why not.",
        "Whoever finds a fault is asked to write down what was expected and what came instead.",
    )
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\n# {name}\n\n" + "\n\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("golden")


@pytest.fixture(scope="module")
def finished(root: Path) -> Run:
    return run(root)


@pytest.fixture(scope="module")
def found_fates(finished: Run) -> dict[str, str | None]:
    return fates(finished)


def golden(found: Run) -> dict[str, Any]:
    """What has to stay the same: checksums of data files, the books, and the mix.

    Without the classifier's file and the scores that it gives: fastText is compiled for the processor.
    """
    (scored,) = (phase for phase, block in enumerate(found.blocks) if "quality" in block.name.split(", "))
    left_out = re.compile(rf"{scored:02d}-rows/.*/signals|.*/artifact\.bin")
    checksums = {key: checksum for key, checksum in data_checksums(found).items() if not left_out.fullmatch(key)}
    mix = Path(found.folder) / "mix" / "plan.json"
    books = [entry for entry in run_books(found).rows() if entry[3] in ("in", "out", "dropped")]
    return {"checksums": checksums, "books": books, "mix": json.loads(mix.read_text())}


def fates(found: Run) -> dict[str, str | None]:
    """Id → ``stage:rule`` that dropped the document (the branch of a route left out), or None if it was kept."""
    ids: dict[int, str] = {}
    reasons: dict[str, str | None] = {}
    for block in found.blocks_of("rows"):
        store = block.open()
        for commit in store.read_many(block.units):
            for row in store.open(commit.files["signals"]).read_all().to_pylist():
                ids.setdefault(row["_address"], row.get("id", ""))
                reason = row["dropped_by"]
                stage, _, rule = (reason or "").partition(":")
                reasons[ids[row["_address"]]] = f"{stage.partition('[')[0]}:{rule}" if reason else None
    return reasons


def labelled(kind: str) -> dict[str, str | None]:
    """Id → the fate that the label names, of the documents of a kind."""
    lines = (RECIPES / "planted" / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [label for label in map(json.loads, lines) if label["kind"] == kind]
    return {f"{label['file']}#{label['id']}": label["expected"] for label in labels}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_planted_fate_is_found(kind: str, found_fates: dict[str, str | None]) -> None:
    """Each labelled document was dropped by the rule that its label names, or kept; all of a good kind stay."""
    expected = labelled(kind)
    assert {name: found_fates[name] for name in expected} == expected
    assert any(expected.values()) == (kind not in STAY)


def test_bytes_are_the_stored_ones(finished: Run) -> None:
    """Checksums of all data files, the books and the mix are those of the stored run."""
    assert golden(finished) == json.loads(STORED.read_text())


@pytest.mark.ray
def test_ray_gives_the_same_bytes(finished: Run, tmp_path: Path) -> None:
    """The same on Ray, scores and models too."""
    found = run(tmp_path, executor="ray", workers=2)
    assert data_checksums(found) == data_checksums(finished)
    assert golden(found) == json.loads(STORED.read_text())


def test_only_what_changed_is_done_again(root: Path, finished: Run, tmp_path: Path) -> None:
    """A second run computes nothing; other curated articles train anew the models that learn from them only."""
    elsewhere = f"runs={tmp_path}/runs"
    assert not any(run(root, elsewhere).executed.values())
    curated = (RECIPES / "planted" / "curated-zh.jsonl").read_bytes()
    (tmp_path / "curated.jsonl").write_bytes(curated.partition(b"\n")[2])
    again = run(root, elsewhere, f"sources.curated_zh.path={tmp_path}/curated.jsonl").executed
    trained = {phase[3:] for phase, units in again.items() if units and "finish" in phase}
    assert trained == {"finish: lm_zh", "finish: curated", "finish: vocabulary"}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        STORED.write_text(json.dumps(golden(run(Path(folder))), indent=1, sort_keys=True) + "\n")
    sys.exit(0)
