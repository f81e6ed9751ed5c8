"""Make pictures with an image service."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from plugins.images.picture import LONGEST_SIDE, SHORTEST_SIDE, NotAPictureError, measure
from plugins.images.service import SECRET, Order
from plugins.sdk import (
    Access,
    Limits,
    Manifest,
    Options,
    Picture,
    Plugin,
    Result,
    Setup,
    SideEffect,
    Tool,
    ToolError,
    tool,
)

LONGEST_PROMPT = 2_000
_SIZE = re.compile(r"([1-9]\d{1,3})x([1-9]\d{1,3})")


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ValueError("must be an address such as https://images.example.com")
    if parts.query or parts.fragment or parts.path.rstrip("/").endswith("/v1"):
        raise ValueError("must end before /v1")
    return url.rstrip("/")


def _size(size: str) -> str:
    match = _SIZE.fullmatch(size)
    if match is None or not all(
        SHORTEST_SIDE <= int(side) <= LONGEST_SIDE for side in match.groups()
    ):
        raise ValueError(f"must be like 1024x1024, each side at most {LONGEST_SIDE}")
    return size


class ImagesOptions(Options):
    """Which service makes the pictures, and how it is asked."""

    base_url: Annotated[str, AfterValidator(_base_url)] = Field(
        description="Where the service is, without `/v1`."
    )
    model: str = Field(
        default="", max_length=200, description="Which model it uses; empty leaves it the choice."
    )
    sizes: tuple[Annotated[str, AfterValidator(_size)], ...] = Field(
        default=("1024x1024",),
        min_length=1,
        max_length=20,
        description="Sizes on offer; the first is the usual one.",
    )
    authenticated: bool = Field(
        default=False, description=f"Whether it wants a key, the secret `{SECRET}`."
    )
    asks_base64: bool = Field(
        default=True,
        description="Off for services that refuse a `response_format` because they know only one.",
    )
    seconds: float = Field(default=90.0, gt=0, le=600, description="Until it must have answered.")

    @property
    def host(self) -> str:
        """As a manifest names it."""
        parts = urlsplit(self.base_url)
        return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")


def create_image_tool(options: ImagesOptions) -> Tool:
    """The tool over the service of ``options``."""
    order = Order(
        base_url=options.base_url,
        model=options.model,
        asks_base64=options.asks_base64,
        seconds=options.seconds,
    )
    sizes = options.sizes

    def offered(size: str) -> str:
        if size not in sizes:
            raise ValueError(f"must be one of {', '.join(sizes)}")
        return size

    @tool(content=("prompt",), prompt="prompt", command="prompt", aliases=("imagine",), direct=True)
    async def create_image(
        access: Access,
        prompt: Annotated[
            str,
            Field(
                description="What the picture shows, in full sentences, for example: A red fox "
                "asleep in fresh snow, watercolour",
                min_length=1,
                max_length=LONGEST_PROMPT,
            ),
        ],
        size: Annotated[
            str,
            AfterValidator(offered),
            Field(description="Width x height in pixels", json_schema_extra={"enum": list(sizes)}),
        ] = sizes[0],
    ) -> Result:
        """Make a picture from a description and show it to the user."""
        access.progress("Making a picture")
        data = await order.picture(prompt, size, access)
        try:
            found = measure(data)
        except NotAPictureError as error:
            raise ToolError(f"the image service answered nonsense: {error}") from None
        return Result(
            content=f"Here is the picture ({found.width}x{found.height} pixels).",
            artifact={
                "media_type": found.media_type,
                "width": found.width,
                "height": found.height,
                "bytes": len(data),
            },
            images=(Picture(data=data, media_type=found.media_type, alt=prompt),),
        )

    return create_image


@asynccontextmanager
async def _opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    yield [create_image_tool(setup.options)]


def _refined(options: ImagesOptions) -> Manifest:
    return replace(
        plugin.manifest,
        hosts=(options.host,),
        secrets=(SECRET,) if options.authenticated else (),
        limits=replace(plugin.manifest.limits, seconds=options.seconds + 5),
    )


plugin = Plugin(
    manifest=Manifest(
        name="images",
        version="0.1.0",
        side_effect=SideEffect.NONE,
        description="Makes pictures with the image service that its option base_url names.",
        limits=Limits(seconds=95, output_chars=4_000, calls_per_turn=2, at_once=8),
    ),
    open=_opened,
    options=ImagesOptions,
    refine=_refined,
)
