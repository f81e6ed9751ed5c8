"""``corral audit``: read the decision log, prove it, and decide its entries again."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from assistant.audit.browse import decisions_of, find, latest
from assistant.audit.chain import BrokenEntryError, Entry
from assistant.audit.replay import Different, NotReplayable, replay
from assistant.audit.verify import Head, heads, verify
from assistant.cli.audit_view import (
    entry_json,
    in_words,
    print_decision,
    print_report,
    replay_json,
    report_json,
    style,
    summary,
)
from assistant.cli.exits import Exit, Failed
from assistant.cli.terminal import Terminal
from assistant.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The decision log.")

Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="Folder of the log [decisions in CORRAL_DATA_DIR]."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
LogId = Annotated[str, typer.Argument(metavar="LOG_ID", help="Name of an entry, from an answer.")]

_HEAD = re.compile(r"([^\s\"':,]+)-(\d+)\b\W+([0-9a-f]{64})\b")
_HASH = re.compile(r"[0-9a-f]{64}")


@app.command("verify")
def verify_log(
    folder: Folder = None,
    head: Annotated[
        list[Path] | None,
        typer.Option(help="File that `corral audit head` printed: these entries must be there."),
    ] = None,
    expect: Annotated[
        list[str] | None, typer.Option(metavar="HASH", help="Hash an entry must have.")
    ] = None,
    json: Json = False,
) -> None:
    """Prove the whole log; name the first entry of each chain that does not hold."""
    terminal = Terminal(json_mode=json)
    expected = [item for path in head or () for item in _read_heads(path)]
    place = _existing(folder)
    for hash_ in expect or ():
        if not _HASH.fullmatch(hash_):
            raise typer.BadParameter("must be 64 hexadecimal digits", param_hint="--expect")
    with _readable(place):
        report = verify(place, expect_heads=expected, expect_hashes=expect or ())
    if json:
        terminal.json(report_json(report))
    else:
        print_report(terminal, place, report)
    if not report.sound:
        raise typer.Exit(Exit.FAILED)


@app.command("head")
def print_heads(folder: Folder = None, json: Json = False) -> None:
    """Print the newest entry of each chain, to be kept where the log's writer cannot reach."""
    terminal = Terminal(json_mode=json)
    place = _existing(folder)
    with _readable(place):
        found = heads(place)
    if json:
        terminal.json({head.id: head.hash for head in found})
    for head in found:
        terminal.line(f"{head.id} {head.hash}")


@app.command("tail")
def print_latest(
    folder: Folder = None,
    count: Annotated[int, typer.Option("-n", min=1, max=100_000, help="How many entries.")] = 20,
    json: Json = False,
) -> None:
    """Print the newest entries of all chains."""
    terminal = Terminal(json_mode=json)
    place = _existing(folder)
    with _readable(place):
        entries = latest(place, count)
    for entry in entries:
        if json:
            terminal.json(entry_json(entry))
        terminal.line(summary(entry))


@app.command("show")
def show_entry(log_id: LogId, folder: Folder = None, json: Json = False) -> None:
    """Print an entry, and for a turn every decision it came to."""
    terminal = Terminal(json_mode=json)
    place = _existing(folder)
    entry, decisions = _look_up(place, log_id)
    if json:
        shown = {"entry": entry_json(entry), "decisions": [entry_json(e) for e in decisions]}
        terminal.json(shown)
        return
    for decision in decisions:
        print_decision(terminal, decision)
    if entry not in decisions:
        terminal.line(summary(entry))


@app.command("replay")
def replay_entry(
    log_id: LogId,
    folder: Folder = None,
    policy: Annotated[
        Path | None, typer.Option(help="Policy file [CORRAL_POLICY, or the built-in one].")
    ] = None,
    json: Json = False,
) -> None:
    """Decide an entry, or every decision of a turn, once more and compare."""
    from policies.bundle import Policy

    terminal = Terminal(json_mode=json)
    place = _existing(folder)
    entry, decisions = _look_up(place, log_id)
    if not decisions:
        raise Failed(
            f"entry {log_id} is of kind {entry.kind} and names no decision",
            hint="name an entry of kind decision or turn",
            code="not_replayable",
            exit=Exit.USAGE,
        )
    path = policy or load_settings().policy
    loaded = Policy.load(path) if path else Policy.load_builtin()
    results = [(decision, replay(decision, loaded)) for decision in decisions]
    for decision, result in results:
        terminal.line(f"{decision.id}: {in_words(decision, result)}", style(result))
    if json:
        terminal.json([replay_json(decision, result) for decision, result in results])
    if any(isinstance(result, Different) for _, result in results):
        raise typer.Exit(Exit.FAILED)
    if any(isinstance(result, NotReplayable) for _, result in results):
        raise typer.Exit(Exit.UNAVAILABLE)


def _existing(folder: Path | None) -> Path:
    place = folder or load_settings().decisions_dir
    if not place.is_dir():
        raise Failed(
            f"there is no decision log in {place}",
            hint="hold a turn first, or name its folder with --dir",
            code="no_decision_log",
            exit=Exit.UNAVAILABLE,
        )
    return place


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    try:
        yield
    except BrokenEntryError as error:
        raise Failed(
            f"the decision log in {folder} is damaged: {error}",
            hint="`corral audit verify` says what of it still proves something",
            code="decision_log_damaged",
            exit=Exit.FAILED,
        ) from error
    except OSError as error:
        raise Failed(
            f"the decision log in {folder} cannot be read ({error.strerror})",
            code="decision_log_unreadable",
            exit=Exit.UNAVAILABLE,
        ) from error


def _read_heads(path: Path) -> list[Head]:
    try:
        found = _HEAD.findall(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        found = []
    if not found:
        raise typer.BadParameter(
            f"{path} must be a file that `corral audit head` printed", param_hint="--head"
        )
    return [Head(writer=writer, seq=int(seq), hash=hash_) for writer, seq, hash_ in found]


def _look_up(folder: Path, log_id: str) -> tuple[Entry, tuple[Entry, ...]]:
    """The entry, and the decisions it is or ends."""
    with _readable(folder):
        entry = find(folder, log_id)
        if entry is None:
            raise Failed(
                f"there is no entry {log_id} in {folder}",
                hint="`corral audit tail` lists the newest",
                code="entry_not_found",
                exit=Exit.USAGE,
            )
        if entry.kind == "decision":
            return entry, (entry,)
        return entry, decisions_of(folder, entry) if "turn" in entry.body else ()
