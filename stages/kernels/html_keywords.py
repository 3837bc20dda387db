"""What class, id, role and itemprop say about an element, as bits, and the automaton that finds words.

Authors name parts of a page for their style sheets, much the same way in most languages, because themes and
content management systems carry English names around the world. The words below were collected by reading
class names; German, French, Italian, Spanish and Portuguese ones are there where house-made themes use them.

Words are found by an Aho-Corasick automaton (Aho and Corasick 1975) over 64 symbols: letters without case, one for
whatever separates words (``-``, ``_``, spaces, a step from ``a`` to ``A``), and in running text digits and the low five
bits of bytes beyond ASCII. In a pattern, ``-`` is a separator that may be left out and ``|`` is the border of a word; a
digit in the pattern of a name is a separator that has to be there (``MathJax`` is what that script has set, ``mathjax``
may be its source). Names and phrases share one table, with a start state each.
"""

from __future__ import annotations

from collections import deque
from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.kernels.html_phrases import PHRASES

(
    W_NAV, W_FOOTER, W_SIDEBAR, W_SHARE, W_RELATED, W_AD, W_COMMENT, W_META, W_FORM, W_CAPTION, W_HIDDEN, W_PAGER,
    W_WIDGET, W_TOOLS, W_BODY, W_CONTENT, W_TITLE, W_INTRO, W_GUTTER, W_MATH, W_RENDERED_MATH, W_DISPLAY, W_AUTHOR,
    W_TAGS, W_TEASER, W_COOKIE, W_POST, W_LAYOUT, W_LIST, W_TOC, W_HEADER, W_REFERENCES, W_CODE,
) = (1 << bit for bit in range(33))  # fmt: skip
"""One bit for each group of words."""

WORDS: dict[int, str] = {
    W_NAV: """|nav| |navi| |navbar |navigation navigation| |subnav |topnav |mainnav |sidenav |menu| |menus| menu-item
        mainmenu submenu sub-menu dropdown-menu |breadcrumb |breadcrumbs| brotkrumen |pathway| |skip-link |skiplink
        |skip-to |jump-link |topbar |top-bar |offcanvas |off-canvas |hamburger |sitemap |language-switch |lang-switch
        |mega-menu |megamenu navigator| |tabs-nav |nav-tabs |crumb""",
    W_FOOTER: """|footer| |foot| |colophon |copyright |impressum |imprint |legal| |disclaimer |bottom-bar
        |site-info |siteinfo |pie-de-pagina |rodape |fusszeile""",
    W_SIDEBAR: """|sidebar |side-bar |sidebar| sidebar| |sidebox |side-column |side-col| |rightcol |right-col
        |right-column |right-rail |rail| |secondary| |aside| |marginal |randspalte |seitenleiste |barra-lateral
        |rightbar |leftbar |left-col| |left-column |tertiary| |complementary|""",
    W_SHARE: """|share |share| |sharing| |sharer| |shariff |sharedaddy |social| |socials| |socialmedia |social-media
        |addthis |addtoany |a2a |a-to-a |facebook |twitter |whatsapp |pinterest |instagram |linkedin |tweet| |follow-us
        |follow| |followus |jp-relatedposts |teilen| |partager |compartir |compartilhar |condividi |bookmark |bookmarks|
        |shares| |sharebar |sharebuttons |like-button |likes| |sd-sharing |wpl-likebox |embed-social""",
    W_RELATED: """|related| |related |recommend |recommended |recommendation |similar |more-articles |more-news
        |more-stories |more-from |more-on |read-more |readmore |read-also |also-read |see-also |most-read |mostread
        |most-viewed |most-popular |popular| |trending |latest| |recent-posts |recentposts |recent-articles |recent-news
        |further-reading |weitere |weiterlesen |aehnliche |verwandte |mehr-zum |mehr-zu| |meistgelesen |beliebt
        |auch-interessant |outbrain |taboola |plista |you-may |you-might |crosslink |cross-link |up-next |upnext
        |next-article |next-post |ver-tambien |lee-tambien |te-puede |relacionad |noticias-relacionadas |correlati
        |a-lire |lire-aussi |voir-aussi |articles-lies |linkbox |link-box |yarpp |zergnet |relatedposts |associated
        |otherarticles |other-articles |other-news |suggested |suggestion |nextprev |prevnext |topstories |top-stories
        |headlines| |newslist |news-list |story-list |article-list""",
    W_AD: """|ad| |ads| |adv| |advert |advertise |advertisement |advertorial |adsense |adslot |ad-slot |adbox
        |adcontainer |banner| |banners| |sponsor |sponsored |sponsors| |anzeige| |anzeigen| |werbung |werbe |publicidad
        |publicite |pubblicita |promo| |promotion| |promobox |affiliate |affiliates| |googlead |google-ad |dfp |gpt-ad
        |commercial| |partnerlink |outstream |marketing| |mpu| |billboard| |leaderboard| |skyscraper|""",
    W_COMMENT: """|comment| |comments| |commentlist |comment-list |commentform |comment-form |commentary| |commenting
        |respond| |disqus |discussion| |kommentar| |kommentare| |kommentare |leserbrief |leserkommentar |comentario
        |comentarios| |commentaire |commentaires| |commenti| |pingback |trackback |fb-comments |user-comments
        |usercomments |reactions| |responses| |replies| |guestbook |livefyre |talk-embed |postcomment |wpdiscuz""",
    W_META: """|meta| |metadata| |metadaten |entry-meta |post-meta |postmeta |postmetadata |article-meta |articlemeta
        |article-info |articleinfo |post-info |postinfo |entry-info |date| |dates| |datum| |dateline| |timestamp |time|
        |published| |publish-date |pubdate |posted-on |postedon |entry-date |post-date |modified| |updated| |lastmod
        |views| |view-count |read-time |reading-time |readtime |lesezeit |source| |quelle| |kicker| |dachzeile|
        |location| |article-header-meta |stand| |fecha| |fecha |data-publicacao |entry-footer |post-footer
        |article-footer |articlefooter |postfoot |entry-utility |post-utility |print-only |printonly |noprint
        |no-print""",
    W_FORM: """|newsletter |newsletters| |subscribe |subscription |subscriber |subscribe-box |signup |sign-up |signin
        |login |logon |register| |registration| |search| |searchbox |searchform |suche| |suchen| |suchfeld |buscador
        |paywall |pay-wall |premium-box |abo| |abonnement |abobox |mailchimp |optin |opt-in |contact-form |contactform
        |wpcf |cart| |basket| |warenkorb |checkout| |wishlist |donate |donation |spenden| |captcha |survey| |poll|
        |quiz| |regwall |lead-form |inscription|""",
    W_CAPTION: """|caption| |captions| |wp-caption |image-caption |figcaption |bildunterschrift |bildtext |bu| |credit|
        |credits| |photo-credit |image-credit |copyright-image |gallery |galerie |galleria |bildergalerie |slideshow
        |slider| |slide| |slides| |slick |swiper |carousel |owl-carousel |lightbox |thumbnail |thumbnails| |thumb|
        |thumbs| |image| |images| |img| |photo| |photos| |picture| |pictures| |bild| |bilder| |media| |mediabox |video|
        |videos| |player| |audio| |podcast| |legend| |featured-image |image-description |bildnachweis |fotograf
        |photographer""",
    W_HIDDEN: """|hidden| |hide| |is-hidden |visually-hidden |visuallyhidden |sr-only |sronly |screen-reader
        |screenreader |invisible| |d-none| |display-none |displaynone |offscreen |off-screen |accessibility
        |accessible-hide |assistive-text |element-invisible |unsichtbar |aural |hideme |nodisplay |no-display
        |show-for-sr |only-print |print-only |printonly |noscript|""",
    W_PAGER: """|pager| |pagination |paginator |paging| |page-nav |pagenav |page-links |pagelinks |page-numbers
        |post-navigation |post-nav |postnav |posts-navigation |nav-links |nav-previous |nav-next |nav-below |nav-above
        |nav-single |seitennavigation |blaettern |prev-next |previous-post |previous| |prev| |next| |paginacion |older
        |newer |pagebrowse""",
    W_WIDGET: """|widget| |widgets| |widget |widgetarea |infobox |info-box |sidebox| |factbox |fact-box |box| |boxes|
        |kasten| |module| |modul| |block| |panel| |card| |cards| |tile| |tiles| |callout |cta| |call-to-action |badge|
        |badges| |ticker| |portlet |accordion |tab-pane |tabs| |tab| |tabset |tooltip |popover |iframe| |embed| |weather
        |wetter| |calendar| |kalender| |rating| |ratings| |star-rating |vote| |voting |stars| |feedback| |hotline|
        |shop| |product| |products| |price|""",
    W_TOOLS: """|toolbar |tools| |tool| |tool-box |toolbox |utility| |utilities| |buttons| |button| |btn| |print|
        |printbutton |drucken |icon| |icons| |controls| |actions| |action| |links| |linklist |link-list |linkliste
        |quicklinks |quick-links |article-tools |articletools |font-size |fontsize |textsize |to-top |totop |back-to-top
        |backtotop |scroll-top |nach-oben |vorlesen |readspeaker |loudspeaker |feed| |rss| |download| |downloads|
        |permalink| |edit-section |editsection |mw-editsection""",
    W_BODY: """|article-body |articlebody |article-text |articletext |article-content |articlecontent |article-main
        |article-copy |article-detail| |article-single |story-body |storybody |story-content |storycontent |story-text
        |story-copy |entry-content |entrycontent |entry-body |entry-text |entrytext |post-content |postcontent
        |post-body |postbody |post-text |posttext |post-entry |postentry |post-area |post-article |blog-content
        |blogcontent |blog-entry |blog-text |blog-post-content |body-text |bodytext |body-content |body-copy |text-body
        |textbody |content-body |contentbody |content-text |contenttext |news-text |newstext |news-content |news-body
        |news-detail |newsdetail |news-item-text |single-content |singlecontent |main-text |maintext |artikel-text
        |artikeltext |artikel-inhalt |artikelinhalt |artikel-body |artikel-content |beitrag-text |beitragstext
        |beitrag-inhalt |texto-noticia |cuerpo |cuerpo-noticia |nota-contenido |contenido-nota |corpo-texto
        |conteudo-texto |corpo-materia |texto-materia |corps-article |texte-article |testo-articolo |rich-text |richtext
        |wysiwyg |field-name-body |field-body |node-body |node-content |td-post-content |the-content |thecontent
        |theme-content |text-content |textcontent |page-content |pagecontent |detail-text |detailtext |csc-textpic-text
        |ce-bodytext |mw-parser-output |mw-content-text |markdown-body |message-body |post-message |postmessage
        |post-msg |message-content |question-body |answer-body |article-paragraph |paragraph| |paragraphs|
        |article-section-content |product-description |description-text |recipe-instructions |recipe-content |post-inner
        |entry-inner |storytext |story-section |long-text |fulltext |full-text |transcript |readable |print-content
        |printcontent |art-postcontent |artikeltxt |txt-article""",
    W_CONTENT: """|content| |contents| |contentarea |content-area |contentmain |content-main |main-content |maincontent
        |main-column |maincol |main-col| |primary| |main| |article| |artikel| |articulo |articolo |noticia| |story|
        |entry| |hentry| |inhalt| |inhalte| |hauptinhalt |contenido |conteudo |contenu |contenuto |text| |txt| |copy|
        |body| |prose| |center-col |center-column |middle| |column-main |region-content |page-body |document| |texte|
        |texto| |testo| |corpo| |corps| |news-article |newsarticle |nachricht| |beitrag| |detail| |details|
        |articledetail |article-page |single-article |reader| |readingarea |readable""",
    W_TITLE: """|title| |headline |headline| |heading |heading| |entry-title |post-title |posttitle |article-title
        |page-title |pagetitle |titel| |titre| |titulo| |titolo| |ueberschrift |hed| |h-one| |h-two| |subtitle |subhead
        |subheadline |subline""",
    W_INTRO: """|intro| |introduction| |lead| |leadtext |lede| |standfirst |summary| |abstract| |excerpt| |dek| |deck|
        |vorspann |einleitung |anleser |anreisser |chapo |chapeau |entradilla |bajada| |sumario |sommario |occhiello
        |description| |article-intro |article-lead |article-description |synopsis|""",
    W_GUTTER: """|gutter| |linenos| |lineno| |linenodiv| |line-numbers| |line-number| |linenumber| |linenumbers|
        |blob-num |rouge-gutter |code-line-number |hljs-ln-numbers |copy-code |copybutton |copy-btn |clipboard
        |copy-button |code-toolbar-item""",
    W_MATH: """|latex| |tex| |math| |mwe-math |mathtex |mimetex |equation| |formula| |ztext-math |katex| |katex-mathml|
        |texhtml| |rendered-math| |wp-katex |mathml| |tex-image |latex-image |math-img |teximage |latexmath |mathimg
        |eqn| |quicklatex""",
    W_RENDERED_MATH: """|katex-html| |math0jax| |math-jax-preview| |math-jax-display| |math-jax-svg| |math-jax-chtml|
        |mjx-chtml| |mjx-math| |math-jax-svg-display |math-jax-processed |mjx-container-rendered |math-jax-error""",
    W_DISPLAY: """|katex-display| |math-jax-display| |math-display| |display-math |displaymath |equation| |math-block|
        |mwe-math-element-block |mwe-math-fallback-image-display| |mwe-math-mathml-display| |block-math |display|""",
    W_AUTHOR: """|author| |authors| |autor| |autoren| |autore| |auteur| |byline |by-line |vcard |about-the-author
        |author-box |authorbox |author-bio |author-info |writer| |redakteur |reporter| |bio| |biography| |contributor
        |profile| |avatar |gravatar |user-info |userinfo |firma| |verfasser |autoreninfo |ueber-den-autor |post-author
        |entry-author""",
    W_TAGS: """|tag| |tags| |tagcloud |tag-cloud |tag-list |taglist |tagged| |post-tags |entry-tags |keywords| |keyword|
        |category| |categories| |cat-links |kategorie |kategorien| |schlagwort |schlagworte |schlagwoerter |topics|
        |topic-list |topic-tags |rubrik| |etiquetas |categorias |labels| |label| |hashtags| |themen| |thema|""",
    W_TEASER: """|teaser |teaser| |teasers| |teaserlist |teaser-list |preview| |vorschau |newsteaser |article-teaser
        |article-preview |article-card |post-card |news-card |story-card |storycard |list-item| |listitem| |article-item
        |post-item |news-item| |grid-item |blog-list |post-list |postlist |archive-list |article-tile""",
    W_COOKIE: """|cookie |cookies| |consent |gdpr |dsgvo |datenschutz |privacy |cmp| |usercentrics |onetrust |cookiebot
        |borlabs |didomi |popup |pop-up |modal |overlay |dialog| |interstitial |notification |notice| |alert| |alerts|
        |toast| |hinweis| |adblock |anti-adblock |warning| |browser-warning |outdated |noscript""",
    W_POST: """|post| |posts| |type-post| |blog-post |blogpost |hentry| |message| |forum-post |thread| |topic|
    |question| |answer| |reply|""",
    W_LAYOUT: """|has-sidebar |no-sidebar |with-sidebar |sidebar-right |sidebar-left |right-sidebar| |left-sidebar|
        |sidebar-none |sidebar-no |container| |wrapper| |wrap| |page| |site| |root| |layout| |row| |outer| |inner|""",
    W_LIST: """|list| |liste| |lista| |items| |entries| |archive| |results| |grid| |feed| |stream| |overview|
        |uebersicht| |index|""",
    W_TOC: "|toc| |table-of-contents |inhaltsverzeichnis |tableofcontents |contents-list |ez-toc |sommaire| |indice|",
    W_HEADER: """|header| |masthead |site-header |siteheader |page-header |kopf| |kopfzeile |head| |top| |hero| |logo|
        |branding| |entry-header |article-header |post-header |cabecera |cabecalho |entete""",
    W_REFERENCES: """|references| |reflist |footnotes| |footnote| |fussnoten |fussnote |endnotes| |literatur|
        |literaturverzeichnis |bibliography| |bibliografie |citation| |citations| |sources| |quellen|
        |quellenangaben""",
    W_CODE: """|code| |highlight| |hljs| |codehilite |syntaxhighlighter |prettyprint |sourcecode |source-code |crayon
        |language| |codeblock""",
}  # fmt: skip
"""The words of each group."""

SEPARATOR, DIGIT, BEGINNING, HIGH = 0, 28, 31, 32
SYMBOLS = 64
NAMES, TEXT = range(2)
"""The two automata: of class names and of running text."""


class Automaton(NamedTuple):
    """``step``: int16[states, 64], next state. ``found``: int64[states], bits of all words that end there.

    ``symbol``: uint8[2, 256], the symbol of a byte in names and in text. ``start``: int64[2], first states.
    """

    step: npt.NDArray[np.int16]
    found: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.uint8]
    start: npt.NDArray[np.int64]


def _symbols() -> npt.NDArray[np.uint8]:
    symbols = np.full((2, 256), SEPARATOR, np.uint8)
    for letter in range(26):
        symbols[:, 97 + letter] = symbols[:, 65 + letter] = letter + 1
    symbols[TEXT, 48:58] = DIGIT
    symbols[TEXT, 64] = 29
    symbols[TEXT, 128:] = HIGH + (np.arange(128, 256) & 31)
    return symbols


def _spellings(pattern: str, symbols: npt.NDArray[np.uint8]) -> list[tuple[int, ...]]:
    fixed: dict[str, list[tuple[int, ...]]] = {
        "|": [(SEPARATOR,)],
        "-": [(), (SEPARATOR,)],
        "^": [(BEGINNING, SEPARATOR)],
        "#": [(DIGIT,)],
    }
    choices = [
        fixed.get(character) or [tuple(int(symbols[byte]) for byte in character.encode())] for character in pattern
    ]
    return [tuple(symbol for part in spelling for symbol in part) for spelling in product(*choices)]


def _insert(words: dict[int, str], symbols: npt.NDArray[np.uint8]) -> tuple[list[dict[int, int]], list[int]]:
    children: list[dict[int, int]] = [{}]
    found = [0]
    for bits, patterns in words.items():
        for spelling in (spelling for pattern in patterns.split() for spelling in _spellings(pattern, symbols)):
            state = 0
            for symbol in spelling:
                if symbol not in children[state]:
                    children[state][symbol] = len(children)
                    children.append({})
                    found.append(0)
                state = children[state][symbol]
            found[state] |= bits
    return children, found


def _resolve(children: list[dict[int, int]], found: list[int]) -> npt.NDArray[np.int16]:
    """Transitions of all states, failure links resolved; adds the words that end in a suffix to ``found``."""
    step = np.zeros((len(children), SYMBOLS), np.int16)
    failure = [0] * len(children)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        for symbol in range(SYMBOLS):
            child = children[state].get(symbol)
            behind = int(step[failure[state], symbol]) if state else 0
            step[state, symbol] = behind if child is None else child
            if child is not None:
                failure[child] = behind
                found[child] |= found[behind]
                queue.append(child)
    return step


def build_automaton(names: dict[int, str], phrases: dict[int, str]) -> Automaton:
    """The automata of both in one table. A name starts behind a separator, a phrase at the beginning of a block."""
    symbols = _symbols()
    steps, founds, starts, first = [], [], [], 0
    for kind, words in ((NAMES, names), (TEXT, phrases)):
        children, found = _insert(words, symbols[kind])
        step = _resolve(children, found)
        state = step[0, SEPARATOR] if kind == NAMES else step[step[0, BEGINNING], SEPARATOR]
        starts.append(first + int(state))
        steps.append((step + first).astype(np.int16))
        founds.append(np.array(found, np.int64))
        first += len(step)
    return Automaton(np.concatenate(steps), np.concatenate(founds), symbols, np.array(starts, np.int64))


@cache
def automaton() -> Automaton:
    """Of :data:`WORDS` and ``html_phrases.PHRASES``."""
    return build_automaton(WORDS, PHRASES)


V_BOILERPLATE, V_MAIN, V_BODY, V_ARTICLE, V_COMMENT, V_TITLE, V_DATE, V_AUTHOR, V_DIALOG = (
    1 << bit for bit in range(9)
)
"""What a role or itemprop says."""

VALUES: dict[int, str] = {
    V_BOILERPLATE: """navigation menu menubar menuitem banner contentinfo complementary search toolbar tablist
        listbox button breadcrumb""",
    V_MAIN: "main",
    V_ARTICLE: "article",
    V_BODY: "articlebody reviewbody recipeinstructions recipeingredient transcript",
    V_COMMENT: "comment",
    V_TITLE: "headline",
    V_DATE: "datepublished datemodified datecreated",
    V_AUTHOR: "author creator publisher",
    V_DIALOG: "dialog alertdialog alert tooltip",
}
"""Roles and itemprops by what they say."""
