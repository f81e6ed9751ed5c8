"""The language of the simulated texts, and what ought to be decided about them.

A mark ``<hate:0.9>`` is a harm every guard finds with that probability; ``<hate:0.9@beta>`` is
found by that guard alone. A token ``zu12z`` says whose the text is: ``u`` a user's words or ``t``
a tool's in that turn, ``r`` a model's or ``a`` arguments in that delivery.

:func:`expected` is the oracle: it says what `policy.yaml` means and shares no code with what is
held against it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.verdict import Finding, Span

MARK = re.compile(r"<([a-z_]+):([01]\.[0-9]+)(?:@([a-z]+))?>")
TOKEN = re.compile(r"z([urta])([0-9]+)z")

Kind = Literal["allow", "steer", "rewrite", "support", "refuse", "escalate"]
BLOCKING: frozenset[Kind] = frozenset({"support", "refuse", "escalate"})
_RANK: dict[Kind, int] = {"escalate": 5, "refuse": 4, "support": 3, "rewrite": 2, "steer": 1}

REMOVED = "[removed]"
STAND_IN_CEILING = 0.2
"""The threshold while `alpha` stands in for a `beta` that timed out."""

U, R, C, T = Subject.USER_INPUT, Subject.REPLY, Subject.TOOL_CALL, Subject.TOOL_RESULT


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One clause: from which probability on, where, and for whom it is never in force."""

    kind: Kind
    subjects: frozenset[Subject]
    threshold: float
    minor: float | None = None
    adult: float | None = None
    guard: str | None = None
    guidance: str = ""


RULES: dict[str, Rule] = {
    "hate": Rule(kind="refuse", subjects=frozenset({U, R, C, T}), threshold=0.5, minor=0.3),
    "indiscriminate_weapons": Rule(kind="escalate", subjects=frozenset({U, R, C}), threshold=0.5),
    "self_harm": Rule(kind="support", subjects=frozenset({U, R}), threshold=0.5),
    "personal_data": Rule(kind="rewrite", subjects=frozenset({U, R, T}), threshold=0.5),
    "elections": Rule(
        kind="steer",
        subjects=frozenset({U, T}),
        threshold=0.4,
        guidance="Set out both sides of the election.",
    ),
    "specialized_advice": Rule(
        kind="steer",
        subjects=frozenset({U}),
        threshold=0.4,
        adult=2.0,
        guidance="Name a professional to ask.",
    ),
    "prompt_injection": Rule(kind="refuse", subjects=frozenset({U, C, T}), threshold=0.5),
    "jailbreak": Rule(kind="refuse", subjects=frozenset({U}), threshold=0.6, guard="beta"),
    "secrets": Rule(kind="refuse", subjects=frozenset({R, C}), threshold=0.5),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What ought to be decided about a text that all required guards judged."""

    kind: Kind
    clause: str | None = None
    spans: tuple[tuple[int, int], ...] = ()
    guidance: tuple[str, ...] = ()

    @property
    def blocked(self) -> bool:
        """Whether nothing may come of it."""
        return self.kind in BLOCKING


def findings(text: str, guard: str) -> tuple[Finding, ...]:
    """What ``guard`` finds in ``text``."""
    return tuple(
        Finding(
            hazard=Hazard(match[1]),
            probability=float(match[2]),
            span=Span(start=match.start(), end=match.end()),
        )
        for match in MARK.finditer(text)
        if match[3] in (None, guard)
    )


@lru_cache(maxsize=50_000)
def expected(
    subject: Subject, text: str, audience: str, judged_by: frozenset[str], stand_in: bool = False
) -> Expected:
    """The decision due when exactly the guards ``judged_by`` gave a verdict.

    ``stand_in`` says that one of them stands in for another, under a lower threshold.
    """
    subject = Subject.REPLY if subject is Subject.REPLY_SO_FAR else subject
    hits: list[tuple[Rule, str, float, tuple[int, int]]] = []
    for match in MARK.finditer(text):
        rule = RULES[match[1]]
        seen = judged_by if match[3] is None else judged_by & {match[3]}
        if rule.guard is not None and not stand_in:
            seen &= {rule.guard}
        threshold = {"minor": rule.minor, "adult": rule.adult}.get(audience) or rule.threshold
        if stand_in and threshold <= 1.0:
            threshold = min(threshold, STAND_IN_CEILING)
        if seen and subject in rule.subjects and float(match[2]) >= threshold:
            hits.append((rule, match[1], float(match[2]), match.span()))
    if not hits:
        return Expected(kind="allow")
    order = list(RULES)
    first = max(hits, key=lambda hit: (_RANK[hit[0].kind], hit[2], -order.index(hit[1])))
    return Expected(
        kind=first[0].kind,
        clause=first[1].replace("_", "-"),
        spans=_joined([span for rule, _, _, span in hits if rule.kind == "rewrite"]),
        guidance=tuple(
            dict.fromkeys(rule.guidance for rule, _, _, _ in hits if rule.kind == "steer")
        ),
    )


def rendered(text: str, spans: tuple[tuple[int, int], ...]) -> str:
    """``text`` with ``spans`` removed."""
    pieces: list[str] = []
    at = 0
    for start, end in spans:
        pieces += (text[at:start], REMOVED)
        at = end
    return "".join((*pieces, text[at:]))


def tokens(text: str) -> set[str]:
    """The tokens in ``text``: ``u12`` or ``t12`` of turn 12, ``r3`` or ``a3`` of delivery 3."""
    return {match[1] + match[2] for match in TOKEN.finditer(text)}


def _joined(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)
