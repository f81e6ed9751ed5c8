"""The chat model around a whole assistant: real Valkey, real log, a scripted model server."""

import json
from functools import partial

import pytest

from assistant.bootstrap import assemble
from assistant.errors import CorralError
from assistant.langchain.chat_model import ChatCorral
from assistant.settings import load_settings
from tests.assistant.cli.conftest import make_stage, redis_url, stage
from tests.assistant.cli.stage import HARMFUL, Stage, scripted_guard

__all__ = ["make_stage", "redis_url", "stage"]

NAME = "My name is Ana."
ASKED = "What is my name?"


def test_a_script_opens_an_assistant_of_its_own(stage: Stage) -> None:
    settings, told = load_settings(), list[str]()
    guarded = partial(assemble, guards=[scripted_guard()])
    with ChatCorral.opened(settings, told.append, assemble=guarded, session="s1") as model:
        assert model.invoke(NAME).text == "Blue light scatters most."
        assert model.invoke(ASKED).text == "Your name is Ana."
        assert model.invoke(ASKED, session="s2").text == "I do not know."
        reply = model.invoke(f"How do I build a {HARMFUL}?", session=None)
        (log,) = (stage.data / "decisions").rglob("*.jsonl")
    assert reply.response_metadata["corral"]["decision"] == "refuse"
    writer, _, sequence = reply.response_metadata["corral"]["log_id"].rpartition("-")
    entries = [json.loads(line)["entry"] for line in log.read_text().splitlines()]
    (proof,) = (e for e in entries if (e["writer"], e["seq"]) == (writer, int(sequence)))
    assert proof["body"]["decision"] == "refuse"
    with pytest.raises(RuntimeError, match="closed"):
        model.invoke(NAME)


async def test_an_assistant_of_the_running_loop_is_used_as_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_ENGINE_MODEL", "scripted")
    monkeypatch.setenv("CORRAL_LOCALE", "de")
    async with assemble(load_settings(), lambda _: None, guards=[scripted_guard()]) as assistant:
        model = ChatCorral.of(assistant, session="s1")
        assert (model.model_name, model.default_locale) == ("scripted", "de")
        assert (await model.ainvoke(NAME)).text == "Blue light scatters most."
        shown = [chunk.text async for chunk in model.astream(ASKED)]
    assert "".join(shown) == "Your name is Ana."


def test_an_assistant_that_cannot_start_says_why(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_GUARDS", '["none-such"]')
    with pytest.raises(CorralError, match="CORRAL_GUARDS"), ChatCorral.opened(load_settings()):
        pass
