"""Fits a classifier of positive against negative texts, and says how well it does on texts that it has not seen.

Examples are balanced: of the more frequent kind only as many are used as there are of the other. A share of the
*documents* is held out, so that no passage of a document that was trained on is tested. Named tests are sets of
further sources; a document of theirs that is also among the examples is left out.

Limits: near copies on both sides of the split are not seen, so deduplicate first. Scores tell the two kinds of example
apart, and whether that is quality depends on the examples: where they differ in topic or length, so do the scores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifiers.errors import ModelError
from classifiers.evaluation import agreement, by_document, evaluate, keep_threshold
from classifiers.fasttext_model import load_fasttext
from classifiers.fasttext_notes import with_notes
from classifiers.fasttext_train import Training, train_fasttext
from classifiers.text_scores import Preparation, Scorer, prepared_array
from stages.kernels.hashing import mix64

POSITIVE, NEGATIVE = "positive", "negative"
"""Labels of a model of two kinds."""

LEAST = 10
"""Documents of each kind below which nothing can be learned, let alone tested."""

_SPLIT_SEED = 0x68656C64


@dataclass(frozen=True)
class Examples:
    """n texts.

    ``texts``: large_string; ``positive``: bool[n]; ``documents``: uint64[n], equal for texts of one document, and
    evenly distributed (a hash).
    """

    texts: pa.Array
    positive: npt.NDArray[np.bool_]
    documents: npt.NDArray[np.uint64]

    def take(self, mask: npt.NDArray[np.bool_]) -> Examples:
        """Those of the mask, in order."""
        return Examples(self.texts.filter(pa.array(mask)), self.positive[mask], self.documents[mask])


@dataclass(frozen=True)
class Fitting:
    """How a classifier is fitted.

    ``held_out``: share of documents to test with. ``keep``: share of the negative texts that is to pass the threshold
    that is worked out.
    """

    training: Training = Training()
    preparation: Preparation = "plain"
    held_out: float = 0.1
    keep: float = 0.1
    seed: int = 0


def fit_classifier(examples: Examples, tests: Mapping[str, Examples], fitting: Fitting) -> bytes:
    """The model file with its evaluation behind it (:mod:`classifiers.fasttext_notes`).

    The same bytes for the same examples in the same order. Raises ModelError where there is too little to learn from,
    or to test with.
    """
    held = held_out(examples.documents, fitting)
    trained, held_examples = examples.take(~held), examples.take(held)
    _check_enough("to learn from", trained, LEAST)
    _check_enough("held out", held_examples, 1)
    trained = _balanced(trained)
    labels = np.where(trained.positive, POSITIVE, NEGATIVE).tolist()
    content = train_fasttext(prepared_array(trained.texts, fitting.preparation), labels, fitting.training)
    known = np.unique(examples.documents)
    fresh = {name: test.take(~np.isin(test.documents, known)) for name, test in sorted(tests.items())}
    scored = {name: _scores(content, some, fitting) for name, some in {"": held_examples, **fresh}.items()}
    threshold = keep_threshold(scored[""][~held_examples.positive], fitting.keep)
    evaluation = {"held_out": _evaluation(scored[""], held_examples, threshold)}
    for name, some in fresh.items():
        left_out = len(tests[name].documents) - len(some.documents)
        found = _evaluation(scored[name], some, threshold) if len(some.documents) else {}
        evaluation[f"test:{name}"] = found | {"left_out": left_out}
    return with_notes(content, _notes(trained, fitting, threshold, evaluation))


def _evaluation(scores: npt.NDArray[np.float64], examples: Examples, threshold: float) -> dict[str, Any]:
    """Of texts, and how far the documents' labels agree."""
    found = evaluate(scores, examples.positive, threshold)
    return found | {"agreement": agreement_of_kinds(scores, examples.positive, examples.documents)}


def agreement_of_kinds(
    scores: npt.NDArray[np.float64], positive: npt.NDArray[np.bool_], documents: npt.NDArray[np.uint64]
) -> dict[str, Any]:
    """How far documents that are positive from a mean score of 0.5 on are those that should be; as JSON."""
    both = np.stack([scores, 1 - scores], axis=1)
    return agreement([POSITIVE, NEGATIVE], *by_document(both, (~positive).astype(np.int64), documents))


def _notes(trained: Examples, fitting: Fitting, threshold: float, evaluation: dict[str, Any]) -> dict[str, Any]:
    positive = int(trained.positive.sum())
    return {
        "label": POSITIVE,
        "prepare": fitting.preparation,
        "trained_on": {POSITIVE: positive, NEGATIVE: len(trained.positive) - positive},
        "training": asdict(fitting.training),
        "keep": fitting.keep,
        "threshold": threshold,
        "evaluation": evaluation,
    }


def held_out(documents: npt.NDArray[np.uint64], fitting: Fitting) -> npt.NDArray[np.bool_]:
    """bool[n]: texts of documents to test with."""
    drawn = mix64(documents, _SPLIT_SEED ^ fitting.seed) >> np.uint64(11)
    return drawn.astype(np.float64) < fitting.held_out * float(1 << 53)


def _balanced(examples: Examples) -> Examples:
    """As many of each kind, the first ones of the more frequent."""
    positive = np.cumsum(examples.positive)
    negative = np.cumsum(~examples.positive)
    fewest = min(int(positive[-1]), int(negative[-1])) if len(positive) else 0
    return examples.take(np.where(examples.positive, positive, negative) <= fewest)


def _check_enough(what: str, examples: Examples, least: int) -> None:
    for name, chosen in ((POSITIVE, examples.positive), (NEGATIVE, ~examples.positive)):
        documents = len(np.unique(examples.documents[chosen]))
        if documents < least:
            raise ModelError(f"{documents} {name} documents {what}, expected {least} or more; name further sources")


def _scores(content: bytes, examples: Examples, fitting: Fitting) -> npt.NDArray[np.float64]:
    return probabilities(content, examples.texts, [POSITIVE], fitting)[:, 0]


def probabilities(content: bytes, texts: pa.Array, labels: Sequence[str], fitting: Fitting) -> npt.NDArray[np.float64]:
    """float64[texts, labels] by a model file's bytes. Raises ModelError for a model of no numbers."""
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        Path(file.name).write_bytes(content)
        model = load_fasttext(file.name)
        if not np.isfinite(model.network.values).all():
            raise ModelError("training came to no numbers (NaN): take a lower learning_rate")
        return Scorer(model).scores(texts, labels, fitting.preparation)
