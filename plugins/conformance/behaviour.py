"""Checks of what a plugin does when it is called."""

from collections.abc import Iterator

import orjson

from plugins.conformance.evidence import Evidence
from plugins.conformance.report import Check, judged
from plugins.conformance.trials import Ending, Kind, Trial, shapes
from plugins.manifest import Egress, SideEffect
from plugins.result import Result
from plugins.testing.broker import size_of

_ANSWERED = {Ending.RESULT, Ending.TOLD, Ending.REJECTED}
_IN_TIME = {Ending.TIMEOUT, Ending.STUCK}
_READING = {"GET", "HEAD", "OPTIONS"}
_LONGEST_WORD = 200


def behaviour(seen: Evidence) -> Iterator[Check]:
    """The checks of all trials."""
    yield _examples(seen)
    yield _plain(seen)
    yield _kind(
        seen,
        Kind.HOSTILE,
        "calls.hostile",
        "Hostile arguments give an answer or an explanation",
        "raise ToolError for what the tool cannot do",
    )
    yield _time(seen)
    yield _cancelled(seen)
    yield _output(seen)
    yield _kind(
        seen,
        Kind.FAILING,
        "server.failing",
        "Servers that fail give an explanation",
        "catch httpx.HTTPError and what parsing raises, and raise ToolError",
    )
    yield _injected(seen)
    yield _hosts(seen)
    yield _network(seen)
    yield _processes(seen)
    yield _files(seen)
    yield _effects(seen)
    yield _secrets(seen)
    yield _progress(seen)


def _examples(seen: Evidence) -> Check:
    problems = [
        f"{trial}: ended with {trial.ending} {trial.error}".rstrip()
        for trial in seen.of(Kind.EXAMPLE)
        if trial.ending is not Ending.RESULT
    ]
    return judged(
        "calls.examples",
        "The developer's examples give results",
        problems,
        applies=bool(seen.of(Kind.EXAMPLE)),
    )


def _plain(seen: Evidence) -> Check:
    fine = _ANSWERED | _IN_TIME
    if seen.manifest.egress is Egress.OPEN:
        fine |= {Ending.DENIED}  # arguments that are made up name hosts that are none
    problems = [
        f"{trial}: {_how(trial)}; raise ToolError for what the tool cannot do"
        for trial in seen.of(Kind.PLAIN)
        if trial.ending not in fine
    ]
    untried = {tool.name for tool in seen.tools} - {
        trial.tool.name for trial in seen.of(Kind.PLAIN, Kind.EXAMPLE)
    }
    problems += [
        f"{name}: no arguments could be made from its schema; give examples in conformance.yaml"
        for name in sorted(untried)
    ]
    return judged("calls.plain", "Arguments that meet the schema give an answer", problems)


def _kind(seen: Evidence, kind: Kind, id: str, title: str, mend: str) -> Check:  # noqa: A002 - the field's own name
    problems = [
        f"{trial}: {_how(trial)}; {mend}"
        for trial in seen.of(kind)
        if trial.ending not in _ANSWERED | _IN_TIME | {Ending.DENIED}
    ]
    return judged(id, title, problems, applies=bool(seen.of(kind)))


def _how(trial: Trial) -> str:
    match trial.ending:
        case Ending.CRASHED:
            return f"raised {trial.error[:200]}"
        case Ending.MALFORMED:
            return f"returned a {trial.error} and not a Result"
        case Ending.DENIED:
            return f"reached for what it may not ({trial.error[:100]})"
        case _:
            return f"ended with {trial.ending}"


def _time(seen: Evidence) -> Check:
    problems = [
        f"{trial}: took longer than its limit; bound the work, or raise limits.seconds"
        for trial in seen.trials
        if trial.kind is not Kind.HANGING and trial.ending in _IN_TIME
    ]
    return judged("calls.time", "Every call ends within its limit", problems)


def _cancelled(seen: Evidence) -> Check:
    problems = [
        f"{trial}: went on after it was cancelled; let asyncio.CancelledError pass"
        for trial in seen.trials
        if trial.ending is Ending.STUCK
    ]
    return judged(
        "calls.cancelled",
        "A cancelled call ends at once",
        problems,
        applies=any(trial.ending in _IN_TIME for trial in seen.trials),
    )


def _output(seen: Evidence) -> Check:
    most, problems = seen.manifest.limits.output_chars, []
    for trial in seen.trials:
        if trial.result is None:
            continue
        try:
            size = size_of(trial.result)
        except (TypeError, ValueError):
            problems.append(f"{trial}: its artifact is no JSON; give lists, objects and texts only")
            continue
        if size > most:
            problems.append(
                f"{trial}: gave {size} characters where limits.output_chars is {most}; cut it"
            )
    return judged(
        "calls.output", "No result is larger than its limit, or other than JSON", problems
    )


def _injected(seen: Evidence) -> Check:
    problems = []
    for trial in seen.of(Kind.INJECTED):
        if trial.ending not in _ANSWERED:
            problems.append(f"{trial}: {_how(trial)}; what servers say is data, whatever it says")
        if any(request.url.host == "evil.example" for request in trial.requests):
            problems.append(f"{trial}: did what the answer told it to")
        if "evil.example" in trial.denied:
            problems.append(f"{trial}: tried what the answer told it to")
    return judged(
        "server.injected",
        "Instructions in a server's answer are data",
        problems,
        applies=bool(seen.of(Kind.INJECTED)),
    )


def _hosts(seen: Evidence) -> Check:
    made_up = () if seen.manifest.egress is Egress.OPEN else (Kind.PLAIN,)
    problems = [
        f"{trial}: reached for {host}; name it in the manifest's hosts, or do not go there"
        for trial in seen.of(Kind.EXAMPLE, *made_up)
        for host in trial.denied
    ]
    return judged(
        "access.hosts",
        "It reaches the manifest's hosts and no other",
        problems,
        applies=any(trial.requests or trial.denied for trial in seen.trials),
    )


def _network(seen: Evidence) -> Check:
    problems = [
        f"{trial}: {event} past Access.http; use access.http"
        for trial in seen.trials
        for event in trial.sight.network
    ]
    return judged("access.network", "No socket is opened past its access", problems)


def _processes(seen: Evidence) -> Check:
    problems = [
        f"{trial}: started a process ({event}); a plugin's work stays in its own"
        for trial in seen.trials
        for event in trial.sight.processes
    ]
    return judged("access.processes", "No process is started", problems)


def _files(seen: Evidence) -> Check:
    problems = [
        f"{trial}: wrote to {path}; keep values in access.store or below Setup.folder"
        for trial in seen.trials
        for path in trial.sight.files
    ]
    return judged("access.files", "No file is written outside of its folder", problems)


def _effects(seen: Evidence) -> Check:
    problems = []
    for trial in seen.trials:
        if trial.tool.side_effect is not SideEffect.NONE:
            continue
        methods = sorted({request.method for request in trial.requests} - _READING)
        if methods:
            problems.append(
                f"{trial}: sent {methods[0]} although its side effect is none; "
                "declare a side effect, or read with GET"
            )
        if trial.writes:
            problems.append(
                f"{trial}: changed its store although its side effect is none; declare "
                "SideEffect.REVERSIBLE, or keep what saves time only in Setup.cache"
            )
    return judged(
        "access.effects",
        "A tool without a side effect has none",
        problems,
        applies=any(tool.side_effect is SideEffect.NONE for tool in seen.tools),
    )


def _secrets(seen: Evidence) -> Check:
    problems = []
    for name, value in seen.secrets.items():
        for trial in seen.trials:
            problems += [
                f"{trial}: {name} turns up in {place}; send secrets in headers only"
                for place, texts in _places(trial).items()
                if any(shape in text for shape in shapes(value) for text in texts)
            ]
    return judged(
        "secrets.contained",
        "No secret turns up in results, errors, logs or addresses",
        problems,
        applies=bool(seen.secrets),
    )


def _places(trial: Trial) -> dict[str, list[str]]:
    result = trial.result
    return {
        "the result": _texts(result) if result is not None else [],
        "an error": [trial.error],
        "what it logs or prints": trial.sight.said,
        "an address": [str(request.url) for request in trial.requests],
        "its words for the user": trial.progress,
        "its store": trial.writes,
    }


def _texts(result: Result) -> list[str]:
    try:
        artifact = orjson.dumps(result.artifact).decode()
    except (TypeError, ValueError):
        artifact = repr(result.artifact)
    cited = [f"{each.title} {each.url} {each.text}" for each in result.citations]
    return [result.content, artifact, *cited]


def _progress(seen: Evidence) -> Check:
    problems = [
        f"{trial}: told the user {len(word)} characters at once; at most {_LONGEST_WORD} are shown"
        for trial in seen.of(Kind.EXAMPLE, Kind.PLAIN)
        for word in trial.progress
        if len(word) > _LONGEST_WORD or not word.strip()
    ]
    return judged(
        "calls.progress",
        "Words for the user are short",
        problems,
        applies=any(trial.progress for trial in seen.trials),
    )
