"""What of a sentence another must share to say the same."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(r"\d{4}-\d{2}-\d{2}|\d+(?:[.,:]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)?", re.UNICODE)
_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
_QUOTED = re.compile(r"[\"“„«「『]([^\"”“»」』\n]{4,200})[\"”“»」』]")
_GROUPS = re.compile(r"\d{1,3}(?:[.,]\d{3})+\Z")
_STEM = 5
_WIDE_DIGITS = {c: str(i) for i, c in enumerate("零一二三四五六七八九十")} | {"两": "2"}
_WIDE_NUMBER = re.compile(
    r"([一二三四五六七八九十两])(?=[个名次年月天日人座条种台家层倍万亿千百小项位])"
)

_WIDE_COUNTED = re.compile(r"(\d+(?:[.,:]\d+)*)\s?([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af])")
_WIDE_STOP = frozenset("的了在是有和与就也都而及着被把对从到之于以のはがをにとでもへや")
_CLAUSE = re.compile(
    r"[,;:，；：、。—\n]\s*|\s(?:but|and|while|although|though|whereas|because|so|aber|und|obwohl|doch"
    r"|mais|et|bien que|pero|y|aunque|sino)\s|但是?|而且?|却|が、"
)
# German writes every noun with a capital, so that capitals tell nothing of names.
_CAPITAL_NOUNS = re.compile(
    r"\b(?:und|ist|nicht|eine[mnr]?|der|das|keine[nmr]?|jeden|sind|durch|unter|kostet|wurde|wird|für)\b"
)

STOP = frozenset(
    """the a an and or of to in on at for from by with as is are was were be been it its this that
    these those he she they we you i his her their our your which who whom has have had do does did
    will would can could may might also than then there about into over after before between during
    der die das den dem des ein eine einen einem einer und oder von zu im in am an auf für mit als
    ist sind war waren wird werden wurde wurden es er sie sich dass auch nach vor bei aus um über
    le la les un une des du de et ou à au aux en dans sur pour par avec est sont était été il elle
    ils ce cette ces qui que se sa son ses leur plus
    el los las una unos y o del al por con es son fue era se su sus lo como más para
    said says according source page article""".split()  # noqa: SIM905 - a list of words
)
_NEGATIONS = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|nobody|nothing|hardly|nicht|keine?[nmrs]?|nie"
    r"|niemals|ohne|weder|pas|jamais|sans|aucune?|ne|n['’]|nunca|sin|ning[uú]n[ao]?|tampoco|non|não)\b"
    r"|n['’]t\b|不|没|未|無|无(?!论)|非(?!常)|ない|ません|なかった|ず(?=に|、|。)|않|못|없",
    re.IGNORECASE,
)
_NUMBER_WORDS = {
    word: str(number)
    for words in (
        "zero _ two three four five six seven eight nine ten eleven twelve",
        "null _ zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "zéro _ deux trois quatre cinq six sept huit neuf dix onze douze",
        "cero _ dos tres cuatro cinco seis siete ocho nueve diez once doce",
    )
    for number, word in enumerate(words.split())
    if word != "_"
}
_MONTHS = {
    name: number
    for names in (
        "january february march april may june july august september october november december",
        "januar februar märz april mai juni juli august september oktober november dezember",
        "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    )
    for number, name in enumerate(names.split(), start=1)
}
_OPPOSITES = (
    ("increase rise rose rising rises grew grow higher more gain up",
     "decrease fall falls fell drop decline lower fewer less loss down shrank"),
    ("open opened opens", "close closed closes shut"),
    ("accept approve allow permit", "reject refuse forbid prohibit ban banned denied deny"),
    ("first earliest oldest", "last latest newest youngest"),
    ("before earlier", "after later"),
    ("largest biggest highest longest most", "smallest lowest shortest least"),
    ("success won win passed", "fail failed lost lose"),
    ("safe harmless", "danger harmful unsafe"),
    ("free", "paid charged"),
    ("begin began start started", "end ended stop stopped"),
    ("steigt stieg erhöht gestiegen mehr", "sinkt sank gesunken weniger verringert gefallen"),
    ("erlaubt öffnet geöffnet", "verboten schließt geschlossen"),
    ("augmenté hausse plus ouvert autorisé", "diminué baisse moins fermé interdit"),
    ("aumentó subió más abierto permitido", "disminuyó bajó menos cerrado prohibido"),
)  # fmt: skip
_WIDE_OPPOSITES = (
    ("增加", "减少"), ("上升", "下降"), ("增长", "下降"), ("提高", "降低"), ("允许", "禁止"),
    ("开放", "关闭"), ("成功", "失败"), ("最大", "最小"), ("最高", "最低"), ("免费", "收费"),
    ("之前", "之后"), ("通过", "否决"), ("支持", "反对"), ("安全", "危险"), ("第一", "最后"),
    ("上涨", "下跌"), ("盈利", "亏损"), ("開始", "終了"), ("開放", "閉鎖"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A sentence taken apart.

    Attributes:
        words: stems of words that carry meaning, and pairs of characters of scripts without blanks.
        names: stems of words that begin with a capital within the sentence.
        numbers: in one spelling, months among them.
        grams: every four characters in a row, blanks left out.
        quotes: what is quoted, in lower case.
        negated: whether it holds a negation.
        sides: of which pairs of opposites it holds which.
        counted: numbers with what they count (``12 euro``, ``25 度``).
        text: the sentence itself.
    """

    words: frozenset[str]
    names: frozenset[str]
    numbers: frozenset[str]
    grams: frozenset[tuple[str, ...]]
    quotes: tuple[str, ...]
    negated: bool
    sides: frozenset[tuple[int, int]]
    counted: frozenset[tuple[str, str]]
    text: str


def terms(sentence: str) -> Terms:
    """Take ``sentence`` apart. Never raises."""
    text = unicodedata.normalize("NFKC", sentence)
    words: set[str] = set()
    names: set[str] = set()
    numbers: set[str] = set()
    sides: set[tuple[int, int]] = set()
    counted: set[tuple[str, str]] = set()
    pending: set[str] = set()
    for place, token in enumerate(_TOKEN.finditer(_WIDE.sub(" ", text))):
        word = token[0]
        lower = word.lower().replace("’", "'").removesuffix("'s")
        number = _number(word, lower)
        if number:
            numbers |= number
            pending = number
        elif lower not in STOP and len(lower) > 1:
            stem = _stem(lower)
            words.add(stem)
            if word[0].isupper() and place:
                names.add(stem)
            if stem in _SIDES:
                sides.add(_SIDES[stem])
            counted |= {(value, stem) for value in pending}
            pending = set()
    for run in _WIDE.finditer(text):
        words |= {run[0][at : at + size] for size in (1, 2) for at in range(len(run[0]) - size + 1)}
        values = {(_WIDE_DIGITS[found[1]], found.end()) for found in _WIDE_NUMBER.finditer(run[0])}
        numbers |= {value for value, _ in values}
        counted |= {(value, run[0][at : at + 1]) for value, at in values}
    for found in _WIDE_COUNTED.finditer(text):
        counted |= {(value, found[2]) for value in _digits(found[1])}
    for pair_number, pair in enumerate(_WIDE_OPPOSITES, start=len(_OPPOSITES)):
        sides |= {(pair_number, side) for side, word in enumerate(pair) if word in text}
    compact = "".join(text.lower().split())
    return Terms(
        words=frozenset(words - _WIDE_STOP),
        names=frozenset() if _CAPITAL_NOUNS.search(text) else frozenset(names),
        numbers=frozenset(numbers),
        grams=frozenset(zip(compact, compact[1:], compact[2:], compact[3:], strict=False)),
        quotes=tuple(quote.lower() for quote in _QUOTED.findall(text)),
        negated=_NEGATIONS.search(text) is not None,
        sides=frozenset(sides),
        counted=frozenset(counted),
        text=text,
    )


def clauses(text: str) -> Iterator[tuple[frozenset[str], bool]]:
    """The words of each clause, and whether it holds a negation."""
    for clause in _CLAUSE.split(text):
        words = {
            _stem(word)
            for token in _TOKEN.finditer(_WIDE.sub(" ", clause))
            if (word := token[0].lower()) not in STOP and not word[0].isdigit()
        }
        for run in _WIDE.findall(clause):
            words |= {run[at : at + 2] for at in range(len(run) - 1)}
        if words:
            yield frozenset(words), _NEGATIONS.search(clause) is not None


def united(one: Terms, other: Terms) -> Terms:
    """Two sentences as one."""
    return Terms(
        words=one.words | other.words,
        names=one.names | other.names,
        numbers=one.numbers | other.numbers,
        grams=one.grams | other.grams,
        quotes=one.quotes + other.quotes,
        negated=one.negated or other.negated,
        sides=one.sides | other.sides,
        counted=one.counted | other.counted,
        text=f"{one.text}\n{other.text}",
    )


def _stem(word: str) -> str:
    plain = unicodedata.normalize("NFKD", word[: _STEM + 2])
    return "".join(c for c in plain if not unicodedata.combining(c))[:_STEM]


def _number(word: str, lower: str) -> set[str]:
    """The numbers that a word stands for."""
    if word[0].isdigit():
        return _digits(word)
    if lower in _NUMBER_WORDS:
        return {_NUMBER_WORDS[lower]}
    if lower in _MONTHS and (word[0].isupper() or len(lower) > 4):
        return {f"month {_MONTHS[lower]}"}
    return set()


def _digits(token: str) -> set[str]:
    if len(token) == 10 and token[4] == "-":
        return {token[:4], f"month {int(token[5:7])}", str(int(token[8:]))}
    if _GROUPS.match(token):
        return {re.sub(r"[.,]", "", token)}
    plain = token.replace(",", ".")
    if ":" in plain or plain.count(".") > 1:
        return {part.lstrip("0") or "0" for part in re.split(r"[.:]", plain) if part}
    if "." in plain:
        return {plain.rstrip("0").rstrip(".").lstrip("0") or "0"}
    return {plain.lstrip("0") or "0"}


_SIDES: dict[str, tuple[int, int]] = {
    _stem(word): (number, side)
    for number, pair in enumerate(_OPPOSITES)
    for side, words in enumerate(pair)
    for word in words.split()
}
