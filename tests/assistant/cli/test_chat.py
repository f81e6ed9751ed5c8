"""``corral chat``: through a pipe, at a terminal, and interrupted."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assistant.cli.exits import Exit
from assistant.testing.scripted_replies import ReceivedState, Timing, standard_replies
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
