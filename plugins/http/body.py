"""The body of an answer: unpacked in pieces, counted, and cut off in time."""

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator
from contextlib import aclosing

import httpx

from plugins.http.errors import LimitExceededError
from plugins.http.failures import translated

ACCEPTED_ENCODING = "gzip"
"""What is asked for: the one coding that the standard library unpacks piece by piece."""

_PIECE_BYTES = 64 * 1024
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


class Body(httpx.AsyncByteStream):
    """A body that never holds more than one piece and never goes on beyond its bounds."""

    def __init__(
        self, stream: AsyncIterable[bytes], *, packed: bool, most_bytes: int, deadline: float
    ) -> None:
        """Bound ``stream``.

        Args:
            stream: as it comes from the connection.
            packed: whether it is gzip.
            most_bytes: of the stream, and again of what it unpacks to.
            deadline: by the event loop's clock.
        """
        self._stream = stream
        self._packed = packed
        self._most_bytes = most_bytes
        self._deadline = deadline

    async def __aiter__(self) -> AsyncIterator[bytes]:
        came, given = 0, 0
        unpack = _Gunzip() if self._packed else None
        async with aclosing(_pieces(self._stream, self._deadline)) as pieces:
            async for piece in pieces:
                came += len(piece)
                self._check(came)
                for part in (piece,) if unpack is None else unpack.feed(piece):
                    given += len(part)
                    self._check(given)
                    yield part
        if unpack is not None:
            unpack.finish()

    async def aclose(self) -> None:
        """Let go of the connection; with anything unread, it is closed."""
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            with translated():
                await close()

    def _check(self, count: int) -> None:
        if count > self._most_bytes:
            raise LimitExceededError(f"the answer has more than {self._most_bytes} bytes")


async def _pieces(stream: AsyncIterable[bytes], deadline: float) -> AsyncGenerator[bytes, None]:
    source = aiter(stream)
    try:
        while True:
            try:
                with translated():
                    async with asyncio.timeout_at(deadline):
                        piece = await anext(source)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise LimitExceededError("the answer took too long as a whole") from None
            yield piece
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


class _Gunzip:
    """Unpacks gzip, also of several members, in pieces of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._begun = False

    def feed(self, packed: bytes) -> Iterator[bytes]:
        while packed or self._begun:
            try:
                part = self._member.decompress(packed, _PIECE_BYTES)
            except zlib.error:
                raise httpx.DecodingError("the answer is not the gzip it claims to be") from None
            self._begun = True
            if part:
                yield part
            if self._member.eof:
                packed = self._member.unused_data
                self._member = zlib.decompressobj(_GZIP_WINDOW)
                self._begun = False
            else:
                packed = self._member.unconsumed_tail
                if not packed and len(part) < _PIECE_BYTES:
                    return

    def finish(self) -> None:
        if self._begun:
            raise httpx.DecodingError("the answer ends in the middle of its gzip")
