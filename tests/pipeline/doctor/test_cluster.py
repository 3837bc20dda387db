"""Ray: that it starts, that every node answers and agrees, and that all see the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.doctor import cluster
from pipeline.doctor.cluster import judged
from pipeline.doctor.probe import NodeFacts, ProbeUnit, ProbeWork, code_digest, node_facts
from pipeline.errors import StoreError
from pipeline.executors import ray_executor
from tests.object_store import bucket

HERE = node_facts()


class OtherNodes:
    """Stands for an executor whose nodes answer as a test says. ``answer``: (work, unit) → what a node gives."""

    workers = 4
    closed = False

    def __init__(self, answer: Callable[[ProbeWork, ProbeUnit], Any]) -> None:
        self.answer = answer

    def on_every_node(self, work: ProbeWork, unit: Callable[[str], ProbeUnit], seconds: float) -> dict[str, Any]:
        return {node: self.answer(work, unit(node)) for node in ("node-a", "node-b")}

    def close(self) -> None:
        OtherNodes.closed = True


def checked(monkeypatch: pytest.MonkeyPatch, store: str, answer: Callable[..., Any]) -> dict[str, Any]:
    monkeypatch.setattr(ray_executor, "RayExecutor", lambda workers, address: OtherNodes(answer))
    return {check.name: check for check in cluster.cluster(None, None, store)}


def test_nodes_that_agree_and_see_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes that do as they should; the token is gone afterwards, and so is a store that was not there."""
    found = checked(monkeypatch, str(tmp_path / "new/store"), lambda work, unit: work.run(unit))
    assert {name: check.status for name, check in found.items()} == {
        "ray": "ok", "nodes agree": "ok", "store, from every node": "ok",
    }  # fmt: skip
    assert found["ray"].facts["nodes"] == 2
    assert not list(tmp_path.iterdir())
    assert OtherNodes.closed


def test_a_node_that_does_not_see_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A local folder of the driver is not there on another node."""

    def answer(work: ProbeWork, unit: ProbeUnit) -> NodeFacts:
        elsewhere = unit.key == "node-b"
        return replace(work, folder=str(tmp_path / "other")).run(unit) if elsewhere else work.run(unit)

    check = checked(monkeypatch, str(tmp_path / "store"), answer)["store, from every node"]
    assert check.status == "failed"
    assert "(node-b) does not see it: FileNotFoundError" in check.found
    assert "node-a" not in check.found


def test_a_node_whose_writing_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading alone does not make a store."""

    def answer(work: ProbeWork, unit: ProbeUnit) -> NodeFacts:
        token = Path(work.folder or "", "token").read_text()
        return node_facts(token) if unit.key == "node-a" else work.run(unit)

    check = checked(monkeypatch, str(tmp_path), answer)["store, from every node"]
    assert check.status == "failed"
    assert "(node-a) writes is not seen here" in check.found


def test_a_store_that_cannot_be_written_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nodes are asked all the same."""
    (tmp_path / "file").write_text("")
    found = checked(monkeypatch, str(tmp_path / "file/store"), lambda work, unit: work.run(unit))
    assert found["nodes agree"].status == "ok"
    assert found["store, from every node"].found.startswith("cannot be written here: ")


def test_a_ray_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its message is shown, with where to look."""

    def refuse(workers: Any, address: Any) -> Any:
        raise ConnectionError("could not connect to head:6379")

    monkeypatch.setattr(ray_executor, "RayExecutor", refuse)
    [check] = cluster.cluster("head:6379", None, str(tmp_path))
    assert (check.name, check.status) == ("ray", "failed")
    assert "head:6379" in check.found
    assert "ray start --head" in str(check.remedy)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"gristmill": "0.0.9"}, "has gristmill 0.0.9, here it is"),
        ({"code": "0" * 16}, "has gristmill's files 0000000000000000"),
        ({"python": "3.12.1"}, "has Python 3.12.1"),
        ({"unicode": "13.0.0"}, "has Unicode 13.0.0"),
        ({"libraries": {**HERE.libraries, "pyarrow": "19.0.0"}}, "has pyarrow 19.0.0"),
        ({"libraries": {**HERE.libraries, "numba": None}}, "has numba not installed"),
    ],
)
def test_versions_that_differ_are_a_failure(changed: dict[str, Any], said: str) -> None:
    """They decide bytes and fingerprints, so a run on such nodes is never the same twice."""
    answers = {"here": HERE, "there": replace(HERE, host="far", **changed)}
    checks = {check.name: check for check in judged(answers, HERE, 1.0, 2)}
    assert checks["nodes agree"].status == "failed"
    assert said in checks["nodes agree"].found
    assert "far (there)" in checks["nodes agree"].found
    assert checks["ray"].status == "ok"


def test_a_node_that_runs_no_task() -> None:
    """One line for it; its traceback is cut to the last line, colours and all."""
    error = StoreError("no answer within 90 s")
    traced = RuntimeError("Traceback\n  somewhere\nModuleNotFoundError: No module named 'gristmill'")
    checks = {check.name: check for check in judged({"a": error, "b": traced, "c": HERE}, HERE, 1.0, 2)}
    assert checks["node a"].found == "runs no task: no answer within 90 s"
    assert checks["node b"].found == "runs no task: ModuleNotFoundError: No module named 'gristmill'"
    assert "ray" not in checks


@pytest.mark.parametrize("seconds", [3600.0, -3600.0])
def test_a_clock_that_is_off(seconds: float) -> None:
    """An hour off is told; a few seconds, or an answer that took its time, are not."""
    off = replace(HERE, unix_seconds=HERE.unix_seconds + seconds)
    late = replace(HERE, unix_seconds=HERE.unix_seconds - 30)
    assert "clocks" in {check.name for check in judged({"a": off}, HERE, 1.0, 2)}
    assert "clocks" not in {check.name for check in judged({"a": late}, HERE, 1.0, 2)}


def test_the_digest_of_our_files_changes_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One changed line in one module is another digest."""
    import gristmill

    (tmp_path / "stages").mkdir()
    (tmp_path / "stages/a.py").write_text("x = 1")
    monkeypatch.setattr(gristmill, "ROOT", str(tmp_path))
    before = code_digest()
    (tmp_path / "stages/a.py").write_text("x = 2")
    assert code_digest() != before


@pytest.mark.ray
def test_a_ray_that_is_started_here(tmp_path: Path) -> None:
    """One node, which agrees with itself and sees the folder; Ray is stopped again."""
    import ray

    found = {check.name: check for check in cluster.cluster(None, 2, str(tmp_path / "store"))}
    assert {check.status for check in found.values()} == {"ok"}, found
    assert found["ray"].facts["nodes"] == 1
    assert not ray.is_initialized()
    assert not list(tmp_path.iterdir())


@pytest.fixture
def two_raylets() -> Iterator[tuple[str, str]]:
    """Address of a cluster of two nodes on this machine, and a bucket that they may use."""
    from ray.cluster_utils import Cluster

    with bucket() as uri:  # raylets keep the environment that they are started in
        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        nodes.add_node(num_cpus=1)
        nodes.wait_for_nodes()
        yield nodes.address, uri
        nodes.shutdown()  # type: ignore[no-untyped-call]  # Ray is typed only in part


@pytest.mark.ray
@pytest.mark.s3
@pytest.mark.slow
def test_two_nodes_and_an_object_store(two_raylets: tuple[str, str]) -> None:
    """Each of two raylets answers and does the round trip through the bucket."""
    address, uri = two_raylets
    found = {check.name: check for check in cluster.cluster(address, None, f"{uri}/store")}
    assert found["ray"].facts["nodes"] == 2, found
    assert found["nodes agree"].status == "ok"
    assert found["store, from every node"].status == "ok", found["store, from every node"]
