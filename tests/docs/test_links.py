"""Every link inside the documentation leads somewhere."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.pages import PAGES, ROOT, name_of, without_blocks

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, made as code forges make them."""
    found = set()
    for heading in HEADING.findall(without_blocks(page)):
        text = re.sub(r"[^\w\- ]", "", heading.lower().replace("`", ""))
        found.add(text.replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(without_blocks(page)):
        url = urlsplit(target)
        if url.scheme:
            assert url.scheme in {"https", "http", "mailto"}, target
            continue
        place = page.parent / unquote(url.path) if url.path else page
        in_repository = place.resolve().is_relative_to(ROOT)
        missing_anchor = url.fragment and (
            place.suffix != ".md" or not place.exists() or url.fragment not in anchors(place)
        )
        if not in_repository or not place.exists() or missing_anchor:
            broken.append(target)
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for target in LINK.findall(without_blocks(page)):
            path = urlsplit(target).path
            if path.endswith(".md") and not urlsplit(target).scheme:
                waiting.append((page.parent / path).resolve())
    assert sorted(name_of(page) for page in set(PAGES) - reached) == []
