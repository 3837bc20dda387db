"""Topics of web pages: by host, by words of the URL with words of the text, by text alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from stages.contract import Applied
from stages.topic import FEWEST_BYTES, STAGE, TopicConfig
from stages.topic_words import HOST_STEMS, HOSTS, TEXT_WORDS, TOPICS, URL_WORDS
from tests.stages import hostile

PROSE = (
    "The old harbour lay quiet in the morning, and the boats came back one after the other with little to show. " * 6
)
SHOP = (
    "Add to cart now: in stock, free shipping, 19.99 € instead of 24.99 €, price includes delivery. Warranty 2 years, "
    "payment on invoice, customer reviews below. Quantity 1. Add to wishlist. Returns are free. Related products. SKU."
)
FORUM = (
    "Senior member, posts 412, joined 2011. Quote: thanks for the reply. Last edited by moderator. Reply to thread. "
    "Posted by anna, junior member, posts 3. Re: thread. Quote. Reply. Registered users browsing this forum: none."
)
ZH_SHOP = "加入购物车，立即购买。商品价格优惠，包邮，现货，正品，库存充足。评价很好，销量第一，促销特价，下单配送。" * 4
CODE = (
    "def total(rows):\n    result = 0\n    for row in rows:\n        result = result + row.size\n    return result\n"
    * 4
)
MATH = (
    "Let $f$ be a polynomial. By the lemma, $\\int_{0}^{1} \\frac{f(x)}{x} \\mathrm{d}x \\leq \\sum_{k} a_{k}$, and "
    "the theorem follows from the equation $x^{2} = \\alpha$.\n"
) * 3
CASINO = (
    "Casino bonus: free spins, slots, blackjack, roulette and poker with no deposit, deposit bonus and jackpot. " * 4
)
WEB = "https://example.org/page"
UNFINDABLE = [{"words": {"news": [entry]}} for entry in ("", "three words here", "a.b", "报", "新闻发言人说")]


def batch(pages: list[tuple[str | None, str]], domain: str = "web") -> pa.RecordBatch:
    return pa.record_batch(
        {
            "url": pa.array([url for url, _ in pages], pa.string()),
            "text": pa.array([text for _, text in pages], pa.large_string()),
            "domain": pa.array([domain] * len(pages), pa.string()),
        }
    )


def apply(pages: list[tuple[str | None, str]], **settings: Any) -> Applied:
    return STAGE.apply(batch(pages), TopicConfig(**settings), None)


def domain(url: str | None, text: str, **settings: Any) -> str:
    [found] = apply([(url, text)], **settings).columns["domain"].to_pylist()
    return str(found)


@pytest.mark.parametrize(
    ("url", "text", "topic"),
    [
        ("https://de.wikipedia.org/wiki/Hafen", PROSE, "encyclopedia"),
        ("https://www.reuters.com/article/x", PROSE, "news"),
        ("https://github.com/a/b", PROSE, "code"),
        ("https://web.archive.org/web/2019/https://www.spiegel.de/x.html", PROSE, "news"),
        ("https://forum.example.org/viewtopic.php?t=3", PROSE, "forum"),
        ("https://example.org/showthread.php?t=3", FORUM, "forum"),
        ("https://example.org/product/3", SHOP, "shop"),
        ("https://example.cn/product/3", ZH_SHOP, "shop"),
        (WEB, CODE, "code"),
        (None, CODE, "code"),
        (WEB, MATH, "math"),
        (WEB, CASINO, "spam"),
        (WEB, PROSE, "web"),
        (WEB, "", "web"),
        (None, PROSE, "web"),
        ("https://example.org/news/harbour", PROSE, "web"),
        ("https://news.example.org/news/harbour", PROSE, "web"),
        ("https://essex.example.org/", PROSE, "web"),
    ],
)
def test_pages(url: str | None, text: str, topic: str) -> None:
    """A known host is enough, words of the URL need words of the text, and most pages stay what they were."""
    assert domain(url, text) == topic


def test_one_word_over_and_over_is_no_topic() -> None:
    """An article about a casino names it often, but has not the vocabulary of those who sell one."""
    assert domain(WEB, "The casino closed. Nobody had liked the casino. " * 10) == "web"


def test_short_text_says_nothing() -> None:
    """Below 200 bytes the text is not judged, at 200 it is; a host still is enough."""
    line = "x = f(y);"
    below, at = (line + "a" * (size - len(line) - 1) + ";" for size in (FEWEST_BYTES - 1, FEWEST_BYTES))
    scores = apply([(WEB, below), (WEB, at), ("https://github.com/", below)]).signals["code"]
    assert list(scores) == [0, 1, 1]


def test_the_first_topic_that_suffices_is_taken() -> None:
    """In the order of `topics`, which also says which are told at all."""
    url = "https://en.wikipedia.org/wiki/Theorem"
    assert domain(url, MATH) == "math"
    assert domain(url, MATH, topics=["encyclopedia", "math"]) == "encyclopedia"
    assert domain(url, MATH, topics=["news"]) == "web"


@pytest.mark.parametrize(("threshold", "topic"), [(1.0, "news"), (1.0001, "web"), (0, "news")])
def test_a_score_at_its_threshold_suffices(threshold: float, topic: str) -> None:
    """1 from the host is enough for 1, and not for more."""
    assert domain("https://www.spiegel.de/", PROSE, min_score={"news": threshold}) == topic


def test_own_hosts_words_and_names() -> None:
    """Settings add to the lists, in any case, and change what is written."""
    assert domain("https://a.Example.org/", PROSE, hosts={"forum": ["EXAMPLE.org"]}) == "forum"
    assert domain("https://de.wikipedia.org/", PROSE, names={"encyclopedia": "wiki"}) == "wiki"
    own = {"news": ["harbour", "boats", "morning", "quiet", "old", "one after", "show", "little"]}
    assert domain("https://news.example.org/", PROSE, words=own) == "news"


def test_what_may_be_written_is_declared() -> None:
    """So that a route to a topic that is not told is refused before the run."""
    config = TopicConfig(topics=["math", "code"], names={"code": "source"})
    assert STAGE.values(config, None) == {"domain": ["math", "source"]}


@pytest.mark.parametrize(
    "settings", [{"topics": []}, {"topics": ["sports"]}, {"hosts": {"sports": ["x.org"]}}, {"min": 1}, *UNFINDABLE]
)
def test_settings_that_mean_nothing(settings: dict[str, Any]) -> None:
    """Unknown topics and keys are refused, and words that could never be found."""
    with pytest.raises(ValidationError):
        TopicConfig(**settings)


@pytest.mark.parametrize("sizes", [[1], [2, 3], [50]])
def test_the_same_however_rows_are_cut(sizes: list[int]) -> None:
    """Batches of any size give the same domains and scores."""
    texts = [PROSE, SHOP, FORUM, CODE, MATH, CASINO, ZH_SHOP, *hostile.ROWS, *hostile.random_rows(20, 3)]
    urls = ["https://forum.example.org/product", None, "", "https://github.com", "\0", "http://[::1]/x"]
    rows = batch([(urls[i % len(urls)], text) for i, text in enumerate(texts)])
    config = TopicConfig()
    whole = STAGE.apply(rows, config, None)
    assert hostile.values(hostile.chunked(rows, sizes, lambda part: STAGE.apply(part, config, None))) == hostile.values(
        whole
    )
    for topic in TOPICS:
        scores = np.asarray(whole.signals[topic])
        assert not np.isnan(scores).any() and (scores >= 0).all() and (scores <= 3).all()


@pytest.mark.compiled
def test_one_very_long_line() -> None:
    """50 MB on a line are judged by their beginning."""
    assert domain(WEB, "a = b; " * (hostile.long_bytes() // 7)) == "code"


def test_lists_are_lower_case_and_in_their_form() -> None:
    """Hosts have a dot and no slash, words of URLs are letters, and entries of text one or two words, or Chinese."""
    assert all("." in host and "/" not in host for hosts in HOSTS.values() for host in hosts)
    assert all(word.isascii() and word.isalpha() for words in URL_WORDS.values() for word in words)
    entries = [entry for lists in TEXT_WORDS.values() for words in lists.values() for entry in words.split(",")]
    for entry in entries:
        TopicConfig(words={"news": [entry]})
    every = [
        *entries,
        *(item for lists in (HOSTS, HOST_STEMS, URL_WORDS) for items in lists.values() for item in items),
    ]
    assert all(item == item.lower().strip() for item in every)
    assert {*HOSTS, *HOST_STEMS, *URL_WORDS, *TEXT_WORDS} <= set(TOPICS)
