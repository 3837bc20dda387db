"""Whole runs of near deduplication, and what they decided, by the documents' ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import gristmill
from pipeline.runs import Run
from tests.pipeline.corpora import run

RECIPE = """
name: near
store: {root}/store
sources:
  web: {{kind: jsonl, path: "{root}/in/*.jsonl", split_bytes: {split_bytes}}}
stages:
  - {stage}
execution: {{executor: local, dedup_memory_bytes: {memory}}}
"""
PLENTY = 2**31


class Member(NamedTuple):
    """A line of the cluster table."""

    survivor: str
    similarity: float
    size: int


def write(
    root: Path,
    texts: Mapping[str, str],
    settings: str = "{}",
    *,
    files: int = 1,
    split_bytes: int = 2**24,
    memory: int = PLENTY,
    stage: str = "minhash_dedup",
) -> str:
    """Write texts, id → text, dealt out to files, and a recipe; returns the recipe's path."""
    (root / "in").mkdir(parents=True, exist_ok=True)
    rows = [json.dumps({"id": name, "text": text}, ensure_ascii=False) for name, text in texts.items()]
    for number in range(files):
        (root / "in" / f"{number}.jsonl").write_text("".join(f"{row}\n" for row in rows[number::files]))
    path = root / "recipe.yaml"
    stage = f"{stage}: {settings}"
    path.write_text(RECIPE.format(root=root, stage=stage, split_bytes=split_bytes, memory=memory))
    return str(path)


def near_run(root: Path, texts: Mapping[str, str], settings: str = "{}", **options: Any) -> Run:
    """Write and run."""
    return run(write(root, texts, settings, **options))


def names(found: Run) -> dict[int, str]:
    """Address → the record's own id, without the file's name, of all documents that were read."""
    table = gristmill.open(found.folder).signals().table(["_address", "id"])
    ids = [name.rpartition("#")[2] for name in table.column("id").to_pylist()]
    return dict(zip(table.column("_address").to_pylist(), ids, strict=True))


def decided(found: Run) -> dict[str, Member]:
    """Id of each member of a cluster → its line of the table; a row that goes has a survivor that is not itself."""
    of, table = names(found), gristmill.open(found.folder).clusters().table()
    lines = {}
    for row in table.to_pylist():
        assert row["drop"] == (row["survivor"] != row["_address"])
        lines[of[row["_address"]]] = Member(of[row["survivor"]], row["similarity"], row["cluster_size"])
    return lines


def clusters(lines: Mapping[str, Member]) -> set[frozenset[str]]:
    """The clusters as sets of ids."""
    by_survivor: dict[str, set[str]] = {}
    for name, line in lines.items():
        by_survivor.setdefault(line.survivor, set()).add(name)
    return {frozenset(one) for one in by_survivor.values()}


def pairs(found: Run, kind: str, columns: Iterable[str] = ("centre", "member")) -> set[frozenset[str]]:
    """Pairs of ids that a phase left: ``link`` the candidates, ``verify`` the edges."""
    of, left = names(found), set()
    for block in found.blocks_of(kind):
        store = block.open()
        for commit in store.read_many(block.units):
            for batch in store.batches(commit.files["run"], list(columns)):
                ends = (batch.column(name).to_pylist() for name in columns)
                left |= {frozenset((of[one], of[other])) for one, other in zip(*ends, strict=True)}
    return left


def counted(found: Run, kind: str) -> int:
    """Rows of all files that a phase left."""
    return sum(
        file.rows
        for block in found.blocks_of(kind)
        for commit in block.open().read_many(block.units)
        for file in commit.files.values()
    )
