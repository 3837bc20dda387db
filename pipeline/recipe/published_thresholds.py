"""Writes FineWeb-2's thresholds, one file for each language, as lists of stages that a recipe includes.

    python -m pipeline.recipe.published_thresholds recipes/thresholds/fineweb2

The figures are those of Penedo et al. 2025 (arXiv 2506.20920), whose pipeline reads them from ``configs/*.yml`` of the
repository huggingface/fineweb-2; ``figures.json`` in the same folder has them as they were published, with the commit.
Here they get the names that our stages have, in the order in which the pipeline filters, with its settings that are
the same for all languages: no rules on paragraphs and short lines, a tenth of duplicate characters, two stop words.

FineWeb-2 split words with a tokenizer chosen for each language, and stop words are what that gives. A stop word that
is not one word here can never be found; where fewer than :data:`FEWEST` are left, the rule is off.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from classifiers.labels import canonical, english_name
from pipeline.recipe.yaml_writer import inline_yaml
from stages.kernels.words import count_words

FEWEST = 5
"""Stop words without which a rule that asks for two would drop much that is fine: the shortest published list has 8."""
_CURRENT = {"05e6729", "d331bee"}
"""Commits with the figures of the released data set. One language is stored only as it was before."""
_WITHOUT_SPACES = {"zh", "ja", "th", "lo", "km", "my"}
"""Languages in which the tokens of ``gopher_quality``'s preset ``datatrove``, made for English, are whole clauses."""
_WIDTH = 110

Figures = Mapping[str, Any]


def write_thresholds(folder: Path) -> list[Path]:
    """Write ``<language>.yaml`` for each language in ``figures.json``, and ``all.yaml``. Returns the files."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    written = []
    for name, found in figures.items():
        written.append(folder / f"{canonical(name)}.yaml")
        written[-1].write_text(language_yaml(name, found), encoding="utf-8")
    written.append(folder / "all.yaml")
    written[-1].write_text(route_yaml(sorted(map(canonical, figures))), encoding="utf-8")
    return written


def language_yaml(name: str, found: Figures) -> str:
    """The file of a language. ``name``: as FineWeb-2 has it, ``deu_Latn``."""
    stops = found_here(found["stopwords"])
    lines = [f"# {line}" for line in _head(name, found, stops)]
    for kind, settings in _stages(canonical(name), found, stops).items():
        lines += [f"- {kind}:", *(f"    {line}" for key, value in settings.items() for line in _entry(key, value))]
    return "\n".join(lines) + "\n"


def found_here(stopwords: Sequence[str]) -> list[str]:
    """Those that are exactly one word by our definition, and so can be found."""
    counts = count_words(pa.array(stopwords, pa.large_string()))
    whole = [
        count == 1 and unicodedata.category(word[-1])[0] in "LMN" for word, count in zip(stopwords, counts, strict=True)
    ]
    return [word for word, fine in zip(stopwords, whole, strict=True) if fine]


def _head(name: str, found: Figures, stops: Sequence[str]) -> Iterator[str]:
    yield f"{english_name(canonical(name))} ({name}): thresholds of FineWeb-2 (Penedo et al. 2025, arXiv 2506.20920),"
    yield f"from configs/{name}.yml of huggingface/fineweb-2 at {found['commit']}. For a branch of a route by language."
    if found["commit"] not in _CURRENT:
        yield "These are of an earlier version of the file; the one of the released data set was not at hand."
    yield "FineWeb-2 split words with its own tokenizer for the language: what is marked (words) depends on it."
    yield f"Its lowest language score, of GlotLID, is {found['language_score']:g}."
    if len(stops) < len(found["stopwords"]):
        yield f"Of its {len(found['stopwords'])} stop words {len(stops)} are one word here."


def _stages(language: str, found: Figures, stops: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Kind → settings, in the order in which FineWeb-2 filters."""
    top = {f"max_top_{n}gram": value for n, value in found["top_n_grams"].items()}
    duplicate = {f"max_duplicate_{n}grams": value for n, value in found["dup_n_grams"].items()}
    return {
        "gopher_repetition": {
            "preset": "datatrove",
            "max_duplicate_lines": found["dup_line_frac"],
            "max_duplicate_line_characters": None,
            "max_duplicate_paragraphs": None,
            "max_duplicate_paragraph_characters": None,
            **top,
            **duplicate,
        },
        "fineweb": {
            "preset": "datatrove",
            "min_line_end_share": found["line_punct_thr"],
            "max_short_line_share": None,
            "max_duplicate_character_share": 0.1,
            "max_line_breaks_per_word": found["new_line_ratio"],
        },
        "gopher_quality": {
            "preset": "paper" if language in _WITHOUT_SPACES else "datatrove",
            "min_mean_word_length": found["min_avg_word_length"],
            "max_mean_word_length": found["max_avg_word_length"],
            "min_alphabetic_words": found["max_non_alpha_words_ratio"],
            "min_stop_words": 2 if len(stops) >= FEWEST else None,
            "stop_words": list(stops) if len(stops) >= FEWEST else None,
        },
    }


_OF_WORDS = re.compile("max_top_|max_duplicate_[0-9]|max_line_breaks|m.._mean_word|min_alphabetic")
"""Settings whose figures depend on what a word is."""


def _entry(key: str, value: Any) -> list[str]:
    if isinstance(value, list):
        return _wrapped(key, [str(inline_yaml(word)) for word in value])
    comment = "  # words" if _OF_WORDS.match(key) else ""
    return [f"{key}: {inline_yaml(_short(value))}{comment}"]


def _short(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _wrapped(key: str, words: Sequence[str]) -> list[str]:
    lines = [f"{key}: ["]
    for index, word in enumerate(words):
        piece = word + ("]" if index == len(words) - 1 else ",")
        if len(lines[-1]) + len(piece) > _WIDTH:
            lines.append("  ")
        lines[-1] += piece if lines[-1].endswith(("[", "  ")) else f" {piece}"
    return lines


def route_yaml(languages: Sequence[str]) -> str:
    """A route with a branch for every language."""
    lines = [
        "# Thresholds of FineWeb-2 for all languages in this folder, in the place of a route on the list of stages:",
        "#     - include: gristmill:thresholds/fineweb2/all.yaml",
        "# Documents in other languages, English among them, pass by. With `keep` in the stage `language` some of",
        "# these branches could never be met and are refused: write a route with those that are kept.",
        "- route:",
        "    by: language",
        *(f"    {inline_yaml(language)}: [include: {language}.yaml]" for language in languages),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print("\n".join(map(str, write_thresholds(Path(sys.argv[1])))))
