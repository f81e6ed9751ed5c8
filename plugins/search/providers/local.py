"""A folder of documents as a provider: nothing leaves the machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Error

import httpx

from plugins.index import FolderIndex
from plugins.index.folder import NotReadyError
from plugins.index.hits import ranked
from plugins.search.results import Found, ProviderError, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """A folder's index.

    Attributes:
        index: of the folder.
        base: where the folder's documents can be read, ending in ``/``; ``kb:`` for nowhere.
    """

    index: FolderIndex
    base: str

    async def search(self, wanted: Wanted, http: httpx.AsyncClient) -> Sequence[Found]:  # noqa: ARG002 - its own
        """See :class:`~plugins.search.results.Provider`."""
        try:
            hits = await self.index.search(wanted.query)
        except NotReadyError:
            raise ProviderError("is still reading its documents") from None
        except Error:
            raise ProviderError("cannot read its index") from None
        return [
            Found(
                url=f"{self.base}{hit.place}",
                title=" › ".join(dict.fromkeys(part for part in (hit.title, hit.heading) if part)),
                text=hit.text,
                date=hit.changed,
            )
            for hit in ranked(hits)
        ]
