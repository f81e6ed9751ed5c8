"""A page, and how much of one is read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page says.

    Attributes:
        title: its own, or its host where it has none.
        url: where it was found in the end, without a fragment.
        text: what it says, without navigation and decoration; a stranger's words.
        published: the day it gives for itself as ``YYYY-MM-DD``, or ``None``.
        cut: whether there was more text than asked for.
    """

    title: str
    url: str
    text: str
    published: str | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLimits:
    """Bounds on reading one page.

    Attributes:
        page_bytes: of a page as it is sent, unpacked.
        parse_seconds: to make text of it; the process that takes longer is stopped.
        parse_memory_bytes: address space of that process.
        parsers: processes side by side; more pages wait.
    """

    page_bytes: int = 4 * 1024 * 1024
    parse_seconds: float = 8.0
    parse_memory_bytes: int = 1024 * 1024 * 1024
    parsers: int = 2

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive")
