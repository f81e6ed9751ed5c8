"""A plugin whose calls wait for a person, and the policy that says so."""

import shutil
from pathlib import Path

from plugins.manifest import Manifest, SideEffect
from plugins.plugin import Plugin
from plugins.typed import tool
from policies.bundle import BUILTIN

CLAUSES = """
  - id: mails-wait
    title: {en: Mails, zh: 邮件}
    rule: {en: Mails wait for the word of the person., zh: 邮件须先征得本人同意。}
    when: tool == 'mail'
    subjects: [tool_call]
    decision: ask
    tests: [none]
  - id: payments-wait
    title: {en: Payments, zh: 付款}
    rule: {en: Payments wait for the operator's word., zh: 付款须先征得运营者同意。}
    when: tool == 'pay'
    subjects: [tool_call]
    decision: ask
    approver: operator
    tests: [none]
"""
DONE: list[str] = []
"""What the tools did; each test begins with none of it."""


@tool(command="to", side_effect=SideEffect.IRREVERSIBLE)
async def mail(to: str) -> str:
    """Send a mail."""
    DONE.append(f"mail {to}")
    return f"The mail to {to} is sent."


@tool(command="to", side_effect=SideEffect.IRREVERSIBLE)
async def pay(to: str) -> str:
    """Pay somebody."""
    DONE.append(f"pay {to}")
    return f"{to} is paid."


OFFICE = Plugin(
    manifest=Manifest(
        name="office",
        version="1",
        side_effect=SideEffect.IRREVERSIBLE,
        description="Mails and payments.",
    ),
    tools=(mail, pay),
)


def policy_file(folder: Path) -> Path:
    """The built-in policy and the clauses, written to ``folder``."""
    for name in ("texts", "phrases", "resources"):
        shutil.copytree(BUILTIN / name, folder / name)
    path = folder / "policy.yaml"
    builtin = (BUILTIN / "acceptable_use.yaml").read_text(encoding="utf-8")
    path.write_text(builtin + CLAUSES, encoding="utf-8")
    return path
