"""An OpenAPI document: read, checked for what it is, and followed inside of itself."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import orjson
import yaml

from plugins.adapters.address import host_of
from plugins.adapters.openapi.section import OpenApiSection
from plugins.adapters.schema import ForeignSchemaError, pointed
from plugins.errors import AccessDeniedError, PluginLoadError
from plugins.http.client import open_client

MOST_BYTES = 8 * 1024 * 1024
_MOST_REFERENCES = 16
_METHODS = ("get", "head", "post", "put", "patch", "delete")


class DocumentError(ValueError):
    """Something in a document that Corral does not work with; the message says what."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as JSON has it: no dates, and ``no`` is a word (or Norway)."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")
        or (tag.endswith("bool") and first in "tTfF")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Document:
    """A parsed document. ``old`` is whether its schemas are of 3.0, which is not quite JSON Schema.

    ``source`` is its address, or ``None`` for a file.
    """

    def __init__(self, text: bytes, source: str | None = None) -> None:
        """Parse it.

        Raises:
            DocumentError: it is not OpenAPI 3.0 or 3.1.
        """
        self.root = _parsed(text)
        self.source = source
        version = self.root.get("openapi")
        if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
            found = f"swagger {self.root['swagger']}" if "swagger" in self.root else str(version)
            raise DocumentError(f"must say openapi: 3.0.x or 3.1.x, and says {found[:40]}")
        self.old = version.startswith("3.0")

    def resolved(self, node: Any) -> Mapping[str, Any]:
        """The object that ``node`` is, or refers to within the document.

        Raises:
            DocumentError: it refers to somewhere else, to nothing, or in a circle.
        """
        for _ in range(_MOST_REFERENCES):
            if not isinstance(node, Mapping):
                raise DocumentError("has a value where an object belongs")
            if not isinstance(node.get("$ref"), str):
                return node
            node = self.at(node["$ref"])
        raise DocumentError("has a reference that goes round in a circle")

    def at(self, reference: str) -> Any:
        """What a reference names.

        Raises:
            DocumentError: it leads out of the document, or nowhere.
        """
        try:
            return pointed(self.root, reference)
        except ForeignSchemaError:
            raise DocumentError(
                f"refers to {reference[:120]!r}, which is not in the document; bundle it into one"
            ) from None

    def operations(self) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
        """Method, path, path item and operation of each."""
        paths = self.root.get("paths") or {}
        for path, item in paths.items() if isinstance(paths, Mapping) else ():
            resolved = self.resolved(item)
            for method in _METHODS:
                if isinstance(resolved.get(method), Mapping):
                    yield method.upper(), str(path), resolved, resolved[method]

    def base_url(self, item: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
        """Where an operation is called, as the document says.

        Raises:
            DocumentError: it does not say.
        """
        for holder in (operation, item, self.root):
            servers = holder.get("servers")
            if isinstance(servers, list) and servers and isinstance(servers[0], Mapping):
                return self._address(servers[0])
        raise DocumentError("names no server; give base_url")

    def _address(self, server: Mapping[str, Any]) -> str:
        url = str(server.get("url", ""))
        variables = server.get("variables") or {}
        for name, variable in variables.items() if isinstance(variables, Mapping) else ():
            if isinstance(variable, Mapping):
                url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
        if self.source is not None:
            url = urljoin(self.source, url)
        if "{" in url or not url.startswith(("https://", "http://")):
            raise DocumentError("names no complete address of its server; give base_url")
        return url


def _parsed(text: bytes) -> Mapping[str, Any]:
    try:
        root: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            root = yaml.load(text, Loader=_Loader)  # noqa: S506 - made of the safe loader
        except (yaml.YAMLError, ValueError, RecursionError):
            raise DocumentError("is neither JSON nor YAML") from None
    if not isinstance(root, Mapping):
        raise DocumentError("is no OpenAPI document")
    return root


async def read_document(name: str, section: OpenApiSection) -> Document:
    """The document that a section names.

    Raises:
        PluginLoadError: it cannot be read, or is not the one that was approved.
    """
    address = section.document
    remote = address.startswith(("https://", "http://"))
    text = await _fetched(name, section) if remote else _file(name, address)
    digest = hashlib.sha256(text).hexdigest()
    if section.sha256 is not None and digest != section.sha256:
        raise PluginLoadError(
            name,
            f"its document has changed since it was approved; read it again and set sha256: "
            f"{digest}",
        )
    try:
        return Document(text, address if remote else None)
    except DocumentError as error:
        raise PluginLoadError(name, f"its document {error}") from None


def _file(name: str, address: str) -> bytes:
    try:
        with Path(address).open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PluginLoadError(
            name, f"its document {address} cannot be read: {error.strerror}"
        ) from error
    if len(text) > MOST_BYTES:
        raise PluginLoadError(name, f"its document has more than {MOST_BYTES >> 20} MB")
    return text


async def _fetched(name: str, section: OpenApiSection) -> bytes:
    try:
        host = host_of(section.document, section.private_hosts)
        async with open_client(hosts=(host,), private_hosts=tuple(section.private_hosts)) as client:
            # Without the login: the document's host need not be the service's.
            answer = await client.get(section.document)
            answer.raise_for_status()
            return answer.content
    except ValueError as error:
        raise PluginLoadError(name, f"document: {error}") from None
    except (httpx.HTTPError, AccessDeniedError) as error:
        raise PluginLoadError(
            name, f"its document cannot be fetched: {type(error).__name__}: {error}"
        ) from error
