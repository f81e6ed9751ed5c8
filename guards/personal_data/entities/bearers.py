"""Whether a name's bearer is somebody in particular: what stands around the name says so."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from guards.detection import Hit
from guards.personal_data import labels


class NameContext(StrEnum):
    """Which names count in full.

    ``CONTACT``: names near contact data, an address, words that introduce somebody, or in a
    form; the probability of all others is under one half. ``ANY``: every name.
    """

    CONTACT = "contact"
    ANY = "any"


BEFORE = 160
AFTER = 60
"""Characters around a name within which contact data make it somebody's in particular. Those
after it are few, because a growing reply is held back for them."""

BARE = 0.45
"""What the probability of any other name is multiplied by: it then is under one half."""

_TELLING = 40
"""Characters of contact data, at most, that must stand within those."""

_JUST_BEFORE = 60

_PHRASES = """
    my name is, my name's, name is, name:, i am, i'm, this is, called me, call me, contact, reach,
    reach out to, attn, attention, care of, signed, sincerely, regards, yours, yours truly, cheers,
    dear, hi, hello, mr, mrs, ms, miss, dr, patient, client, customer, tenant,
    applicant, employee, candidate, student, member, passenger, guest, account holder, cardholder,
    card holder, insured, beneficiary, subscriber, claimant, resident, born, ssn, diagnosed,
    my husband, my wife, my son, my daughter, my mother, my mom, my mum, my father, my dad,
    my brother, my sister, my boss, my manager, my colleague, my coworker, my friend,
    my neighbor, my neighbour, my doctor, my teacher, my landlord, my roommate, my boyfriend,
    my girlfriend, my partner, my uncle, my aunt, my cousin, my ex, my therapist, my lawyer,
    ich heiße, ich heisse, mein name ist, ich bin, herr, herrn, frau, kontakt, patientin, kunde,
    kundin, mieter, mieterin, mein mann, meine frau, mein chef, meine chefin, mein sohn,
    meine tochter, meine mutter, mein vater, mein bruder, meine schwester, mein freund,
    meine freundin, mein nachbar, meine nachbarin, liebe, lieber, hallo, grüße, grüßen, gruß,
    je m'appelle, mon nom est, je suis, monsieur, madame, mme, m, client, cliente, patiente,
    mon mari, ma femme, mon fils, ma fille, ma mère, mon père, mon frère, ma sœur, mon patron,
    mon ami, mon amie, bonjour, cher, chère, cordialement, contacter, contactez,
    me llamo, mi nombre es, soy, señor, señora, sr, sra, paciente, mi marido, mi esposo,
    mi esposa, mi mujer, mi hijo, mi hija, mi madre, mi padre, mi hermano, mi hermana, mi jefe,
    mi amigo, mi amiga, hola, estimado, estimada, saludos, atentamente, contactar, contacto,
    mi chiamo, il mio nome è, sono, signor, signora, sig, dott, paziente, mio marito, mia moglie,
    mio figlio, mia figlia, mia madre, mio padre, mio fratello, mia sorella, il mio capo, ciao,
    gentile, cordiali saluti, contattare, meu nome é, eu sou, sou, senhor, senhora, cliente,
    meu marido, minha esposa, meu filho, minha filha, minha mãe, meu pai, meu irmão, minha irmã,
    meu chefe, olá, prezado, prezada, atenciosamente, mijn naam is, ik ben, ik heet, meneer,
    mevrouw, patiënt, klant, mijn man, mijn vrouw, mijn zoon, mijn dochter, mijn baas, groeten,
    jag heter, mitt namn är, nazywam się, jestem, pan, pani, меня зовут, я, пациент, клиент,
    мой муж, моя жена, мой сын, моя дочь, мой друг, моя мама, мой начальник, adım, benim adım
"""


def _pattern(phrases: str) -> str:
    listed = sorted({" ".join(p.split()) for p in phrases.split(",")}, key=len, reverse=True)
    return "|".join(re.escape(phrase).replace(r"\ ", r"\s") for phrase in listed)


_SAID = re.compile(
    # One more word may stand before the name: "contact Doctor Ann Lee".
    rf"(?<![^\W_])(?:{_pattern(_PHRASES)})(?![^\W_])[\s.,:;'\u2019-]{{0,4}}"
    r"(?:[^\W\d_]{1,12}[\s.,:]{1,2})?$",
    re.IGNORECASE,
)
_SAID_EASTERN = re.compile(
    r"(?:我叫|我是|名叫|姓名|联系人|聯絡人|联系|收件人|收货人|患者|病人|客户|老公|老婆|丈夫|妻子|儿子|女儿"
    r"|妈妈|爸爸|朋友|同事|老板|私は|名前|氏名|お名前|担当|제 이름은|저는|이름|성명|환자|고객|담당)"
    r"[\s:：是为は은는]{0,4}$"
)
_FIELD = re.compile(
    r"(?:^|[\n|;{(\[]|,\s*[\"'])[\s\"'*_>•-]*(?P<field>[^\W\d_][\w /.'-]{0,30})[\"'*_]*"
    r"[ \t]?[:：=|][\s\"'*_]*$"
)
"""A form's field, right before what it holds."""

_PUBLIC_FIELD = re.compile(
    r"(?:.*[ _])?(?:author|writer|director|actor|actress|artist|singer|composer|character|hero"
    r"|protagonist|narrator|president|king|queen|scientist|inventor|founder|title|book|film|movie"
    r"|song|quote|example|topic|subject|theorem|figure|answer|question|note|q|a|autor|auteur"
    r"|作者|导演|主角)s?",
    re.IGNORECASE,
)
_POSSESSED = re.compile(
    r"['\u2019]s (?:phone|number|address|e-?mail|birthday|account|passport|diagnosis|home|house"
    r"|salary|password|medical)|[ ,]+(?:lives|resides|living|residing) (?:at|in|on)\b"
    r"|[ ,]+is my\b|[ ,]+\(?(?:born|aged|dob)\b",
    re.IGNORECASE,
)
_SIGNED = re.compile(
    r"(?:regards|sincerely|yours(?: truly| faithfully)?|cheers|thanks|thank you|best|love|grüßen?"
    r"|gruß|cordialement|saludos|atentamente|saluti|atenciosamente|groeten|hälsningar|pozdrawiam"
    r"|уважением)[,.!]?\s*\n\s*$",
    re.IGNORECASE,
)


def particular(text: str, hit: Hit, contacts: Sequence[int]) -> bool:
    """Whether something around the name ``hit`` says that its bearer is no public figure.

    ``contacts`` are sorted offsets into contact data and addresses in ``text``.
    """
    start, end = hit.start, hit.end
    if bisect_right(contacts, end + AFTER) > bisect_left(contacts, start - BEFORE):
        return True
    nearby = max(0, start - _JUST_BEFORE)
    field = _FIELD.search(text, nearby, start)
    return (
        (field is not None and _PUBLIC_FIELD.fullmatch(field["field"]) is None)
        or any(said.search(text, nearby, start) for said in (_SAID, _SAID_EASTERN, _SIGNED))
        or _POSSESSED.match(text, end, end + AFTER) is not None
    )


def weigh(text: str, hits: Sequence[Hit], ruled: Sequence[Hit]) -> list[Hit]:
    """``hits``, names of nobody in particular with a lower probability.

    ``ruled`` are the hits of the rules, in order; those that are no names are contact data, and
    names that words introduce are somebody's.
    """
    evidence = [h for h in (*hits, *ruled) if h.label != labels.PERSON and h.probability >= 0.5]
    contacts = sorted(min(h.end, h.start + _TELLING) for h in evidence)
    introduced = [h for h in ruled if h.label == labels.PERSON and h.probability >= 0.5]
    return [
        hit
        if hit.label != labels.PERSON
        or particular(text, hit, contacts)
        or _overlaps(hit, introduced)
        else replace(hit, probability=hit.probability * BARE)
        for hit in hits
    ]


def _overlaps(hit: Hit, others: Sequence[Hit]) -> bool:
    place = bisect_left(others, hit.end, key=lambda other: other.start)
    return place > 0 and others[place - 1].end > hit.start
