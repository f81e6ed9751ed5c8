"""Settings: read once, frozen, and every mistake named by its variable."""

import pytest
from pydantic import ValidationError

from assistant.errors import SettingsError
from assistant.settings import load_settings

SECRET = "hunter2"


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:1/v1,http://127.0.0.1:2/v1",
        " http://127.0.0.1:1/v1 , http://127.0.0.1:2/v1, ",
        '["http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"]',
    ],
)
def test_a_list_is_written_with_commas_or_as_json(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORRAL_ENGINE_URLS", value)
    assert [url.port for url in load_settings().engine_urls] == [1, 2]


def test_a_map_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_API_KEYS", f'{{"{SECRET}": "acme"}}')
    settings = load_settings()
    assert list(settings.api_keys.values()) == ["acme"]
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("CORRAL_ENGINE_URLS", "nonsense", "CORRAL_ENGINE_URLS: Input should be a valid URL"),
        ("CORRAL_ENGINE_URLS", '["http://a', "CORRAL_ENGINE_URLS: must be items separated"),
        ("CORRAL_ENGINE_URLS", f"http://u:{SECRET}@h/v1", "must not hold credentials"),
        ("CORRAL_GUARDS", "La ma", "CORRAL_GUARDS: String should match pattern"),
        ("CORRAL_GUARDS", "llama_guard", "CORRAL_GUARD_URLS must name its server"),
        ("CORRAL_API_KEYS", SECRET, "CORRAL_API_KEYS: must be a JSON object"),
        ("CORRAL_API_KEYS", f'{{"{SECRET}": ""}}', "CORRAL_API_KEYS must not hold an empty"),
        (
            "CORRAL_APPROVER_KEYS",
            f'{{"{SECRET}": ""}}',
            "CORRAL_APPROVER_KEYS must not hold an empty",
        ),
        (
            "CORRAL_APPROVER_KEYS",
            f'{{"{SECRET}": "a"}}',
            "CORRAL_APPROVER_KEYS needs CORRAL_API_KEYS",
        ),
        ("CORRAL_HOST", "192.0.2.1", "CORRAL_API_KEYS must hold at least one"),
        ("CORRAL_HOST", "::", "CORRAL_API_KEYS must hold at least one"),
        ("CORRAL_PORT", "99999", "CORRAL_PORT: "),
        ("CORRAL_TURN_TIMEOUT", "nan", "CORRAL_TURN_TIMEOUT: "),
        ("CORRAL_TURN_TIMEOUT", "0", "CORRAL_TURN_TIMEOUT: "),
    ],
)
def test_a_mistake_is_named_and_its_value_is_not(
    variable: str, value: str, complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert complaint in str(caught.value)
    assert SECRET not in str(caught.value)


def test_no_key_is_an_applications_and_an_approvers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_API_KEYS", f'{{"{SECRET}": "acme"}}')
    monkeypatch.setenv("CORRAL_APPROVER_KEYS", '{"another": "acme"}')
    assert list(load_settings().approver_keys.values()) == ["acme"]
    monkeypatch.setenv("CORRAL_APPROVER_KEYS", f'{{"{SECRET}": "acme"}}')
    with pytest.raises(SettingsError, match="must not hold a key of CORRAL_API_KEYS") as caught:
        load_settings()
    assert SECRET not in str(caught.value)


def test_every_mistake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORRAL_PORT", "x")
    monkeypatch.setenv("CORRAL_GUARD_TIMEOUT", "-1")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert {line.partition(":")[0] for line in str(caught.value).splitlines()} == {
        "CORRAL_PORT",
        "CORRAL_GUARD_TIMEOUT",
    }


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc] # that is the point


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("127.9.9.9", True)],
)
def test_loopback_needs_no_key(host: str, loopback: bool) -> None:
    assert load_settings(host=host).loopback is loopback
