"""A conversation as it is searched: each message made plain once, when it is first asked about."""

from collections.abc import Iterator, Sequence

from guards.conversation import Integrity, Message, Source
from plugins.provenance.spelling import plain, spaced

_TRUSTED = frozenset({Source.USER, Source.OPERATOR})


class Transcript:
    """The messages of a conversation with their plain, evenly spaced texts."""

    __slots__ = ("_texts", "messages")

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self._texts: list[str | None] = [None] * len(messages)

    def texts(self) -> Iterator[tuple[Message, str]]:
        """Every message with its text."""
        for index, message in enumerate(self.messages):
            yield message, self._text(index)

    def by(self, source: Source) -> list[str]:
        """The texts that ``source`` wrote, which count as its own word."""
        return [
            self._text(index)
            for index, message in enumerate(self.messages)
            if message.provenance.source is source and is_trusted(message)
        ]

    def _text(self, index: int) -> str:
        text = self._texts[index]
        if text is None:
            text = self._texts[index] = spaced(plain(self.messages[index].text))
        return text


def is_trusted(message: Message) -> bool:
    """Whether what stands in ``message`` counts as the user's or the operator's own word. The
    model's is nobody's, as it may repeat what it read elsewhere."""
    provenance = message.provenance
    return provenance.integrity is Integrity.TRUSTED and provenance.source in _TRUSTED
