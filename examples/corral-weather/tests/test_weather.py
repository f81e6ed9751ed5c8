"""The weather, from a service that is a function."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from corral_weather import plugin
from corral_weather.words import sky

from plugins.conformance import conform, load_script
from plugins.sdk import AccessDeniedError, ToolError
from plugins.testing import answering, rehearse

SCRIPT = load_script(Path(__file__).parents[1] / "conformance.yaml")
SERVICE = SCRIPT.answer()

OSLO = """\
Oslo, Norway, now: 4 °C (feels like 1), light rain, wind 14 km/h [1]
Thursday 2026-01-01: light rain, 1 to 5 °C, 90 % chance of rain
Friday 2026-01-02: overcast, -3 to 0 °C, 10 % chance of rain"""


async def test_the_weather_is_told_with_its_source() -> None:
    async with rehearse(plugin, http=SERVICE) as broker:
        result = await broker.call("weather", {"place": "Oslo"})
    assert result.content == OSLO
    assert result.citations[0].url == "https://open-meteo.com/"
    assert result.artifact["place"]["name"] == "Oslo"
    assert broker.progress == ["looking up the place", "reading the forecast"]
    assert [request.url.host for request in broker.http.requests] == list(broker.manifest.hosts)


@pytest.mark.parametrize(
    ("options", "arguments", "unit"),
    [
        ({}, {}, "celsius"),
        ({}, {"units": "imperial"}, "fahrenheit"),
        ({"units": "imperial"}, {}, "fahrenheit"),
        ({"units": "imperial"}, {"units": "metric"}, "celsius"),
    ],
)
async def test_units_are_the_users_or_else_the_operators(
    options: dict[str, Any], arguments: dict[str, Any], unit: str
) -> None:
    async with rehearse(plugin, http=SERVICE, options=options) as broker:
        await broker.call("weather", {"place": "Oslo", **arguments})
    assert broker.http.requests[-1].url.params["temperature_unit"] == unit


async def test_a_host_of_the_operators_takes_the_place_of_the_public_ones() -> None:
    options = {"base": "weather.example.com"}
    async with rehearse(plugin, http=SERVICE, options=options) as broker:
        assert broker.manifest.hosts == ("weather.example.com",)
        with pytest.raises(ToolError):  # the script has no answers for that host
            await broker.call("weather", {"place": "Oslo"})
    assert {request.url.host for request in broker.http.requests} == {"weather.example.com"}


async def test_a_place_that_is_not_found_is_explained() -> None:
    nothing = answering({"https://geocoding-api.open-meteo.com/": {"generationtime_ms": 0.3}})
    async with rehearse(plugin, http=nothing) as broker:
        with pytest.raises(ToolError, match="no place of that name"):
            await broker.call("weather", {"place": "Xyzzy"})


@pytest.mark.parametrize(
    "response",
    [
        httpx.Response(503),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json={"results": [{"name": "Oslo"}]}),
    ],
)
async def test_a_service_in_trouble_is_explained_without_its_words(
    response: httpx.Response,
) -> None:
    service = answering({"https://": response})
    async with rehearse(plugin, http=service) as broker:
        with pytest.raises(ToolError, match="gives no answer now"):
            await broker.call("weather", {"place": "Oslo"})


@pytest.mark.parametrize("arguments", [{}, {"place": "Oslo", "days": 8}, {"place": "x" * 101}])
async def test_arguments_out_of_bounds_reach_nobody(arguments: dict[str, Any]) -> None:
    async with rehearse(plugin, http=SERVICE) as broker:
        with pytest.raises(ToolError):
            await broker.call("weather", arguments)
    assert broker.http.requests == []


async def test_no_other_host_is_within_its_reach() -> None:
    async with rehearse(plugin, http=SERVICE) as broker:
        with pytest.raises(AccessDeniedError):
            await broker.http.client().get("https://example.com/")


def test_every_weather_code_has_a_word() -> None:
    assert sky(95) == "thunderstorm"
    assert sky(None) == sky(4) == "unknown"


async def test_it_keeps_its_promises() -> None:
    report = await conform(plugin, SCRIPT)
    assert report.failures == ()
