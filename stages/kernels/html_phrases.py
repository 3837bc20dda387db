"""What short texts around an article say, in words of many languages.

"Read more", "all rights reserved", "photo:", "subscribe to our newsletter": pages of all kinds frame their text with
the same few phrases. Each group below gives one bit to a block of text in which one of its words stands near the
beginning; what the bits weigh is learned (``stages/extract_model.json``), none of them decides alone.

Syntax of patterns: :mod:`stages.kernels.html_keywords`; ``^`` is the beginning of the block, ``#`` a digit.
"""

from __future__ import annotations

(
    T_MORE, T_COPYRIGHT, T_PHOTO, T_SUBSCRIBE, T_SHARE, T_COMMENT, T_AUTHOR, T_DATE, T_TAGS, T_COOKIE, T_NAV, T_CONTACT,
    T_SHOP,
) = (1 << bit for bit in range(13))  # fmt: skip
"""One bit for each group of phrases."""
PHRASE_GROUPS = 13

PHRASES: dict[int, str] = {
    T_MORE: """|read-more| |read-also| |read-next| |see-also| |also-read |more-on| |more-from| |more-about|
        |more-stories |more-news |related| |recommended |you-may |you-might |learn-more| |find-out-more|
        |continue-reading |further-reading |weiterlesen| |mehr-zum| |mehr-zu| |mehr-lesen |mehr-infos |mehr-erfahren
        |mehr-dazu |^mehr| |lesen-sie |lies-auch |lesen-sie-auch |siehe-auch |auch-interessant |weitere| |weiterer|
        |weiteren| |zum-thema| |passend-dazu |das-könnte |das-könnte-sie |zum-weiterlesen |lire-aussi |à-lire
        |en-savoir-plus |voir-aussi |lire-la-suite |leer-más |leer-mas |lee-también |le-puede |te-puede |puedes-ver
        |ver-también |ver-tambien |vea-también |más-noticias |mira-también |leia-mais |leia-também |leia-tambem
        |saiba-mais |veja-também |veja-mais |veja-tambem |leggi-anche |leggi-tutto |per-saperne |lees-ook |lees-meer
        |czytaj |zobacz-także |читайте также |подробнее 相关阅读 相关文章 推荐阅读 更多 延伸阅读 関連 続きを読む
        관련""",
    T_COPYRIGHT: """© |copyright| |all-rights-reserved |alle-rechte |tous-droits |todos-los-derechos |todos-os-direitos
        |tutti-i-diritti |impressum| |imprint| |datenschutz |privacy |terms-of |terms-and |nutzungsbedingungen
        |disclaimer| |haftungs |mentions-légales |aviso-legal |agb| 版权所有 版權所有 保留所有权利""",
    T_PHOTO: """|foto| |fotos| |photo| |photos| |photograph |bild| |bilder| |image| |images| |imagen| |immagine |imagem|
        |credit| |credits| |crédit |picture| |quelle| |quellen| |source| |sources| |fuente| |fonte| |grafik| |symbolbild
        |archivbild |archivfoto |getty |shutterstock |pixabay |unsplash |istock |imago| |dpa| |afp| |reuters| |apa|
        |ap-photo |screenshot| |video| 图片 图源 来源 写真""",
    T_SUBSCRIBE: """|newsletter |subscri |abonn |abo| |abos| |sign-up |signup |anmeld |registr |e-mail |inbox|
        |kostenlos |suscr |inscri |assine |iscriviti |log-in| |login| |einloggen |spende |donate |donation |unterstütz
        |premium| |mitglied |member |jetzt |hier-klicken |click-here |app-store |google-play |download |herunterladen
        订阅
        登录 注册 扫码 关注""",
    T_SHARE: """|share| |shares| |sharing| |teilen| |tweet |twitter |facebook |whatsapp |pinterest |instagram |linkedin
        |follow-us |follow| |folgen| |folge| |partager |compart |condivid |gefällt |like| |likes| |telegram |youtube
        |rss| |tiktok |drucken| |print| |empfehlen| |weitersagen 分享 微信 微博 转发 シェア""",
    T_COMMENT: """|comment |kommentar |kommentier |antwort |reply| |replies| |respond |response |comentar |commentaire
        |commenti |diskut |meinung| |trackback |pingback |leserbrief |reactie |комментар 评论 留言 コメント 댓글""",
    T_AUTHOR: """^by| ^von| ^par| ^por| ^di| ^text| |autor| |autorin| |author| |redaktion| |redakteur |editor| |posted
        |written |veröffentlicht |published |aktualisiert |updated| |zuletzt |geändert |modified |eingestellt|
        |erstellt| ^stand| |publié |publicado |pubblicato |gepubliceerd |автор |bearbeitet| |verfasst|
        |von-der-redaktion 作者 编辑 责任编辑 记者 发布 編集 執筆""",
    T_DATE: """|####| |##|##|##| |#|##|##| |##|##| |#|#|####| |uhr| |januar| |februar| |märz| |april| |mai| |juni|
        |juli| |august| |september| |oktober| |november| |dezember| |january| |february| |march| |may| |june| |july|
        |october| |december| |jan| |feb| |mar| |apr| |jun| |jul| |aug| |sep| |sept| |oct| |okt| |nov| |dec| |dez|
        |montag| |dienstag| |mittwoch| |donnerstag| |freitag| |samstag| |sonntag| |monday| |tuesday| |wednesday|
        |thursday| |friday| |saturday| |sunday| |enero| |febrero| |marzo| |abril| |mayo| |junio| |julio| |agosto|
        |septiembre| |octubre| |noviembre| |diciembre| |janvier| |février| |mars| |avril| |juin| |juillet| |août|
        |septembre| |octobre| |novembre| |décembre| |ago| |minuten| |minutes| |stunden| |hours|""",
    T_TAGS: """|tag| |tags| |schlagw |stichw |kategorie |category| |categories| |filed-under |posted-in |themen| |thema|
        |topics| |keywords| |etiquetas |categor |verschlagwortet |abgelegt |rubrik| |ressort| |labels| |mots-clés
        |temas| 标签 分类 关键词 タグ""",
    T_COOKIE: """|cookie |consent| |javascript| |browser| |adblock |werbung| |anzeige| |anzeigen| |advert |sponsor
        |affiliate |provision| |datenschutzerk |einwillig |tracking| |externe-inhalte |externer-inhalt |gdpr|
        |publicidad |publicité |pubblicità 广告""",
    T_NAV: """^home| ^start| ^startseite| ^menu| ^menü| ^suche| ^search| ^kontakt| ^contact| ^zurück ^back| ^weiter|
        ^next| ^previous| ^prev| ^vorherige ^vorheriger ^nächste ^nächster ^nach-oben ^top| ^über-uns ^about| ^archiv|
        ^archive ^skip ^zum-inhalt ^springe ^direkt-zum ^navigation ^sitemap ^inicio| ^accueil| ^übersicht ^alle| ^all|
        ^show| ^view| ^anzeigen| ^close| ^schließen| ^seite| ^page| ^hilfe| ^help| ^faq| ^shop| 首页 上一篇 下一篇
        返回 当前位置 トップ
        ホーム""",
    T_CONTACT: """|tel| |telefon |phone| |telephone |fax| |www| |https| |http| |hotline| |e-mail| |adresse| |address|
        |öffnungszeiten |montag-bis |ansprechpartner |kontaktieren |pressekontakt |rückfragen @ 电话 邮箱 地址""",
    T_SHOP: """€ |eur| |usd| |warenkorb |mwst| |versand |preis| |preise| |price| |kaufen| |bestell |cart| |buy|
        |lieferzeit |shop| |rabatt |gutschein |angebot| |angebote| |produkt| |produkte| |lagernd |zzgl |inkl|
        |artikelnummer |artikel-nr |add-to |wishlist |merkzettel 价格 购买 ¥ £""",
}  # fmt: skip
"""The phrases of each group."""
