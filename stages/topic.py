"""Writes the domain of web pages by rules on URL and text: code, math, encyclopedia, forum, shop, news, adult, spam.

So that mixing can act on pages and not only on sources: a crawl's pages of code can be seen twice, its shops left out.
A page gets a topic only where the evidence suffices, and else keeps the source's domain, as most pages do.

The evidence is added up into a score for each topic, which is stored as a signal:

* 1 for a host on the topic's list (``stages/topic_words.py``), which alone is enough;
* 0.6 for a word or stem in the host (``forum.``, ``…zeitung.``), 0.4 for a word in the path (``/shop/``); for news
  three quarters of that, because pages of all kinds stand under ``/news/``;
* up to 1 for the text: how dense the topic's words are, and how many kinds of them there are, at least so many that one
  article about a casino is not taken for one that sells it. For code the share of text in lines that look like it, for
  math the density of LaTeX commands and mathematical signs, for shops prices as well.

The first topic in the order of ``topics`` whose score reaches its threshold is written. The words are English, German,
French, Spanish, Italian, Russian and Chinese; pages in other languages get a topic by their URL, or as code or math.

To be used with ``when: {domain: [web]}`` where other sources have domains of their own. A learned classifier sees more;
these rules cost little, say why, and need no model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from stages.contract import Applied, RowStage, StageConfig, measure
from stages.kernels import topic_text as columns
from stages.kernels.arrow_text import text_view
from stages.kernels.topic_text import FIRST_TOPIC, KINDS, TextTables, text_tables, topic_text
from stages.kernels.url_words import UrlTables, url_tables, url_words
from stages.topic_words import CODE_STARTS, HOST_STEMS, HOSTS, TEXT_WORDS, TOPICS, URL_WORDS

Topic = Literal["adult", "spam", "math", "code", "encyclopedia", "forum", "shop", "news"]
Floats = npt.NDArray[np.float64]

URL_WEIGHTS = (1.0, 0.6, 0.4)
"""Of a host on the list, a word or stem in the host, a word in the path."""
_WEAKER = {"news": 0.75}
"""Topic → what words in its URLs are worth."""
FULL: Mapping[str, tuple[float, int]] = {
    "adult": (25.0, 6),
    "spam": (25.0, 6),
    "math": (30.0, 6),
    "encyclopedia": (8.0, 4),
    "forum": (40.0, 6),
    "shop": (40.0, 7),
    "news": (30.0, 8),
}
"""Topic → words of the topic by 1,000 words, and kinds of them, that count fully."""
MOST: Mapping[str, float] = {"encyclopedia": 0.6, "news": 0.6, "forum": 0.8, "shop": 0.8}
"""Most that words alone give; 1 for the others."""
CODE_SHARE = 0.4
FORMULAS_PER_KB = 4.0
"""Share of bytes in lines that look like code, and signs of formulas by 1,000 bytes, that count fully."""
_ENTRY = re.compile("[a-z\u00c0-\u07ff]+([ -][a-z\u00c0-\u07ff]+)?|[\u3000-\u9fff]{2,4}")
FEWEST_BYTES = 200
"""Text of fewer bytes says nothing."""


class TopicConfig(StageConfig):
    """Which topics are told, and how much evidence they need."""

    topics: list[Topic] = measure(list(TOPICS), min_length=1)
    """Topics that may be written, in the order in which they are tried; the first whose score suffices is taken."""
    min_score: dict[Topic, float] = measure({})
    """Lowest score of a topic, 1 where none is given: more for fewer and surer pages, less for more."""
    names: dict[Topic, str] = measure({})
    """What is written as the domain, where it is not the topic's name, as in ``{encyclopedia: wiki}``."""
    hosts: dict[Topic, list[str]] = measure({})
    """Further hosts of a topic, each with all hosts below it, as in ``{forum: [example.org]}``."""
    words: dict[Topic, list[str]] = measure({})
    """Further words of a topic in the text: one word, two that follow each other, or two to four Chinese characters."""
    head_bytes: int = measure(65_536, ge=1024)
    """How much of the text is looked at, from its beginning."""

    @field_validator("hosts", "words")
    @classmethod
    def _are_lower_case(cls, given: dict[str, list[str]]) -> dict[str, list[str]]:
        return {topic: [entry.strip().lower() for entry in entries] for topic, entries in given.items()}

    @field_validator("words")
    @classmethod
    def _can_be_found(cls, given: dict[str, list[str]]) -> dict[str, list[str]]:
        for entry in (entry for entries in given.values() for entry in entries):
            if not _ENTRY.fullmatch(entry):
                raise ValueError(f"{entry!r} is not one word, two words, or two to four Chinese characters")
        return given


@lru_cache
def _tables(hosts: str, words: str) -> tuple[UrlTables, TextTables]:
    """Tables of our lists and further ones, given as JSON."""
    more_hosts, more_words = json.loads(hosts), json.loads(words)
    bits = {topic: 1 << place for place, topic in enumerate(TOPICS)}
    by_host = _merged(HOSTS, more_hosts, bits)
    return url_tables(by_host, _merged(URL_WORDS, {}, bits), _merged(HOST_STEMS, {}, bits)), text_tables(
        _entries(more_words), CODE_STARTS
    )


def _merged(
    lists: Mapping[str, Sequence[str]], more: Mapping[str, Sequence[str]], bits: Mapping[str, int]
) -> dict[str, int]:
    """Entry → bits of all topics that have it."""
    found: dict[str, int] = {}
    for topic, bit in bits.items():
        for entry in (*lists.get(topic, ()), *more.get(topic, ())):
            found[entry] = found.get(entry, 0) | bit
    return found


def _entries(more: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, int, int]]:
    """(entry, topic, kind) of every word; in each language kinds are counted from 0."""
    for place, topic in enumerate(TOPICS):
        lists = [entries.split(",") for entries in TEXT_WORDS.get(topic, {}).values()]
        for entries in [*lists, more.get(topic, ())]:
            for kind, entry in enumerate(dict.fromkeys(entries)):
                yield entry, place, kind % KINDS


def _text_scores(counts: npt.NDArray[np.int64]) -> Floats:
    """float64[rows, topics]: what the text says, from 0 to 1."""
    scores = np.zeros((len(counts), len(TOPICS)))
    thousands = np.maximum(counts[:, columns.WORDS], 1) / 1000
    size = np.maximum(counts[:, columns.BYTES], 1)
    for topic, (density, kinds) in FULL.items():
        place = TOPICS.index(topic)
        hits, seen = counts[:, FIRST_TOPIC + 2 * place], counts[:, FIRST_TOPIC + 2 * place + 1]
        found = np.minimum(hits / thousands / density, 1) * np.minimum(seen / kinds, 1)
        scores[:, place] = found * MOST.get(topic, 1)
    shop, math, code = (TOPICS.index(topic) for topic in ("shop", "math", "code"))
    scores[:, shop] += 0.2 * np.minimum(counts[:, columns.PRICES] / thousands / 10, 1) * (scores[:, shop] > 0)
    formulas = np.minimum(1000 * counts[:, columns.FORMULAS] / size / FORMULAS_PER_KB, 1)
    scores[:, math] = np.minimum(scores[:, math] / 2 + formulas, 1)
    scores[:, code] = np.minimum(counts[:, columns.CODE_BYTES] / size / CODE_SHARE, 1)
    scores[counts[:, columns.BYTES] < FEWEST_BYTES] = 0
    return scores


def _url_scores(bits: npt.NDArray[np.uint32]) -> Floats:
    """float64[rows, topics]: what the URL says."""
    weights = np.array([[URL_WEIGHTS[0], *(w * _WEAKER.get(topic, 1) for w in URL_WEIGHTS[1:])] for topic in TOPICS])
    flags = (bits[:, :, None] >> np.arange(len(TOPICS), dtype=np.uint32)) & 1
    return np.einsum("rwt,tw->rt", flags.astype(np.float64), weights)


def apply(batch: pa.RecordBatch, config: TopicConfig, model: None) -> Applied:
    """Column ``domain``; a signal for each topic, float64: its score, from 0 to 3."""
    tables = _tables(json.dumps(config.hosts), json.dumps(config.words))
    urls, text = text_view(batch.column("url").fill_null("")), text_view(batch.column("text"))
    counts = topic_text(*text, config.head_bytes, len(TOPICS), tables[1])
    scores = np.round(_url_scores(url_words(*urls, tables[0])) + _text_scores(counts), 4)
    chosen = np.full(batch.num_rows, -1, np.int64)
    for topic in reversed(config.topics):
        chosen[scores[:, TOPICS.index(topic)] >= config.min_score.get(topic, 1.0)] = TOPICS.index(topic)
    names = pa.array([_name(config, topic) for topic in get_args(Topic)])
    written = names.take(pa.array(chosen, mask=chosen < 0))
    return Applied(
        columns={"domain": pc.coalesce(written, batch.column("domain"))},
        signals={topic: scores[:, place] for place, topic in enumerate(TOPICS)},
    )


def _name(config: TopicConfig, topic: Topic) -> str:
    return config.names.get(topic, topic)


STAGE = RowStage(
    kind="topic",
    version=1,
    config=TopicConfig,
    apply=apply,
    signals=lambda config: dict.fromkeys(TOPICS, pa.float64()),
    writes=lambda config: {"domain": pa.string()},
    reads=("text", "url", "domain"),
    values=lambda config, model: {"domain": [_name(config, topic) for topic in config.topics]},
)
