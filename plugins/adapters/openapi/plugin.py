"""An OpenAPI document as a plugin."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import orjson

from plugins.access import Access
from plugins.adapters.address import host_of
from plugins.adapters.clipping import clipped
from plugins.adapters.judge import Judge
from plugins.adapters.naming import local_name
from plugins.adapters.openapi.document import Document, DocumentError, read_document
from plugins.adapters.openapi.operation import operation_of
from plugins.adapters.openapi.request import outgoing
from plugins.adapters.openapi.section import OpenApiSection
from plugins.adapters.schema import ForeignSchemaError, words
from plugins.adapters.terms import Terms, manifest_of, tool_of
from plugins.adapters.visible import holds_hidden
from plugins.errors import PluginEndedError, PluginLoadError, ToolError
from plugins.manifest import SideEffect
from plugins.plugin import Plugin, Setup
from plugins.result import Picture, Result
from plugins.tool import Tool, ToolSpec

_MOST_ERROR = 500
_PICTURES = ("image/png", "image/jpeg", "image/webp", "image/gif")
_SAFE = ("GET", "HEAD")


async def openapi_plugin(name: str, section: OpenApiSection, *, judge: Judge) -> Plugin:
    """The chosen operations of a document, which is read now.

    Args:
        name: of the document in the configuration; goes before the names of its tools.
        section: the operator's words.
        judge: says what is wrong with a description that would stand in prompts, ``None`` when
            nothing is.

    Raises:
        PluginLoadError: the document cannot be read, or an operation cannot be offered.
    """
    document = await read_document(name, section)
    chosen: dict[str, _Chosen] = {}
    for wanted, terms in section.operations.items():
        each = _Chosen(name, section, document, wanted, terms or Terms())
        if each.local in chosen:
            raise PluginLoadError(name, f"two of its operations are {each.local} here")
        told = "\n".join((wanted, each.operation.description, *words(each.schema)))
        hidden = "it holds characters that nobody sees" if holds_hidden(told) else None
        wrong = hidden or await judge(told)
        if wrong is not None:
            raise PluginLoadError(
                name, f"operation {wanted}: its text is not fit for a prompt: {wrong}"
            )
        chosen[each.local] = each

    @asynccontextmanager
    async def opened(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
        try:
            headers = section.headers(setup.secrets)
            yield [each.tool(headers) for each in chosen.values()]
        except ValueError as error:
            raise PluginLoadError(name, str(error)) from None

    return Plugin(
        manifest=manifest_of(
            name,
            section,
            {each.local: (each.effect, each.terms) for each in chosen.values()},
            own_hosts=tuple(dict.fromkeys(each.host for each in chosen.values())),
            description="Operations of an OpenAPI document.",
            version=_version(document),
        ),
        open=opened,
    )


def _version(document: Document) -> str:
    info = document.root.get("info")
    return str(info.get("version") or "?")[:40] if isinstance(info, Mapping) else "?"


class _Chosen:
    """An operation that the operator chose."""

    def __init__(
        self, source: str, section: OpenApiSection, document: Document, wanted: str, terms: Terms
    ) -> None:
        taken = frozenset(each.header.lower() for each in section.login)
        try:
            operation = operation_of(
                document, wanted, base_url=section.base_url, login_headers=taken
            )
            self.host = host_of(operation.base_url, section.private_hosts)
        except DocumentError as error:
            raise PluginLoadError(source, f"operation {wanted}: its document {error}") from None
        except ForeignSchemaError as error:
            raise PluginLoadError(source, f"operation {wanted}: {error}") from None
        except RecursionError:
            raise PluginLoadError(source, f"operation {wanted}: nested too deeply") from None
        except ValueError as error:
            raise PluginLoadError(source, f"operation {wanted}: base_url: {error}") from None
        self.source = source
        self.operation = operation
        self.schema = operation.schema
        self.local = local_name(source, wanted, terms.name)
        self.limits = section.bounds
        # The host is pinned, so the arguments go there and nowhere else, unless the operator says.
        self.terms = terms.model_copy(update={"hosts": terms.hosts or []})
        safe = operation.method in _SAFE
        self.effect = terms.side_effect or (SideEffect.NONE if safe else SideEffect.IRREVERSIBLE)

    def tool(self, headers: Mapping[str, str]) -> Tool:
        async def run(arguments: Mapping[str, Any], access: Access) -> Result:
            return await self._call(arguments, access, headers)

        spec = ToolSpec(
            name=self.local, description=self.operation.description, parameters=self.schema
        )
        return tool_of(spec, run, self.effect, self.terms, (self.host,))

    async def _call(
        self, arguments: Mapping[str, Any], access: Access, login: Mapping[str, str]
    ) -> Result:
        sent = outgoing(self.operation, arguments)
        headers = {"Accept": "application/json, text/*;q=0.8, image/*;q=0.5", **sent.headers}
        if self.effect is not SideEffect.NONE:
            headers.setdefault("Idempotency-Key", access.key)
        try:
            answer = await access.http.request(
                self.operation.method,
                sent.url,
                headers={**headers, **login},
                content=sent.content,
                # A redirect would take the login and the arguments along.
                follow_redirects=False,
            )
        except httpx.ConnectError as error:
            raise ToolError(f"{self.host} cannot be reached: {type(error).__name__}") from None
        except httpx.HTTPError as error:
            raise self._failed(f"{self.host}: the call broke off: {type(error).__name__}") from None
        return self._result(answer)

    def _failed(self, problem: str) -> Exception:
        """Whether anything was done is known only where nothing can be."""
        if self.effect is SideEffect.NONE:
            return ToolError(problem)
        return PluginEndedError(f"{problem}; how far it came is not known")

    def _result(self, answer: httpx.Response) -> Result:
        status = f"{self.host} answered {answer.status_code}"
        if answer.status_code >= 500:
            raise self._failed(status)
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.is_error:
            shown = answer.text[:_MOST_ERROR] if _is_text(kind) else ""
            raise ToolError(f"{status}: {shown}" if shown else status)
        if not answer.is_success:
            raise ToolError(f"{status}, a redirect, which is not followed")
        if not answer.content:
            return Result(content=f"done: {status} and nothing more")
        if kind in _PICTURES:
            picture = Picture(data=answer.content, media_type=kind)
            return Result(content="[a picture, shown to the user]", images=(picture,))
        if not _is_text(kind):
            return Result(content=f"{status} with {len(answer.content)} bytes that are no text")
        return self._read(answer)

    def _read(self, answer: httpx.Response) -> Result:
        try:
            artifact: Any = orjson.loads(answer.content)
            text = orjson.dumps(artifact, option=orjson.OPT_INDENT_2).decode()
        except (orjson.JSONDecodeError, TypeError):
            artifact, text = None, answer.text
        text, left = clipped(text, self.limits.output_chars)
        if artifact is not None and len(orjson.dumps(artifact)) > left:
            artifact = None
        return Result(content=text, artifact=artifact)


def _is_text(kind: str) -> bool:
    return (
        kind in ("", "application/json", "application/xml")
        or kind.startswith("text/")
        or kind.endswith(("+json", "+xml"))
    )
