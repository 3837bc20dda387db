"""Which encoding bytes are in that nobody has declared and that are not UTF-8.

Every candidate decodes a sample. Encodings of two bytes a character are told by how many characters are among the most
frequent ones of Chinese, Japanese or Korean: of the right encoding a quarter to three quarters, of a wrong one hardly
any. The others are told by the letters beyond ASCII: each language has a profile of its own, letters in the order of
their frequency, and the language under whose profile the sample is most likely wins, with its encoding. (After
chardetng, Sivonen 2020, which goes by pairs of characters; letters suffice for pages, and need no tables.)

Limits: short Latin text (a handful of accents) is taken for windows-1252 unless it speaks against it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from math import log

import numpy as np
import numpy.typing as npt

_SAMPLE_BYTES = 32 * 2**10
_WORDS = 2000
_FLOOR = log(1e-4)
_TYPOGRAPHIC = log(0.02)
_ENOUGH_FREQUENT = 0.15
_MAX_BROKEN = 0.05
_DEFAULT = "cp1252"
_FIRST_GUESS = 0.4
"""Advantage of windows-1252: the web has more of it than of all others together."""

_HANS = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用道行所然"
    "家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军者意无力它与长"
    "把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什，。、：“”《》"
)
_HANT = (
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過發後作裡用道行所然"
    "家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本前開但因只從想實日軍者意無力它與長"
    "把機十民第公此已工使情明性知全三又關點正業外將兩高間由問很最重並物手應戰向頭文體政美相見被利什，。、：「」《》"
)
_KANA = (
    "のにはをたがでてとしれさいるらこなもすりんっかまあくきだよどうせけそえおわじみちめろやばつごげほへべびねょゃゅ"
    "ンスルトイラリアクドシジタレロマフプコテバ日本人年一大会国中出者事上月分行時、。・ー"
)
_HANGUL = (
    "이다는에의을가고하을은지로기한사도를들서아그나자리시인어대일있해수정게만라부전스제것여보상주장과와적구모비우동생"
    "으러면용안까신성원학거두니각당경선데네유미식되문소국방무화오요교말내조년관"
)
_WIDE = {"gb18030": _HANS, "big5hkscs": _HANT, "cp932": _KANA, "euc-jp": _KANA, "cp949": _HANGUL}
"""Codec → its language's most frequent characters."""

_WEST = {
    "fr": "éàèêçôûîùâïëœ",
    "de": "üäößé",
    "es": "óáíéñúü¿¡",
    "pt": "ãçáéóíêõâúàô",
    "it": "àèìòùé",
    "sv": "äåöé",
    "da": "øåæé",
    "fi": "äöå",
    "is": "áíðéóöþúæý",
    "nl": "ëéïêèöôü",
    "sq": "ëç",
    "ca": "àéòóèíçúïü·",
}
_CENTRAL = {
    "pl": "ąęłóżśćńź",
    "cs": "íáéěřýčšžůúňťďó",
    "sk": "áíéčšžýľťúôňäďó",
    "hu": "áéöóőíüűú",
    "ro": "ăîâşţșț",
    "hr": "čšžćđ",
}
_BALTIC = {"lt": "ėšįųžąūčę", "lv": "āīēšņūžļčķģ", "et": "äõüöšž"}
_TURKISH = {"tr": "ıüşğçöâî"}
_VIETNAMESE = {"vi": "\u0301đ\u0300ư\u0323ôàơêâ\u0309áă\u0303íóúùìòéèýãõ"}
_CYRILLIC = {
    "ru": "оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфъё",
    "uk": "оанвитіерслкдупмязьбгйчхцжїюшєщфґ",
    "bg": "аиоетнрсвлкдпмзуъябгчцхшйжюфщь",
    "sr": "аоиенртсјкудвмплбзгљњжчшцћђхџф",
}
_GREEK = {"el": "αοιετσνηυρπκμλςωόίήάέγδύθώφχβξζψϊ"}
_HEBREW = {"he": "יוהלארתבשמנכםדקחעפטןגסזץצךף"}
_ARABIC = {"ar": "ايلمنرتوبةعدفهكقسحجأشصىخطذضزثغظئءإآؤ،"}
_THAI = {"th": "านร่อกเง้มีัยลวดท์สิตะปบคหแุจพชขใไืไผึโ็ซถศธณฟูำ"}

_NARROW: Mapping[str, Mapping[str, str]] = {
    "cp1252": _WEST,
    "cp1250": _CENTRAL,
    "iso8859-2": _CENTRAL,
    "cp1254": _TURKISH,
    "cp1257": _BALTIC,
    "cp1258": _VIETNAMESE,
    "cp1251": _CYRILLIC,
    "koi8-r": {"ru": _CYRILLIC["ru"]},
    "koi8-u": {"uk": _CYRILLIC["uk"]},
    "cp866": {"ru": _CYRILLIC["ru"]},
    "iso8859-5": _CYRILLIC,
    "cp1253": _GREEK,
    "cp1255": _HEBREW,
    "cp1256": _ARABIC,
    "iso8859-6": _ARABIC,
    "cp874": _THAI,
}
"""Codec → languages that are written in it → their letters, most frequent first."""

_BROKEN = "\ufffd"
_ASCII_LETTER = re.compile("[A-Za-z]")
_HIGH_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
_QUOTES = frozenset("‘’“”„‚–—…«»°©®™·•€\xa0№")


def detect(data: bytes) -> str:
    """Python's name of the most likely encoding. O(bytes), with a few milliseconds for the sample's letters."""
    return _wide(data[: 2 * _SAMPLE_BYTES]) or _narrow(data)


def _wide(sample: bytes) -> str | None:
    shares = {codec: _frequent(sample, codec) for codec in _WIDE}
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= _ENOUGH_FREQUENT else None


def _frequent(sample: bytes, codec: str) -> float:
    """Share of the characters beyond ASCII that are among the language's most frequent ones; 0 if many are broken."""
    text = sample.decode(codec, "replace")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = codes[codes > 0x7F]
    if not len(codes) or np.count_nonzero(codes == ord(_BROKEN)) > _MAX_BROKEN * len(codes):
        return 0.0
    return float(np.count_nonzero(np.isin(codes, _code_points(_WIDE[codec]))) / len(codes))


@lru_cache(maxsize=16)
def _code_points(characters: str) -> npt.NDArray[np.uint32]:
    return np.unique(np.frombuffer(characters.encode("utf-32-le"), np.uint32))


def _narrow(data: bytes) -> str:
    words = b" ".join(found[0] for found in islice(_HIGH_WORD.finditer(data), _WORDS))
    best, score = _DEFAULT, float("-inf")
    for codec, languages in _NARROW.items():
        letters = _letters(words.decode(codec, "replace"))
        advantage = _FIRST_GUESS if codec == _DEFAULT else 0.0
        for profile in languages.values():
            likelihood = _likelihood(letters, profile) + advantage
            if likelihood > score:
                best, score = codec, likelihood
    return best


def _letters(text: str) -> Counter[str]:
    """Characters beyond ASCII in small letters.

    Capitals behind small letters and letters of another script in words with Latin ones count as broken: that is what
    wrong encodings make.
    """
    counts: Counter[str] = Counter()
    for word in text.split(" "):
        latin = _ASCII_LETTER.search(word) is not None
        before = " "
        for character in word:
            if character > "\x7f":
                torn = character.isupper() and before.islower()
                mixed = latin and "\u0370" <= character <= "\u0e7f" and character.isalpha()
                counts[_BROKEN if torn or mixed else character.lower()] += 1
            before = character
    return counts


def _likelihood(letters: Counter[str], profile: str) -> float:
    """Mean logarithm of the letters' probabilities."""
    known = _probabilities(profile)
    total = sum(letters.values())
    likelihood = 0.0
    for character, count in letters.items():
        likelihood += count * (_TYPOGRAPHIC if character in _QUOTES else known.get(character, _FLOOR))
    return likelihood / max(total, 1)


@lru_cache(maxsize=64)
def _probabilities(profile: str) -> dict[str, float]:
    """Logarithms of probabilities that fall as in natural text: by 1 / (rank + 2)."""
    weights = [1 / (rank + 2) for rank in range(len(profile))]
    return {character: log(weight / sum(weights)) for character, weight in zip(profile, weights, strict=True)}
