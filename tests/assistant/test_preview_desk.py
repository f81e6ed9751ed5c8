"""Pictures while somebody types: judged like any tool call, the newest words alone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from assistant.clock import SystemClock
from assistant.errors import LogUnavailableError
from assistant.preview_desk import Painted, PreviewDesk, Unfit, Unmade
from assistant.testing.decision_log import InMemoryDecisionLog
from assistant.testing.scripted_guard import Answer
from assistant.turn import SessionKey
from guards.conversation import Exchange, Subject
from guards.hazards import Hazard
from guards.verdict import Finding, Span
from plugins.broker import Broker
from plugins.images.preview import Superseded
from policies.bundle import Audience, Policy
from policies.decision import Escalate, Refuse, Support
from tests.assistant.approval.office import policy_file
from tests.assistant.bench import catalogue
from tests.assistant.studio import Studio, studio
from tests.assistant.test_tools import add
from tests.plugins.images.service import PNG, json_answer

NUMBER = "4111 1111 1111 1111"
ANA = SessionKey(tenant="local", user="ana", session="s1")


async def show(desk: PreviewDesk, prompt: str, key: SessionKey = ANA) -> Any:
    return await desk.show(prompt, key, audience=Audience.GENERAL, locale="en")


def asked(made: Studio) -> list[str]:
    return [each["prompt"] for each in made.service.asked]


async def test_words_and_picture_are_judged_and_all_is_in_the_log() -> None:
    async with studio() as made:
        shown = await show(made.desk(), "a fox in snow")
        assert isinstance(shown, Painted)
        assert (shown.picture.data, shown.picture.media_type) == (PNG, "image/png")
        subjects = {judging.exchange.subject for judging in made.guard.judgings}
        assert subjects >= {
            Subject.USER_INPUT,
            Subject.TOOL_CALL,
            Subject.IMAGE_PROMPT,
            Subject.TOOL_RESULT,
            Subject.IMAGE,
        }
        assert made.heard[0].subject is Subject.USER_INPUT
        assert [call["stage"] for call in made.logged("call")] == ["started", "finished"]
        assert made.log.entries[-1].id == shown.log_id
        assert made.log.durable_entries == len(made.log.lines)


async def test_i1_words_that_are_refused_reach_no_service() -> None:
    async with studio() as made:
        unfit = await show(made.desk(), "a BOMB, photographed")
        assert isinstance(unfit, Unfit)
        assert isinstance(unfit.decision, Refuse)
        assert unfit.decision.basis.clause == "mass-weapons"
        assert asked(made) == []
        assert made.log.entries[-1].id == unfit.log_id
        despair = await show(made.desk(), "DESPAIR in a room")
        assert isinstance(despair.decision, Support)
        assert asked(made) == []


def only(subject: Subject, hazard: Hazard) -> Any:
    """A guard that finds ``hazard`` in ``subject`` and nothing elsewhere."""

    def finds(exchange: Exchange) -> Answer:
        found = exchange.subject is subject
        return (Finding(hazard=hazard, probability=0.99),) if found else ()

    return finds


@pytest.mark.parametrize("subject", [Subject.TOOL_CALL, Subject.IMAGE_PROMPT])
async def test_a_prompt_that_is_unfit_as_such_reaches_no_service(subject: Subject) -> None:
    finds = only(subject, Hazard.CHILD_EXPLOITATION)
    async with studio(finds=finds) as made:
        unfit = await show(made.desk(), "a fox")
        assert isinstance(unfit, Unfit)
        assert unfit.decision.basis.verdict.subject is subject
        assert asked(made) == []


async def test_a_picture_that_is_unfit_is_not_shown() -> None:
    async with studio(finds=only(Subject.IMAGE, Hazard.CHILD_EXPLOITATION)) as made:
        unfit = await show(made.desk(), "a fox")
        assert isinstance(unfit, Unfit)
        assert unfit.decision.basis.verdict.subject is Subject.IMAGE
        assert asked(made) == ["a fox"]


async def test_i2_without_a_guard_for_images_no_picture_is_shown() -> None:
    async with studio(subjects=frozenset(Subject) - {Subject.IMAGE}) as made:
        unfit = await show(made.desk(), "a fox")
        assert isinstance(unfit, Unfit)
        assert isinstance(unfit.decision, Refuse | Escalate)
        assert unfit.decision.basis.clause == "guard-unavailable"
        assert unfit.decision.text


async def test_a_guard_that_fails_lets_no_words_through() -> None:
    async with studio(finds=lambda _: RuntimeError("broken")) as made:
        unfit = await show(made.desk(), "a fox")
        assert unfit.decision.basis.clause == "guard-unavailable"
        assert asked(made) == []


async def test_typing_on_asks_for_a_picture_of_the_last_words_only() -> None:
    async with studio() as made:
        desk = made.desk(pause=0.05)
        typing = [asyncio.create_task(show(desk, words)) for words in ("a", "a f", "a fox")]
        first, second, last = await asyncio.gather(*typing)
        assert first == second == Superseded()
        assert isinstance(last, Painted)
        assert asked(made) == ["a fox"]
        assert {judging.exchange.text for judging in made.guard.judgings}.isdisjoint({"a", "a f"})


async def test_newer_words_end_the_request_of_older_ones_before_theirs() -> None:
    async with studio() as made:
        service, desk = made.service, made.desk()
        service.hangs = True
        typing = []
        async with asyncio.timeout(10):
            for words in ("a", "a f"):
                service.came.clear()
                typing.append(asyncio.create_task(show(desk, words)))
                await service.came.wait()
            service.hangs = False
            last = await show(desk, "a fox")
            assert await asyncio.gather(*typing) == [Superseded(), Superseded()]
        assert isinstance(last, Painted)
        assert asked(made) == ["a", "a f", "a fox"]
        assert service.most_running == 1
        assert [failure["code"] for failure in made.logged("failure")] == ["cancelled"] * 2


async def test_i11_nobody_elses_words_count() -> None:
    others = [SessionKey(tenant=t, user=u, session=s) for t, u, s in (
        ("local", "ana", "s2"), ("local", "bea", "s1"), ("acme", "ana", "s1"),
    )]  # fmt: skip
    async with studio() as made:
        desk = made.desk()
        shown = await asyncio.gather(*(show(desk, "a fox", key) for key in (ANA, *others)))
        assert all(isinstance(each, Painted) for each in shown)


async def test_i8_a_caller_that_goes_away_ends_its_request() -> None:
    async with studio() as made:
        made.service.hangs = True
        task = asyncio.create_task(show(made.desk(), "a fox"))
        async with asyncio.timeout(10):
            await made.service.came.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await made.service.gone.wait()
        assert made.guard.running == 0


async def test_a_service_that_fails_is_told_in_our_words() -> None:
    async with studio() as made:
        made.service.reply = json_answer({"error": {"message": "EVIL"}}, 429)
        unmade = await show(made.desk(), "a fox")
        assert unmade == Unmade(problem="the image service is busy; try again in a minute")
        assert [failure["code"] for failure in made.logged("failure")] == ["tool_error"]


async def test_nobody_is_asked(tmp_path: Path) -> None:
    path = policy_file(tmp_path)
    text = path.read_text(encoding="utf-8").replace("tool == 'mail'", "tool == 'create_image'")
    path.write_text(text, encoding="utf-8")
    async with studio(policy=Policy.load(path)) as made:
        unfit = await show(made.desk(), "a fox")
        assert isinstance(unfit.decision, Refuse)
        assert unfit.decision.basis.clause == "mails-wait"
        assert asked(made) == []


async def test_personal_data_is_kept_apart_and_comes_back_in_the_prompt() -> None:
    def finds(exchange: Exchange) -> Answer:
        if exchange.subject is not Subject.USER_INPUT:
            return ()
        start = exchange.text.index(NUMBER)
        span = Span(start=start, end=start + len(NUMBER))
        found = Finding(hazard=Hazard.PERSONAL_DATA, probability=0.99, span=span, label="CARD")
        return (found,)

    async with studio(finds=finds) as made:
        shown = await show(made.desk(), f"a sign that says {NUMBER}")
        assert isinstance(shown, Painted)
        # The user wrote it for just this; what was judged is what is sent.
        assert asked(made) == [f"a sign that says {NUMBER}"]
        (prompt,) = (
            judging.exchange
            for judging in made.guard.judgings
            if judging.exchange.subject is Subject.IMAGE_PROMPT
        )
        assert prompt.text == f"a sign that says {NUMBER}"
        assert NUMBER not in prompt.context[0].text


async def test_what_cannot_be_logged_is_not_shown() -> None:
    class Broken(InMemoryDecisionLog):
        async def durable(self) -> None:
            raise LogUnavailableError("decision log: no space")

    async with studio() as made:
        log = Broken(clock=SystemClock())
        with pytest.raises(LogUnavailableError):
            await show(made.desk(log=log), "a fox")


async def test_only_the_images_plugin_counts() -> None:
    async with studio() as made:
        assert made.desk().enabled
        for tools in ((), (add,)):
            broker = Broker(panel=made.panel, policy=made.policy, catalogue=catalogue(tools))
            assert not made.desk(broker=broker).enabled
