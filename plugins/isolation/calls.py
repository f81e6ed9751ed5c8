"""The calls that are under way in a plugin's process."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from plugins.errors import AccessDeniedError, PluginEndedError, PluginError, ToolError
from plugins.isolation import messages
from plugins.isolation.relay import Relay
from plugins.isolation.wire import WireError
from plugins.result import Result

_STRAY = 1_000


@dataclass(slots=True, kw_only=True)
class Call:
    """One of them. ``expiry`` is set once it was given up, and runs if it does not end then."""

    number: int
    tool: str
    relay: Relay
    done: asyncio.Future[Result]
    expiry: asyncio.TimerHandle | None = None


class Calls:
    """Numbers calls, and holds what the process says of them against those that there are."""

    def __init__(self) -> None:
        self._numbers = itertools.count(messages.SETUP + 1)
        self._last = messages.SETUP
        self._calls: dict[int, Call] = {}
        self._stray = 0

    def __len__(self) -> int:
        return len(self._calls)

    def new(self, tool: str, relay: Relay) -> Call:
        """A call that is about to begin."""
        self._last = next(self._numbers)
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        return Call(number=self._last, tool=tool, relay=relay, done=done)

    def begin(self, call: Call) -> None:
        """The process is told of it."""
        self._calls[call.number] = call

    def give_up(self, call: Call, seconds: float, kill: Callable[[], None]) -> bool:
        """Nobody waits for it any more; ``kill`` runs if it has not ended in so many seconds.

        Says whether the process must be told.
        """
        call.relay.close()
        if call.number not in self._calls:
            return False
        call.expiry = asyncio.get_running_loop().call_later(seconds, kill)
        return True

    def relay(self, number: int) -> Relay | None:
        """What a call may still reach; nothing once it is over.

        Raises:
            WireError: there was never such a call.
        """
        call = self._calls.get(number)
        if call is None:
            self._astray(number)
        return call.relay if call is not None and call.expiry is None else None

    def end(self, number: int, ended: Result | messages.Raised) -> None:
        """The process says what came of a call.

        Raises:
            WireError: there was never such a call.
        """
        call = self._calls.pop(number, None)
        if call is None:
            self._astray(number)
            return
        _let_go(call)
        if call.done.done():
            return
        if isinstance(ended, Result):
            call.done.set_result(ended)
        else:
            call.done.set_exception(_error(call.tool, ended))

    def fail(self, reason: str) -> None:
        """The process is over, and with it every call in it."""
        for call in self._calls.values():
            _let_go(call)
            if not call.done.done():
                call.done.set_exception(PluginEndedError(reason))
        self._calls.clear()

    def _astray(self, number: int) -> None:
        """A word about a call that is over may come late; one about no call was made up."""
        self._stray += 1
        if number > self._last or self._stray > _STRAY:
            raise WireError("it speaks of calls that there are not")


def _let_go(call: Call) -> None:
    call.relay.close()
    if call.expiry is not None:
        call.expiry.cancel()


def _error(tool: str, raised: messages.Raised) -> PluginError:
    match raised.fault:
        case "tool":
            return ToolError(raised.text)
        case "access":
            return AccessDeniedError(raised.text[:200])
        case "output":
            return ToolError(f"{tool} gave more than any tool may")
        case "cancelled":
            return ToolError(f"{tool} ended itself without a result")
        case "crash":
            name = raised.text if raised.text.isidentifier() else "an error"
            return PluginError(f"{tool} failed with {name[:80]}")
