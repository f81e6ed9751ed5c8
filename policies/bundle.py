"""A policy: immutable, versioned, digested, ready to decide."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from guards.conversation import Exchange, Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.topic.topics import Topic
from policies.audience import Audience
from policies.call import CallFacts
from policies.clause import Clause, Rules, compile_clause, compile_stand_in, tabulate
from policies.consistency import compile_conditions, find_mistakes, lists
from policies.decide import decide
from policies.decision import Decision
from policies.mistakes import PolicyError
from policies.phrases import PhraseList
from policies.schema import Drafting, Retention
from policies.sources import Sources, content, read_sources
from policies.texts import SYSTEM_PROMPT, Texts, by_tag

__all__ = ["Audience", "Drafting", "Gap", "Policy", "PolicyError", "Retention"]

BUILTIN = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A hazard that a clause speaks of and no seated guard can find."""

    clause: str
    hazard: Hazard
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A loaded policy. Build it with :meth:`load` or :meth:`load_builtin`.

    Attributes:
        digest: SHA-256, hexadecimal, over what all files of the policy say (policy, texts,
            phrases, topics, resources; not its cases): comments, quoting, the order of keys and
            defaults written out do not change it, anything else does.
        drafting: whether the model may draft before the verdict is in.
        retention: which turns' text the decision log may keep.
        topics: for the guard that keeps to them.
    """

    name: str
    version: str
    digest: str
    description: Mapping[str, str]
    locales: tuple[str, ...]
    drafting: Drafting
    retention: Retention
    clauses: tuple[Clause, ...]
    ignored_hazards: frozenset[Hazard]
    topics: tuple[Topic, ...]
    rules: Rules

    @classmethod
    def load(cls, path: str | Path) -> "Policy":
        """Read and check the policy file at ``path`` and the files it names.

        Raises:
            PolicyError: carries every mistake found, with file, line and field.
        """
        sources = read_sources(Path(path))
        mistakes = [*sources.mistakes, *find_mistakes(sources)]
        if mistakes:
            raise PolicyError(mistakes)
        return _build(sources)

    @classmethod
    def load_builtin(cls, name: str = "acceptable_use") -> "Policy":
        """Load a policy that ships with the package, by name."""
        return cls.load(builtin_path(name))

    @property
    def label(self) -> str:
        """``"acceptable_use@1.0.0"``."""
        return self.rules.label

    def decide(
        self,
        exchange: Exchange,
        verdict: PanelVerdict,
        audience: Audience,
        locale: str,
        call: CallFacts | None = None,
    ) -> Decision:
        """What may happen with ``exchange``; see :func:`policies.decide.decide`."""
        return decide(self.rules, exchange, verdict, audience, locale, call)

    def text(self, key: str, locale: str) -> str:
        """A text for people, in ``locale`` or the nearest language there is.

        Raises:
            KeyError: the policy has no text of that key.
        """
        return self.rules.texts.get(key, locale)

    def system_prompt(self, locale: str) -> str:
        """The instructions every reply is written under."""
        return self.text(SYSTEM_PROMPT, locale)

    def clause(self, id: str) -> Clause:  # noqa: A002 - the field's own name
        """The clause of that id.

        Raises:
            KeyError: there is none; the reserved ids name no clause.
        """
        for clause in self.clauses:
            if clause.id == id:
                return clause
        raise KeyError(id)

    def uncovered(self, findable: Mapping[Subject, Collection[Hazard]]) -> tuple[Gap, ...]:
        """What the policy rules on and nobody looks for.

        Args:
            findable: for each subject that is judged what its guards can find; clauses are only
                held against these subjects.
        """
        return tuple(
            Gap(clause=clause.id, hazard=hazard, subjects=subjects)
            for clause in self.clauses
            for hazard in Hazard
            if hazard in clause.hazards
            if (
                subjects := tuple(
                    subject
                    for subject in Subject
                    if subject in clause.subjects
                    and subject in findable
                    and hazard not in findable[subject]
                )
            )
        )


def builtin_path(name: str) -> Path:
    """Where a policy that ships with the package lies.

    Raises:
        ValueError: no such policy ships.
    """
    path = BUILTIN / f"{name}.yaml"
    if not name.isidentifier() or not path.is_file():
        raise ValueError(f'no policy "{name}" ships with the package')
    return path


def _build(sources: Sources) -> Policy:
    model = sources.policy.model
    conditions = compile_conditions(sources)
    clauses = tuple(
        compile_clause(clause, place, conditions[place])
        for place, clause in enumerate(model.clauses)
    )
    tables = {
        (subject, audience): table
        for subject in Subject
        for audience in Audience
        if (table := tabulate(clauses, subject, audience)) is not None
    }
    phrases = sources.phrases.model.root if sources.phrases else {}
    digest = _digest(sources)
    return Policy(
        name=model.name,
        version=model.version,
        digest=digest,
        description=MappingProxyType(model.description),
        locales=tuple(model.locales),
        drafting=model.drafting,
        retention=model.retention,
        clauses=clauses,
        ignored_hazards=frozenset(model.ignored_hazards),
        topics=_topics(sources),
        rules=Rules(
            label=f"{model.name}@{model.version}",
            digest=digest,
            tables=MappingProxyType(tables),
            stand_ins=tuple(compile_stand_in(rule) for rule in model.degraded),
            lists=MappingProxyType(
                {
                    name: PhraseList.of(p for group in phrases[name].values() for p in group)
                    for name in lists(sources)
                }
            ),
            texts=_texts(sources),
        ),
    )


def _topics(sources: Sources) -> tuple[Topic, ...]:
    topics = sources.topics.model.root if sources.topics else {}
    return tuple(
        Topic(
            name=name,
            mode=topic.mode,
            allow=tuple(text for texts in topic.allow.values() for text in texts),
            deny=tuple(text for texts in topic.deny.values() for text in texts),
        )
        for name, topic in topics.items()
    )


def _texts(sources: Sources) -> Texts:
    by_key: dict[str, dict[str, str]] = {}
    for locale, source in sources.texts.items():
        for key, text in source.model.root.items():
            by_key.setdefault(key, {})[locale] = text
    return Texts(
        default=sources.policy.model.locales[0],
        by_key=MappingProxyType({k: MappingProxyType(by_tag(t)) for k, t in by_key.items()}),
        resources=sources.resources.model if sources.resources else None,
    )


def _digest(sources: Sources) -> str:
    policy = content(sources.policy.model)
    for name_of_file in ("texts", "phrases", "topics", "resources", "cases"):
        del policy[name_of_file]
    whole: dict[str, Any] = {
        "policy": policy,
        "texts": {locale: content(source.model) for locale, source in sources.texts.items()},
        "phrases": content(sources.phrases.model) if sources.phrases else None,
        "topics": content(sources.topics.model) if sources.topics else None,
        "resources": content(sources.resources.model) if sources.resources else None,
    }
    canonical = json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
