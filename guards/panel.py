"""Several guards side by side, each with a deadline, failing closed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from guards.conversation import Exchange, Subject
from guards.guard import Guard, GuardNonsenseError, failure_of
from guards.hazards import Hazard, UnknownHazardError
from guards.verdict import Failure, Finding, Judgement, Unscanned, Verdict

PANEL = "panel"


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelVerdict:
    """All judgements of one exchange, merged.

    ``probability`` is the highest any guard gave for a hazard. ``complete`` is false as soon as
    one required guard gave no verdict, and whoever decides must then not allow (I2).
    """

    subject: Subject
    judgements: tuple[Judgement, ...]
    elapsed: float
    findings: tuple[Finding, ...] = field(init=False)
    unscanned: tuple[Unscanned, ...] = field(init=False)

    def __post_init__(self) -> None:
        findings = tuple(
            finding
            for judgement in self.judgements
            if isinstance(judgement, Verdict)
            for finding in judgement.findings
        )
        unscanned = tuple(j for j in self.judgements if isinstance(j, Unscanned))
        object.__setattr__(self, "findings", findings)
        object.__setattr__(self, "unscanned", unscanned)

    @property
    def complete(self) -> bool:
        """Whether every guard of the panel gave a verdict, and there was at least one."""
        return bool(self.judgements) and not self.unscanned

    @property
    def hold(self) -> int | None:
        """The earliest place from which on any guard wants a growing text held back."""
        holds = [j.hold for j in self.judgements if isinstance(j, Verdict) and j.hold is not None]
        return min(holds, default=None)

    def probability(self, hazard: Hazard) -> float:
        """Highest probability found for ``hazard``; 0.0 when no guard reported it."""
        return max((f.probability for f in self.findings if f.hazard is hazard), default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A guard's place in the panel: what it is asked to judge and how long it may take.

    Attributes:
        guard: who judges.
        subjects: what it is required for; must be within ``guard.subjects``.
        deadline: seconds for one judgement.
    """

    guard: Guard
    subjects: frozenset[Subject]
    deadline: float = 5.0

    def __post_init__(self) -> None:
        unable = self.subjects - self.guard.subjects
        if unable:
            names = ", ".join(sorted(unable))
            raise ValueError(f"guard {self.guard.name!r} cannot judge: {names}")
        if not self.deadline > 0:
            raise ValueError("deadline must be a positive number of seconds")


class Panel:
    """Asks every guard seated for a subject, side by side."""

    def __init__(self, seats: Sequence[Seat]) -> None:
        names = [seat.guard.name for seat in seats]
        if len(set(names)) != len(names):
            raise ValueError("every guard of a panel needs a name of its own")
        self._seats: dict[Subject, tuple[Seat, ...]] = {
            subject: tuple(seat for seat in seats if subject in seat.subjects)
            for subject in Subject
        }
        self.seats = tuple(seats)

    def hazards(self, subject: Subject) -> frozenset[Hazard]:
        """What the panel is able to find in ``subject``."""
        return frozenset(h for seat in self._seats[subject] for h in seat.guard.hazards)

    async def judge(self, exchange: Exchange) -> PanelVerdict:
        """Judge ``exchange`` by every guard seated for its subject; never raises but cancellation.

        A subject nobody is seated for comes back as one ``Unscanned(MISSING)``.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        seats = self._seats[exchange.subject]
        judgements: tuple[Judgement, ...]
        if not seats:
            judgements = (
                Unscanned(
                    guard=PANEL,
                    revision="",
                    reason=Failure.MISSING,
                    detail=f"no guard is seated for {exchange.subject}",
                    elapsed=0.0,
                ),
            )
        elif len(seats) == 1:
            judgements = (await judge_within(seats[0], exchange),)
        else:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(judge_within(seat, exchange)) for seat in seats]
            judgements = tuple(task.result() for task in tasks)
        return PanelVerdict(
            subject=exchange.subject, judgements=judgements, elapsed=loop.time() - start
        )


async def judge_within(seat: Seat, exchange: Exchange) -> Judgement:
    """One guard's judgement, with every way to fail turned into ``Unscanned`` (I2).

    This is the one place in the program where failing closed is decided.
    """
    guard = seat.guard
    loop = asyncio.get_running_loop()
    start = loop.time()
    try:
        async with asyncio.timeout(seat.deadline):
            judgement = await guard.judge(exchange)
        _check(judgement, exchange)
        return judgement
    except asyncio.CancelledError as error:
        # Only a guard's own work was cancelled when nobody cancels this task.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        reason, detail = Failure.ERROR, type(error).__name__
    except Exception as error:  # noqa: BLE001 - any failure of a guard is a value from here on
        reason, detail = failure_of(error), type(error).__name__
    return Unscanned(
        guard=guard.name,
        revision=guard.revision,
        reason=reason,
        detail=detail,
        elapsed=loop.time() - start,
    )


def _check(judgement: Judgement, exchange: Exchange) -> None:
    """Refuse what is no judgement, and findings or holds outside the judged text."""
    if isinstance(judgement, Unscanned):
        return
    if not isinstance(judgement, Verdict):
        # The types rule this out; a guard from elsewhere may not have been type-checked.
        raise GuardNonsenseError("guard returned no verdict")
    if judgement.hold is not None and not 0 <= judgement.hold <= len(exchange.text):
        raise GuardNonsenseError("the place to hold from lies outside the judged text")
    for finding in judgement.findings:
        if not isinstance(finding.hazard, Hazard):
            raise UnknownHazardError("guard named a hazard that is none")
        span = finding.span
        if span is not None and not 0 <= span.start < span.end <= len(exchange.text):
            raise GuardNonsenseError("finding's span lies outside the judged text")
