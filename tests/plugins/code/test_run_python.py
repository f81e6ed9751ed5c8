"""Programs run, hostile ones end, and nobody sees anything of another's."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from plugins.code import plugin
from plugins.code.interpreter import (
    FLOOD_CHARS,
    PRINTED_CHARS,
    VALUE_CHARS,
    Ran,
    open_interpreter,
)
from plugins.code.program import Program
from plugins.errors import PluginLoadError, ToolError
from plugins.testing import FakeBroker, rehearse

MEGABYTES = 1024 * 1024


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    options = {"seconds": 0.3, "memory_bytes": 16 * MEGABYTES, "processes": 2}
    async with rehearse(plugin, options=options) as opened:
        yield opened


async def ran(broker: FakeBroker, code: str) -> str:
    return (await broker.call("run_python", {"code": code})).content


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("sum(n * n for n in range(10))", "Result: 285"),
        ("print('hi')\nprint('there')", "hi\nthere"),
        ("print('hi')\n1 + 2", "hi\nResult: 3"),
        ("x = 1", "The program ran and printed nothing."),
        ("import math\nmath.sqrt(2)", "Result: 1.4142135623730951"),
        ("import json\njson.dumps({'a': [1, None]})", "Result: '{\"a\": [1, null]}'"),
        ("async def f():\n    return 5\nawait f()", "Result: 5"),
        ("class A:\n    def __repr__(self):\n        return 'mine'\nA()", "Result: mine"),
        ("import time\ntime.sleep(3600)\n'slept'", "Result: 'slept'"),
        ("a = []\na.append(a)\na", "Result: [[...]]"),
        ("```python\nprint(1)\n```", "1"),
        ("print(2)\n1 / 0", "2\nError: ZeroDivisionError: division by zero (line 2)"),
        ("def f():\n    raise ValueError('no')\nf()", "Error: ValueError: no (line 2)"),
        ("foo", "Error: NameError: name 'foo' is not defined (line 1)"),
    ],
)
async def test_programs_run(broker: FakeBroker, code: str, answer: str) -> None:
    assert await ran(broker, code) == answer


async def test_a_program_that_is_none_says_where(broker: FakeBroker) -> None:
    assert (await ran(broker, "x = 1\ndef (")).startswith("Error: SyntaxError: ")


async def test_results_have_their_parts(broker: FakeBroker) -> None:
    result = await broker.call("run_python", {"code": "print('a')\n2"})
    assert result.artifact == {"printed": "a\n", "value": "2", "error": ""}


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("while True: pass", "took too long"),
        ("while True:\n try:\n  while True: pass\n except BaseException: pass", "took too long"),
        ("class A:\n def __repr__(self):\n  while True: pass\nA()", "took too long"),
        ("import time\nwhile True: time.sleep(0)", ""),
        ("x = []\nwhile True: x.append('a' * 1000000)", "too much memory"),
        ("'a' * 10**10", "too much memory"),
        ("9**9**9", "too much memory"),
        ("'%1000000000d' % 1", "too much memory"),
        ("a = [0] * 10\nfor i in range(9): a = [a] * 10\na", "too much memory"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("import re\nre.match('(a|a)+$', 'a' * 40 + 'b')", ""),
        ("raise SystemExit(3)", "Error"),
        ("x = []\nfor i in range(100000): x = [x]\nx", ""),
        ("(" * 5000 + ")" * 5000, "SyntaxError"),
    ],
)
async def test_what_has_no_end_is_ended(broker: FakeBroker, code: str, problem: str) -> None:
    started = time.monotonic()
    answer = await ran(broker, code)
    assert time.monotonic() - started < 5
    assert problem in answer
    assert len(answer) < PRINTED_CHARS + VALUE_CHARS + 1000
    assert await ran(broker, "1 + 1") == "Result: 2"


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "from pathlib import Path\nPath('/etc/passwd').read_text()",
        "from pathlib import Path\nlist(Path('/').iterdir())",
        "import os\nos.listdir('/')",
        "import os\nos.environ",
        "import os\nos.getenv('PATH')",
        "import os\nos.system('id')",
        "import os\nos.urandom(4)",
        "import socket",
        "import subprocess",
        "import ctypes",
        "import requests",
        "import urllib.request",
        "import importlib",
        "import inspect",
        "import gc",
        "import plugins.code",
        "__import__('os')",
        "__builtins__",
        "globals()",
        "().__class__.__base__.__subclasses__()",
        "(lambda: 0).__globals__",
        "(lambda: 0).__code__",
        "'{0.__class__.__init__.__globals__}'.format(1)",
        "getattr((), '__cl' + 'ass__').__base__",
        "[].__reduce_ex__(2)",
        "try:\n 1 / 0\nexcept Exception as e: e.__traceback__.tb_frame.f_globals",
        "(x for x in ()).gi_frame.f_back",
        "eval('open(\"/etc/passwd\")')",
        "exec('import socket')",
        "input()",
        "breakpoint()",
        "compile('1', '', 'eval')",
        "import sys\nsys.modules['os']",
    ],
)
async def test_there_is_no_way_out(broker: FakeBroker, code: str) -> None:
    answer = await ran(broker, code)
    assert answer.startswith("Error: ")
    assert "root:" not in answer


async def test_nothing_is_written(broker: FakeBroker, tmp_path: Path) -> None:
    left = tmp_path / "left"
    answer = await ran(broker, f"open({str(left)!r}, 'w').write('a')")
    assert answer.startswith("Error: PermissionError")
    assert not left.exists()


async def test_printing_is_cut_and_a_flood_stopped_early() -> None:
    async with rehearse(plugin, options={"seconds": 10}) as broker:
        answer = await ran(broker, f"print('x' * {PRINTED_CHARS + 10})\n'end'")
        assert answer.count("x") == PRINTED_CHARS
        assert answer.endswith("[only the first 8000 characters printed]\nResult: 'end'")
        started = time.monotonic()
        answer = await ran(broker, "while True: print('y' * 1000)")
        assert time.monotonic() - started < 5
        assert answer.endswith("Error: stopped: printed too much")
        assert answer.count("y") < FLOOD_CHARS
        assert await ran(broker, "1") == "Result: 1"


async def test_values_and_messages_are_cut(broker: FakeBroker) -> None:
    assert len(await ran(broker, "'z' * 1000000")) < VALUE_CHARS + 20
    assert len(await ran(broker, "raise ValueError('z' * 1000000)")) < 600


async def test_nothing_stays_from_one_program_to_the_next() -> None:
    async with rehearse(plugin, options={"processes": 1}) as broker:
        await ran(broker, "secret = 'mine'\nimport math\nmath.left = 3\nimport json")
        for name in ("secret", "math", "json", "__value__"):
            assert "NameError" in await ran(broker, name)
        assert "AttributeError" in await ran(broker, "import math\nmath.left")


async def test_programs_run_side_by_side_and_the_loop_goes_on(broker: FakeBroker) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    started = time.monotonic()
    answers = await asyncio.gather(*(ran(broker, "while True: pass") for _ in range(2)))
    counting.cancel()
    assert time.monotonic() - started < 0.6 + 1
    assert turns > 100
    assert all("took too long" in answer for answer in answers)


async def test_who_goes_away_stops_the_program() -> None:
    async with rehearse(plugin, options={"processes": 1, "seconds": 10}) as broker:
        running = asyncio.create_task(ran(broker, "while True: pass"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await running
        started = time.monotonic()
        assert await ran(broker, "2") == "Result: 2"
        assert time.monotonic() - started < 3


async def test_when_all_are_busy_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugins.code._PATIENCE", 0.1)
    async with rehearse(plugin, options={"processes": 1, "seconds": 1}) as broker:
        running = asyncio.create_task(ran(broker, "while True: pass"))
        await asyncio.sleep(0)
        with pytest.raises(ToolError, match="all sandboxes are busy"):
            while not running.done():
                await ran(broker, "1")
        assert "took too long" in await running


async def test_a_crash_is_an_error_of_that_program_only() -> None:
    async with open_interpreter(
        seconds=10, memory_bytes=16 * MEGABYTES, processes=1, patience=5
    ) as interpreter:
        async with interpreter.pool.checkout() as session:
            pid = session.worker_pid
        assert pid is not None
        before = _cpu_ticks(pid)
        running = asyncio.create_task(interpreter.run(Program(source="while True: pass")))
        async with asyncio.timeout(5):
            while _cpu_ticks(pid) < before + 3:  # noqa: ASYNC110 - the kernel tells no event
                await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        assert await running == Ran(problem="stopped: the sandbox ended")
        assert await interpreter.run(Program(source="'3'")) == Ran(value="3")


def _cpu_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


async def test_without_the_sandbox_the_plugin_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with pytest.raises(PluginLoadError, match="the extra 'sandbox'"):
        async with rehearse(plugin):
            raise AssertionError


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": 60}, {"processes": 0}, {"x": 1}])
async def test_options_have_bounds(options: dict[str, object]) -> None:
    with pytest.raises(PluginLoadError, match="options"):
        async with rehearse(plugin, options=options):
            raise AssertionError
