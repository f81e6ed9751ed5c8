"""What a plugin may do, in plain words."""

from collections.abc import Iterator, Mapping
from typing import Any, assert_never

from guards.conversation import Confidentiality
from plugins.manifest import Egress, Manifest, SideEffect
from plugins.tool import Tool

_EFFECTS = {
    SideEffect.NONE: "leaves nothing behind",
    SideEffect.REVERSIBLE: "changes things that can be put back",
    SideEffect.IRREVERSIBLE: "does things that cannot be taken back",
}
_CLASSES = {
    Confidentiality.PUBLIC: "public data",
    Confidentiality.USER: "the user's own data",
    Confidentiality.TENANT: "data of the whole tenant",
    Confidentiality.SECRET: "secret data",
}


def in_words(manifest: Manifest, *, isolated: bool) -> Iterator[str]:
    """What an operator should know before enabling a plugin, sentence by sentence."""
    yield f"It {_EFFECTS[manifest.side_effect]}."
    yield _reach(manifest)
    reads = [_CLASSES[each] for each in Confidentiality if each in manifest.reads]
    yield f"It reads {', '.join(reads)}."
    if isolated:
        yield "It runs in a process of its own."
    else:
        yield "It runs in Corral's own process, which it is trusted with."
    limits = manifest.limits
    yield (
        f"A call takes at most {limits.seconds:g} s and gives at most {limits.output_chars:,} "
        f"characters; a turn calls it at most {limits.calls_per_turn} times."
    )


def _reach(manifest: Manifest) -> str:
    match manifest.egress:
        case Egress.NONE:
            return "It reaches no network."
        case Egress.NAMED:
            return f"It reaches {', '.join(manifest.hosts)} and no other host."
        case Egress.OPEN:
            return "It reaches any public host: what it is asked may go anywhere."
        case never:
            assert_never(never)


def secret_lines(
    manifest: Manifest, variables: Mapping[str, str], environ: Mapping[str, str]
) -> Iterator[tuple[str, bool]]:
    """A line for each secret, and whether it is set."""
    for secret in manifest.secrets:
        variable = variables.get(secret, secret)
        there = bool(environ.get(variable))
        yield f"{secret} from the variable {variable}: {'set' if there else 'missing'}", there


def tool_json(tool: Tool) -> dict[str, Any]:
    """A tool for machines."""
    return {
        "name": tool.name,
        "description": tool.spec.description,
        "parameters": tool.spec.parameters,
        "side_effect": tool.side_effect.value,
        "reads": tool.reads.value,
        "hosts": None if tool.hosts is None else list(tool.hosts),
        "command": [tool.name, *tool.aliases] if tool.command else [],
    }


def manifest_json(manifest: Manifest) -> dict[str, Any]:
    """A manifest for machines."""
    limits = manifest.limits
    return {
        "version": manifest.version,
        "description": manifest.description,
        "side_effect": manifest.side_effect.value,
        "hosts": list(manifest.hosts),
        "reads": sorted(each.value for each in manifest.reads),
        "secrets": list(manifest.secrets),
        "isolated": manifest.isolated,
        "limits": {name: getattr(limits, name) for name in limits.__slots__},
    }


def parameter_lines(tool: Tool) -> Iterator[str]:
    """A line for each parameter: name, type, whether it is needed, what it is."""
    schema = tool.spec.parameters
    required = set(schema.get("required", ()))
    for name, each in schema.get("properties", {}).items():
        told = each if isinstance(each, dict) else {}
        needed = "" if name in required else ", optional"
        yield f"{name} ({_kind(told)}{needed}): {told.get('description', '')}".rstrip(": ")


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(each) for each in schema["enum"])
    parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
    kinds = [str(each["type"]) for each in parts if isinstance(each, dict) and "type" in each]
    return " or ".join(kinds) or "any"
