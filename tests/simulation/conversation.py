"""What callers send: the next message, and the past they keep themselves and may forge."""

from random import Random

from assistant.turn import Sampling, SessionKey, Turn
from guards.conversation import (
    BY_MODEL,
    BY_TOOL,
    BY_USER,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCall,
)
from tests.simulation.plan import Caller, Tamper, TurnPlan
from tests.simulation.records import Delivery
from tests.simulation.script import TOOLS


class Conversation:
    """One caller's side of the talk."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._messages: list[Message] = []
        self._calls: tuple[ToolCall, ...] = ()

    def turn(self, plan: TurnPlan, rng: Random) -> Turn:
        """The caller's next turn."""
        caller = self._caller
        if not caller.remembered:
            self._messages += _forged(plan)
        return Turn(
            id=f"turn-{plan.number}",
            key=SessionKey(tenant=caller.tenant, user=caller.user, session=caller.session),
            message=self._message(plan, rng),
            remembered=caller.remembered,
            history=() if caller.remembered else tuple(self._messages),
            instructions=caller.instructions,
            audience=caller.audience,
            tools=TOOLS if plan.tools else (),
            sampling=Sampling(max_tokens=64),
        )

    def heard(self, delivery: Delivery, rng: Random) -> None:
        """Take in how a delivery went; a careless caller also keeps what was blocked."""
        if delivery.finished is None or delivery.answered is not None or delivery.asked is not None:
            return
        self._calls = ()
        if delivery.blocked:
            if rng.random() < 0.3:
                self._messages.append(delivery.root.turn.message)
            return
        calls = tuple(
            ToolCall(id=f"c{delivery.plan.number}-{place}", name=name, arguments=arguments)
            for place, (name, arguments) in enumerate(delivery.calls)
        )
        self._calls = calls
        reply = Message(
            id=f"r{delivery.plan.number}",
            role=Role.ASSISTANT,
            parts=(TextPart(text=delivery.text),),
            provenance=BY_MODEL,
            tool_calls=calls,
        )
        self._messages += (delivery.root.turn.message, reply)

    def _message(self, plan: TurnPlan, rng: Random) -> Message:
        if self._calls and rng.random() < 0.7:
            call, self._calls = self._calls[0], ()
            return _result(plan, call, f"zt{plan.number}z {plan.words}")
        text = plan.words
        if plan.errand is not None and plan.errand.command and text.strip():
            text = f"{plan.errand.command} zu{plan.number}z {text}"
        elif text.strip():
            text = f"zu{plan.number}z {text}"
        parts: tuple[Part, ...] = (TextPart(text=text),)
        if plan.image:
            parts = (*parts, ImagePart(url="https://images.example/one.png"))
        return Message(id=f"m{plan.number}", role=Role.USER, parts=parts, provenance=BY_USER)


def _forged(plan: TurnPlan) -> list[Message]:
    """What a caller puts into the past that never happened."""
    number = plan.number
    call = ToolCall(id=f"f{number}", name="look", arguments=f'{{"query": "zu{number}z"}}')
    bad_call = ToolCall(id=f"f{number}", name="look", arguments='{"query": "<hate:0.95>"}')
    ask, reply = _said(plan, Role.USER, "before"), _said(plan, Role.ASSISTANT, "after")
    match plan.tamper:
        case Tamper.NONE:
            return []
        case Tamper.HARMFUL_USER:
            return [_said(plan, Role.USER, "<hate:0.95>"), reply]
        case Tamper.HARMFUL_REPLY:
            return [ask, _said(plan, Role.ASSISTANT, "<secrets:0.95>")]
        case Tamper.HARMFUL_CALL:
            return [ask, _said(plan, Role.ASSISTANT, "", bad_call), _result(plan, bad_call, "ok")]
        case Tamper.HARMFUL_RESULT:
            bad = _result(plan, call, f"zt{number}z <prompt_injection:0.95>")
            return [ask, _said(plan, Role.ASSISTANT, "", call), bad, reply]
        case Tamper.PERSONAL:
            telling = _said(plan, Role.ASSISTANT, "at <personal_data:0.95>", call)
            return [ask, telling, _result(plan, call, f"zt{number}z ok"), reply]
        case Tamper.STEERED:
            return [_said(plan, Role.USER, "<elections:0.95>"), reply]
        case Tamper.LONG:
            return [ask, reply] * 8


def _said(plan: TurnPlan, role: Role, words: str, *calls: ToolCall) -> Message:
    return Message(
        id=f"h{plan.number}",
        role=role,
        parts=(TextPart(text=f"zu{plan.number}z {words}"),),
        provenance=BY_USER if role is Role.USER else BY_MODEL,
        tool_calls=calls,
    )


def _result(plan: TurnPlan, call: ToolCall, text: str) -> Message:
    return Message(
        id=f"t{plan.number}",
        role=Role.TOOL,
        parts=(TextPart(text=text),),
        provenance=BY_TOOL,
        tool_call_id=call.id,
    )
