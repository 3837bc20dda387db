"""Languages and their codes: ISO 639-1, and the three-letter codes that name the same.

Each line: two letters, three letters (ISO 639-2/T and 639-3), other three-letter codes, English name. The other
codes are the bibliographic one of ISO 639-2 where it differs, retired ones, and, where ISO 639-3 has a
macrolanguage, the member that is meant when nobody says more (as Unicode CLDR's aliases have it: Mandarin for
Chinese, Standard Arabic for Arabic). Members that people tell apart keep their own code: Cantonese (yue), Egyptian
Arabic (arz), South Azerbaijani (azb), Norwegian Nynorsk (nn). Bokmål is taken for Norwegian, as the models do.
Facts of the standard (https://iso639-3.sil.org/code_tables/639/data): its 183 codes, nb and tw under others, and the
withdrawn sh, which models still use.
"""

from __future__ import annotations

from typing import NamedTuple


class Language(NamedTuple):
    """``code``: two letters. ``three``: ISO 639-3. ``others``: more codes for it. ``name``: in English."""

    code: str
    three: str
    others: tuple[str, ...]
    name: str


_TABLE = """
aa aar - Afar
ab abk - Abkhazian
ae ave - Avestan
af afr - Afrikaans
ak aka tw,twi Akan
am amh - Amharic
an arg - Aragonese
ar ara arb Arabic
as asm - Assamese
av ava - Avaric
ay aym ayr Aymara
az aze azj Azerbaijani
ba bak - Bashkir
be bel - Belarusian
bg bul - Bulgarian
bi bis - Bislama
bm bam - Bambara
bn ben - Bengali
bo bod tib Tibetan
br bre - Breton
bs bos - Bosnian
ca cat - Catalan
ce che - Chechen
ch cha - Chamorro
co cos - Corsican
cr cre cwd Cree
cs ces cze Czech
cu chu - Church Slavic
cv chv - Chuvash
cy cym wel Welsh
da dan - Danish
de deu ger German
dv div - Dhivehi
dz dzo - Dzongkha
ee ewe - Ewe
el ell gre Greek
en eng - English
eo epo - Esperanto
es spa - Spanish
et est ekk Estonian
eu eus baq Basque
fa fas per,pes Persian
ff ful fuc Fulah
fi fin - Finnish
fj fij - Fijian
fo fao - Faroese
fr fra fre French
fy fry - Western Frisian
ga gle - Irish
gd gla - Scottish Gaelic
gl glg - Galician
gn grn gug Guarani
gu guj - Gujarati
gv glv - Manx
ha hau - Hausa
he heb iw Hebrew
hi hin - Hindi
ho hmo - Hiri Motu
hr hrv scr Croatian
ht hat - Haitian
hu hun - Hungarian
hy hye arm Armenian
hz her - Herero
ia ina - Interlingua
id ind in Indonesian
ie ile - Interlingue
ig ibo - Igbo
ii iii - Sichuan Yi
ik ipk esi Inupiaq
io ido - Ido
is isl ice Icelandic
it ita - Italian
iu iku ike Inuktitut
ja jpn - Japanese
jv jav jw Javanese
ka kat geo Georgian
kg kon kng Kongo
ki kik - Kikuyu
kj kua - Kuanyama
kk kaz - Kazakh
kl kal - Kalaallisut
km khm - Khmer
kn kan - Kannada
ko kor - Korean
kr kau knc Kanuri
ks kas - Kashmiri
ku kur kmr Kurdish
kv kom kpv Komi
kw cor - Cornish
ky kir - Kirghiz
la lat - Latin
lb ltz - Luxembourgish
lg lug - Ganda
li lim - Limburgan
ln lin - Lingala
lo lao - Lao
lt lit - Lithuanian
lu lub - Luba-Katanga
lv lav lvs Latvian
mg mlg plt Malagasy
mh mah - Marshallese
mi mri mao Maori
mk mkd mac Macedonian
ml mal - Malayalam
mn mon khk Mongolian
mr mar - Marathi
ms msa may,zsm Malay
mt mlt - Maltese
my mya bur Burmese
na nau - Nauru
nd nde - North Ndebele
ne nep npi Nepali
ng ndo - Ndonga
nl nld dut Dutch
nn nno - Norwegian Nynorsk
no nor nb,nob Norwegian
nr nbl - South Ndebele
nv nav - Navajo
ny nya - Chichewa
oc oci - Occitan
oj oji ojg Ojibwa
om orm gaz Oromo
or ori ory Odia
os oss - Ossetian
pa pan - Punjabi
pi pli - Pali
pl pol - Polish
ps pus pbt,pbu Pashto
pt por - Portuguese
qu que quz Quechua
rm roh - Romansh
rn run - Rundi
ro ron rum,mo,mol Romanian
ru rus - Russian
rw kin - Kinyarwanda
sa san - Sanskrit
sc srd sro Sardinian
sd snd - Sindhi
se sme - Northern Sami
sg sag - Sango
sh hbs - Serbo-Croatian
si sin - Sinhala
sk slk slo Slovak
sl slv - Slovenian
sm smo - Samoan
sn sna - Shona
so som - Somali
sq sqi alb,als Albanian
sr srp scc Serbian
ss ssw - Swati
st sot - Southern Sotho
su sun - Sundanese
sv swe - Swedish
sw swa swh Swahili
ta tam - Tamil
te tel - Telugu
tg tgk - Tajik
th tha - Thai
ti tir - Tigrinya
tk tuk - Turkmen
tl tgl fil Tagalog
tn tsn - Tswana
to ton - Tongan
tr tur - Turkish
ts tso - Tsonga
tt tat - Tatar
ty tah - Tahitian
ug uig - Uighur
uk ukr - Ukrainian
ur urd - Urdu
uz uzb uzn Uzbek
ve ven - Venda
vi vie - Vietnamese
vo vol - Volapük
wa wln - Walloon
wo wol - Wolof
xh xho - Xhosa
yi yid ji,ydd Yiddish
yo yor - Yoruba
za zha zyb Zhuang
zh zho chi,cmn Chinese
zu zul - Zulu
"""


def _parse(line: str) -> Language:
    code, three, others, name = line.split(" ", 3)
    return Language(code, three, () if others == "-" else tuple(others.split(",")), name)


LANGUAGES: tuple[Language, ...] = tuple(map(_parse, _TABLE.strip().splitlines()))
"""All languages with a two-letter code, by code."""

NAMES_OF_THREE: dict[str, str] = {
    "arz": "Egyptian Arabic",
    "ast": "Asturian",
    "azb": "South Azerbaijani",
    "bar": "Bavarian",
    "bcl": "Central Bikol",
    "bho": "Bhojpuri",
    "bpy": "Bishnupriya",
    "bxr": "Russia Buriat",
    "cbk": "Chavacano",
    "ceb": "Cebuano",
    "ckb": "Central Kurdish",
    "diq": "Dimli",
    "dsb": "Lower Sorbian",
    "dty": "Dotyali",
    "eml": "Emiliano-Romagnolo",
    "frr": "Northern Frisian",
    "gom": "Goan Konkani",
    "gsw": "Alemannic",
    "hif": "Fiji Hindi",
    "hsb": "Upper Sorbian",
    "ilo": "Iloko",
    "jbo": "Lojban",
    "krc": "Karachay-Balkar",
    "lez": "Lezghian",
    "lmo": "Lombard",
    "lrc": "Northern Luri",
    "mai": "Maithili",
    "mhr": "Eastern Mari",
    "min": "Minangkabau",
    "mrj": "Western Mari",
    "mwl": "Mirandese",
    "myv": "Erzya",
    "mzn": "Mazanderani",
    "nah": "Nahuatl",
    "nap": "Neapolitan",
    "nds": "Low German",
    "new": "Newari",
    "pam": "Pampanga",
    "pfl": "Pfaelzisch",
    "pms": "Piemontese",
    "pnb": "Western Punjabi",
    "rue": "Rusyn",
    "sah": "Yakut",
    "scn": "Sicilian",
    "sco": "Scots",
    "tyv": "Tuvinian",
    "vec": "Venetian",
    "vep": "Veps",
    "vls": "West Flemish",
    "war": "Waray",
    "wuu": "Wu Chinese",
    "xal": "Kalmyk",
    "xmf": "Mingrelian",
    "yue": "Cantonese",
}
"""Languages without a two-letter code that lid.176 knows: code → English name."""

WIKIPEDIA_CODES: dict[str, str] = {"als": "gsw", "bh": "bho"}
"""Codes of Wikipedia editions, which lid.176 took for labels, that mean something else in ISO 639 or nothing:
Alemannic (als is Tosk Albanian in ISO 639-3) and Bhojpuri (bh was withdrawn)."""
