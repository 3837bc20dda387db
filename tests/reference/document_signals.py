"""Slow, obvious twins of the counts behind the signals of documents, on Python strings."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Sequence

from stages.kernels.character_kinds import BULLETS
from tests.reference.word_spans import word_list

_AFTER_URL = "!')*,.:;?]}"
_MARK = re.compile(r"://|www\.")


def character_counts(text: str) -> dict[str, int]:
    """As :data:`stages.kernels.character_counts.COUNTED`."""
    return {
        "characters": len(text),
        "upper_case_letters": sum(character.isupper() for character in text),
        "digits": sum(character.isdecimal() for character in text),
        "hashes": text.count("#"),
        "ellipses": text.count("...") + text.count("…"),
        "curly_brackets": text.count("{") + text.count("}"),
        "url_characters": sum(map(len, urls(text))),
        "line_feeds": text.count("\n"),
    }


def urls(text: str) -> list[str]:
    """The URLs, from left to right."""
    found, at = [], 0
    while match := _MARK.search(text, at):
        start, stop = match.start(), match.start() + 3
        scheme = match.group() == "://"
        while scheme and start > at and text[start - 1].isascii() and text[start - 1].isalnum():
            start -= 1
        after_letter = match.start() > at and text[match.start() - 1].isascii() and text[match.start() - 1].isalnum()
        if (start == match.start()) if scheme else after_letter:
            at = match.start() + 1
            continue
        while stop < len(text) and "!" <= text[stop] <= "~" and text[stop] not in '"<>`':
            stop += 1
        while stop > match.start() + 3 and text[stop - 1] in _AFTER_URL:
            stop -= 1
        if stop > match.start() + 3:
            found.append(text[start:stop])
            at = max(stop, match.start() + 1)
        else:
            at = match.start() + 1
    return found


def gopher_lines(text: str, every_line: bool) -> list[int]:
    """Lines, those with a bullet, those with an ellipsis."""
    lines = text.splitlines() if every_line else [line for line in text.split("\n") if line.strip()]
    bullets = ("•", "-") if every_line else tuple(BULLETS)
    return [
        len(lines),
        sum(line.lstrip().startswith(bullets) for line in lines),
        sum(line.rstrip().endswith(("...", "…")) for line in lines),
    ]


def lower(word: str) -> str:
    """Lower case character by character, where that is one."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in word)


def word_counts(words: Sequence[str], stops: Collection[str], fold: bool) -> dict[str, int]:
    """As :data:`stages.kernels.word_counts.COUNTED`."""
    low = [lower(word) for word in words]
    plain = [word for word in words if any(c.isalpha() or c.isdecimal() for c in word)]
    looked_up = [word for word in (low if fold else words) if word in stops]
    return {
        "words": len(words),
        "characters": sum(map(len, words)),
        "plain_words": len(plain),
        "plain_word_characters": sum(map(len, plain)),
        "alphabetic_words": sum(any(c.isalpha() for c in word) for word in words),
        "upper_case_words": sum(
            any(c.isupper() for c in word) and not any(c.islower() for c in word) for word in words
        ),
        "stop_words": len(looked_up),
        "distinct_stop_words": len(set(looked_up)),
        "javascript_words": low.count("javascript"),
        "lorem_ipsums": sum(pair == ("lorem", "ipsum") for pair in zip(low, low[1:], strict=False)),
    }


def diversity(words: Sequence[str]) -> tuple[int, float]:
    """Distinct words and the entropy of their distribution in nats."""
    counts = Counter(words).values()
    return len(counts), -sum(c / len(words) * math.log(c / len(words)) for c in counts) if words else 0.0


def signals(text: str, stops: Collection[str]) -> dict[str, float]:
    """The signals of a text by their definitions, as the papers have them, but sentences."""
    words, characters = word_list(text), character_counts(text)
    counted, (lines, bullets, ellipses) = word_counts(words, stops, True), gopher_lines(text, False)
    distinct, entropy = diversity([lower(word) for word in words])

    def per(part: int, whole: int) -> float:
        return part / whole if whole else 0.0

    return {
        "words": len(words),
        "mean_word_length": per(sum(map(len, words)), len(words)),
        "hash_to_word_ratio": per(text.count("#"), len(words)),
        "ellipsis_to_word_ratio": per(characters["ellipses"], len(words)),
        "bullet_line_fraction": per(bullets, lines),
        "ellipsis_line_fraction": per(ellipses, lines),
        "alphabetic_word_fraction": per(counted["alphabetic_words"], len(words)),
        "distinct_stop_words": counted["distinct_stop_words"],
        "characters": len(text),
        "unique_word_fraction": per(distinct, len(words)),
        "word_entropy": entropy,
        "upper_case_word_fraction": per(counted["upper_case_words"], len(words)),
        "symbol_to_word_ratio": per(characters["hashes"] + characters["ellipses"], len(words)),
        "stop_word_fraction": per(counted["stop_words"], len(words)),
        "digit_fraction": per(characters["digits"], len(text)),
        "upper_case_letter_fraction": per(characters["upper_case_letters"], len(text)),
        "curly_bracket_fraction": per(characters["curly_brackets"], len(text)),
        "url_fraction": per(characters["url_characters"], len(text)),
        "line_feed_to_word_ratio": per(characters["line_feeds"], len(words)),
        "lorem_ipsums": counted["lorem_ipsums"],
        "javascript_words": counted["javascript_words"],
    }
