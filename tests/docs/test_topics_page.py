"""The bank's policy of the page about topics is a policy, and its cases pass."""

import re
import shutil
from pathlib import Path

import yaml

from guards.topic.topics import Mode
from policies.bundle import BUILTIN, Policy
from policies.cases import run_cases
from policies.check import check, load_cases
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/how-to/keep-to-your-topics.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def written(folder: Path) -> Path:
    """The page followed by the letter."""
    topics, field, clauses, english, chinese, cases, _ = BLOCKS
    for name in ("texts", "phrases", "resources", "cases"):
        shutil.copytree(BUILTIN / name, folder / name)
    (folder / "topics").mkdir()
    (folder / "topics/bank.yaml").write_text(topics, encoding="utf-8")
    for name, text in (("en", english), ("zh", chinese)):
        path = folder / f"texts/{name}.yaml"
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{text}", encoding="utf-8")
    policy = (BUILTIN / "acceptable_use.yaml").read_text(encoding="utf-8")
    policy = re.sub(r"^(phrases: .*\n)", rf"\g<1>{field}", policy, flags=re.MULTILINE)
    path = folder / "acceptable_use.yaml"
    path.write_text(f"{policy}\n{clauses}", encoding="utf-8")
    there = yaml.safe_load((folder / "cases/acceptable_use.yaml").read_text(encoding="utf-8"))
    new = [*there["cases"], *yaml.safe_load(cases)]
    (folder / "cases/acceptable_use.yaml").write_text(
        yaml.safe_dump({"cases": new}, allow_unicode=True), encoding="utf-8"
    )
    return path


def test_the_policy_of_the_page_has_no_mistakes_and_its_cases_pass(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert check(path) == ()
    policy = Policy.load(path)
    assert [(t.name, t.mode) for t in policy.topics] == [
        ("banking", Mode.ONLY),
        ("investment_advice", Mode.AVOID),
    ]
    results = {result.id: result for result in run_cases(policy, load_cases(path))}
    assert {"off-topic-recipe", "investment-shares"} <= set(results)
    assert [r.problem for r in results.values() if r.problem is not None] == []
