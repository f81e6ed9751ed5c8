"""Runs one turn: interface first, the body follows."""

from collections.abc import AsyncGenerator

from assistant.events import Event
from assistant.turn import Turn


class Orchestrator:
    """Draft beside judgement, guarded stream, memory, decision log."""

    def run(self, turn: Turn) -> AsyncGenerator[Event, None]:
        """Run one turn; closing the generator aborts everything it started (I8).

        Yields ``Judged``/``TextReleased``/``ToolCallReleased``/``Refused``/``Retracted`` and
        ends with exactly one ``Finished``.

        Raises:
            CorralError: any of :mod:`assistant.errors`; nothing is remembered then.
        """
        raise NotImplementedError
