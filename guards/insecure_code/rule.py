"""The rules: YAML files beside this module, one for each family of languages."""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from guards.insecure_code.languages import KINDRED, Language


class Severity(StrEnum):
    """How bad it is when the code runs as written."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class RuleModel(BaseModel):
    """One rule of a file. ``match`` and ``text`` are alternatives."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    id: Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z0-9]+)+$")]
    cwe: int = Field(ge=1, le=9999)
    title: str = Field(min_length=8, max_length=80)
    message: str = Field(min_length=20, description="What is wrong, and what to write instead.")
    severity: Annotated[Severity, Field(strict=False)]
    probability: float = Field(gt=0, lt=1, description="How often a match is a real weakness.")
    languages: list[Annotated[Language, Field(strict=False)]] = Field(min_length=1)
    needs: list[str] = Field(
        default=[], description="One of these stands in every code that can match."
    )
    unless: list[str] = Field(
        default=[], description="Code that has one of these is not looked at."
    )
    whole: bool = Field(
        default=False,
        description="Asks for something that is missing, so it needs the whole code.",
    )
    match: dict[str, Any] | None = Field(default=None, description="An ast-grep rule.")
    text: str | None = Field(default=None, description="A regular expression for one line.")
    bad: list[str] = Field(min_length=1)
    good: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.match is None) == (self.text is None):
            raise ValueError("give either match or text")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule ready for use.

    Attributes:
        config: what ast-grep is asked for; ``None`` where ``line`` is searched instead.
    """

    model: RuleModel
    config: Mapping[str, Any] | None
    line: re.Pattern[str] | None

    @property
    def label(self) -> str:
        """``CWE-89``."""
        return f"CWE-{self.model.cwe}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """Every rule by the languages it covers, and a digest that changes with any of them."""

    rules: tuple[Rule, ...]
    by_language: Mapping[Language, tuple[Rule, ...]]
    digest: str

    def rule(self, rule_id: str) -> Rule:
        """The rule called ``rule_id``.

        Raises:
            KeyError: there is none.
        """
        for rule in self.rules:
            if rule.model.id == rule_id:
                return rule
        raise KeyError(rule_id)


@cache
def rule_book() -> RuleBook:
    """The packaged rules.

    Raises:
        ValueError: a file is not what it should be; names the file.
    """
    folder = resources.files("guards.insecure_code") / "rules"
    digest = hashlib.sha256()
    rules: list[Rule] = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if not file.name.endswith(".yaml"):
            continue
        content = file.read_bytes()
        digest.update(content)
        try:
            rules += [_ready(RuleModel.model_validate(item)) for item in yaml.safe_load(content)]
        except ValueError as error:
            raise ValueError(f"{file.name}: {error}") from error
    return _book(rules, digest.hexdigest()[:12])


def _ready(model: RuleModel) -> Rule:
    config = None
    if model.match is not None:
        config = {"rule": _in_ascii(model.match)}
    return Rule(model=model, config=config, line=re.compile(model.text) if model.text else None)


_CLASSES = {"w": "A-Za-z0-9_", "s": " \\t\\r\\n", "d": "0-9"}
_CLASS = re.compile(r"(\\[\\\[\]^])|(\[\^?)|(\])|\\([wsdWSDb])", re.DOTALL)


def _in_ascii(node: Any) -> Any:
    """The same rule with its regular expressions' classes in ASCII.

    The engine compiles expressions anew for every question, and classes of all of Unicode take
    it milliseconds.
    """
    if isinstance(node, dict):
        return {
            key: _ascii_classes(value) if key == "regex" else _in_ascii(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_in_ascii(item) for item in node]
    return node


def _ascii_classes(regex: str) -> str:
    within = False

    def written(match: re.Match[str]) -> str:
        nonlocal within
        _, opened, closed, name = match.groups()
        if opened and not within:
            within = True
        elif closed:
            within = False
        if not name:
            return match.group()
        if name == "b":
            return r"(?-u:\b)"
        inner = _CLASSES[name.lower()]
        if name.islower():
            return inner if within else f"[{inner}]"
        if within:
            raise ValueError(f"no \\{name} inside brackets: {regex}")
        return f"[^{inner}]"

    return _CLASS.sub(written, regex)


def _book(rules: Iterable[Rule], digest: str) -> RuleBook:
    every = tuple(rules)
    names = [rule.model.id for rule in every]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"rules of the same name: {', '.join(twice)}")
    covered = {
        language: tuple(rule for rule in every if language in _covered(rule.model.languages))
        for language in Language
    }
    return RuleBook(rules=every, by_language=covered, digest=digest)


def _covered(languages: Iterable[Language]) -> set[Language]:
    return {also for language in languages for also in KINDRED.get(language, (language,))}
