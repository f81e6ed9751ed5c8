"""The documentation's pages, and the blocks of code in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
PAGES = tuple([ROOT / name for name in NAMES] + sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^( *)```([a-z]*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block. ``line`` is where it begins, counted from 1."""

    page: Path
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(*languages: str) -> tuple[Block, ...]:
    """Every fenced block in one of ``languages``, page by page."""
    return tuple(block for block in _all_blocks() if block.language in languages)


def _all_blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text()
        for match in _FENCE.finditer(text):
            indent, language, code = match.groups()
            yield Block(
                page=page,
                line=text.count("\n", 0, match.start()) + 1,
                language=language,
                code=re.sub(rf"^{indent}", "", code, flags=re.MULTILINE),
            )


def without_blocks(page: Path) -> str:
    """The page's prose."""
    return _FENCE.sub("", page.read_text())
