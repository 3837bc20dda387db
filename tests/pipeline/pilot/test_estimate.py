"""How what was measured becomes an estimate: scaling, ranges, and the time of several workers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from pipeline.pilot.bounded import Reading
from pipeline.pilot.choose import Chosen
from pipeline.pilot.engine import MeasuredPhase, MeasuredUnit, Pilot
from pipeline.pilot.estimate import estimate
from pipeline.pilot.scaling import Amount, Scale, total
from pipeline.plan import Plan, make_plan
from pipeline.recipe.loader import load_recipe
from pipeline.store import Commit, DataFile

MB = 10**6


def plan_of(root: Path, sizes: list[int], more: str = "") -> Plan:
    """A plan of plain files of those sizes, each a partition."""
    (root / "in").mkdir(exist_ok=True)
    for index, size in enumerate(sizes):
        with open(root / f"in/{index:04d}.jsonl", "wb") as stream:
            stream.write(b'{"text": "x"}\n')
            stream.truncate(size)
    (root / "recipe.yaml").write_text(
        f"name: t\nstore: {root}/store\nsources:\n  news: {{kind: jsonl, path: '{root}/in/*.jsonl'{more}}}\n"
        "stages: [normalize, exact_dedup]\n"
    )
    return make_plan(load_recipe(root / "recipe.yaml"))


def pilot_of(plan: Plan, kind: str, seconds_per_mb: list[float], read: int, every: int, fixed: float = 0.0) -> Pilot:
    """A pilot that read ``read`` bytes of every so manieth partition, at those speeds."""
    units = plan.units[::every]
    chosen = [
        Chosen(unit, float(unit.partition.pieces[0].size), float(sum(_sizes(plan))) / len(units), read, 1.0)
        for unit in units
    ]
    readings, measured = {}, []
    for number, one in enumerate(chosen):
        size = one.unit.partition.pieces[0].size
        readings[one.key] = Reading(read, read // 1000, read, read // 1000, share=read / size)
        seconds = seconds_per_mb[number % len(seconds_per_mb)] * read / MB + fixed
        files = {"docs": DataFile("docs", read, read // 1000, "")}
        measured.append(MeasuredUnit(one.key, Commit(one.key, files), seconds, fixed))
    phase = MeasuredPhase(kind, "x", plan.blocks[0], tuple(measured))
    return Pilot({"news": chosen}, readings, (phase,), 1.0, 0.5, 10**8)


def _sizes(plan: Plan) -> list[int]:
    return [unit.partition.pieces[0].size for unit in plan.units]


def seconds_of(plan: Plan, pilot: Pilot, workers: int) -> Amount:
    return estimate(plan, pilot, workers).phases[0].seconds


def test_what_was_read_stands_for_what_was_not(tmp_path: Path) -> None:
    """A tenth of every fourth file: text, documents and bytes are 40 times as much."""
    plan = plan_of(tmp_path, [10 * MB] * 16)
    found = estimate(plan, pilot_of(plan, "rows", [0.1], MB, every=4), 1)
    assert found.sources[0].text_bytes.value == pytest.approx(160 * MB)
    assert found.sources[0].documents.value == pytest.approx(160_000)
    assert found.phases[0].disk.value == pytest.approx(160 * MB, rel=1e-3)
    assert found.phases[0].units == 16
    assert found.phases[0].seconds.value == pytest.approx(16.0)


def test_partitions_that_differ_make_a_wider_range(tmp_path: Path) -> None:
    """Alike, the range is that of the clock; unlike, it covers what each of them would have given."""
    plan = plan_of(tmp_path, [10 * MB] * 16)
    alike = seconds_of(plan, pilot_of(plan, "rows", [0.1], MB, every=4), 1)
    unlike = seconds_of(plan, pilot_of(plan, "rows", [0.05, 0.15], MB, every=4), 1)
    assert alike.value == pytest.approx(unlike.value)
    assert alike.high / alike.value == pytest.approx(1.3, rel=0.01)
    assert unlike.low < 8 and unlike.high > 24


def test_the_range_holds_about_as_often_as_it_says(tmp_path: Path) -> None:
    """Of 400 draws of four partitions out of forty, at least nine tenths have the true amount in their range."""
    plan = plan_of(tmp_path, [10 * MB] * 40)
    rng, inside = random.Random(7), 0
    for _ in range(400):
        documents = [rng.gauss(1000, 250) for _ in range(40)]
        drawn = rng.sample(range(40), 4)
        units = [plan.units[index] for index in drawn]
        chosen = [Chosen(unit, 10.0 * MB, 100.0 * MB, MB, 1.0) for unit in units]
        readings = {one.key: Reading(MB, 1, MB, 1, share=0.1) for one in chosen}
        scale = Scale(plan, Pilot({"news": chosen}, readings, (), 1.0, 0.0, 0))
        found = scale.sum_of({one.key: documents[index] / 10 for one, index in zip(chosen, drawn, strict=True)})
        inside += found.low <= sum(documents) <= found.high
    assert inside >= 360


def test_a_large_unit_keeps_one_worker_busy(tmp_path: Path) -> None:
    """Two workers need half the time for equal files, and as long as the large one takes where one is larger."""
    equal, unequal = [10 * MB] * 16, [*[2 * MB] * 20, 60 * MB]
    for sizes, share in ((equal, 0.5), (unequal, 0.8)):
        (tmp_path / str(share)).mkdir()
        plan = plan_of(tmp_path / str(share), sizes)
        pilot = pilot_of(plan, "rows", [0.1], MB, every=1)
        pilot = Pilot(
            {"news": [Chosen(o.unit, o.expected_bytes, o.expected_bytes, MB, 1.0) for o in pilot.chosen["news"]]},
            pilot.readings, pilot.phases, 1.0, 0.5, 10**8,
        )  # fmt: skip
        one, two = seconds_of(plan, pilot, 1), seconds_of(plan, pilot, 2)
        assert two.value / one.value == pytest.approx(share, rel=0.02)


def test_what_does_not_grow_with_the_text_is_paid_per_unit(tmp_path: Path) -> None:
    """A file that is flushed costs the same for a small partition and a large one."""
    plan = plan_of(tmp_path, [10 * MB] * 16)
    found = seconds_of(plan, pilot_of(plan, "rows", [0.1], MB, every=4, fixed=0.5), 1)
    assert found.value == pytest.approx(16 + 16 * 0.5)


def test_many_partitions_have_their_sketches_merged(tmp_path: Path) -> None:
    """More than 128 runs are merged first, which no pilot sees; it writes the sketches once more."""
    few, many = plan_of(tmp_path, [MB] * 20), None
    assert [phase.kind for phase in estimate(few, pilot_of(few, "sketch", [0.1], MB, 4), 1).phases] == ["sketch"]
    (tmp_path / "many").mkdir()
    many = plan_of(tmp_path / "many", [MB] * 300)
    sketch, merge = estimate(many, pilot_of(many, "sketch", [0.1], MB // 2, 60), 1).phases
    assert (merge.kind, merge.units) == ("merge", 3)
    assert merge.disk.value == pytest.approx(sketch.disk.value)


def test_starting_costs(tmp_path: Path) -> None:
    """Loading kernels is paid once; compiling them is not paid again."""
    plan = plan_of(tmp_path, [MB])
    pilot = pilot_of(plan, "rows", [0.1], MB, 1)
    cold: dict[str, Any] = {**vars(pilot), "warm_seconds": 100.0}
    assert estimate(plan, Pilot(**cold), 1).start_seconds < estimate(plan, pilot, 1).start_seconds + 10


def test_sums_of_amounts() -> None:
    """Errors of sources are taken to go together: a sum's range is the sum of ranges."""
    one = Amount.of(10, 4)
    assert one == Amount(10, 6, 14)
    assert total([one, one]) == Amount(20, 12, 28)
    assert one.times(2) == Amount(20, 12, 28)
    assert one.times(1, 0.3).high == pytest.approx(10 + 2 * (4 + 9) ** 0.5)
    assert Amount.of(1, 100).low == 0
