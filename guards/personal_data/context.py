"""What the words before a number say it is."""

import re
from collections.abc import Iterator

from guards.personal_data import labels

WINDOW = 48
"""Characters before a number in which a word may say what it is."""

NOT_PERSONAL = "NOT_PERSONAL"
"""A word such as "order" says that the number is none of a person's."""

BORN = "BORN"
"""Somebody was born on the date, who may as well be in an encyclopedia."""

_PHRASES: dict[str, str] = {
    labels.PHONE: """
        phone, phones, phone number, telephone, tel, call, call me, call us, text me, cell,
        cellphone, mobile, mob, fax, whatsapp, reach me, reach us, reach him, reach her,
        contact number, dial, sms, telefon, telefonnummer, telefono, telefonu, handy, handynummer,
        rufnummer, mobil, mobilnummer, mobiltelefon, téléphone, portable, appelez, appeler,
        teléfono, móvil, celular, llame, llamar, cellulare, telefoon, telemóvel, телефон*, тел,
        мобильн*, позвон*, звон*, 电话, 手机, 联系方式, 致电, 拨打, 電話, 手機, 携帯, 전화, 연락처,
        휴대폰, 핸드폰, هاتف, फ़ोन, मोबाइल, โทร""",
    labels.CARD: """
        credit card, debit card, card, card number, card no, visa, mastercard, amex,
        american express, kreditkarte, carte bancaire, carte de crédit, tarjeta, carta di credito,
        cartão, карт*, 信用卡, 卡号, クレジットカード, 카드""",
    labels.BANK_ACCOUNT: """
        bank account, account, account number, account no, acct, routing, routing number,
        sort code, kontonummer, konto, compte, cuenta, conto, conta, 银行账号, 银行卡号, 账号,
        口座番号, 계좌, iban""",
    labels.US_SSN: "ssn, social security, social security number, social security no, social",
    labels.US_ITIN: "itin, taxpayer id",
    labels.UK_NHS: "nhs, nhs number, nhs no",
    labels.UK_NINO: "nino, national insurance, national insurance number, ni number",
    labels.NL_BSN: "bsn, burgerservicenummer, sofinummer",
    labels.DE_TAX_ID: "steuer-id, steuerid, steuernummer, steueridentifikationsnummer, idnr",
    labels.FR_NIR: "nir, sécurité sociale, numéro de sécu, insee",
    labels.PL_PESEL: "pesel",
    labels.SE_PERSONNUMMER: "personnummer, personal identity number",
    labels.DK_CPR: "cpr, cpr-nummer",
    labels.NO_FODSELSNUMMER: "fødselsnummer, fodselsnummer",
    labels.BE_NN: "rijksregisternummer, numéro national, insz",
    labels.CH_AHV: "ahv, ahv-nummer, ahv-nr, avs",
    labels.CA_SIN: "sin, sin number, social insurance, social insurance number",
    labels.AU_TFN: "tfn, tax file, tax file number",
    labels.IN_AADHAAR: "aadhaar, aadhar, uidai, आधार",
    labels.IN_PAN: "pan, pan card, pan number",
    labels.BR_CPF: "cpf",
    labels.BR_CNPJ: "cnpj",
    labels.JP_MY_NUMBER: "my number, individual number, マイナンバー, 個人番号",
    labels.KR_RRN: "주민등록번호, 주민번호, rrn",
    labels.CN_ID: "身份证, 公民身份号码",
    labels.TW_ID: "身分證, 統一編號",
    labels.HK_ID: "hkid, hkid number, 身份證",
    labels.MX_CURP: "curp",
    labels.PASSPORT: """
        passport, passport number, passport no, reisepass, reisepassnummer, passeport, pasaporte,
        passaporto, paspoort, паспорт*, 护照, 護照, 旅券番号, パスポート, 여권""",
    labels.DRIVER_LICENCE: """
        driver license, drivers license, driver's license, driver licence, driver's licence,
        driving licence, driving license, license number, licence number, dl number, dl,
        führerschein, permis de conduire, licencia de conducir, rijbewijs, 驾驶证, 驾照, 駕照,
        運転免許, 운전면허""",
    labels.DATE_OF_BIRTH: """
        date of birth, birth date, birthdate, dob, d o b, geburtsdatum, date de naissance,
        fecha de nacimiento, data di nascita, data de nascimento, geboortedatum, дата рождения,
        i was born, i was born on, ich bin geboren, 出生日期, 生日, 生年月日, 생년월일""",
    BORN: """
        born, born on, born in, geboren, geboren am, née le, né le, nacido el, nacida el, nato il,
        nata il, родил*, 出生, 生まれ""",
    labels.IP_ADDRESS: "ip, ip address, ipv4, ipv6, ip地址",
    NOT_PERSONAL: """
        order, order number, order no, order id, invoice, invoice number, invoice no, tracking,
        tracking number, tracking no, ticket, ref, reference, serial, serial number, serial no,
        model, part number, part no, isbn, issn, doi, sku, ean, upc, version, build, release,
        case number, case no, confirmation, booking, receipt, id, population, total, sum, price,
        cost, usd, eur, equals, hash, checksum, pi, transaction, transaction id, timestamp, unix,
        port, pid, error, error code, line, lines, page, pages, chapter, bestellnummer, rechnung,
        rechnungsnummer, sendungsnummer, commande, facture, pedido, factura, ordine, fattura,
        заказ*, счет, 订单, 发票, 快递单号, 单号, 注文番号, 주문번호, 송장""",
}


def _listed() -> Iterator[tuple[str, str]]:
    for kind, phrases in _PHRASES.items():
        for phrase in phrases.split(","):
            yield " ".join(phrase.split()), kind


_KINDS = {phrase: kind for phrase, kind in _listed() if not phrase.endswith("*")}
_STEMS = {phrase[:-1]: kind for phrase, kind in _listed() if phrase.endswith("*")}
_LONGEST = 4
"""Words in the longest phrase."""

_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")
_UNSPACED = "\u2e80"
"""From this character on come the scripts that are written without spaces."""


def kind_before(text: str, start: int, window: int = WINDOW) -> str | None:
    """What the nearest telling word before ``start`` makes of a number there.

    One of :mod:`guards.personal_data.labels`, ``BORN``, ``NOT_PERSONAL``, or ``None`` when no
    word of the ``window`` characters before it tells anything.
    """
    words = _WORD.findall(text[max(0, start - window) : start].lower())
    for last in range(len(words), 0, -1):
        word = words[last - 1]
        if word[-1] >= _UNSPACED or word[0] >= _UNSPACED:
            kind = _within(word)
        else:
            kind = _of_phrase(words[max(0, last - _LONGEST) : last])
        if kind is not None:
            return kind
    return None


def _of_phrase(words: list[str]) -> str | None:
    """What the longest known phrase at the end of ``words`` says."""
    for first in range(len(words)):
        kind = _KINDS.get(" ".join(words[first:]))
        if kind is not None:
            return kind
    word = words[-1]
    for length in range(min(len(word), 8), 3, -1):
        kind = _STEMS.get(word[:length])
        if kind is not None:
            return kind
    return None


def _within(run: str) -> str | None:
    """What the last known word in a run without spaces says, the longest at each place."""
    for end in range(len(run), 0, -1):
        for begin in range(max(0, end - 8), end):
            kind = _KINDS.get(run[begin:end])
            if kind is not None:
                return kind
    return None
