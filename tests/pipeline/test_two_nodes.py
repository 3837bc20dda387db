"""Two raylets on this machine, as two nodes of a cluster."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.run_recipe import run_recipe
from pipeline.runs import Run, data_checksums, load_run, run_books

ROOT = Path(__file__).resolve().parents[2]

RECIPE = """
name: crawl
store: {root}/{name}/store
max_errors: 1
sources:
  crawl: {{kind: warc, path: "{data}/warc/*", split_bytes: 60000}}
stages:
  - normalize
  - language: {{min_score: 0.3}}
  - exact_dedup
"""


def recipe(root: Path, data: Path, name: str) -> str:
    """A recipe over all archives with a store of its own."""
    path = root / f"{name}.yaml"
    path.write_text(RECIPE.format(root=root, data=data, name=name))
    return str(path)


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster of two nodes with a processor each."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()  # type: ignore[no-untyped-call]  # Ray is typed only in part


def start(path: str, address: str) -> subprocess.Popen[str]:
    """Start ``gristmill run`` on the cluster."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import gristmill; gristmill.main()"
    command = [sys.executable, "-c", code, "run", path, "--address", address, "--workers", "2"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def state(found: Run) -> tuple[dict[str, str], list[list[Any]]]:
    """Checksums of all data files, and the books."""
    return data_checksums(found), run_books(found).rows()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.data
def test_a_node_is_lost_during_the_run(tmp_path: Path, real_data: Path, cluster: Any) -> None:
    """The same bytes and books as in one process: on two nodes, and where one of them is killed on the way."""
    alone = state(load_run(run_recipe(recipe(tmp_path, real_data, "alone"), executor="local")))
    calm = start(recipe(tmp_path, real_data, "calm"), cluster.address)
    said, _ = calm.communicate(timeout=300)
    assert calm.returncode == 0, said
    assert state(load_run(str(tmp_path / "calm" / "runs" / "crawl"))) == alone
    troubled = start(recipe(tmp_path, real_data, "troubled"), cluster.address)
    deadline = time.monotonic() + 200
    while troubled.poll() is None and time.monotonic() < deadline:
        if len(list((tmp_path / "troubled" / "store").glob("*/commits/*.json"))) >= 4:
            break
        time.sleep(0.01)
    assert troubled.poll() is None, "the run was over before a node could be killed"
    [node] = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)
    said, _ = troubled.communicate(timeout=300)
    assert troubled.returncode == 0, said
    assert state(load_run(str(tmp_path / "troubled" / "runs" / "crawl"))) == alone


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_a_run_without_an_address_has_a_ray_of_its_own(tmp_path: Path) -> None:
    """It does not join a cluster that happens to have been started on this machine."""
    (tmp_path / "a.txt").write_text("a document")
    path = tmp_path / "recipe.yaml"
    path.write_text(f'name: own\nstore: {tmp_path}/store\nsources:\n  s: {{kind: text, path: "{tmp_path}/a.txt"}}\n')
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import gristmill; gristmill.main()"
    command = [sys.executable, "-c", code, "run", str(path), "--executor", "ray", "--workers", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 workers ready" in done.stderr
