"""One name per language, whatever a model or a recipe calls it.

Models say ``__label__zh`` (lid.176), ``cmn_Hani`` (GlotLID) or ``eng_Latn`` (NLLB); people write ``en``, ``eng``,
``EN`` or ``en-US``. All become the two-letter code of ISO 639-1 where there is one, else the three-letter code of
ISO 639-3. Script and region are dropped: this names languages.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from classifiers.iso639 import LANGUAGES, NAMES_OF_THREE, WIKIPEDIA_CODES

UNDETERMINED = "und"

_BY_CODE = {code: entry.code for entry in LANGUAGES for code in (entry.code, entry.three, *entry.others)}
_NAMES = {**{entry.code: entry.name for entry in LANGUAGES}, **NAMES_OF_THREE}
_SUBTAG = re.compile("[-_]")
_WITH_SCRIPT = re.compile("[A-Za-z]{2,3}[-_][A-Za-z]{4}")


def canonical(name: str) -> str:
    """The code that stands for a language: ``eng_Latn`` → ``en``, ``cmn`` → ``zh``, ``ceb`` → ``ceb``."""
    language = _SUBTAG.split(name.strip().lower().removeprefix("__label__"), maxsplit=1)[0]
    return _BY_CODE.get(language, language)


def english_name(code: str) -> str | None:
    """``en`` → ``English``; None for a code without an entry in our tables."""
    return _NAMES.get(code)


def label_languages(labels: Sequence[str]) -> tuple[str, ...]:
    """The language of each of a model's labels.

    A model whose labels name no script is taken to have Wikipedia's codes, two of which differ from ISO's.
    """
    wikipedia = WIKIPEDIA_CODES if not any("_" in label for label in labels) else {}
    return tuple(wikipedia.get(label, canonical(label)) for label in labels)


def name_problems(names: Sequence[str], labels: Sequence[str]) -> list[str]:
    """What is wrong with a recipe's language names, given a model's labels: one sentence each, empty if all is well."""
    languages = label_languages(labels)
    found = (_problem(name, labels, languages) for name in names)
    return [problem for problem in found if problem]


def _problem(name: str, labels: Sequence[str], languages: Sequence[str]) -> str | None:
    language = canonical(name)
    if language == UNDETERMINED:
        return None
    if name in labels and (meant := languages[labels.index(name)]) != language:
        return (
            f"{name!r} is {_title(language)} in ISO 639 but {_title(meant)} in the model; write {language} or {meant}"
        )
    if language not in languages:
        known = english_name(language)
        reason = f"the model has no label for {known} ({language})" if known else "no such language code in the model"
        return f"{name!r}: {reason}; {_suggestion(name, sorted(set(languages)))}"
    scripts = [label for label, other in zip(labels, languages, strict=True) if other == language]
    if len(scripts) > 1 and _WITH_SCRIPT.fullmatch(name):
        return f"{name!r} names one of {', '.join(scripts)}, but languages are kept, not scripts; write {language}"
    return None


def _title(language: str) -> str:
    return english_name(language) or language


def _suggestion(name: str, languages: Sequence[str]) -> str:
    """``did you mean …`` by code and by English name, or how the known ones are written."""
    named = {(english_name(code) or code).lower(): code for code in languages}
    wanted = name.strip().lower()
    near = [named[match] for match in get_close_matches(wanted, named, n=2, cutoff=0.75)]
    near += get_close_matches(wanted, languages, n=3, cutoff=0.6)
    if not near:
        return f"known are {len(languages)} languages by ISO 639 code, as {', '.join(languages[:8])}, …"
    return "did you mean " + " or ".join(f"{code} ({_title(code)})" for code in dict.fromkeys(near)) + "?"
