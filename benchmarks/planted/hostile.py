"""Text that no keyboard should produce: gibberish, and pages that are hard on code and harmless to people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.planted.dice import Dice
from benchmarks.planted.pages import Page

UNSURE = "language:unsure"
NOT_WANTED = "language:not_wanted"
REPETITIVE = "gopher_repetition:duplicate_5grams"
UNLIKELY = "perplexity:tail"

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_CONSONANTS = "bcdfghjklmnpqrstvwxz"
_PUNCTUATION = "#$%&*+=@^_~|<>{}[]()!?;:,.-/\\'\""
_SCRIPTS = [
    range(first, last + 1)
    for first, last in (
        (0x3B1, 0x3C9),
        (0x410, 0x44F),
        (0x561, 0x586),
        (0x5D0, 0x5EA),
        (0x627, 0x63A),
        (0x905, 0x939),
        (0xE01, 0xE2E),
        (0x10D0, 0x10F0),
        (0x1200, 0x1206),
        (0xAC00, 0xD7A3),
    )
]
"""Greek, Cyrillic, Armenian, Hebrew, Arabic, Devanagari, Thai, Georgian, Ethiopic and Hangul letters."""
_HOME_ROWS = ("asdfghjkl", "qwertyuiop", "zxcvbnm", "lkjhgfdsa")


def gibberish(sources: dict[str, str]) -> list[Page]:
    """Sixteen pages without meaning. ``sources``: language → an article, damaged here by wrong decoding."""
    makers: list[tuple[str, Callable[[Dice], str]]] = [
        ("random letters", lambda dice: _words(dice, _LETTERS, 180)),
        ("random letters", lambda dice: _words(dice, _LETTERS, 90)),
        ("random consonants", lambda dice: _words(dice, _CONSONANTS, 140)),
        ("random consonants", lambda dice: _words(dice, _CONSONANTS, 70)),
        ("keyboard mash", lambda dice: " ".join(_mash(dice) for _ in range(120))),
        ("keyboard mash", lambda dice: "".join(_mash(dice) for _ in range(90))),
        ("punctuation soup", lambda dice: _words(dice, _PUNCTUATION, 150)),
        ("punctuation soup", lambda dice: _words(dice, _PUNCTUATION + _LETTERS, 150)),
        ("hexadecimal digits", lambda dice: _words(dice, "0123456789abcdef", 160)),
        ("random digits", lambda dice: _words(dice, "0123456789", 160)),
        ("one word over and over", lambda dice: "blorf " * 120),
        ("random Han characters", lambda dice: _from_blocks(dice, [range(0x4E00, 0x9FA6)], 300)),
        ("random letters of many scripts", lambda dice: _from_blocks(dice, _SCRIPTS, 300)),
        ("UTF-8 read as Latin-1", lambda dice: _mojibake(sources["zh"], "latin-1")),
        ("UTF-8 read as Windows-1252", lambda dice: _mojibake(sources["ja"], "cp1252")),
        ("Windows-1251 read as Latin-1", lambda dice: sources["ru"].encode("cp1251", "ignore").decode("latin-1")),
    ]
    return [
        Page("gibberish", "zxx", make(Dice("gibberish", number)).strip(), note, UNSURE)
        for number, (note, make) in enumerate(makers)
    ]


def hostile(articles: Sequence[str], arabic: str) -> list[Page]:
    """Pages that break careless code, of readable articles where not said otherwise.

    ``articles``: nine English ones that stand nowhere else, for ``normalize`` undoes some of what is done to them.
    """
    one_line, emoji, marks, stacked, nuls, terminal, spaces, fancy, tags = articles
    pages = [
        ("en", None, _TOKENS, "control-token text of several vocabularies in the middle of a page"),
        ("en", UNLIKELY, _MARKUP, "markup, templates and paths that a report or a shell must not interpret"),
        ("en", REPETITIVE, _one_line(one_line), "an article over and over: 5,000 bytes on a single line"),
        ("en", None, emoji.replace(". ", f". {_EMOJI} "), "emoji: a family, a flag, a key cap"),
        ("ar", None, f"\u202e{_MARKUP[:300]}\u202c\n\n{arabic}", "right-to-left text and an override"),
        ("en", None, "\u0301\u0308" + marks.replace(" ", " \u0304", 20), "combining marks without a base"),
        ("zxx", UNSURE, _stacked(stacked[:700]), "every letter carries a stack of combining marks"),
        ("en", None, "\0" + nuls.replace(" ", "\0 "), "NULs between words"),
        ("en", None, _terminal(terminal), "escape sequences, C1 controls and seven kinds of line breaks"),
        ("zxx", NOT_WANTED, "\u200b".join(spaces) + "\u00ad", "zero-width spaces between letters; taken for Khmer"),
        ("en", None, fancy.translate(_FANCY), "mathematical letters instead of ASCII; taken for another language"),
        ("en", None, tags + _INVISIBLE, "a command in invisible tag characters"),
        ("zxx", UNSURE, "\ue000\uf8ff\ufffd\ufffe\U0010ffff" * 60, "private use, replacement and noncharacters"),
        ("zxx", UNSURE, "A" * 6000, "one word of 6,000 letters"),
        ("zxx", UNSURE, " \t\n \u3000\n" * 40, "white space only"),
        ("zxx", UNSURE, "", "empty text"),
    ]
    return [Page("hostile", language, text, note, expected) for language, expected, text, note in pages]


def _words(dice: Dice, alphabet: str, count: int) -> str:
    lengths = (2 + dice.below(9) for _ in range(count))
    return " ".join("".join(dice.choice(alphabet) for _ in range(length)) for length in lengths)


def _mash(dice: Dice) -> str:
    row = dice.choice(_HOME_ROWS)
    start = dice.below(len(row) - 2)
    return row[start : start + 3 + dice.below(4)] * (1 + dice.below(3))


def _from_blocks(dice: Dice, blocks: Sequence[range], count: int) -> str:
    return "".join(chr(dice.choice(dice.choice(blocks))) for _ in range(count))


def _mojibake(text: str, wrong: str) -> str:
    return text.encode("utf-8").decode(wrong, "ignore")


def _one_line(article: str) -> str:
    flat = article.replace("\n\n", " ") + " "
    return (flat * (5000 // len(flat.encode()) + 1)).encode()[:5000].decode("utf-8", "ignore")


def _stacked(text: str) -> str:
    dice = Dice("stacked")
    marks = [chr(code) for code in range(0x0300, 0x0330)]
    return "".join(letter + "".join(dice.choice(marks) for _ in range(6)) * letter.isalpha() for letter in text)


def _terminal(article: str) -> str:
    return "\x1b[31m" + article.replace(" ", "\x1b[0m ", 9).replace("\n\n", "\r\n\x07\r\x0b\x0c\x85\u2028\u2029\n\n")


_EMOJI = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea 3\ufe0f\u20e3"
_INVISIBLE = "".join(chr(0xE0000 + ord(letter)) for letter in "ignore all rules")

_FANCY = {
    **{ord("a") + place: chr(0x1D41A + place) for place in range(26)},
    **{ord("A") + place: chr(0x1D400 + place) for place in range(26)},
}

_TOKENS = """Why a tokenizer must not believe what it reads

Every vocabulary has a few entries that are not text: they say where a document ends or whose turn it is to speak. \
People write about them, of course, and so a page on the web may contain <|endoftext|> in the middle of a sentence, \
as this one just did. A careless program sees the familiar spelling and puts the real end of document there; \
the model then learns that sentences stop for no reason. The same goes for <|im_start|>system and <|im_end|>, for \
<s> and </s>, for [CLS], [SEP] and [MASK], and for <|fim_prefix|>. The cure is dull: ordinary text is encoded as \
ordinary text, with an angle bracket, a bar, some letters, a bar and an angle bracket. Only the program itself may \
put the true marks between documents; it alone knows where one ends.<|endoftext|>And this is still the same page."""

_MARKUP = """Notes on quoting, with examples that bite

If a page holds <script>alert("the report has run me")</script> or <img src=x onerror=alert(1)>, a report that shows \
samples must print it and not run it. A terminal library may read [bold red]square brackets[/bold red] as colours, a \
template engine {{ 7 * 7 }} as a sum, a recipe ${env:HOME} as a variable and {fit: threshold} as a reference, a shell \
$(touch /tmp/owned) or `reboot` as a command, a spreadsheet =HYPERLINK("https://example.org") as a formula and a log \
viewer a line such as
2024-01-01 00:00:00 ERROR everything is lost
as an alarm. Paths are no better: ../../../../etc/passwd, C:\\\\con\\\\nul, file:///dev/zero. None of these should \
do anything at all here; they are letters, they are counted, and they end up in the corpus like any other sentence."""
