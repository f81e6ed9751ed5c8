"""One operation: its arguments, and where in a request each of them goes."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from plugins.adapters.openapi.document import Document, DocumentError
from plugins.adapters.openapi.schemas import Schemas
from plugins.adapters.schema import tamed

_OTHER = re.compile(r"[^A-Za-z0-9_.-]")
_MOST_DESCRIPTION = 4_000
_SET_BY_US = frozenset(
    {
        "accept", "accept-encoding", "authorization", "connection", "content-length",
        "content-type", "cookie", "host", "te", "transfer-encoding", "upgrade", "user-agent",
    }
)  # fmt: skip
_JSON = re.compile(r"application/([a-z0-9.+-]+\+)?json *(;.*)?", re.IGNORECASE)
_FORM = "application/x-www-form-urlencoded"


class Place(StrEnum):
    """Where in a request a value goes."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    COOKIE = "cookie"


_STYLES = {
    Place.PATH: ("simple",),
    Place.QUERY: ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    Place.HEADER: ("simple",),
    Place.COOKIE: ("form",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter. ``as_json`` is whether it goes as JSON text; style and explode do not count."""

    name: str
    place: Place
    argument: str
    style: str
    explode: bool
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request's body.

    Attributes:
        media_type: JSON or a form.
        whole: the argument that is all of it, else ``None``.
        fields: the body's fields by argument, where it is made of several.
        required: whether it is sent without any of them.
    """

    media_type: str
    whole: str | None
    fields: Mapping[str, str]
    required: bool

    @property
    def is_form(self) -> bool:
        """Whether it is a form, not JSON."""
        return self.media_type == _FORM


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation that can be called.

    Attributes:
        id: its operationId.
        method, path: as in the document.
        base_url: goes before the path.
        description: for the model.
        schema: of the arguments, all places together.
        parameters, body: where the arguments go.
    """

    id: str
    method: str
    path: str
    base_url: str
    description: str
    schema: dict[str, Any]
    parameters: tuple[Parameter, ...]
    body: Body | None


def operation_of(
    document: Document, wanted: str, *, base_url: str | None, login_headers: frozenset[str]
) -> Operation:
    """The operation with that operationId.

    Args:
        document: where it is.
        id: its operationId.
        base_url: the operator's, which goes before the document's.
        login_headers: header names, in lower case, that are not for a model to fill.

    Raises:
        DocumentError: there is none or more than one, or it needs what is not supported.
        ForeignSchemaError: its schemas are not worked with.
    """
    found = [each for each in document.operations() if each[3].get("operationId") == wanted]
    if len(found) != 1:
        known = sorted(str(each[3].get("operationId", "")) for each in document.operations())
        raise DocumentError(
            f"has {len(found)} operations {wanted[:80]!r}; there are: "
            f"{', '.join(known)[:600] or 'none'}"
        )
    ((method, path, item, operation),) = found
    _check_login(document, operation)
    build = _Build(document)
    parameters = tuple(build.parameters(item, operation, login_headers))
    if {each.name for each in parameters if each.place is Place.PATH} != _templated(path):
        raise DocumentError("describes other path parameters than stand in its path")
    body = build.body(operation)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": build.properties,
        "required": build.required,
        "additionalProperties": False,
    }
    if build.schemas.definitions:
        schema["$defs"] = build.schemas.definitions
    told = [str(operation[key]) for key in ("summary", "description") if operation.get(key)]
    return Operation(
        id=wanted,
        method=method,
        path=path,
        base_url=base_url or document.base_url(item, operation),
        description="\n".join(dict.fromkeys(told))[:_MOST_DESCRIPTION] or f"{method} {path}",
        schema=tamed(schema),
        parameters=parameters,
        body=body,
    )


def _templated(path: str) -> set[str]:
    return set(re.findall(r"\{([^{}]+)\}", path))


def _check_login(document: Document, operation: Mapping[str, Any]) -> None:
    """Refuse what can only be called with a key in its address."""
    wanted = operation.get("security", document.root.get("security"))
    if not isinstance(wanted, list) or not wanted:
        return
    schemes = document.resolved(
        document.resolved(document.root.get("components", {})).get("securitySchemes", {})
    )

    def in_address(requirement: Any) -> bool:
        for name in requirement if isinstance(requirement, Mapping) else ():
            scheme = document.resolved(schemes.get(name, {}))
            if scheme.get("type") == "apiKey" and scheme.get("in") == "query":
                return True
        return False

    if all(in_address(requirement) for requirement in wanted):
        raise DocumentError(
            "asks for a key in the address (query), which is refused: addresses are logged by "
            "everyone on the way"
        )


class _Build:
    """Gathers arguments under names that are unique."""

    def __init__(self, document: Document) -> None:
        self.schemas = Schemas(document)
        self.properties: dict[str, Any] = {}
        self.required: list[str] = []
        self._document = document

    def parameters(
        self, item: Mapping[str, Any], operation: Mapping[str, Any], login_headers: frozenset[str]
    ) -> Iterator[Parameter]:
        given: dict[tuple[str, str], Mapping[str, Any]] = {}
        for holder in (item, operation):
            listed = holder.get("parameters")
            for node in listed if isinstance(listed, list) else ():
                parameter = self._document.resolved(node)
                given[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        for place in Place:
            for (where, name), parameter in given.items():
                theirs = place is Place.HEADER and name.lower() in _SET_BY_US | login_headers
                if where == place and not theirs:
                    yield self._parameter(name, place, parameter)

    def _parameter(self, name: str, place: Place, node: Mapping[str, Any]) -> Parameter:
        style = str(node.get("style", _STYLES[place][0]))
        content = node.get("content")
        as_json = isinstance(content, Mapping) and bool(content)
        if style not in _STYLES[place] and not as_json:
            raise DocumentError(f"gives parameter {name[:80]!r} the style {style[:40]!r}, which is "
                                "not supported")  # fmt: skip
        schema = node.get("schema", {})
        if as_json:
            ((media_type, described),) = list(content.items())[:1]  # type: ignore[union-attr]
            if not _JSON.fullmatch(str(media_type)):
                raise DocumentError(f"has a parameter {name[:80]!r} that is neither plain nor JSON")
            schema = self._document.resolved(described).get("schema", {})
        converted = self.schemas.converted(schema)
        if isinstance(converted, dict) and isinstance(node.get("description"), str):
            converted = {"description": node["description"], **converted}
        required = place is Place.PATH or node.get("required") is True
        return Parameter(
            name=name,
            place=place,
            argument=self._argument(name, place, converted, required=required),
            style=style,
            explode=bool(node.get("explode", style == "form")),
            as_json=as_json,
        )

    def _argument(self, name: str, where: str, schema: Any, *, required: bool) -> str:
        plain = _OTHER.sub("_", name)[:48] or "value"
        argument, number = plain, 1
        while argument in self.properties:
            argument = f"{where}_{plain}" if number == 1 else f"{where}_{plain}_{number}"
            number += 1
        self.properties[argument] = schema
        if required:
            self.required.append(argument)
        return argument

    def body(self, operation: Mapping[str, Any]) -> Body | None:
        if "requestBody" not in operation:
            return None
        node = self._document.resolved(operation["requestBody"])
        content = node.get("content")
        kinds = dict(content) if isinstance(content, Mapping) else {}
        media_type = next((kind for kind in kinds if _JSON.fullmatch(str(kind))), None)
        if media_type is None:
            if _FORM not in kinds:
                raise DocumentError(
                    f"takes a body of {', '.join(map(str, kinds))[:200] or 'nothing'}; JSON and "
                    "forms are supported"
                )
            media_type = _FORM
        schema = self._document.resolved(kinds[media_type]).get("schema", {})
        needed = node.get("required") is True
        fields = self._fields(schema)
        if fields is None:
            whole = self._argument("body", "request", self.schemas.converted(schema),
                                   required=needed)  # fmt: skip
            return Body(media_type=media_type, whole=whole, fields={}, required=needed)
        properties, required = fields
        return Body(
            media_type=media_type,
            whole=None,
            required=needed,
            fields={
                self._argument(name, "body", each, required=needed and name in required): name
                for name, each in properties.items()
            },
        )

    def _fields(self, schema: Any) -> tuple[dict[str, Any], set[str]] | None:
        """Fields of an object that is nothing but its fields; ``None`` for anything else."""
        node = self._document.resolved(schema)
        if any(key in node for key in ("anyOf", "oneOf", "not", "if", "patternProperties")):
            return None
        if node.get("additionalProperties", False) is not False or node.get("nullable") is True:
            return None
        properties: dict[str, Any] = {}
        required: set[str] = set()
        parts = node.get("allOf", [])
        for part in parts if isinstance(parts, list) else ():
            inner = self._fields(part)
            if inner is None:
                return None
            properties |= inner[0]
            required |= inner[1]
        own = self.schemas.converted({key: node[key] for key in ("properties", "required")
                                      if key in node})  # fmt: skip
        properties |= own.get("properties", {})
        required |= set(own.get("required", ()))
        return (properties, required) if properties else None
