"""From requests to the cases that a moderator decides."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from assistant.api.chat_turn import conversation, split
from assistant.api.failures import invalid
from assistant.api.judge_request import JudgeRequest
from assistant.api.moderation_request import ModerationOptions, ModerationRequest
from assistant.locale import locale_of
from guards.conversation import Exchange, Integrity, Message, Provenance, Source, Subject
from guards.conversation import text_message as text_of
from guards.exchanges import exchanges_of
from policies.moderation import Case

BY_DOCUMENT = Provenance(source=Source.DOCUMENT, integrity=Integrity.UNTRUSTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks, and what holds for every request.

    Attributes:
        id: of the request; the cases' ids begin with it.
        locale: used where neither the request nor the text's script tells another.
        most_chars: of one text or message.
    """

    id: str
    tenant: str
    locale: str
    most_chars: int

    def case(self, index: int, exchange: Exchange, options: ModerationOptions) -> Case:
        """The ``index``-th case of the request."""
        return Case(
            id=f"{self.id}#{index}",
            tenant=self.tenant,
            exchange=exchange,
            audience=options.audience,
            locale=options.locale or locale_of(exchange.text, self.locale),
        )


def text_cases(asked: ModerationRequest, asking: Asking) -> list[Case]:
    """Each text as if a user had said it.

    Raises:
        ApiError: 400 naming a text that is too long.
    """
    texts = asked.texts()
    for index, text in enumerate(texts):
        param = "input" if len(texts) == 1 else f"input[{index}]"
        _check_length(param, text, asking.most_chars)
    return [
        asking.case(
            index,
            Exchange(subject=Subject.USER_INPUT, message=text_of(text, id=f"{asking.id}#{index}")),
            asked.corral,
        )
        for index, text in enumerate(texts)
    ]


def message_cases(asked: JudgeRequest, asking: Asking) -> list[Case]:
    """Everything to judge in the last message of ``asked``, after the others.

    Raises:
        ApiError: 400 naming the field and what would be right.
    """
    last = len(asked.messages) - 1
    _, spoken = split(asked.messages)
    if not spoken or spoken[-1][0] != last:
        raise invalid(f"messages[{last}].role", "must be user, assistant or tool: it is judged")
    messages = conversation(spoken, asking.id)
    for (index, _), message in zip(spoken, messages, strict=True):
        _check_length(f"messages[{index}].content", message.text, asking.most_chars)
    for place, call in enumerate(messages[-1].tool_calls):
        param = f"messages[{last}].tool_calls[{place}].function.arguments"
        _check_length(param, call.arguments, asking.most_chars)
    exchanges = _exchanges(asked, messages[-1], tuple(messages[:-1]))
    return [asking.case(index, exchange, asked.corral) for index, exchange in enumerate(exchanges)]


_ASIDE: dict[str, frozenset[Subject]] = {
    "user": frozenset({Subject.DOCUMENT, Subject.IMAGE_PROMPT}),
    "assistant": frozenset({Subject.REPLY_SO_FAR, Subject.IMAGE_PROMPT}),
    "tool": frozenset({Subject.DOCUMENT}),
}
"""What else a message's text can be, by role, when the request says so."""


def _exchanges(
    asked: JudgeRequest, message: Message, context: tuple[Message, ...]
) -> Sequence[Exchange]:
    exchanges = exchanges_of(message, context)
    subject = asked.subject
    if subject is None:
        return exchanges
    speaker = asked.messages[-1]
    if subject in _ASIDE[speaker.role]:
        if subject is Subject.DOCUMENT:
            message = replace(message, provenance=BY_DOCUMENT)
        return [Exchange(subject=subject, message=message, context=context)]
    chosen = [exchange for exchange in exchanges if exchange.subject is subject]
    if not chosen:
        there = sorted({*(e.subject for e in exchanges), *_ASIDE[speaker.role]})
        raise invalid(
            "subject", f"must be something that is in the last message: {', '.join(there)}"
        )
    return chosen


def _check_length(param: str, text: str, most: int) -> None:
    if len(text) > most:
        raise invalid(param, f"must have at most {most} characters")
