"""Open a plugin in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

from plugins.access import Access, Store
from plugins.errors import PluginEndedError, PluginLoadError
from plugins.isolation import messages, wire
from plugins.isolation.confinement import Bubblewrap, confinement, launch
from plugins.isolation.process import Process
from plugins.isolation.warden import Warden
from plugins.manifest import Limits, Manifest
from plugins.plugin import Installed
from plugins.result import Result
from plugins.source import Source
from plugins.tool import Run

START_SECONDS = 30.0
"""Until a process has imported and opened its plugin."""

_CPU_SECONDS = 600
_PROCESSES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What a process says of its plugin; the first one's word binds those after it."""

    manifest: Manifest
    tools: tuple[messages.Terms, ...]


def _unchanged(own: Limits) -> Limits:
    return own


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms an operator lets a plugin run.

    Attributes:
        options: the plugin's options; its process checks them.
        limits: the limits it gets, from those that its manifest names.
        secrets: the values of the secrets that the manifest names. May raise ``PluginLoadError``.
        http: a client bound to the manifest's hosts.
        cache: what it may use between calls.
        folder: the only folder it can write to; made if it is not there.
        unconfined: whether it may run where bubblewrap is missing.
    """

    options: Mapping[str, Any]
    limits: Callable[[Limits], Limits] = _unchanged
    secrets: Callable[[Manifest], Mapping[str, str]]
    http: Callable[[Manifest], AbstractAsyncContextManager[httpx.AsyncClient]]
    cache: Store
    folder: Path
    unconfined: bool = False


@asynccontextmanager
async def isolated(
    source: Source, terms: Terms, *, digest: str | None = None
) -> AsyncIterator[Installed]:
    """Open the plugin at ``source``; none of its code is imported into this process.

    A call that ends the process gets a ``PluginEndedError``, and so do the other calls in it; the
    next call starts a new one. ``digest`` is the :func:`~plugins.isolation.wire.digest_of`
    what it must say of itself.

    Raises:
        PluginLoadError: it cannot be imported, opened, isolated, or is not what it was.
    """
    how = await confinement(source.name, unconfined=terms.unconfined)
    terms.folder.mkdir(parents=True, exist_ok=True)
    command = launch(source, terms.folder.resolve(), how)
    start = messages.Start(
        name=source.name,
        entry=source.entry,
        options=dict(terms.options),
        folder=command.folder,
        cpu_seconds=_CPU_SECONDS,
        # Limits on processes count all of a user's, and only bubblewrap gives it one of its own.
        processes=_PROCESSES if isinstance(how, Bubblewrap) else None,
    )
    async with AsyncExitStack() as stack:
        first = _First(stack, terms, digest)

        async def starter() -> Process:
            process = await Process.start(command, start)
            try:
                async with asyncio.timeout(START_SECONDS):
                    await first.meet(source.name, process)
            except TimeoutError:
                await process.close()
                raise PluginLoadError(
                    source.name, f"did not open within {START_SECONDS:g} seconds"
                ) from None
            except BaseException:
                await process.close()
                raise
            return process

        warden = Warden(starter, clock=asyncio.get_running_loop().time)
        stack.push_async_callback(warden.close)
        await warden.start()
        manifest, secrets, said = first.known
        yield Installed(
            manifest=manifest,
            tools=tuple(each.tool(_running(warden, each.name, secrets)) for each in said.tools),
            secrets=secrets,
        )


def _running(warden: Warden, name: str, secrets: Mapping[str, str]) -> Run:
    async def run(arguments: Mapping[str, Any], access: Access) -> Result:
        known = {name: access.secrets[name] for name in secrets if name in access.secrets}
        return await warden.call(name, arguments, access, known)

    return run


async def _unrun(_arguments: Mapping[str, Any], _access: Access) -> Result:
    raise RuntimeError("these are a tool's terms only")


class _First:
    """What is made when the first process says what it is, and holds for every later one."""

    def __init__(self, stack: AsyncExitStack, terms: Terms, digest: str | None) -> None:
        self._stack = stack
        self._terms = terms
        self._digest = digest
        self._promise: Manifest | None = None
        self._manifest: Manifest | None = None
        self._secrets: Mapping[str, str] = {}
        self._http: httpx.AsyncClient | None = None
        self._said: Reported | None = None

    @property
    def known(self) -> tuple[Manifest, Mapping[str, str], Reported]:
        """The manifest under the operator's limits, the secrets, and all that was said."""
        if self._manifest is None or self._said is None:
            raise RuntimeError("no process has said yet what it is")
        return self._manifest, self._secrets, self._said

    async def meet(self, name: str, process: Process) -> None:
        """See a process through to its first call.

        Raises:
            PluginLoadError: it fails to open, or is not what the first one was.
        """
        hello = await self._heard(name, process)
        if not isinstance(hello, messages.Hello):
            raise PluginLoadError(name, "its process says things out of turn")
        http, manifest = await self._means(name, hello.manifest)
        process.serve_setup(http, self._terms.cache)
        process.send(
            messages.Open(
                secrets=dict(self._secrets),
                memory_bytes=manifest.limits.memory_bytes,
                follow_redirects=http.follow_redirects,
            )
        )
        opened = await self._heard(name, process)
        if not isinstance(opened, messages.Opened) or not opened.tools:
            raise PluginLoadError(name, "it has no tools")
        said = Reported(manifest=hello.manifest, tools=opened.tools)
        if self._said is None:
            digest = wire.digest_of(said.manifest, (each.tool(_unrun) for each in said.tools))
            if self._digest not in (None, digest):
                raise PluginLoadError(
                    name, f"is not what was agreed to: its digest is now {digest}"
                )
            self._said = said
        elif said != self._said:
            raise PluginLoadError(name, "says other things of itself than when it was first opened")

    async def _means(self, name: str, promise: Manifest) -> tuple[httpx.AsyncClient, Manifest]:
        if self._promise is None or self._http is None or self._manifest is None:
            if promise.name != name:
                raise PluginLoadError(
                    name, f"its manifest calls it {promise.name!r}; both must be the same"
                )
            manifest = replace(promise, limits=self._terms.limits(promise.limits))
            secrets = self._terms.secrets(manifest)
            self._secrets = {each: secrets[each] for each in manifest.secrets}
            self._http = await self._stack.enter_async_context(self._terms.http(manifest))
            self._promise, self._manifest = promise, manifest
        elif promise != self._promise:
            raise PluginLoadError(name, "promises other things than when it was first opened")
        return self._http, self._manifest

    async def _heard(self, name: str, process: Process) -> messages.FromPlugin:
        try:
            message = await process.greeted()
        except PluginEndedError as error:
            raise PluginLoadError(name, f"did not open: {error}") from None
        if isinstance(message, messages.Broken):
            raise PluginLoadError(name, message.reason)
        return message
