"""What a plugin's process reaches through Corral: the call's own HTTP client and store."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import httpx

from plugins.access import Store
from plugins.errors import AccessDeniedError, PluginError, ToolError
from plugins.isolation.messages import Fetch, Fetched, Keep, Refused, Stored
from plugins.isolation.wire import LARGEST_BODY

_AT_ONCE = 32
_LARGE = 64 * 1024
_LARGE_AT_ONCE = 4
_WORDS = 100
_LONGEST_WORD = 200

_OURS = {
    "host", "content-length", "transfer-encoding", "connection", "keep-alive", "upgrade",
    "accept-encoding", "proxy-authorization", "proxy-connection", "te", "trailer", "expect",
}  # fmt: skip
_DECODED = {"content-encoding", "content-length", "transfer-encoding", "connection"}

Answer = Fetched | Stored | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The way to one process, shared by all of its calls.

    Attributes:
        send: gives the process an answer.
        flush: waits until it has taken it.
        large: how many large bodies are held for it at a time; more wait.
    """

    send: Callable[[Answer], None]
    flush: Callable[[], Awaitable[None]]
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LARGE_AT_ONCE))


class Relay:
    """One call's requests, held to what the call itself was given.

    Args:
        http: the call's client, bound to its hosts.
        store: the call's store.
        progress: where its words for the user go.
        line: the way back to the process.
    """

    def __init__(
        self,
        *,
        http: httpx.AsyncClient,
        store: Store,
        progress: Callable[[str], None],
        line: Line,
    ) -> None:
        self._http = http
        self._store = store
        self._progress = progress
        self._line = line
        self._tasks: set[asyncio.Task[None]] = set()
        self._words = 0

    def take(self, ask: Fetch | Keep) -> None:
        """Begin to do what is asked for; the answer goes to ``send``."""
        if len(self._tasks) >= _AT_ONCE:
            refused = Refused(ask=ask.ask, error="ToolError", text="too many requests at once")
            self._line.send(refused)
            return
        task = asyncio.create_task(self._answer(ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tell(self, text: str) -> None:
        """Pass a word on to the user; of a flood of words only the first ones."""
        self._words += 1
        if self._words <= _WORDS:
            self._progress(text[:_LONGEST_WORD])

    def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, ask: Fetch | Keep) -> None:
        async with AsyncExitStack() as held:
            try:
                answer = await (
                    self._fetch(ask, held) if isinstance(ask, Fetch) else self._keep(ask)
                )
                self._line.send(answer)
            except (httpx.HTTPError, httpx.InvalidURL, PluginError) as error:
                self._line.send(_refused(ask.ask, error))
            except Exception as error:  # noqa: BLE001 - the edge to a process that waits for an answer
                # A header that is none, a store that is away: nothing that the plugin need know of.
                text = type(error).__name__
                self._line.send(Refused(ask=ask.ask, error="ToolError", text=text))
            await self._line.flush()

    async def _fetch(self, ask: Fetch, held: AsyncExitStack) -> Answer:
        if len(ask.body) > LARGEST_BODY:
            raise ToolError(f"a request may have {LARGEST_BODY} bytes")
        headers = [(name, value) for name, value in ask.headers if _theirs(name, value)]
        request = self._http.build_request(ask.method, ask.url, headers=headers, content=ask.body)
        response = await self._http.send(
            request, stream=True, follow_redirects=ask.follow_redirects
        )
        body, large = bytearray(), False
        try:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LARGEST_BODY:
                    raise ToolError(f"a response may have {LARGEST_BODY} bytes")
                if len(body) > _LARGE and not large:
                    # Held until the process has it, so that one that does not read costs no more.
                    await held.enter_async_context(self._line.large)
                    large = True
        finally:
            await response.aclose()
        kept = [(n, v) for n, v in response.headers.multi_items() if n.lower() not in _DECODED]
        return Fetched(
            ask=ask.ask,
            status=response.status_code,
            url=str(response.url),
            headers=tuple(kept),
            body=bytes(body),
        )

    async def _keep(self, ask: Keep) -> Answer:
        store = self._store
        match ask.act:
            case "get":
                return Stored(ask=ask.ask, value=await store.get(ask.key))
            case "put":
                await store.put(ask.key, ask.value, ttl=ask.ttl)
            case "swap":
                swapped = await store.swap(ask.key, ask.expected, ask.value, ttl=ask.ttl)
                return Stored(ask=ask.ask, swapped=swapped)
            case "delete":
                await store.delete(ask.key)
        return Stored(ask=ask.ask)


def _theirs(name: str, value: str) -> bool:
    """Whether a header is the plugin's own word and not its HTTP library's."""
    name = name.lower()
    return name not in _OURS and not (name == "user-agent" and value.startswith("python-httpx/"))


def _refused(ask: int, error: Exception) -> Refused:
    match error:
        case AccessDeniedError():
            return Refused(ask=ask, error="AccessDeniedError", text=str(error)[:500])
        case PluginError():
            return Refused(ask=ask, error="ToolError", text=str(error)[:500])
        case _:
            return Refused(ask=ask, error=type(error).__name__, text=str(error)[:500])
