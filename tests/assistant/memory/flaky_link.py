"""A TCP proxy between the store and the server, on which replies get lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress


class FlakyLink:
    """Passes bytes through until told otherwise.

    ``lose_replies`` breaks the connection when the server answers, that many times; the server
    has carried the command out by then. ``silent`` keeps every answer back.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._tasks: set[asyncio.Task[None]] = set()
        self.lose_replies = 0
        self.silent = False
        self.answered = asyncio.Event()
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["FlakyLink"]:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except asyncio.CancelledError:
            writer.close()
            raise
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forward(reader, far_writer))
                group.create_task(self._back(far_reader, writer))
        except* (ConnectionError, EOFError):
            pass
        finally:
            writer.close()
            far_writer.close()
            for end in (writer, far_writer):
                with suppress(ConnectionError):
                    await end.wait_closed()
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with aclosing(_chunks(reader)) as chunks:
            async for data in chunks:
                writer.write(data)
                await writer.drain()

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with aclosing(_chunks(reader)) as chunks:
            async for data in chunks:
                self.answered.set()
                if self.silent:
                    continue
                if self.lose_replies:
                    self.lose_replies -= 1
                    raise ConnectionError("reply lost")
                writer.write(data)
                await writer.drain()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while data := await reader.read(65536):
        yield data
    raise EOFError
