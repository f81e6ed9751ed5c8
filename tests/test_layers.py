"""The packages only import downwards, and every one of them is shipped."""

import tomllib
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_ERROR, EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_SHIPPED = {"tests", "benchmarks"}


def test_imports_only_run_downwards(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True)
    assert status == EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_an_upward_import_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The same packages with the order turned round: policies importing guards must now fail.
    config = tmp_path / "upside_down.toml"
    config.write_text(
        '[tool.importlinter]\nroot_packages = ["guards", "policies"]\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["guards", "policies"]\n'
    )
    status = lint_imports(config_filename=str(config), no_cache=True, no_logo=True)
    assert status == EXIT_STATUS_ERROR
    assert "upside down BROKEN" in capsys.readouterr().out


def test_every_package_is_in_the_layers_and_in_the_wheel() -> None:
    packages = {p.parent.name for p in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    wheel = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    linter = PYPROJECT["tool"]["importlinter"]
    assert set(wheel) == packages
    assert set(linter["root_packages"]) == packages
    assert set(linter["contracts"][0]["layers"]) == packages
    assert set(PYPROJECT["tool"]["mypy"]["packages"]) == packages


def test_every_folder_of_code_is_a_package() -> None:
    folders = {
        path.parent
        for name in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        for path in (ROOT / name).rglob("*.py")
    }
    assert folders
    assert not [str(f.relative_to(ROOT)) for f in folders if not (f / "__init__.py").exists()]
