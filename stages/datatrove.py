"""Any filter or formatter of datatrove inside a recipe, for what people already use.

    - datatrove: {filter: GopherQualityFilter, options: {min_doc_words: 80}}
    - datatrove: {name: mask, formatter: PIIFormatter}
    - datatrove: {name: house_rules, filter: "acme.filters:HouseRules", reasons: [too_dull]}

Classes, options and defaults are datatrove's (https://github.com/huggingface/datatrove). A filter's reason is the rule
by which a document goes: ``datatrove:gopher_short_doc``. Beware that some of its filters take 0 for "switched off".

It is slow: every document becomes Python objects, and most filters split it into words with spaCy (``pip install
spacy``). Gopher's and C4's rules run at under 1 MB/s per core and are what the stages ``gopher_quality``,
``gopher_repetition``, ``c4`` and ``fineweb`` do several hundred times as fast; formatters at about 15. ``plan``
forecasts it from a sample, and the run's report has the stage's MB/s.

A document on which the class raises an error, where datatrove's own run would end, is dropped by ``failed``. The text
that a class takes away is booked as cut: ``edited``, and what it writes instead beyond that length as added.

Limits: one document at a time, also where a class has a ``filter_batch``. Classes that keep state between documents,
draw by chance or download are refused, with the reason; a class of your own is tried on a few texts in two orders
before the run, and must not do so either. ``PIIFormatter`` begins its list of replacements anew for each document,
since its place in the list would depend on the documents before.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from stages.contract import BASE_COLUMNS, UNKNOWN_LANGUAGE, Applied, RowStage, Rule, StageConfig, measure
from stages.datatrove_classes import REJECTED, Found, Kind, checked, find, libraries, reasons, source_file
from stages.kernels.arrow_text import byte_lengths

Value = Literal["text", "number"]

FAILED, OTHER_REASON = "failed", "other_reason"
EDITED = "edited"
_TYPES: Mapping[Value, pa.DataType] = {"text": pa.string(), "number": pa.float64()}
_METADATA = ("url", "date", "license", "source", "domain", "language", "file")
"""Columns that documents carry as metadata, null ones and unknown languages left out."""
_UNKNOWN = {"language": UNKNOWN_LANGUAGE}
_PROBES = (
    "The ferry left the pier at noon with all of the passengers that have booked, and nobody could say to them when it "
    "would be back. They had brought bread, and to be on the safe side a radio.\n\nWrite to harbour@sea.example.net.",
    "- one\n- two\n- two\n- two\n{…}",
    "Short.",
)


class DatatroveConfig(StageConfig):
    """Which class runs, and how."""

    filter: str | None = measure(None)
    """A filter of ``datatrove.pipeline.filters`` by its name (``GopherQualityFilter``), or one of your own that derives
    from datatrove's ``BaseFilter``, as ``module:Class``."""
    formatter: str | None = measure(None)
    """Instead of a filter: a formatter of ``datatrove.pipeline.formatters``, or one of your own."""
    options: dict[str, Any] = measure({})
    """Arguments of the class, by name; datatrove's defaults otherwise."""
    reasons: list[str] = measure([])
    """Reasons that a filter of your own gives. One that is not listed drops by ``other_reason``; a filter that gives
    none, by ``rejected``."""
    signals: dict[str, Value] = measure({})
    """Keys that the class sets in a document's metadata and that become signals, each ``text`` or ``number``."""
    columns: dict[str, Value] = measure({})
    """Keys of the metadata that become columns, each ``text`` or ``number``; null where the class sets none."""

    @model_validator(mode="after")
    def _class_and_options_exist(self) -> Self:
        if (self.filter is None) == (self.formatter is None):
            raise ValueError("expected either `filter` or `formatter`")
        if self.reasons and self.filter is None:
            raise ValueError("reasons: a formatter drops nothing")
        options = checked(found(self), self.options)
        names = [*(reasons(found(self), options) if self.filter else ()), *self.reasons, FAILED, OTHER_REASON]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"reasons: {', '.join(twice)} is known already")
        self._check_names()
        return self

    def _check_names(self) -> None:
        taken = {"reason", "failure", "bytes"} & self.signals.keys()
        if taken:
            raise ValueError(f"signals: {', '.join(sorted(taken))} is the stage's own")
        for name, value in self.columns.items():
            kind = BASE_COLUMNS.get(name, _TYPES[value])
            if kind != _TYPES[value] or name in ("id", "text"):
                raise ValueError(f"columns: {name} cannot be written as {value}")


def found(config: DatatroveConfig) -> Found:
    """The class. Raises ValueError."""
    return find(_kind(config), config.filter or config.formatter or "")


def _kind(config: DatatroveConfig) -> Kind:
    return "filter" if config.filter is not None else "formatter"


class Outcome(NamedTuple):
    """What became of a document. ``reason``: why it goes; ``failure``: name of an error. Both None if it stays."""

    text: str
    reason: str | None
    failure: str | None
    metadata: Mapping[str, Any]


@dataclass
class Block:
    """A filter or formatter, ready to run."""

    kind: Kind
    step: Any
    replacers: Sequence[Any] = field(default_factory=tuple)

    def run(self, text: str, metadata: Mapping[str, Any]) -> Outcome:
        """Let it look at one document. Errors of files and memory end the run: they are not the document's."""
        from datatrove.data import Document

        document = Document(text=text, id="", metadata=dict(metadata))
        try:
            reason = self._run(document)
        except (OSError, MemoryError, ImportError):
            raise
        except Exception as error:  # whatever a class raises, its document is booked with the reason
            return Outcome(text, None, type(error).__name__, metadata)
        edited = text if reason is not None else document.text.encode("utf-8", "replace").decode()
        return Outcome(edited, reason, None, document.metadata)

    def _run(self, document: Any) -> str | None:
        for replacer in self.replacers:
            replacer._replace_i = 0
        if self.kind == "formatter":
            document.text = self.step.format(document.text)
            return None
        (answer,) = self.step.filter_batch([document])
        kept, reason = answer if isinstance(answer, tuple) else (answer, None)
        return None if kept else str(reason or REJECTED)


@lru_cache(maxsize=16)
def _block(kind: Kind, known: Found, options: str) -> Block:
    """Made once per process."""
    step = known.type(**checked(known, json.loads(options)))
    if known.name == "URLFilter" and not known.own:
        # the list of suffixes that the package carries, instead of the one that it would download
        step.tldextractor = import_module("tldextract").TLDExtract(suffix_list_urls=(), cache_dir=None)
    replacers = [step.emails_replacer, step.ip_replacer] if known.name == "PIIFormatter" and not known.own else []
    return Block(kind, step, replacers)


def block_of(config: DatatroveConfig) -> Block:
    """The class with its options."""
    return _block(_kind(config), found(config), json.dumps(config.options, sort_keys=True))


def apply(batch: pa.RecordBatch, config: DatatroveConfig, model: None) -> Applied:
    """Signals ``reason`` (filters; why the document goes) and ``failure`` (name of an error), strings, null otherwise.

    Column ``text`` where the class may change it, and what the settings ask of the metadata.
    """
    block, known = block_of(config), found(config)
    needs_url = known.name == "URLFilter" and not known.own
    outcomes = [
        Outcome(text, None, None, {}) if needs_url and "url" not in metadata else block.run(text, metadata)
        for text, metadata in zip(batch.column("text").to_pylist(), _metadata(batch), strict=True)
    ]
    signals = {"failure": pa.array([each.failure for each in outcomes], pa.string())}
    if config.filter is not None:
        signals["reason"] = pa.array([each.reason for each in outcomes], pa.string())
    signals |= {name: _values(outcomes, name, value) for name, value in config.signals.items()}
    columns = {name: _column(batch, outcomes, name, value) for name, value in config.columns.items()}
    if not known.edits:
        return Applied(columns=columns, signals=signals)
    text = pa.array([each.text for each in outcomes], pa.large_string())
    cut = np.maximum(byte_lengths(batch.column("text")) - byte_lengths(text), 0)
    return Applied(columns={"text": text, **columns}, signals=signals, cut={EDITED: cut})


def _metadata(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    columns = {name: batch.column(name).to_pylist() for name in _METADATA}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return [{name: value for name, value in row.items() if value not in (None, _UNKNOWN.get(name))} for row in rows]


def _values(outcomes: Sequence[Outcome], name: str, value: Value) -> pa.Array:
    """A key of the metadata of all documents, null where it is not set or not a number."""
    values = [each.metadata.get(name) for each in outcomes]
    if value == "text":
        return pa.array([None if each is None else str(each) for each in values], pa.string())
    numbers = [None if each is None else float(each) for each in values]
    return pa.array([None if each is None or math.isnan(each) else each for each in numbers], pa.float64())


def _column(batch: pa.RecordBatch, outcomes: Sequence[Outcome], name: str, value: Value) -> pa.Array:
    values = _values(outcomes, name, value)
    return pc.coalesce(values, batch.column(name)) if name in BASE_COLUMNS else values


def signals(config: DatatroveConfig) -> Mapping[str, pa.DataType]:
    """``failure``, for filters ``reason``, and what the settings ask for."""
    names = ("failure", "reason") if config.filter is not None else ("failure",)
    return {**dict.fromkeys(names, pa.string()), **{name: _TYPES[value] for name, value in config.signals.items()}}


def writes(config: DatatroveConfig) -> Mapping[str, pa.DataType]:
    """``text`` where the class may change it, and what the settings ask for."""
    text = {"text": pa.large_string()} if found(config).edits else {}
    return {**text, **{name: _TYPES[value] for name, value in config.columns.items()}}


def rules(config: DatatroveConfig) -> Sequence[Rule]:
    """``failed``; of a filter, one for each reason, and ``other_reason``."""
    failed = Rule(FAILED, "failure", allowed=())
    if config.filter is None:
        return (failed,)
    known = found(config)
    names = (*reasons(known, checked(known, config.options)), *config.reasons)
    listed = [Rule(name, "reason", forbidden=(name,)) for name in names]
    return (failed, *listed, Rule(OTHER_REASON, "reason", allowed=names))


def check(config: DatatroveConfig, model: None) -> Sequence[str]:
    """That the class runs here, and that the order of documents does not matter to it."""
    name = config.filter or config.formatter
    metadata = {"url": "https://sea.example.net/harbour", "language": "en"}
    try:
        block = block_of(config)
        turns = [[block.run(text, metadata) for text in _PROBES[::step]][::step] for step in (1, -1) * 4]
    except Exception as error:  # a package that is missing, a download, a value that the class refuses
        return (f"{name} cannot run here: {error}",)
    failures = {each.failure for each in turns[0]}
    if None not in failures:
        return (f"{name} fails on ordinary text: {', '.join(map(str, failures))}",)
    if any(repr(turn) != repr(turns[0]) for turn in turns):  # by value, a metadata of NaN would differ from itself
        return (f"{name} keeps state between documents: it judged the same text in two ways",)
    return ()


def resources(config: DatatroveConfig) -> Mapping[str, str]:
    """The file of a class of the user's own."""
    path = source_file(config.filter or config.formatter or "")
    return {"code": path} if path else {}


STAGE = RowStage(
    kind="datatrove",
    version=1,
    config=DatatroveConfig,
    apply=apply,
    signals=signals,
    writes=writes,
    reads=("text", *_METADATA),
    rules=rules,
    resources=resources,
    check=check,
    libraries=("datatrove",),
    chosen_libraries=lambda config: libraries(found(config)),
)
