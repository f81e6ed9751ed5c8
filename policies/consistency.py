"""What no single field can tell: whether the parts of a policy fit each other."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from guards.conversation import Subject
from guards.hazards import Hazard
from guards.topic.topics import Mode
from policies.clause import DEFAULT_PAYLOAD, PAYLOAD_FIELD, RESERVED_IDS, cutoffs
from policies.conditions import Compiler, Condition, ConditionError
from policies.decision import NUMBER, TEXT
from policies.document import Document, Location
from policies.mistakes import Mistake
from policies.phrases import PhraseList
from policies.schema import ClauseModel, DegradedModel, Kind, Thresholds, TopicModel
from policies.sources import Sources
from policies.texts import ANYWHERE, LABEL, LINE_KEYS, REQUIRED_KEYS, RESOURCES, TITLE, TOOL
from policies.validation import nearest

_PLACEHOLDER = re.compile(r"\{[^{}\n]*\}")
_RESTORABLE = re.compile(r"(?=.*\{label\})(?=.*\{number\})[^\w\s{].{0,62}[^\w\s}]")

SUBJECTS_OF: dict[Kind, frozenset[Subject]] = {
    Kind.STEER: frozenset({Subject.USER_INPUT, Subject.TOOL_RESULT, Subject.DOCUMENT}),
    Kind.SUPPORT: frozenset(
        {Subject.USER_INPUT, Subject.REPLY, Subject.REPLY_SO_FAR, Subject.IMAGE_PROMPT}
    ),
    Kind.REWRITE: frozenset(Subject) - {Subject.IMAGE, Subject.TOOL_CALL},
    Kind.ASK: frozenset({Subject.TOOL_CALL}),
}
"""Where a decision makes sense: a finished reply cannot be steered, an image has no spans, and
a rewritten argument would no longer be the call the model asked for, and only a call can wait for
a person."""

FEWEST_EXAMPLES, MOST_EXAMPLES = 5, 200
"""Of a topic: fewer say nothing, and starting takes longer with each."""

RESTORED_SUBJECTS = frozenset({Subject.USER_INPUT, Subject.TOOL_RESULT, Subject.DOCUMENT})
"""What a reply may give back: what was put in, not what the model came up with."""


def find_mistakes(sources: Sources) -> Iterator[Mistake]:
    """Every mistake between the parts of the policy; expects the sound parts of each file."""
    policy = sources.policy.document
    description = getattr(sources.policy.model, "description", None)
    if description is not None:
        yield from _check_languages(sources, policy, ("description",), description)
    yield from _check_texts(sources)
    yield from _check_phrases(sources)
    yield from _check_topics(sources)
    compiler = Compiler(lists(sources))
    seen: dict[str, int] = {}
    for place, clause in sources.clauses.items():
        here: Location = ("clauses", place)
        yield from _check_id(policy, here, clause, seen)
        yield from _check_words(sources, policy, here, clause)
        yield from _check_scores(policy, here, clause)
        yield from _check_decision(sources, policy, here, clause)
        if isinstance(clause.when, str):
            try:
                compiler.compile(clause.when)
            except ConditionError as error:
                yield from _at_condition(policy, (*here, "when"), clause.when, error)
    yield from _check_coverage(sources)
    yield from _check_degraded(sources)


def lists(sources: Sources) -> list[str]:
    """Names of the policy's phrase lists."""
    return list(sources.phrases.model.root) if sources.phrases else []


def _locales(sources: Sources) -> list[str]:
    return getattr(sources.policy.model, "locales", None) or []


def _check_texts(sources: Sources) -> Iterator[Mistake]:
    policy = sources.policy.document
    named = getattr(sources.policy.model, "texts", None)
    if named is not None:
        for locale in _locales(sources):
            if locale not in named:
                yield policy.mistake(("texts",), f'no text file for locale "{locale}"')
        for locale in named:
            if locale not in _locales(sources):
                message = f'"{locale}" is not one of the locales of this policy'
                yield policy.mistake(("texts", locale), message, at_key=True)
    needed = {*REQUIRED_KEYS}.union(*(source.model.root for source in sources.texts.values()))
    if sources.resources is not None:
        needed |= {*LINE_KEYS, ANYWHERE}
    for source in sources.texts.values():
        for key in sorted(needed - _written(source.document)):
            yield source.document.mistake((), f'missing text "{key}"')
        for key, text in source.model.root.items():
            yield from _check_placeholders(sources, source.document, key, text)
    if sources.resources is not None:
        yield from _check_resources(sources, sources.resources.document)


def _check_placeholders(
    sources: Sources, document: Document, key: str, text: object
) -> Iterator[Mistake]:
    known = {LINE_KEYS[key]} if key in LINE_KEYS else {RESOURCES}
    if key not in REQUIRED_KEYS and key not in LINE_KEYS:
        known.add(TITLE)  # the others may be said where no clause decided
    if key in _questions(sources):
        known.add(TOOL)
    if key in {getattr(clause, "replacement", None) for clause in sources.clauses.values()}:
        known |= {LABEL, NUMBER, TEXT}
    found = set(_PLACEHOLDER.findall(text)) if isinstance(text, str) else set()
    for placeholder in sorted(found - known):
        message = f"unknown placeholder {placeholder}; known here: {', '.join(sorted(known))}"
        yield document.mistake((key,), message)
    if key in LINE_KEYS and not known <= found:
        yield document.mistake((key,), f"must hold the placeholder {LINE_KEYS[key]}")
    if RESOURCES in found and sources.resources is None:
        message = f"{RESOURCES} needs a file of crisis lines: name it under resources"
        yield document.mistake((key,), message)


def _questions(sources: Sources) -> set[str]:
    """Keys of what is asked of people, and of nothing else."""
    kinds: dict[str, set[Kind]] = {DEFAULT_PAYLOAD[Kind.ASK]: {Kind.ASK}}
    for clause in sources.clauses.values():
        key, kind = getattr(clause, "text", None), getattr(clause, "decision", None)
        if key is not None and kind is not None:
            kinds.setdefault(key, set()).add(kind)
    return {key for key, asking in kinds.items() if asking == {Kind.ASK}}


def _check_resources(sources: Sources, document: Document) -> Iterator[Mistake]:
    model = sources.resources.model if sources.resources else None
    regions = getattr(model, "regions", None) or {}
    for code, region in regions.items():
        for place, line in enumerate(getattr(region, "lines", ())):
            here: Location = ("regions", code, "lines", place)
            yield from _check_languages(sources, document, (*here, "name"), line.name)
            if line.call is None and line.text is None and line.web is None:
                yield document.mistake(here, "needs at least one of call, text and web")
    for language, code in (getattr(model, "languages", None) or {}).items():
        if ("regions", code) not in document.keys:
            yield document.mistake(("languages", language), f'no region "{code}" in this file')


def _check_phrases(sources: Sources) -> Iterator[Mistake]:
    if sources.phrases is None:
        return
    for name, by_language in sources.phrases.model.root.items():
        for language, phrases in by_language.items():
            for place, phrase in enumerate(phrases):
                try:
                    PhraseList.of([phrase])
                except ValueError as error:
                    where = (name, language, place)
                    yield sources.phrases.document.mistake(where, str(error))


def _check_topics(sources: Sources) -> Iterator[Mistake]:
    """Every topic has the examples it needs, and a clause that speaks of it."""
    if sources.topics is None:
        return
    document = sources.topics.document
    spoken: set[Any] = set()
    general = False
    for clause in sources.clauses.values():
        spoken.update(getattr(clause, "custom", ()))
        general = general or Hazard.OFF_TOPIC in getattr(clause, "hazards", ())
    topics: Mapping[str, object] = sources.topics.model.root
    for name, topic in topics.items():
        if not isinstance(topic, TopicModel):
            continue
        field = "allow" if topic.mode is Mode.ONLY else "deny"
        for side, by_language in (("allow", topic.allow), ("deny", topic.deny)):
            count = sum(map(len, by_language.values()))
            where = (name, side) if (name, side) in document.keys else (name,)
            if side == field and count < FEWEST_EXAMPLES:
                message = f"mode {topic.mode} needs at least {FEWEST_EXAMPLES} examples here"
                message = message if where[1:] else f"{side}: {message}"
                yield document.mistake(where, message)
            if count > MOST_EXAMPLES:
                yield document.mistake(where, f"more than {MOST_EXAMPLES} examples")
        if name not in spoken and not general:
            message = f'no clause speaks of it: name "{name}" under custom, or hazard off_topic'
            yield document.mistake((name,), message, at_key=True)


def _check_id(
    policy: Document, here: Location, clause: ClauseModel, seen: dict[str, int]
) -> Iterator[Mistake]:
    name = getattr(clause, "id", None)
    if name is None:
        return
    line = policy.values[(*here, "id")].line
    if name in RESERVED_IDS:
        yield policy.mistake((*here, "id"), f'"{name}" is reserved')
    if name in seen:
        message = f'"{name}" is taken by the clause on line {seen[name]}'
        yield policy.mistake((*here, "id"), message)
    seen.setdefault(name, line)


def _check_words(
    sources: Sources, policy: Document, here: Location, clause: ClauseModel
) -> Iterator[Mistake]:
    for field in ("title", "rule"):
        words = getattr(clause, field, None)
        if words is not None:
            yield from _check_languages(sources, policy, (*here, field), words)


def _check_languages(
    sources: Sources, document: Document, here: Location, words: Iterable[str]
) -> Iterator[Mistake]:
    given = set(words)
    for locale in _locales(sources):
        if locale not in given:
            yield document.mistake(here, f'no text for locale "{locale}"')


def _check_scores(policy: Document, here: Location, clause: ClauseModel) -> Iterator[Mistake]:
    scored = bool(clause.hazards or clause.custom)
    set_fields = clause.model_fields_set
    # A field with a mistake of its own is not set here and must not count as left out.
    written = {path[-1] for path in policy.keys if path[:-1] == here}
    if not scored and not written & {"hazards", "custom", "when"}:
        yield policy.mistake(here, "needs hazards, custom or when: nothing says when it applies")
    if scored and "thresholds" not in written:
        yield policy.mistake(here, "thresholds: missing; hazards and custom need them")
    if not written & {"hazards", "custom"}:
        for field in sorted(set_fields & {"labels", "thresholds", "guards", "guard_thresholds"}):
            message = "has no effect without hazards or custom"
            yield policy.mistake((*here, field), message, at_key=True)
    if clause.guards:
        for guard in clause.guard_thresholds:
            if guard not in clause.guards:
                where = (*here, "guard_thresholds", guard)
                yield policy.mistake(where, f'"{guard}" is not among guards', at_key=True)


def _check_decision(
    sources: Sources, policy: Document, here: Location, clause: ClauseModel
) -> Iterator[Mistake]:
    decision = getattr(clause, "decision", None)
    if decision is None:
        return
    kind = Kind(decision)
    field = PAYLOAD_FIELD[kind]
    for other in sorted({*PAYLOAD_FIELD.values()} - {field}):
        if getattr(clause, other) is not None:
            message = f"belongs to another decision; {kind} uses {field}"
            yield policy.mistake((*here, other), message, at_key=True)
    key = getattr(clause, field)
    if key is None and (*here, field) not in policy.keys and kind not in DEFAULT_PAYLOAD:
        yield policy.mistake(here, f"{field}: missing; {kind} needs it")
    if isinstance(key, str):
        yield from _check_key(sources, policy, (*here, field), key)
    elif kind is Kind.ASK:
        # The only text that is said by default and not needed by every policy.
        yield from _check_key(sources, policy, (*here, "decision"), DEFAULT_PAYLOAD[kind])
    yield from _check_own_fields(policy, here, clause, kind)
    if clause.restore:
        yield from _check_restore(sources, policy, here, clause, kind)
    if kind is Kind.REWRITE and not (clause.hazards or clause.custom):
        message = "rewrite needs hazards or custom: a condition finds no span to replace"
        yield policy.mistake((*here, "decision"), message)
    allowed = SUBJECTS_OF.get(kind, frozenset(Subject))
    for place, subject in enumerate(getattr(clause, "subjects", ())):
        if subject not in allowed:
            message = f"{kind} cannot be done to {subject}"
            yield policy.mistake((*here, "subjects", place), message)


def _check_own_fields(
    policy: Document, here: Location, clause: ClauseModel, kind: Kind
) -> Iterator[Mistake]:
    for owner, field, why in (
        (Kind.ASK, "approver", "waits for nobody"),
        (Kind.ASK, "seconds", "waits for nobody"),
        (Kind.REWRITE, "clean_rest", "leaves nothing over"),
    ):
        if kind is not owner and field in clause.model_fields_set:
            message = f"belongs to another decision; {kind} {why}"
            yield policy.mistake((*here, field), message, at_key=True)


def _check_restore(
    sources: Sources, policy: Document, here: Location, clause: ClauseModel, kind: Kind
) -> Iterator[Mistake]:
    if kind is not Kind.REWRITE:
        message = f"belongs to another decision; {kind} replaces nothing"
        yield policy.mistake((*here, "restore"), message, at_key=True)
        return
    for place, subject in enumerate(getattr(clause, "subjects", ())):
        if subject not in RESTORED_SUBJECTS:
            message = f"restore cannot be done to {subject}: it gives back what was put in"
            yield policy.mistake((*here, "subjects", place), message)
    for locale, source in sources.texts.items():
        text = source.model.root.get(clause.replacement or "")
        if isinstance(text, str) and not _RESTORABLE.fullmatch(text):
            message = (
                f'text "{clause.replacement}" for locale "{locale}" must hold {LABEL} and {NUMBER} '
                f"between brackets or other signs, as in [{LABEL}_{NUMBER}], to be found in a reply"
            )
            yield policy.mistake((*here, "restore"), message, at_key=True)


def _check_key(sources: Sources, policy: Document, here: Location, key: str) -> Iterator[Mistake]:
    for locale, source in sources.texts.items():
        written = _written(source.document)
        if key not in written:
            message = f'no text "{key}" for locale "{locale}"{nearest(key, written)}'
            yield policy.mistake(here, message)


def _written(document: Document) -> set[str]:
    """The top-level names in the file, also those whose values have mistakes."""
    return {str(path[0]) for path in document.keys}


def _at_condition(
    policy: Document, here: Location, expression: str, error: ConditionError
) -> Iterator[Mistake]:
    mark = policy.values[here]
    for problem in error.problems:
        place = policy.mistake(here, f"column {problem.column}: {problem.message}")
        if "\n" in expression.strip():
            message = f"line {problem.line}, {place.message}"
            place = policy.mistake(here, message)
        elif mark.lead is not None:
            yield Mistake(
                file=place.file,
                line=mark.line,
                column=mark.column + mark.lead + problem.column - 1,
                field=place.field,
                message=problem.message,
            )
            continue
        yield place


def _check_coverage(sources: Sources) -> Iterator[Mistake]:
    """Every hazard has a clause, or the policy says that it knows it has none."""
    policy = sources.policy.document
    if ("clauses",) not in policy.keys:
        return
    ignored: list[Any] = getattr(sources.policy.model, "ignored_hazards", [])
    written = {
        value
        for place in sources.clauses
        for value in _raw_list(policy, ("clauses", place, "hazards"))
    }
    for hazard in Hazard:
        if hazard in written and hazard in ignored:
            where = ("ignored_hazards", ignored.index(hazard))
            yield policy.mistake(where, f'"{hazard}" has a clause')
        elif hazard not in written and hazard not in ignored:
            message = f'no clause for hazard "{hazard}"; add one, or list it in ignored_hazards'
            yield policy.mistake(("clauses",), message, at_key=True)


def _raw_list(document: Document, location: Location) -> list[Any]:
    data = document.data
    for part in location:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return []
    return data if isinstance(data, list) else []


def _check_degraded(sources: Sources) -> Iterator[Mistake]:
    policy = sources.policy.document
    for place, rule in enumerate(getattr(sources.policy.model, "degraded", [])):
        if not isinstance(rule, DegradedModel):
            continue
        here: Location = ("degraded", place)
        if rule.guard == rule.fallback:
            yield policy.mistake((*here, "fallback"), "a guard cannot stand in for itself")
        own = cutoffs(rule.thresholds)
        for clause in sources.clauses.values():
            usual_thresholds = clause.thresholds
            if not isinstance(usual_thresholds, Thresholds) or not _meet(rule, clause):
                continue
            usual = cutoffs(usual_thresholds)
            lax = [str(a) for a, cutoff in own.items() if not cutoff < usual[a]]
            if lax:
                message = (
                    f'must be lower than in clause "{clause.id}", which it replaces, for '
                    f"{', '.join(lax)}"
                )
                yield policy.mistake((*here, "thresholds"), message)


def _meet(rule: DegradedModel, clause: ClauseModel) -> bool:
    return bool(
        set(rule.hazards) & set(clause.hazards) and set(rule.subjects) & set(clause.subjects)
    )


def compile_conditions(sources: Sources) -> dict[int, Condition | None]:
    """The condition of every clause by its place; for sources without mistakes."""
    compiler = Compiler(lists(sources))
    return {
        place: compiler.compile(clause.when) if clause.when else None
        for place, clause in sources.clauses.items()
    }
