"""How ``corral audit`` shows entries, reports and replays."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, assert_never

from assistant.audit.chain import Entry
from assistant.audit.replay import Different, NotReplayable, Replay, Same
from assistant.audit.verify import Problem, Report
from assistant.cli.terminal import Terminal


def report_json(report: Report) -> dict[str, Any]:
    """What `verify --json` prints."""
    return {
        "sound": report.sound,
        "entries": report.entries,
        "segments": report.segments,
        "heads": {head.id: head.hash for head in report.heads},
        "problems": [_problem_json(problem) for problem in report.problems],
        "notes": list(report.notes),
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "writer": problem.writer,
        "file": problem.file,
        "line": problem.line,
        "seq": problem.seq,
        "what": problem.what,
    }


def print_report(terminal: Terminal, folder: Path, report: Report) -> None:
    """What `verify` prints for people."""
    for problem in report.problems:
        terminal.line(f"BROKEN  {problem}", "bold red")
    for note in report.notes:
        terminal.line(f"note    {note}", "dim")
    counts = f"{report.entries} entries in {report.segments} segments of {len(report.heads)} chains"
    if report.sound:
        terminal.line(f"sound: {counts} in {folder}", "bold green")
    else:
        terminal.line(f"NOT SOUND: {counts} were proven in {folder}", "bold red")


def _when(entry: Entry) -> str:
    return datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="milliseconds")


def summary(entry: Entry) -> str:
    """An entry in one line."""
    body = entry.body
    said = [body.get(name) for name in ("subject", "decision", "clause", "reason", "code")]
    return "  ".join(map(str, (_when(entry), entry.id, entry.kind, *filter(None, said))))


def print_decision(terminal: Terminal, entry: Entry) -> None:
    """A decision, and what each guard said."""
    body = entry.body
    terminal.line(summary(entry), "bold")
    terminal.line(f"    policy {body['policy']}  {body['digest']}")
    for judgement in body["judgements"]:
        answer = judgement.get("failure") or "  ".join(_scores(judgement)) or "nothing found"
        terminal.line(
            f"    {judgement['guard']} {judgement['revision']}  "
            f"{judgement['elapsed_ms']:.1f} ms  {answer}"
        )


def _scores(judgement: dict[str, Any]) -> list[str]:
    plain = [(hazard, p) for hazard, p in judgement["scores"].items()]
    located = [(hazard, p) for hazard, p, *_ in judgement.get("located", ())]
    ranked = sorted([*plain, *located], key=lambda pair: -pair[1])
    return [f"{hazard} {p:.3g}" for hazard, p in ranked[:5]]


def entry_json(entry: Entry) -> dict[str, Any]:
    """An entry as JSON shows it, with the time for people."""
    return {
        "id": entry.id,
        "at": _when(entry),
        "kind": entry.kind,
        "body": entry.body,
        "prev": entry.prev,
        "hash": entry.hash,
    }


def in_words(entry: Entry, result: Replay) -> str:
    """What replaying ``entry`` came to."""
    match result:
        case Same(as_logged=as_logged):
            rest = ", with conditions on text as they are logged" if as_logged else ""
            return f"the same: {entry.body['decision']}, clause {entry.body['clause']}{rest}"
        case Different(decision=decision, clause=clause):
            return (
                f"DIFFERENT: logged {entry.body['decision']}, clause {entry.body['clause']}; "
                f"now {decision}, clause {clause}"
            )
        case NotReplayable(reason=reason):
            return f"cannot be replayed: {reason}"
        case _:
            assert_never(result)


def style(result: Replay) -> str:
    """How a replay's line is coloured."""
    match result:
        case Same():
            return "green"
        case Different():
            return "bold red"
        case NotReplayable():
            return "yellow"
        case _:
            assert_never(result)


def replay_json(entry: Entry, result: Replay) -> dict[str, Any]:
    """A replay as JSON shows it."""
    shown: dict[str, Any] = {"id": entry.id}
    match result:
        case Same(as_logged=as_logged):
            return shown | {"result": "same", "conditions_as_logged": as_logged}
        case Different(decision=decision, clause=clause):
            return shown | {"result": "different", "decision": decision, "clause": clause}
        case NotReplayable(reason=reason):
            return shown | {"result": "not_replayable", "reason": reason}
        case _:
            assert_never(result)
