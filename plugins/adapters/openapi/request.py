"""A request out of arguments: every value is encoded for its place and cannot leave it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import orjson

from plugins.adapters.openapi.operation import Operation, Parameter, Place
from plugins.errors import ToolError

_BETWEEN = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C", "simple": ","}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is sent."""

    url: str
    headers: dict[str, str]
    content: bytes | None


def outgoing(operation: Operation, arguments: Mapping[str, Any]) -> Outgoing:
    """The request of a call.

    Raises:
        ToolError: a value cannot stand where it belongs.
    """
    try:
        orjson.dumps(arguments)
    except TypeError:
        raise ToolError("a number is too large, or a text no Unicode text") from None
    path = operation.path
    query: list[str] = []
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for parameter in operation.parameters:
        if parameter.argument not in arguments:
            continue
        value = arguments[parameter.argument]
        match parameter.place:
            case Place.PATH:
                path = path.replace(f"{{{parameter.name}}}", _segment(parameter, value))
            case Place.QUERY:
                query += _pairs(parameter, value)
            case Place.HEADER:
                headers[parameter.name] = _line(parameter, value)
            case Place.COOKIE:
                cookies += _pairs(parameter, value)
    if cookies:
        headers["Cookie"] = "; ".join(cookies)
    if any(unquote(part) in (".", "..") for part in path.split("/")):
        raise ToolError("the values of the path lead out of it")
    content = _content(operation, arguments)
    if content is not None and operation.body is not None:
        headers["Content-Type"] = operation.body.media_type
    base = urlsplit(operation.base_url)
    url = f"{base.scheme}://{base.netloc}{base.path.rstrip('/')}/{path.lstrip('/')}"
    return Outgoing(
        url=url + ("?" + "&".join(query) if query else ""), headers=headers, content=content
    )


def _content(operation: Operation, arguments: Mapping[str, Any]) -> bytes | None:
    body = operation.body
    if body is None:
        return None
    if body.whole is not None:
        if body.whole not in arguments:
            return None
        value = arguments[body.whole]
    else:
        value = {body.fields[name]: arguments[name] for name in body.fields if name in arguments}
        if not value and not body.required:
            return None
    if not body.is_form:
        return orjson.dumps(value)
    if not isinstance(value, Mapping):
        raise ToolError("the body must be an object of fields")
    return "&".join(
        f"{_quoted(name)}={_quoted(_plain(each))}"
        for name, value in value.items()
        for each in (value if isinstance(value, list) else [value])
    ).encode()


def _segment(parameter: Parameter, value: Any) -> str:
    text = _simple(parameter, value, _quoted)
    parts = unquote(unquote(text)).replace("\\", "/").split("/")
    if not text or any(part in (".", "..") for part in parts):
        raise ToolError(f"{parameter.argument}: must not be empty or lead to another path")
    return text


def _line(parameter: Parameter, value: Any) -> str:
    text = _simple(parameter, value, str)
    if not (text.isascii() and text.isprintable()):
        raise ToolError(f"{parameter.argument}: must be plain ASCII on one line")
    return text


def _simple(parameter: Parameter, value: Any, written: Any) -> str:
    if parameter.as_json:
        return str(written(orjson.dumps(value).decode()))
    match value:
        case Mapping():
            between = "=" if parameter.explode else ","
            return ",".join(
                f"{written(name)}{between}{written(_plain(each))}" for name, each in value.items()
            )
        case list():
            return ",".join(written(_plain(each)) for each in value)
        case _:
            return str(written(_plain(value)))


def _pairs(parameter: Parameter, value: Any) -> Iterator[str]:
    name = _quoted(parameter.name)
    if parameter.as_json:
        yield f"{name}={_quoted(orjson.dumps(value).decode())}"
        return
    match value:
        case Mapping() if parameter.style == "deepObject":
            for key, each in value.items():
                yield f"{name}%5B{_quoted(key)}%5D={_quoted(_plain(each))}"
        case Mapping() if parameter.explode:
            for key, each in value.items():
                yield f"{_quoted(key)}={_quoted(_plain(each))}"
        case list() if parameter.explode:
            for each in value:
                yield f"{name}={_quoted(_plain(each))}"
        case Mapping() | list():
            flat = value if isinstance(value, list) else [e for pair in value.items() for e in pair]
            between = _BETWEEN.get(parameter.style, ",")
            yield f"{name}={between.join(_quoted(_plain(each)) for each in flat)}"
        case _:
            yield f"{name}={_quoted(_plain(value))}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _plain(value: Any) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case _:
            return orjson.dumps(value).decode()
