"""Open-Meteo: what is asked of it, and what its answers must look like."""

from datetime import date
from typing import Annotated, TypeVar

import httpx
from pydantic import BaseModel, Field, ValidationError

from plugins.sdk import ToolError

GEOCODING = "geocoding-api.open-meteo.com"
FORECAST = "api.open-meteo.com"

_CURRENT = "temperature_2m,apparent_temperature,weather_code,wind_speed_10m"
_DAILY = "weather_code,temperature_2m_min,temperature_2m_max,precipitation_probability_max"

Answer = TypeVar("Answer", bound=BaseModel)
Name = Annotated[str, Field(max_length=200)]


class Place(BaseModel):
    """Where on earth a name is."""

    name: Name
    country: Name = ""
    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name}, {self.country}" if self.country else self.name


class Places(BaseModel):
    """What a search for a name finds, the likeliest first."""

    results: list[Place] = []


class Current(BaseModel):
    """The weather now."""

    temperature_2m: float
    apparent_temperature: float
    weather_code: int
    wind_speed_10m: float


class Daily(BaseModel):
    """A list for each kind of figure, one of each for every day."""

    time: Annotated[list[date], Field(min_length=1, max_length=7)]
    weather_code: list[int | None]
    temperature_2m_min: list[float | None]
    temperature_2m_max: list[float | None]
    precipitation_probability_max: list[float | None]


class Weather(BaseModel):
    """Now and the coming days."""

    current: Current
    daily: Daily


async def find(http: httpx.AsyncClient, host: str, name: str) -> Place:
    """The likeliest place of a name.

    Raises:
        ToolError: there is none, or the service does not answer.
    """
    query: dict[str, str | int] = {"name": name, "count": 1, "language": "en", "format": "json"}
    found = await _asked(http, f"https://{host}/v1/search", query, Places)
    if not found.results:
        raise ToolError(
            "no place of that name is known; give the name of a town in English, without "
            "its country or street"
        )
    return found.results[0]


async def weather(
    http: httpx.AsyncClient, host: str, place: Place, *, days: int, fahrenheit: bool
) -> Weather:
    """The weather at a place.

    Raises:
        ToolError: the service does not answer.
    """
    query: dict[str, str | int] = {
        "latitude": str(place.latitude),
        "longitude": str(place.longitude),
        "current": _CURRENT,
        "daily": _DAILY,
        "timezone": "auto",
        "forecast_days": days,
        "temperature_unit": "fahrenheit" if fahrenheit else "celsius",
        "wind_speed_unit": "mph" if fahrenheit else "kmh",
    }
    return await _asked(http, f"https://{host}/v1/forecast", query, Weather)


async def _asked(
    http: httpx.AsyncClient, url: str, query: dict[str, str | int], shape: type[Answer]
) -> Answer:
    try:
        response = await http.get(url, params=query)
        response.raise_for_status()
        return shape.model_validate_json(response.content)
    except (httpx.HTTPError, ValidationError) as error:
        # What the service says of its trouble is nothing that a model or a user can act on.
        raise ToolError("the weather service gives no answer now; try again later") from error
