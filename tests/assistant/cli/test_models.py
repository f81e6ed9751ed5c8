"""``corral models``, through the frame that every command has."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from assistant.cli.exits import Exit
from assistant.cli.main import main


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    exit_code: int
    stdout: str
    stderr: str


class Run:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str) -> Result:
        code = main(["models", *args])
        out, err = self._capsys.readouterr()
        return Result(exit_code=code, stdout=out, stderr=err)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(capsys)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CORRAL_CACHE_DIR", str(tmp_path))
    return tmp_path


def test_list_names_the_models_and_whether_they_are_here(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    result = run("list")
    assert result.exit_code == 0
    assert "smollm2-135m" in result.stdout
    assert "Apache-2.0" in result.stdout


def test_list_as_json(run: Run) -> None:
    entries = json.loads(run("list", "--json").stdout)
    assert entries[0]["name"] == "smollm2-135m"
    assert entries[0]["path"] is None
    assert entries[0]["size"] == 98_362_432


def test_path_of_a_missing_model_fails_with_one_clear_line(run: Run) -> None:
    result = run("path", "smollm2-135m")
    assert result.exit_code == Exit.UNAVAILABLE
    assert "corral models pull smollm2-135m" in result.stderr
    assert result.stdout == ""


def test_pull_of_an_unknown_model_fails_with_one_clear_line(run: Run) -> None:
    result = run("pull", "nonsense")
    assert result.exit_code == Exit.UNAVAILABLE
    assert "there is no model called 'nonsense'" in result.stderr


def test_pull_without_an_index_fails_with_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    result = run("pull", "smollm2-135m", "--json")
    assert result.exit_code == Exit.UNAVAILABLE
    assert "PIP_FIND_LINKS" in result.stderr


def test_pull_and_path_print_the_same_place(run: Run, smollm2_in_cache: Path) -> None:
    pulled = run("pull", "smollm2-135m", "--json")
    found = run("path", "smollm2-135m")
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
