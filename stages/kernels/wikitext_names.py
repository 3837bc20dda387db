"""Names that mean something in wikitext, as one sorted table of hashes that the kernel can look up.

Tags, inline templates, prefixes of links, headings of sections that are no prose, character references. Names of files
and categories are those of the larger Wikipedias (MediaWiki's language files), codes of languages those that have a
Wikipedia; character references are HTML's. All are kept small on purpose: a template that is not known is removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from html.entities import html5
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TAG, TEMPLATE, PREFIX, SECTION, ENTITY = 1, 2, 3, 4, 5
"""Kinds of names; the first byte that goes into a hash."""

INLINE, BREAK, BLOCK, REFERENCE, DROPPED, VERBATIM, FORMULA = 1, 2, 3, 4, 5, 6, 7
"""What is done with a tag: it goes and its content stays; a line break; the same, where a line has begun; it goes with
its content (references, other things that are no prose); its content is kept as it is; its content is LaTeX."""

CONSTANT = 1 << 16
"""Flag of a template that stands for a fixed text. Else bits 0–3: its first argument that is text, 4–7: its last one,
8–15: what stands between them."""

_INLINE_TAGS = (
    "abbr b bdi bdo big cite code data del dfn em font i includeonly ins kbd langconvert mark noinclude nobr "
    "onlyinclude poem q rb rp rt rtc ruby s samp section small span strike strong sub sup time translate tt "
    "tvar u var wbr"
)
_BLOCK_TAGS = "blockquote caption center dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p table tbody td th thead tr ul"
_DROPPED_TAGS = (
    "categorytree ce-graph chart gallery graph hiero imagemap indicator inputbox mapframe maplink score "
    "templatedata templatestyles timeline"
)

TAGS: Mapping[str, int] = {
    **dict.fromkeys(_INLINE_TAGS.split(), INLINE),
    **dict.fromkeys(_BLOCK_TAGS.split(), BLOCK),
    "br": BREAK,
    "ref": REFERENCE,
    "references": REFERENCE,
    **dict.fromkeys(_DROPPED_TAGS.split(), DROPPED),
    **dict.fromkeys(("nowiki", "pre", "source", "syntaxhighlight"), VERBATIM),
    **dict.fromkeys(("math", "chem", "ce"), FORMULA),
}
"""Names of tags, in small letters. Other ``<words>`` are text."""

OPAQUE_TAGS = ("ref", "references", *_DROPPED_TAGS.split(), *(n for n, do in TAGS.items() if do in (VERBATIM, FORMULA)))
"""Tags between which nothing is wikitext; their place is the bit that the kernel keeps of each."""

_FIRST_ARGUMENT = (
    "abbr angbr big blockquote bold circa code cquote em gr hebrew iast ill italic italics kbd keypress le lj "
    "math mvar nihongo nobold nobr noitalic nowiki nowrap poem poemquote pre quote ruby samp sic small "
    "smallcaps sc strong sub sup tooltip tt unicode val var vr xt"
)
_FIRST_OF_TWO_WORDS = ("angle bracket", "block quote", "interlanguage link", "no wrap", "quote box", "small caps")

TEMPLATES: Mapping[str, tuple[int, int, str]] = {
    **{name: (1, 1, " ") for name in (*_FIRST_ARGUMENT.split(), *_FIRST_OF_TWO_WORDS)},
    **{name: (2, 2, " ") for name in ("lang", "langx", "transl", "transliteration", "script", "wikt-lang")},
    **{name: (2, 2, " ") for name in ("color", "fontcolor", "legend")},
    **{name: (1, 2, " ") for name in ("convert", "cvt")},
    **{name: (1, 2, "/") for name in ("frac", "sfrac")},
    "tsl": (3, 3, " "),
}
"""Template → (first argument that is text, last one, what stands between them). Of ``lang-xx`` it is the first."""

CONSTANTS: Mapping[str, str] = {
    "!": "|",
    "=": "=",
    "'": "'",
    "'s": "'s",
    "-": "\n",
    "clear": "\n",
    "snd": " – ",
    "spnd": " – ",
    "spaced ndash": " – ",
    "ndash": "–",
    "mdash": "—",
    "nbsp": " ",
    "space": " ",
    "sp": " ",
    "dot": " · ",
    "·": " · ",
    "•": " • ",
    "pi": "π",
    "tau": "τ",
    "minus": "−",
    "times": "×",
    "degree": "°",
    "nnbsp": " ",
    "thinsp": " ",
}
"""Templates that stand for a fixed text."""

_FILES = (
    "file image media datei bild fichier archivo imagen immagine ficheiro imagem файл изображение "
    "plik grafika bestand afbeelding fil 文件 档案 檔案 图像 圖像 ファイル 画像 파일 그림 ملف صورة پرونده تصویر קובץ "
    "תמונה dosya resim зображення soubor fájl kép tiedosto kuva αρχείο εικόνα berkas gambar "
    "fișier imagine датотека слика datoteka slika súbor fitxer imatge fitxategi চিত্র चित्र ไฟล์ "
    "ภาพ"
)
_CATEGORIES = (
    "category kategorie catégorie categoría categoria категория kategoria categorie kategori 分类 "
    "分類 カテゴリ 분류 تصنيف رده קטגוריה категорія kategória luokka κατηγορία категорија kategorija "
    "বিষয়শ্রেণী श्रेणी หมวดหมู่"
)
_LANGUAGES = (
    "aa ab ace ady af als alt am ami an ang ar arc ary arz as ast atj av avk awa ay az azb ba ban bar bat-smg "
    "bcl be be-tarask be-x-old bg bh bi bjn blk bm bn bo bpy br bs bug bxr ca cbk-zam cdo ceb ch chr chy ckb co "
    "cr crh cs csb cu cv cy da dag de din diq dsb dty dv dz ee el eml en eo es et eu ext fa ff fi fiu-vro fj fo "
    "fr frp frr fur fy ga gag gan gcr gd gl glk gn gom gor got gu guw gv ha hak haw he hi hif hr hsb ht hu hy "
    "hyw ia id ie ig ik ilo inh io is it iu ja jam jbo jv ka kaa kab kbd kbp kcg kg ki kk kl km kn ko koi krc "
    "ks ksh ku kv kw ky la lad lb lbe lez lfn lg li lij lld lmo ln lo lt ltg lv mad mai map-bms mdf mg mhr mi "
    "min mk ml mn mni mnw mr mrj ms mt mwl my myv mzn na nah nap nds nds-nl ne new nia nl nn no nov nqo nrm nso "
    "nv ny oc olo om or os pa pag pam pap pcd pcm pdc pfl pi pih pl pms pnb pnt ps pt pwn qu rm rmy rn ro roa- "
    "rup roa-tara ru rue rw sa sah sat sc scn sco sd se sg sh shi shn si simple sk skr sl sm smn sn so sq sr "
    "srn ss st stq su sv sw szl szy ta tay tcy te tet tg th ti tk tl tn to tpi tr trv ts tt tum tw ty tyv udm "
    "ug uk ur uz ve vec vep vi vls vo wa war wo wuu xal xh xmf yi yo za zea zh zh-classical zh-min-nan zh-yue "
    "zu"
)
PREFIXES: tuple[str, ...] = (*_FILES.split(), "tập tin", "hình", "thể loại", *_CATEGORIES.split(), *_LANGUAGES.split())
"""What stands before the colon of links that are no text: files, categories, other languages' articles."""

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "en": ("References", "External links", "See also", "Further reading", "Notes", "Notes and references", "Footnotes",
           "Citations", "Sources", "Bibliography", "Works cited", "References and notes", "Explanatory notes"),
    "de": ("Einzelnachweise", "Weblinks", "Literatur", "Siehe auch", "Quellen", "Anmerkungen", "Fußnoten"),
    "fr": ("Notes et références", "Références", "Liens externes", "Voir aussi", "Annexes", "Articles connexes",
           "Bibliographie"),
    "es": ("Referencias", "Enlaces externos", "Véase también", "Bibliografía", "Notas"),
    "it": ("Note", "Collegamenti esterni", "Voci correlate", "Bibliografia", "Altri progetti"),
    "pt": ("Referências", "Ligações externas", "Ver também", "Bibliografia", "Notas"),
    "ru": ("Примечания", "Ссылки", "Литература", "См. также", "Источники"),
    "uk": ("Примітки", "Посилання", "Література", "Див. також", "Джерела"),
    "pl": ("Przypisy", "Linki zewnętrzne", "Zobacz też", "Uwagi"),
    "nl": ("Referenties", "Externe links", "Externe link", "Zie ook", "Bronnen", "Bronnen, noten en/of referenties"),
    "sv": ("Referenser", "Externa länkar", "Se även", "Noter", "Källor"),
    "zh": ("参考文献", "參考文獻", "参考资料", "參考資料", "外部链接", "外部連結", "参见", "參見", "相关条目",
           "相關條目", "注释", "註釋", "脚注", "腳註", "延伸阅读", "延伸閱讀", "参考", "參考"),
    "ja": ("脚注", "外部リンク", "関連項目", "参考文献", "出典", "注釈"),
    "ko": ("각주", "외부 링크", "같이 보기", "참고 문헌", "참고"),
    "vi": ("Tham khảo", "Liên kết ngoài", "Xem thêm", "Chú thích"),
    "ar": ("مراجع", "المراجع", "وصلات خارجية", "انظر أيضا", "انظر أيضًا"),
    "fa": ("منابع", "پیوند به بیرون", "جستارهای وابسته"),
    "he": ("הערות שוליים", "קישורים חיצוניים", "ראו גם", "לקריאה נוספת"),
    "tr": ("Kaynakça", "Dış bağlantılar", "Ayrıca bakınız"),
    "cs": ("Reference", "Externí odkazy", "Související články"),
    "id": ("Referensi", "Pranala luar", "Lihat pula"),
}  # fmt: skip
"""Language → headings of sections that are lists of sources, links and articles and not prose."""

DEFAULT_SECTIONS: tuple[str, ...] = tuple(dict.fromkeys(name for names in SECTIONS.values() for name in names))


class Names(NamedTuple):
    """``hashes``: uint64, ascending; ``values``: int32, what each means; both read-only.

    Text i is ``strings[starts[i]:starts[i + 1]]``.
    """

    hashes: npt.NDArray[np.uint64]
    values: npt.NDArray[np.int32]
    strings: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]


def folded(name: bytes) -> bytes:
    """ASCII capitals as small letters, underscores as spaces: how names are compared, but for character references."""
    return name.lower().replace(b"_", b" ")


def name_hash(kind: int, name: bytes) -> int:
    """FNV-1a of 64 bits (Fowler, Noll, Vo) over the kind's byte and the name's."""
    value = 0xCBF29CE484222325
    for byte in (kind, *name):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


@lru_cache(maxsize=8)
def names(sections: tuple[str, ...], prefixes: tuple[str, ...]) -> Names:
    """The table, with these headings cut and links of these prefixes left out besides the known ones."""
    texts: list[bytes] = []
    found = dict(_entries(sections, prefixes, texts))
    hashes = np.array(sorted(found), np.uint64)
    values = np.array([found[key] for key in sorted(found)], np.int32)
    starts = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    table = Names(hashes, values, np.frombuffer(b"".join(texts), np.uint8), starts)
    for array in table:
        array.flags.writeable = False
    return table


def _entries(sections: Sequence[str], prefixes: Sequence[str], texts: list[bytes]) -> Iterator[tuple[int, int]]:
    for name, what in TAGS.items():
        bit = OPAQUE_TAGS.index(name) if name in OPAQUE_TAGS else 0
        yield name_hash(TAG, name.encode()), what | bit << 8
    for name, (first, last, between) in TEMPLATES.items():
        yield name_hash(TEMPLATE, folded(name.encode())), first | last << 4 | ord(between) << 8
    for name, text in CONSTANTS.items():
        yield name_hash(TEMPLATE, folded(name.encode())), CONSTANT | len(texts)
        texts.append(text.encode())
    for kind, listed in ((PREFIX, (*PREFIXES, *prefixes)), (SECTION, sections)):
        for name in listed:
            yield name_hash(kind, folded(name.encode())), 1
    for name, text in html5.items():
        if name.endswith(";"):
            yield name_hash(ENTITY, name[:-1].encode()), len(texts)
            texts.append(b" " if name == "nbsp;" else text.encode())
