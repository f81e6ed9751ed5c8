"""Run small Python programs in a sandbox."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

from pydantic import Field

from plugins.code.interpreter import PRINTED_CHARS, VALUE_CHARS, Interpreter, Ran, open_interpreter
from plugins.code.program import LONGEST, read_program
from plugins.sdk import Limits, Manifest, Options, Plugin, Result, Setup, SideEffect, Tool, tool

_PATIENCE = 5.0
_MEGABYTE = 1024 * 1024


class CodeOptions(Options):
    """What a program may use, and how many run side by side."""

    seconds: float = Field(default=3.0, gt=0, le=10, description="Time of one program.")
    memory_bytes: int = Field(
        default=64 * _MEGABYTE,
        ge=4 * _MEGABYTE,
        le=1024 * _MEGABYTE,
        description="Memory of one program.",
    )
    processes: int = Field(default=2, ge=1, le=32, description="Programs side by side.")


def run_python_tool(interpreter: Interpreter) -> Tool:
    """The tool over ``interpreter``."""

    @tool(command="code", aliases=("python",), content=("code",), direct=True)
    async def run_python(
        code: Annotated[
            str,
            Field(
                description="A Python program. Print results or end with an expression, for "
                "example: sum(n * n for n in range(10))",
                min_length=1,
                max_length=LONGEST + 100,
            ),
        ],
    ) -> Result:
        """Run a small Python program and see what it prints. Each run starts afresh. Modules such
        as math, re, json, datetime and collections are there; files, network, packages and input
        are not.
        """
        ran = await interpreter.run(read_program(code, value_chars=VALUE_CHARS))
        return Result(
            content=_words(ran),
            artifact={"printed": ran.printed, "value": ran.value, "error": ran.problem},
        )

    return run_python


def _words(ran: Ran) -> str:
    parts = []
    if ran.printed:
        cut = f"\n[only the first {PRINTED_CHARS} characters printed]" if ran.cut else ""
        parts.append(ran.printed.rstrip("\n") + cut)
    if ran.value:
        parts.append(f"Result: {ran.value}")
    if ran.problem:
        parts.append(f"Error: {ran.problem}")
    return "\n".join(parts) or "The program ran and printed nothing."


@asynccontextmanager
async def _opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    options: CodeOptions = setup.options
    async with open_interpreter(
        seconds=options.seconds,
        memory_bytes=options.memory_bytes,
        processes=options.processes,
        patience=_PATIENCE,
    ) as interpreter:
        yield [run_python_tool(interpreter)]


plugin = Plugin(
    manifest=Manifest(
        name="code",
        version="0.1.0",
        side_effect=SideEffect.NONE,
        description="Runs small Python programs without files, network or packages.",
        limits=Limits(seconds=20, output_chars=30_000, at_once=16),
    ),
    open=_opened,
    options=CodeOptions,
)
