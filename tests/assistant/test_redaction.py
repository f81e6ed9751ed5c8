"""Personal data on its way through a turn: out of the model's sight, back to its owner."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from assistant.audit.replay import Same, replay
from assistant.engine.protocol import CompletionRequest
from assistant.events import Judged
from assistant.memory.protocol import Opened
from assistant.testing.scripted_engine import Step, say
from assistant.turn import SessionKey
from guards.conversation import BY_MODEL, Role, text_message
from guards.hazards import Hazard
from guards.personal_data.guard import PersonalDataGuard
from policies.bundle import Policy
from policies.decision import Rewrite
from tests.assistant.bench import Bench, finish, released, turn
from tests.policies.bundles import Files, clause

EMAIL = "ann.lee@gmx.de"
OTHER = "bo@web.de"

CLAUSES = [
    clause(
        "concealed",
        """
hazards: [personal_data]
labels: [EMAIL, PHONE]
subjects: [user_input, tool_result]
thresholds: {general: 0.8}
decision: rewrite
replacement: numbered
restore: true
""",
    ),
    clause(
        "no-cards",
        """
hazards: [personal_data]
labels: [CARD]
subjects: [user_input]
thresholds: {general: 0.8}
decision: refuse
""",
    ),
    clause(
        "taken-out",
        """
hazards: [personal_data]
subjects: [reply]
thresholds: {general: 0.8}
decision: rewrite
replacement: numbered
""",
    ),
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    files = Files(CLAUSES, used=[Hazard.PERSONAL_DATA])
    for name in ("en.yaml", "zh.yaml"):
        files.other[name] += 'numbered: "[{label}_{number}]"\n'
    folder: Path = tmp_path_factory.mktemp("policy")
    return files.load(folder)


def bench_of(policy: Policy, *replies: str, letters: bool = False) -> Bench:
    """Answers one reply after the other, in one piece each or letter by letter."""
    left = list(replies)

    def script(request: CompletionRequest) -> Sequence[Step]:
        if any("@" in message.text for message in request.messages):
            return say("a draft nobody reads")
        reply = left.pop(0)
        return say(*reply, gap=0.01) if letters else say(reply)

    return Bench(script, guards=[PersonalDataGuard()], policy=policy)


def read(bench: Bench) -> list[str]:
    """What the model read of the conversation, in its last run."""
    request = bench.scripted.runs[-1].request
    return [message.text for message in request.messages if message.role is not Role.SYSTEM]


def said(text: str, number: int, **fields: Any) -> Any:
    return turn(text_message(text, id=f"m{number}"), **fields)


@pytest.mark.parametrize("letters", [False, True])
async def test_the_model_reads_placeholders_and_the_user_their_values(
    policy: Policy, letters: bool
) -> None:
    bench = bench_of(policy, "I wrote to [EMAIL_1].", letters=letters)
    events = await bench.ask(said(f"Write to {EMAIL} please", 1, remembered=True))
    assert read(bench) == ["Write to [EMAIL_1] please"]
    assert released(events) == f"I wrote to {EMAIL}."
    assert finish(events).decision == "rewrite"


async def test_a_value_keeps_its_placeholder_throughout_the_session(policy: Policy) -> None:
    bench = bench_of(policy, "Noted.", "[EMAIL_2] and [EMAIL_1].")
    await bench.ask(said(f"I am {EMAIL}", 1, remembered=True))
    events = await bench.ask(said(f"Not {OTHER}, but {EMAIL.upper()}", 2, remembered=True))
    assert read(bench) == ["I am [EMAIL_1]", "Noted.", "Not [EMAIL_2], but [EMAIL_1]"]
    assert released(events) == f"{OTHER} and {EMAIL}."


async def test_i11_another_session_is_given_nothing_back(policy: Policy) -> None:
    bench = bench_of(policy, "Noted.", "It is [EMAIL_1].")
    await bench.ask(said(f"I am {EMAIL}", 1, remembered=True))
    other = SessionKey(tenant="local", user="bo", session="s1")
    events = await bench.ask(said("What is my address?", 2, remembered=True, key=other))
    assert released(events) == "It is [EMAIL_1]."


async def test_a_repeated_delivery_is_given_the_same_words(policy: Policy) -> None:
    bench = bench_of(policy, "It is [EMAIL_1].")
    first = await bench.ask(said(f"I am {EMAIL}", 1, remembered=True))
    again = await bench.ask(said(f"I am {EMAIL}", 1, remembered=True))
    assert released(again) == released(first) == f"It is {EMAIL}."
    assert finish(again).replayed


async def test_a_past_that_the_caller_sends_is_concealed_alike(policy: Policy) -> None:
    bench = bench_of(policy, "It is [EMAIL_1].", "Still [EMAIL_1].")
    first = text_message(f"I am {EMAIL}", id="m1")
    answer = released(await bench.ask(turn(first)))
    reply = text_message(answer, id="m2", role=Role.ASSISTANT, provenance=BY_MODEL)
    events = await bench.ask(said("And now?", 3, history=(first, reply)))
    assert read(bench) == ["I am [EMAIL_1]", "It is [EMAIL_1].", "And now?"]
    assert released(events) == f"Still {EMAIL}."


@pytest.mark.parametrize("letters", [False, True])
async def test_i3_personal_data_of_the_models_own_is_never_shown(
    policy: Policy, letters: bool
) -> None:
    reply = "Pay with 4111 1111 1111 1111, ask eve@corp.io or 212-736-5000."
    bench = bench_of(policy, reply, letters=letters)
    events = await bench.ask(said("Help me", 1))
    assert released(events) == "Pay with [CARD_1], ask [EMAIL_1] or [PHONE_1]."


async def test_what_a_reply_makes_of_it_alone_is_not_given_back(policy: Policy) -> None:
    bench = bench_of(policy, "I am eve@corp.io.", "[EMAIL_1]?")
    await bench.ask(said("Who are you?", 1, remembered=True))
    events = await bench.ask(said("Again?", 2, remembered=True))
    assert released(events) == "[EMAIL_1]?"


async def test_i9_neither_log_nor_memory_of_a_turn_holds_what_was_redacted(
    policy: Policy,
) -> None:
    bench = bench_of(policy, "It is [EMAIL_1].")
    events = await bench.ask(said(f"I am {EMAIL}", 1, remembered=True))
    assert any(isinstance(e, Judged) and isinstance(e.decision, Rewrite) for e in events)
    assert EMAIL not in "".join(map(str, bench.log.lines))
    opened = await bench.store.open(turn("x").key, "m2")
    assert isinstance(opened, Opened)
    assert EMAIL not in repr(opened.history)


async def test_i10_a_rewrite_is_decided_the_same_from_its_entry(policy: Policy) -> None:
    bench = bench_of(policy, "It is [EMAIL_1].")
    await bench.ask(said(f"I am {EMAIL}", 1))
    decisions = [entry for entry in bench.log.entries if entry.kind == "decision"]
    assert decisions[0].body["decision"] == "rewrite"
    assert all(replay(entry, policy) == Same(as_logged=False) for entry in decisions)
    located = orjson.loads(orjson.dumps(decisions[0].body["judgements"]))[0]["located"]
    assert [finding[5] for finding in located] == ["EMAIL"]


async def test_a_blocked_turn_leaves_no_placeholders(policy: Policy) -> None:
    bench = bench_of(policy, "Noted.")
    events = await bench.ask(said(f"{EMAIL} 4111 1111 1111 1111", 1, remembered=True))
    assert finish(events).clause == "no-cards"
    await bench.ask(said(f"I am {OTHER}", 2, remembered=True))
    opened = await bench.store.open(turn("x").key, "m3")
    assert isinstance(opened, Opened)
    assert [(p.text, p.value) for p in opened.placeholders] == [("[EMAIL_1]", OTHER)]
