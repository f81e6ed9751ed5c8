"""Plugins are found without being imported."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from plugins.errors import PluginLoadError
from plugins.source import Source, sources_in

PROJECT = '[project.entry-points."corral.plugins"]\nweather = "corral_weather:plugin"\n'


def package(folder: Path) -> Path:
    """A package that cannot be imported."""
    place = folder / "corral_sample"
    (place / "inner").mkdir(parents=True)
    for each in (place, place / "inner"):
        (each / "__init__.py").write_text("1 / 0")
    return place


def test_a_package_is_found_where_it_is_named(tmp_path: Path) -> None:
    place = package(tmp_path)
    source = Source(name="sample", entry="corral_sample.inner:plugin", paths=(tmp_path,))
    assert source.locate() == (place,)
    assert source.folder == place / "inner"
    assert (source.module, source.top) == ("corral_sample.inner", "corral_sample")
    assert "corral_sample" not in sys.modules


def test_a_package_is_found_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = package(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert Source(name="sample", entry="corral_sample:plugin").folder == place
    module = tmp_path / "corral_single.py"
    module.touch()
    single = Source(name="single", entry="corral_single:plugin")
    assert single.locate() == (module,)
    assert single.folder == tmp_path


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginLoadError, match="there is no package nowhere_at_all"):
        Source(name="sample", entry="nowhere_at_all:plugin").locate()
    monkeypatch.setitem(sys.modules, "without_spec", ModuleType("without_spec"))
    with pytest.raises(PluginLoadError, match="there is no package without_spec"):
        Source(name="sample", entry="without_spec:plugin").locate()


@pytest.mark.parametrize("entry", ["", "module", "module:", ":plugin", "a b:c", "a:b.c", "a..b:c"])
def test_an_entry_point_names_a_module_and_an_object(entry: str) -> None:
    with pytest.raises(PluginLoadError, match="module:object"):
        Source(name="sample", entry=entry)


def test_a_project_names_its_plugins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (source,) = sources_in(tmp_path)
    assert (source.name, source.entry) == ("weather", "corral_weather:plugin")
    assert source.paths == (tmp_path,)
    (tmp_path / "src").mkdir()
    assert sources_in(tmp_path)[0].paths == (tmp_path / "src", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "has no pyproject.toml"),
        ("[project", "is no TOML"),
        ("[project]\nname = 'x'\n", "names no plugin"),
        ('[project.entry-points."corral.plugins"]\n', "names no plugin"),
    ],
)
def test_a_project_without_plugins_says_so(tmp_path: Path, text: str | None, reason: str) -> None:
    if text is not None:
        (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(PluginLoadError, match=reason):
        sources_in(tmp_path)
