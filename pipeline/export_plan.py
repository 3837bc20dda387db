"""From an entry under ``exports`` to what is written: columns, format and compression checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

import pyarrow as pa

from pipeline.blocks.export import ExportSpec
from pipeline.errors import RecipeError
from pipeline.fingerprint import digest
from pipeline.recipe.config_types import decisive
from pipeline.recipe.model import ExportConfig, Recipe
from pipeline.sinks.catalogue import sink
from stages.contract import ADDRESS


def export_spec(recipe: Recipe, sample: float | None, name: str, schema: pa.Schema) -> ExportSpec:
    """What an export writes of documents with that schema. Raises RecipeError."""
    config = recipe.exports[name]
    where = {key: recipe.where(f"exports.{name}.{key}") for key in ("columns", "partition_by", "compression")}
    for column in config.columns or ():
        check_column(column, schema.names, where["columns"])
    for column in config.partition_by:
        check_column(column, schema.names, where["partition_by"])
        if not pa.types.is_string(schema.field(column).type):
            problem = f"{column!r} is {schema.field(column).type}, and folders are named by strings"
            raise RecipeError(problem, where=where["partition_by"], remedy="choose another column")
    columns = dict.fromkeys(config.columns or [column for column in schema.names if column != ADDRESS])
    if not columns.keys() - set(config.partition_by):
        raise RecipeError("no column is left for the files", where=where["partition_by"], remedy="add to `columns`")
    return ExportSpec(
        name=name,
        format=config.format,
        compression=_compression(config, where["compression"]),
        schema=schema,
        columns=tuple(columns),
        partition_by=tuple(dict.fromkeys(config.partition_by)),
        target_bytes=config.target_bytes,
        facts={"documents_hash": documents_hash(recipe, sample, config.after)},
    )


def _compression(config: ExportConfig, where: str) -> str:
    known = sink(config.format).compressions
    if config.compression is None:
        return next(iter(known))
    if config.compression not in known:
        problem = f"{config.format} cannot be compressed with {config.compression}"
        raise RecipeError(problem, where=where, remedy=f"known: {', '.join(known)}")
    return config.compression


def export_path(config: ExportConfig, sample: float | None) -> str | None:
    """Where the export goes; None for the run's folder. A sample has a folder beside that of the whole."""
    if config.path is None or sample is None:
        return config.path
    return f"{config.path.rstrip('/')}-sample-{sample:g}"


def documents_hash(recipe: Recipe, sample: float | None, after: str | None) -> str:
    """Of what a recipe says about its documents, and not of where their sources lie."""
    sources = {
        name: [use.kind, use.config.model_dump(mode="json", exclude={"path", "exclude"})]
        for name, use in recipe.sources.items()
    }
    fits = {name: [use.kind, use.config.model_dump(mode="json", by_alias=True)] for name, use in recipe.fits.items()}
    stages = [[use.address, use.kind, decisive(use.config)] for use in recipe.uses()]
    return digest([sources, fits, stages, after, sample, recipe.seed])


def check_column(column: str, known: Sequence[str], where: str) -> None:
    """Raises RecipeError for a column that documents do not have at this point."""
    if column not in known:
        near = get_close_matches(column, known, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"columns here: {', '.join(sorted(set(known)))}"
        raise RecipeError(f"no column {column!r} at this point", where=where, remedy=remedy)
