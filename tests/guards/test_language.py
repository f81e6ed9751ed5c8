"""Languages told apart, and not guessed where the text is too short."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guards.language import LANGUAGES, UNKNOWN, language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("How do I get rid of the moss in my lawn without chemicals?", "en"),
        ("今天的天气怎么样？我们去公园吧", "zh"),
        ("明日の天気を教えてください", "ja"),
        ("내일 날씨가 어떤지 알려 주세요", "ko"),
        ("Wie wird das Wetter morgen in Hamburg und Umgebung?", "de"),
        ("Quel temps fera-t-il demain dans la région de Lyon ?", "fr"),
        ("¿Qué tiempo hará mañana en la costa de Galicia?", "es"),
        ("Какая завтра будет погода в нашем городе?", "ru"),
        ("ما هو الطقس غدا في مدينتنا", "ar"),
    ],
)
def test_languages_are_told_apart(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["", "ok", "yes please", "12345 !!", "你好", "\ud800" * 40])
def test_too_little_is_unknown(text: str) -> None:
    assert language_of(text) == UNKNOWN


@given(st.text(st.characters(), max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    assert language_of(text) in {*LANGUAGES, UNKNOWN}
