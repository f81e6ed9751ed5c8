"""What one turn came to, in words for people and as JSON for machines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.approval.asked import Asked
from assistant.approval.wire import asked_body
from assistant.events import Cited, Finished, Judged
from guards.verdict import Finding, Judgement, Unscanned

SHOWN_HAZARDS = 2
"""How many hazards a person is shown for each guard; machines get all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSummary:
    """All that one guard said about one kind of subject in a turn.

    A reply is judged piece by piece: ``findings`` holds the highest probability of each hazard
    over the ``times`` judgements, ``slowest`` the longest one in seconds.
    """

    subject: str
    guard: str
    revision: str
    times: int
    findings: tuple[Finding, ...]
    failures: tuple[str, ...]
    slowest: float

    def as_text(self) -> str:
        """``input: embedded 3 ms, violent_crimes 0.97``."""
        said = [f"{f.hazard} {f.probability:.2f}" for f in self.findings[:SHOWN_HAZARDS]]
        said += [f"no verdict ({reason})" for reason in self.failures]
        times = f" x{self.times}" if self.times > 1 else ""
        words = _WORDS.get(self.subject, self.subject.replace("_", " "))
        return (
            f"{words}: {self.guard}{times} {milliseconds(self.slowest)}, "
            f"{', '.join(said) or 'nothing found'}"
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "guard": self.guard,
            "revision": self.revision,
            "times": self.times,
            "findings": {str(f.hazard): round(f.probability, 6) for f in self.findings},
            "failures": list(self.failures),
            "slowest_ms": round(self.slowest * 1000, 3),
        }


_WORDS = {"user_input": "input", "reply": "reply", "reply_so_far": "reply"}


@dataclass(slots=True, kw_only=True)
class Told:
    """What a turn told beside its text: the tools that ran, its sources, its question."""

    tools: list[str] = field(default_factory=list)
    sources: list[Cited] = field(default_factory=list)
    asked: Asked | None = None

    def as_json(self) -> dict[str, Any]:
        asked = self.asked
        return {
            "tools": self.tools,
            "citations": [
                {"number": s.number, "title": s.citation.title, "url": s.citation.url}
                for s in self.sources
            ],
            "approval": None if asked is None else asked_body(asked),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnReport:
    """A finished turn.

    Attributes:
        reply: what was shown: the released text, or the policy's own.
        judged: every decision taken on the way.
        told: what there was beside text.
        finished: the turn's last event.
        first_text: seconds until the first text was shown; ``None`` when there was none.
        total: seconds the whole turn took.
    """

    reply: str
    judged: tuple[Judged, ...]
    told: Told
    finished: Finished
    first_text: float | None
    total: float

    @property
    def blocked(self) -> bool:
        """Whether the policy's text stands where the model's would."""
        return self.finished.decision in BLOCKING

    def guards(self) -> tuple[GuardSummary, ...]:
        """What each guard said, the input first."""
        return summarise([j for event in self.judged for j in _about(event)])

    def as_text(self) -> str:
        """Everything about the turn in one line."""
        clause = f" by clause {self.finished.clause}" if self.finished.clause else ""
        parts = [summary.as_text() for summary in self.guards()]
        parts.append(f"{self.finished.decision}{clause}")
        if self.first_text is not None:
            parts.append(f"first text {milliseconds(self.first_text)}")
        parts += [f"total {milliseconds(self.total)}", f"log {self.finished.log_id}"]
        if self.finished.replayed:
            parts.append("answered before")
        return " | ".join(parts)

    def as_json(self) -> dict[str, Any]:
        first = self.first_text
        return {
            "reply": self.reply,
            "decision": self.finished.decision,
            "clause": self.finished.clause,
            "finish_reason": str(self.finished.reason),
            "log_id": self.finished.log_id,
            "replayed": self.finished.replayed,
            **self.told.as_json(),
            "guards": [summary.as_json() for summary in self.guards()],
            "prompt_tokens": self.finished.usage.prompt_tokens,
            "completion_tokens": self.finished.usage.completion_tokens,
            "first_text_ms": None if first is None else round(first * 1000, 3),
            "total_ms": round(self.total * 1000, 3),
        }


BLOCKING = frozenset({"support", "refuse", "escalate"})
"""Names of the decisions that put the policy's text in the place of the model's."""


def _about(event: Judged) -> list[tuple[str, Judgement]]:
    return [(str(event.subject), j) for j in event.decision.basis.verdict.judgements]


def summarise(judgements: Sequence[tuple[str, Judgement]]) -> tuple[GuardSummary, ...]:
    """Merge judgements, each with its subject, by subject and guard, in order of appearance."""
    groups: dict[tuple[str, str], list[Judgement]] = {}
    for subject, judgement in judgements:
        key = (_WORDS.get(subject, subject), judgement.guard)
        groups.setdefault(key, []).append(judgement)
    return tuple(_merge(subject, group) for (subject, _), group in groups.items())


def _merge(subject: str, group: list[Judgement]) -> GuardSummary:
    highest: dict[str, Finding] = {}
    failures: dict[str, None] = {}
    for judgement in group:
        if isinstance(judgement, Unscanned):
            failures[str(judgement.reason)] = None
            continue
        for finding in judgement.findings:
            known = highest.get(finding.hazard)
            if known is None or finding.probability > known.probability:
                highest[finding.hazard] = finding
    return GuardSummary(
        subject=subject,
        guard=group[0].guard,
        revision=group[0].revision,
        times=len(group),
        findings=tuple(sorted(highest.values(), key=lambda f: -f.probability)),
        failures=tuple(failures),
        slowest=max(judgement.elapsed for judgement in group),
    )


def milliseconds(seconds: float) -> str:
    """``"0.4 ms"``, ``"35 ms"``, ``"2.1 s"``: two digits say enough."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
