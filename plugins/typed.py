"""Typed async functions as tools."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, get_type_hints

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.json_schema import GenerateJsonSchema

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.errors import ToolError
from plugins.manifest import SideEffect
from plugins.result import Result
from plugins.tool import Run, Tool, ToolSpec


def tool(
    *,
    name: str | None = None,
    side_effect: SideEffect = SideEffect.NONE,
    reads: Confidentiality = Confidentiality.PUBLIC,
    hosts: Iterable[str] | None = None,
    content: Iterable[str] = (),
    prompt: str | None = None,
    command: str | None = None,
    aliases: Iterable[str] = (),
    direct: bool = False,
) -> Callable[[Callable[..., Awaitable[Any]]], Tool]:
    """Make a :class:`~plugins.tool.Tool` of a typed async function.

    The docstring is what the model reads; parameters are described with
    ``Annotated[..., Field(description=...)]``. A parameter annotated :class:`Access` gets the
    call's means and is not part of the schema. What is returned may be a ``Result``, text, a
    pydantic model, or anything JSON-able. The arguments are those of ``Tool``.

    Raises:
        TypeError: the function is not async, lacks an annotation or a docstring, or ``content``,
            ``prompt`` or ``command`` name no parameter.
    """

    def decorate(function: Callable[..., Awaitable[Any]]) -> Tool:
        return _tool(
            function,
            name=name,
            side_effect=side_effect,
            reads=reads,
            hosts=None if hosts is None else tuple(hosts),
            content=frozenset(content),
            prompt=prompt,
            command=command,
            aliases=tuple(aliases),
            direct=direct,
        )

    return decorate


def _tool(function: Callable[..., Awaitable[Any]], *, name: str | None, **terms: Any) -> Tool:
    named = name or function.__name__
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{named} must be an async function")
    description = inspect.getdoc(function)
    if not description:
        raise TypeError(f"{named} needs a docstring: it is what the model reads")
    hints = get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {}
    access: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{named}({parameter.name}) must be an ordinary parameter")
        if parameter.name not in hints:
            raise TypeError(f"{named}({parameter.name}) needs an annotation")
        if hints[parameter.name] is Access:
            access = parameter.name
            continue
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (hints[parameter.name], default)
    for term in (*terms["content"], terms["prompt"], terms["command"]):
        if term is not None and term not in fields:
            raise TypeError(f"{named} has no parameter {term!r}")
    model = create_model(named, __config__=ConfigDict(extra="forbid"), **fields)
    spec = ToolSpec(
        name=named,
        description=description,
        parameters=model.model_json_schema(schema_generator=_Untitled),
    )
    return Tool(spec=spec, run=_running(function, model, access), **terms)


class _Untitled(GenerateJsonSchema):
    """A schema without the titles that pydantic makes of names, which only cost tokens."""

    def get_title_from_name(self, name: str) -> str:  # noqa: ARG002 - pydantic's shape
        return ""

    def generate(self, schema: Any, mode: Any = "validation") -> dict[str, Any]:
        untitled: dict[str, Any] = _without_titles(super().generate(schema, mode))
        return untitled


def _without_titles(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: {name: _without_titles(inner) for name, inner in value.items()}
            if key in ("properties", "$defs") and isinstance(value, dict)
            else _without_titles(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    return schema


def _running(
    function: Callable[..., Awaitable[Any]], model: type[BaseModel], access_name: str | None
) -> Run:
    async def run(arguments: Mapping[str, Any], access: Access) -> Result:
        try:
            checked = model.model_validate(dict(arguments))
        except ValidationError as error:
            raise ToolError(_wrong(error)) from None
        given = {name: getattr(checked, name) for name in type(checked).model_fields}
        if access_name is not None:
            given[access_name] = access
        return as_result(await function(**given))

    return run


def _wrong(error: ValidationError) -> str:
    mistakes = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in mistake['loc']) or 'arguments'}: "
        f"{mistake['msg'].removeprefix('Value error, ')}"
        for mistake in mistakes
    )


def as_result(value: object) -> Result:
    """What a tool returned as a :class:`Result`.

    Raises:
        TypeError: it is neither text nor JSON-able.
    """
    match value:
        case Result():
            return value
        case str():
            return Result(content=value)
        case BaseModel():
            return Result(content=value.model_dump_json(), artifact=value.model_dump(mode="json"))
        case _:
            return Result(content=orjson.dumps(value).decode(), artifact=value)
