"""``corral policy``: check, test, show and describe policies."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.exits import Exit, Failed
from assistant.cli.terminal import Terminal

if TYPE_CHECKING:
    from policies.bundle import Policy
    from policies.clause import Clause

app = typer.Typer(no_args_is_help=True, help="Check, test and explain policies.")

PolicyPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="[PATH]",
        help="The policy's YAML file; left out, CORRAL_POLICY or else the built-in policy.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@app.command("check")
def check_policy(path: PolicyPath = None, json: Json = False) -> None:
    """Name file, line and field of every mistake. Ends with 1 if there is any."""
    from policies.check import check

    terminal = Terminal(json_mode=json)
    chosen = _choose(path)
    mistakes = check(chosen)
    for mistake in mistakes:
        terminal.line(str(mistake), "red")
    if mistakes:
        terminal.note(f"{len(mistakes)} to put right", "bold red")
    else:
        terminal.line(f"{chosen}: no mistakes", "green")
    if json:
        terminal.json(
            {
                "policy": str(chosen),
                "ok": not mistakes,
                "mistakes": [
                    {
                        "file": mistake.file,
                        "line": mistake.line,
                        "column": mistake.column,
                        "field": mistake.field,
                        "message": mistake.message,
                    }
                    for mistake in mistakes
                ],
            }
        )
    raise typer.Exit(Exit.FAILED if mistakes else Exit.OK)


@app.command("test")
def run_policy_cases(path: PolicyPath = None, json: Json = False) -> None:
    """Run the policy's cases. Ends with 1 if one fails or a clause has none that passes."""
    from policies.bundle import Policy
    from policies.cases import run_cases
    from policies.check import load_cases

    terminal = Terminal(json_mode=json)
    chosen = _choose(path)
    cases = load_cases(chosen)
    policy = Policy.load(chosen)
    results = run_cases(policy, cases)
    failed = [result for result in results if result.problem is not None]
    proven = {result.clause for result in results if result.problem is None}
    unproven = [clause.id for clause in policy.clauses if clause.id not in proven]
    for result in failed:
        terminal.line(f"{result.id}: {result.problem}", "red")
    for clause in unproven:
        terminal.line(f"{clause}: no passing case shows this clause deciding", "red")
    ok = not failed and not unproven
    terminal.line(
        f"{policy.label}: {len(results) - len(failed)} of {len(results)} cases pass, "
        f"{len(policy.clauses) - len(unproven)} of {len(policy.clauses)} clauses proven",
        "green" if ok else "bold red",
    )
    if json:
        terminal.json(
            {
                "policy": policy.label,
                "digest": policy.digest,
                "ok": ok,
                "cases": [
                    {
                        "id": result.id,
                        "decision": result.decision,
                        "clause": result.clause,
                        "problem": result.problem,
                    }
                    for result in results
                ],
                "unproven": unproven,
            }
        )
    raise typer.Exit(Exit.OK if ok else Exit.FAILED)


@app.command("show")
def show_policy(
    path: PolicyPath = None,
    clause: Annotated[str | None, typer.Option(help="Show one clause in full.")] = None,
    locale: Annotated[str, typer.Option(help="Language of the clause shown in full.")] = "en",
    json: Json = False,
) -> None:
    """Show the clauses of a policy."""
    from policies.bundle import Policy
    from policies.validation import nearest

    terminal = Terminal(json_mode=json)
    policy = Policy.load(_choose(path))
    chosen = policy.clauses if clause is None else [c for c in policy.clauses if c.id == clause]
    if not chosen:
        near = nearest(str(clause), [c.id for c in policy.clauses])
        raise Failed(
            f'{policy.label} has no clause "{clause}"{near}',
            hint="`corral policy show` lists them",
            code="unknown_clause",
            exit=Exit.USAGE,
        )
    if json:
        head = {
            "policy": policy.label,
            "digest": policy.digest,
            "drafting": policy.drafting.value,
            "retention": policy.retention.value,
            "locales": list(policy.locales),
        }
        terminal.json({**head, "clauses": [_as_json(c) for c in chosen]})
    elif clause is None:
        _print_table(terminal, policy)
    else:
        _print_clause(terminal, policy, chosen[0], locale)


@app.command("schema")
def print_schema(json: Json = False) -> None:
    """Print the JSON Schema of the policy file, for editors."""
    from json import dumps

    from policies.schema import PolicyModel

    terminal = Terminal(json_mode=json)
    schema = PolicyModel.model_json_schema()
    terminal.line(dumps(schema, indent=2, ensure_ascii=False))
    if json:
        terminal.json(schema)


def _choose(path: Path | None) -> Path:
    if path is None:
        from assistant.settings import load_settings
        from policies.bundle import builtin_path

        path = load_settings().policy or builtin_path("acceptable_use")
    if not path.is_file():
        raise Failed(
            f"there is no policy file at {path}",
            hint="name the policy's YAML file, or leave it out for the built-in policy",
            code="policy_not_found",
            exit=Exit.USAGE,
        )
    return path


def _as_json(clause: "Clause") -> dict[str, Any]:
    asking = _asks(clause)
    return {
        "id": clause.id,
        "title": dict(clause.title),
        "rule": dict(clause.rule),
        "decision": clause.kind.value,
        "priority": clause.priority,
        "subjects": _subjects(clause),
        "hazards": sorted(hazard.value for hazard in clause.hazards),
        "custom": sorted(clause.custom),
        "thresholds": {
            audience.value: cutoff if cutoff <= 1 else "never"
            for audience, cutoff in clause.cutoffs.items()
        }
        if clause.scored
        else {},
        "guards": sorted(clause.guards),
        "when": clause.condition.expression if clause.condition else None,
        "approver": clause.approver if asking else None,
        "seconds": clause.seconds if asking else None,
        "clean_rest": clause.clean_rest,
        "tests": list(clause.tests),
    }


def _asks(clause: "Clause") -> bool:
    return clause.kind.value == "ask"


def _subjects(clause: "Clause") -> list[str]:
    return sorted(subject.value for subject in clause.subjects)


def _thresholds(clause: "Clause") -> str:
    if not clause.scored:
        return ""
    return " / ".join(
        f"{cutoff:g}" if cutoff <= 1 else "never" for cutoff in clause.cutoffs.values()
    )


def _print_table(terminal: Terminal, policy: "Policy") -> None:
    from rich.console import Console
    from rich.table import Table

    terminal.line(f"{policy.label}  {policy.digest[:12]}", "bold")
    terminal.line(
        f"drafting {policy.drafting}, retention {policy.retention}, "
        f"locales {', '.join(policy.locales)}; thresholds for general / minor / adult"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("clause", "decision", "when found", "from", "if"):
        table.add_column(column, no_wrap=column == "clause")
    for clause in policy.clauses:
        found = [*sorted(hazard.value for hazard in clause.hazards), *sorted(clause.custom)]
        table.add_row(
            clause.id,
            clause.kind.value,
            ", ".join(found),
            _thresholds(clause),
            clause.condition.expression if clause.condition else "",
        )
    Console().print(table, markup=False)


def _print_clause(terminal: Terminal, policy: "Policy", clause: "Clause", locale: str) -> None:
    from policies.texts import in_locale

    default = policy.locales[0]
    title = in_locale(clause.title, locale, default)
    asking = _asks(clause)
    terminal.line(f"{clause.id}: {title}", "bold")
    terminal.line(in_locale(clause.rule, locale, default))
    rows = {
        "decision": f"{clause.kind} (priority {clause.priority})",
        "subjects": ", ".join(_subjects(clause)),
        "hazards": ", ".join(sorted(hazard.value for hazard in clause.hazards)),
        "custom": ", ".join(sorted(clause.custom)),
        "from": _thresholds(clause),
        "guards": ", ".join(sorted(clause.guards)),
        "if": clause.condition.expression if clause.condition else "",
        "asks": f"the {clause.approver}, within {clause.seconds} s" if asking else "",
        "only": "if nothing else of it was found" if clause.clean_rest else "",
        "cases": ", ".join(clause.tests),
        "text": policy.rules.texts.get(clause.payload, locale, title=title),
    }
    for name, value in rows.items():
        if value:
            terminal.line(f"  {name:9} {value}")
