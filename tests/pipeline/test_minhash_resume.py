"""``minhash_dedup`` decides the same however the work is cut, ordered, run and killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import gristmill
from pipeline.blocks import corpus, merging, sorted_runs
from pipeline.blocks.near import claims, rounds, verify
from pipeline.blocks.work import Unit, Work
from pipeline.executors.local import LocalExecutor
from pipeline.runs import Run, data_checksums, load_run, run_books
from pipeline.store import Attempt, Commit
from tests.pipeline.corpora import run
from tests.pipeline.near_runs import PLENTY, clusters, decided, near_run, write
from tests.pipeline.test_kill_and_resume import kill_and_resume

IN_MEMORY = ["sketch", "merge", "link", "gather", "verify", "components", "label", "claim", "resolve"]
BY_ROUNDS = ["spread", "large_star", "small_star"]


def corpus_of(count: int, seed: int = 5) -> dict[str, str]:
    """Families of edited texts, of which many are equally long, and some plain copies."""
    draw = random.Random(seed)
    words = [f"{a}{b}{c}" for a in "bdklmnprst" for b in "aeiou" for c in ("ra", "li", "ton", "mek")]
    texts: dict[str, str] = {}
    while len(texts) < count:
        base = draw.choices(words, k=150)
        for _ in range(draw.randint(1, 7)):
            version = list(base)
            for _ in range(draw.choice([0, 0, 1, 1, 2, 4])):
                version[draw.randrange(len(version))] = draw.choice(words)
            texts[str(len(texts))] = " ".join(version)
    return texts


TEXTS = corpus_of(500)


def small_units(patch: pytest.MonkeyPatch) -> None:
    """Have every phase cut its work small, and merge."""
    patch.setattr(corpus, "LINK_ROWS", 2000)
    patch.setattr(verify, "JOIN_BYTES", 60_000)
    patch.setattr(rounds, "ROUND_ROWS", 300)
    patch.setattr(claims, "CLAIM_ROWS", 200)
    patch.setattr(corpus, "RESOLVE_ROWS", 300)
    patch.setattr(sorted_runs, "BATCH_ROWS", 256)
    patch.setattr(merging, "FAN_IN", 6)
    patch.setattr("pipeline.corpus_phases.FAN_IN", 6)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    found = near_run(tmp_path_factory.mktemp("whole"), TEXTS)
    assert 200 < len(decided(found)) < 500
    return found


@pytest.mark.parametrize("settings", ["{}", "{survivor: [-offset, longest]}", "{verify: exact}"])
def test_partitions_and_budget_do_not_matter(settings: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One partition or many, large tasks or small, in memory or by rounds: the same table, line by line.

    Addresses are others, and so is their order, so nothing may be decided by them.
    """
    lines = []
    texts = {name: text for name, text in TEXTS.items() if list(TEXTS.values()).count(text) == 1}
    for split_bytes, memory in ((2**24, PLENTY), (90_000, 1), (15_000, PLENTY), (15_000, 1)):
        with monkeypatch.context() as patch:
            if split_bytes < 20_000:
                small_units(patch)
            found = near_run(
                tmp_path / f"{split_bytes}-{memory}", texts, settings, split_bytes=split_bytes, memory=memory
            )
        assert ("large_star" in {block.kind for block in found.blocks}) == (memory == 1)
        lines.append(decided(found))
    assert len(lines[0]) > 150
    assert lines[1:] == [lines[0]] * 3


def test_files_do_not_matter(whole: Run, tmp_path: Path) -> None:
    """In other files and another order the same texts make the same clusters; only which of copies stays may change."""
    names = list(TEXTS)
    random.Random(2).shuffle(names)
    texts = {name: TEXTS[name] for name in names}
    lines, before = decided(near_run(tmp_path, texts, files=4)), decided(whole)
    assert clusters(lines) == clusters(before)
    for name, line in lines.items():
        was = before[name]
        assert (TEXTS[line.survivor], line.similarity, line.size) == (TEXTS[was.survivor], was.similarity, was.size)


class Shuffled(LocalExecutor):
    """Runs the units of each phase in another order."""

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        chosen = list(units)
        random.Random(len(chosen)).shuffle(chosen)
        yield from super().run(work, chosen)


@pytest.mark.parametrize("memory", [1, PLENTY])
def test_workers_and_order_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int) -> None:
    """Two workers, or units in another order: every file has the same bytes, and the books the same lines."""
    found = []
    for name in ("one", "two", "shuffled"):
        recipe = write(tmp_path / name, TEXTS, split_bytes=60_000, memory=memory)
        with monkeypatch.context() as patch:
            if name == "shuffled":
                patch.setattr("pipeline.run_recipe.make_executor", lambda *_: Shuffled(1))
            done = run(recipe, workers=2 if name == "two" else 1)
        found.append((data_checksums(done), run_books(done).rows()))
    assert found[1:] == [found[0]] * 2


@pytest.mark.ray
@pytest.mark.slow
def test_ray_writes_the_same_bytes(tmp_path: Path) -> None:
    """Checksums of all data files are the same on Ray, by rounds."""
    local, on_ray = (write(tmp_path / name, TEXTS, split_bytes=50_000, memory=1) for name in ("local", "ray"))
    assert data_checksums(run(on_ray, executor="ray", workers=2)) == data_checksums(run(local))


class Killed(LocalExecutor):
    """Kills its own process in the named phase: when the last of the first half of its units has all but committed."""

    def __init__(self, kind: str) -> None:
        super().__init__(1)
        self.kind = kind

    def run(self, work: Work, units: Iterable[Unit]) -> Iterator[tuple[Unit, Commit]]:
        chosen = list(units)
        if type(work).__name__ != self.kind:
            yield from super().run(work, chosen)
            return
        half = len(chosen) // 2
        yield from super().run(work, chosen[:half])
        Attempt.commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment, method-assign]
        yield from super().run(work, chosen[half:])


def run_until_killed(recipe: str, kind: str) -> None:
    """What the child process of :func:`killed_in` does."""
    with pytest.MonkeyPatch.context() as patch:
        small_units(patch)
        patch.setattr("pipeline.run_recipe.make_executor", lambda *_: Killed(kind))
        run(recipe)


def killed_in(kind: str) -> Callable[[str], int]:
    """Runs a recipe in a process of its own, which dies in that phase; gives its exit code."""
    names = {"large_star": "StarWork", "small_star": "StarWork"}
    work = names.get(kind, f"{kind.title()}Work")
    code = f"import sys; from tests.pipeline.test_minhash_resume import run_until_killed as f; f(sys.argv[1], {work!r})"

    def start(recipe: str) -> int:
        return subprocess.run([sys.executable, "-c", code, recipe], cwd=gristmill.ROOT, check=False).returncode

    return start


@pytest.fixture(scope="module", params=[PLENTY, 1], ids=["memory", "rounds"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Run]:
    with pytest.MonkeyPatch.context() as patch:
        small_units(patch)
        root = tmp_path_factory.mktemp("undisturbed")
        return request.param, near_run(root, TEXTS, split_bytes=20_000, memory=request.param)


@pytest.mark.slow
def test_sigkill_in_each_phase(undisturbed: tuple[int, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in every phase in turn, files written and not committed, then finished: no byte and no book differs."""
    memory, wanted = undisturbed
    recipe = write(tmp_path, TEXTS, split_bytes=20_000, memory=memory)
    kinds = [
        kind for kind in dict.fromkeys(block.kind for block in wanted.blocks) if kind not in ("rows", "small_star")
    ]
    assert set(kinds) - set(BY_ROUNDS) == set(IN_MEMORY) - ({"components"} if memory == 1 else set())
    for kind in kinds:
        assert killed_in(kind)(recipe) == -signal.SIGKILL, kind
    small_units(monkeypatch)
    found = run(recipe)
    assert data_checksums(found) == data_checksums(wanted)
    assert run_books(found).rows() == run_books(wanted).rows()


@pytest.mark.slow
def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    """SIGKILL of the driver and two workers at random moments changes neither bytes nor books."""
    recipe = write(tmp_path, corpus_of(6000), split_bytes=500_000, memory=1)
    said = kill_and_resume(
        recipe, f"{tmp_path}/out", "--name", "near", "--kills", "4", "--executor", "local", "--workers", "2"
    )
    assert "equal" in said


def test_units_of_another_size_are_not_taken_for_these(
    whole: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that was filled with other ranges, as another release has them, gives the sketches and nothing else."""
    recipe = write(tmp_path, TEXTS)
    with monkeypatch.context() as patch:
        patch.setattr(corpus, "LINK_ROWS", 2000)
        patch.setattr(verify, "JOIN_BYTES", 60_000)
        run(recipe)
    found = run(recipe)
    assert data_checksums(found) == data_checksums(whole)
    executed = {name.partition(":")[0]: count for name, count in found.executed.items()}
    assert not executed.get("01 sketch") and executed["02 link"] == 1


def test_a_new_file_is_sketched_alone(tmp_path: Path) -> None:
    """Sketches of files that were there are reused, and the result is that of a fresh run."""
    recipe = write(tmp_path / "grown", TEXTS, files=3)
    run(recipe)
    rows = (tmp_path / "grown/in/0.jsonl").read_text().splitlines()[:50]
    (tmp_path / "grown/in/new.jsonl").write_text("\n".join(rows) + "\n")
    grown = run(recipe)
    assert {name: count for name, count in grown.executed.items() if "sketch" in name} == {
        "01 sketch: minhash_dedup": 1
    }
    fresh = write(tmp_path / "fresh", TEXTS, files=3)
    (tmp_path / "fresh/in/new.jsonl").write_text("\n".join(rows) + "\n")
    assert data_checksums(grown) == data_checksums(load_run(run(fresh).folder))
