"""Guards asked about rows."""

import math
from pathlib import Path

from assistant.testing.scripted_guard import ScriptedGuard
from guards.conversation import Role, Subject
from guards.evaluate.datasets import Row
from guards.evaluate.journal import Journal
from guards.evaluate.run import GuardRun, OpenSeats, Progress, judge_rows
from guards.evaluate.workers import Crew
from guards.hazards import Hazard
from guards.verdict import Failure, Verdict
from tests.guards.evaluate.rows import numbering, opened_elsewhere, row, seated

ROWS = [row(f"row {n} {n / 10}", label=n > 5) for n in range(10)]


async def run(
    folder: Path,
    rows: list[Row],
    seats: OpenSeats,
    *,
    crew: Crew | None = None,
    fresh: bool = False,
) -> tuple[tuple[GuardRun, ...], list[Progress]]:
    told: list[Progress] = []
    with Journal(folder, fresh=fresh) as journal:
        runs = await judge_rows(rows, seats, journal, crew=crew or Crew(), on_progress=told.append)
    return runs, told


async def test_judgements_stand_beside_the_rows(tmp_path: Path) -> None:
    (found,), told = await run(tmp_path, ROWS, seated(numbering()))
    assert [one.score_for() for one in found.judged] == [n / 10 for n in range(10)]
    assert [one.row for one in found.judged] == [one.key for one in ROWS]
    assert (found.name, found.revision, found.asked) == ("scripted", "scripted-1", 10)
    assert [progress.done for progress in told] == list(range(11))


async def test_processes_judge_the_same(tmp_path: Path) -> None:
    (here,), _ = await run(tmp_path / "a", ROWS, seated(numbering()))
    (there,), _ = await run(tmp_path / "b", ROWS, opened_elsewhere, crew=Crew(processes=2))
    assert [one.probabilities for one in here.judged] == [one.probabilities for one in there.judged]


async def test_every_failure_is_a_judgement_without_a_verdict(tmp_path: Path) -> None:
    broken = [
        numbering("raises"),
        ScriptedGuard(name="hangs", delay=math.inf),
        ScriptedGuard(name="other", subjects=frozenset({Subject.REPLY})),
        ScriptedGuard(name="wordless", answer=lambda _: "fine"),  # type: ignore[arg-type, return-value] # as a careless guard may
    ]
    runs, _ = await run(tmp_path, [row("please fail")], seated(*broken, deadline=0.01))
    reasons = {one.name: one.judged[0].failure for one in runs}
    assert reasons == {
        "raises": Failure.ERROR,
        "hangs": Failure.TIMEOUT,
        "other": Failure.MISSING,
        "wordless": Failure.ERROR,
    }
    assert "words of a user" not in (tmp_path / "judgements.jsonl").read_text()


async def test_a_second_run_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    first, again, changed = numbering(), numbering(), numbering(revision="scripted-2")
    await run(tmp_path, ROWS[:6], seated(first))
    (found,), told = await run(tmp_path, ROWS, seated(again))
    assert len(again.judgings) == 4
    assert (found.asked, told[0].done) == (4, 6)
    assert [one.score_for() for one in found.judged] == [n / 10 for n in range(10)]
    await run(tmp_path, ROWS, seated(changed))
    assert len(changed.judgings) == 10
    await run(tmp_path, ROWS, seated(again), fresh=True)
    assert len(again.judgings) == 14


async def test_what_failed_is_asked_again(tmp_path: Path) -> None:
    rows = [row("please fail"), row("fine 0.5")]
    (found,), _ = await run(tmp_path, rows, seated(numbering()))
    assert [one.failure for one in found.judged] == [Failure.ERROR, None]
    mended = ScriptedGuard()
    (found,), _ = await run(tmp_path, rows, seated(mended))
    assert [judging.exchange.text for judging in mended.judgings] == ["please fail"]
    assert [one.failure for one in found.judged] == [None, None]


async def test_rows_that_say_the_same_are_asked_once(tmp_path: Path) -> None:
    guard = numbering()
    rows = [row("same 0.5", line=1), row("same 0.5", line=2), row("same 0.5", label=True)]
    (found,), _ = await run(tmp_path, rows, seated(guard))
    assert len(guard.judgings) == 2
    assert len(found.judged) == 3


async def test_a_guard_within_a_guard_counts_as_the_one_that_was_asked(tmp_path: Path) -> None:
    inner = Verdict(guard="inner", revision="inner-1", findings=(), elapsed=0.0)
    outer = ScriptedGuard(name="outer", answer=lambda _: inner)
    (found,), _ = await run(tmp_path, [row("a")], seated(outer))
    assert [(one.guard, one.revision) for one in found.judged] == [("outer", "scripted-1")]


async def test_a_reply_is_judged_in_its_context(tmp_path: Path) -> None:
    guard = numbering()
    rows = [row("ask", response="answer 0.4", subject=Subject.REPLY)]
    await run(tmp_path, rows, seated(guard))
    [judging] = guard.judgings
    assert judging.exchange.subject is Subject.REPLY
    assert judging.exchange.message.role is Role.ASSISTANT
    assert [message.text for message in judging.exchange.context] == ["ask"]


async def test_no_text_is_kept(tmp_path: Path) -> None:
    await run(tmp_path, [row("a secret plan 0.4")], seated(numbering(hazards=frozenset(Hazard))))
    assert "secret" not in (tmp_path / "judgements.jsonl").read_text()
