"""A plugin without fault."""

from typing import Annotated

import httpx
from pydantic import Field

from plugins.sdk import Access, Manifest, Plugin, SideEffect, ToolError, tool

HOST = "api.example.com"


@tool(content={"city"})
async def forecast(
    city: Annotated[str, Field(description="Name of the city.", max_length=80)],
    days: Annotated[int, Field(description="How many days.", ge=1, le=7)] = 3,
    access: Access = None,  # type: ignore[assignment] # the broker gives it
) -> str:
    """Tell what the weather will be like in a city."""
    access.progress(f"looking up {city}")
    try:
        response = await access.http.get(
            f"https://{HOST}/forecast",
            params={"city": city, "days": days},
            headers={"Authorization": f"Bearer {access.secrets['KEY']}"},
        )
        response.raise_for_status()
        said = response.json()["said"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ToolError("the forecast is not to be had now; try again later") from error
    if not isinstance(said, str):
        raise ToolError("the forecast is not to be had now; try again later")
    return said[:1000]


MANIFEST = Manifest(
    name="honest",
    version="1.0.0",
    description="Tells the weather of cities.",
    side_effect=SideEffect.NONE,
    hosts=(HOST,),
    secrets=("KEY",),
)
plugin = Plugin(manifest=MANIFEST, tools=(forecast,))
