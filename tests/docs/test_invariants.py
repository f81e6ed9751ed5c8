"""Every invariant names the tests that own it, and every such test is named."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/explanation/invariants.md").read_text()
NUMBERS = [f"I{number}" for number in range(1, 12)]
NAMED = re.compile(r"^- `(tests/[\w/]+\.py)::(test_\w+)`$", re.MULTILINE)
OWNED = re.compile(r"test_(i\d+)_")
FEWEST = 2


def section(number: str) -> str:
    return re.split(r"^## ", PAGE.partition(f"\n## {number} ")[2], maxsplit=1, flags=re.MULTILINE)[
        0
    ]


def every_test() -> Iterator[tuple[str, str]]:
    """File and name of every test there is."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                yield path.relative_to(ROOT).as_posix(), node.name


def test_the_invariants_are_all_there_in_order() -> None:
    assert re.findall(r"^## (I\d+) ", PAGE, re.MULTILINE) == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_an_invariant_names_tests_that_exist(number: str) -> None:
    named = NAMED.findall(section(number))
    assert len(named) >= FEWEST
    assert len(set(named)) == len(named)
    assert set(named) <= set(every_test())


def test_a_test_that_is_named_for_an_invariant_is_listed_with_it() -> None:
    missing = [
        f"- `{path}::{name}`"
        for path, name in every_test()
        if (owned := OWNED.match(name))
        and (path, name) not in NAMED.findall(section(owned[1].upper()))
    ]
    assert not missing, "the page lacks:\n" + "\n".join(missing)
