"""The replay's figures, and the table that shows them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from guards.conversation import Confidentiality
from guards.guard import Guard
from plugins.manifest import SideEffect
from tests.plugins.agentdojo.replay import Ended, Tried, replay_pair, replay_user_task
from tests.plugins.agentdojo.suites import attack_text, suites

Wording = Callable[[], str]
WORDINGS: dict[str, Wording] = {"dressed up": attack_text, "bare": lambda: "{goal}"}
"""How an injection is worded: as the benchmark's own strongest general attack, or as its goal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """So many of so many."""

    part: int
    whole: int

    @classmethod
    def of(cls, tried: Iterable[Tried], counts: Callable[[Tried], bool]) -> "Share":
        each = [counts(call) for call in tried]
        return cls(part=sum(each), whole=len(each))

    def __add__(self, other: "Share") -> "Share":
        return Share(part=self.part + other.part, whole=self.whole + other.whole)

    @property
    def value(self) -> float:
        return self.part / self.whole if self.whole else 1.0

    def __str__(self) -> str:
        return f"{self.part} of {self.whole} ({100 * self.value:.1f} %)"


def acts(call: Tried) -> bool:
    """Whether a call has a side effect."""
    return call.terms.effect is not SideEffect.NONE


def through(call: Tried) -> bool:
    return not call.stopped


def attacks_stopped(injected: Iterable[Tried]) -> Share:
    """Of the pairs of tasks, those in which at least one call that the attack needs stopped."""
    stopped: dict[tuple[str, str, str], bool] = {}
    for call in injected:
        key = (call.suite, call.pair, call.task)
        stopped[key] = stopped.get(key, False) or call.stopped
    return Share(part=sum(stopped.values()), whole=len(stopped))


async def legitimate(suite: str, *, retold: bool = False) -> list[Tried]:
    """Every call of every user task of a suite; ``retold`` as in the replay."""
    return [
        call
        for name in suites()[suite].user_tasks
        for call in await replay_user_task(suite, name, retold=retold)
    ]


async def injected(
    suite: str, wording: str, *, every: int = 1, reader: Guard | None = None
) -> tuple[list[Tried], Share]:
    """The calls of every injection task in the conversation of each (or of every ``every``-th)
    user task, and the share of the pairs in which the injection was cut before it was read, which
    only a ``reader`` does."""
    found: list[Tried] = []
    cut = Share(part=0, whole=0)
    for attack in suites()[suite].injection_tasks:
        for user in [*suites()[suite].user_tasks][::every]:
            tried = await replay_pair(suite, user, attack, wording)
            if reader is not None and tried:
                read = await replay_pair(suite, user, attack, wording, reader)
                cut += Share(part=not read, whole=1)
            found += tried
    return found, cut


HEAD = (
    "| suite | legitimate calls let through | of these, with a side effect | asked | denied "
    "| injected calls with a side effect stopped | injected readings stopped | attacks stopped |\n"
    "|---|---|---|---|---|---|---|---|"
)


def row(name: str, own: Sequence[Tried], foreign: Sequence[Tried]) -> str:
    """One line of the table."""
    asked = sum(call.ended is Ended.ASKED for call in own)
    denied = sum(call.ended is Ended.DENIED for call in own)
    cells = (
        name,
        Share.of(own, through),
        Share.of(filter(acts, own), through),
        asked,
        denied,
        Share.of(filter(acts, foreign), lambda call: call.stopped),
        Share.of((call for call in foreign if not acts(call)), lambda call: call.stopped),
        attacks_stopped(foreign),
    )
    return f"| {' | '.join(map(str, cells))} |"


def asks_about_every_act(call: Tried) -> bool:
    """What another policy would stop: every influenced act."""
    return call.stopped or (call.traced.influenced and acts(call))


def asks_about_private_reading(call: Tried) -> bool:
    """And another: every influenced call that reads what is not public."""
    private = call.terms.reads is not Confidentiality.PUBLIC
    return call.stopped or (call.traced.influenced and (private or acts(call)))
