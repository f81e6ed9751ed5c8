"""Make lists what it can do, and what it can do exists."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split()


def make(*args: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["make", *args], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


def test_help_is_what_one_gets_and_lists_every_target() -> None:
    assert make().stdout == make("help").stdout
    listed = re.findall(r"^  make (\w+) ", make("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(TARGETS)


@pytest.mark.parametrize("target", sorted(set(TARGETS) - {"help", "clean"}))
def test_a_target_runs_something_of_this_project_in_its_environment(target: str) -> None:
    result = make("--dry-run", "--assume-old=.venv/.ready", target)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip()
    modules = re.findall(r"\.venv/bin/python -m ([\w.]+)(?=\s)", result.stdout)
    for module in modules:
        if module.split(".")[0] in {"tests", "benchmarks"}:
            place = ROOT / module.replace(".", "/")
            assert place.with_suffix(".py").exists() or (place / "__main__.py").exists(), module


def test_every_benchmark_is_run() -> None:
    listed = re.findall(r"^BENCHMARKS \?= (.*)$", MAKEFILE, re.MULTILINE)[0].split()
    runnable = [
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if '__name__ == "__main__"' in path.read_text()
    ]
    # `unguarded` is a server of `overhead`; the others need more than this environment: `peer` and
    # `moderate_files` a package of their own, `prefix_caching` a running server.
    assert set(runnable) - {"unguarded", "peer", "prefix_caching", "moderate_files"} == set(listed)


def test_an_old_python_is_refused_in_a_sentence(tmp_path: Path) -> None:
    result = make("--dry-run", "lint", f"VENV={tmp_path / 'none'}")
    assert "needs Python 3.11" in result.stdout
    run = make("lint", f"VENV={tmp_path / 'none'}", "PYTHON=false")
    assert run.returncode != 0
    assert "Corral needs Python 3.11 or newer; 'false' is missing." in run.stderr
    assert not (tmp_path / "none").exists()
