"""What a server says it offers, read page by page within bounds, and held against its pins."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from plugins.adapters.judge import Judge
from plugins.adapters.mcp.section import McpSection
from plugins.adapters.naming import local_name, shown
from plugins.adapters.schema import ForeignSchemaError, tamed, words
from plugins.adapters.visible import holds_hidden
from plugins.errors import PluginLoadError
from plugins.tool import ToolSpec

MOST_TOOLS = 512
_MOST_PAGES = 64
_MOST_DESCRIPTION = 8_000
_MOST_NAME = 128


class Listing(Protocol):
    """The part of the protocol's client that lists tools."""

    async def list_tools(self, *, cursor: str | None = None, cache_mode: Any = ...) -> Any:
        """One page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A tool as its server describes it; all of it is a foreign party's words.

    Attributes:
        name: as the server calls it.
        description: for the model.
        schema: of the arguments.
        digest: SHA-256, hexadecimal, of the three.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """A tool that is not offered; ``reason`` is for the operator."""

    tool: str
    reason: str


def digest_of(name: str, description: str, schema: Mapping[str, Any]) -> str:
    """What a pin holds.

    Raises:
        TypeError: the schema is no JSON.
    """
    whole = {"name": name, "description": description, "input_schema": schema}
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()


async def list_all(source: str, client: Listing) -> dict[str, Listed]:
    """Every tool of the server.

    Raises:
        PluginLoadError: there are too many, two of one name, or one without a name.
    """
    found: dict[str, Listed] = {}
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        for tool in page.tools:
            if not 0 < len(tool.name) <= _MOST_NAME or holds_hidden(tool.name):
                raise PluginLoadError(source, "its server has a tool whose name is none")
            if tool.name in found:
                raise PluginLoadError(source, f"its server has two tools {shown(tool.name)}")
            if len(found) == MOST_TOOLS:
                raise PluginLoadError(source, f"its server has more than {MOST_TOOLS} tools")
            description = tool.description or ""
            try:
                digest = digest_of(tool.name, description, tool.input_schema)
            except (TypeError, ValueError):
                # Numbers that JSON has no room for: whatever it is, it matches no pin.
                digest = ""
            found[tool.name] = Listed(
                name=tool.name,
                description=description,
                schema=tool.input_schema,
                digest=digest,
            )
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise PluginLoadError(source, f"its server lists tools on more than {_MOST_PAGES} pages")


async def offered(
    source: str, section: McpSection, listed: Mapping[str, Listed], judge: Judge
) -> tuple[dict[str, ToolSpec], tuple[Withheld, ...]]:
    """The tools that a model may be told of, by the server's name, and those it may not.

    Raises:
        PluginLoadError: two tools would have one name here.
    """
    specs: dict[str, ToolSpec] = {}
    withheld: list[Withheld] = []
    taken: dict[str, str] = {}
    wanted = section.pins if section.tools is None else section.tools
    for name in dict.fromkeys((*wanted, *listed)):
        terms = section.terms(name)
        if terms is None:
            continue
        tool = listed.get(name)
        reason = _unapproved(source, section, name, tool)
        if tool is None or reason is not None:
            withheld.append(Withheld(tool=name, reason=reason or "its server does not have it"))
            continue
        local = local_name(source, name, terms.name)
        if local in taken:
            raise PluginLoadError(
                source, f"its tools {shown(taken[local])} and {shown(name)} are both {local} here"
            )
        taken[local] = name
        spec, reason = await _spec(local, tool, judge)
        if spec is None:
            withheld.append(Withheld(tool=name, reason=reason))
        else:
            specs[name] = spec
    return specs, tuple(withheld)


def _unapproved(source: str, section: McpSection, name: str, tool: Listed | None) -> str | None:
    how = f"read it with `corral plugin pin {source}` and put its digest below pins"
    if tool is None:
        return "its server does not have it"
    if name not in section.pins:
        return f"nobody has approved it; {how}"
    if section.pins[name] != tool.digest:
        return f"what it says of itself has changed since it was approved; {how}"
    return None


async def _spec(local: str, tool: Listed, judge: Judge) -> tuple[ToolSpec | None, str]:
    if len(tool.description) > _MOST_DESCRIPTION:
        return None, f"its description has more than {_MOST_DESCRIPTION} characters"
    try:
        schema = tamed(tool.schema)
    except ForeignSchemaError as error:
        return None, str(error)
    told = "\n".join((tool.name, tool.description, *words(tool.schema)))
    if holds_hidden(told):
        return None, "its description holds characters that nobody sees and a model reads"
    wrong = await judge(told)
    if wrong is not None:
        return None, f"its description is not fit for a prompt: {wrong}"
    return ToolSpec(name=local, description=tool.description, parameters=schema), ""
