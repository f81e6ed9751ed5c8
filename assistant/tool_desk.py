"""Corral's tools for callers that are no turn of its own model: other agents, other programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from assistant.audit.entries import EntryBodies
from assistant.audit.protocol import DecisionLog
from assistant.audit.record import Record
from assistant.clock import Ids
from assistant.turn import SessionKey, Turn
from guards.conversation import Integrity, Provenance, Role, Source, ToolCall, text_message
from plugins.broker import Broker
from plugins.caller import Caller
from plugins.outcome import Blocked, Failed, NeedsApproval, Ran
from plugins.tool import ToolSpec
from policies.placeholders import Placeholders

BY_AGENT = Provenance(source=Source.TOOL, integrity=Integrity.UNTRUSTED)
"""What another agent asks for may come from anywhere, so nothing in it is anybody's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDesk:
    """Calls tools for one outside caller, whose every call is a turn of its own.

    What would be asked of a person is refused: there is none in sight whose word could be taken.
    """

    broker: Broker
    log: DecisionLog
    entries: EntryBodies
    ids: Ids
    key: SessionKey
    locale: str

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The tools that there are."""
        return self.broker.catalogue.specs()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """What the tool gives, as text, and whether it tells of a failure.

        Raises:
            CorralError: log or memory cannot be written.
        """
        asked = text_message(
            f"{name}({orjson.dumps(dict(arguments)).decode()})",
            id=self.ids("call_"),
            role=Role.USER,
            provenance=BY_AGENT,
        )
        turn = Turn(id=asked.id, key=self.key, message=asked, locale=self.locale)
        calling = self.broker.calling(
            Caller(
                tenant=self.key.tenant,
                user=self.key.user,
                session=self.key.session,
                turn=turn.id,
                pseudonym=self.entries.pseudonym(turn),
                locale=self.locale,
            ),
            Record(log=self.log, bodies=self.entries, turn=turn, emit=lambda _event: None),
            offered=self.broker.catalogue.bound,
            placeholders=Placeholders(),
            progress=lambda _call, _text: None,
        )
        call = ToolCall(id=turn.id, name=name, arguments=orjson.dumps(dict(arguments)).decode())
        outcome = await calling.call(call, (asked,))
        match outcome:
            case Ran(message=message, citations=citations):
                sources = [f"[{n}] {c.title} {c.url}" for n, c in enumerate(citations, start=1)]
                return "\n".join((message.text, *sources)), False
            case Failed(message=message):
                return message.text, True
            case NeedsApproval(ask=ask):
                return f"not done: a person must approve this, here nobody can ({ask.text})", True
            case Blocked(decision=decision):
                return decision.text, True
