"""Fakes for the unit tests of plugins: no network, no disk, no clock of the real world.

The quickest way to a test of a tool::

    async with rehearse(plugin, http=answer) as broker:
        result = await broker.call("forecast", {"city": "Oslo"})
"""

from plugins.testing.broker import FakeBroker, rehearse
from plugins.testing.fakes import NOON, FakeClock, FakeStore, access
from plugins.testing.http import Answer, FakeHTTP, answering

__all__ = [
    "NOON",
    "Answer",
    "FakeBroker",
    "FakeClock",
    "FakeHTTP",
    "FakeStore",
    "access",
    "answering",
    "rehearse",
]
