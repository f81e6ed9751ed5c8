"""``corral serve``."""

import json
import signal
import urllib.request

import pytest

from assistant.cli.exits import Exit
from tests.assistant.cli.serving import serve
from tests.assistant.cli.stage import Stage


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_asked_to_stop(stage: Stage, how: signal.Signals) -> None:
    with serve(stage) as (url, process):
        with urllib.request.urlopen(f"{url}/healthz", timeout=10) as response:
            assert response.status == 200
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
        assert process.returncode == Exit.OK, err
        assert "Traceback" not in err


def test_an_address_that_is_not_ours_needs_keys(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.run("serve", "--host", "0.0.0.0", "--json") == Exit.USAGE  # noqa: S104 - refused
    error = json.loads(capsys.readouterr().err)["error"]
    assert error["code"] == "settings_error"
    assert "CORRAL_API_KEYS" in error["message"]


def test_a_port_that_is_taken_is_told(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(stage) as (url, _):
        port = url.rpartition(":")[2]
        assert stage.run("serve", "--port", port, "--json") == Exit.USAGE
    error = json.loads(capsys.readouterr().err)["error"]
    assert port in error["message"]
