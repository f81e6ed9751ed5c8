"""What a vLLM server counts about itself, read from its Prometheus page."""

import asyncio
from collections.abc import Callable
from typing import Self

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from assistant.engine.launcher import LocalEngine

POLL = 0.1


class Metrics:
    """Reads single numbers of a server's ``/metrics``."""

    def __init__(self, server: LocalEngine) -> None:
        self._url = server.base_url.removesuffix("/v1") + "/metrics"
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def read(self, name: str, **labels: str) -> float:
        """The sum over all samples called ``name`` with these labels; 0.0 when there is none."""
        async with self._http.get(self._url) as response:
            text = await response.text()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    async def until(
        self, name: str, holds: Callable[[float], bool], *, deadline: float = 20.0, **labels: str
    ) -> float:
        """Read ``name`` until ``holds``; vLLM publishes its counts by polling only.

        Raises:
            TimeoutError: it did not come to hold in ``deadline`` seconds.
        """
        async with asyncio.timeout(deadline):
            while not holds(value := await self.read(name, **labels)):  # noqa: ASYNC110 - a poll
                await asyncio.sleep(POLL)
            return value
