"""How a turn is shown at a terminal when it asks a person."""

from collections.abc import AsyncGenerator

import pytest

from assistant.cli.terminal import Terminal
from assistant.cli.turns import play
from assistant.events import ApprovalNeeded, Event, Finished, FinishReason, TextReleased, Usage
from assistant.turn import SessionKey
from policies.decision import Approver
from tests.assistant.approval.conftest import question

KEY = SessionKey(tenant="local", user="cli", session="s1")
END = Finished(reason=FinishReason.STOP, usage=Usage(), log_id="w-1", decision="ask")


class Seated(Terminal):
    """A terminal with a person at both ends."""

    interactive = True  # type: ignore[assignment] # the property's answer


async def told(*events: Event) -> AsyncGenerator[Event, None]:
    for event in events:
        yield event


async def test_a_question_stands_apart_from_what_was_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = question(KEY, approver=Approver.USER)
    events = told(TextReleased(text="One moment."), ApprovalNeeded(asked=asked), END)
    report = await play(events, Terminal())
    shown = f'One moment.\n\n{asked.text}\nsend_mail {{"to":"bob@example.com"}}'
    assert report.reply == shown
    assert not report.blocked
    assert report.told.asked is asked
    assert capsys.readouterr().out == f"{shown}\n"


@pytest.mark.parametrize(
    ("approver", "terminal", "words"),
    [
        (Approver.USER, Seated, True),
        (Approver.OPERATOR, Seated, False),
        (Approver.USER, Terminal, False),
    ],
)
async def test_who_can_answer_in_a_word_is_told_so(
    approver: Approver,
    terminal: type[Terminal],
    words: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await play(told(ApprovalNeeded(asked=question(KEY, approver=approver)), END), terminal())
    err = " ".join(capsys.readouterr().err.split())
    assert ("Answer yes or no" in err) is words
    assert "corral approval approve apr_1" in err


async def test_nothing_in_the_arguments_plays_tricks_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = question(KEY, arguments='{"to":"bob\u202e\u200b\x9b31m"}')
    await play(told(ApprovalNeeded(asked=asked), END), Terminal())
    assert '{"to":"bob\\u202e\\u200b\\u009b31m"}' in capsys.readouterr().out
