"""One incoming message and everything that came with it."""

from dataclasses import dataclass, field
from typing import Any

from guards.conversation import Message
from plugins.tool import ToolSpec
from policies.bundle import Audience

ANONYMOUS = "anonymous"
"""The user of turns that name none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionKey:
    """A session's full name: no part may be left out, so no scope can see another's (I11)."""

    tenant: str
    user: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How the engine draws tokens. ``None`` leaves the engine's default.

    ``max_tokens`` caps the reply; ``extra`` goes to the engine as it is (structured outputs,
    chat template arguments).
    """

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One turn, as a channel or the API hands it to the orchestrator.

    Attributes:
        id: the incoming message's id; the same id in the same session is answered once (I7).
        key: the session, with ``session`` set when its memory is kept.
        remembered: whether the session's memory is read and written. Without it, ``history``
            is the whole conversation.
        message: what is being answered: the user's message, or the last tool result.
        history: caller-supplied conversation before ``message``, oldest first.
        instructions: the operator's own system text, added to the policy's.
        audience, locale: who reads the reply, and in which language tag.
        tools: the caller's tools; their calls are handed back, not run.
        own_tools: names of Corral's tools that may be called; ``None`` is all that are enabled.
        tool_choice: as in the OpenAI chat format.
        sampling: for the engine.
    """

    id: str
    key: SessionKey
    message: Message
    remembered: bool = False
    history: tuple[Message, ...] = ()
    instructions: str = ""
    audience: Audience = Audience.GENERAL
    locale: str = "en"
    tools: tuple[ToolSpec, ...] = ()
    own_tools: tuple[str, ...] | None = None
    tool_choice: str | dict[str, Any] | None = None
    sampling: Sampling = field(default_factory=Sampling)
