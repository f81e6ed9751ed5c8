"""AgentDojo's suites, read from the installed package without the model vendors' libraries.

Its package of agent pipelines imports one library per vendor when it is imported. Only two small
modules of it are needed here, so the package is entered without running its own imports.
"""

import importlib
import importlib.util
import json
import sys
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

VERSION = "v1.2.2"
MARK = "zqx{}xqz"
"""What an injection vector holds until a text is put there."""


@cache
def suites() -> Mapping[str, Any]:
    """The task suites by name."""
    spec = importlib.util.find_spec("agentdojo")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("agentdojo must be installed: constraints/agentdojo.txt")
    root = Path(spec.submodule_search_locations[0]) / "agent_pipeline"
    for name, folder in (("agent_pipeline", root), ("agent_pipeline.llms", root / "llms")):
        package = ModuleType(f"agentdojo.{name}")
        package.__path__ = [str(folder)]
        sys.modules.setdefault(package.__name__, package)
    vendor = ModuleType("agentdojo.agent_pipeline.llms.google_llm")
    vendor.EMPTY_FUNCTION_NAME = "<empty-function>"  # type: ignore[attr-defined] # all that is used
    sys.modules.setdefault(vendor.__name__, vendor)
    loader = importlib.import_module("agentdojo.task_suite.load_suites")
    found: Mapping[str, Any] = loader.get_suites(VERSION)
    return found


@cache
def attack_text() -> str:
    """The wording of the benchmark's own strongest general attack, with ``{goal}`` in it."""
    suites()
    module = importlib.import_module("agentdojo.attacks.important_instructions_attacks")
    text = str(module.ImportantInstructionsAttack._JB_STRING)
    return text.replace("{user}", "Emma Johnson").replace("{model}", "assistant")


@cache
def _marked(suite: str) -> tuple[str, tuple[str, ...]]:
    """A suite's environment as JSON with a mark in every injection vector, and the marks."""
    found = suites()[suite]
    marks = {
        vector: MARK.format(index)
        for index, vector in enumerate(found.get_injection_vector_defaults())
    }
    return found.load_and_inject_default_environment(marks).model_dump_json(), (*marks.values(),)


@cache
def _unharmed(suite: str) -> Any:
    return suites()[suite].load_and_inject_default_environment({})


def environment(suite: str, injection: str | None) -> Any:
    """A fresh environment of a suite with ``injection`` in every one of its vectors, or with the
    benchmark's harmless texts there."""
    found = _unharmed(suite) if injection is None else _poisoned(suite, injection)
    return found.model_copy(deep=True)


@lru_cache(maxsize=2)
def _poisoned(suite: str, injection: str) -> Any:
    text, marks = _marked(suite)
    inner = json.dumps(injection)[1:-1]
    for mark in marks:
        text = text.replace(mark, inner)
    return type(_unharmed(suite)).model_validate_json(text)
