import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.phrases import PhraseList, Wording


def mentions(text: str, *phrases: str) -> bool:
    return PhraseList.of(phrases).found_in(Wording.of(text))


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("Is GUN control working?", "gun control", True),
        ("gun-control", "gun control", True),
        ("gun, and control", "gun control", False),
        ("begun controls", "gun control", False),
        ("Abortions are", "abortion*", True),
        ("abortion", "abortion*", True),
        ("nonabortion", "abortion*", False),
        ("pro lifers", "pro life*", True),
        ("a trump card", "trump", True),
        ("trumpet", "trump", False),
        ("Ｔｒｕｍｐ", "trump", True),
        ("I'm a person", "i'm a person", True),
        ("STRASSE", "straße", True),
        ("我们讨论死刑吧", "死刑", True),
        ("你是 AI 吗", "你是AI吗", True),
        ("死，刑", "死刑", True),
        ("死者", "死刑", False),
        ("", "x", False),
    ],
)
def test_finding(text: str, phrase: str, expected: bool) -> None:
    assert mentions(text, phrase) is expected


@pytest.mark.parametrize("phrase", ["", "*", "?!", "a*b", "ab*", "**"])
def test_phrases_that_could_never_be_meant(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"star|letter"):
        PhraseList.of([phrase])


words = st.text(st.characters(categories=("Ll", "Lu", "Lo", "Nd")), min_size=1, max_size=8)


@given(st.lists(words, max_size=6), words, st.lists(words, max_size=6))
def test_a_phrase_is_found_wherever_it_stands(
    before: list[str], word: str, after: list[str]
) -> None:
    assert mentions(" ".join([*before, word, *after]), word)


@given(st.text(max_size=80), st.lists(words, min_size=1, max_size=5))
def test_any_text_can_be_looked_at(text: str, phrases: list[str]) -> None:
    listed = PhraseList.of(phrases)
    wording = Wording.of(text)
    alone = [PhraseList.of([phrase]).found_in(wording) for phrase in phrases]
    assert listed.found_in(wording) is any(alone)
