"""Stages are found by name: ours, and those of other distributions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

import gristmill
from stages import catalogue
from stages.contract import FitStep, RowStage
from tests import fake_stages

FIT = FitStep(
    "their_fit",
    1,
    catalogue.fit("percentile").config,
    catalogue.fit("percentile").summarize,
    catalogue.fit("percentile").merge,
    catalogue.fit("percentile").finish,
)


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Entry points of another distribution."""
    points = [
        EntryPoint("their_size", "tests.fake_stages:SIZE", "gristmill.stages"),
        EntryPoint("exact_dedup", "tests.fake_stages:SIZE", "gristmill.stages"),
        EntryPoint("no_stage", "tests.fake_stages:MARKER", "gristmill.stages"),
        EntryPoint("their_fit", "tests.stages.test_catalogue:FIT", "gristmill.fits"),
        EntryPoint("no_fit", "tests.fake_stages:SIZE", "gristmill.fits"),
    ]
    monkeypatch.setattr(catalogue, "entry_points", lambda group: EntryPoints(p for p in points if p.group == group))
    catalogue._installed.cache_clear()
    yield
    catalogue._installed.cache_clear()


def test_ours_are_found_by_name() -> None:
    """Every name of the hand-written lists gives a stage of that kind."""
    for kind in catalogue.STAGES:
        assert catalogue.stage(kind).kind == kind
    for kind in catalogue.FITS:
        assert catalogue.fit(kind).kind == kind
    assert set(catalogue.STAGES) <= set(catalogue.stage_names())
    assert set(catalogue.FITS) <= set(catalogue.fit_names())


def test_another_distribution_adds_stages(theirs: None) -> None:
    """Entry points are listed and loaded beside ours."""
    assert "their_size" in catalogue.stage_names() and "their_fit" in catalogue.fit_names()
    assert catalogue.stage_names() == sorted(set(catalogue.stage_names()))
    assert catalogue.stage("their_size") is fake_stages.SIZE
    assert catalogue.fit("their_fit").kind == "their_fit"


def test_ours_cannot_be_replaced(theirs: None) -> None:
    """An entry point with the name of one of our stages does not take its place."""
    assert catalogue.stage("exact_dedup") is not fake_stages.SIZE


def test_what_is_no_stage_is_refused(theirs: None) -> None:
    """An entry point that leads to something else is a TypeError that says to what."""
    with pytest.raises(TypeError, match="stage 'no_stage' is a str, expected RowStage"):
        catalogue.stage("no_stage")
    with pytest.raises(TypeError, match="fit step 'no_fit' is a RowStage, expected FitStep"):
        catalogue.fit("no_fit")


@pytest.mark.parametrize("name", ["", "no_such", "percentile", "stages.normalize"])
def test_an_unknown_stage_is_a_key_error(name: str) -> None:
    """Fits are no stages, and module paths are no names."""
    with pytest.raises(KeyError) as caught:
        catalogue.stage(name)
    assert caught.value.args == (name,)


def test_an_installed_distribution_is_found_in_every_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metadata on the path is enough, here and in a child process, without any registration at run time."""
    fake_stages.install(tmp_path, monkeypatch)
    assert catalogue.stage("fake_size") is fake_stages.SIZE
    code = "import gristmill; from stages import catalogue; print(catalogue.stage('fake_size').kind)"
    found = subprocess.run([sys.executable, "-c", code], cwd=gristmill.ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "fake_size"


def test_the_metadata_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: None) -> None:
    """Every batch asks for its stage: reading all installed metadata each time would cost 20 ms."""
    assert isinstance(catalogue.stage("their_size"), RowStage)
    monkeypatch.setattr(catalogue, "entry_points", lambda group: pytest.fail("read again"))
    assert isinstance(catalogue.stage("their_size"), RowStage)
