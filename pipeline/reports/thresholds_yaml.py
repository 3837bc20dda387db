"""Derived thresholds as a list of stages that a recipe includes: a route, with the provenance as comments.

The same run and request give the same bytes. A stage is written with all its thresholds, the switched off ones too, and
with those of its other settings that are not what it would have anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.blocks.steps import StageStep
from pipeline.recipe.config_types import effect
from pipeline.recipe.yaml_writer import inline_yaml, write_yaml
from pipeline.reports.build import recipe_hash
from pipeline.reports.threshold_methods import Method
from pipeline.reports.thresholds import Derived, DerivedStage, Thresholds

_METHODS: Mapping[str, str] = {
    "quantile": "each rule drops at most {share} of the documents",
    "deviation": "{deviations} robust standard deviations from the median",
    "same_quantile": "the share of documents beyond the threshold of {like}",
    "mean_std": "as many standard deviations from the mean as the threshold of {like}",
    "median_ratio": "the same multiple of the median as the threshold of {like}",
}


def thresholds_yaml(found: Thresholds) -> str:
    """A file for ``- include:``."""
    lines = [f"# {line}" for line in _head(found)]
    lines += ["- route:", f"    by: {_scalar(found.request.by)}"]
    for value, stages in found.branches.items():
        lines += [f"    {_scalar(value)}:", *(line for stage in stages for line in _stage(stage))]
    if found.default is not None:
        lines.append("    default:" if found.default else "    default: []")
        lines += [line for step in found.default for line in _plain_stage(step)]
    return "\n".join(lines) + "\n"


def _head(found: Thresholds) -> Iterator[str]:
    run, request = found.run, found.request
    names = list(dict.fromkeys(stage.step.name for stages in found.branches.values() for stage in stages))
    sampled = f", a sample of {run.run.sample:g}" if run.run.sample else ""
    yield f"Thresholds of {', '.join(names)} by {request.by}, from the signals of run {run.run.name}{sampled}"
    yield f"(recipe {run.recipe.name}, hash {recipe_hash(run.recipe)[:16]})."
    yield f"Method {request.method.name}: {_described(request.method, request.like)}."
    if request.reference:
        yield f"Looked at: documents of {request.reference}. Shares are of the documents of run {run.run.name}."
    yield "Stands in a recipe in the place of those stages, as in '- include: thresholds.yaml'."
    if found.few:
        listed = ", ".join(f"{value} {count}" for value, count in found.few.items())
        yield f"Fewer than {request.least} documents, so no branch of their own: {listed}."


def _described(method: Method, like: str | None) -> str:
    share = _percent(method.share)
    return _METHODS[method.name].format(share=share, deviations=f"{method.deviations:g}", like=like)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _stage(stage: DerivedStage) -> Iterator[str]:
    judged = stage.judged
    if judged.documents:
        share = _percent(judged.drop / judged.documents)
        yield f"      # {judged.documents:,} documents, of which its rules together drop {share}"
    comments = {item.watched.key: _comment(item) for item in stage.thresholds}
    changed = {item.watched.key: item.value for item in stage.thresholds}
    yield from _entry(stage.step, {**_settings(stage.step), **changed}, comments)


def _plain_stage(step: StageStep) -> Iterator[str]:
    yield from _entry(step, _settings(step), {})


def _comment(item: Derived) -> str:
    kept = f", as in the run: {item.kept}" if item.kept else ""
    return f"drops {_percent(item.drops)}{kept}"


def _entry(step: StageStep, settings: Mapping[str, Any], comments: Mapping[str, str]) -> Iterator[str]:
    if not settings:
        yield f"      - {step.kind}"
        return
    yield f"      - {step.kind}:"
    for key, value in settings.items():
        comment = f"  # {comments[key]}" if key in comments else ""
        first, *more = _lines(key, value)
        yield f"          {first}{comment}"
        yield from (f"          {line}" for line in more)


def _lines(key: str, value: Any) -> list[str]:
    """A setting as YAML; whole numbers without a fraction, and ``${`` as text."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return write_yaml({key: value}).replace("${", "$${").splitlines()


def _settings(step: StageStep) -> dict[str, Any]:
    """Its thresholds and what else differs from the defaults; all settings where a preset would fill in others."""
    config = type(step.config)
    dumped = step.config.model_dump(mode="json", by_alias=True)
    if step.name == step.kind:
        del dumped["name"]
    other = step.config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    few = {key: value for key, value in dumped.items() if key in other or effect(config, key) == "rule"}
    again = config.model_validate(few).model_copy(update={"name": step.name})
    return few if again == step.config else dumped


def _scalar(value: str) -> str:
    return str(inline_yaml(value))
