"""Whether our rules decide as datatrove's do: each rule by itself, on prose, extracted HTML and crawl text.

    python -m benchmarks.rule_agreement DATA --cache FOLDER
    python -m benchmarks.rule_agreement DATA --cache FOLDER --stage c4 --documents 200 --differing 20

Each of our stages runs with its preset ``datatrove`` and its rules are evaluated as a run does it: on the stored
signals, floats rounded to four decimals. How datatrove's filters are asked rule by rule:
:mod:`benchmarks.datatrove_rules`. Two columns:

* ``own words``: datatrove as it is, with spaCy's words and sentences;
* ``our words``: datatrove's rules on the tokens and sentences that our stage counts; what differs is in the rules.

For each rule: how many documents datatrove drops and we drop, the share of documents on which the two agree, and, with
``--differing``, which documents they are: ``+`` we alone drop it, ``-`` datatrove alone does. A document on which
datatrove's filter raises an error is left out and counted. At the end come the lines of our tables that have no
partner.

datatrove takes minutes; ``--cache`` keeps its verdicts, by corpus, splitter and versions. Needs ``datatrove`` and
``spacy``.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import datatrove_rules
from benchmarks.datatrove_rules import DROPPED, ERROR, Verdicts
from benchmarks.our_words import fingerprint, sentences, splitters
from benchmarks.rule_corpora import CORPORA, Corpus, batch_of
from pipeline.blocks.rules import broken, stored_signal
from stages.contract import RowStage

PRESET = "datatrove"
STAGES = {
    "gopher_quality": "GopherQualityFilter",
    "gopher_repetition": "GopherRepetitionFilter",
    "c4": "C4QualityFilter",
    "fineweb": "FineWebQualityFilter",
}
"""Our stage → datatrove's filter."""

PARTNERS: Mapping[str, Mapping[str, str]] = {
    "gopher_quality": {
        "too_few_words": "gopher_short_doc",
        "too_many_words": "gopher_long_doc",
        "words_too_short": "gopher_below_avg_threshold",
        "words_too_long": "gopher_above_avg_threshold",
        "too_many_hashes": "gopher_too_many_hashes",
        "too_many_ellipses": "gopher_too_many_ellipsis",
        "too_many_bullet_lines": "gopher_too_many_bullets",
        "too_many_ellipsis_lines": "gopher_too_many_end_ellipsis",
        "too_few_alphabetic_words": "gopher_below_alpha_threshold",
        "too_few_stop_words": "gopher_enough_stop_words",
    },
    "gopher_repetition": {
        "duplicate_lines": "dup_line_frac",
        "duplicate_paragraphs": "dup_para_frac",
        "duplicate_line_characters": "dup_line_char_frac",
        "duplicate_paragraph_characters": "dup_para_char_frac",
        **{f"top_{n}gram": f"top_{n}_gram" for n in (2, 3, 4)},
        **{f"duplicate_{n}grams": f"duplicated_{n}_n_grams" for n in range(5, 11)},
    },
    "c4": {
        "lorem_ipsum": "lorem_ipsum",
        "curly_bracket": "curly_bracket",
        "too_few_sentences": "too_few_sentences",
    },
    "fineweb": {
        "empty": "empty",
        "too_few_lines_end_in_punctuation": "line_punct_ratio",
        "too_many_short_lines": "short_line_ratio",
        "too_many_duplicate_characters": "char_dup_ratio",
        "too_many_line_breaks": "list_ratio",
    },
}
"""Stage → our rule → datatrove's reason."""

THEIRS, OURS = "own words", "our words"
TEXT = "text"
"""The rule that C4's removal of lines leaves the same text."""


@dataclass(frozen=True)
class Decisions:
    """``drops``: rule → bool[n]. ``text``: what is left of each document, if the stage writes text."""

    drops: Mapping[str, npt.NDArray[np.bool_]]
    text: Sequence[str] | None


def our_stage(kind: str) -> RowStage | None:
    """The stage, None if there is none of that name."""
    name = f"stages.quality.{kind}"
    return importlib.import_module(name).STAGE if find_spec(name) else None


def our_decisions(stage: RowStage, corpus: Corpus) -> Decisions:
    """Every rule by itself on the whole corpus."""
    known = "preset" in stage.config.model_fields
    config = stage.config.model_validate({"preset": PRESET} if known else {})
    batch = batch_of(corpus.texts)
    applied = stage.apply(batch, config, stage.load(config, {}))
    types = stage.signals(config)
    signals = {name: stored_signal(values, types[name], name) for name, values in applied.signals.items()}
    drops = {rule.name: broken(rule, signals[rule.signal]) for rule in stage.rules(config)}
    text = applied.columns.get("text")
    return Decisions(drops, None if text is None else text.to_pylist())


def their_verdicts(corpus: Corpus, splitter: str, cache: Path | None) -> tuple[Mapping[str, Verdicts], Sequence[str]]:
    """datatrove's verdicts on all rules, and its texts after C4, computed once per corpus and splitter."""
    ours = splitter == OURS
    state = [datatrove_rules.versions(), fingerprint(corpus.texts) if ours else "", *corpus.texts]
    digest = hashlib.sha256("\0".join(state).encode()).hexdigest()[:16]
    path = cache / f"{corpus.name}-{splitter.replace(' ', '-')}-{digest}.parquet" if cache else None
    if path and path.is_file():
        table = pq.read_table(path)
    else:
        with datatrove_rules.splitting(splitters() if ours else {}, sentences if ours else None):
            found = datatrove_rules.verdicts(corpus.texts)
            left = datatrove_rules.texts_after_c4(corpus.texts)
        table = pa.table({**found, TEXT: pa.array(left, pa.large_string())})
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
    verdicts = {name: table.column(name).to_numpy() for name in table.column_names if name != TEXT}
    return verdicts, table.column(TEXT).to_pylist()


def compare(kind: str, ours: Decisions, theirs: Mapping[str, Verdicts], corpus: Corpus, differing: int) -> None:
    """Print a line per rule."""
    for name, drops in ours.drops.items():
        reason = PARTNERS[kind].get(name)
        if reason is not None:
            print_rule(f"{kind}:{name}", reason, drops, theirs[f"{STAGES[kind]}:{reason}"], corpus, differing)


def print_rule(
    name: str, reason: str, drops: npt.NDArray[np.bool_], verdicts: Verdicts, corpus: Corpus, differing: int
) -> None:
    """A line of the table, and below it the documents that differ."""
    judged = verdicts != ERROR
    alone = judged & drops & (verdicts != DROPPED)
    missed = judged & ~drops & (verdicts == DROPPED)
    share = 1 - (alone | missed).sum() / max(judged.sum(), 1)
    counts = f"{(verdicts == DROPPED).sum():6} {(drops & judged).sum():6} {alone.sum():5} {missed.sum():5}"
    print(f"  {name:45} {reason:30} {counts} {(~judged).sum():4} {share:9.2%}")
    for i in np.flatnonzero(alone | missed)[:differing].tolist():
        print(f"      {'+' if alone[i] else '-'} {corpus.ids[i]}")


def compare_text(ours: Sequence[str], theirs: Sequence[str], corpus: Corpus, differing: int) -> None:
    """A line for what C4's removal of lines leaves."""
    different = [i for i, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    share = 1 - len(different) / max(len(ours), 1)
    print(f"  {'c4, text that is left':45} {'':30} {'':25} {len(different):4} {share:9.2%}")
    for i in different[:differing]:
        print(f"      ! {corpus.ids[i]}")


def without_partner(kind: str, rules: Sequence[str]) -> Sequence[str]:
    """Rules of the stage that the table does not know, and reasons in the table whose rule the stage lacks."""
    table = PARTNERS[kind]
    ours = [f"{kind}:{name} has no reason in PARTNERS" for name in rules if name not in table]
    return ours + [f"{kind} has no rule {name} (for {reason})" for name, reason in table.items() if name not in rules]


def main() -> None:
    """Read the command line and print a table per corpus."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the real data")
    parser.add_argument("--stage", nargs="*", default=list(STAGES), choices=list(STAGES), help="all if left out")
    parser.add_argument("--corpus", nargs="*", default=list(CORPORA), choices=list(CORPORA), help="all if left out")
    parser.add_argument("--documents", type=int, default=2_000, help="most documents of a corpus")
    parser.add_argument("--cache", type=Path, help="folder where datatrove's verdicts are kept")
    parser.add_argument("--differing", type=int, default=0, help="name so many differing documents per rule")
    options = parser.parse_args()
    notes: list[str] = []
    stages = {kind: stage for kind in options.stage if (stage := our_stage(kind))}
    notes += [f"stage {kind} is not there: left out" for kind in options.stage if kind not in stages]
    print(datatrove_rules.versions())
    for name in options.corpus:
        corpus = CORPORA[name](options.data, options.documents)
        megabytes = sum(len(text.encode()) for text in corpus.texts) / 1e6
        decisions = {kind: our_decisions(stage, corpus) for kind, stage in stages.items()}
        for splitter in (THEIRS, OURS):
            print(f"\n{corpus.name}, {len(corpus.texts)} documents, {megabytes:.1f} MB; datatrove with {splitter}")
            head = f"{'they':>6} {'we':>6} {'+':>5} {'-':>5} {'err':>4} {'agree':>9}"
            print(f"  {'our rule':45} {'their reason':30} {head}", flush=True)
            theirs, texts = their_verdicts(corpus, splitter, options.cache)
            for kind, ours in decisions.items():
                compare(kind, ours, theirs, corpus, options.differing)
                if ours.text is not None:
                    compare_text(ours.text, texts, corpus, options.differing)
        notes += [note for kind, ours in decisions.items() for note in without_partner(kind, list(ours.drops))]
    print("", *dict.fromkeys(notes), sep="\n")


if __name__ == "__main__":
    main()
