"""The page about the simulator lists every mutation as it is."""

import re

from tests.docs.pages import ROOT
from tests.simulation.mutations import MUTATIONS

PAGE = (ROOT / "docs/explanation/simulation.md").read_text()
ROW = re.compile(r"^\| `([a-z-]+)` \| (I\d+) \| (.+) \| [\d,]+ \|$", re.MULTILINE)


def test_every_mutation_is_listed() -> None:
    rows = [(name, mutation.invariant, mutation.what) for name, mutation in MUTATIONS.items()]
    assert ROW.findall(PAGE) == rows
