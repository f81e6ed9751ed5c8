"""What the personal-data guard finds, and what it leaves alone."""

import asyncio
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.conversation import Exchange, Subject, text_message
from guards.personal_data import labels
from guards.personal_data.guard import PersonalDataGuard, find, unfinished
from guards.redaction import Cut, redact
from guards.verdict import Verdict

HIGH = 0.7


def found(text: str, least: float = HIGH) -> list[tuple[str, str]]:
    return [(h.label, text[h.start : h.end]) for h in find(text) if h.probability >= least]


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("write to Ann.Lee+news@mail.gmx.de please", labels.EMAIL, "Ann.Lee+news@mail.gmx.de"),
        ("mailto:bo@uni.ac.uk", labels.EMAIL, "bo@uni.ac.uk"),
        ("我的邮箱是wang_wei@163.com，谢谢", labels.EMAIL, "wang_wei@163.com"),
        ("+44 7911 123456 is mine", labels.PHONE, "+44 7911 123456"),
        ("ring (415) 555-2671 now", labels.PHONE, "(415) 555-2671"),
        ("212-736-5000 or so", labels.PHONE, "212-736-5000"),
        ("手机13873122345。", labels.PHONE, "13873122345"),
        ("mon portable : 06 12 34 56 78", labels.PHONE, "06 12 34 56 78"),
        ("Handy 0171 2345678", labels.PHONE, "0171 2345678"),
        ("電話は090-1234-5678です", labels.PHONE, "090-1234-5678"),
        ("전화 010-2345-6789", labels.PHONE, "010-2345-6789"),
        ("мой телефон 8 (912) 345-67-89", labels.PHONE, "8 (912) 345-67-89"),
        ("tel 4498123", labels.PHONE, "4498123"),
        ("pay with 4111 1111 1111 1111", labels.CARD, "4111 1111 1111 1111"),
        ("amex 378282246310005", labels.CARD, "378282246310005"),
        (
            "卡号６２２８４８０４０２５６４８９００１８",
            labels.CARD,
            "６２２８４８０４０２５６４８９００１８",
        ),
        ("to DE89 3704 0044 0532 0130 00 TODAY", labels.IBAN, "DE89 3704 0044 0532 0130 00"),
        ("iban gb33bukb20201555555555", labels.IBAN, "gb33bukb20201555555555"),
        ("my SSN is 536-90-4399", labels.US_SSN, "536-90-4399"),
        ("NHS number 943 476 5919", labels.UK_NHS, "943 476 5919"),
        ("national insurance AB 12 34 56 C", labels.UK_NINO, "AB 12 34 56 C"),
        ("BSN 111222333", labels.NL_BSN, "111222333"),
        ("Steuer-ID 36 574 261 809", labels.DE_TAX_ID, "36 574 261 809"),
        ("nir 2 95 10 99 126 111 93", labels.FR_NIR, "2 95 10 99 126 111 93"),
        ("DNI 12345678Z", labels.ES_DNI, "12345678Z"),
        ("NIE X2482300W", labels.ES_DNI, "X2482300W"),
        ("CF RCCMNL83S18D969H", labels.IT_CODICE_FISCALE, "RCCMNL83S18D969H"),
        ("PESEL 44051401359", labels.PL_PESEL, "44051401359"),
        ("personnummer 880320-0016", labels.SE_PERSONNUMMER, "880320-0016"),
        ("Aadhaar 2341 2341 2346", labels.IN_AADHAAR, "2341 2341 2346"),
        ("PAN card ACUPA7085R", labels.IN_PAN, "ACUPA7085R"),
        ("CPF 390.533.447-05", labels.BR_CPF, "390.533.447-05"),
        ("身份证号码11010519491231002X", labels.CN_ID, "11010519491231002X"),
        ("マイナンバー 1234 5678 9018", labels.JP_MY_NUMBER, "1234 5678 9018"),
        ("주민등록번호 971013-9019902", labels.KR_RRN, "971013-9019902"),
        ("身分證 A123456789", labels.TW_ID, "A123456789"),
        ("HKID A123456(3)", labels.HK_ID, "A123456(3)"),
        ("passport no. C01X00T47", labels.PASSPORT, "C01X00T47"),
        ("driver's license D1234567", labels.DRIVER_LICENCE, "D1234567"),
        ("date of birth: 12 March 1985", labels.DATE_OF_BIRTH, "12 March 1985"),
        ("出生日期：1990年5月3日", labels.DATE_OF_BIRTH, "1990年5月3日"),
        ("from ip 93.184.216.34", labels.IP_ADDRESS, "93.184.216.34"),
        (
            "at 2606:2800:220:1:248:1893:25c8:1946",
            labels.IP_ADDRESS,
            "2606:2800:220:1:248:1893:25c8:1946",
        ),
        ("mac 3c:22:fb:4a:10:9e", labels.MAC_ADDRESS, "3c:22:fb:4a:10:9e"),
        (
            "to 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            labels.CRYPTO_ADDRESS,
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        ),
        (
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            labels.CRYPTO_ADDRESS,
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        ),
        (
            "I live at 12 Elm Street, Springfield, IL 62704.",
            labels.ADDRESS,
            "12 Elm Street, Springfield, IL 62704",
        ),
        ("wohnt Musterstraße 12, 10115 Berlin", labels.ADDRESS, "Musterstraße 12, 10115 Berlin"),
        ("au 12 rue de la Paix, 75002 Paris", labels.ADDRESS, "12 rue de la Paix, 75002 Paris"),
        ("住在北京市海淀区中关村大街27号", labels.ADDRESS, "北京市海淀区中关村大街27号"),
        ("東京都千代田区千代田1-1", labels.ADDRESS, "東京都千代田区千代田1-1"),
        ("서울특별시 중구 세종대로 110", labels.ADDRESS, "서울특별시 중구 세종대로 110"),
        ("My name is Ludwig van Beuren and", labels.PERSON, "Ludwig van Beuren"),
        ("Name: Zoë O'Brien", labels.PERSON, "Zoë O'Brien"),
        ("我叫王小明，你好", labels.PERSON, "王小明"),
    ],
)
def test_what_is_found(text: str, label: str, value: str) -> None:
    assert found(text) == [(label, value)]


@pytest.mark.parametrize(
    "text",
    [
        "order 4155552671 has shipped",
        "invoice number 2024-000-1234567",
        "in 2024-05-01 12:30:00, from 1939-1945, on 12/05/2024",
        "population 1409670000 and pi 3.14159265358979",
        "1,234,567.89 dollars, 100000000 users, 1.2.3.4 of the library",
        "4111 1111 1111 1112 is no card",
        "DE00 3704 0044 0532 0130 00 is no account",
        "write to you@example.com or support@corral.dev",
        "10.0.0.1, 127.0.0.1 and 192.168.1.1",
        "1234567890 and 0000000000 and 1010 1101 1001",
        "Who was Marie Curie, and what did Nelson Mandela say?",
        "call 1-800-662-4357, +1 800 273 8255, 0800 111 0 111 or 116 123",
        "Mr. Darcy loves Elizabeth Bennet",
        "Albert Einstein was born on 14 March 1879",
        "commit 3f8bba2e1c5d4b6a798877665544332211aabbcc",
        "3d 4f a9, abc-123-4567890, v12345678",
        "[EMAIL_1] and [PHONE_2] are placeholders",
    ],
)
def test_what_is_nobodys_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_a_word_before_a_number_raises_or_lowers_it() -> None:
    def probability(text: str) -> float:
        return max((h.probability for h in find(text)), default=0.0)

    number = "212 736 5000"
    assert probability(f"order {number}") < probability(number) < probability(f"call {number}")


def test_the_nearest_word_decides() -> None:
    text = "order 7365000123, phone 7365000124"
    assert found(text) == [(labels.PHONE, "7365000124")]


def test_several_numbers_in_one_run_are_told_apart() -> None:
    text = "212-736-5000 (415) 555-2671"
    assert [value for _, value in found(text)] == ["212-736-5000", "(415) 555-2671"]


def test_every_label_is_a_code_that_a_finding_takes() -> None:
    guard = PersonalDataGuard()
    message = text_message("ann@gmx.de", id="m")
    verdict = asyncio.run(guard.judge(Exchange(subject=Subject.REPLY, message=message)))
    assert isinstance(verdict, Verdict)
    assert [f.label for f in verdict.findings] == [labels.EMAIL]
    assert labels.EMAIL in labels.ALL
    assert "stdnum" in guard.revision


FRAGMENTS = st.sampled_from(
    [
        "call me at (415) 555-2671",
        "ann.lee@gmail.com",
        "4111 1111 1111 1111",
        "DE89 3704 0044 0532 0130 00",
        "I live at 12 Elm Street, Springfield, IL 62704.",
        "12 rue de la Paix, 75002 Paris",
        "my name is Ludwig van Beuren",
        "536-90-4399",
        "date of birth: 12 March 1985",
        "born on March 12, 1985,",
        "我叫王小明，电话13873122345",
        "住在北京市海淀区中关村大街27号3单元",
        "東京都千代田区千代田1丁目2番地",
        "서울특별시 중구 세종대로 110",
        "the weather in May is fine.",
        "Mr. Smith",
        "2024-05-01",
        "and 42 more",
        "+86 138 7312 2345",
        "93.184.216.34",
    ]
)
TEXTS = st.lists(FRAGMENTS, min_size=1, max_size=4).map(" ".join)


def judged(text: str, subject: Subject) -> tuple[list[Cut], int]:
    """What is cut out of ``text``, and from where it is held back."""
    exchange = Exchange(subject=subject, message=text_message(text, id="m"))
    verdict = asyncio.run(GUARD.judge(exchange))
    assert isinstance(verdict, Verdict)
    made = [
        Cut(span=finding.span, replacement=f"[{finding.label}]")
        for finding in verdict.findings
        if finding.probability >= HIGH and finding.span is not None
    ]
    return made, len(text) if verdict.hold is None else verdict.hold


GUARD = PersonalDataGuard()


@given(TEXTS, st.data())
def test_i3_what_a_growing_text_shows_is_what_the_whole_shows(
    text: str, data: st.DataObject
) -> None:
    """Nothing reaches from held text back into what was shown, wherever the text is cut."""
    part = text[: data.draw(st.integers(0, len(text)))]
    early, hold = judged(part, Subject.REPLY_SO_FAR)
    whole, _ = judged(text, Subject.REPLY)
    shown = [cut for cut in early if cut.span.end <= hold]
    assert [cut for cut in whole if cut.span.start < hold] == shown
    assert redact(text, whole).startswith(redact(part[:hold], shown))


@given(st.text(max_size=200))
def test_any_text_is_judged(text: str) -> None:
    hits = find(text)
    assert all(0 <= h.start < h.end <= len(text) and h.label in labels.ALL for h in hits)
    assert 0 <= unfinished(text) <= len(text)


@pytest.mark.parametrize(
    "unit", ["1", "1 ", "a@", "12 Main ", "A1", "路", "4111 ", "1.", "(", "a:", "Name: ", "AB12 "]
)
def test_time_grows_with_the_length_and_not_with_its_square(unit: str) -> None:
    """Eight times the text takes well below the sixty-four times that backtracking would."""

    def cost(length: int) -> float:
        text = unit * (length // len(unit))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            find(text)
            best = min(best, time.process_time() - start)
        return best

    assert cost(16_000) < 48 * cost(2_000) + 0.05


def test_random_numbers_are_rarely_anybodys() -> None:
    chance = random.Random(7)
    numbers = [str(chance.randrange(10**11, 10**12)) for _ in range(2_000)]
    assert sum(bool(found(f"value {number}")) for number in numbers) < 20
