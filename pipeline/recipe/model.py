"""What a recipe is, once it has been read and checked.

:class:`Settings` holds the keys that are the same in every recipe; sources, fits and stages have settings of their
own kind and are kept as *uses*: which kind, under which name, with which config, on which line. Everything is
frozen. This module imports pydantic only, so that a command line starts quickly; :mod:`pipeline.recipe.loader`
reads files and knows stages and sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

    from pipeline.sources.contract import SourceConfig
    from stages.contract import FitConfig, StageConfig

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
"""What recipes, sources, fits and stages may be called: part of file names, addresses and reports."""

DEFAULT_SEQUENCE_LENGTH = 1024


class Section(BaseModel):
    """What all sections have in common: frozen, unknown keys refused, docstrings become the reference."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class TokenizerFit(Section):
    """A tokenizer that is trained inside the recipe."""

    fit: str
    """Name of an entry under ``fits`` that makes a tokenizer."""


class TokenizeConfig(Section):
    """How text becomes token shards."""

    tokenizer: str | TokenizerFit = "qwen2.5"
    """``qwen2.5`` (its real vocabulary, embedded), a path of a ``.tiktoken`` or ``tokenizer.json`` file, or
    ``{fit: name}`` for one trained on the run."""
    pattern: Literal["qwen2", "gpt2", "cl100k", "o200k", "llama3"] | None = None
    """How a ``.tiktoken`` file whose name is not known cuts text into words before merging."""
    append_eos: bool = True
    """Put the end-of-document token behind each document. Text is always encoded as ordinary text."""


class MixConfig(Section):
    """Which documents a training run sees, how often and in which order: a plan over the token shards, not a copy."""

    tokens: int = Field(gt=0)
    """Tokens of the whole training run, repetitions included."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(min_length=1)
    """Share of tokens by ``domain``, ``domain.language`` or ``domain.other`` (languages not named); scaled to
    sum to 1."""
    max_epochs: float = Field(default=4.0, gt=0)
    """No document is seen more often than this; what is missing goes to the other domains. Up to 4 epochs are nearly
    as good as new data (Muennighoff et al. 2023, arXiv 2305.16264)."""
    validation: float = Field(default=0.005, ge=0, lt=1)
    """Share of documents kept out of training, chosen by the hash of their content."""
    sequence_length: int | None = Field(default=None, gt=0)
    """Tokens of a sequence; the one of ``train`` by default, else 1024."""


class TrainConfig(Section):
    """The run of the bundled trainer on the mix; each key is an option of ``python -m trainer``."""

    model: str = "toy"
    """Size of the Qwen2.5 model."""
    steps: int = Field(gt=0)
    """Optimizer steps."""
    sequence_length: int | None = Field(default=None, gt=0)
    """Tokens of a sequence; has to be the one of ``mix``, which is the default."""
    batch_size: int = Field(default=8, gt=0)
    """Sequences of a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate."""
    schedule: Literal["cosine", "wsd"] = "cosine"
    """``cosine``, or ``wsd``: warm-up, stable, decay (Hu et al. 2024, arXiv 2404.06395)."""
    warmup: int | None = Field(default=None, ge=0)
    """Steps of linear warm-up; a twentieth of all by default."""
    seed: int | None = Field(default=None, ge=0)
    """Seed of the first weights; the recipe's by default."""
    threads: int | None = Field(default=None, gt=0)
    """CPU threads; all by default."""


class ExportConfig(Section):
    """Documents as files for others, in a folder of their own with a ``_manifest.json`` that is written last."""

    format: Literal["parquet", "arrow", "jsonl"] = "parquet"
    """``parquet``, ``arrow`` (IPC files that can be memory-mapped), or ``jsonl`` (an object a line)."""
    path: str | None = None
    """Folder, as a path (relative to the working directory) or a URI; ``exports/<name>`` in the run's folder by
    default. Files of an earlier export of the same recipe go once the new manifest is there; a folder that holds
    anything else is refused. A sampled run writes beside it, to ``<path>-sample-0.01``."""
    after: str | None = None
    """Name of the stage whose documents are written, as it hands them on; of a stage in a route, those behind the
    route. The finished documents by default."""
    columns: list[str] | None = Field(default=None, min_length=1)
    """Columns, in this order; all but ``_address`` by default."""
    partition_by: list[str] = []
    """Columns of few values that become folders (``language=de/``) and are left out of the files."""
    target_bytes: int = Field(default=256 * 2**20, gt=0)
    """Size of a file, about. A file holds whole partitions, so that of a large partition is larger."""
    compression: Literal["zstd", "snappy", "lz4", "gzip", "none"] | None = None
    """By default zstd for ``parquet`` and ``jsonl``, none for ``arrow``. ``jsonl`` knows zstd, gzip and none,
    ``arrow`` none, lz4 and zstd."""


class ExecutionConfig(Section):
    """Where the work is done. Changes no byte of any result."""

    executor: Literal["ray", "local"] = "ray"
    """``ray`` (started on this machine when no address is given) or ``local`` (inside this process)."""
    workers: int | None = Field(default=None, gt=0)
    """Tasks at a time; one per CPU core by default."""
    stall_seconds: float | None = Field(default=600, gt=0)
    """How long a stage may be at one batch (about 16 MB of text). Beyond it the process is ended, and the document that
    holds it up is looked for and quarantined as ``timeout:<stage>``; ``null`` waits for ever."""
    dedup_memory_bytes: int = Field(default=2**31, gt=0)
    """Memory that deduplication may take to find clusters in one task: 128 bytes for each verified pair. With more
    pairs it goes by rounds over sorted files, which takes longer and comes to the same."""
    address: str | None = None
    """Address of a running Ray cluster, as in ``ray://head:10001`` or ``auto``."""


class Settings(Section):
    """The keys of a recipe that need no look at stages and sources."""

    name: str
    """What the recipe is called; its runs are ``runs/<name>``."""
    seed: int = Field(default=0, ge=0)
    """Every random choice is a hash of this and the content it is about."""
    store: str = "./store"
    """Where blocks are kept, shared by recipes: a path (relative to the working directory), ``s3://…`` or ``gs://…``."""
    runs: str | None = None
    """Where runs are kept; ``runs`` beside the store by default."""
    vars: dict[str, Any] = {}
    """Values for ``${name}`` in any string."""
    compression: Literal["none", "lz4", "zstd"] = "none"
    """How documents are stored between blocks. ``none`` is read back without copying and needs about twice the room
    of ``lz4`` and three times that of ``zstd``; take ``lz4`` where the store is an object store or a slow disk."""
    max_errors: float = Field(default=0.001, ge=0, le=1)
    """Share of a source's records that may be unreadable before the run stops (never fewer than 100 records)."""
    tokenize: TokenizeConfig | None = None
    """Write token shards at the end; left out, the run ends with documents."""
    mix: MixConfig | None = None
    """Plan a training mix over the token shards."""
    train: TrainConfig | None = None
    """Train a model on the mix."""
    exports: dict[str, ExportConfig] = {}
    """Documents of any stage as files for others: name → what to write."""
    execution: ExecutionConfig = ExecutionConfig()
    """Where the work is done."""


@dataclass(frozen=True)
class SourceUse:
    """An entry of ``sources``."""

    name: str
    kind: str
    config: SourceConfig
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class FitUse:
    """An entry of ``fits``."""

    name: str
    kind: str
    config: FitConfig
    where: str = field(default="", compare=False)


@dataclass(frozen=True)
class StageUse:
    """A stage on the main list, or in a branch of a route (``branch`` is the column's value, or ``default``)."""

    kind: str
    name: str
    config: StageConfig
    branch: str | None = None
    where: str = field(default="", compare=False)

    @property
    def address(self) -> str:
        """What stands before ``.key``: ``name``, or ``name[branch]`` inside a route."""
        return self.name if self.branch is None else f"{self.name}[{self.branch}]"

    def uses(self) -> Iterator[StageUse]:
        """The stage itself, as a route gives its several."""
        yield self


@dataclass(frozen=True)
class RouteUse:
    """Lists of row stages by a column's value. ``default`` None: other rows pass untouched.

    ``brought``: by the sources' kinds and not written in the recipe.
    """

    by: str
    branches: Mapping[str, tuple[StageUse, ...]]
    default: tuple[StageUse, ...] | None = None
    brought: bool = False
    where: str = field(default="", compare=False)

    def uses(self) -> Iterator[StageUse]:
        """Every stage of every branch, ``default`` last."""
        for branch in self.lists():
            yield from branch

    def lists(self) -> Iterator[tuple[StageUse, ...]]:
        """The branches' lists, ``default`` last."""
        yield from self.branches.values()
        if self.default is not None:
            yield self.default


@dataclass(frozen=True)
class Places:
    """Address → ``file:line``. Two recipes that differ only here are equal."""

    file: str = field(compare=False)
    lines: Mapping[str, str] = field(compare=False)


class _AsIs:
    """Marks a field whose value the loader has built and checked; pydantic keeps it as it is."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.any_schema()


class Recipe(Settings):
    """A recipe that has been read, resolved and checked."""

    runs: str
    sources: Annotated[Mapping[str, SourceUse], _AsIs]
    fits: Annotated[Mapping[str, FitUse], _AsIs]
    stages: Annotated[tuple[StageUse | RouteUse, ...], _AsIs]
    places: Annotated[Places, _AsIs]

    def run_name(self, sample: float | None) -> str:
        """Of its run; a sampled one has a name of its own, so that it does not replace the whole one."""
        return self.name if sample is None else f"{self.name}-sample-{sample:g}"

    def where(self, address: str) -> str:
        """``file:line`` of ``mix.weights`` or ``signals[zh].min_words``; of the nearest entry above it otherwise."""
        while address and address not in self.places.lines:
            address = address.rpartition(".")[0]
        return self.places.lines.get(address, self.places.file)

    def uses(self) -> Iterator[StageUse]:
        """Every stage, main list and branches, from top to bottom."""
        for entry in self.stages:
            yield from entry.uses()
