"""``corral guard``: what the guards and the policy say about a text; no model answers."""

import asyncio
from enum import StrEnum
from typing import Annotated, Any, assert_never

import typer

from assistant.bootstrap import load_policy, seat_panel
from assistant.cli.exits import Exit
from assistant.cli.guard_calibrate import calibrate
from assistant.cli.guard_compare import compare_guards
from assistant.cli.guard_evaluate import evaluate
from assistant.cli.guard_list import list_guards
from assistant.cli.guard_serve import serve
from assistant.cli.report import milliseconds
from assistant.cli.terminal import Terminal
from assistant.cli.turns import checked, read_text
from assistant.locale import locale_of
from assistant.settings import Settings, load_settings
from guards.conversation import BY_MODEL, BY_TOOL, Exchange, Message, Role, Subject, text_message
from guards.upstream import open_upstreams
from guards.verdict import Judgement, Unscanned
from policies.audience import Audience
from policies.decision import Decision, Escalate, Refuse, Rewrite, Steer, Support, decision_name

app = typer.Typer()


class Judged(StrEnum):
    """What the text is taken for."""

    USER_INPUT = "user_input"
    REPLY = "reply"
    TOOL_RESULT = "tool_result"
    DOCUMENT = "document"


@app.callback()
def guard() -> None:
    """Ask the guards and the policy about a text."""


@app.command()
def check(
    text: Annotated[str, typer.Argument(help="The text; - reads standard input.")] = "-",
    subject: Annotated[
        Judged, typer.Option(help="What the text is taken for.")
    ] = Judged.USER_INPUT,
    audience: Annotated[
        Audience, typer.Option(help="Whom it is decided for: general, minor or adult.")
    ] = Audience.GENERAL,
    locale: Annotated[
        str | None,
        typer.Option(
            help="Language of the policy's text; by default the text's own, else CORRAL_LOCALE."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Judge a text: findings, timings and the decision. Exits with 3 if it is blocked."""
    terminal = Terminal(json_mode=json)
    settings = load_settings()
    message = _message(checked(read_text(text)), subject)
    exchange = Exchange(subject=Subject(subject), message=message)
    locale = locale or locale_of(message.text, settings.locale)
    decision = asyncio.run(_decide(settings, exchange, audience, locale))
    if json:
        terminal.json(_as_json(decision))
    else:
        _print(decision, terminal)
    if isinstance(decision, Support | Refuse | Escalate):
        raise typer.Exit(Exit.BLOCKED)


async def _decide(
    settings: Settings, exchange: Exchange, audience: Audience, locale: str
) -> Decision:
    policy = load_policy(settings)
    async with open_upstreams() as upstreams:
        verdict = await seat_panel(settings, policy, upstreams).judge(exchange)
    return policy.decide(exchange, verdict, audience, locale)


def _message(text: str, subject: Judged) -> Message:
    match subject:
        case Judged.USER_INPUT:
            return text_message(text, id="check")
        case Judged.REPLY:
            return text_message(text, id="check", role=Role.ASSISTANT, provenance=BY_MODEL)
        case Judged.TOOL_RESULT | Judged.DOCUMENT:
            return text_message(text, id="check", role=Role.TOOL, provenance=BY_TOOL)
        case _:
            assert_never(subject)


def _print(decision: Decision, terminal: Terminal) -> None:
    basis = decision.basis
    for judgement in basis.verdict.judgements:
        terminal.line(f"{judgement.guard}  {milliseconds(judgement.elapsed)}", "bold")
        if isinstance(judgement, Unscanned):
            terminal.line(f"  no verdict: {judgement.reason} ({judgement.detail})", "bold red")
            continue
        for finding in sorted(judgement.findings, key=lambda f: -f.probability):
            span = f"  characters {finding.span.start}-{finding.span.end}" if finding.span else ""
            label = f"  {finding.label}" if finding.label else ""
            terminal.line(f"  {finding.hazard:24} {finding.probability:.3f}{label}{span}")
        if not judgement.findings:
            terminal.line("  nothing found", "dim")
    name = decision_name(decision)
    by = f" by clause {basis.clause}" if basis.clause else ""
    blocked = isinstance(decision, Support | Refuse | Escalate)
    terminal.line(f"{name}{by}", "bold red" if blocked else "bold green")
    if basis.reason:
        terminal.line(f"  because: {basis.reason}", "dim")
    if (shown := _text(decision)) is not None:
        terminal.line(f"  {shown}")
    terminal.line(f"  policy {basis.policy}, digest {basis.digest[:12]}", "dim")


def _text(decision: Decision) -> str | None:
    """The words a decision carries, for people or for the model."""
    match decision:
        case Support(text=text) | Refuse(text=text) | Escalate(text=text):
            return text
        case Steer(guidance=guidance):
            return guidance
        case Rewrite(spans=spans):
            return f"{len(spans)} span(s) would be replaced"
        case _:
            return None


def _as_json(decision: Decision) -> dict[str, Any]:
    basis = decision.basis
    return {
        "decision": decision_name(decision),
        "blocked": isinstance(decision, Support | Refuse | Escalate),
        "clause": basis.clause,
        "reason": basis.reason,
        "degraded": basis.degraded,
        "text": _text(decision),
        "policy": basis.policy,
        "digest": basis.digest,
        "guards": [_judgement(judgement) for judgement in basis.verdict.judgements],
        "elapsed_ms": round(basis.verdict.elapsed * 1000, 3),
    }


def _judgement(judgement: Judgement) -> dict[str, Any]:
    body: dict[str, Any] = {
        "guard": judgement.guard,
        "revision": judgement.revision,
        "elapsed_ms": round(judgement.elapsed * 1000, 3),
    }
    if isinstance(judgement, Unscanned):
        return body | {"failure": str(judgement.reason), "detail": judgement.detail}
    return body | {
        "findings": [
            {
                "hazard": str(finding.hazard),
                "probability": round(finding.probability, 6),
                "span": [finding.span.start, finding.span.end] if finding.span else None,
                "label": finding.label,
            }
            for finding in judgement.findings
        ]
    }


app.command("list")(list_guards)
app.command()(evaluate)
app.command("compare")(compare_guards)
app.command()(calibrate)
app.command()(serve)
