"""Built-in plugins open as an operator's do, keep their promises, and load nothing before time."""

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plugins.configuration import Configuration
from plugins.conformance import Script, conform
from plugins.opening import Means, open_plugins
from plugins.plugin import Plugin
from plugins.testing import FakeStore
from tests.docs.tool_tables import OPTIONS, built_in
from tests.plugins.images.test_picture import painted

PICTURE = {"data": [{"b64_json": base64.b64encode(painted("PNG")).decode()}]}
SCRIPTS: dict[str, dict[str, Any]] = {
    "calculator": {"examples": {"calculate": [{"expression": "15% of 80"}]}},
    "clock": {
        "examples": {
            "current_time": [{}, {"place": "Tokyo"}],
            "convert_time": [{"time": "3 pm", "from_place": "Paris", "to_place": "Tokyo"}],
            "days_between": [{"start": "today", "end": "2026-12-24"}],
            "add_days": [{"date": "today", "days": 3}],
        }
    },
    "code": {"options": {"seconds": 0.5}, "examples": {"run_python": [{"code": "print(1)"}]}},
    "images": {
        "options": OPTIONS["images"],
        "examples": {"create_image": [{"prompt": "a fox"}]},
        "answers": [{"url": OPTIONS["images"]["base_url"], "json": PICTURE}],
    },
    "reminders": {
        "examples": {
            "set_reminder": [{"text": "Tea", "at": "in 5 minutes"}],
            "list_reminders": [{}],
        }
    },
}
ASKS_BY_POST = {"images": {"access.effects"}}
"""Asking by POST is this API's way, and leaves nothing behind."""

HEAVY = ("PIL", "langchain_core", "lxml", "mcp", "numpy", "onnxruntime", "pint", "pydantic_monty",
         "redis", "tokenizers", "trafilatura")  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
async def test_it_is_as_it_says(name: str) -> None:
    report = await conform(built_in()[name], Script.model_validate(SCRIPTS[name]))
    assert {c.id for c in report.failures} == ASKS_BY_POST.get(name, set()), report.failures


async def test_all_open_side_by_side(tmp_path: Path) -> None:
    configuration = Configuration.model_validate(
        {
            "enabled": list(built_in()),
            "plugins": {name: {"options": options} for name, options in OPTIONS.items()},
        }
    )
    means = Means(environ={}, folder=tmp_path, cache=lambda _: FakeStore())
    async with open_plugins(configuration, means) as catalogue:
        opened = {manifest.name for manifest in catalogue.manifests}
        assert opened == set(built_in())


def test_importing_them_loads_nothing_heavy() -> None:
    modules = ", ".join(sorted({f"plugins.{name}" for name in built_in()}))
    script = f"import sys, {modules}; print([m for m in {HEAVY} if m in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("plugin", built_in().values(), ids=list(built_in()))
def test_operators_can_read_what_it_is(plugin: Plugin) -> None:
    assert plugin.manifest.description.endswith(".")
