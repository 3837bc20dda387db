"""A run that is killed and started again ends like one that was not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gristmill
from tests.pipeline.corpora import write_corpus, write_recipe

SCRIPT = Path(gristmill.ROOT) / "benchmarks" / "kill_and_resume.py"


def kill_and_resume(recipe: str, root: str, *options: str) -> str:
    """Run the script; returns what it printed. It fails unless bytes and books are equal."""
    command = [sys.executable, str(SCRIPT), recipe, "--name", "small", "--root", root, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_killed_runs_end_with_the_same_bytes(tmp_path: Path, executor: str) -> None:
    """SIGKILL of the driver and its workers at random moments changes neither bytes nor books."""
    write_corpus(tmp_path, documents=3000)
    recipe = write_recipe(tmp_path)
    said = kill_and_resume(recipe, f"{tmp_path}/out", "--kills", "3", "--executor", executor, "--workers", "2")
    assert "equal" in said


@pytest.fixture
def object_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server on loopback, which this process and its children find by their environment; gives a bucket."""
    from moto.server import ThreadedMotoServer
    from pyarrow.fs import S3FileSystem

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    endpoint = f"{host}:{port}"
    S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True).create_dir("corpus")
    yield "s3://corpus"
    server.stop()


@pytest.mark.slow
@pytest.mark.s3
def test_a_store_on_an_object_store_survives_kills(tmp_path: Path, object_store: str) -> None:
    """The same with the store on an S3 server."""
    write_corpus(tmp_path)
    said = kill_and_resume(write_recipe(tmp_path), object_store, "--kills", "2", "--executor", "local")
    assert "equal" in said
