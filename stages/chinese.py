"""Tells simplified from traditional Chinese, and converts one into the other on request.

Half of a Chinese corpus in the other form is a vocabulary twice as large for the same words, and copies of a page in
both forms pass any deduplication. Language models for identification do not tell the forms apart: lid.176 has one
label, ``zh``.

The form is told by the characters that are written in one form only, about 3,800 and 3,200 of them in OpenCC's
tables: 发 is simplified, 發 traditional, 中 both. Of 7,690 simplified articles, none has more than 1 % of the other
form's among these characters, and none of their conversions more than 0.3 %; so a tenth is a mixture, not a quotation.

Conversion is OpenCC's ``s2t`` or ``t2s``, phrases included, and gives the same text as the library, at twice its
speed. Only texts of the other form and mixed ones are converted. Simplified text has fewer characters, so converting to
it is all but exact; to traditional, a phrase that the dictionary does not have may get the wrong one of several.
OpenCC's standard is neither Taiwan's nor Hong Kong's usage, in which some characters have other variants.

Run it behind ``language``. Japanese uses characters of both forms, and its text is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from classifiers.labels import canonical
from stages.contract import UNKNOWN_LANGUAGE, Applied, RowStage, Rule, StageConfig, measure, rule
from stages.kernels.arrow_text import TextView, text_array, text_view
from stages.kernels.han_forms import (
    COMPATIBILITY,
    HAN,
    OTHER_DENSE,
    SIMPLIFIED,
    TRADITIONAL,
    Replacements,
    count_forms,
    form_table,
    replace,
    replacements_of,
)
from stages.kernels.unicode_tables import TwoStage
from stages.opencc import CHARACTERS, TO_SIMPLIFIED, TO_TRADITIONAL, dictionary_path, one_form_only, read_dictionary
from stages.opencc import COMPATIBILITY as COMPATIBILITY_FILE
from stages.opencc import replacements as merged

Script = Literal["hans", "hant", "mixed"]

SCRIPTS = ("hans", "hant", "mixed")
_NONE = len(SCRIPTS)
_DICTIONARIES = {"to_simplified": TO_SIMPLIFIED, "to_traditional": TO_TRADITIONAL}
_TARGETS = {"to_simplified": SCRIPTS.index("hans"), "to_traditional": SCRIPTS.index("hant")}


class ChineseConfig(StageConfig):
    """Which texts are Chinese, what becomes of them, and which form stays."""

    languages: list[str] = measure(["zh", "yue", "wuu", "nan", "hak", "gan", "lzh", "und"], min_length=1)
    """Languages whose rows are looked at. Of ``und``, text counts as Chinese if half of its bytes or more are Han."""
    mixed_share: float = measure(0.1, gt=0, le=0.5)
    """Share of the rarer form, among characters that are written in one form only, from which on text is ``mixed``."""
    convert: Literal["to_simplified", "to_traditional"] | None = measure(None)
    """Convert texts of the other form and mixed ones; ``null`` leaves all as they are."""
    keep: list[Script] | None = rule(None, min_length=1)
    """Forms to keep, as ``[hans]``, judged after conversion; text of no form stays. All if left out."""


@dataclass(frozen=True)
class ChineseModel:
    """``forms``: for :func:`count_forms`. ``steps``: replacements that make a conversion, in order."""

    forms: TwoStage
    steps: tuple[Replacements, ...]


def resources(config: ChineseConfig) -> dict[str, str]:
    """Dictionaries that the settings need. Raises ModelError if they are not installed."""
    names = {*CHARACTERS}
    if config.convert:
        names.update(_DICTIONARIES[config.convert], [COMPATIBILITY_FILE])
    return {name: dictionary_path(name) for name in sorted(names)}


def load(config: ChineseConfig, files: Mapping[str, str]) -> ChineseModel:
    """The tables, from the dictionaries' local paths. Raises ModelError."""
    read = {name: read_dictionary(path) for name, path in files.items()}
    forms = form_table(*one_form_only(*(read[name] for name in CHARACTERS)))
    if config.convert is None:
        return ChineseModel(forms, ())
    chain = [[read[COMPATIBILITY_FILE]], [read[name] for name in _DICTIONARIES[config.convert]]]
    return ChineseModel(forms, tuple(replacements_of(merged(dictionaries)) for dictionaries in chain))


def apply(batch: pa.RecordBatch, config: ChineseConfig, model: ChineseModel) -> Applied:
    """Column ``script``, the form of the text as it leaves; the text, with ``convert``; bytes cut by ``conversion``.

    Signals, null for rows that are not Chinese: ``hans`` and ``hant``, int64, characters that are written in one form
    only, before conversion; ``hant_share``, float64, of the two, null where there are none; ``script``, as the column.
    """
    view = text_view(batch.column("text"))
    counts = count_forms(view, model.forms)
    judged = _chinese(batch.column("language"), counts, np.diff(view.offsets), config)
    script, share = _forms(counts, config.mixed_share)
    script[~judged] = _NONE
    columns, cut = {}, {}
    if config.convert:
        todo = (script != _NONE) & (script != _TARGETS[config.convert])
        converted = _converted(view, todo, counts[:, COMPATIBILITY] > 0, model.steps)
        script[todo] = _TARGETS[config.convert]
        columns["text"] = text_array(*converted) if todo.any() else batch.column("text")
        cut["conversion"] = np.maximum(np.diff(view.offsets) - np.diff(converted.offsets), 0)
    names = pa.array([*SCRIPTS, None], pa.string()).take(pa.array(script))
    return Applied(
        columns={"script": names, **columns},
        signals={
            "hans": pa.array(counts[:, SIMPLIFIED], mask=~judged),
            "hant": pa.array(counts[:, TRADITIONAL], mask=~judged),
            "hant_share": pa.array(share, mask=~judged | (counts[:, SIMPLIFIED] + counts[:, TRADITIONAL] == 0)),
            "script": names,
        },
        cut=cut,
    )


def _chinese(
    language: pa.Array, counts: npt.NDArray[np.int64], size: npt.NDArray[np.int64], config: ChineseConfig
) -> npt.NDArray[np.bool_]:
    """bool[rows]: Han text of the languages, hardly a kana or Hangul syllable in it."""
    wanted = pa.array([canonical(name) for name in config.languages], pa.string())
    named = pc.is_in(language, wanted).to_numpy(zero_copy_only=False)
    unknown = pc.equal(language, UNKNOWN_LANGUAGE).to_numpy(zero_copy_only=False)
    han = counts[:, HAN]
    written = (han > 0) & (counts[:, OTHER_DENSE] <= 0.1 * han)
    found: npt.NDArray[np.bool_] = named & written & (~unknown | (6 * han >= size))
    return found


def _forms(counts: npt.NDArray[np.int64], mixed_share: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """(place in SCRIPTS or beyond, share of traditional characters) of each row."""
    simplified, traditional = counts[:, SIMPLIFIED], counts[:, TRADITIONAL]
    telling = simplified + traditional
    share = traditional / np.maximum(telling, 1)
    rarer = np.minimum(simplified, traditional) / np.maximum(telling, 1)
    pure = np.where(traditional > simplified, SCRIPTS.index("hant"), SCRIPTS.index("hans"))
    script = np.where(rarer >= mixed_share, SCRIPTS.index("mixed"), pure)
    return np.where(telling == 0, _NONE, script), share


def _converted(
    view: TextView, todo: npt.NDArray[np.bool_], compatibility: npt.NDArray[np.bool_], steps: Sequence[Replacements]
) -> TextView:
    """The chosen rows converted; compatibility ideographs, which hardly any text has, made the usual ones before."""
    if not todo.any():
        return view
    usual, convert = steps
    if (todo & compatibility).any():
        view = replace(view, todo & compatibility, usual)
    return replace(view, todo, convert)


def rules(config: ChineseConfig) -> Sequence[Rule]:
    """``not_wanted``."""
    return (Rule("not_wanted", "script", allowed=None if config.keep is None else tuple(config.keep)),)


def values(config: ChineseConfig, model: ChineseModel) -> Mapping[str, Sequence[str]]:
    """The forms that text which stays may have."""
    left = SCRIPTS if config.convert is None else (SCRIPTS[_TARGETS[config.convert]],)
    return {"script": [script for script in left if config.keep is None or script in config.keep]}


STAGE = RowStage(
    kind="chinese",
    version=1,
    config=ChineseConfig,
    apply=apply,
    signals=lambda config: {
        "hans": pa.int64(), "hant": pa.int64(), "hant_share": pa.float64(), "script": pa.string(),
    },
    writes=lambda config: {"script": pa.string(), **({"text": pa.large_string()} if config.convert else {})},
    reads=("text", "language"),
    rules=rules,
    resources=resources,
    load=load,
    values=values,
)  # fmt: skip
