"""Weather for Corral: one tool, two hosts, no key."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field

from corral_weather.open_meteo import FORECAST, GEOCODING, find, weather
from corral_weather.words import lines
from plugins.sdk import (
    Access,
    Citation,
    Limits,
    Manifest,
    Options,
    Plugin,
    Result,
    Setup,
    SideEffect,
    Tool,
    tool,
)

MANIFEST = Manifest(
    name="weather",
    version="1.0.0",
    description="Tells the weather, now and for up to seven days, in any place.",
    side_effect=SideEffect.NONE,
    hosts=(GEOCODING, FORECAST),
    limits=Limits(seconds=10, output_chars=4_000),
)

Host = Annotated[str, Field(pattern=r"^[a-z0-9.-]+(:[0-9]+)?$", max_length=253)]


class WeatherOptions(Options):
    """What an operator can set."""

    base: Annotated[
        Host | None, Field(description="A host that serves both, instead of the public ones.")
    ] = None
    units: Annotated[
        Literal["metric", "imperial"], Field(description="Where the user does not say.")
    ] = "metric"


def refine(options: WeatherOptions) -> Manifest:
    """A host of the operator's own takes the place of the public ones."""
    return MANIFEST if options.base is None else replace(MANIFEST, hosts=(options.base,))


@asynccontextmanager
async def opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    """The tool under the operator's options."""
    yield (_tool(setup.options),)


def _tool(options: WeatherOptions) -> Tool:
    geocoding, forecast = options.base or GEOCODING, options.base or FORECAST

    @tool(name="weather", command="place", content=["place"], direct=True)
    async def tell(
        access: Access,
        place: Annotated[
            str,
            Field(description="A town, in English, without country or street.", max_length=100),
        ],
        days: Annotated[int, Field(description="Days to forecast.", ge=1, le=7)] = 3,
        units: Annotated[
            Literal["metric", "imperial", "usual"],
            Field(description="imperial only if the user wants Fahrenheit."),
        ] = "usual",
    ) -> Result:
        """Tell the weather in a place, now and for the coming days. Use it for every question
        about weather; never guess.
        """
        fahrenheit = (options.units if units == "usual" else units) == "imperial"
        access.progress("looking up the place")
        where = await find(access.http, geocoding, place)
        access.progress("reading the forecast")
        seen = await weather(access.http, forecast, where, days=days, fahrenheit=fahrenheit)
        content = "\n".join(lines(where, seen, fahrenheit=fahrenheit))
        artifact: dict[str, Any] = {
            "place": where.model_dump(),
            "weather": seen.model_dump(mode="json"),
        }
        source = Citation(title="Open-Meteo", url="https://open-meteo.com/", text=content)
        return Result(content=content, artifact=artifact, citations=(source,))

    return tell


plugin = Plugin(manifest=MANIFEST, open=opened, options=WeatherOptions, refine=refine)
