"""Runs a plan: asks the store what is there, has an executor compute the rest, writes down what was run.

Phases follow each other; units within a phase go in any order. Everything that decides bytes was fixed by the
plan, so killing a run at any moment and starting it again ends with the same files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.blocks.export import ExportWork, export_units, manifest_facts
from pipeline.blocks.fit import FinishUnit, FinishWork, SummarizeWork, artifact_role
from pipeline.blocks.ingest import IngestWork, ingested_units
from pipeline.blocks.reading import BlockUnit, Patches, SourceUnit
from pipeline.blocks.rows import RowsWork
from pipeline.blocks.signals import SignalFile
from pipeline.blocks.work import Unit, Work
from pipeline.corpus_phases import CorpusPhases
from pipeline.errors import GristmillError, StoreError
from pipeline.executors.contract import Executor
from pipeline.executors.nursery import Nursery
from pipeline.fingerprint import digest
from pipeline.plan import (
    Block,
    CorpusBlock,
    ExportBlock,
    FitBlock,
    Plan,
    RowsBlock,
    TokensBlock,
    corpus_use,
    resolve_files,
    resolve_steps,
)
from pipeline.progress import Progress
from pipeline.quarantine import check_errors
from pipeline.runs import RunBlock, publish
from pipeline.sinks.folder import ExportFolder
from pipeline.storage import Folder
from pipeline.store import Commit, DataFile
from stages import catalogue
from stages.contract import FitRef


@dataclass(frozen=True)
class Part:
    """A partition of a row block's documents: who it is, and its commit."""

    unit: str
    number: int
    source: str
    commit: Commit


class Engine:
    """One run of a plan."""

    def __init__(self, plan: Plan, executor: Executor, progress: Progress, folder: Folder) -> None:
        self.plan = plan
        self.executor = executor
        self.progress = progress
        self.folder = folder
        self.phases: list[RunBlock] = []
        self.executed: dict[str, int] = {}
        self.documents: dict[str, list[Part]] = {}
        self.values: dict[str, float] = {}
        self.artifacts: dict[str, str] = {}
        self.patches: dict[str, dict[int, tuple[Patches, str]]] = {}
        self.save: Any = lambda: None

    def run(self) -> None:
        """Compute everything that the plan lists."""
        for block in self.plan.blocks:
            if isinstance(block, ExportBlock):
                self.export_folder(block).check()
        self.sources = self._ingest()
        for block in self.plan.blocks:
            if isinstance(block, RowsBlock):
                self._run_rows(block)
            elif isinstance(block, CorpusBlock):
                self._run_corpus(block)
            elif isinstance(block, FitBlock):
                self._run_fit(block)
            elif isinstance(block, TokensBlock):
                self._run_tokens(block)
            elif isinstance(block, ExportBlock):
                self._run_export(block)

    def phase(self, kind: str, name: str, block: Block | None, work: Work, units: Sequence[Unit]) -> list[Commit]:
        """Run the units that are not committed yet; commits of all, in the order of the units."""
        label = f"{kind}: {name}" if name else kind
        there = done_units(work, units)
        work.store.describe({"kind": kind, "name": name})
        commits = {commit.unit: commit for commit in work.store.read_many(sorted(there))}
        missing = [unit for unit in units if unit.key not in there]
        self.progress.begin(label, len(units), len(there))
        for unit, commit in self.executor.run(work, missing) if missing else ():
            commits[unit.key] = commit
            self.progress.advance(unit.label, commit)
        self.progress.end()
        fingerprint = block.fingerprint if block else ""
        self.phases.append(RunBlock(name, kind, fingerprint, work.store.folder.uri, tuple(unit.key for unit in units)))
        self.executed[f"{len(self.phases) - 1:02d} {label}"] = len(missing)
        self.save()
        return [commits[unit.key] for unit in units]

    def _ingest(self) -> dict[str, list[SourceUnit]]:
        """Units of each source, streams replaced by the parts that they were ingested into."""
        streams = [unit for unit in self.plan.units if unit.partition.stream]
        parts: dict[str, list[SourceUnit]] = {}
        if streams:
            work = IngestWork("ingest", self.plan.ingest, self.plan.readers)
            commits = self.phase("ingest", "", None, work, streams)
            check_errors(self.plan.recipe.max_errors, work.store, commits)
            for unit, commit in zip(streams, commits, strict=True):
                parts[unit.key] = ingested_units(unit, commit, work.store)
        sources: dict[str, list[SourceUnit]] = {name: [] for name in self.plan.readers}
        for unit in self.plan.units:
            sources[unit.source] += parts.get(unit.key, [unit])
        _check_numbers(unit for units in sources.values() for unit in units)
        return sources

    def _run_rows(self, block: RowsBlock) -> None:
        recipe = self.plan.recipe
        work = RowsWork(
            name=block.name,
            store=block.store,
            steps=resolve_steps(block.steps, self.values, self.artifacts),
            schema=block.schema,
            readers={} if block.upstream else self.plan.readers,
            corpus=corpus_use(block.corpus) if block.corpus else None,
            sample=None if block.upstream else self.plan.sample,
            seed=recipe.seed,
            compression=recipe.compression,
            stall_seconds=recipe.execution.stall_seconds,
        )
        units: Sequence[SourceUnit | BlockUnit] = self._inputs(block)
        commits = self.phase("rows", block.name, block, work, units)
        check_errors(recipe.max_errors, block.store, commits)
        self.documents[block.fingerprint] = [
            Part(unit.key, unit.number, unit.source, commit) for unit, commit in zip(units, commits, strict=True)
        ]

    def _inputs(self, block: RowsBlock) -> list[SourceUnit] | list[BlockUnit]:
        if block.upstream is None:
            return [unit for units in self.sources.values() for unit in units]
        units = self.block_units(block.upstream, self.patches[block.corpus.fingerprint] if block.corpus else {})
        signals = self._signals(block)
        return [replace(unit, signals=tuple(signals.get(unit.number, ()))) for unit in units]

    def block_units(
        self, block: RowsBlock, patches: Mapping[int, tuple[Patches, str]] | None = None
    ) -> list[BlockUnit]:
        """Partitions of a block's documents as input of the next, with their patches."""
        units = []
        for part in self.documents[block.fingerprint]:
            found = (patches or {}).get(part.number)
            key = digest([part.unit, found[1] if found else None])[:24]
            file = part.commit.files["docs"]
            units.append(BlockUnit(key, part.number, part.source, block.store, file, found[0] if found else None))
        return units

    # corpus stages

    def _run_corpus(self, block: CorpusBlock) -> None:
        signals = self._signals(block)
        units = [replace(unit, signals=tuple(signals[unit.number])) for unit in self.block_units(block.upstream)]
        phases = CorpusPhases(self, block, self.plan.recipe.execution.dedup_memory_bytes)
        self.patches[block.fingerprint] = phases.run(units)

    def _signals(self, block: CorpusBlock | RowsBlock) -> Mapping[int, Sequence[SignalFile]]:
        """Partition number → the files of the signals of earlier blocks that a block asks for."""
        found: dict[int, list[SignalFile]] = defaultdict(list)
        before: RowsBlock | None = block.upstream
        while before is not None:
            names = block.signals.get(before.fingerprint)
            for part in self.documents[before.fingerprint] if names else ():
                found[part.number].append(SignalFile(before.store, part.commit.files["signals"], names or ()))
            before = before.upstream
        return found

    # fits

    def _run_fit(self, block: FitBlock) -> None:
        measure = resolve_steps(block.spec.measure, self.values, self.artifacts)
        spec = replace(block.spec, measure=measure, resources=resolve_files(block.spec.resources, self.artifacts))
        readers = {} if block.upstream else self.plan.readers
        sample, seed = block.sample, self.plan.recipe.seed
        corpus = corpus_use(block.corpus) if block.corpus else None
        work = SummarizeWork(block.name, block.store, spec, readers, sample, seed, corpus)
        units: Sequence[Unit]
        if block.upstream:
            units = self.block_units(block.upstream, self.patches[block.corpus.fingerprint] if block.corpus else None)
        else:
            units = [unit for source in block.sources for unit in self.sources[source]]
        summaries = self.phase("summarize", block.name, block, work, units)
        files = tuple(commit.files["summary"] for commit in summaries if "summary" in commit.files)
        if not files:
            remedy = "look at what the stages before it drop"
            raise GristmillError(f"fit {block.name} has no documents to learn from", remedy=remedy)
        unit = FinishUnit(block.identity[:24], files)
        [commit] = self.phase("finish", block.name, block, FinishWork(block.name, block.store, spec), [unit])
        self._remember(block, commit)

    def _remember(self, block: FitBlock, commit: Commit) -> None:
        """Note the artifact; a retrain that gave other bytes under the same identity is an error."""
        ledger, name = block.store.folder.child("artifacts"), f"{block.identity[:24]}.sha256"
        sha256 = commit.facts["sha256"]
        if ledger.exists(name) and ledger.read(name).decode() != sha256:
            remedy = "the training is not deterministic on this machine; use the store in which it was made"
            raise StoreError(f"fit {block.name} gave other bytes than before", where=ledger.file(name), remedy=remedy)
        ledger.write(name, sha256.encode())
        file = commit.files[artifact_role(block.spec.kind)]
        fit = catalogue.fit(block.spec.kind)
        self.artifacts[block.name] = f"{block.store.data.uri}/{file.name}"
        if fit.value is not None:
            self.values[block.name] = fit.value(block.store.read_bytes(file), block.spec.config)

    # tokens

    def _run_tokens(self, block: TokensBlock) -> None:
        from pipeline.blocks.tokens import (
            INDEX,
            PART,
            SHARD,
            SIDECAR,
            CompactUnit,
            CompactWork,
            IndexUnit,
            IndexWork,
            TokenizeWork,
            shard_name,
        )
        from pipeline.tokens.shard_writer import plan_shards

        named = block.tokenizer
        tokenizer = self.artifacts[named.fit] if isinstance(named, FitRef) else named
        called = named.fit if isinstance(named, FitRef) else named.rsplit("/", 1)[-1]
        work = TokenizeWork(block.name, block.store, tokenizer, called, block.pattern, block.append_eos)
        commits = self.phase("tokenize", "", block, work, self.block_units(block.upstream))
        parts = [commit.files[PART] for commit in commits]
        shards = [
            CompactUnit(digest([commits[index].unit for index in group])[:24], tuple(parts[index] for index in group))
            for group in plan_shards([part.bytes for part in parts])
        ]
        compacted = self.phase("compact", "", block, CompactWork(block.name, block.store), shards)
        sidecars = tuple((shard_name(i), commit.files[SIDECAR]) for i, commit in enumerate(compacted))
        unit = IndexUnit(digest([commit.unit for commit in compacted])[:24], sidecars)
        [index] = self.phase("index", "", block, IndexWork(block.name, block.store), [unit])
        published = {shard_name(i): commit.files[SHARD].name for i, commit in enumerate(compacted)}
        self.publish(block, {**published, "index.arrow": index.files[INDEX].name})

    def publish(self, block: Block, files: Mapping[str, str]) -> None:
        """Make token shards appear in the run's folder. ``files``: name there → data file of the store."""
        for name, source in files.items():
            publish(block.store, source, self.folder.child("tokens"), name)

    # exports

    def export_folder(self, block: ExportBlock) -> ExportFolder:
        """Where an export's files go."""
        folder = Folder(block.path) if block.path else self.folder.child("exports").child(block.name)
        return ExportFolder(folder, (self.plan.recipe.name, block.name))

    def _run_export(self, block: ExportBlock) -> None:
        corpus = corpus_use(block.corpus) if block.corpus else None
        work = ExportWork(block.name, block.store, block.spec, self.export_folder(block), corpus)
        patches = self.patches[block.corpus.fingerprint] if block.corpus else None
        units = export_units(self.block_units(block.upstream, patches), block.spec, self.plan.recipe.compression)
        commits = self.phase("export", block.name, block, work, units)
        self.finish_export(block, [file for commit in commits for file in commit.files.values()])

    def finish_export(self, block: ExportBlock, files: Sequence[DataFile]) -> None:
        """Write the manifest, and delete what an earlier export left."""
        facts = {"sample": self.plan.sample, "after": self.plan.recipe.exports[block.name].after}
        self.export_folder(block).finish(files, manifest_facts(block.spec, facts))


def done_units(work: Work, units: Sequence[Unit]) -> set[str]:
    """Keys of units that need not be computed."""
    committed = work.store.committed() & {unit.key for unit in units}
    return work.done(committed) if isinstance(work, ExportWork) else committed


def _check_numbers(units: Iterable[SourceUnit]) -> None:
    seen: dict[int, str] = {}
    for unit in units:
        if unit.number in seen:
            remedy = "rename one of the sources or files"
            raise StoreError(f"{unit.label} and {seen[unit.number]} would share addresses", remedy=remedy)
        seen[unit.number] = unit.label


def make_executor(name: str, workers: int | None, address: str | None, nursery: Nursery | None = None) -> Executor:
    """The executor that a recipe asks for."""
    if name == "local":
        from pipeline.executors.local import LocalExecutor

        return LocalExecutor(workers or 1, nursery)
    from pipeline.executors.ray_executor import RayExecutor

    return RayExecutor(workers, address)
