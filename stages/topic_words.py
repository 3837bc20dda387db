"""The hosts and words by which :mod:`stages.topic` tells topics: short lists of our own, to be read and added to.

``HOSTS``: sites that are of one topic as a whole; a host is meant with all hosts below it. ``URL_WORDS``: words between
signs in a host or path. ``HOST_STEMS``: letters anywhere in a host, only such as stand in no other word.
``TEXT_WORDS``: words of a page, by language; an entry is a word, two words that follow each other, or two to four
Chinese characters. All lower case.
"""

from __future__ import annotations

from collections.abc import Mapping

TOPICS = ("adult", "spam", "math", "code", "encyclopedia", "forum", "shop", "news")
"""In the order in which they are tried: what is to be left out first, and forms of writing before kinds of sites."""

Words = Mapping[str, tuple[str, ...]]


def _split(words: str) -> tuple[str, ...]:
    return tuple(words.split())


HOSTS: Words = {
    "adult": _split(
        "pornhub.com xvideos.com xnxx.com xhamster.com redtube.com youporn.com onlyfans.com chaturbate.com "
        "stripchat.com livejasmin.com brazzers.com literotica.com e-hentai.org nhentai.net spankbang.com motherless.com"
    ),
    "code": _split(
        "github.com gist.github.com gitlab.com bitbucket.org sourceforge.net codeberg.org stackoverflow.com "
        "codepen.io jsfiddle.net pastebin.com leetcode.com leetcode.cn gitee.com readthedocs.io readthedocs.org "
        "docs.rs pkg.go.dev docs.python.org developer.mozilla.org rosettacode.org "
        "codeforces.com hackerrank.com cppreference.com serverfault.com"
    ),
    "math": _split(
        "math.stackexchange.com mathoverflow.net mathworld.wolfram.com artofproblemsolving.com proofwiki.org "
        "encyclopediaofmath.org planetmath.org nlab.mathforge.org ncatlab.org oeis.org zbmath.org"
    ),
    "encyclopedia": _split(
        "wikipedia.org wiktionary.org wikibooks.org wikiversity.org wikivoyage.org britannica.com baike.baidu.com "
        "baike.com encyclopedia.com scholarpedia.org plato.stanford.edu treccani.it larousse.fr universalis.fr "
        "newworldencyclopedia.org wikiwand.com brockhaus.de ruwiki.ru"
    ),
    "forum": _split(
        "reddit.com quora.com gutefrage.net zhihu.com tieba.baidu.com 4chan.org news.ycombinator.com "
        "forums.macrumors.com forum.xda-developers.com v2ex.com yahoo.answers.com 5ch.net 2ch.hk "
        "boards.ie mumsnet.com forocoches.com"
    ),
    "shop": _split(
        "amazon.com amazon.de amazon.co.uk amazon.fr amazon.it amazon.es amazon.co.jp amazon.cn ebay.com ebay.de "
        "ebay.co.uk etsy.com otto.de zalando.de aliexpress.com alibaba.com taobao.com tmall.com jd.com walmart.com "
        "target.com bestbuy.com ikea.com rakuten.co.jp flipkart.com mercadolibre.com ozon.ru wildberries.ru "
        "mediamarkt.de saturn.de cdiscount.com fnac.com bol.com allegro.pl newegg.com wayfair.com"
    ),
    "news": _split(
        "reuters.com apnews.com afp.com bloomberg.com bbc.com bbc.co.uk cnn.com nytimes.com washingtonpost.com wsj.com "
        "theguardian.com ft.com economist.com independent.co.uk telegraph.co.uk thetimes.co.uk dailymail.co.uk "
        "mirror.co.uk thesun.co.uk usatoday.com latimes.com chicagotribune.com nypost.com politico.com politico.eu "
        "npr.org foxnews.com nbcnews.com cbsnews.com abcnews.go.com abc.net.au smh.com.au cbc.ca theglobeandmail.com "
        "aljazeera.com dw.com euronews.com france24.com rt.com tass.com scmp.com japantimes.co.jp thehindu.com "
        "timesofindia.indiatimes.com hindustantimes.com spiegel.de zeit.de faz.net sueddeutsche.de welt.de bild.de "
        "focus.de stern.de tagesschau.de n-tv.de taz.de handelsblatt.com tagesspiegel.de derstandard.at diepresse.com "
        "kurier.at krone.at orf.at nzz.ch tagesanzeiger.ch 20min.ch srf.ch merkur.de rp-online.de "
        "mdr.de ndr.de wdr.de br.de swr.de deutschlandfunk.de lemonde.fr lefigaro.fr liberation.fr leparisien.fr "
        "20minutes.fr ouest-france.fr bfmtv.com lexpress.fr lepoint.fr rfi.fr elpais.com elmundo.es abc.es "
        "lavanguardia.com 20minutos.es eldiario.es clarin.com lanacion.com.ar eluniversal.com.mx corriere.it "
        "repubblica.it lastampa.it ansa.it ilsole24ore.com ilfattoquotidiano.it publico.pt folha.uol.com.br "
        "g1.globo.com estadao.com.br nos.nl nu.nl nrc.nl volkskrant.nl svt.se dn.se nrk.no vg.no dr.dk yle.fi "
        "wyborcza.pl "
        "rmf24.pl lenta.ru ria.ru rbc.ru gazeta.ru kommersant.ru meduza.io pravda.com.ua xinhuanet.com news.cn "
        "people.com.cn chinanews.com chinanews.com.cn thepaper.cn news.sina.com.cn news.163.com news.qq.com caixin.com "
        "huanqiu.com cctv.com bjnews.com.cn asahi.com mainichi.jp yomiuri.co.jp nikkei.com nhk.or.jp yna.co.kr "
        "chosun.com"
    ),
}

HOST_STEMS: Words = {
    "adult": _split("porn hentai xxx sexcam milf camgirl"),
    "spam": _split("casino viagra cialis payday jackpot bet365 sportwetten pharmacyonline essaywriting"),
    "shop": _split("webshop onlineshop"),
    "news": _split("zeitung nachrichten allgemeine-online"),
}

URL_WORDS: Words = {
    "adult": _split("porn porno xxx hentai nsfw escort escorts milf"),
    "spam": _split("casino viagra cialis slots poker payday gambling bet betting"),
    "code": _split("api docs javadoc sourcecode src cgit gitweb snippets"),
    "math": _split("math maths mathematics mathematik theorem algebra calculus"),
    "encyclopedia": _split("wiki encyclopedia encyclopaedia lexikon enzyklopaedie encyclopedie enciclopedia baike"),
    "forum": _split(
        "forum forums foren foro foros board boards viewtopic showthread viewthread thread threads topic phpbb "
        "vbulletin "
        "discussion discussions community bbs questions"
    ),
    "shop": _split(
        "shop shops store product products produkt produkte artikelnr cart basket warenkorb checkout item buy kaufen "
        "boutique produit produits tienda producto productos negozio prodotto prodotti"
    ),
    "news": _split(
        "news nachrichten zeitung newsroom newsticker actualite actualites noticias noticia notizie nieuws politik "
        "politics panorama breaking"
    ),
}

TEXT_WORDS: Mapping[str, Mapping[str, str]] = {
    "adult": {
        "en": "porn,porno,xxx,blowjob,handjob,cumshot,milf,hardcore,nude girls,sex cams,webcam sex,pussy,tits,horny,"
        "hentai,anal sex,escort girls,naked girls,cum,fucking,orgasm,bdsm,gangbang,threesome",
        "de": "porno,pornos,ficken,geile,geil,titten,muschi,sexkontakte,huren,nackte,sextreffen,erotik,wichsen,blasen",
        "fr": "porno,salope,baise,sexe gratuit,nue,chatte,bite,plan cul",
        "es": "porno,follar,coño,polla,putas,tetas,sexo gratis",
        "zh": "色情,成人视频,无码,做爱,裸聊,约炮,自慰,性爱,口交,援交,黄色网站,激情视频",
    },
    "spam": {
        "en": "casino,casinos,slots,slot machine,free spins,viagra,cialis,levitra,payday loan,payday loans,"
        "no prescription,"
        "online pharmacy,sports betting,betting bonus,jackpot,blackjack,roulette,poker,essay writing,replica watches,"
        "weight loss,backlinks,cheap viagra,no deposit,deposit bonus,louis vuitton,work from",
        "de": "casino,spielautomaten,freispiele,sportwetten,potenzmittel,roulette,bonus code,ohne rezept,kredit ohne,"
        "schnell abnehmen,einzahlungsbonus",
        "zh": "博彩,赌博,彩票,六合彩,时时彩,百家乐,老虎机,代开发票,赌场,赌球,投注,娱乐城,私服,代孕,办证,威尼斯人",
    },
    "math": {
        "en": "theorem,lemma,corollary,proof,polynomial,integral,derivative,eigenvalue,equation,equations,"
        "matrix,vector "
        "space,isomorphism,homomorphism,topology,integer,integers,real numbers,positive integer,modulo,denominator,"
        "hypotenuse,triangle,algebraic,differentiable,convergent,cosine,logarithm,quadratic",
        "de": "satz,beweis,gleichung,gleichungen,polynom,integral,ableitung,lemma,matrix,vektorraum,stetig,"
        "funktion f,reelle zahlen,natürliche zahlen,dreieck,primzahl",
        "fr": "théorème,lemme,preuve,polynôme,équation,matrice,intégrale,dérivée,démonstration",
        "zh": "定理,引理,证明,方程,函数,积分,导数,矩阵,向量,多项式,三角形,整数,不等式,数列,概率,解析",
    },
    "encyclopedia": {
        "en": "see also,external links,references,further reading,encyclopedia,wikipedia,disambiguation,retrieved,"
        "edit source,main article,bibliography,isbn",
        "de": "siehe auch,einzelnachweise,weblinks,literatur,wikipedia,quelltext bearbeiten,abgerufen,"
        "enzyklopädie,isbn,"
        "begriffsklärung",
        "fr": "voir aussi,liens externes,références,bibliographie,wikipédia,consulté le,notes et",
        "es": "véase también,enlaces externos,referencias,bibliografía,wikipedia,consultado el",
        "it": "voci correlate,collegamenti esterni,altri progetti,bibliografia,note,wikipedia",
        "zh": "参考文献,外部链接,参见,参考资料,维基百科,百度百科,词条,延伸阅读,消歧义",
    },
    "forum": {
        "en": "posts,posted by,joined,reply,replied,thread,threads,quote,moderator,member since,registered,"
        "forum,forums,"
        "original post,log in,last edited,newbie,senior member,junior member,thanks in,op,upvote,best answer,replies,"
        "users browsing,re",
        "de": "beiträge,beitrag,zitat,themenstarter,registriert,antworten,forum,mitglied,verfasst,thema,moderator,"
        "dabei seit,hallo zusammen,zitieren,geschrieben von,benutzer,erstellt am,re,foren",
        "fr": "messages,message,posté le,inscrit le,répondre,citer,sujet,forum,membre,modérateur,inscription",
        "es": "mensajes,registrado,responder,citar,tema,foro,mensaje por,miembro,respuestas,usuario",
        "it": "messaggi,rispondi,discussione,forum,iscritto,utente,citazione,moderatore",
        "zh": "楼主,回复,发表于,帖子,发帖,主题,论坛,注册时间,积分,只看该,沙发,板凳,举报,点赞,版主,引用",
        "ru": "сообщений,сообщение,форум,ответить,цитата,регистрация,тема,зарегистрирован,автор",
    },
    "shop": {
        "en": "add to,cart,basket,checkout,shipping,in stock,out of,stock,sku,price,prices,delivery,wishlist,"
        "free shipping,customer reviews,buy now,product description,returns,quantity,your cart,sale,save,item,warranty,"
        "shopping,payment,discount,size guide,related products",
        "de": "warenkorb,versandkosten,lieferzeit,mwst,inkl,zzgl,lieferbar,preis,preise,artikelnummer,"
        "artikel nr,merkzettel,auf lager,versand,bestellen,kaufen,kundenbewertungen,lieferung,rabatt,"
        "produktbeschreibung,"
        "versandkostenfrei,zahlungsarten,in den,wunschliste,stück",
        "fr": "panier,livraison,ajouter au,en stock,prix,promo,commander,frais de,quantité,produits,paiement,"
        "avis clients",
        "es": "carrito,añadir al,envío,precio,comprar,en stock,gastos de,producto,cantidad,oferta,tienda",
        "it": "carrello,aggiungi al,spedizione,prezzo,acquista,disponibile,quantità,prodotto,consegna",
        "zh": "购物车,立即购买,加入购物,价格,运费,库存,包邮,商品,下单,优惠券,促销,评价,销量,正品,现货,原价,特价,配送",
        "ru": "корзину,корзина,купить,цена,доставка,заказать,наличии,товар,товары,руб,скидка",
    },
    "news": {
        "en": "reuters,afp,associated press,spokesman,spokeswoman,spokesperson,told reporters,police said,said in,"
        "officials said,according to,prime minister,president,correspondent,news agency,breaking news,minister,"
        "statement on,on monday,on tuesday,on wednesday,on thursday,on friday,on saturday,on sunday,last week,"
        "staff writer,"
        "press conference,government",
        "de": "dpa,afp,apa,reuters,sprecher,sprecherin,sagte,teilte die,teilte mit,polizei,laut polizei,nach angaben,"
        "am montag,am dienstag,am mittwoch,am donnerstag,am freitag,am samstag,am sonntag,bundesregierung,minister,"
        "ministerin,staatsanwaltschaft,bürgermeister,berichtet,berichtete,pressekonferenz,redaktion,nachrichtenagentur,"
        "kanzlerin",
        "fr": "afp,reuters,selon,porte-parole,lundi,mardi,mercredi,jeudi,vendredi,ministre,président,gouvernement,"
        "a déclaré,a annoncé,conférence de,journaliste",
        "es": "efe,reuters,según,portavoz,lunes,martes,miércoles,jueves,viernes,ministro,gobierno,presidente,declaró,"
        "rueda de,periodista",
        "it": "ansa,reuters,secondo,portavoce,lunedì,martedì,mercoledì,giovedì,venerdì,ministro,governo,presidente",
        "zh": "新华社,记者,报道,通讯员,日电,日讯,据悉,消息,中新网,发言人,表示,官员,采访,新闻网,编辑,责任编辑,央视",
        "ru": "риа,тасс,сообщает,сообщил,заявил,министр,президент,правительство,корреспондент,пресс-служба",
    },
    "code": {},
}

CODE_STARTS = _split(
    "def import from class return func fn var let const public private protected static void int include define "
    "package using namespace struct typedef elif except endif endfor foreach print println printf echo sudo apt yum "
    "git npm pip cd ls mkdir make select insert update create export function async await impl use mod pub enum"
)
"""Words with which a short line that ends in no full stop is code."""
