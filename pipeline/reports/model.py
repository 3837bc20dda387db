"""What ``report.json`` holds. The classes are the published schema (``gristmill schema --report``).

The report of a run is the same bytes for the same recipe and input: it holds no times (``timings.json`` does), no
paths of machines, and nothing of executor or workers.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

REPORT_FORMAT: Literal[1] = 1
"""Raised when a reader of the last format would misunderstand a report."""

Form = Literal["read", "sample", "rows", "corpus"]
"""What a line of the reduction table is: reading, sampling, a row stage, a corpus stage."""

FlowKind = Literal["in", "out", "dropped", "cut", "added", "quarantined"]


class Part(BaseModel):
    """Common settings: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Amount(Part):
    """How much of something."""

    documents: int = 0
    """Documents; 0 for bytes that were cut or added inside documents that stayed."""
    bytes: int = 0
    """Bytes of UTF-8 text."""
    tokens: int = 0
    """Tokens, estimated from the bytes (see ``estimate``)."""


Flow = dict[FlowKind, Amount]
"""in = out + dropped + cut − added + quarantined, in documents and in bytes. What is nothing may be left out."""


class Identity(Part):
    """Which run this is."""

    name: str
    status: Literal["running", "finished", "failed"]
    """A report of an unfinished run covers the phases that are complete."""
    sample: float | None = None
    """Share of documents that were run (``--sample``); None: all."""
    recipe: str
    """Name of the recipe."""
    seed: int
    recipe_hash: str
    """Of the resolved recipe, without what changes no result: its name, where things lie, where work is done."""


class SourceTotals(Part):
    """A source, from its files to the finished documents."""

    kind: str
    domain: str
    read: Amount
    """Documents that could be read."""
    quarantined: Amount
    kept: Amount
    repaired: dict[str, int] = {}
    """What was mended in place → documents."""


class RuleText(Part):
    """What a rule asks for: a signal between two ends (inclusive), one of some words, or none of them. Null passes."""

    signal: str
    min: float | None = None
    max: float | None = None
    allowed: list[str] | None = None
    when: dict[str, list[str]] | None = None
    """The rule looks only at rows whose column has one of these values."""
    forbidden: list[str] | None = None


class Reason(Part):
    """One reason for which a stage dropped, cut or quarantined."""

    kind: Literal["dropped", "cut", "quarantined"]
    name: str
    total: Amount
    by_source: dict[str, Amount] = {}
    by_language: dict[str, Amount] = {}
    rule: RuleText | None = None
    """For drops: the rule, thresholds made by fits put in."""


class StageTotals(Part):
    """A stage of the recipe. The branches of a route are apart."""

    address: str
    """``name``, or ``name[branch]`` inside a route: what stands before ``.key`` in ``--set``."""
    kind: str
    """The stage's kind in the catalogue; ``read`` and ``sample`` are the engine's."""
    form: Form
    flow: Flow
    by_source: dict[str, Flow] = {}
    by_language: dict[str, Flow] = {}
    reasons: list[Reason] = []


class Kept(Part):
    """The documents that are left."""

    total: Amount
    by_source: dict[str, Amount] = {}
    by_language: dict[str, Amount] = {}
    by_domain: dict[str, Amount] = {}


class Balance(Part):
    """Whether the books add up."""

    stages: int
    """Stages that were checked."""
    lines: int
    """(stage, source, language) that were checked."""
    problems: list[str] = []
    """A sentence for each that does not add up; empty is right."""


class Estimate(Part):
    """How tokens were estimated from bytes."""

    bytes_per_token: dict[str, float]
    """Of the languages that the books name."""
    calibrated: list[str] = []
    """Languages whose figure is this run's own count."""


class FitResult(Part):
    """What a fit made from the data."""

    name: str
    kind: str
    sha256: str
    """Of the artifact's bytes."""
    value: float | None = None
    """For fits that make a threshold."""
    facts: dict[str, Any] | None = None
    """The artifact itself where it is a small JSON file; of a classifier, how it was trained and how well it does, and
    how far it agrees with the labels of documents that were held out."""
    labelled_by: list[str] = []
    """Stages that wrote the labels that it learned from."""


class Alarm(Part):
    """Something that somebody should look at."""

    message: str
    samples: list[str]
    """Some of the documents that it is about: id, what became of it, the beginning of its text, masked."""


class Clusters(Part):
    """What a corpus stage found: groups of documents that count as one."""

    stage: str
    clusters: int
    """Groups of two documents or more."""
    members: int
    """Documents in them."""
    dropped: int
    largest: int
    """Members of the largest cluster."""
    sizes: dict[str, int] = {}
    """Clusters by size: ``2``, ``3-4``, ``5-8``, and so on in powers of two."""
    alarms: list[Alarm] = []
    """A cluster with very many documents, a source that loses nearly all, clusters of which nothing is left."""


class TokenCount(Part):
    """Tokens of a domain and language, as counted."""

    domain: str
    language: str
    documents: int
    text_bytes: int
    tokens: int


class Tokens(Part):
    """What was written as token shards."""

    tokenizer: dict[str, Any]
    """Name, vocabulary size, end-of-document id, fingerprint."""
    documents: int
    tokens: int
    """End-of-document tokens included."""
    text_bytes: int
    shards: int
    by: list[TokenCount]


class QuarantinedRecord(Part):
    """A record that could not be used."""

    source: str
    file: str
    offset: int | None
    """Where it is: bytes, or rows for columnar files."""
    bytes: int
    reason: str
    detail: str | None = None


class Quarantine(Part):
    """Records that could not be read, and rows that crash a stage."""

    documents: int
    bytes: int
    by_reason: dict[str, int] = {}
    by_source: dict[str, int] = {}
    first: list[QuarantinedRecord] = []
    """The first twenty."""


class StoredBlock(Part):
    """A phase of the run. Fingerprints and units by name are in ``run.json``: they know when files were changed."""

    kind: str
    name: str
    units: int


class Report(Part):
    """Everything that a run reports."""

    format: Literal[1] = REPORT_FORMAT
    """Version of this format."""
    run: Identity
    versions: dict[str, str]
    """Of Gristmill and of the libraries that decide bytes."""
    sources: dict[str, SourceTotals]
    stages: list[StageTotals]
    """In the recipe's order, reading first."""
    kept: Kept
    balance: Balance
    estimate: Estimate
    fits: list[FitResult] = []
    clusters: list[Clusters] = []
    tokens: Tokens | None = None
    mix: dict[str, Any] | None = None
    """The mix as planned: asked, realised, epochs, warnings."""
    training: dict[str, Any] | None = None
    """What the trainer ended with."""
    quarantine: Quarantine
    blocks: list[StoredBlock]
    books: list[tuple[str, str, str, str, str, int, int]]
    """The books: stage, source, language, kind, reason, documents, bytes. Everything above is their sum."""


class PhaseTimes(Part):
    """How long a phase took, summed over its units, whenever and wherever they were computed."""

    kind: str
    name: str
    units: int
    computed: int
    """Units that this start computed; the others were in the store."""
    seconds: float
    """Of workers, summed."""
    stages: dict[str, StageTimes]


class StageTimes(Part):
    """How long a stage took, and how fast that was."""

    seconds: float
    bytes: int = 0
    """Bytes of text that went in; 0 where that has no meaning."""
    mb_per_s: float | None = None


class Timings(Part):
    """``timings.json``: outside the promise of equal bytes."""

    format: Literal[1] = REPORT_FORMAT
    started: float
    """Seconds since 1970."""
    seconds: float
    """From start to the report, in this start of the run."""
    executor: str
    workers: int
    phases: list[PhaseTimes]


def report_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``report.json``."""
    schema = Report.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Gristmill report"}


Timings.model_rebuild()
