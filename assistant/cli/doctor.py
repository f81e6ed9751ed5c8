"""``corral doctor``: everything Corral needs, what is missing, and how to get it."""

import asyncio

import typer

from assistant.bootstrap import load_policy, seat_panel
from assistant.cli import machine, neighbours
from assistant.cli.checkup import Check, State, fail, ok, warn
from assistant.cli.exits import Exit
from assistant.cli.terminal import Terminal
from assistant.errors import CorralError, SettingsError
from assistant.settings import Settings, load_settings
from guards.conversation import Subject
from guards.embedded import EmbeddedGuardError
from guards.panel import Panel
from guards.upstream import open_upstreams
from policies.bundle import Policy, PolicyError

_STYLE = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def run_doctor(*, json_mode: bool) -> None:
    """Look, print, and exit 1 when something fails."""
    terminal = Terminal(json_mode=json_mode)
    checks = examine()
    healthy = all(check.state is not State.FAIL for check in checks)
    if json_mode:
        terminal.json({"ok": healthy, "checks": [check.as_json() for check in checks]})
    else:
        _print(checks, terminal)
    if not healthy:
        raise typer.Exit(Exit.FAILED)


def examine() -> list[Check]:
    """Every check that makes sense with these settings, in the order they are shown."""
    checks = [machine.python(), machine.packages()]
    try:
        settings = load_settings()
    except SettingsError as error:
        wrong = [fail("settings", line, _SETTINGS) for line in str(error).splitlines()]
        return [*checks, *wrong]
    checks.append(ok("settings", "every CORRAL_ variable makes sense"))
    checks += [
        machine.embedded_engine(settings),
        machine.compiler(settings),
        machine.model(settings),
        *asyncio.run(_neighbours(settings)),
        machine.data_folder(settings),
        machine.decision_log(settings),
        machine.port(settings),
    ]
    return checks


_SETTINGS = "see docs/reference/settings.md"


async def _neighbours(settings: Settings) -> list[Check]:
    return [
        *await neighbours.served(
            "engine",
            settings.engine_urls,
            settings.engine_model,
            settings.engine_api_key.get_secret_value(),
        ),
        *await neighbours.served(
            "guard",
            settings.guard_urls,
            settings.guard_model,
            settings.guard_api_key.get_secret_value(),
        ),
        await neighbours.memory(settings),
        *await _rules(settings),
    ]


async def _rules(settings: Settings) -> list[Check]:
    """The policy is valid, the guards load, and together they leave nothing unwatched."""
    try:
        policy = load_policy(settings)
    except PolicyError as error:
        return [fail("policy", str(m), "corral policy check") for m in error.mistakes]
    checks = [ok("policy", f"{policy.label}, {len(policy.clauses)} clauses")]
    try:
        async with open_upstreams() as upstreams:
            panel = seat_panel(settings, policy, upstreams)
    except (CorralError, EmbeddedGuardError) as error:
        return [*checks, fail("guards", str(error), "pip install --force-reinstall corral")]
    if not panel.seats:
        fix = "name at least one guard in CORRAL_GUARDS"
        return [*checks, fail("guards", "none, so that everything is blocked", fix)]
    names = ", ".join(f"{seat.guard.name} ({seat.guard.revision})" for seat in panel.seats)
    return [*checks, ok("guards", names), _coverage(policy, panel)]


def _coverage(policy: Policy, panel: Panel) -> Check:
    judged = (Subject.USER_INPUT, Subject.REPLY_SO_FAR)
    gaps = policy.uncovered({subject: panel.hazards(subject) for subject in judged})
    if not gaps:
        return ok("coverage", "every clause on input and reply has a guard that looks for it")
    hazards = ", ".join(sorted({str(gap.hazard) for gap in gaps}))
    clauses = len({gap.clause for gap in gaps})
    return warn(
        "coverage",
        f"no guard looks for {hazards} ({clauses} clauses)",
        "add a guard that does to CORRAL_GUARDS, for example llama_guard",
    )


def _print(checks: list[Check], terminal: Terminal) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        terminal.line(f"{check.state:4}  {check.name:{width}}  {check.detail}", _STYLE[check.state])
        if check.fix:
            terminal.line(f"      {'':{width}}  -> {check.fix}")
    worst = [check for check in checks if check.state is State.FAIL]
    if worst:
        terminal.line(f"{len(worst)} to put right.", "bold red")
    else:
        terminal.line("Nothing stands in the way.", "bold green")
