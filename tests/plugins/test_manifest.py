"""What a plugin says its tools may do."""

import pytest

from plugins.manifest import Limits, Manifest, SideEffect


def manifest(**fields: object) -> Manifest:
    return Manifest(
        **{"name": "weather", "version": "1.0", "side_effect": SideEffect.NONE, **fields}  # type: ignore[arg-type] # given by name
    )


def test_a_plugin_may_do_nothing_it_does_not_say() -> None:
    assert manifest().hosts == ()
    assert manifest().secrets == ()


@pytest.mark.parametrize("host", ["", "*.example.org", "https://example.org", "example.org/path"])
def test_hosts_are_plain_names(host: str) -> None:
    with pytest.raises(ValueError, match="hosts"):
        manifest(hosts=(host,))


@pytest.mark.parametrize("field", ["name", "version"])
def test_a_plugin_has_a_name_and_a_version(field: str) -> None:
    with pytest.raises(ValueError, match="name and version"):
        manifest(**{field: ""})


@pytest.mark.parametrize("field", ["seconds", "memory_bytes", "output_chars", "calls_per_turn"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_positive(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Limits(**{field: value})  # type: ignore[arg-type] # one field or another
