"""Everything that can be said about a policy without running it, its cases included."""

from collections.abc import Iterator
from pathlib import Path

from guards.conversation import Subject
from policies.cases import CaseModel, CasesModel, ExpectModel, FindingModel
from policies.clause import RESERVED_IDS
from policies.consistency import find_mistakes
from policies.mistakes import Mistake, PolicyError
from policies.sources import Source, Sources, read_source, read_sources, sound_items
from policies.validation import nearest


def check(path: str | Path) -> tuple[Mistake, ...]:
    """Every mistake in the policy at ``path``, the files it names, and its cases."""
    try:
        sources = read_sources(Path(path))
    except PolicyError as error:
        return error.mistakes
    mistakes = [*sources.mistakes, *find_mistakes(sources)]
    cases = _read_cases(sources, mistakes)
    if cases is not None:
        mistakes.extend(_case_mistakes(sources, cases))
    return tuple(sorted(mistakes, key=lambda m: (m.file != Path(path).as_posix(), m.file, m.line)))


def load_cases(path: str | Path) -> tuple[CaseModel, ...]:
    """The cases of the policy at ``path``.

    Raises:
        PolicyError: the policy or its cases have mistakes.
    """
    mistakes = check(path)
    if mistakes:
        raise PolicyError(mistakes)
    source = _read_cases(read_sources(Path(path)), [])
    return tuple(source.model.cases) if source else ()


def _read_cases(sources: Sources, mistakes: list[Mistake]) -> Source[CasesModel] | None:
    file = getattr(sources.policy.model, "cases", None)
    return read_source(sources.path.parent / file, CasesModel, mistakes) if file else None


def _case_mistakes(sources: Sources, source: Source[CasesModel]) -> Iterator[Mistake]:
    document, policy = source.document, sources.policy.document
    clauses = {
        name: clause
        for clause in sources.clauses.values()
        if (name := getattr(clause, "id", None)) is not None
    }
    expected: dict[str, str | None] = {}
    for place, case in sound_items(document, "cases", CaseModel).items():
        here = ("cases", place)
        name = getattr(case, "id", None)
        if name in expected:
            yield document.mistake((*here, "id"), f'"{name}" is taken by another case')
        clause = _expected_clause(case)
        if name is not None:
            expected[name] = clause
        if clause is not None and clause not in RESERVED_IDS:
            where = (*here, "expect", "clause")
            if clause not in clauses:
                message = f'no clause "{clause}"{nearest(clause, clauses)}'
                yield document.mistake(where, message)
            elif name not in getattr(clauses[clause], "tests", [name]):
                message = f'clause "{clause}" does not list this case under tests'
                yield document.mistake(where, message)
        yield from _script_mistakes(source, place, case)
    for place, model in sources.clauses.items():
        tests = getattr(model, "tests", None)
        if tests is None:
            continue
        for index, test in enumerate(tests):
            if test not in expected:
                message = f'no case "{test}"{nearest(test, expected)}'
                yield policy.mistake(("clauses", place, "tests", index), message)
        name = getattr(model, "id", None)
        if name is not None and all(expected.get(test, name) != name for test in tests):
            message = f'none of these cases expects clause "{name}" to decide'
            yield policy.mistake(("clauses", place, "tests"), message)


def _expected_clause(case: CaseModel) -> str | None:
    """Also of a case with mistakes elsewhere, whose parts are not models yet."""
    expect: object = getattr(case, "expect", None)
    if isinstance(expect, ExpectModel):
        return expect.clause
    return expect.get("clause") if isinstance(expect, dict) else None


def _script_mistakes(source: Source[CasesModel], place: int, case: CaseModel) -> Iterator[Mistake]:
    """Scripted guards that do not fit together, which would make the case prove nothing."""
    document = source.document
    guards: list[str] = getattr(case, "guards", [])
    for guard in getattr(case, "failures", {}):
        if guard in guards:
            where = ("cases", place, "failures", guard)
            yield document.mistake(where, "this guard also gives a verdict", at_key=True)
    for guard in getattr(case, "rechecked", {}):
        if guard not in guards:
            where = ("cases", place, "rechecked", guard)
            yield document.mistake(where, "this guard gives no verdict", at_key=True)
    if getattr(case, "call", None) is not None and not getattr(case, "tool", ""):
        yield document.mistake(("cases", place, "call"), "needs tool: it says what is called")
    if getattr(case, "tool", None) is not None and case.subject is not Subject.TOOL_CALL:
        message = f"nothing is called on {case.subject}: the subject must be tool_call"
        yield document.mistake(("cases", place, "tool"), message)
    for index, finding in enumerate(getattr(case, "findings", [])):
        where = ("cases", place, "findings", index)
        if not isinstance(finding, FindingModel):
            continue
        if (finding.guard or next(iter(guards), "")) not in guards:
            yield document.mistake(where, "found by no guard that gives a verdict")
        if finding.at is not None and finding.at not in getattr(case, "text", finding.at):
            yield document.mistake((*where, "at"), "does not stand in the text")
