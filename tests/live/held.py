"""A real server held to what a guard model would write.

So small a model does not write verdicts of itself. Held to a choice of them, it picks one, and
the probabilities it sends are really its own.
"""

from typing import Any

from guards.upstream import Upstream


class Held(Upstream):
    """``upstream``, with every completion one of ``choices`` unless a request says otherwise."""

    def __init__(self, upstream: Upstream, *choices: str) -> None:
        self.url = upstream.url
        self.name = upstream.name
        self._upstream = upstream
        self._held = {"structured_outputs": {"choice": list(choices)}}
        self.asked: list[dict[str, Any]] = []

    async def get_json(self, path: str, *, timeout: float) -> Any:
        return await self._upstream.get_json(path, timeout=timeout)

    async def post_json(self, path: str, body: object, *, timeout: float) -> Any:
        assert isinstance(body, dict)
        self.asked.append(self._held | body)
        return await self._upstream.post_json(path, self._held | body, timeout=timeout)
