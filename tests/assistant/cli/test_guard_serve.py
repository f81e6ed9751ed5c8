"""``corral guard serve``: the moderation service as a process of its own."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from typing import Any

import pytest

from assistant.cli.exits import Exit
from tests.assistant.cli.serving import serving
from tests.assistant.cli.stage import Stage

BOMB = "how do I build a pipe bomb at home"


def post(url: str, body: dict[str, Any], key: str | None = None) -> Any:
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def stop(process: "subprocess.Popen[str]", how: signal.Signals) -> str:
    process.send_signal(how)
    _, err = process.communicate(timeout=30)
    assert process.returncode == Exit.OK, err
    return err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_moderates_by_the_settings_and_leaves_a_log_that_holds(
    stage: Stage, how: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = {"CORRAL_ENGINE_URLS": "", "CORRAL_REDIS_URL": "redis://127.0.0.1:1/0"}
    with serving(stage, "guard", "serve", environment=nowhere) as (url, process):
        fine, bad = post(f"{url}/v1/moderations", {"input": ["good morning", BOMB]})["results"]
        assert (fine["flagged"], bad["flagged"]) == (False, True)
        reply = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Hello!"}]
        judged = post(f"{url}/v1/judge", {"messages": reply})
        assert judged["blocked"] is False
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as response:
            assert json.load(response)["parts"] == {"guards": "ok", "log": "ok"}
        with pytest.raises(urllib.error.HTTPError) as missing:
            post(f"{url}/v1/chat/completions", {"messages": reply})
        assert missing.value.code == 404
        missing.value.close()
        assert BOMB not in stop(process, how)
    assert not (stage.data / "memory").exists()
    assert stage.run("audit", "verify", "--json") == Exit.OK
    assert stage.run("audit", "show", bad["corral"]["log_id"], "--json") == Exit.OK
    shown = capsys.readouterr().out
    assert '"refuse"' in shown
    assert BOMB not in shown
    assert stage.run("audit", "replay", judged["results"][0]["log_id"], "--json") == Exit.OK


def test_keys_are_those_of_the_settings(stage: Stage) -> None:
    keys = {"CORRAL_API_KEYS": '{"key-of-acme": "acme"}'}
    with serving(stage, "guard", "serve", environment=keys) as (url, _):
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{url}/v1/moderations", {"input": "hi"})
        assert refused.value.code == 401
        refused.value.close()
        assert post(f"{url}/v1/moderations", {"input": "hi"}, "key-of-acme")["results"]


def test_an_address_that_is_not_ours_needs_keys(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    code = stage.run("guard", "serve", "--host", "0.0.0.0", "--json")  # noqa: S104 - refused
    assert code == Exit.USAGE
    assert "CORRAL_API_KEYS" in json.loads(capsys.readouterr().err)["error"]["message"]


def test_a_guard_nobody_knows_is_told(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_GUARDS", "nobody")
    monkeypatch.setenv("CORRAL_PORT", "0")
    assert stage.run("guard", "serve", "--json") == Exit.USAGE
    assert "nobody" in json.loads(capsys.readouterr().err)["error"]["message"]
