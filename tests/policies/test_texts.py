from pathlib import Path

import pytest

from policies.bundle import Policy
from policies.texts import fallbacks, in_locale, region_of
from tests.policies.bundles import Files, clause


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("en", ("en",)),
        ("zh-Hans-CN", ("zh-hans-cn", "zh-hans", "zh")),
        ("zh_TW.UTF-8", ("zh-tw", "zh")),
        ("", ("",)),
    ],
)
def test_fallbacks(locale: str, expected: tuple[str, ...]) -> None:
    assert fallbacks(locale) == expected


@pytest.mark.parametrize(
    ("locale", "region"),
    [("en-US", "US"), ("zh_Hant_tw", "TW"), ("en", None), ("es-419", None), ("zh-Hans", None)],
)
def test_region(locale: str, region: str | None) -> None:
    assert region_of(locale) == region


def test_the_nearest_text_is_taken() -> None:
    texts = {"en": "e", "zh": "z", "zh-tw": "t"}
    chosen = [in_locale(texts, locale, "en") for locale in ("zh-TW", "zh-CN", "zh", "de", "")]
    assert chosen == ["t", "z", "z", "e", "e"]


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    only = clause("only", "when: mentions.topic\nsubjects: [user_input]\ndecision: refuse")
    return Files([only]).load(tmp_path)


@pytest.mark.parametrize(
    ("locale", "lines"),
    [
        ("en-US", ["Lifeline: call 988, text 988, visit 988lifeline.org", "emergency 911"]),
        ("zh-US", ["生命线: 拨打 988, 短信 988, 访问 988lifeline.org", "紧急 911"]),
        ("zh", ["热线: 拨打 12356", "紧急 120"]),
        ("zh-Hant", ["热线: 拨打 12356", "紧急 120"]),
        ("zh-SG", []),
        ("en", []),
        ("en-ZZ", []),
        ("not a locale", []),
    ],
)
def test_crisis_lines_go_by_country(policy: Policy, locale: str, lines: list[str]) -> None:
    anywhere = "任何地方" if locale.startswith("zh") else "find help anywhere"
    shown = policy.text("support", locale).splitlines()
    assert shown[1:] == [f"- {line}" for line in [*lines, anywhere]]


def test_a_text_nobody_wrote(policy: Policy) -> None:
    with pytest.raises(KeyError):
        policy.text("nothing", "en")


def test_the_system_prompt(policy: Policy) -> None:
    assert policy.system_prompt("zh-CN") == "做一个诚实的人工智能。"
