"""Every rule holds on the examples it brings along."""

import re
from collections.abc import Iterator

import pytest

from guards.insecure_code.languages import Language
from guards.insecure_code.matching import Matcher
from guards.insecure_code.rule import Rule, RuleModel, _ascii_classes, rule_book

MATCHER = Matcher(rule_book())


def examples(kind: str) -> Iterator[tuple[Rule, Language, str]]:
    for rule in rule_book().rules:
        for language in rule.model.languages:
            for code in getattr(rule.model, kind):
                yield rule, language, code


def named(rule: Rule, language: Language, code: str) -> bool:
    found = MATCHER.matches(code, language, whole=True)
    return any(match.rule.model.id == rule.model.id for match in found)


def test_every_rule_matches_its_bad_examples() -> None:
    silent = [(r.model.id, lang, c) for r, lang, c in examples("bad") if not named(r, lang, c)]
    assert silent == []


def test_no_rule_matches_its_good_examples() -> None:
    wrong = [(r.model.id, lang, c) for r, lang, c in examples("good") if named(r, lang, c)]
    assert wrong == []


def test_a_broken_line_before_and_after_changes_nothing() -> None:
    silent = []
    for rule, language, code in examples("bad"):
        if rule.model.id.startswith(("any-", "sql-", "shell-")) or language is Language.PHP:
            continue
        if not named(rule, language, f"{code}\n)))\n"):
            silent.append(rule.model.id)
    # A rule that looks at what surrounds a match may lose it to broken code; most must not.
    assert len(silent) <= 12, silent


def test_rules_cover_the_languages_people_ask_for() -> None:
    covered = {lang: len(rules) for lang, rules in rule_book().by_language.items()}
    assert min(covered.values()) >= 5
    for language in ("python", "javascript", "typescript", "java", "c", "cpp", "csharp", "php"):
        assert covered[Language(language)] >= 15, language


def test_what_a_rule_says_is_written_for_people() -> None:
    for rule in rule_book().rules:
        model = rule.model
        assert model.title[0].isupper()
        assert not model.title.endswith(".")
        assert model.message.endswith((".", ")")), model.id
        assert re.fullmatch(r"CWE-\d{1,4}", rule.label)


def test_a_rule_needs_one_way_to_match() -> None:
    fields = {
        "id": "python-x",
        "cwe": 1,
        "title": "A title of some length",
        "message": "A message of some length.",
        "severity": "low",
        "probability": 0.5,
        "languages": ["python"],
        "bad": ["x"],
        "good": ["y"],
    }
    with pytest.raises(ValueError, match="either match or text"):
        RuleModel.model_validate(fields)
    with pytest.raises(ValueError, match="either match or text"):
        RuleModel.model_validate({**fields, "text": "x", "match": {"kind": "call"}})
    assert RuleModel.model_validate({**fields, "text": "x"}).text == "x"


def test_an_unknown_rule_is_an_error() -> None:
    assert rule_book().rule("python-eval").label == "CWE-94"
    with pytest.raises(KeyError):
        rule_book().rule("python-none")


def test_classes_become_ascii_ones() -> None:
    assert _ascii_classes(r"\w\s[\w.]\S\b\\w") == (
        r"[A-Za-z0-9_][ \t\r\n][A-Za-z0-9_.][^ \t\r\n](?-u:\b)\\w"
    )
    assert _ascii_classes(r"[^\]\d]") == r"[^\]0-9]"
    with pytest.raises(ValueError, match="brackets"):
        _ascii_classes(r"[\S]")
