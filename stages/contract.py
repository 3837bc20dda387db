"""What a stage is.

A stage is a value, not a subclass: a config type and pure functions over Arrow record batches. It never
sees Ray, files or another stage, and its output depends neither on how rows are cut into batches nor on
their order nor on the worker. There are three kinds:

* :class:`RowStage` looks at each row by itself: changes text, adds columns, measures signals. Its rules say
  which rows are to go; only the engine drops them.
* :class:`CorpusStage` must see everything (deduplication): ``sketch`` → ``link`` → (verify) → ``resolve``.
* :class:`FitStep` makes an artifact (a threshold, a model, a tokenizer) from data: ``summarize`` → ``finish``.

A batch always has the columns of :data:`BASE_COLUMNS`; ``text`` is never null.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

ADDRESS = "_address"

BASE_COLUMNS: Mapping[str, pa.DataType] = {
    ADDRESS: pa.uint64(),
    "id": pa.string(),
    "text": pa.large_string(),
    "source": pa.string(),
    "domain": pa.string(),
    "language": pa.string(),
    "content_hash": pa.binary(16),
    "url": pa.string(),
    "date": pa.string(),
    "license": pa.string(),
    "file": pa.string(),
    "offset": pa.int64(),
}
"""Name → type of the columns that every batch has, in this order.

``_address`` = source partition number (upper 40 bits) and ordinal in it (lower 24), set by the source and
never renumbered. ``language`` is ``und`` until a source or stage says more. ``content_hash`` is 128 bits of the
original text. ``file`` and ``offset`` (bytes, or rows for columnar files) say where the row was read.
``url``, ``date`` and ``license`` may be null; every other base column is never null.
"""

ORDINAL_BITS = 24
UNKNOWN_LANGUAGE = "und"


class FitRef(BaseModel):
    """``{fit: name}`` in a recipe: a threshold that the named fit step computes before the stage runs."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    fit: str
    """Name of an entry under ``fits``."""


Threshold = float | FitRef | None
"""A number, a reference to a fit, or None (switched off; 0 is a threshold)."""


class StageConfig(BaseModel):
    """What every stage's settings have in common; a stage's config type derives from it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str | None = None
    """How this use of the stage is called in ``name.key`` addresses and reports; the stage's kind by default."""
    when: dict[str, list[str]] | None = None
    """Look only at rows whose column has one of these values, as in ``{source: [crawl]}``; others pass by."""


def rule(default: Any = ..., **constraints: Any) -> Any:
    """A config field that is a threshold: changing it changes which rows go, not what is measured."""
    return Field(default, json_schema_extra={"effect": "rule"}, **constraints)


def measure(default: Any = ..., **constraints: Any) -> Any:
    """A config field that changes what is measured or written, so ``whatif`` cannot vary it."""
    return Field(default, json_schema_extra={"effect": "measure"}, **constraints)


def effort(default: Any = ..., **constraints: Any) -> Any:
    """A config field of a row stage that says how the work is done, at what speed and cost, and not what comes of it.

    It is in no fingerprint, so changing it computes nothing anew.
    """
    return Field(default, json_schema_extra={"effect": "effort"}, **constraints)


@dataclass(frozen=True)
class Rule:
    """Which values of a signal are fine. A row whose value is outside is dropped as ``stage:name``.

    ``name`` says what is wrong with the row (``too_short``). ``min`` and ``max`` are inclusive; ``allowed`` and
    ``forbidden`` are for strings. A null signal passes; NaN is a bug and stops the run. ``when`` limits the rule to
    rows whose column has one of the values. ``setting`` is the config field that holds the threshold (``whatif`` varies
    it).
    """

    name: str
    signal: str
    min: Threshold = None
    max: Threshold = None
    allowed: tuple[str, ...] | None = None
    when: Mapping[str, Sequence[str]] | None = None
    forbidden: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Applied:
    """What a row stage made of a batch of n rows.

    ``columns``: new or replaced columns (``text`` among them), each of n rows. ``signals``: name → n numbers
    or strings. ``cut``: reason → int64[n], bytes of text taken away for that reason; what the new text has
    beyond old − cut is booked as added, and less than that is a bug.
    """

    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    signals: Mapping[str, pa.Array | npt.NDArray[Any]] = field(default_factory=dict)
    cut: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)


def _no_rules(config: Any) -> Sequence[Rule]:
    return ()


def _nothing(config: Any) -> Mapping[str, Any]:
    return {}


def _no_model(config: Any, files: Mapping[str, str]) -> Any:
    return None


def _no_names(config: Any) -> tuple[str, ...]:
    return ()


def _no_findings(config: Any, model: Any) -> Sequence[str]:
    return ()


def _not_told(config: Any, model: Any) -> Mapping[str, Sequence[str]]:
    return {}


class Doubt(NamedTuple):
    """Something in the settings that is allowed and likely a mistake, and what to do about it; two sentences."""

    message: str
    remedy: str


def _as_it_is(config: Any, columns: Collection[str]) -> Any:
    return config


def _no_doubts(config: Any, columns: Collection[str]) -> Sequence[Doubt]:
    return ()


class Questions(NamedTuple):
    """What a stage would ask others about rows of a batch.

    rows: int64[n], places in the batch; keys: of the n questions, equal for equal ones, which are paid for once;
    amounts: name → float64[n], what each takes (tokens, money).
    """

    rows: npt.NDArray[np.int64]
    keys: Sequence[str]
    amounts: Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Rehearsal:
    """What stands in for a stage that asks others, where a pilot may ask nobody.

    apply: (batch, config, model) → what the stage would make of the batch, answers that are not known made up; and the
        questions that it would have to ask for them.
    doubts: (config, model, total of each amount and of ``questions`` in the whole run, as estimated) → what is likely a
        mistake, such as a budget that does not suffice.
    """

    apply: Callable[[pa.RecordBatch, Any, Any], tuple[Applied, Questions]]
    doubts: Callable[[Any, Any, Mapping[str, float]], Sequence[Doubt]]


@dataclass(frozen=True)
class RowStage:
    """A stage that looks at each row by itself.

    kind: the name in recipes, and the module's name.
    version: raised whenever the output for some input changes (a test compares stored digests).
    config: the settings' type.
    apply: (batch, config, model) → :class:`Applied`.
    signals: config → name → Arrow type of every signal that ``apply`` returns.
    writes: config → name → Arrow type of every column that it writes or replaces.
    reads: columns that it needs.
    asks: config → signals of row stages before it, as ``stage.signal``, which ``apply`` finds as columns of that name,
        as they are stored, null where a row was not judged.
    rules: config → the rules, in the order in which they are tried.
    resources: config → name → path of a model file, or :class:`FitRef`; hashed into the fingerprint.
    load: (config, name → local path) → the model handed to ``apply``; called once per process.
    check: (config, model) → findings that make the recipe wrong (a label the model does not have), as sentences.
    values: (config, model) → column of ``writes`` → all values that it may write into rows that stay; left out where
        that is not known. A route or ``when`` that names another value is refused before the run.
    libraries: distributions whose version decides the output's bytes.
    chosen_libraries: config → further ones, which need not be installed where the settings do not ask for them.
    waits: it waits for others and bounds that itself, so that ``execution.stall_seconds`` is not for it.
    rehearsal: what a pilot has instead, where ``apply`` asks others at a price.
    """

    kind: str
    version: int
    config: type[StageConfig]
    apply: Callable[[pa.RecordBatch, Any, Any], Applied]
    signals: Callable[[Any], Mapping[str, pa.DataType]] = _nothing
    writes: Callable[[Any], Mapping[str, pa.DataType]] = _nothing
    reads: tuple[str, ...] = ("text",)
    asks: Callable[[Any], tuple[str, ...]] = _no_names
    rules: Callable[[Any], Sequence[Rule]] = _no_rules
    resources: Callable[[Any], Mapping[str, str | FitRef]] = _nothing
    load: Callable[[Any, Mapping[str, str]], Any] = _no_model
    check: Callable[[Any, Any], Sequence[str]] = _no_findings
    values: Callable[[Any, Any], Mapping[str, Sequence[str]]] = _not_told
    libraries: tuple[str, ...] = ()
    chosen_libraries: Callable[[Any], tuple[str, ...]] = _no_names
    waits: bool = False
    rehearsal: Rehearsal | None = None


SKETCH_KEYS: Mapping[str, pa.DataType] = {"key_high": pa.uint64(), "key_low": pa.uint64(), ADDRESS: pa.uint64()}
"""First columns of every other sketch: a 128-bit key and the row. Further columns are the stage's own."""

BAND_COLUMNS: Mapping[str, pa.DataType] = {"key": pa.uint64(), ADDRESS: pa.uint64(), "rank": pa.uint64()}
"""Columns of the sketch of a stage that verifies: key of a band, the row, and its place in the survivors' order.

The band's number is mixed into the key. ``rank`` is below 2**63, the smallest is the best, and ties go to the first row
in the recipe's order. The engine sets bit 63 in the rows of a run, so that rows of an earlier corpus come before all of
them.
"""

CANDIDATE_COLUMNS: Mapping[str, pa.DataType] = {"centre": pa.uint64(), "member": pa.uint64()}
"""Two rows that may be near copies; ``centre`` is the better one by (rank, ``_address``)."""

RELATION_COLUMNS: Mapping[str, pa.DataType] = {
    ADDRESS: pa.uint64(),
    "survivor": pa.uint64(),
    "similarity": pa.float32(),
    "cluster_size": pa.uint32(),
}
"""Member, the row that stands for it (itself for a survivor), estimated similarity, rows in the cluster."""

SPAN_COLUMNS: Mapping[str, pa.DataType] = {
    ADDRESS: pa.uint64(),
    "start": pa.int64(),
    "end": pa.int64(),
    "survivor": pa.uint64(),
}
"""Bytes of a row's text to be cut (start < end, at character boundaries), and the row whose copy of them stays."""


class Sketch(NamedTuple):
    """What a stage that verifies keeps of a batch.

    records: :data:`BAND_COLUMNS`, none for documents that are too small to compare.
    signatures: a row for every document that has records, by address: ``_address``, ``rank``, and the stage's own
        columns, which the engine only hands back.
    """

    records: pa.RecordBatch
    signatures: pa.RecordBatch


@dataclass(frozen=True)
class Verify:
    """How the candidates of a stage are verified, before they are made into clusters.

    similarity: (signatures of n members, signatures of m centres, int64[n] place, config) → float32[n], that of member
        i and centre ``place[i]``. Symmetric.
    threshold: config → smallest similarity at which two rows count as copies.
    """

    similarity: Callable[[pa.RecordBatch, pa.RecordBatch, npt.NDArray[np.int64], Any], npt.NDArray[np.float32]]
    threshold: Callable[[Any], float]


@dataclass(frozen=True)
class CorpusStage:
    """A stage that must see everything. It has one of three forms.

    *Exact*: rows of equal keys are copies, and ``link`` says which stays. *Near* (``verify``): ``link`` gives pairs of
    rows that may be copies; the engine verifies them by their signatures, and within a component, in the order of
    ranks, a row that is not yet claimed survives and claims its verified neighbours. *Cutting* (``cut``): ``link``
    gives spans of bytes, which are cut out of the rows.

    sketch: (batch, config) → small records, :data:`SKETCH_KEYS` first (several a row where the stage cuts); a
        :class:`Sketch` where it verifies. The engine sorts records by key and address.
    link: (records of a key range, sorted, keys never torn; config) → :data:`RELATION_COLUMNS` of groups of
        two rows or more; :data:`CANDIDATE_COLUMNS` where it verifies; :data:`SPAN_COLUMNS` where it cuts. Rows are
        numbered here in the recipe's order (sources, files, documents): the lowest ``_address`` comes first. Of a key
        with more than 500,000 records it gets these in parts, each with the records of the row that is best until then.
    resolve: (relations sorted by address, config) → patches: ``_address``, ``drop`` (bool), ``survivor``,
        ``similarity``, and the declared columns; where it cuts also ``start`` and ``end`` before those, spans of a row
        in order and apart.
    rule: name of what is wrong with the rows that it drops (``duplicate``); where it cuts, with rows of which nothing
        but white space is left.
    columns: config → name → Arrow type of the columns that ``resolve`` gives to rows.
    reads: config → columns that ``sketch`` needs.
    signals: config → signals of row stages before it, as ``stage.signal``, which ``sketch`` finds as columns of that
        name, null where a row was not judged.
    verify: how candidates are verified.
    cut: the reason under which cut bytes are booked (``repeated_line``).
    comparable: config → what has to be equal in two uses of the stage (setting → value) so that their sketches can be
        compared; None where a stage that verifies has no setting ``against``, a list of folders of earlier runs.
    settle: (config, names of the columns that the rows have) → the config with those settings filled in that depend on
        the columns; what all other functions are given.
    doubts: (settled config, names of the columns) → what is allowed and likely a mistake, and what to do about it.
    forecast: settled config → what it will do and find, as lines of text.
    """

    kind: str
    version: int
    config: type[StageConfig]
    sketch: Callable[[pa.RecordBatch, Any], pa.RecordBatch | Sketch]
    link: Callable[[pa.RecordBatch, Any], pa.RecordBatch]
    resolve: Callable[[pa.RecordBatch, Any], pa.RecordBatch]
    rule: str
    columns: Callable[[Any], Mapping[str, pa.DataType]] = _nothing
    reads: Callable[[Any], tuple[str, ...]] = lambda config: ("text",)
    libraries: tuple[str, ...] = ()
    signals: Callable[[Any], tuple[str, ...]] = _no_names
    verify: Verify | None = None
    cut: str | None = None
    comparable: Callable[[Any], Mapping[str, Any]] | None = None
    settle: Callable[[Any, Collection[str]], Any] = _as_it_is
    doubts: Callable[[Any, Collection[str]], Sequence[Doubt]] = _no_doubts
    forecast: Callable[[Any], Sequence[str]] = _no_names


SIGNAL = "_signal"
"""Column in which a fit step finds the signal that it asked for."""


class FitInput(BaseModel):
    """Which documents a fit step learns from."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: list[str] | str | None = None
    """Names of sources, read as they are before any stage of the recipe, text extracted; all when left out."""
    sample: float = Field(1.0, gt=0, le=1)
    """Share of documents, chosen by the hash of their content."""


class FitConfig(BaseModel):
    """What every fit step's settings have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)

    from_: FitInput | Literal["run"] = Field("run", alias="from")
    """``run``: documents as they reach the first stage that uses the fit; or sources, as they are before any stage."""


class Summarize(Protocol):
    """(batch, config, what ``load`` gave) → table."""

    def __call__(self, batch: pa.RecordBatch, config: Any, model: Any = None, /) -> pa.Table: ...


class Finish(Protocol):
    """(table, config, what ``load`` gave) → bytes."""

    def __call__(self, table: pa.Table, config: Any, model: Any = None, /) -> bytes: ...


@dataclass(frozen=True)
class FitStep:
    """A step that makes an artifact from data.

    summarize: (batch, config, model) → table; summaries of a partition's batches are merged as they come.
    merge: (tables, config) → one table; associative, and the same for any order of its arguments.
    finish: (table, config, model) → the artifact's bytes. Raises ValueError, as a sentence, if the data does not
        suffice.
    signal: config → ``name.signal`` that must be measured on the documents before ``summarize`` sees them, as
        column :data:`SIGNAL` (the named stage is applied, its rules are not), or None.
    value: (artifact bytes, config) → the number that a ``{fit: name}`` threshold becomes, for fits that make one.
    facts: artifact bytes → what ``report.json`` says of it; a small JSON artifact is said whole without it.
    suffix: of the artifact's file, for readers that go by it.
    resources: config → name → path of a file, or :class:`FitRef` of a fit that is made before; hashed into the
        fingerprint. A row stage that takes the artifact as its resource ``model`` finds them as ``model.name``.
    load: (config, name → local path) → the model handed to ``summarize`` and ``finish``; called once per process.
    libraries, chosen_libraries: as those of :class:`RowStage`.
    columns: config → columns that it needs beside ``reads``: those that hold its labels.
    """

    kind: str
    version: int
    config: type[FitConfig]
    summarize: Summarize
    merge: Callable[[Sequence[pa.Table], Any], pa.Table]
    finish: Finish
    signal: Callable[[Any], str | None] = lambda config: None
    value: Callable[[bytes, Any], float] | None = None
    facts: Callable[[bytes], Mapping[str, Any]] | None = None
    suffix: str = "json"
    reads: tuple[str, ...] = ("text",)
    libraries: tuple[str, ...] = ()
    chosen_libraries: Callable[[Any], tuple[str, ...]] = _no_names
    resources: Callable[[Any], Mapping[str, str | FitRef]] = _nothing
    load: Callable[[Any, Mapping[str, str]], Any] = _no_model
    columns: Callable[[Any], tuple[str, ...]] = _no_names
