"""``corral approval``: answers the tool calls that wait for a person."""

import asyncio
from typing import Annotated

import typer

from assistant.approval.asked import Answer, Approval
from assistant.approval.wire import approval_body
from assistant.bootstrap import open_approvals
from assistant.cli.exits import Exit
from assistant.cli.terminal import Terminal
from assistant.cli.turns import TENANT, Assemble, opened, play
from assistant.clock import SystemClock
from assistant.errors import UnknownApprovalError
from assistant.settings import load_settings
from policies.decision import Approver

app = typer.Typer(no_args_is_help=True, help="Tool calls that wait for a person.")

Id = Annotated[str, typer.Argument(metavar="ID", help="Name of an approval, from the list.")]
Tenant = Annotated[str, typer.Option(help="Tenant whose approvals they are.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("list")
def list_waiting(
    user: Annotated[str | None, typer.Option(help="Only those of this user's turns.")] = None,
    tenant: Tenant = TENANT,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 100,
    json: Json = False,
) -> None:
    """Print what waits for an answer."""
    terminal = Terminal(json_mode=json)
    found = asyncio.run(_waiting(tenant, user, limit))
    for approval in found:
        _print(terminal, approval)
    if not found:
        terminal.note("Nothing waits for an answer.")


@app.command("show")
def show(approval: Id, tenant: Tenant = TENANT, json: Json = False) -> None:
    """Print an approval and what became of it."""
    _print(Terminal(json_mode=json), asyncio.run(_one(tenant, approval)))


@app.command("approve")
def approve(ctx: typer.Context, approval: Id, tenant: Tenant = TENANT, json: Json = False) -> None:
    """Let the call run as it was shown, finish its turn, and print the reply."""
    _answer(ctx.obj, tenant, approval, approved=True, json_mode=json)


@app.command("deny")
def deny(ctx: typer.Context, approval: Id, tenant: Tenant = TENANT, json: Json = False) -> None:
    """Do not let the call run, finish its turn, and print the reply."""
    _answer(ctx.obj, tenant, approval, approved=False, json_mode=json)


def _answer(
    assemble: Assemble | None, tenant: str, approval: str, *, approved: bool, json_mode: bool
) -> None:
    terminal = Terminal(json_mode=json_mode)
    if asyncio.run(_answered(assemble, tenant, approval, approved, terminal)):
        raise typer.Exit(Exit.BLOCKED)


async def _answered(
    assemble: Assemble | None, tenant: str, approval: str, approved: bool, terminal: Terminal
) -> bool:
    """Whether the reply was blocked."""
    await _one(tenant, approval)  # a wrong name is told before a model is started
    async with opened(assemble, terminal) as assistant:
        given = await assistant.approvals.answer(tenant, approval, approved, Approver.OPERATOR)
        report = await play(assistant.orchestrator.resume(given), terminal)
        terminal.json(report.as_json()) if terminal.json_mode else terminal.note(report.as_text())
        return report.blocked


async def _waiting(tenant: str, user: str | None, limit: int) -> tuple[Approval, ...]:
    async with open_approvals(load_settings()) as approvals:
        return await approvals.waiting(tenant, user=user, limit=limit)


async def _one(tenant: str, approval: str) -> Approval:
    async with open_approvals(load_settings()) as approvals:
        found = await approvals.get(tenant, approval)
    if found is None:
        raise UnknownApprovalError(f"tenant {tenant} has no approval of that name")
    return found


def _print(terminal: Terminal, approval: Approval) -> None:
    now = SystemClock().now()
    if terminal.json_mode:
        terminal.json(approval_body(approval, now))
        return
    asked = approval.asked
    state = str(approval.answer)
    if approval.expired(now):
        state = "expired"
    elif approval.answer is Answer.WAITING:
        state = f"waits {round(asked.expires - now)} s more for the {asked.approver}'s word"
    elif approval.answered_by is not None:
        state += f" by {approval.answered_by}"
    terminal.line(f"{asked.id} | user {asked.key.user} | {state}")
    if asked.arguments:
        terminal.line(asked.shown)
