"""The sample packages pass their own tests and their conformance, as their developers would see."""

import ast
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from plugins.conformance import load_script
from plugins.conformance.supervise import supervise
from plugins.plugin import Plugin
from plugins.source import Source, sources_in
from tests.docs.pages import ROOT

EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
SOURCES = [source for folder in EXAMPLES for source in sources_in(folder)]


def loaded(path: Path) -> ModuleType:
    """A file of tests of an example, with the example on the path as its own settings put it."""
    src = str(path.parents[1] / "src")
    if src not in sys.path:
        sys.path.append(src)
    spec = importlib.util.spec_from_file_location(f"{path.parents[1].name}.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FILES = [path for folder in EXAMPLES for path in sorted((folder / "tests").glob("test_*.py"))]
TAKEN: list[str] = []
for _path in FILES:
    # Their tests are this module's, so that they run with all others.
    for _name, _test in vars(loaded(_path)).items():
        if _name.startswith("test_"):
            assert _name not in globals(), f"two examples have a test called {_name}"
            globals()[_name] = _test
            TAKEN.append(_name)


def test_no_test_of_an_example_is_left_out() -> None:
    written = [
        node.name
        for path in FILES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]
    assert written
    assert written == TAKEN


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
async def test_an_example_is_as_it_says(source: Source) -> None:
    script = load_script(source.paths[0].parent / "conformance.yaml")
    assert script.examples
    report = await supervise(source, script)
    assert report.failures == ()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_an_entry_point_names_the_plugin(source: Source) -> None:
    module, _, name = source.entry.partition(":")
    plugin = getattr(importlib.import_module(module), name)
    assert isinstance(plugin, Plugin)
    assert plugin.manifest.name == source.name
