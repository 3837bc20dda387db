"""What every stage's settings have in common, and what the names of the contract promise."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.recipe.config_types import effect
from stages import catalogue
from stages.contract import (
    ADDRESS,
    BASE_COLUMNS,
    ORDINAL_BITS,
    RELATION_COLUMNS,
    SKETCH_KEYS,
    Applied,
    CorpusStage,
    FitConfig,
    FitInput,
    FitRef,
    FitStep,
    RowStage,
    StageConfig,
    Threshold,
    effort,
    measure,
    rule,
)


class Config(StageConfig):
    low: Threshold = rule(None)
    """A threshold."""
    unit: str = measure("word")
    """A measure."""
    least: int = rule(0, ge=0)
    """A threshold with a limit."""
    tries: int = effort(3)
    """How the work is done."""


def test_settings_are_frozen_and_strict() -> None:
    """A setting cannot be changed later, and an unknown key is refused."""
    config = Config(name="s", low=3)
    with pytest.raises(ValidationError):
        config.low = 4
    with pytest.raises(ValidationError):
        Config(lwo=3)  # type: ignore[call-arg]  # that is the mistake
    with pytest.raises(ValidationError):
        Config(least=-1)


def test_fields_say_what_they_affect() -> None:
    """``rule``, ``measure`` and ``effort`` mark a field in the schema; ``whatif`` and fingerprints go by it."""
    properties = Config.model_json_schema()["properties"]
    names = ("low", "unit", "least", "tries")
    assert [properties[name].get("effect") for name in names] == ["rule", "measure", "rule", "effort"]
    assert properties["least"]["description"] == "A threshold with a limit."


@pytest.mark.parametrize(
    ("given", "expected"), [(0, 0.0), (1.5, 1.5), (None, None), ({"fit": "low"}, FitRef(fit="low"))]
)
def test_a_threshold_is_a_number_a_fit_or_off(given: Any, expected: Any) -> None:
    """0 is a threshold; None is none; ``{fit: name}`` is a reference."""
    assert Config(low=given).low == expected


@pytest.mark.parametrize("given", [{"fti": "low"}, {"fit": "low", "x": 1}, "many", []])
def test_anything_else_is_no_threshold(given: Any) -> None:
    """A misspelt reference or a word is refused."""
    with pytest.raises(ValidationError):
        TypeAdapter(Threshold).validate_python(given)


def test_where_a_fit_learns_from() -> None:
    """``from`` is ``run`` or sources with a share of documents above 0 and up to 1."""
    assert FitConfig.model_validate({}).from_ == "run"
    assert FitConfig.model_validate({"from": {"source": "news", "sample": 0.1}}).from_ == FitInput(
        source="news", sample=0.1
    )
    for wrong in ("rum", {"sample": 0}, {"sample": 2}, {"sources": "news"}):
        with pytest.raises(ValidationError):
            FitConfig.model_validate({"from": wrong})


def test_what_a_stage_need_not_say() -> None:
    """A stage that declares nothing has no signals, rules, columns, models or findings, and gives nothing."""
    stage = RowStage("s", 1, StageConfig, lambda batch, config, model: Applied())
    config = StageConfig()
    assert (stage.signals(config), stage.writes(config), list(stage.rules(config))) == ({}, {}, [])
    assert (stage.resources(config), stage.load(config, {}), list(stage.check(config, None))) == ({}, None, [])
    assert stage.reads == ("text",)
    applied = stage.apply(pa.RecordBatch.from_pydict({"text": ["a"]}), config, None)
    assert (applied.columns, applied.signals, applied.cut) == ({}, {}, {})


def test_what_a_fit_need_not_say() -> None:
    """A fit that declares nothing takes no files, asks for no signal and makes no number."""
    fit = FitStep("f", 1, FitConfig, lambda batch, config, model=None: pa.table({}), lambda tables, config: tables[0],
                  lambda table, config, model=None: b"")  # fmt: skip
    config = FitConfig.model_validate({})
    assert (fit.resources(config), fit.load(config, {}), fit.chosen_libraries(config)) == ({}, None, ())
    assert (fit.signal(config), fit.value, fit.libraries, fit.reads) == (None, None, (), ("text",))


def test_addresses_hold_partition_and_ordinal() -> None:
    """An address is 64 bits: 40 of partition, 24 of ordinal; records of corpus stages carry it under one name."""
    assert BASE_COLUMNS[ADDRESS] == SKETCH_KEYS[ADDRESS] == RELATION_COLUMNS[ADDRESS] == pa.uint64()
    assert (1 << (40 + ORDINAL_BITS)) - 1 == 2**64 - 1
    assert BASE_COLUMNS["text"] == pa.large_string()


@pytest.mark.parametrize("kind", sorted(catalogue.STAGES))
def test_our_stages_keep_the_conventions(kind: str) -> None:
    """A stage is called as in the catalogue; each setting has a docstring and, in row stages, says what it affects."""
    stage = catalogue.stage(kind)
    assert stage.kind == kind and stage.version >= 1
    assert stage.config.model_config["frozen"] and stage.config.model_config["extra"] == "forbid"
    for name, field in stage.config.model_fields.items():
        assert field.description, f"{kind}.{name} has no docstring"
        if name not in StageConfig.model_fields:
            assert effect(stage.config, name) is not None, f"{kind}.{name}"
    assert isinstance(stage, CorpusStage) or set(stage.reads) <= set(BASE_COLUMNS)


@pytest.mark.parametrize("kind", sorted(catalogue.FITS))
def test_our_fits_keep_the_conventions(kind: str) -> None:
    """A fit step is called as in the catalogue, and each of its settings has a docstring."""
    fit = catalogue.fit(kind)
    assert fit.kind == kind and fit.version >= 1
    assert all(field.description for field in fit.config.model_fields.values())
