"""``corral chat``: through a pipe, at a terminal, and interrupted."""

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from assistant.cli.exits import Exit
from assistant.cli.turns import TENANT, USER
from assistant.memory.connection import connect
from assistant.memory.redis_values import RedisValues, Scope
from assistant.testing.scripted_replies import ReceivedState, Timing, standard_replies
from plugins.reminders import book
from tests.assistant.approval.office import policy_file
from tests.assistant.cli.conftest import MakeStage
from tests.assistant.cli.stage import Stage

PROGRAM = str(Path(__file__).with_name("chatting.py"))
DEADLINE = 30.0


def start(stage: Stage, *args: str, terminal: int | None = None) -> "subprocess.Popen[bytes]":
    """The command as a process of its own, with the scripted guard."""
    end = subprocess.PIPE if terminal is None else terminal
    return subprocess.Popen(
        [sys.executable, PROGRAM, *args],
        stdin=end,
        stdout=end,
        stderr=subprocess.PIPE if terminal is None else terminal,
        env=os.environ | stage.environment | {"TERM": "xterm", "NO_COLOR": "1"},
        start_new_session=terminal is not None,
    )


def piped(stage: Stage, typed: bytes, *args: str) -> tuple[int, str, str]:
    process = start(stage, "chat", *args)
    out, err = process.communicate(typed, timeout=DEADLINE)
    return process.returncode, out.decode(), err.decode()


def test_a_pipe_holds_a_conversation(stage: Stage) -> None:
    code, out, err = piped(stage, b"My name is Ana.\nWhat is my name?", "--session", "pipe")
    assert code == Exit.OK, err
    lines = out.splitlines()
    assert lines[0] == "Blue light scatters most."
    assert lines[2] == "Your name is Ana."
    assert all("log " in lines[i] and "allow" in lines[i] for i in (1, 3))
    assert "you>" not in out


def test_a_refusal_does_not_end_it_and_is_not_remembered(stage: Stage) -> None:
    typed = b"Explain the pipe bomb, my name is Ana\n\nWhat is my name?\n"
    code, out, _ = piped(stage, typed, "--session", "refused", "--json")
    assert code == Exit.OK
    first, second = map(json.loads, out.splitlines())
    assert first["decision"] == "refuse"
    assert second["reply"] == "I do not know."


def test_new_begins_without_the_past_and_the_session_can_be_returned_to(stage: Stage) -> None:
    typed = b"My name is Ana.\n/new\nWhat is my name?\n/nonsense\n/quit\nnever said\n"
    code, out, err = piped(stage, typed, "--session", "old", "--json")
    assert code == Exit.OK
    assert [json.loads(line)["reply"] for line in out.splitlines()] == [
        "Blue light scatters most.",
        "I do not know.",
    ]
    assert "--session old@" in err
    assert "No such command" in err
    _, out, _ = piped(stage, b"What is my name?\r\n", "--session", "old", "--json")
    assert json.loads(out)["reply"] == "Your name is Ana."


def test_bytes_that_are_no_text_are_told_and_the_rest_is_answered(stage: Stage) -> None:
    code, out, err = piped(stage, b"\xff\xfe\nHello\n", "--json")
    assert code == Exit.USAGE
    assert json.loads(err.splitlines()[-1])["error"]["code"] == "not_utf8"
    assert json.loads(out)["reply"] == "Blue light scatters most."


def test_a_file_works_like_a_pipe(stage: Stage, tmp_path: Path) -> None:
    script = tmp_path / "lines.txt"
    script.write_bytes("Grüß dich\n".encode())
    with script.open("rb") as lines:
        result = subprocess.run(
            [sys.executable, PROGRAM, "chat"],
            stdin=lines,
            capture_output=True,
            env=os.environ | stage.environment,
            timeout=DEADLINE,
            check=False,
        )
    assert result.returncode == Exit.OK
    assert result.stdout.startswith(b"Blue light scatters most.\n")


def test_a_pipe_calls_a_tool_by_name_or_mention(stage: Stage) -> None:
    code, out, err = piped(stage, b"/calc 2*21\n@calculate 6*7\n", "--session", "calc", "--json")
    assert code == Exit.OK, err
    reports = [json.loads(line) for line in out.splitlines()]
    assert [report["reply"] for report in reports] == ["2*21 = 42", "6*7 = 42"]
    assert [report["tools"] for report in reports] == [["calculate"], ["calculate"]]
    assert "No such command" not in err


def test_an_unknown_command_is_told_with_all_that_there_are(stage: Stage) -> None:
    code, out, err = piped(stage, b"/calcc 2*21\n/new 2*21\n/help\n/quit\n")
    assert (code, out) == (Exit.OK, "")
    assert err.count("No such command.") == 2
    told = [line.split("  ", 1) for line in err.splitlines() if line.startswith("/")]
    helps = {names: does.strip() for names, does in told}
    assert len(told) == 3 * len(helps)
    assert {"/new", "/help", "/quit", "/calc, /calculate", "/mail", "/pay"} <= set(helps)
    assert helps["/mail"] == "Send a mail."
    assert all(len(does) <= 60 for does in helps.values())
    assert not [r for r in stage.server.received if r.path.endswith("/chat/completions")]


def test_a_question_is_answered_in_a_word(stage: Stage, tmp_path: Path) -> None:
    asking = replace(
        stage, environment=stage.environment | {"CORRAL_POLICY": str(policy_file(tmp_path))}
    )
    typed = b"/mail bob\nno\n/mail eve\nyes\n"
    code, out, err = piped(asking, typed, "--session", "asked", "--json")
    assert code == Exit.OK, err
    first, declined, second, approved = map(json.loads, out.splitlines())
    for question, to in ((first, "bob"), (second, "eve")):
        assert question["approval"]["arguments"] == {"to": to}
        assert f'mail {{"to":"{to}"}}' in question["reply"]
        assert f"corral approval approve {question['approval']['id']}" in err
    assert declined["approval"] is approved["approval"] is None
    asked = [r for r in stage.server.received if r.path.endswith("/chat/completions")]
    (read,) = ([m["content"] or "" for m in r.json["messages"]] for r in asked)
    assert "The mail to eve is sent." in read
    assert not any("The mail to bob" in text for text in read)
    assert "did not approve" in declined["reply"]


def remind(stage: Stage, *reminders: tuple[str, int]) -> Stage:
    """The stage with reminders of the person at the terminal, due in so many seconds."""

    async def keep() -> None:
        client = connect(stage.environment["CORRAL_REDIS_URL"], deadline=5)
        scope = Scope(plugin="reminders", owner=(TENANT, USER))
        store = RedisValues(client, scope, deadline=5)
        await store.delete("reminders")
        for text, seconds in reminders:
            at = datetime.now(UTC) + timedelta(seconds=seconds)
            await book.add(store, text=text, at=at, key=text)
        await client.aclose()

    asyncio.run(keep())
    enabled = {"CORRAL_PLUGINS": '["calculator", "reminders"]'}
    return replace(stage, environment=stage.environment | enabled)


def test_reminders_that_are_due_are_shown_once_as_plain_data(stage: Stage) -> None:
    reminded = remind(stage, ("Call\n\x1b[2Jmum", -5), ("Not yet", 900))
    # A program that reads is nobody to remind: they wait for the person.
    code, out, err = piped(reminded, b"Hello\n", "--json")
    assert (code, len(out.splitlines())) == (Exit.OK, 1), err
    code, out, err = piped(reminded, b"Hello\nHello\n", "--session", "due")
    assert code == Exit.OK, err
    lines = out.splitlines()
    assert lines[0].startswith("Reminder: Call \N{SYMBOL FOR ESCAPE}[2Jmum (")
    assert lines[1] == "Blue light scatters most."
    assert out.count("Reminder: ") == 1
    assert "\x1b[2J" not in out


def until(terminal: int, wanted: str) -> str:
    """Everything the terminal shows until ``wanted`` appears."""
    shown = b""
    end = time.monotonic() + DEADLINE
    while wanted.encode() not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{wanted!r} never appeared in {shown!r}"
        shown += os.read(terminal, 65536)
    return shown.decode()


def test_a_terminal_prompts_streams_and_ends_with_control_d(stage: Stage) -> None:
    ours, theirs = pty.openpty()
    process = start(stage, "chat", "--session", "tty", terminal=theirs)
    os.close(theirs)
    try:
        until(ours, "you> ")
        os.write(ours, b"Hello\n")
        shown = until(ours, "you> ")
        assert "Blue light scatters most." in shown
        assert "log " in shown
        os.write(ours, b"\x04")
        assert process.wait(DEADLINE) == Exit.OK
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_reminder_comes_while_a_line_is_being_typed(stage: Stage) -> None:
    ours, theirs = pty.openpty()
    process = start(remind(stage), "chat", "--session", "tty-due", terminal=theirs)
    os.close(theirs)
    try:
        until(ours, "you> ")
        os.write(ours, b"Hel")
        until(ours, "Hel")
        remind(stage, ("Call mum", 0))
        shown = until(ours, "Reminder: Call mum")
        # The line that was begun is drawn again below it, at times in the same breath.
        if "you> Hel" not in shown.partition("Reminder: Call mum")[2]:
            until(ours, "you> Hel")
        os.write(ours, b"lo\n")
        assert "Blue light scatters most." in until(ours, "you> ")
        os.write(ours, b"\x04")
        assert process.wait(DEADLINE) == Exit.OK
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_control_c_at_the_prompt_ends_with_130_and_leaves_the_terminal_as_it_was(
    stage: Stage,
) -> None:
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    process = start(stage, "chat", terminal=theirs)
    try:
        until(ours, "you> ")
        os.write(ours, b"half a line")
        until(ours, "half a line")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE) == Exit.INTERRUPTED
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


def test_control_c_aborts_the_reply_in_the_engine(make_stage: MakeStage) -> None:
    stage = make_stage(standard_replies(Timing(tokens=10_000, gap=0.05)))
    process = start(stage, "chat", "--session", "interrupted")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"Hello\n")
    process.stdin.flush()
    assert process.stdout.read(5) == b"word0"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == Exit.INTERRUPTED
    assert b"Traceback" not in out + err
    asked = [r for r in stage.server.received if r.path.endswith("/chat/completions")]
    assert [received.state for received in asked] == [ReceivedState.ABORTED]


@pytest.mark.parametrize("json_mode", [False, True])
def test_memory_that_is_gone_ends_it_with_a_sentence(stage: Stage, json_mode: bool) -> None:
    gone = Stage(
        server=stage.server,
        environment=stage.environment | {"CORRAL_REDIS_URL": "redis://127.0.0.1:9/0"},
        data=stage.data,
    )
    code, _, err = piped(gone, b"Hello\nHello\n", *(["--json"] if json_mode else []))
    assert code == Exit.UNAVAILABLE
    assert "CORRAL_REDIS_URL" in err
    assert "Traceback" not in err
