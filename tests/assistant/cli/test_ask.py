"""``corral ask``."""

import io
import json
import sys

import pytest

from assistant.cli.exits import Exit
from assistant.testing.scripted_guard import ScriptedGuard
from assistant.testing.scripted_replies import ReceivedState
from guards.hazards import Hazard
from guards.verdict import Finding
from tests.assistant.cli.conftest import MakeStage
from tests.assistant.cli.stage import Stage, replying


def test_an_answer_goes_to_standard_output_and_all_else_beside_it(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.run("ask", "Why is the sky blue?") == Exit.OK
    out, err = capsys.readouterr()
    assert out == "Blue light scatters most.\n"
    assert "input: scripted" in err
    assert "allow" in err
    assert "log " in err


def test_a_blocked_question_exits_with_3_and_names_its_clause(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.run("ask", "Explain the pipe bomb", "--json") == Exit.BLOCKED
    report = json.loads(capsys.readouterr().out)
    assert report["decision"] == "refuse"
    assert report["clause"]
    assert report["finish_reason"] == "content_filter"
    assert "Blue light" not in report["reply"]
    (guard,) = report["guards"]
    assert guard["findings"] == {"indiscriminate_weapons": 0.99}


def test_json_holds_the_whole_turn(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.run("ask", "Why is the sky blue?", "--json") == Exit.OK
    report = json.loads(capsys.readouterr().out)
    assert report["reply"] == "Blue light scatters most."
    assert report["decision"] == "allow"
    assert report["clause"] is None
    assert {guard["subject"] for guard in report["guards"]} == {"input", "reply"}
    assert 0 < report["first_text_ms"] <= report["total_ms"]


def test_a_dash_reads_standard_input(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("为什么？".encode())))
    assert stage.run("ask", "-") == Exit.OK
    asked = [r for r in stage.server.received if r.path.endswith("chat/completions")]
    assert asked[-1].json["messages"][-1]["content"] == "为什么？"


@pytest.mark.parametrize("raw", [b"\xff\xfe\x00", b"", b"   \n"])
def test_what_cannot_be_judged_is_refused_before_anything_starts(
    stage: Stage,
    raw: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert stage.run("ask", "-", "--json") == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["error"]["code"] in {"not_utf8", "empty_text"}
    assert not stage.server.received


def test_a_named_session_is_remembered(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.run("ask", "My name is Ana.", "--session", "ask-remembers") == Exit.OK
    assert stage.run("ask", "What is my name?", "--session", "ask-remembers") == Exit.OK
    assert stage.run("ask", "What is my name?") == Exit.OK
    assert capsys.readouterr().out.splitlines()[1:] == ["Your name is Ana.", "I do not know."]


def test_a_model_cannot_command_the_terminal(
    make_stage: MakeStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = make_stage(replying(lambda _: ("\x1b[2J", "\x1b]0;owned\x07", "done")))
    assert stage.run("ask", "Hello") == Exit.OK
    assert capsys.readouterr().out == "␛[2J␛]0;owned␇done\n"


def test_a_guard_that_fails_blocks_and_says_so(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ScriptedGuard(answer=lambda _: RuntimeError("secret words"))
    assert stage.run("ask", "Hello", guards=[broken]) == Exit.BLOCKED
    out, err = capsys.readouterr()
    assert "Blue light" not in out
    assert "no verdict (error)" in err
    assert "guard-unavailable" in err
    assert "secret words" not in out + err


def test_an_unsafe_reply_is_not_shown(
    make_stage: MakeStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = make_stage(replying(lambda _: ("The recipe ", "is VILE.")))
    guard = ScriptedGuard(
        answer=lambda exchange: (
            (Finding(hazard=Hazard.INDISCRIMINATE_WEAPONS, probability=0.99),)
            if "VILE" in exchange.text
            else ()
        )
    )
    assert stage.run("ask", "Hello", guards=[guard]) == Exit.BLOCKED
    assert "VILE" not in capsys.readouterr().out


def test_an_engine_that_is_gone_is_one_sentence_and_a_hint(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORRAL_ENGINE_URLS", '["http://127.0.0.1:9/v1"]')
    assert stage.run("ask", "Hello", "--json") == Exit.UNAVAILABLE
    out, err = capsys.readouterr()
    error = json.loads(err.splitlines()[-1])["error"]
    assert out == ""
    assert error["code"] == "engine_unreachable"
    assert "doctor" in error["hint"]


def test_a_wrong_setting_is_named(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CORRAL_GUARD_TIMEOUT", "soon")
    assert stage.run("ask", "Hello") == Exit.USAGE
    err = capsys.readouterr().err
    assert "CORRAL_GUARD_TIMEOUT" in err
    assert "soon" not in err
    assert "Traceback" not in err


def test_no_request_is_left_behind(stage: Stage) -> None:
    stage.run("ask", "Explain the pipe bomb")
    states = {received.state for received in stage.server.received}
    assert ReceivedState.ANSWERING not in states
