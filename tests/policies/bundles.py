"""A small policy on disk for tests to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from guards.conversation import Exchange, Subject, text_message
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.decision import Decision

HEAD = """\
name: small
version: 1.0.0
description: {en: A small policy, zh: 小政策}
locales: [en, zh]
texts: {en: en.yaml, zh: zh.yaml}
phrases: phrases.yaml
resources: resources.yaml
cases: cases.yaml
"""

EN = """\
system_prompt: Be an honest AI.
refused: I can't help with that.
refused_rule: No, because of {title}.
unavailable: Not now.
escalated: A person will look.
support: "Help:\\n{resources}"
guidance: Be careful.
more_guidance: Be brief.
removed: "[removed]"
resource_call: call {call}
resource_text: text {text}
resource_web: visit {web}
resource_emergency: emergency {emergency}
resource_anywhere: find help anywhere
"""

ZH = """\
system_prompt: 做一个诚实的人工智能。
refused: 我无法提供帮助。
refused_rule: 不行，因为{title}。
unavailable: 现在不行。
escalated: 会有人查看。
support: "求助：\\n{resources}"
guidance: 请谨慎。
more_guidance: 请简短。
removed: "[已移除]"
resource_call: 拨打 {call}
resource_text: 短信 {text}
resource_web: 访问 {web}
resource_emergency: 紧急 {emergency}
resource_anywhere: 任何地方
"""

PHRASES = """\
topic:
  en: [gun control, abortion*]
  zh: [死刑]
"""

RESOURCES = """\
regions:
  US:
    emergency: "911"
    lines:
      - {name: {en: Lifeline, zh: 生命线}, call: "988", text: "988", web: 988lifeline.org}
  CN:
    emergency: "120"
    lines:
      - {name: {en: Hotline, zh: 热线}, call: "12356"}
languages: {zh: CN}
"""

CASES = """\
cases:
  - id: any
    text: hello
    expect: {decision: allow}
"""


def clause(name: str, body: str) -> str:
    """A clause of the policy file; ``body`` holds what is special about it, a field a line."""
    fields = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return (
        f"  - id: {name}\n"
        f"    title: {{en: Title of {name}, zh: {name} 标题}}\n"
        f"    rule: {{en: Rule of {name}., zh: {name} 规则。}}\n"
        f"{fields}"
        f"    tests: [any]\n"
    )


def ignored(*used: Hazard) -> str:
    """The line that lists every hazard no clause uses."""
    return f"ignored_hazards: [{', '.join(h for h in Hazard if h not in used)}]\n"


@dataclass
class Files:
    """The files of a policy, written by :meth:`write`."""

    clauses: Sequence[str]
    used: Sequence[Hazard] = ()
    head: str = HEAD
    tail: str = ""
    other: dict[str, str] = field(
        default_factory=lambda: {
            "en.yaml": EN,
            "zh.yaml": ZH,
            "phrases.yaml": PHRASES,
            "resources.yaml": RESOURCES,
            "cases.yaml": CASES,
        }
    )

    @property
    def policy(self) -> str:
        return f"{self.head}{ignored(*self.used)}{self.tail}clauses:\n{''.join(self.clauses)}"

    def write(self, folder: Path) -> Path:
        for name, text in self.other.items():
            (folder / name).write_text(text, encoding="utf-8")
        path = folder / "policy.yaml"
        path.write_text(self.policy, encoding="utf-8")
        return path

    def load(self, folder: Path) -> Policy:
        return Policy.load(self.write(folder))


def exchange(
    text: str = "hello", subject: Subject = Subject.USER_INPUT, user_text: str | None = None
) -> Exchange:
    context = () if user_text is None else (text_message(user_text, id="earlier"),)
    return Exchange(subject=subject, message=text_message(text, id="m"), context=context)


def found(
    hazard: Hazard,
    probability: float,
    *,
    span: tuple[int, int] | None = None,
    custom: str = "",
    label: str = "",
) -> Finding:
    return Finding(
        hazard=hazard,
        probability=probability,
        span=Span(start=span[0], end=span[1]) if span else None,
        custom=custom or None,
        label=label or None,
    )


def verdict(
    *findings: Finding,
    subject: Subject = Subject.USER_INPUT,
    others: Mapping[str, Sequence[Finding]] | None = None,
    failures: Mapping[str, Failure] | None = None,
    guard: str | None = "guard",
) -> PanelVerdict:
    """``guard`` found ``findings``; ``others`` judged too; ``failures`` gave no verdict."""
    judged: dict[str, Sequence[Finding]] = dict(others or {})
    if guard is not None:
        judged = {guard: findings, **judged}
    judgements: list[Judgement] = [
        Verdict(guard=name, revision="r", findings=tuple(its), elapsed=0.0)
        for name, its in judged.items()
    ]
    judgements += [
        Unscanned(guard=name, revision="r", reason=reason, detail="test", elapsed=0.0)
        for name, reason in (failures or {}).items()
    ]
    return PanelVerdict(subject=subject, judgements=tuple(judgements), elapsed=0.0)


def decide(
    policy: Policy,
    said: PanelVerdict,
    text: str = "hello",
    *,
    audience: Audience = Audience.GENERAL,
    locale: str = "en",
    user_text: str | None = None,
) -> Decision:
    return policy.decide(exchange(text, said.subject, user_text), said, audience, locale)
