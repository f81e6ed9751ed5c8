"""What guards that judge by a policy are told of it."""

from collections.abc import Mapping

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.models.policy_prompt import PolicyRule
from policies.bundle import Policy
from policies.schema import Kind
from policies.texts import in_locale

_SAID = frozenset({Subject.USER_INPUT, Subject.REPLY, Subject.TOOL_RESULT, Subject.DOCUMENT})

_UNSAID = frozenset({Hazard.OFF_TOPIC, Hazard.UNGROUNDED_CLAIM})
"""What a rule does not say: the topics are examples, the sources are not shown."""


def rules_of(policy: Policy) -> tuple[PolicyRule, ...]:
    """The clauses of ``policy`` about text that guards are asked to find, in file order.

    Clauses that only steer are left out: what they speak of is answered, so it violates nothing.
    A rule counts as the first, in the order of the taxonomy, of the hazards its clause names.
    """
    rules = []
    for clause in policy.clauses:
        hazards = [h for h in Hazard if h in clause.hazards and h not in _UNSAID]
        if not hazards or clause.kind is Kind.STEER or _SAID.isdisjoint(clause.subjects):
            continue
        title, rule = (_english(policy, words) for words in (clause.title, clause.rule))
        rules.append(PolicyRule(id=clause.id, hazard=hazards[0], text=f"{title}. {rule}"))
    return tuple(rules)


def _english(policy: Policy, words: Mapping[str, str]) -> str:
    """In English, which guard models read best, else in the policy's first language."""
    by_tag = {tag.lower(): text for tag, text in words.items()}
    return in_locale(by_tag, "en", policy.locales[0])
