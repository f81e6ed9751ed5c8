"""Checks of what a plugin says of itself: manifest and schemas."""

import re
from collections.abc import Iterator
from typing import Any

from plugins.conformance.evidence import Evidence
from plugins.conformance.report import Check, judged
from plugins.errors import PluginLoadError
from plugins.registry import check_terms
from plugins.tool import Tool

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VERSION = re.compile(r"[0-9]+(\.[0-9]+)*([-+.]?[a-z0-9]+)*")
_LONGEST_SECONDS = 120.0
_MOST_MEMORY = 4 * 1024**3
_MOST_OUTPUT = 500_000
_DESCRIPTION = (10, 2000)


def promises(seen: Evidence) -> Iterator[Check]:
    """The checks that need no call."""
    yield _described(seen)
    yield _terms(seen)
    yield _limits(seen)
    yield _names(seen)
    yield _descriptions(seen)
    yield _parameters(seen)
    yield _typed(seen)
    yield _closed(seen)


def _described(seen: Evidence) -> Check:
    manifest, problems = seen.manifest, []
    if not 10 <= len(manifest.description) <= 200:
        problems.append("give the manifest a description of one sentence, 10 to 200 characters")
    if not _VERSION.fullmatch(manifest.version):
        problems.append(f"version {manifest.version!r} should be like 1.0.0")
    return judged("manifest.described", "The manifest says what the plugin is", problems)


def _terms(seen: Evidence) -> Check:
    problems = []
    for tool in seen.tools:
        try:
            check_terms(seen.manifest, tool)
        except PluginLoadError as error:
            problems.append(f"{error.reason}: widen the manifest or narrow the tool")
    unknown = sorted(set(seen.script.examples) - {tool.name for tool in seen.tools})
    problems += [f"there are examples for {name}, which is no tool" for name in unknown]
    return judged("manifest.terms", "No tool goes beyond the manifest", problems)


def _limits(seen: Evidence) -> Check:
    limits, problems = seen.manifest.limits, []
    if limits.seconds > _LONGEST_SECONDS:
        problems.append(f"seconds of {limits.seconds:g} is longer than a person waits; at most 120")
    if limits.memory_bytes > _MOST_MEMORY:
        problems.append("memory_bytes is more than 4 GiB")
    if limits.output_chars > _MOST_OUTPUT:
        problems.append("output_chars is more than a model reads; at most 500,000")
    return judged("manifest.limits", "The limits are ones that an operator can live with", problems)


def _names(seen: Evidence) -> Check:
    problems = [
        f"{tool.name}: use lower-case words joined by underscores"
        for tool in seen.tools
        if not _NAME.fullmatch(tool.name)
    ]
    problems += [
        f"{tool.name}({name}): use lower-case words joined by underscores"
        for tool in seen.tools
        for name in _properties(tool)
        if not _NAME.fullmatch(name)
    ]
    return judged("schema.names", "Tools and parameters have plain names", problems)


def _descriptions(seen: Evidence) -> Check:
    least, most = _DESCRIPTION
    problems = [
        f"{tool.name}: its description has {len(tool.spec.description)} characters; "
        f"{least} to {most} tell a model when to call it and cost little"
        for tool in seen.tools
        if not least <= len(tool.spec.description) <= most
    ]
    return judged("schema.tools", "Every tool says what it is for", problems)


def _parameters(seen: Evidence) -> Check:
    problems = [
        f"{tool.name}({name}): say what it is, with Field(description=...)"
        for tool in seen.tools
        for name, schema in _properties(tool).items()
        if not (isinstance(schema, dict) and str(schema.get("description", "")).strip())
    ]
    return judged("schema.described", "Every parameter says what it is", problems)


def _typed(seen: Evidence) -> Check:
    kinds = ("type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf")
    problems = [
        f"{tool.name}({name}): give it a type, so that what does not fit never reaches the tool"
        for tool in seen.tools
        for name, schema in _properties(tool).items()
        if not (isinstance(schema, dict) and any(kind in schema for kind in kinds))
    ]
    return judged("schema.typed", "Every parameter has a type", problems)


def _closed(seen: Evidence) -> Check:
    problems = [
        f"{tool.name}: set additionalProperties to false in its parameters"
        for tool in seen.tools
        if tool.spec.parameters.get("additionalProperties") is not False
    ]
    return judged("schema.closed", "No tool takes arguments that it does not name", problems)


def _properties(tool: Tool) -> dict[str, Any]:
    properties = tool.spec.parameters.get("properties", {})
    return properties if isinstance(properties, dict) else {}
