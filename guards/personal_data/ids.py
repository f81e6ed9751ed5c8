"""National identity, tax and insurance numbers, by their checksums."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from guards.detection import Hit
from guards.personal_data import labels
from guards.personal_data.context import NOT_PERSONAL, kind_before


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How an id of so many digits is written, and the module of python-stdnum that checks it."""

    label: str
    pattern: re.Pattern[str]
    module: str
    sizes: tuple[int, ...]


def _form(label: str, pattern: str, module: str, *sizes: int) -> _Form:
    return _Form(label=label, pattern=re.compile(pattern), module=module, sizes=sizes)


_NUMERIC = (
    _form(labels.US_SSN, r"\d{3}([- ])\d{2}\1\d{4}|\d{9}", "us.ssn", 9),
    _form(labels.US_ITIN, r"9\d{2}([- ]?)\d{2}\1\d{4}", "us.itin", 9),
    _form(labels.UK_NHS, r"\d{3}([- ]?)\d{3}\1\d{4}", "gb.nhs", 10),
    _form(labels.NL_BSN, r"\d{9}|\d{4}\.\d{2}\.\d{3}|\d{3}\.\d{3}\.\d{3}", "nl.bsn", 9),
    _form(labels.DE_TAX_ID, r"\d{11}|\d{2}( ?)\d{3}\1\d{3}\1\d{3}", "de.idnr", 11),
    _form(labels.FR_NIR, r"[12]( ?)\d{2}\1\d{2}\1\d{2}\1\d{3}\1\d{3}\1\d{2}", "fr.nir", 15),
    _form(labels.PL_PESEL, r"\d{11}", "pl.pesel", 11),
    _form(labels.SE_PERSONNUMMER, r"(?:19|20)?\d{6}-?\d{4}", "se.personnummer", 10, 12),
    _form(labels.DK_CPR, r"\d{6}-?\d{4}", "dk.cpr", 10),
    _form(labels.NO_FODSELSNUMMER, r"\d{6} ?\d{5}", "no.fodselsnummer", 11),
    _form(labels.BE_NN, r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", "be.nn", 11),
    _form(labels.CH_AHV, r"756(\.?)\d{4}\1\d{4}\1\d{2}", "ch.ssn", 13),
    _form(labels.CA_SIN, r"\d{3}([ -]?)\d{3}\1\d{3}", "ca.sin", 9),
    _form(labels.AU_TFN, r"\d{3}( ?)\d{3}\1\d{3}", "au.tfn", 9),
    _form(labels.IN_AADHAAR, r"[2-9]\d{3}([ -]?)\d{4}\1\d{4}", "in_.aadhaar", 12),
    _form(labels.BR_CPF, r"\d{3}(\.?)\d{3}\1\d{3}-?\d{2}", "br.cpf", 11),
    _form(labels.BR_CNPJ, r"\d{2}\.?\d{3}\.?\d{3}/?\d{4}-?\d{2}", "br.cnpj", 14),
    _form(labels.JP_MY_NUMBER, r"\d{4}([ -]?)\d{4}\1\d{4}", "jp.in_", 12),
    _form(labels.KR_RRN, r"\d{6}-?\d{7}", "kr.rrn", 13),
    _form(labels.CN_ID, r"[1-9]\d{5}(?:19|20)\d{9}", "cn.ric", 18),
)

_BY_SIZE = {
    size: tuple(form for form in _NUMERIC if size in form.sizes)
    for size in {size for form in _NUMERIC for size in form.sizes}
}

_TELLING: dict[str, float] = {
    labels.CN_ID: 0.96,
    labels.FR_NIR: 0.92,
    labels.KR_RRN: 0.9,
    labels.CH_AHV: 0.9,
    labels.BR_CPF: 0.9,
    labels.US_SSN: 0.85,
    labels.BE_NN: 0.85,
    labels.IN_AADHAAR: 0.82,
    labels.US_ITIN: 0.8,
    labels.SE_PERSONNUMMER: 0.8,
    labels.DK_CPR: 0.6,
    labels.BR_CNPJ: 0.6,
}
"""How likely an id is one without a word that says so, where form and checksum tell enough."""

_UNGROUPED = frozenset({labels.CN_ID, labels.FR_NIR})
"""Those that tell enough even when written as one run of digits."""


def numeric_ids(written: str, digits: str, kind: str | None) -> Iterator[tuple[str, float]]:
    """Each id that a number in digits can be by form and checksum, and how likely it is.

    ``kind`` is what the words before it say (:func:`..context.kind_before`).
    """
    for form in _BY_SIZE.get(len(digits), ()):
        telling = form.label in _UNGROUPED or not written.isdecimal()
        base = _TELLING.get(form.label, 0.0) if telling else 0.0
        if not base and kind != form.label:
            continue
        if form.pattern.fullmatch(written) and _is_valid(form.module, digits):
            if kind == form.label:
                yield form.label, 0.97
            else:
                yield form.label, base * 0.4 if kind is NOT_PERSONAL else base


_LETTERED = (
    (
        labels.UK_NINO,
        r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]( ?)\d{2}\1\d{2}\1\d{2}\1[A-D]",
        "",
        0.85,
    ),
    (labels.CN_ID, r"[1-9]\d{5}(?:19|20)\d{2}\d{2}\d{5}[Xx]", "cn.ric", 0.97),
    (labels.ES_DNI, r"\d{8}[- ]?[A-Z]", "es.dni", 0.88),
    (labels.ES_DNI, r"[XYZ][- ]?\d{7}[- ]?[A-Z]", "es.nie", 0.92),
    (
        labels.IT_CODICE_FISCALE,
        r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]",
        "it.codicefiscale",
        0.97,
    ),
    (labels.IN_PAN, r"[A-Z]{3}[ABCFGHLJPT][A-Z]\d{4}[A-Z]", "in_.pan", 0.75),
    (labels.TW_ID, r"[A-Z][12]\d{8}", "", 0.85),
    (labels.HK_ID, r"[A-Z]{1,2}\d{6}\([0-9A]\)", "", 0.92),
    (labels.MX_CURP, r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", "mx.curp", 0.97),
)
_ANY_LETTERED = re.compile(
    r"(?<![A-Za-z0-9_.-])(?:"
    + "|".join(
        f"(?P<f{place}>{pattern})".replace(r"\1", f"(?P=g{place})").replace(
            "( ?)", f"(?P<g{place}> ?)"
        )
        for place, (_, pattern, _, _) in enumerate(_LETTERED)
    )
    + r")(?![A-Za-z0-9_-])"
)


def lettered_ids(text: str) -> Iterator[Hit]:
    """Ids that hold letters, and passports and licences where the context says so."""
    for match in _ANY_LETTERED.finditer(text):
        name = next(n for n, v in match.groupdict().items() if v is not None and n[0] == "f")
        label, _, module, base = _LETTERED[int(name[1:])]
        number = "".join(filter(str.isalnum, match[0])).upper()
        if module and not _is_valid(module, number):
            continue
        if not module and not _CHECKS.get(label, _any)(number):
            continue
        kind = kind_before(text, match.start())
        probability = 0.98 if kind == label else base * 0.6 if kind is NOT_PERSONAL else base
        yield Hit(start=match.start(), end=match.end(), label=label, probability=probability)
    for match in _DOCUMENT.finditer(text):
        if sum(map(str.isdecimal, match[0])) < 4:
            continue
        kind = kind_before(text, match.start())
        if kind in (labels.PASSPORT, labels.DRIVER_LICENCE):
            yield Hit(start=match.start(), end=match.end(), label=kind, probability=0.88)


_DOCUMENT = re.compile(r"(?<![A-Za-z0-9_-])[A-Z]{1,3}[0-9A-Z-]{5,14}(?![A-Za-z0-9_-])")


def _any(_: str) -> bool:
    return True


def _is_tw_id(number: str) -> bool:
    """Letter as two digits, then weights 1, 9, 8 … 1, 1 summing to a multiple of ten."""
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    digits = [code // 10, code % 10, *map(int, number[1:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    return sum(d * w for d, w in zip(digits, weights, strict=True)) % 10 == 0


def _is_hk_id(number: str) -> bool:
    """Letters from A = 10, a blank of 36 before a single one, weights 9 … 1, a multiple of 11."""
    body, check = number[:-1].rjust(8), number[-1]
    values = [36 if c == " " else int(c, 36) for c in body] + [int(check, 36)]
    return sum(v * w for v, w in zip(values, range(9, 0, -1), strict=True)) % 11 == 0


_CHECKS = {labels.TW_ID: _is_tw_id, labels.HK_ID: _is_hk_id}


@cache
def _module(name: str) -> ModuleType:
    return importlib.import_module(f"stdnum.{name}")


def _is_valid(module: str, number: str) -> bool:
    return bool(_module(module).is_valid(number))
