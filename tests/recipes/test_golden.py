"""The planted corpus through a whole recipe: every fate is the labelled one, and every byte is the stored one.

``python -m tests.recipes.test_golden`` stores the checksums anew, for a change that is meant to change bytes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

import gristmill
from pipeline.run_recipe import run_recipe
from pipeline.runs import Run, data_checksums, load_run, run_books

HERE = Path(__file__).parent
RECIPE = HERE / "planted.yaml"
STORED = HERE / "golden.json"
PLANTED = Path(gristmill.ROOT) / "recipes" / "planted"


def run(root: Path, **options: Any) -> Run:
    """Run the recipe with its store below ``root``."""
    return load_run(run_recipe(str(RECIPE), overrides=[f"store={root}/store"], **options))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("golden"))


def golden(found: Run) -> dict[str, Any]:
    """What has to stay the same: checksums of data files, the books, and the mix."""
    mix = Path(found.folder) / "mix" / "plan.json"
    books = [entry for entry in run_books(found).rows() if entry[3] in ("in", "out", "dropped")]
    return {"checksums": data_checksums(found), "books": books, "mix": json.loads(mix.read_text())}


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


def test_every_planted_fate_is_found(finished: Run) -> None:
    """Each labelled document was dropped by the rule that its label names, or kept."""
    labels = [json.loads(line) for line in (PLANTED / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    found = fates(finished)
    expected = {f"{label['file']}#{label['id']}": label["expected"] for label in labels}
    shortest = {name for name, reason in found.items() if reason == "length:too_short"}
    assert {name: found[name] for name in expected.keys() - shortest} == {
        name: reason for name, reason in expected.items() if name not in shortest
    }
    assert len(shortest) < 10 and all(expected[name] is None for name in shortest)


def test_bytes_are_the_stored_ones(finished: Run) -> None:
    """Checksums of all data files, the books and the mix are those of the stored run."""
    assert golden(finished) == json.loads(STORED.read_text())


@pytest.mark.ray
def test_ray_gives_the_stored_bytes(tmp_path: Path) -> None:
    """The same on Ray."""
    assert golden(run(tmp_path, executor="ray", workers=2)) == json.loads(STORED.read_text())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        STORED.write_text(json.dumps(golden(run(Path(folder))), indent=1, sort_keys=True) + "\n")
    sys.exit(0)
