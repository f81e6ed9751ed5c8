"""CEL conditions: compiled once, checked by a trial, evaluated with only what they mention."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cel_expr_python import cel

from guards.conversation import Exchange, Role, Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from policies.audience import Audience
from policies.phrases import PhraseList, Wording

MENTIONS = "mentions."
ASKED = "asked."

VARIABLES: dict[str, tuple[str, str]] = {
    "text": ("string", "The judged text."),
    "user_text": ("string", "The person's latest message; the judged text itself on user_input."),
    "subject": ("string", "What is judged, `user_input` and so on."),
    "audience": ("string", "`general`, `minor` or `adult`."),
    "locale": ("string", "The turn's locale as given, `zh-CN`."),
    "tool": ("string", "Name of the called tool on `tool_call`, else empty."),
    "p": ("map(string, double)", "Highest probability any guard gave, by hazard: `p.hate`."),
}
"""Every variable a condition may use, with its CEL type and meaning, besides the phrase lists."""

_TYPES = {
    "string": cel.Type.STRING,
    "map(string, double)": cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
}
_PROBLEM = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with an expression, at a line and column of it counted from 1."""

    line: int
    column: int
    message: str


class ConditionError(ValueError):
    """An expression that does not compile, or that fails even on harmless values."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))


class ConditionFailedError(RuntimeError):
    """A condition that could not be evaluated; whoever asked must deny. Quotes no text."""


class Lookup(Protocol):
    """Gives the value of a variable by name."""

    def __call__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A compiled expression and the variables it names."""

    expression: str
    needs: tuple[str, ...]
    program: Any = field(repr=False, compare=False)

    def holds(self, value_of: Lookup) -> bool:
        """Evaluate with the values ``value_of`` gives.

        Raises:
            ConditionFailedError: CEL reports an error or anything but a boolean.
        """
        try:
            result = self.program.eval(data={name: value_of(name) for name in self.needs})
            value = result.value()
        except (RuntimeError, ValueError, TypeError) as error:
            raise ConditionFailedError(type(error).__name__) from None
        if value is True or value is False:
            return bool(value)
        raise ConditionFailedError("evaluation error")


class Compiler:
    """Compiles the conditions of one policy, which may name the policy's phrase lists."""

    def __init__(self, lists: Iterable[str]) -> None:
        variables = {name: _TYPES[kind] for name, (kind, _) in VARIABLES.items()}
        for name in lists:
            variables[MENTIONS + name] = variables[ASKED + name] = cel.Type.BOOL
        self._names = {
            name: re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)") for name in variables
        }
        self._environment = cel.NewEnv(variables=variables)

    def compile(self, expression: str) -> Condition:
        """Compile ``expression`` and try it on harmless values.

        Raises:
            ConditionError: with line and column where CEL gives them.
        """
        try:
            program = self._environment.compile(expression)
        except (RuntimeError, ValueError, TypeError) as error:
            raise ConditionError(_problems(str(error))) from None
        if program.return_type() != cel.Type.BOOL:
            kind = program.return_type().name().lower()
            raise ConditionError([_at_start(f"must be true or false, not {kind}")])
        needs = tuple(n for n, pattern in self._names.items() if pattern.search(expression))
        for mentioned in (False, True):
            _try_out(program, needs, mentioned)
        return Condition(expression=expression, needs=needs, program=program)


def _try_out(program: Any, needs: Iterable[str], mentioned: bool) -> None:
    """Find what the compiler cannot see: a bad regular expression, a misspelt hazard."""
    samples: Mapping[str, Any] = dict.fromkeys(VARIABLES, "sample") | {
        "p": {hazard.value: 0.5 for hazard in Hazard}
    }
    try:
        result = program.eval(data={name: samples.get(name, mentioned) for name in needs})
        value = result.value()
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConditionError([_at_start(f"cannot be evaluated: {error}")]) from None
    if value is not True and value is not False:
        reason = re.sub(r"^[A-Z_]+: ", "", str(value))
        raise ConditionError([_at_start(f"cannot be evaluated: {reason}")])


def _at_start(message: str) -> Problem:
    return Problem(line=1, column=1, message=message)


def _problems(report: str) -> list[Problem]:
    found = [
        Problem(line=int(line), column=int(column), message=message)
        for line, column, message in _PROBLEM.findall(report)
    ]
    return found or [_at_start(report)]


class Facts:
    """The variables of one decision, each worked out when first asked for."""

    __slots__ = ("_exchange", "_lists", "_simple", "_verdict", "_wordings")

    def __init__(
        self,
        exchange: Exchange,
        verdict: PanelVerdict,
        audience: Audience,
        locale: str,
        lists: Mapping[str, PhraseList],
    ) -> None:
        self._exchange = exchange
        self._verdict = verdict
        self._lists = lists
        self._simple = {"audience": audience.value, "locale": locale}
        self._wordings: dict[str, Wording] = {}

    def __call__(self, name: str, /) -> Any:
        if name.startswith(MENTIONS):
            return self._mentions(name.removeprefix(MENTIONS), "text", lambda: self._exchange.text)
        if name.startswith(ASKED):
            if self._exchange.subject is Subject.USER_INPUT:
                return self(MENTIONS + name.removeprefix(ASKED))
            return self._mentions(name.removeprefix(ASKED), "user_text", self._user_text)
        match name:
            case "text":
                return self._exchange.text
            case "user_text":
                return self._user_text()
            case "subject":
                return self._exchange.subject.value
            case "tool":
                calls = self._exchange.message.tool_calls
                return calls[0].name if calls else ""
            case "p":
                return {hazard.value: self._verdict.probability(hazard) for hazard in Hazard}
            case _:
                return self._simple[name]

    def _mentions(self, name: str, source: str, text: Callable[[], str]) -> bool:
        wording = self._wordings.get(source)
        if wording is None:
            wording = self._wordings[source] = Wording.of(text())
        return self._lists[name].found_in(wording)

    def _user_text(self) -> str:
        if self._exchange.subject is Subject.USER_INPUT:
            return self._exchange.text
        for message in reversed(self._exchange.context):
            if message.role is Role.USER:
                return message.text
        return ""
