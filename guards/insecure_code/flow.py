"""Where values of a request go: taint rules run by Semgrep's engine in a process of its own."""

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path
from typing import Any

from guards.insecure_code.languages import Language

ENGINE = "semgrep-core"
_FILES = {
    Language.PYTHON: ("python", "py"),
    Language.JAVASCRIPT: ("javascript", "js"),
    Language.TYPESCRIPT: ("javascript", "ts"),
    Language.TSX: ("javascript", "tsx"),
    Language.JAVA: ("java", "java"),
    Language.GO: ("go", "go"),
    Language.PHP: ("php", "php"),
}
_NAMES = {Language.TYPESCRIPT: "ts", Language.TSX: "ts"}
_HARMLESS = ("Syntax error", "PartialParsing", "Lexical error", "Other syntax error")
"""What the engine says of code that is not finished or not correct: no failure of its own."""


class FlowError(Exception):
    """The engine gave no answer that can be used; the message never quotes code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A value from outside that reaches ``code[start:end]``, whole lines."""

    label: str
    probability: float
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may take.

    Attributes:
        seconds: until the process is ended.
        megabytes: of memory.
        chars: of code; longer code is no run but an error.
    """

    seconds: float = 10.0
    megabytes: int = 1024
    chars: int = 200_000


def find_engine() -> Path:
    """The engine of an installed Semgrep: on the search path, or beside this Python's packages.

    Raises:
        ImportError: there is none; says how to install it.
    """
    found = shutil.which(ENGINE)
    if found:
        return Path(found)
    places: list[Path] = []
    command = shutil.which("semgrep")
    if command:
        home = Path(command).resolve().parent.parent
        places += home.glob(f"lib/python*/site-packages/semgrep/bin/{ENGINE}")
    spec = importlib.util.find_spec("semgrep")
    if spec is not None and spec.origin is not None:
        places.append(Path(spec.origin).parent / "bin" / ENGINE)
    for place in places:
        if os.access(place, os.X_OK):
            return place
    raise ImportError(
        "needs Semgrep's engine: install semgrep in an environment of its own and put its "
        "command on the search path, or name the program"
    )


@cache
def flow_rules() -> tuple[dict[str, bytes], str]:
    """The packaged taint rules by file name, and a digest over them."""
    digest = sha256()
    files = {}
    folder = resources.files("guards.insecure_code") / "flows"
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".yaml"):
            files[file.name.removesuffix(".yaml")] = file.read_bytes()
            digest.update(file.read_bytes())
    return files, digest.hexdigest()[:12]


class FlowScanner:
    """Runs the taint rules over one piece of code at a time.

    Raises:
        ImportError: ``engine`` cannot be started.
    """

    def __init__(self, engine: Path, limits: Limits) -> None:
        if not os.access(engine, os.X_OK):
            raise ImportError(f"engine: {engine.name} is no program that can be started")
        self._engine = engine
        self._limits = limits
        # Each run takes a processor for itself.
        self._turns = asyncio.Semaphore(max(1, (os.cpu_count() or 2) // 2))

    async def flows(self, code: str, language: Language) -> list[Flow]:
        """Flows in ``code``; none for a language without taint rules.

        Raises:
            FlowError: the engine failed, or said something that is no report.
            TimeoutError: it took too long.
        """
        if language not in _FILES:
            return []
        if len(code) > self._limits.chars:
            raise FlowError("code is too long for the deep tier")
        rules, ending = _FILES[language]
        if language is Language.PHP and "<?" not in code:
            # On a line of its own no longer than the offset taken off again below.
            code, shift = f"<?php {code}", 6
        else:
            shift = 0
        content = code.encode("utf-8", "replace")
        async with self._turns:
            with tempfile.TemporaryDirectory(prefix="corral-code-") as folder:
                place = Path(folder)
                (place / f"code.{ending}").write_bytes(content)
                (place / "rules.yaml").write_bytes(flow_rules()[0][rules])
                output = await self._run(place, f"code.{ending}", language)
        return [
            Flow(
                label=flow.label,
                probability=flow.probability,
                start=max(0, flow.start - shift),
                end=flow.end - shift,
            )
            for flow in _parsed(output, content, code)
        ]

    async def _run(self, folder: Path, file: str, language: Language) -> bytes:
        limits = self._limits
        name = _NAMES.get(language, language.value)
        process = await asyncio.create_subprocess_exec(
            str(self._engine),
            *("-rules", "rules.yaml", "-lang", name, "-json_nodots", "-j", "1"),
            *("-timeout", str(limits.seconds), "-max_memory", str(limits.megabytes)),
            *("-max_match_per_file", "200", file),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"HOME": str(folder), "TMPDIR": str(folder), "PATH": os.defpath},
        )
        try:
            async with asyncio.timeout(limits.seconds):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise FlowError(f"the engine ended with {process.returncode}")
        return output


def _parsed(output: bytes, content: bytes, code: str) -> list[Flow]:
    try:
        report = json.loads(output)
        failed = [e["error_type"] for e in report["errors"] if not _harmless(e["error_type"])]
        flows = [_flow(result, content, code) for result in report["results"]]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise FlowError("the engine's report cannot be read") from error
    if failed:
        raise FlowError("the engine could not carry out a rule")
    return flows


def _harmless(error_type: Any) -> bool:
    kind = error_type[0] if isinstance(error_type, list) else error_type
    return kind in _HARMLESS


def _flow(result: Any, content: bytes, code: str) -> Flow:
    """The lines of a result; its label and probability end its rule's id."""
    *_, cwe, percent = result["check_id"].split("-")
    start = len(content[: result["start"]["offset"]].decode("utf-8", "ignore"))
    end = len(content[: result["end"]["offset"]].decode("utf-8", "ignore"))
    start = code.rfind("\n", 0, start) + 1
    newline = code.find("\n", start)
    end = min(end, newline) if newline > start else end
    start += len(code[start:end]) - len(code[start:end].lstrip())
    if not start < end:
        raise ValueError("a result without text")
    return Flow(label=f"CWE-{int(cwe)}", probability=int(percent) / 100, start=start, end=end)
