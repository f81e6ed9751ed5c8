"""The clauses of the page on approving tool calls are a policy's, and its cases pass."""

import re
import shutil
from pathlib import Path

import yaml

from policies.bundle import BUILTIN, Policy
from policies.cases import run_cases
from policies.check import check, load_cases
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/how-to/approve-tool-calls.md").read_text(encoding="utf-8")
CLAUSES, CASES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_the_clauses_of_the_page_have_no_mistakes_and_its_cases_pass(tmp_path: Path) -> None:
    for name in ("texts", "phrases", "resources", "cases"):
        shutil.copytree(BUILTIN / name, tmp_path / name)
    path = tmp_path / "acceptable_use.yaml"
    policy = (BUILTIN / "acceptable_use.yaml").read_text(encoding="utf-8")
    path.write_text(f"{policy}\n{CLAUSES}", encoding="utf-8")
    cases = tmp_path / "cases/acceptable_use.yaml"
    there = yaml.safe_load(cases.read_text(encoding="utf-8"))["cases"]
    new = yaml.safe_load(CASES)
    text = yaml.safe_dump({"cases": [*there, *new]}, allow_unicode=True)
    cases.write_text(text, encoding="utf-8")
    assert check(path) == ()
    results = run_cases(Policy.load(path), load_cases(path))
    told = {result.id: result.problem for result in results}
    assert {name: told[name] for name in (case["id"] for case in new)} == {
        "mail-waits": None,
        "large-payment-waits": None,
    }
