"""The figures that the documentation gives, and what they are made from."""

import io

from guards.topic.choice import EmbedderName
from guards.topic.measure import OFF_TOPIC, ON_TOPIC, measure, repeated, scenarios, table
from guards.topic.topics import Mode


def test_every_assistant_is_asked_enough_of_every_kind() -> None:
    names = []
    for scenario in scenarios():
        names.append(scenario.name)
        modes = {topic.mode for topic in scenario.topics}
        assert modes == {Mode.ONLY, Mode.AVOID}
        for side in (ON_TOPIC, OFF_TOPIC):
            asked = [q for q in scenario.questions if q.side == side]
            assert len(asked) >= 55
            assert {q.language for q in asked} == {"en", "de", "zh"}
            assert {q.kind for q in asked} >= {"plain", "follow_up"}
            assert all(q.before for q in asked if q.kind == "follow_up")
    assert names == ["bank", "recipes", "software"]


def test_no_question_is_one_of_the_examples() -> None:
    assert repeated() == []


async def test_words_alone_keep_the_figures_they_are_documented_with() -> None:
    out = io.StringIO()
    counts = await measure(EmbedderName.NGRAMS, out, mistakes=True)

    def share(*sides: str) -> float:
        mine = [c for c in counts if c.side in sides]
        return sum(c.flagged for c in mine) / sum(c.rows for c in mine)

    avoided = {c.side for c in counts} - {ON_TOPIC, OFF_TOPIC}
    assert share(*avoided) > 0.85
    assert share(OFF_TOPIC) > 0.6
    assert share(ON_TOPIC) < 0.45
    talk = [c for c in counts if c.kind == "small_talk"]
    assert sum(c.flagged for c in talk) <= 3
    shown = table(counts)
    assert "false positives" in shown
    assert "recall, topic to avoid" in shown
    assert "ms a judgement" in out.getvalue()
