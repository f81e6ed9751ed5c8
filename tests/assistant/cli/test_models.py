import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.cli.models import app

runner = CliRunner()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORRAL_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_list_names_the_models_and_whether_they_are_here() -> None:
    result = runner.invoke(app, ["list"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "smollm2-135m" in result.stdout
    assert "Apache-2.0" in result.stdout


def test_list_as_json() -> None:
    entries = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert entries[0]["name"] == "smollm2-135m"
    assert entries[0]["path"] is None
    assert entries[0]["size"] == 98_362_432


def test_path_of_a_missing_model_fails_with_one_clear_line() -> None:
    result = runner.invoke(app, ["path", "smollm2-135m"])
    assert result.exit_code == 1
    assert "corral models pull smollm2-135m" in result.stderr
    assert result.stdout == ""


def test_pull_of_an_unknown_model_fails_with_one_clear_line() -> None:
    result = runner.invoke(app, ["pull", "nonsense"])
    assert result.exit_code == 1
    assert "there is no model called 'nonsense'" in result.stderr


def test_pull_without_an_index_fails_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    result = runner.invoke(app, ["pull", "smollm2-135m", "--json"])
    assert result.exit_code == 1
    assert "PIP_FIND_LINKS" in result.stderr


def test_pull_and_path_print_the_same_place(cache: Path, smollm2_in_cache: Path) -> None:
    pulled = runner.invoke(app, ["pull", "smollm2-135m", "--json"])
    found = runner.invoke(app, ["path", "smollm2-135m"])
    assert json.loads(pulled.stdout) == {"name": "smollm2-135m", "path": str(smollm2_in_cache)}
    assert found.stdout.strip() == str(smollm2_in_cache)


@pytest.fixture
def smollm2_in_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's real cached model, seen through this test's own cache folder."""
    from assistant.engine.models import ModelStore
    from assistant.settings import load_settings

    monkeypatch.delenv("CORRAL_CACHE_DIR")
    real = ModelStore(load_settings().cache_dir / "models").pull("smollm2-135m")
    monkeypatch.setenv("CORRAL_CACHE_DIR", str(cache))
    (cache / "models").mkdir()
    mine = cache / "models" / real.name
    mine.symlink_to(real)
    return mine
