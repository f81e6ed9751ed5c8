"""What log bodies say, and what they keep to themselves."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.audit.entries import EntryBodies, verdict_of
from assistant.audit.pseudonyms import Pseudonyms, load_key
from assistant.errors import LogUnavailableError
from assistant.events import Usage
from assistant.turn import SessionKey, Turn
from guards.conversation import (
    BY_USER,
    Exchange,
    ImagePart,
    Message,
    Role,
    Subject,
    TextPart,
    ToolCall,
    text_message,
)
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict
from policies.decision import Allow, Basis, Decision, Escalate, Refuse, Support
from policies.schema import Retention

KEY = bytes(range(32))
SECRET = "my number is 555 0100"
TURN = Turn(
    id="+44 555 0101",
    key=SessionKey(tenant="acme", user="+44 555 0102", session="+44 555 0103"),
    message=text_message(SECRET, id="m1"),
)
EXCHANGE = Exchange(subject=Subject.USER_INPUT, message=TURN.message)
VERDICT = PanelVerdict(
    subject=Subject.USER_INPUT,
    judgements=(
        Verdict(
            guard="embedded",
            revision="r1",
            findings=(
                Finding(hazard=Hazard.HATE, probability=0.1234567890123456),
                Finding(
                    hazard=Hazard.PERSONAL_DATA,
                    probability=0.9,
                    span=Span(start=3, end=9),
                    label="PHONE",
                ),
                Finding(hazard=Hazard.PERSONAL_DATA, probability=0.8, span=Span(start=13, end=21)),
                Finding(hazard=Hazard.OFF_TOPIC, probability=1.0, custom="pricing"),
            ),
            elapsed=0.01,
            score=0.25,
        ),
        Unscanned(
            guard="slow", revision="r2", reason=Failure.TIMEOUT, detail="TimeoutError", elapsed=5.0
        ),
    ),
    elapsed=5.0,
)
BASIS = Basis(
    clause="c1",
    policy="p@1",
    digest="d" * 64,
    verdict=VERDICT,
    reason="slow: timeout",
    applied=("c1", "c2"),
)


def bodies(retention: Retention = Retention.NONE) -> EntryBodies:
    return EntryBodies(pseudonyms=Pseudonyms(KEY), retention=retention)


def dump(body: dict[str, object]) -> str:
    return orjson.dumps(body).decode()


def test_a_decision_says_what_it_rests_on() -> None:
    body = bodies().decision(TURN, EXCHANGE, Refuse(basis=BASIS, text="no"), 0.25)
    assert body["decision"] == "refuse"
    assert body["clause"] == "c1"
    assert (body["policy"], body["digest"]) == ("p@1", "d" * 64)
    assert (body["subject"], body["audience"], body["locale"]) == ("user_input", "general", "en")
    assert (body["at"], body["elapsed_ms"], body["degraded"]) == (0.25, 5000.0, False)
    assert body["reason"] == "slow: timeout"
    assert body["applied"] == ("c1", "c2")
    assert body["judgements"] == [
        {
            "guard": "embedded",
            "revision": "r1",
            "elapsed_ms": 10.0,
            "scores": {"hate": 0.1234567890123456},
            "score": 0.25,
            "located": [
                ["personal_data", 0.9, 3, 9, None, "PHONE"],
                ["personal_data", 0.8, 13, 21, None, None],
                ["off_topic", 1.0, None, None, "pricing", None],
            ],
        },
        {
            "guard": "slow",
            "revision": "r2",
            "elapsed_ms": 5000.0,
            "failure": "timeout",
            "detail": "TimeoutError",
        },
    ]
    assert body["text"]["length"] == len(SECRET)


def test_a_verdict_comes_back_exactly() -> None:
    body = bodies().decision(TURN, EXCHANGE, Refuse(basis=BASIS, text="no"), 0.25)
    assert verdict_of(orjson.loads(dump(body))) == VERDICT


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Finding,
            hazard=st.sampled_from(Hazard),
            probability=st.floats(0, 1),
            span=st.none() | st.just(Span(start=1, end=4)),
            custom=st.none() | st.sampled_from(["a", "b"]),
            label=st.none() | st.sampled_from(["EMAIL", "CWE-89"]),
        ),
        max_size=8,
    )
)
def test_no_finding_is_lost(findings: list[Finding]) -> None:
    judgement: Judgement = Verdict(guard="g", revision="r", findings=tuple(findings), elapsed=0.001)
    verdict = PanelVerdict(subject=Subject.REPLY, judgements=(judgement,), elapsed=0.001)
    decision = Allow(basis=replace(BASIS, verdict=verdict))
    body = orjson.loads(dump(bodies().decision(TURN, EXCHANGE, decision, 0.0)))
    assert sorted(verdict_of(body).findings, key=repr) == sorted(findings, key=repr)


@pytest.mark.parametrize("decision", [Allow(basis=BASIS), Refuse(basis=BASIS, text="no")])
def test_no_text_and_no_id_stands_in_a_body(decision: Decision) -> None:
    exchange = Exchange(
        subject=Subject.TOOL_CALL,
        message=Message(
            id=SECRET,
            role=Role.ASSISTANT,
            parts=(TextPart(text=SECRET), ImagePart(url=f"data:{SECRET}")),
            provenance=BY_USER,
            tool_calls=(ToolCall(id=SECRET, name="search", arguments=SECRET),),
        ),
        context=(text_message(SECRET, id=SECRET),),
    )
    made = [
        bodies().decision(TURN, exchange, decision, 0.0),
        bodies().turn(TURN, decision, "stop", Usage(prompt_tokens=3), 1.0),
        bodies().failure(TURN, "memory_unavailable", 1.0),
    ]
    for body in made:
        line = dump(body)
        assert "555" not in line
        assert "acme" not in line
        assert {"turn", "tenant", "user", "session"} <= body.keys()
    assert made[0]["tool"] == "search"
    assert len(made[0]["images"]) == 1


@pytest.mark.parametrize(
    ("retention", "kept"),
    [(Retention.NONE, set()), (Retention.BLOCKED, {"r", "s", "e"}), (Retention.ALL, set("arse"))],
)
def test_text_is_kept_as_far_as_the_policy_says(retention: Retention, kept: set[str]) -> None:
    decisions: dict[str, Decision] = {
        "a": Allow(basis=BASIS),
        "r": Refuse(basis=BASIS, text="no"),
        "s": Support(basis=BASIS, text="help"),
        "e": Escalate(basis=BASIS, text="wait"),
    }
    for name, decision in decisions.items():
        body = bodies(retention).decision(TURN, EXCHANGE, decision, 0.0)
        assert body.get("retained") == (SECRET if name in kept else None)


def test_ids_are_told_apart_by_tenant_and_kind() -> None:
    one = bodies().failure(TURN, "x", 0.0)
    other = bodies().failure(replace(TURN, key=replace(TURN.key, tenant="b")), "x", 0.0)
    assert all(one[name] != other[name] for name in ("turn", "tenant", "user", "session"))
    assert one == bodies().failure(TURN, "x", 0.0)
    assert Pseudonyms(KEY).of("user", "a", "b") != Pseudonyms(KEY).of("user", "ab", "")
    assert Pseudonyms(KEY).of("user", "a") != Pseudonyms(KEY).of("tenant", "a")
    assert Pseudonyms(KEY).of("user", "a") != Pseudonyms(bytes(32)).of("user", "a")


def test_lone_surrogates_have_a_digest() -> None:
    assert Pseudonyms(KEY).of("text", "\ud800") != Pseudonyms(KEY).of("text", "\ud801")


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "decision-ids.key"
    key = load_key(path)
    assert len(key) == 32
    assert load_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_bad_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    with pytest.raises(LogUnavailableError, match="32 bytes"):
        load_key(path)
    with pytest.raises(LogUnavailableError, match="cannot be used"):
        load_key(path / "below")
    with pytest.raises(ValueError, match="32 bytes"):
        Pseudonyms(b"")
