"""From a recipe to blocks: what is computed, from what, under which fingerprint.

Adjacent row stages are one block. A corpus stage ends a block, and so does a fit that learns from the run: the
stage that uses it begins the next one. A plan looks at names and sizes of files, at models and at settings, and
reads no document, so it is quick and finds what is wrong before anything is computed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from classifiers.errors import ModelError
from pipeline.blocks.export import ExportSpec
from pipeline.blocks.fit import FitSpec, measuring_steps
from pipeline.blocks.models import file_hashes, model_of_fit, models_of
from pipeline.blocks.patches import CorpusUse
from pipeline.blocks.reading import SourceReader, SourceUnit
from pipeline.blocks.sketch import CorpusSpec, corpus_spec
from pipeline.blocks.steps import (
    RouteStep,
    StageStep,
    Step,
    extended,
    signal_columns,
    signals_asked,
    stage_steps,
    written_columns,
)
from pipeline.earlier import EarlierRun, earlier_runs
from pipeline.errors import RecipeError, SourceError, StoreError
from pipeline.export_plan import check_column, export_path, export_spec
from pipeline.fingerprint import digest, library_versions
from pipeline.known_values import check_values
from pipeline.recipe.config_types import decisive, effect
from pipeline.recipe.model import ExportConfig, FitUse, Recipe, RouteUse, StageUse, TokenizerFit
from pipeline.sources import catalogue as source_catalogue
from pipeline.storage import Folder, check_writable
from pipeline.store import FORMAT_VERSION, BlockStore
from stages import catalogue
from stages.contract import BASE_COLUMNS, CorpusStage, FitInput, FitRef, RowStage

ENGINE_VERSION = 1
"""Raised when the engine itself writes other bytes for the same plan."""


@dataclass(frozen=True)
class Block:
    """What all blocks have. ``name`` is what people read, ``fingerprint`` names it in the store."""

    name: str
    fingerprint: str
    store: BlockStore


@dataclass(frozen=True)
class RowsBlock(Block):
    """Row stages over partitions of the sources (``upstream`` None) or of the row block before.

    ``signals``: those that its stages ask for, by the fingerprint of the earlier row block that measured them.
    """

    steps: tuple[Step, ...]
    schema: pa.Schema
    upstream: RowsBlock | None = None
    corpus: CorpusBlock | None = None
    signals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class CorpusBlock(Block):
    """A corpus stage over the documents of a row block.

    ``signals``: those that it asks for, by the fingerprint of the row block that measured them. ``earlier``: runs that
    it is compared with.
    """

    spec: CorpusSpec
    upstream: RowsBlock
    signals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    earlier: tuple[EarlierRun, ...] = ()


@dataclass(frozen=True)
class FitBlock(Block):
    """A fit over the documents of a row block less what a corpus stage dropped, or over sources.

    ``identity`` also covers the data.
    """

    spec: FitSpec
    upstream: RowsBlock | None
    corpus: CorpusBlock | None
    sources: tuple[str, ...]
    sample: float | None
    identity: str


@dataclass(frozen=True)
class TokensBlock(Block):
    """Tokens of the last documents. ``tokenizer``: a name, a path, or a fit."""

    tokenizer: str | FitRef
    pattern: str | None
    append_eos: bool
    upstream: RowsBlock


@dataclass(frozen=True)
class ExportBlock(Block):
    """Files of the documents of a row block, a corpus stage's patches applied. ``path`` None: in the run's folder."""

    spec: ExportSpec
    path: str | None
    upstream: RowsBlock
    corpus: CorpusBlock | None


@dataclass(frozen=True)
class Plan:
    """Everything that a run will do, in order."""

    recipe: Recipe
    sample: float | None
    readers: Mapping[str, SourceReader]
    units: tuple[SourceUnit, ...]
    ingest: BlockStore
    blocks: tuple[Block, ...]

    @property
    def documents(self) -> RowsBlock:
        """The block that holds the finished documents."""
        return [block for block in self.blocks if isinstance(block, RowsBlock)][-1]


def make_plan(recipe: Recipe, sample: float | None = None) -> Plan:
    """Plan a recipe. Raises RecipeError or SourceError for what cannot work."""
    return _Planner(_settled(recipe, sample), sample).plan()


def _settled(recipe: Recipe, sample: float | None) -> Recipe:
    """The recipe with what the input of its sources decides. Raises RecipeError for input that cannot be had."""
    own = Folder(recipe.runs).child(recipe.run_name(sample)).uri
    sources = {}
    for name, use in recipe.sources.items():
        with _files_at(use.where):
            sources[name] = replace(use, config=source_catalogue.source(use.kind).settle(use.config, own))
    return recipe.model_copy(update={"sources": sources})


def stored_blocks(recipe: Recipe) -> tuple[Block, ...]:
    """The blocks of a recipe that was run, its input files not looked for: names, steps and schemas.

    Fingerprints that cover the data (of fits, and of blocks after them) are not those of the run.
    """
    return _Planner(recipe, None, find_files=False).plan().blocks


def store_folder(recipe: Recipe, fingerprint: str) -> BlockStore:
    """Where a block of the recipe is kept."""
    return BlockStore(Folder(recipe.store).child(fingerprint[:32]))


@dataclass
class _Planner:
    recipe: Recipe
    sample: float | None
    find_files: bool = True
    blocks: list[Block] = field(default_factory=list)
    fits: dict[str, FitBlock] = field(default_factory=dict)
    documents: RowsBlock | None = None
    corpus: CorpusBlock | None = None
    waiting: list[Step] = field(default_factory=list)
    models: dict[str, Any] = field(default_factory=dict)
    making: list[str] = field(default_factory=list)

    def plan(self) -> Plan:
        self.readers = source_readers(self.recipe)
        self.units = source_units(self.readers, self.sample, self.recipe.seed) if self.find_files else []
        self.steps = {use.address: self._stage_step(use) for use in self.recipe.uses() if _is_row_stage(use)}
        if self.find_files:
            check_writable(self.recipe.store)
            check_values(self.recipe, self.models)
        for entry in self.recipe.stages:
            self._add(entry)
            self._add_exports({name for use in entry.uses() for name in (use.name, use.address)})
        if self.waiting or self.corpus or self.documents is None:
            self._close()
        self._add_exports({None})
        self._add_tokens()
        ingest = store_folder(self.recipe, digest(["ingest", FORMAT_VERSION, ENGINE_VERSION, _arrow()]))
        return Plan(self.recipe, self.sample, self.readers, tuple(self.units), ingest, tuple(self.blocks))

    def _add(self, entry: StageUse | RouteUse) -> None:
        self._make_fits({name for use in entry.uses() for name in _fit_names(use.kind, use.config)})
        if isinstance(entry, RouteUse):
            self._check_column(entry.by, entry.where)
            for branch in [*entry.branches.values(), entry.default or ()]:
                self._check_reads(branch)
            self.waiting.append(self._route_step(entry))
        elif _is_row_stage(entry):
            self._check_reads([entry])
            self.waiting.append(self.steps[entry.address])
        else:
            self._add_corpus(entry)

    def _stage(self, use: StageUse) -> RowStage:
        stage = catalogue.stage(use.kind)
        assert isinstance(stage, RowStage)
        return stage

    def _add_corpus(self, use: StageUse) -> None:
        if use.config.when is not None:
            remedy = "use its `scope`, or a source's own recipe"
            raise RecipeError(
                f"{use.address} sees the whole corpus: `when` has no meaning", where=use.where, remedy=remedy
            )
        spec = corpus_spec(use, self._columns())
        for column in spec.stage.reads(spec.config):
            self._check_column(column, use.where)
        upstream = self._flush()
        earlier = earlier_runs(spec, use.where) if self.find_files else ()
        settings = spec.config.model_dump(mode="json", exclude={"against", "against_rows"})
        what = ["corpus", use.kind, spec.stage.version, settings, library_versions(spec.stage.libraries)]
        what += [run.identity for run in earlier]
        fingerprint = digest([*what, upstream.fingerprint, ENGINE_VERSION, _arrow()])
        store = store_folder(self.recipe, fingerprint)
        signals = self._signals_of(spec.stage.signals(spec.config), upstream, spec.name, use.where)
        self.corpus = CorpusBlock(use.name, fingerprint, store, spec, upstream, signals, earlier)
        self.blocks.append(self.corpus)

    def _signals_of(
        self, names: Iterable[str], upstream: RowsBlock | None, stage: str, where: str, here: Collection[str] = ()
    ) -> dict[str, tuple[str, ...]]:
        """Which block measured what a stage asks for, the last one first. Raises RecipeError if none did.

        ``here``: signals that the stage's own block measures before it, to be named in the error.
        """
        wanted = list(dict.fromkeys(names))
        known: set[str] = set()
        found = {}
        block = upstream
        while block is not None:
            measured = signal_columns(block.steps)
            names = tuple(name for name in wanted if name in measured and name not in known)
            if names:
                found[block.fingerprint] = names
            known |= measured.keys()
            block = block.upstream
        for name in wanted:
            if name not in known:
                remedy = f"signals that it may use: {', '.join(sorted({*known, *here})) or 'none'}"
                raise RecipeError(f"no stage before {stage} measures {name}", where=where, remedy=remedy)
        return found

    def _flush(self) -> RowsBlock:
        """The block with all documents so far; what is waiting becomes one."""
        if self.waiting or self.corpus or self.documents is None:
            self._close()
        assert self.documents is not None
        return self.documents

    def _close(self) -> None:
        steps = tuple(self.waiting)
        corpus = self.corpus
        added = dict(corpus.spec.stage.columns(corpus.spec.config)) if corpus else {}
        schema = extended(self._schema(), {**added, **written_columns(steps)})
        fingerprint = digest(
            [
                "rows",
                [self._identity(step) for step in steps],
                schema.to_string(show_field_metadata=False),
                self.documents.fingerprint if self.documents else None,
                corpus.fingerprint if corpus else None,
                self.recipe.compression,
                ENGINE_VERSION,
                _arrow(),
            ]
        )
        name = ", ".join(dict.fromkeys(step.name for step in stage_steps(steps))) or "documents"
        store = store_folder(self.recipe, fingerprint)
        signals = self._asked(steps)
        self.documents = RowsBlock(name, fingerprint, store, steps, schema, self.documents, corpus, signals)
        self.blocks.append(self.documents)
        self.waiting, self.corpus = [], None

    def _asked(self, steps: Sequence[Step]) -> dict[str, tuple[str, ...]]:
        """Earlier blocks' signals that row stages ask for. Raises RecipeError for one that nobody measures."""
        found: dict[str, tuple[str, ...]] = {}
        for address, names in signals_asked(steps).items():
            here = [step.address for step in stage_steps(steps)]
            before = list(stage_steps(steps))[: here.index(address)]
            measured = [signal for step in before for signal in step.signal_types()]
            for block, some in self._signals_of(
                names, self.documents, address, self.recipe.where(address), measured
            ).items():
                found[block] = tuple(dict.fromkeys([*found.get(block, ()), *some]))
        return found

    def _schema(self) -> pa.Schema:
        """Columns of the documents so far."""
        return pa.schema(self._source_columns().items()) if self.documents is None else self.documents.schema

    def _source_columns(self) -> dict[str, pa.DataType]:
        return {**BASE_COLUMNS, **next(iter(self.readers.values())).columns}

    def _columns(self) -> list[str]:
        added = self.corpus.spec.stage.columns(self.corpus.spec.config) if self.corpus else {}
        return [*self._schema().names, *added, *written_columns(self.waiting)]

    def _check_reads(self, uses: Sequence[StageUse]) -> None:
        """Of row stages that follow each other: each may read what those before it write."""
        written: list[str] = []
        for use in uses:
            for column in [*self._stage(use).reads, *(use.config.when or ())]:
                self._check_column(column, use.where, written)
            written += self._stage(use).writes(use.config)

    def _check_column(self, column: str, where: str, written: Sequence[str] = ()) -> None:
        check_column(column, [*self._columns(), *written], where)

    # fits

    def _make_fits(self, names: Iterable[str]) -> None:
        for name in sorted(set(names)):
            if name in self.fits:
                continue
            use = self.recipe.fits[name]
            self._make_fits_before(use)
            if use.config.from_ == "run" and (self.waiting or self.documents is None):
                self._close()
            self.fits[name] = self._fit_block(use)
            self.blocks.append(self.fits[name])

    def _make_fits_before(self, use: FitUse) -> None:
        """The fits whose artifacts a fit takes, or the stages that measure what it looks at.

        Raises RecipeError if the fit needs itself.
        """
        if use.name in self.making:
            chain = " → ".join([*self.making, use.name])
            remedy = "let the fit take a file, or look at a signal, that does not depend on it"
            raise RecipeError(f"fit {use.name} needs itself: {chain}", where=use.where, remedy=remedy)
        self.making.append(use.name)
        for resources in [_fit_resources(use), *(step.resources for step in stage_steps(self._measuring(use)))]:
            self._make_fits(uri[4:] for uri in resources.values() if uri.startswith("fit:"))
        self.making.pop()

    def _measuring(self, use: FitUse) -> tuple[Step, ...]:
        """The steps that give the signal that a fit looks at, their rules switched off."""
        signal = catalogue.fit(use.kind).signal(use.config)
        steps = measuring_steps(self._all_steps(), signal.rpartition(".")[0]) if signal else ()
        return tuple(_without_rules(step) for step in steps)

    def _fit_block(self, use: FitUse) -> FitBlock:
        """A fit on the run reads the last documents, and leaves out what a corpus stage after them dropped."""
        upstream, corpus = (self.documents, self.corpus) if use.config.from_ == "run" else (None, None)
        fit = catalogue.fit(use.kind)
        chosen, share = self._fit_input(use)
        measure = self._measuring(use)
        settings = use.config.model_dump(mode="json")
        libraries = library_versions([*fit.libraries, *fit.chosen_libraries(use.config)])
        what = ["fit", use.kind, fit.version, settings, libraries, ENGINE_VERSION, _arrow()]
        before = [block.fingerprint for block in (upstream, corpus) if block]
        fingerprint = digest([*what, before, [self._identity(step) for step in measure], share, self.recipe.seed])
        brought = self._brought(chosen)
        if brought:
            fingerprint = digest([fingerprint, [self._identity(step) for step in brought]])
        known = self._columns() if upstream else [*self._source_columns(), *written_columns(brought)]
        for column in fit.columns(use.config):
            check_column(column, known, use.where)
        resources = _fit_resources(use)
        if resources:
            with _files_at(use.where):
                if _are_there(resources):
                    model_of_fit(use.kind, use.config, resources)
                fingerprint = digest([fingerprint, self._files_identity(resources, use.name)])
        inputs = [unit.key for unit in self.units if upstream or unit.source in chosen]
        store = store_folder(self.recipe, fingerprint)
        spec = FitSpec(use.name, use.kind, use.config, measure, brought, resources)
        identity = digest([fingerprint, inputs])
        return FitBlock(use.name, fingerprint, store, spec, upstream, corpus, chosen, share, identity)

    def _brought(self, sources: Collection[str]) -> tuple[Step, ...]:
        """The steps that the sources bring, such as extraction of text from HTML."""
        routes = [entry for entry in self.recipe.stages if isinstance(entry, RouteUse) and entry.brought]
        return tuple(self._route_step(route) for route in routes if route.branches.keys() & set(sources))

    def _fit_input(self, use: FitUse) -> tuple[tuple[str, ...], float | None]:
        chosen = use.config.from_
        if not isinstance(chosen, FitInput):
            return (), None
        names = list(self.recipe.sources) if chosen.source is None else chosen.source
        share = None if chosen.sample == 1 else chosen.sample
        return ((names,) if isinstance(names, str) else tuple(names)), share

    def _all_steps(self) -> list[Step]:
        steps: list[Step] = []
        for entry in self.recipe.stages:
            if isinstance(entry, RouteUse):
                steps.append(self._route_step(entry))
            elif _is_row_stage(entry):
                steps.append(self.steps[entry.address])
        return steps

    def _add_tokens(self) -> None:
        config = self.recipe.tokenize
        if config is None:
            return
        from pipeline.tokens.tokenizers import tokenizer_fingerprint

        tokenizer: str | FitRef
        if isinstance(config.tokenizer, TokenizerFit):
            tokenizer = FitRef(fit=config.tokenizer.fit)
            self._make_fits([tokenizer.fit])
            identity = self.fits[tokenizer.fit].identity
        else:
            tokenizer = config.tokenizer
            identity = tokenizer_fingerprint(tokenizer, pattern=config.pattern)
        documents = self._flush()
        fingerprint = digest(["tokens", identity, config.append_eos, documents.fingerprint, ENGINE_VERSION, _arrow()])
        store = store_folder(self.recipe, fingerprint)
        block = TokensBlock("tokenize", fingerprint, store, tokenizer, config.pattern, config.append_eos, documents)
        self.blocks.append(block)

    # exports

    def _add_exports(self, stages: Collection[str | None]) -> None:
        """Exports after one of the stages (by name or address), or of the finished documents (None)."""
        for name, config in self.recipe.exports.items():
            if config.after in stages:
                corpus = None if self.waiting else self.corpus
                upstream = self.documents if corpus is not None else self._flush()
                assert upstream is not None
                self.blocks.append(self._export_block(name, config, upstream, corpus))

    def _export_block(
        self, name: str, config: ExportConfig, upstream: RowsBlock, corpus: CorpusBlock | None
    ) -> ExportBlock:
        given = corpus.spec.stage.columns(corpus.spec.config) if corpus else {}
        spec = export_spec(self.recipe, self.sample, name, extended(upstream.schema, given))
        before = [block.fingerprint for block in (upstream, corpus) if block]
        fingerprint = digest(["export", spec.identity, before, ENGINE_VERSION, _arrow()])
        store = store_folder(self.recipe, fingerprint)
        path = export_path(config, self.sample)
        return ExportBlock(name, fingerprint, store, spec, path, upstream, corpus)

    # steps

    def _stage_step(self, use: StageUse) -> StageStep:
        stage = self._stage(use)
        findings: Sequence[str] = ()
        with _files_at(use.where):
            resources = {name: _plain(value) for name, value in stage.resources(use.config).items()}
            resources |= self._files_of_fits(resources)
            step = StageStep(use.address, use.name, use.kind, use.config, resources)
            if _are_there(resources):
                self.models |= models_of([step])
                findings = stage.check(use.config, self.models.get(step.address))
        if findings:
            raise RecipeError("; ".join(findings), where=use.where)
        return step

    def _files_of_fits(self, resources: Mapping[str, str]) -> dict[str, str]:
        """The files that the fits of a stage's models take, as ``model.tokenizer``."""
        return {
            f"{name}.{key}": file
            for name, uri in resources.items()
            if uri.startswith("fit:")
            for key, file in _fit_resources(self.recipe.fits[uri[4:]]).items()
        }

    def _route_step(self, entry: RouteUse) -> RouteStep:
        branches = {value: tuple(self.steps[use.address] for use in uses) for value, uses in entry.branches.items()}
        default = None if entry.default is None else tuple(self.steps[use.address] for use in entry.default)
        return RouteStep(entry.by, branches, default)

    def _identity(self, step: Step) -> Any:
        """What of a step goes into fingerprints."""
        if isinstance(step, RouteStep):
            branches = {value: [self._identity(s) for s in branch] for value, branch in step.branches.items()}
            default = None if step.default is None else [self._identity(s) for s in step.default]
            return ["route", step.by, branches, default]
        thresholds = {
            name: self.fits[name].identity for name in _fit_names(step.kind, step.config) if name in self.fits
        }
        settings = decisive(step.config)
        models = self._files_identity(step.resources, step.address)
        libraries = library_versions([*step.stage.libraries, *step.stage.chosen_libraries(step.config)])
        return [step.kind, step.address, step.stage.version, settings, models, thresholds, libraries]

    def _files_identity(self, resources: Mapping[str, str], where: str) -> dict[str, str]:
        """What of the files that a stage or fit takes goes into fingerprints."""
        fixed = {name: uri for name, uri in resources.items() if not uri.startswith("fit:")}
        fitted = {name: self.fits[uri[4:]].identity for name, uri in resources.items() if uri.startswith("fit:")}
        return {**file_hashes(fixed, where), **fitted}


def source_readers(recipe: Recipe) -> dict[str, SourceReader]:
    """Source name → reader. All sources get the columns of all, so that batches have one schema."""
    readers = {name: SourceReader(name, use.kind, use.config) for name, use in recipe.sources.items()}
    columns: dict[str, pa.DataType] = {}
    for name, reader in readers.items():
        for column, kind in reader.extra_columns().items():
            if columns.setdefault(column, kind) != kind:
                raise RecipeError(f"column {column!r} is {kind} in source {name} and {columns[column]} in another")
    return {name: replace(reader, columns=columns) for name, reader in readers.items()}


def source_units(readers: Mapping[str, SourceReader], sample: float | None, seed: int) -> list[SourceUnit]:
    """All partitions of all sources, in the recipe's order. Numbers are distinct."""
    units: list[SourceUnit] = []
    taken: set[int] = set()
    seen: set[str] = set()
    for name, reader in readers.items():
        chosen = [sample, seed if sample is not None else None]
        for partition in reader.source.split(name, reader.config):
            if partition.key in seen:
                files = ", ".join(piece.uri for piece in partition.pieces[:2])
                raise StoreError(f"source {name} reads {files} twice", remedy="name each file by one glob only")
            seen.add(partition.key)
            while partition.number in taken:
                partition = replace(partition, salt=partition.salt + 1)
            taken.add(partition.number)
            key = digest([partition.key, reader.fingerprint, reader.config.domain, chosen])[:24]
            units.append(SourceUnit(key, partition.number, name, partition))
    return units


def _is_row_stage(use: StageUse) -> bool:
    return not isinstance(catalogue.stage(use.kind), CorpusStage)


def _fit_names(kind: str, config: Any) -> list[str]:
    """Names of the fits that a stage's settings refer to: as thresholds, or as models."""
    stage = catalogue.stage(kind)
    models = stage.resources(config).values() if isinstance(stage, RowStage) else ()
    return [value.fit for value in [*(value for _, value in config), *models] if isinstance(value, FitRef)]


@contextmanager
def _files_at(where: str) -> Iterator[None]:
    """Errors of files that a stage, fit or source takes become those of the recipe's line."""
    try:
        yield
    except ModelError as error:
        raise RecipeError(str(error), where=where) from error
    except SourceError as error:
        raise RecipeError(f"{error.message}: {error.where}", where=where, remedy=error.remedy) from error


def _are_there(resources: Mapping[str, str]) -> bool:
    """Whether all files are there before the run; those that fits make are not."""
    return not any(uri.startswith("fit:") for uri in resources.values())


def _fit_resources(use: FitUse) -> dict[str, str]:
    """Name → path or URI, or ``fit:name``, of the files that a fit takes."""
    return {name: _plain(value) for name, value in catalogue.fit(use.kind).resources(use.config).items()}


def _plain(resource: str | FitRef) -> str:
    return f"fit:{resource.fit}" if isinstance(resource, FitRef) else resource


def _without_rules(step: Step) -> Step:
    """The step with its thresholds switched off: to measure, no rule is needed."""
    if isinstance(step, RouteStep):
        branches = {value: tuple(_measuring(s) for s in branch) for value, branch in step.branches.items()}
        default = None if step.default is None else tuple(_measuring(s) for s in step.default)
        return RouteStep(step.by, branches, default)
    return _measuring(step)


def _measuring(step: StageStep) -> StageStep:
    config = type(step.config)
    off = {name: None for name in config.model_fields if effect(config, name) == "rule"}
    return replace(step, config=step.config.model_copy(update=off)) if off else step


def resolve_steps(steps: Sequence[Step], values: Mapping[str, float], artifacts: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps with thresholds and models that fits have made put in. ``artifacts``: fit → path or URI."""

    def resolve(step: StageStep) -> StageStep:
        found = {
            name: values[value.fit] for name, value in step.config if isinstance(value, FitRef) and value.fit in values
        }
        config = step.config.model_copy(update=found)
        return replace(step, config=config, resources=resolve_files(step.resources, artifacts))

    resolved: list[Step] = []
    for step in steps:
        if isinstance(step, StageStep):
            resolved.append(resolve(step))
            continue
        branches = {value: tuple(map(resolve, branch)) for value, branch in step.branches.items()}
        resolved.append(
            RouteStep(step.by, branches, None if step.default is None else tuple(map(resolve, step.default)))
        )
    return tuple(resolved)


def resolve_files(resources: Mapping[str, str], artifacts: Mapping[str, str]) -> dict[str, str]:
    """Resources with the artifacts of fits put in. ``artifacts``: fit → path or URI."""
    return {name: artifacts[uri[4:]] if uri.startswith("fit:") else uri for name, uri in resources.items()}


def corpus_use(block: CorpusBlock) -> CorpusUse:
    """What the next row block needs to know of the corpus stage."""
    stage = block.spec.stage
    return CorpusUse(block.spec.name, stage.rule, dict(stage.columns(block.spec.config)), stage.cut)


def _arrow() -> str:
    return pa.__version__
