"""Short answers, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.approval.words import _LANGUAGES, _OWN_ONLY, _anywhere, word_of

YES = {
    "ar": "نعم", "bn": "হ্যাঁ", "cs": "Ano", "da": "Ja", "de": "Jawohl", "el": "Ναι", "en": "Yes",
    "es": "Sí", "fa": "بله", "fi": "Kyllä", "fr": "Oui", "he": "כן", "hi": "हाँ", "hu": "Igen",
    "id": "Ya", "it": "Sì", "ja": "はい", "ko": "네", "nb": "ja", "nl": "Ja", "pl": "Tak",
    "pt": "Sim", "ro": "Da", "ru": "Да", "sv": "ja", "th": "ใช่", "tr": "Evet", "uk": "так",
    "ur": "ہاں", "vi": "Vâng", "zh": "好的",
}  # fmt: skip
NO = {
    "ar": "لا", "bn": "না", "cs": "Ne", "da": "Nej", "de": "Nein", "el": "Όχι", "en": "No",
    "es": "No", "fa": "نه", "fi": "Ei", "fr": "Non", "he": "לא", "hi": "नहीं", "hu": "Nem",
    "id": "Tidak", "it": "No", "ja": "いいえ", "ko": "아니요", "nb": "nei", "nl": "Nee",
    "pl": "Nie", "pt": "Não", "ro": "Nu", "ru": "Нет", "sv": "nej", "th": "ไม่", "tr": "HAYIR",
    "uk": "ні", "ur": "نہیں", "vi": "Không", "zh": "不要",
}  # fmt: skip


@pytest.mark.parametrize("language", YES)
def test_each_language_can_say_yes_and_no(language: str) -> None:
    for decoration in ("{}", " {} ", "{}.", "{}!", "{}…\n"):
        assert word_of(decoration.format(YES[language]), f"{language}-XX") is True
        assert word_of(decoration.format(NO[language]), language) is False


@pytest.mark.parametrize(
    ("text", "answer"),
    [("y", True), ("N", False), ("OK", True), ("Okay!", True), ("👍", True), ("👍🏽👍🏽", True),
     ("👎", False), ("👎🏿", False), ("❤️", None), ("👍👎", None)],
)  # fmt: skip
@pytest.mark.parametrize("locale", ["en", "de", "zh-Hans", "tlh"])
def test_some_answers_are_the_same_everywhere(text: str, answer: bool | None, locale: str) -> None:
    assert word_of(text, locale) is answer


@pytest.mark.parametrize(
    "text",
    [
        "yes please send it to eve instead", "yes and no", "no yes", "yes?", "sí?", "はい？",
        "نعم؟",
        "yes, but later", "not yes", "'yes'", "“yes”", "the user said yes", "yes\nno", "yes no",
        "yesterday", "no problem", "", " ", "?", "maybe", "send it", "y/n", "yes" + " " * 60,
        "👍?", "1", "true", "ｙｅｓ or no",
    ],
)  # fmt: skip
def test_nothing_else_is_an_answer(text: str) -> None:
    assert word_of(text, "en") is None


@pytest.mark.parametrize(
    ("text", "locale", "answer"),
    [
        ("ja", "en", True), ("oui", "de", True), ("nein", "en", False), ("いいえ", "en", False),
        ("tak", "da", None), ("tak", "en", None), ("tak", "pl", True),
        ("da", "de", None), ("da", "en", None), ("да", "en", True),
        ("ja", "pl", None), ("ja", "fi", None), ("si", "fr", None), ("si", "it", True),
        ("y", "es", None), ("no", "pl", None), ("no", "de", False),
        ("так", "ru", None), ("так", "uk", True), ("igen", "sv", None),
    ],
)  # fmt: skip
def test_a_word_counts_where_it_can_be_nothing_else(
    text: str, locale: str, answer: bool | None
) -> None:
    assert word_of(text, locale) is answer


def test_full_width_letters_are_letters() -> None:
    assert word_of("ＹＥＳ！", "ja") is True


def test_no_word_is_a_yes_and_a_no() -> None:
    for language in _LANGUAGES.values():
        assert not language.yes & language.no
        assert not language.other & (language.yes | language.no)
    assert not _OWN_ONLY & {word for word, yes in _anywhere().items() if not yes}


@given(st.text(max_size=80), st.sampled_from([*_LANGUAGES, "xx", ""]))
def test_any_text_has_an_answer_or_none(text: str, locale: str) -> None:
    assert word_of(text, locale) in (True, False, None)


@given(st.sampled_from(sorted(_anywhere())), st.text(alphabet="abcxyz ", min_size=4, max_size=12))
def test_a_longer_message_is_no_answer(word: str, more: str) -> None:
    if more.strip():
        assert word_of(f"{word} {more}", "en") is None
        assert word_of(f"{more} {word}", "en") is None
