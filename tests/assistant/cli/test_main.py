"""The frame around every command: help, usage, errors, exit codes."""

import json
import os
import subprocess
import sys
from importlib.metadata import version

import pytest

from assistant import errors
from assistant.cli import mounts
from assistant.cli.exits import Complaint, Exit, Failed, reference
from assistant.cli.main import main
from tests.assistant.cli.stage import Stage

CORRAL = [sys.executable, "-c", "from assistant.cli.main import run; run()"]


def test_help_names_every_command_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == Exit.OK
    out = capsys.readouterr().out
    for name in (
        "ask",
        "chat",
        "serve",
        "doctor",
        "demo",
        "guard",
        "policy",
        "audit",
        "models",
        "approval",
    ):
        assert f"  {name}" in out
    assert "3 blocked by policy" in " ".join(out.split())


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from assistant.cli.main import main; main(['--help']);"
        "heavy = {'pydantic', 'aiohttp', 'redis', 'rich', 'numpy', 'fastapi'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == Exit.OK
    assert capsys.readouterr().out == f"corral {version('corral')}\n"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["nonsense"],
        ["ask"],
        ["ask", "a", "b"],
        ["ask", "--nonsense"],
        ["serve", "--port", "70000"],
        ["serve", "--workers", "0"],
        ["guard", "check", "a", "--subject", "nonsense"],
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == Exit.USAGE
    out, err = capsys.readouterr()
    assert "--help" in out + err
    assert "Traceback" not in out + err


def test_wrong_usage_is_json_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "--json"]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["error"] == {
        "code": "usage_error",
        "message": "Missing argument 'text'.",
        "hint": "`corral ask --help` shows how it is used",
        "exit": 2,
    }


def test_a_group_that_cannot_be_imported_breaks_itself_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(mounts.MOUNTS, "policy", ("assistant.cli.absent", "Policies."))
    assert main(["policy", "check"]) == Exit.UNAVAILABLE
    assert "`corral policy` is not usable" in capsys.readouterr().err
    assert main(["--help"]) == Exit.OK


class SecretiveError(Exception):
    """Carries what a user wrote, as foreign exceptions may."""


def breaking(*_: object) -> object:
    raise SecretiveError("words of a user")


def test_an_unexpected_error_is_a_sentence_with_a_reference(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del stage
    monkeypatch.delenv("CORRAL_DEBUG", raising=False)
    assert main(["ask", "Hello"], assemble=breaking) == Exit.UNAVAILABLE
    first = capsys.readouterr().err
    assert main(["ask", "Hello"], assemble=breaking) == Exit.UNAVAILABLE
    assert capsys.readouterr().err == first  # the same place has the same reference
    assert "reference " in first
    assert "words of a user" not in first
    assert "Traceback" not in first


def test_debugging_shows_where(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del stage
    monkeypatch.setenv("CORRAL_DEBUG", "1")
    assert main(["ask", "Hello"], assemble=breaking) == Exit.UNAVAILABLE
    assert "in breaking" in capsys.readouterr().err


def test_a_reference_depends_on_the_place_not_on_the_words() -> None:
    def raised(text: str) -> BaseException:
        try:
            raise ValueError(text)
        except ValueError as error:
            return error

    assert reference(raised("one")) == reference(raised("two"))
    assert reference(raised("one")) != reference(KeyError("one"))


def every_error() -> list[errors.CorralError]:
    found: list[errors.CorralError] = []
    waiting: list[type[errors.CorralError]] = [errors.CorralError]
    while waiting:
        kind = waiting.pop()
        waiting += kind.__subclasses__()
        if issubclass(kind, errors.InvalidTurnError):
            found.append(kind("text", field="messages"))
        else:
            found.append(kind("text"))
    return found


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_of_ours_says_what_to_do(error: errors.CorralError) -> None:
    complaint = Complaint.about(error)
    assert complaint.message == "text"
    assert complaint.hint
    assert complaint.code == error.code
    assert complaint.exit in {Exit.USAGE, Exit.UNAVAILABLE}


def test_a_failure_keeps_its_own_words() -> None:
    failed = Failed("it is so", hint="do this", code="so", exit=Exit.FAILED)
    assert Complaint.about(failed).as_json() == {
        "code": "so",
        "message": "it is so",
        "hint": "do this",
        "exit": 1,
    }


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [*CORRAL, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert b"Traceback" not in stderr.read()
    process.wait(30)
