"""Where sentences begin and end, in the languages people write to an assistant in."""

import re

ABBREVIATIONS = frozenset(
    # What stands before a full stop that ends no sentence, in lower case.
    """mr mrs ms dr prof st sr jr vs etc fig figs vol al approx dept est inc ltd co corp
    gen col sgt capt rev hon mt ave blvd ed eds pp ch sec eq cf ca e.g i.e a.m p.m u.s u.k
    jan feb mar apr jun jul aug sep sept oct nov dec
    z.b d.h u.a bzw usw ggf evtl inkl zzgl nr str tel abs art bd hr fr mio mrd sog vgl
    m mme mlle p.ex env max min av chap éd
    sra srta ud uds ee.uu p.ej núm pág aprox
    sig dott ing ecc pag avv
    dhr mevr bijv enz blz dl
    т.е т.д т.п г ул им стр руб""".split()  # noqa: SIM905 - a list of quoted ones fills a page
)
_ENDS = re.compile(
    r"(?P<stop>(?<![.!?…])[.!?…]++)[\"'”’»)\]]*(?P<cited>(?:\s?\[\^?\d{1,3}\]|\s?【\d{1,3}】)*)(?=\s|\Z)"
    r"|[。！？｡؟।]+[\"'”’»」』）)]*(?:\s?(?:\[\^?\d{1,3}\]|【\d{1,3}】))*"
    r"|(?<![ \t\r])[ \t\r]*\n\s*"
)
_WORD_BEFORE = re.compile(r"[^\s(\[\"'“‘«]{1,12}\Z")
_NUMBERED = re.compile(r"(?:^|\n)[ \t>*_-]*(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,4})\Z")
_ORDINAL = re.compile(r"\b(?:der|die|das|den|dem|des|am|im|vom|zum|beim) \d{1,2}\Z", re.IGNORECASE)
_BEFORE_DIGIT = frozenset({"no", "nos"})
_DIGIT = re.compile(r"\s\d")
_MONTH = re.compile(
    r"\s+(?:jan|feb|mär|apr|mai|jun|jul|aug|sep|okt|nov|dez|jahrhundert)", re.IGNORECASE
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Half-open ranges of the sentences in ``text``, in order, without the blanks between them.

    A line break always ends a sentence, so headings, items of a list and rows of a table are
    sentences of their own. Marks such as ``[1]`` behind a full stop belong to what they follow.
    Linear in the length of ``text``.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for end in _ENDS.finditer(text):
        if end["stop"] is not None and not end["cited"] and not _final(text, end):
            continue
        _add(found, text, start, end.end())
        start = end.end()
    _add(found, text, start, len(text))
    return found


def _final(text: str, end: re.Match[str]) -> bool:
    """Whether the stops end a sentence, rather than an abbreviation, an initial or an ordinal."""
    if end["stop"] != ".":
        return end["stop"].strip(".…") != "" or not _goes_on(text, end.end())
    before = text[max(0, end.start() - 16) : end.start()]
    word = _WORD_BEFORE.search(before)
    if word is None:
        return True
    last = word[0]
    if last.lower() in ABBREVIATIONS or _NUMBERED.search(before):
        return False
    if _ORDINAL.search(before) or (last.lower() in _BEFORE_DIGIT and _DIGIT.match(text, end.end())):
        return False
    if len(last) == 1 and last.isalpha():
        return not last.isupper()
    if last.isdigit() and len(last) <= 2 and _MONTH.match(text, end.end(), end.end() + 20):
        return False
    return not _goes_on(text, end.end())


def _goes_on(text: str, at: int) -> bool:
    """Whether what follows the blank at ``at`` begins in lower case."""
    return text[at : at + 1] in (" ", "\t") and text[at + 1 : at + 2].islower()


def _add(found: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    if left < len(piece):
        found.append((start + left, start + len(piece.rstrip())))
