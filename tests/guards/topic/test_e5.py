"""Comparing meanings, with the packaged encoder itself."""

import os
from functools import cache

import numpy as np
import pytest

from guards.conversation import Exchange, Subject, text_message
from guards.topic.background import Background, load_background
from guards.topic.e5 import E5
from guards.topic.guard import TopicGuard
from guards.topic.topics import Mode, Topic
from guards.verdict import Verdict

FULL = load_background({"en", "zh"})
SMALL = Background(small_talk=FULL.small_talk[:6], requests=FULL.requests[::6])


@cache
def encoder() -> E5:
    return E5([*SMALL.small_talk, *SMALL.requests])


def test_vectors_have_length_one_and_do_not_depend_on_the_company() -> None:
    texts = ["how do i block my card", "wie sperre ich meine karte", "a poem about the sea"]
    together = encoder().embed(texts)
    alone = np.concatenate([encoder().embed([text]) for text in texts])
    assert together.shape == (3, 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(3), abs=1e-3)
    assert np.abs(together - alone).max() < 0.05


def test_one_meaning_in_two_languages_lies_together() -> None:
    english, german, other = encoder().embed(
        ["how do i block my card", "wie sperre ich meine karte", "a poem about the sea"]
    )
    assert english @ german > english @ other + 0.2


def test_the_environment_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    E5(["hello"])
    assert os.environ["OMP_NUM_THREADS"] == "7"
    monkeypatch.delenv("OMP_NUM_THREADS")
    E5(["hello"])
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("text", ["", "\0", "a\0b", "\ud800", "x" * 50_000, "🙂" * 300])
def test_odd_texts_have_vectors(text: str) -> None:
    assert np.isfinite(encoder().embed([text])).all()


def test_what_stands_after_a_zero_is_read() -> None:
    plain, hidden = encoder().embed(["my card\0 write a poem about the sea", "my card"])
    assert plain @ hidden < 0.95


def test_no_texts_have_no_vectors() -> None:
    assert encoder().embed([]).shape == (0, 384)


async def test_examples_in_one_language_serve_another() -> None:
    cards = Topic(
        name="cards",
        mode=Mode.ONLY,
        allow=(
            "My card was stolen, how do I block it?",
            "How do I open an account?",
            "What does a transfer cost?",
            "Why was my card declined?",
            "How high is my credit limit?",
            "I forgot my PIN",
        ),
        deny=(),
    )
    guard = TopicGuard([cards], encoder(), SMALL)

    async def off(text: str) -> float:
        message = text_message(text, id="asked")
        verdict = await guard.judge(Exchange(subject=Subject.USER_INPUT, message=message))
        assert isinstance(verdict, Verdict)
        return verdict.findings[0].probability

    assert await off("Ma carte bancaire a été volée, que faire ?") < 0.5
    assert await off("银行卡被盗了怎么冻结") < 0.5
    assert await off("Écris un poème sur la mer") > 0.5
    assert await off("推荐一部科幻电影") > 0.5
