"""Names that the HTML kernels know: elements, attributes, and what each of them is for.

Elements and attributes are numbers in the kernels (``html_tables`` finds the number of a name). An element that is not
known gets one of 64 further numbers by the hash of its name, so that its start and end tags still find each other
(two unknown names may share a number; then ``</x>`` may close ``<y>``, which only broken pages notice).

Which elements are blocks, void, raw text, or close an open paragraph: HTML Living Standard, sections 13.1.2, 13.2.6
and 15.3.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

_TAGS = """
? html head body title meta link base script style noscript template
article section main nav aside header footer div p h1 h2 h3 h4 h5 h6
blockquote pre ul ol li dl dt dd figure figcaption table caption thead tbody tfoot tr td th col
form fieldset legend button input select option textarea label details summary dialog address hr br
a b i em strong span font code img time small sub sup cite q s del tt
iframe object svg math video audio canvas picture map center xmp noframes noembed embed
annotation semantics mrow mi mn mo mtext mfrac msqrt mroot msup msub msubsup munder mover munderover
mtable mtr mtd mstyle mspace mfenced annotation-xml mjx-container mjx-assistive-mml
menu dir listing center hgroup optgroup source param track area wbr frame keygen datalist marquee applet
foreignobject desc plaintext colgroup search rt rp frameset mpadded mphantom menclose none mprescripts
"""
TAGS = tuple(_TAGS.split())
"""Element names by number; names longer than 16 bytes are cut there. Number 0 stands for none of them."""

_BY_NAME = {name: number for number, name in reversed(list(enumerate(TAGS)))}

(HTML, HEAD, BODY, TITLE, META, LINK, BASE, SCRIPT, STYLE, NOSCRIPT, TEMPLATE) = range(1, 12)
(ARTICLE, SECTION, MAIN, NAV, ASIDE, HEADER, FOOTER, DIV, P, H1, H2, H3, H4, H5, H6) = range(12, 27)
(BLOCKQUOTE, PRE, UL, OL, LI, DL, DT, DD, FIGURE, FIGCAPTION, TABLE, CAPTION) = range(27, 39)
(THEAD, TBODY, TFOOT, TR, TD, TH, COL, FORM, FIELDSET, LEGEND, BUTTON, INPUT, SELECT, OPTION) = range(39, 53)
(TEXTAREA, LABEL, DETAILS, SUMMARY, DIALOG, ADDRESS, HR, BR) = range(53, 61)
(A, B, ITALIC, EM, STRONG, SPAN, FONT, CODE, IMG, TIME, SMALL, SUB, SUP, CITE, Q, S, DEL, TT) = range(61, 79)
(IFRAME, OBJECT, SVG, MATH, VIDEO, AUDIO, CANVAS, PICTURE, MAP, CENTER, XMP, NOFRAMES, NOEMBED, EMBED) = range(79, 93)
(ANNOTATION, SEMANTICS, MROW, MI, MN, MO, MTEXT, MFRAC, MSQRT, MROOT, MSUP, MSUB, MSUBSUP) = range(93, 106)
(MUNDER, MOVER, MUNDEROVER, MTABLE, MTR, MTD, MSTYLE, MSPACE, MFENCED, ANNOTATION_XML) = range(106, 116)
(MJX_CONTAINER, MJX_ASSISTIVE) = range(116, 118)

FOREIGNOBJECT = TAGS.index("foreignobject")

UNKNOWN_BUCKETS = 64
TAG_NUMBERS = len(TAGS) + UNKNOWN_BUCKETS

_ATTRIBUTES = """
? class id style hidden aria-hidden role itemprop alt alttext type encoding display data-tex data-latex
name property content lang xml:lang datetime href src mode start http-equiv
open close
"""
ATTRIBUTES = tuple(_ATTRIBUTES.split())
"""Attribute names by number; number 0 stands for none of them."""
(CLASS, ID, STYLE_ATTRIBUTE, HIDDEN, ARIA_HIDDEN, ROLE, ITEMPROP, ALT, ALTTEXT, TYPE, ENCODING, DISPLAY) = range(1, 13)
(DATA_TEX, DATA_LATEX, NAME, PROPERTY, CONTENT, LANG, XML_LANG, DATETIME, HREF, SRC, MODE, START) = range(13, 25)
(HTTP_EQUIV, OPENER, CLOSER) = range(25, 28)

BLOCK, VOID, RAW, CLOSES_P, NEVER, SCOPE, IN_HEAD, MATHML, HEADING, LIST_ITEM, CELL, SECTIONING, TABLE_PART = (
    1 << bit for bit in range(13)
)
"""What an element is. BLOCK: text before and behind it does not run together. VOID: has no content. RAW: its
content is not markup. CLOSES_P: its start ends an open paragraph. NEVER: what is in it is never text of the page.
SCOPE: end tags do not reach through it. IN_HEAD: does not end the head."""

_KINDS: dict[int, str] = {
    BLOCK: """html body article section main nav aside header footer div p h1 h2 h3 h4 h5 h6 blockquote pre ul ol li dl
        dt dd figure figcaption table caption thead tbody tfoot tr td th form fieldset legend details summary dialog
        address hr center xmp listing menu dir hgroup optgroup option iframe video audio canvas search frameset marquee
        colgroup plaintext""",
    VOID: "meta link base col input hr br img embed source param track area wbr frame keygen",
    RAW: "script style title textarea iframe noembed noframes noscript",
    CLOSES_P: """article section main nav aside header footer div p h1 h2 h3 h4 h5 h6 blockquote pre ul ol li dl dt dd
        figure figcaption table form fieldset details summary dialog address hr center xmp listing menu dir hgroup
        search plaintext""",
    NEVER: """head title script style noscript template iframe svg select option optgroup datalist textarea button
        object applet audio video canvas map noembed noframes rt rp datalist""",
    SCOPE: "table td th caption",
    IN_HEAD: "head title meta link base script style noscript template html",
    MATHML: """semantics annotation annotation-xml mrow mi mn mo mtext mfrac msqrt mroot msup msub msubsup munder mover
        munderover mtable mtr mtd mstyle mspace mfenced mpadded mphantom menclose none mprescripts""",
    HEADING: "h1 h2 h3 h4 h5 h6",
    LIST_ITEM: "li dt dd",
    CELL: "td th",
    TABLE_PART: "tr thead tbody tfoot caption",
    SECTIONING: "article section main nav aside header footer",
}


META_FIELDS: dict[str, str] = {
    "og_title": "og:title twitter:title dc.title parsely-title",
    "language": "content-language",
    "locale": "og:locale",
    "published": """article:published_time og:article:published_time article:published datepublished publishdate pubdate
        publish-date publish_date publication_date parsely-pub-date sailthru.date dc.date.issued dc.date.created
        dcterms.created dcterms.issued citation_publication_date citation_date cxenseparse:recs:publishtime
        rnews:datepublished date.issued published_time""",
    "date": "date dc.date dcterms.date dc.date.publication created date.created",
    "author": """author parsely-author dc.creator dcterms.creator sailthru.author article:author byl citation_author
        dc.author article.author cxenseparse:author""",
    "site": "og:site_name application-name",
}
"""Names and properties of ``<meta>`` that say what a page is."""


@cache
def tag_kinds() -> npt.NDArray[np.int32]:
    """int32[TAG_NUMBERS]: what each element is, as bits; unknown elements are inline."""
    kinds = np.zeros(TAG_NUMBERS, np.int32)
    for kind, names in _KINDS.items():
        for name in names.split():
            kinds[_BY_NAME[name]] |= kind
    return kinds
