"""Street addresses, by how the languages write them, and dates of birth."""

import re
from collections.abc import Iterator

from guards.detection import Hit
from guards.personal_data import labels
from guards.personal_data.context import BORN, kind_before

_UPPER = "A-ZÀ-ÖØ-ÞŁŚŻŹĆĄĘŐŰČŠŽŘŇĎŤĚ"
_WORD = r"[\w'\u2019-]{1,24}"
_CAPITALISED = rf"[{_UPPER}][\w.'\u2019-]{{1,24}}"

_ENGLISH = (
    rf"(?<![\w.,/$-])\d{{1,6}}(?:-\d{{1,4}})?[A-Za-z]?,? (?:[NSEW]{{1,2}}\.? )?"
    rf"(?:[{_UPPER}0-9][\w'\u2019.-]{{0,24}} ){{1,4}}"
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Way|Place|Pl|Square"
    r"|Sq|Terrace|Ter|Parkway|Pkwy|Highway|Hwy|Circle|Cir|Crescent|Close|Grove|Gardens|Trail|Alley"
    r"|Mews|Row|Loop|Plaza|Turnpike|Pike)\b\.?(?: [NSEW]{1,2}\b)?"
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|#)\.? ?#?[\w-]{1,6})?"
    rf"(?:[\s,]{{1,2}}{_CAPITALISED}(?: {_CAPITALISED}){{0,2}})?"
    r"(?:,? [A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}|(?:,? [A-Z]{2})?(?:,? \d{5}(?:-\d{4})?)?)"
)
_BOX = r"(?i:(?<!\w)p\.? ?o\.? ?box \d{1,6})"
_TOWN = rf"(?:[\s,]{{1,2}}(?:[A-Z]{{1,2}}-)?\d{{4,5}} ?(?:[A-Z]{{2}} )?{_CAPITALISED})?"
_GERMANIC = (
    rf"(?<!\w)(?:[{_UPPER}][\w-]{{1,20}} ){{0,2}}[{_UPPER}][\wäöüß-]{{1,30}}"
    r"(?:straße|strasse|str\.|weg|platz|allee|gasse|damm|straat|laan|plein|gracht|gatan|vägen|vej"
    rf"|gade) \d{{1,4}} ?[a-zA-Z]?\b{_TOWN}"
)
_FRENCH = (
    r"(?<!\w)\d{1,4}(?: bis| ter)?,? "
    r"(?:rue|avenue|boulevard|place|chemin|allée|impasse|quai|cours|route)"
    r"(?: (?:de|du|des|la|le|les|d['\u2019]|l['\u2019])){0,3} ?"
    rf"{_CAPITALISED}(?:[ -]{_CAPITALISED}){{0,3}}{_TOWN}"
)
_STREET_FIRST = (
    r"(?<!\w)(?:Calle|C/|Avenida|Avda\.?|Av\.|Plaza|Paseo|Carrera|Via|Viale|Piazza|Corso|Rua"
    r"|Travessa|Praça|ul\.|ulica|ул\.|улица|проспект|пр\.) "
    rf"(?:{_WORD}\.? ){{0,3}}{_WORD},? (?:n[.ºo°]{{0,2}} ?|д\. ?|дом )?\d{{1,5}}\b{_TOWN}"
)
_CHINESE = (
    r"(?:[\u4e00-\u9fff]{2,7}(?:省|自治区|特别行政区))?(?:[\u4e00-\u9fff]{2,6}(?:市|州|盟))?"
    r"(?:[\u4e00-\u9fff]{1,6}(?:区|县|镇|乡|街道|區|縣)){0,3}"
    r"[\u4e00-\u9fff0-9]{1,10}?(?:路|街|大道|巷|胡同|弄|段|里)\d{1,5}(?:号|號|弄)"
    r"(?:[\u4e00-\u9fff]{0,8}?\d{1,4}(?:号楼|栋|幢|座|单元|楼|层|室|樓|號)){0,4}"
)
_JAPANESE = (
    r"(?:東京都|北海道|(?:京都|大阪)府|[\u4e00-\u9fff]{2,3}県)"
    r"[\u3040-\u30ff\u4e00-\u9fff]{2,16}\d{1,4}(?:丁目|番地?|号|[-－−]\d{1,4}){1,4}"
)
_KOREAN = (
    r"(?:[가-힣]{2,6}(?:특별시|광역시|시|도) )?(?:[가-힣]{1,5}(?:시|군|구) ){1,2}"
    r"[가-힣0-9]{1,12}(?:로|길|동) ?\d{1,4}(?:-\d{1,4})?(?:번지)?"
)
_PATTERNS = (
    (_ENGLISH, 0.87),
    (_BOX, 0.85),
    (_GERMANIC, 0.87),
    (_FRENCH, 0.87),
    (_STREET_FIRST, 0.87),
    (_CHINESE, 0.88),
    (_JAPANESE, 0.9),
    (_KOREAN, 0.88),
)
_ADDRESSES = tuple((re.compile(pattern), base) for pattern, base in _PATTERNS)


_LEAD = re.compile(r"(?:我|现|家|目前)*(?:居?住在?|位于|地址[是为]?|在|到|去|于)")
"""Words run into a Chinese address, where nothing parts words."""


def addresses(text: str) -> Iterator[Hit]:
    """Street addresses and post-office boxes with a number."""
    for pattern, base in _ADDRESSES:
        for match in pattern.finditer(text):
            lead = _LEAD.match(match[0])
            start = match.start() + (lead.end() if lead else 0)
            yield Hit(start=start, end=match.end(), label=labels.ADDRESS, probability=base)


_MONTH = r"[^\W\d_]{3,10}\.?"
_DATES = re.compile(
    rf"(?<![\w.,-])(?:\d{{1,2}}(?:st|nd|rd|th|\.|º)?(?: de| of)? {_MONTH},?(?: de)? "
    r"(?:19|20)\d{2}"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)\d{{2}}"
    r"|\d{1,2}[-./]\d{1,2}[-./](?:19|20)?\d{2}"
    r"|(?:19|20)\d{2}[-./]\d{1,2}[-./]\d{1,2})(?![\w-]|[./]\d)"
    r"|(?<!\d)(?:19|20)\d{2} ?[年년] ?\d{1,2} ?[月월] ?\d{1,2} ?[日일]"
)


_NEAR = 24
_SAID = {labels.DATE_OF_BIRTH: 0.88, BORN: 0.6}
"""Forms and people about themselves say the one, encyclopedias say the other."""


def birth_dates(text: str) -> Iterator[Hit]:
    """Dates that the words before them call a date of birth, of people who may live."""
    for match in _DATES.finditer(text):
        probability = _SAID.get(kind_before(text, match.start(), _NEAR) or "")
        if probability is not None:
            yield Hit(
                start=match.start(),
                end=match.end(),
                label=labels.DATE_OF_BIRTH,
                probability=probability,
            )
