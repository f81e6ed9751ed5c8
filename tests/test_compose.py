"""compose.yaml holds together, holds no secrets, and is explained."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HOW_TO = (ROOT / "docs/how-to/run-with-vllm-and-llama-guard.md").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()

PROFILES = ("gpu", "cpu")
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(?:(:[-?])([^}]*))?\}")
USED = {match.group(1): match.group(2) for match in VARIABLE.finditer(TEXT)}
SECRET = re.compile(r"password|secret|auth|api_key|hf_token", re.IGNORECASE)
FILLED = {
    "CORRAL_API_KEYS": '{"key-for-tests":"tenant"}',
    "CORRAL_VALKEY_PASSWORD": "passwordfortests",
    "CORRAL_HF_TOKEN_FILE": "/dev/null",
}


def in_profile(profile: str) -> dict[str, dict[str, Any]]:
    return {name: s for name, s in SERVICES.items() if profile in s["profiles"]}


@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_runs_corral_two_models_and_valkey(profile: str) -> None:
    names = {name.removesuffix("-cpu") for name in in_profile(profile)}
    assert names == {"corral", "engine", "guard", "valkey"}


@pytest.mark.parametrize("profile", PROFILES)
def test_corral_waits_for_the_health_of_all_it_needs(profile: str) -> None:
    services = in_profile(profile)
    corral = next(s for name, s in services.items() if name.startswith("corral"))
    others = {name for name in services if not name.startswith("corral")}
    assert corral["depends_on"] == {name: {"condition": "service_healthy"} for name in others}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_watched_pinned_and_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    tag = VARIABLE.sub(lambda match: match.group(3), service["image"]).rpartition(":")[2]
    assert re.fullmatch(r"v?\d+\.\d+\.\d+(-\w+)?", tag), service["image"]
    if "vllm" not in service["image"]:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_only_corral_is_reachable_and_only_from_this_machine() -> None:
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    assert set(published) == {"corral", "corral-cpu"}
    assert {port for ports in published.values() for port in ports} == {
        "${CORRAL_PUBLISH:-127.0.0.1:8000}:8000"
    }
    assert COMPOSE["networks"]["memory"] == {"internal": True}
    assert SERVICES["valkey"]["networks"] == ["memory"]


def test_no_secret_stands_in_the_file() -> None:
    found = []
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if not SECRET.search(variable) and "://:" not in str(value):
                continue
            if not re.search(r"\$\{[A-Z_]+:\?", str(value)) and not str(value).startswith(
                "/run/secrets/"
            ):
                found.append(f"{name}.{variable}")
    assert found == []
    assert COMPOSE["secrets"]["hf_token"]["file"].startswith("${CORRAL_HF_TOKEN_FILE:?")


def test_the_example_names_every_variable_and_holds_no_value_of_a_required_one() -> None:
    lines = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    assert set(lines) == set(USED)
    required = {name for name, kind in USED.items() if kind == ":?"}
    assert required == set(FILLED)
    assert {lines[name] for name in required} == {""}


def test_the_how_to_explains_every_variable_and_no_other() -> None:
    table = HOW_TO.partition("### Variables")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", table, re.MULTILINE))
    assert set(rows) == set(USED)
    assert {name for name, default in rows.items() if default == "required"} == set(FILLED)


def test_the_how_to_tells_the_defaults_that_apply() -> None:
    table = HOW_TO.partition("### Variables")[2]
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| ([^|]+) \|", table, re.MULTILINE))
    for name, default in rows.items():
        told = re.findall(r"`([^`]+)`", default)
        real = [m.group(3) for m in VARIABLE.finditer(TEXT) if m.group(1) == name and m.group(3)]
        if name not in FILLED:
            assert set(told) == set(real), name


def test_compose_settings_are_settings_of_corral(monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.settings import Settings, load_settings

    for name in [name for name in os.environ if name.startswith("CORRAL_")]:
        monkeypatch.delenv(name)
    for name in ("corral", "corral-cpu"):
        environment = SERVICES[name]["environment"]
        fields = {f"CORRAL_{field.upper()}" for field in Settings.model_fields}
        assert set(environment) <= fields
        for variable, value in environment.items():
            filled = VARIABLE.sub(lambda m: FILLED.get(m.group(1)) or m.group(3), str(value))
            monkeypatch.setenv(variable, filled)
        settings = load_settings()
        assert settings.guards == (*Settings.model_fields["guards"].default, "llama_guard")
        assert not settings.loopback


COMMAND = shutil.which("docker-compose")


@pytest.mark.skipif(COMMAND is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("profile", PROFILES)
def test_compose_itself_accepts_the_file(profile: str, tmp_path: Path) -> None:
    result = run_compose(profile, FILLED, tmp_path)
    assert result.returncode == 0, result.stderr
    services = yaml.safe_load(result.stdout)["services"]
    for name in in_profile(profile):
        assert services[name]["healthcheck"]
    corral = next(s for name, s in in_profile(profile).items() if name.startswith("corral"))
    assert set(corral["environment"]) == set(services["corral"]["environment"])
    assert services["corral"]["environment"]["CORRAL_API_KEYS"] == FILLED["CORRAL_API_KEYS"]


@pytest.mark.skipif(COMMAND is None, reason="docker-compose is not installed")
@pytest.mark.parametrize("missing", FILLED)
def test_compose_refuses_to_start_without_a_required_variable(missing: str, tmp_path: Path) -> None:
    variables = {name: value for name, value in FILLED.items() if name != missing}
    result = run_compose("cpu", variables, tmp_path)
    assert result.returncode != 0
    assert "see .env.example" in result.stderr


def run_compose(
    profile: str, variables: dict[str, str], folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Compose's own reading of the file, without the .env somebody may have here."""
    assert COMMAND is not None
    empty = folder / "empty.env"
    empty.touch()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CORRAL_")}
    return subprocess.run(
        [COMMAND, "--env-file", str(empty), "--profile", profile, "config"],
        cwd=ROOT,
        env=clean | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
