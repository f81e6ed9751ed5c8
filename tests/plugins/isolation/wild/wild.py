"""A plugin that does in its process everything that a plugin should not."""

import asyncio
import ctypes
import os
import resource
import signal
import socket
import stat
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from plugins.sdk import (
    Access,
    Citation,
    Confidentiality,
    Limits,
    Manifest,
    Options,
    Picture,
    Plugin,
    Result,
    Setup,
    SideEffect,
    Tool,
    ToolError,
    tool,
)

FRAME = struct.Struct(">I")


def shout(*frames: bytes) -> None:
    """Write to the socket that leads to Corral, as a plugin that looks for it can."""
    for fd in range(3, 64):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.set_blocking(fd, True)
                for frame in frames:
                    os.write(fd, frame)
        except OSError:
            continue


@tool(content={"text"})
async def echo(text: Annotated[str, Field(description="What to say again.")]) -> str:
    """Say the text again."""
    return text


@tool()
async def rich(access: Access) -> Result:
    """Give everything a result can hold."""
    return Result(
        content=f"{access.person.pseudonym} {access.person.locale} {access.person.audience} "
        f"{access.key} {access.now().year} {sorted(access.secrets.items())}",
        artifact={"a": [1, None, "ü"]},
        citations=(Citation(title="One", url="kb:one", text="passage"),),
        images=(Picture(data=b"\xff\x00", media_type="image/png", alt="dot"),),
        confidentiality=Confidentiality.USER,
    )


@tool()
async def visit(url: str, access: Access) -> dict[str, Any]:
    """Fetch a page."""
    response = await access.http.get(url, headers={"X-Mine": "1"})
    return {"url": str(response.url), "status": response.status_code, "text": response.text[:100]}


@tool()
async def keep(access: Access) -> list[Any]:
    """Use the store in every way."""
    store = access.store
    seen: list[Any] = [await store.get("a")]
    await store.put("a", b"\x001", ttl=60)
    seen.append((await store.get("a") or b"").decode())
    seen.append(await store.swap("a", b"wrong", b"2", ttl=60))
    seen.append(await store.swap("a", b"\x001", b"2", ttl=60))
    await store.delete("a")
    seen.append(await store.get("a"))
    return seen


@tool()
async def chatter(access: Access) -> str:
    """Tell the user a thousand things."""
    for number in range(1000):
        access.progress(f"{number} " + "x" * 1000)
    return "done"


@tool()
async def cannot() -> str:
    """Say that it cannot."""
    raise ToolError("there is no such city; name a larger one")


@tool()
async def broken() -> str:
    """Fail."""
    raise ZeroDivisionError("with a secret in it")


@tool()
async def leave() -> str:
    """Raise what ends programs."""
    raise SystemExit(3)


@tool()
async def die(how: str) -> str:
    """End the process in one of many ways."""
    match how:
        case "exit":
            os._exit(3)
        case "orphan":
            if os.fork():
                os._exit(0)
            threading.Event().wait()
        case "segfault":
            ctypes.string_at(0)
        case "garbage":
            shout(FRAME.pack(7) + b"garbage")
        case "forged":
            body = b'{"kind":"raised","call":99999,"fault":"tool"}'
            shout(FRAME.pack(len(body)) + body)
        case "flood":
            body = b'{"kind":"told","call":0,"text":"x"}'
            shout(*[(FRAME.pack(len(body)) + body) * 100] * 1000)
    await asyncio.get_running_loop().create_future()
    return "alive"


@tool()
async def hang() -> str:
    """Wait for ever, but let itself be ended."""
    await asyncio.get_running_loop().create_future()
    return "never"


@tool()
async def deaf() -> str:
    """Not end when told to."""
    while True:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            continue


@tool()
async def hog(megabytes: int) -> int:
    """Use memory."""
    return len(bytearray(megabytes * 1024 * 1024))


@tool()
async def huge() -> str:
    """Give more than a frame holds."""
    return "x" * (17 * 1024 * 1024)


TASKS: set[asyncio.Future[Any]] = set()


def attempt(what: Callable[[], object]) -> str:
    try:
        what()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return "done"


@tool()
async def look() -> dict[str, Any]:
    """Say what can be seen and done from here."""
    return sights(Path(os.environ["HOME"]))


def sights(home: Path) -> dict[str, Any]:
    return {
        "environment": dict(os.environ),
        "home": [path.name for path in home.iterdir()],
        "here": [path.name for path in Path(home.root).iterdir()],
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "in": sys.stdin.read(),
        "group": os.getpgid(0),
        "process": os.getpid(),
        "raise": attempt(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))),
        "write": attempt(lambda: Path(__file__).open("a").close()),
        "passwd": attempt(lambda: Path("/etc/passwd").read_text()),
        "shell": attempt(lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True)),
    }


@tool()
async def reach(port: int) -> str:
    """Connect past Corral."""
    return attempt(lambda: socket.create_connection(("127.0.0.1", port), 1).close())


@tool()
async def ignore(access: Access) -> str:
    """Ask for a lot, and never take it."""
    for number in range(8):
        TASKS.add(asyncio.ensure_future(access.http.get(f"https://example.com/{number}")))
    await asyncio.sleep(0.01)
    threading.Event().wait()
    return "never"


@tool()
async def tire() -> int:
    """Use up its processor time, as the kernel sees it; says which process it was."""
    os.kill(os.getpid(), signal.SIGXCPU)
    await asyncio.sleep(0)
    return os.getpid()


LINGERING: list[str] = []


@tool()
async def linger(access: Access) -> str:
    """Go on using its access when the call is over."""
    over = asyncio.Event()

    async def later() -> None:
        await over.wait()
        try:
            await access.http.get("https://example.com/")
        except ToolError as error:
            LINGERING.append(str(error))

    task = asyncio.create_task(later())
    asyncio.get_running_loop().call_later(0.01, over.set)
    task.add_done_callback(lambda _: None)
    TASKS.add(task)
    return "over"


@tool()
async def lingered() -> str:
    """What came of going on."""
    await asyncio.gather(*TASKS)
    return ", ".join(LINGERING)


@tool()
async def fork(most: int) -> list[int]:
    """Start as many processes as it can; says which."""
    started: list[int] = []
    try:
        for _ in range(most):
            child = os.fork()
            if child == 0:
                threading.Event().wait()
            started.append(child)
    except OSError:
        pass
    return started


TOOLS = (
    echo, rich, visit, keep, chatter, cannot, broken, leave, die, hang, deaf, hog, huge, look,
    reach, fork, ignore, tire, linger, lingered,
)  # fmt: skip

MANIFEST = Manifest(
    name="wild",
    version="1.0",
    side_effect=SideEffect.NONE,
    hosts=("example.com",),
    reads=frozenset({Confidentiality.PUBLIC, Confidentiality.USER}),
    secrets=("KEY",),
    limits=Limits(memory_bytes=128 * 1024 * 1024),
)

plugin = Plugin(manifest=MANIFEST, tools=TOOLS)


class Wishes(Options):
    """What the opened plugin does on opening."""

    greeting: str = "hello"
    fickle: bool = False
    stuck: bool = False


@asynccontextmanager
async def opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    wishes: Wishes = setup.options
    if wishes.stuck:
        await asyncio.get_running_loop().create_future()
    count = setup.folder / "count"
    before = int(count.read_text()) if count.exists() else 0
    count.write_text(str(before + 1))
    page = (await setup.http.get("https://example.com/setup")).text
    await setup.cache.put("page", page.encode(), ttl=60)

    @tool()
    async def greet() -> str:
        """Greet."""
        cached = (await setup.cache.get("page") or b"").decode()
        return f"{wishes.greeting} {cached} {setup.secrets['KEY']}"

    @tool(name="other" if wishes.fickle and before else "stop")
    async def stop() -> str:
        """End the process."""
        os._exit(1)

    try:
        yield (greet, stop)
    finally:
        (setup.folder / "closed").touch()


opening = Plugin(manifest=MANIFEST, open=opened, options=Wishes)
not_a_plugin = 1
