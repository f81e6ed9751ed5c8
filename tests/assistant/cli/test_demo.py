"""``corral demo`` shows what happened, and says so when that is not what it promises."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.audit.browse import find
from assistant.cli.demo import NAME, SCENES
from assistant.cli.exits import Exit
from assistant.testing.scripted_guard import ScriptedGuard
from tests.assistant.cli.conftest import MakeStage
from tests.assistant.cli.stage import Stage, replying
from tests.assistant.cli.test_chat import DEADLINE, start, until


def test_its_turns_come_out_as_shown(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.run("demo") == Exit.OK
    out = capsys.readouterr().out
    for scene in SCENES:
        assert scene.title in out
        assert scene.text in out
    assert "Blue light scatters most." in out
    assert "refuse by clause" in out
    assert f"Your name is {NAME}." in out
    assert out.count("guard   input: scripted") == len(SCENES)
    assert out.count("\nlog     ") == len(SCENES)
    assert out.count("whole turn ") == len(SCENES)


def test_each_turn_is_in_the_log(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage.run("demo", "--json") == Exit.OK
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    for scene in report["scenes"]:
        entry = find(stage.data / "decisions", scene["turn"]["log_id"])
        assert entry is not None
        assert entry.hash == scene["entry"]["hash"]
        assert entry.body["decision"] == scene["turn"]["decision"]
        assert entry.body["clause"] == scene["turn"]["clause"]
    sessions = [scene["entry"]["body"]["session"] for scene in report["scenes"]]
    assert [session == sessions[0] for session in sessions] == [not s.apart for s in SCENES]


def test_each_run_begins_without_a_past(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert stage.run("demo") == Exit.OK
    chats = [r for r in stage.server.received if r.path.endswith("/chat/completions")]
    said = [m["content"] for m in chats[-4].json["messages"] if m["role"] != "system"]
    assert said == [SCENES[0].text]
    capsys.readouterr()


def test_a_harmful_question_that_passes_is_admitted(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.run("demo", guards=[ScriptedGuard()]) == Exit.FAILED
    out = capsys.readouterr().out
    assert SCENES[1].otherwise in out
    assert SCENES[2].otherwise not in out


def test_a_forgotten_name_is_admitted(
    make_stage: MakeStage, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = make_stage(replying(lambda _: ("I am", " a model.")))
    assert stage.run("demo", "--json") == Exit.FAILED
    report = json.loads(capsys.readouterr().out)
    assert [scene["shown"] for scene in report["scenes"]] == [True, True, False, True, False]


def test_a_guard_that_fails_is_no_refusal_to_show(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ScriptedGuard(answer=lambda _: RuntimeError())
    assert stage.run("demo", "--json", guards=[broken]) == Exit.FAILED
    report = json.loads(capsys.readouterr().out)
    assert [scene["shown"] for scene in report["scenes"]] == [False] * len(SCENES)


def test_at_a_terminal_it_stays_for_a_chat_in_the_same_session(stage: Stage) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = start(stage, "demo", terminal=theirs)
    os.close(theirs)
    try:
        until(ours, "you> ")
        os.write(ours, b"What is my name?\n")
        assert f"Your name is {NAME}." in until(ours, "you> ")
        os.write(ours, b"/quit\n")
        assert process.wait(DEADLINE) == Exit.OK
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_without_a_terminal_it_ends(stage: Stage) -> None:
    program = Path(__file__).with_name("chatting.py")
    result = subprocess.run(
        [sys.executable, str(program), "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=os.environ | stage.environment,
        timeout=DEADLINE,
        check=False,
    )
    assert result.returncode == Exit.OK
    assert b"you> " not in result.stdout


@pytest.mark.timeout(300)
def test_the_embedded_default_does_it_for_real(tmp_path: Path) -> None:
    """The packaged model, the embedded guard, the built-in policy: what a newcomer sees."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CORRAL_")}
    result = subprocess.run(
        [sys.executable, "-c", "from assistant.cli.main import run; run()", "demo", "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        # A machine that runs the rest of the tests beside this is slow, not broken.
        env=clean | {"CORRAL_DATA_DIR": str(tmp_path), "CORRAL_FIRST_TOKEN_TIMEOUT": "120"},
        timeout=280,
        check=False,
    )
    assert result.returncode == Exit.OK, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert [scene["shown"] for scene in report["scenes"]] == [True] * len(SCENES)
    assert report["scenes"][1]["turn"]["clause"] == "mass-weapons"
