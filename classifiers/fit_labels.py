"""Fits a classifier of several labels, such as the topics or scores that a language model gave to a sample.

Labels are learned as often as they are there: what is likeliest then is likeliest in the corpus, too. A share of the
*documents* is held out, and the likeliest labels of these are compared with those that were given: the agreement says
whether the classifier may stand in for whoever gave them.

Limits: labels of few documents cannot be learned and are left out; the notes name them. Scores are labels like others
here: that 3 is nearer to 4 than to 0 the model does not know, and only the weighted kappa tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.errors import ModelError
from classifiers.evaluation import agreement, by_document, label_order
from classifiers.fasttext_notes import with_notes
from classifiers.fasttext_train import train_fasttext
from classifiers.fit_classifier import Fitting, held_out, probabilities
from classifiers.text_scores import prepared_array


def fit_labels(
    texts: pa.Array, labels: pa.Array, documents: npt.NDArray[np.uint64], fitting: Fitting, least: int
) -> bytes:
    """The model file with its evaluation behind it (:mod:`classifiers.fasttext_notes`).

    ``texts``: large_string[n]; ``labels``: string[n]; ``documents``: uint64[n], equal for texts of one document, and
    evenly distributed (a hash). ``least``: documents to learn from below which a label is left out. The same bytes for
    the same examples in the same order. Raises ModelError where there is too little to learn from, or to test with.
    """
    names = label_order(labels.unique().to_pylist())
    numbers = pc.index_in(labels, pa.array(names, pa.string())).to_numpy().astype(np.int64)
    held = held_out(documents, fitting)
    known = np.flatnonzero(_documents(numbers[~held], documents[~held], len(names)) >= least)
    counts = dict(zip(names, _documents(numbers, documents, len(names)).tolist(), strict=True))
    learned, tested = np.isin(numbers, known) & ~held, np.isin(numbers, known) & held
    _check_enough(len(known), int(tested.sum()), least, counts)
    kept = [names[number] for number in known]
    spelled = _spelled(kept)
    content = train_fasttext(
        prepared_array(texts.filter(pa.array(learned)), fitting.preparation),
        [spelled[names[number]] for number in numbers[learned]],
        fitting.training,
    )
    found = probabilities(content, texts.filter(pa.array(tested)), list(spelled.values()), fitting)
    compared = by_document(found, np.searchsorted(known, numbers[tested]), documents[tested])
    notes = {
        "labels": {label: name for name, label in spelled.items()},
        "prepare": fitting.preparation,
        "trained_on": {names[number]: int((numbers[learned] == number).sum()) for number in known},
        "left_out": {name: count for name, count in counts.items() if name not in spelled},
        "training": asdict(fitting.training),
        "evaluation": {"held_out": {"agreement": agreement(kept, *compared)}},
    }
    return with_notes(content, notes)


def _documents(numbers: npt.NDArray[np.int64], documents: npt.NDArray[np.uint64], labels: int) -> npt.NDArray[np.int64]:
    """int64[labels]: documents that have the label."""
    return np.array([len(np.unique(documents[numbers == number])) for number in range(labels)], np.int64)


def _check_enough(labels: int, tested: int, least: int, counts: dict[str, int]) -> None:
    found = ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
    if labels < 2:
        raise ModelError(f"two labels of {least} documents or more to learn from are needed; there are: {found}")
    if not tested:
        raise ModelError(f"no document is held out to test with; raise held_out, or label more; there are: {found}")


def _spelled(names: Sequence[str]) -> dict[str, str]:
    """Name → label of the model, which may hold no white space. Raises ModelError where two become one."""
    found = {name: "_".join(name.split()) for name in names}
    if len(set(found.values())) < len(found):
        raise ModelError(f"labels that differ in white space only cannot be told apart: {', '.join(names)}")
    return found
