"""The seam to whoever judges words that would stand in a prompt."""

from collections.abc import Awaitable, Callable

Judge = Callable[[str], Awaitable[str | None]]
"""Says in a few words what is wrong with a text, or ``None`` when nothing is."""
