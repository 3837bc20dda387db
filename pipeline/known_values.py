"""Which values a column can have at each point of a recipe, as far as that is known before a document is read.

Branches of routes, ``when``, and weights of the mix name values of columns. A value that no document can have is a
typing error that would silently switch a branch off, so it is refused when the recipe is planned. Nothing is said of
a column that a source reads row by row or that a stage writes without telling what it may write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classifiers.labels import canonical
from pipeline.recipe.model import Recipe, RouteUse, StageUse
from pipeline.recipe.problems import Mark, Problems, suggest
from pipeline.sources import catalogue as sources
from stages import catalogue
from stages.contract import UNKNOWN_LANGUAGE, CorpusStage, RowStage

Known = dict[str, frozenset[str] | None]
"""Column → the values that it can have, or None where that is not known. Only columns of strings that are listed."""


def check_values(recipe: Recipe, models: Mapping[str, Any]) -> None:
    """Refuse branches, ``when`` and weights that no document can meet. ``models``: stage's address → its model.

    Raises RecipeError with all of them.
    """
    problems = Problems()
    known = _of_sources(recipe)
    for entry in recipe.stages:
        if isinstance(entry, RouteUse):
            _check_route(entry, known, problems)
            after = [_through(uses, dict(known), models, problems) for uses in entry.lists()]
            known = _either([*after, known] if entry.default is None else after)
        else:
            known = _through([entry], known, models, problems)
    _check_weights(recipe, known, problems)
    problems.raise_if_any(recipe.places.file)


def _of_sources(recipe: Recipe) -> Known:
    found: Known = {"source": frozenset(recipe.sources)}
    columns = {"domain", "language", *(name for use in recipe.sources.values() for name in use.config.columns)}
    for column in columns:
        values: set[str] = set()
        for use in recipe.sources.values():
            if column in use.config.columns:
                values.add(use.config.columns[column])
            elif column in sources.source(use.kind).fields(use.config):
                break  # row by row: any value
            elif column in ("domain", "language"):
                values.add(use.config.domain if column == "domain" else UNKNOWN_LANGUAGE)
        else:
            found[column] = frozenset(values)
    return found


def _either(ways: list[Known]) -> Known:
    """What is known where several ways meet."""
    columns = {column for way in ways for column in way}
    found: Known = {}
    for column in columns:
        sets = [way.get(column) for way in ways]
        known = [values for values in sets if values is not None]
        found[column] = frozenset().union(*known) if len(known) == len(sets) else None
    return found


def _through(uses: Any, known: Known, models: Mapping[str, Any], problems: Problems) -> Known:
    """What is known behind stages that follow each other."""
    for use in uses:
        _check_when(use, known, problems)
        stage = catalogue.stage(use.kind)
        known = {**known, **_written(stage, use, known, models)}
    return known


def _written(stage: RowStage | CorpusStage, use: StageUse, known: Known, models: Mapping[str, Any]) -> Known:
    """Columns that a stage writes. Rows that it passes by keep what they had."""
    if isinstance(stage, CorpusStage):
        return dict.fromkeys(stage.columns(use.config))
    is_fitted = bool(stage.resources(use.config)) and use.address not in models  # a model that the run will make
    told = {} if is_fitted else stage.values(use.config, models.get(use.address))
    found: Known = {}
    for column in stage.writes(use.config):
        before = known.get(column)
        found[column] = None if column not in told or before is None else before | frozenset(told[column])
    return found


def _check_route(route: RouteUse, known: Known, problems: Problems) -> None:
    values = known.get(route.by)
    for value, uses in route.branches.items():
        if values is not None and value not in values and not route.brought:
            where = next((use.where for use in uses), "") or route.where
            problem = f"branch {value!r}: no document has this {route.by} here"
            problems.add(_mark(where), problem, _suggestion(route.by, value, values))


def _check_when(use: StageUse, known: Known, problems: Problems) -> None:
    for column, wanted in (use.config.when or {}).items():
        values = known.get(column)
        for value in wanted:
            if values is not None and value not in values:
                problem = f"{use.address}: when.{column}: no document has the value {value!r} here"
                problems.add(_mark(use.where), problem, _suggestion(column, value, values))


def _check_weights(recipe: Recipe, known: Known, problems: Problems) -> None:
    domains, languages = known.get("domain"), known.get("language")
    if recipe.mix is None or domains is None:
        return
    for key in recipe.mix.weights:
        domain = max((name for name in domains if key == name or key.startswith(f"{name}.")), key=len, default=None)
        mark = _mark(recipe.where(f"mix.weights.{key}"))
        if domain is None:
            remedy = f"{suggest(key.partition('.')[0], domains)}; a domain is set by a source's `domain`"
            problems.add(mark, f"mix.weights: no source gives a domain for {key!r}", remedy)
            continue
        language = key[len(domain) + 1 :]
        if language and language != "other" and languages is not None and language not in languages:
            remedy = _suggestion("language", language, languages)
            problems.add(mark, f"mix.weights.{key}: no document has the language {language!r}", remedy)


def _suggestion(column: str, value: str, values: frozenset[str]) -> str:
    if column == "language" and canonical(value) in values:
        return f"did you mean {canonical(value)!r}?"
    return suggest(value, values)


def _mark(where: str) -> Mark:
    file, _, line = where.rpartition(":")
    return Mark(file, int(line)) if file and line.isdigit() else Mark(where)
