"""What the policy tells the guards that judge by it, and which guards it needs."""

from pathlib import Path

import pytest

from assistant.bootstrap import open_guards, seat_panel
from assistant.errors import GuardStartError, SettingsError
from assistant.settings import Settings, load_settings
from assistant.testing.scripted_guard import ScriptedGuard
from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.upstream import open_upstreams
from policies.audience import Audience
from policies.bundle import Policy
from tests.docs.test_topics_page import written

GUARDS = """
guards:
  topic: {kind: topic, embedder: ngrams}
  judge: {kind: gpt_oss_safeguard, urls: ["http://127.0.0.1:9/v1"], model: scripted}
"""


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A policy with topics, and a file of guards beside it."""
    (tmp_path / "guards.yaml").write_text(GUARDS, encoding="utf-8")
    return written(tmp_path)


def settings_of(policy: Path | None, *guards: str, folder: Path) -> Settings:
    return load_settings(
        policy=policy, guards=guards, guard_file=folder / "guards.yaml", guard_timeout=60.0
    )


async def test_the_policys_topics_reach_the_guard_and_its_findings_the_policy(bank: Path) -> None:
    settings = settings_of(bank, "topic", folder=bank.parent)
    policy = Policy.load(bank)
    async with open_upstreams() as upstreams:
        panel = seat_panel(settings, policy, upstreams)

    async def clause_for(text: str) -> str | None:
        message = text_message(text, id="asked")
        exchange = Exchange(subject=Subject.USER_INPUT, message=message)
        verdict = await panel.judge(exchange)
        assert verdict.complete
        return policy.decide(exchange, verdict, Audience.GENERAL, "en").basis.clause

    assert await clause_for("How do I block my stolen card?") is None
    assert await clause_for("Which shares should I buy now?") == "investment-advice"
    assert await clause_for("Give me a recipe for a cherry cake with chocolate") == "off-topic"


async def test_a_policy_with_topics_needs_a_guard_that_looks_for_them(bank: Path) -> None:
    policy = Policy.load(bank)
    async with open_upstreams() as upstreams:
        with pytest.raises(SettingsError, match=r"CORRAL_GUARDS: .* add the guard topic"):
            seat_panel(settings_of(bank, "embedded", folder=bank.parent), policy, upstreams)
        blind = ScriptedGuard(hazards=frozenset({Hazard.HATE}))
        with pytest.raises(SettingsError, match="add the guard topic"):
            seat_panel(settings_of(bank, folder=bank.parent), policy, upstreams, [blind])
        seeing = ScriptedGuard(hazards=frozenset({Hazard.OFF_TOPIC}))
        assert seat_panel(settings_of(bank, folder=bank.parent), policy, upstreams, [seeing]).seats


async def test_the_guard_of_topics_needs_a_policy_that_names_some(bank: Path) -> None:
    settings = settings_of(None, "topic", folder=bank.parent)
    with pytest.raises(GuardStartError, match="names no topics"):
        async with open_guards(settings, ["topic"]):
            pass


async def test_a_guard_that_judges_by_rules_is_told_the_policys(bank: Path) -> None:
    settings = settings_of(bank, "judge", folder=bank.parent)
    async with open_guards(settings, ["judge"]) as (seat,):
        assert Hazard.INDISCRIMINATE_WEAPONS in seat.guard.hazards
        assert Hazard.OFF_TOPIC not in seat.guard.hazards
        first = seat.guard.revision
    other = settings_of(_with_other_rule(bank), "judge", folder=bank.parent)
    async with open_guards(other, ["judge"]) as (seat,):
        assert seat.guard.revision != first


def _with_other_rule(policy: Path) -> Path:
    text = policy.read_text(encoding="utf-8")
    changed = policy.with_name("changed.yaml")
    changed.write_text(text.replace("No help with theft", "No help at all with theft"), "utf-8")
    assert changed.read_text(encoding="utf-8") != text
    return changed
