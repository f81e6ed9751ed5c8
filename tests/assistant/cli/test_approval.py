"""``corral approval``, and how the other commands show a question."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from assistant.approval.redis_approvals import RedisApprovals
from assistant.bootstrap import assemble
from assistant.cli.exits import Exit
from assistant.cli.main import main
from assistant.clock import SystemClock
from policies.decision import Approver
from tests.assistant.approval.office import DONE, OFFICE, policy_file
from tests.assistant.cli.stage import Stage, scripted_guard

REPLY = "Blue light scatters most."

Run = Callable[..., int]


@pytest.fixture
def run(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """One command, with tools that a policy asks about."""
    DONE.clear()
    monkeypatch.setenv("CORRAL_POLICY", str(policy_file(tmp_path)))
    del stage
    with_tools = partial(assemble, guards=[scripted_guard()], plugins={"office": OFFICE})
    return lambda *args: main(args, assemble=with_tools)


Out = pytest.CaptureFixture[str]


def ask(run: Run, text: str, capsys: Out, *more: str) -> str:
    """Ask for something that needs a word; the question's id."""
    assert run("ask", text, "--json", *more) == Exit.OK
    report = json.loads(capsys.readouterr().out)
    assert report["decision"] == "ask"
    approval: str = report["approval"]["id"]
    return approval


def test_a_question_is_shown_with_what_would_run_and_how_to_answer(run: Run, capsys: Out) -> None:
    assert run("ask", "/mail bob") == Exit.OK
    out, err = capsys.readouterr()
    assert 'mail {"to":"bob"}' in out
    assert "corral approval approve apr_" in err
    assert DONE == []


def test_a_question_is_json_for_machines(run: Run, capsys: Out) -> None:
    assert run("ask", "/mail bob", "--json") == Exit.OK
    approval = json.loads(capsys.readouterr().out)["approval"]
    assert (approval["tool"], approval["arguments"]) == ("mail", {"to": "bob"})
    assert approval["approver"] == "user"


def test_approving_runs_the_call_once_and_prints_the_reply(run: Run, capsys: Out) -> None:
    approval = ask(run, "/pay bob", capsys)
    assert run("approval", "approve", approval) == Exit.OK
    assert capsys.readouterr().out.strip() == REPLY
    assert DONE == ["pay bob"]
    # Its turn is over, in every way.
    assert run("approval", "approve", approval) == Exit.USAGE
    assert run("approval", "deny", approval) == Exit.USAGE
    assert DONE == ["pay bob"]


def test_denying_runs_nothing_and_ends_the_turn(run: Run, capsys: Out) -> None:
    approval = ask(run, "/pay bob", capsys)
    code = run("approval", "deny", approval, "--json")
    report = json.loads(capsys.readouterr().out)
    assert code == (Exit.BLOCKED if report["decision"] == "refuse" else Exit.OK)
    assert DONE == []
    assert run("approval", "show", approval, "--json") == Exit.OK
    shown = json.loads(capsys.readouterr().out)
    assert (shown["status"], shown["answered_by"]) == ("denied", "operator")


def test_in_a_session_a_word_is_an_answer(run: Run, capsys: Out) -> None:
    ask(run, "/mail bob", capsys, "--session", "words")
    assert run("ask", "yes", "--session", "words") == Exit.OK
    assert capsys.readouterr().out.strip() == REPLY
    assert DONE == ["mail bob"]
    ask(run, "/pay eve", capsys, "--session", "words")
    assert run("ask", "yes", "--session", "words") == Exit.OK
    # It was not hers to say.
    assert DONE == ["mail bob"]


def test_what_waits_is_listed_newest_first(run: Run, capsys: Out) -> None:
    first, second = ask(run, "/mail bob", capsys), ask(run, "/pay eve", capsys)
    assert run("approval", "list", "--limit", "2", "--json") == Exit.OK
    listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["id"] for each in listed] == [second, first]
    assert listed[0]["status"] == "waiting"
    assert run("approval", "list", "--limit", "1", "--user", "cli") == Exit.OK
    out = capsys.readouterr().out
    assert out.startswith(f"{second} | user cli | waits ")
    assert out.endswith('pay {"to":"eve"}\n')
    assert run("approval", "list", "--user", "nobody") == Exit.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "Nothing waits" in err


def test_one_is_shown_until_after_it_was_answered(run: Run, capsys: Out) -> None:
    approval = ask(run, "/pay bob", capsys)
    assert run("approval", "show", approval) == Exit.OK
    assert "waits" in capsys.readouterr().out
    assert run("approval", "approve", approval) == Exit.OK
    capsys.readouterr()
    assert run("approval", "show", approval) == Exit.OK
    assert capsys.readouterr().out == f"{approval} | user cli | approved by operator\n"


def test_one_that_nobody_answered_in_time_is_expired(
    run: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = ask(run, "/mail bob", capsys)
    now = SystemClock().now()
    monkeypatch.setattr(SystemClock, "now", lambda _: now + 1000)
    assert run("approval", "show", approval) == Exit.OK
    assert capsys.readouterr().out.startswith(f"{approval} | user cli | expired\n")
    assert run("approval", "approve", approval) == Exit.USAGE
    assert "not answered in time" in capsys.readouterr().err
    assert DONE == []


@pytest.mark.parametrize("command", ["show", "approve", "deny"])
@pytest.mark.parametrize("tenant", ["local", "acme"])
def test_one_that_is_not_there_is_told_at_once(
    run: Run, capsys: Out, command: str, tenant: str
) -> None:
    approval = ask(run, "/mail bob", capsys) if tenant == "acme" else "apr_none"
    assert run("approval", command, approval, "--tenant", tenant) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert "has no approval of that name" in err
    assert "corral approval list" in err
    assert "engine" not in err  # nothing was started for it


def test_an_answer_to_what_was_answered_otherwise_is_told(
    run: Run, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = ask(run, "/mail bob", capsys)
    answer = RedisApprovals.answer

    async def beaten(self: RedisApprovals, tenant: str, name: str, yes: bool, by: str) -> object:
        await answer(self, tenant, name, not yes, Approver.USER)
        return await answer(self, tenant, name, yes, by)

    monkeypatch.setattr(RedisApprovals, "answer", beaten)
    assert run("approval", "approve", approval) == Exit.USAGE
    assert "denied before" in capsys.readouterr().err
    assert DONE == []
