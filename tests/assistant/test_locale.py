"""The language of Corral's own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.locale import locale_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("怎么做一把椅子？", "zh"),
        ("椅子の作り方を教えてください", "ja"),
        ("의자를 어떻게 만드나요?", "ko"),
        ("How do I write 你好?", "en"),
        ("¿Cómo se hace una silla?", "en"),
        ("", "en"),
        ("123 !?", "en"),
    ],
)
def test_the_script_tells(text: str, expected: str) -> None:
    assert locale_of(text, "en") == expected


def test_a_region_of_the_same_language_is_kept() -> None:
    assert locale_of("怎么做一把椅子？", "zh-TW") == "zh-TW"


@given(st.text(alphabet=st.characters(max_codepoint=0x10FF)), st.sampled_from(["en", "de-AT"]))
def test_other_scripts_leave_the_default(text: str, default: str) -> None:
    assert locale_of(text, default) == default
