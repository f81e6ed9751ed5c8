"""CEL conditions: compiled once, checked by a trial, evaluated with only what they mention."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cel_expr_python import cel

from guards.conversation import Exchange, Role, Subject
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from policies.audience import Audience
from policies.call import CallFacts
from policies.phrases import PhraseList, Wording

MENTIONS = "mentions."
ASKED = "asked."
CALL = "call."
ARGUMENTS = "call.arguments"

VARIABLES: dict[str, tuple[str, str]] = {
    "text": ("string", "The judged text."),
    "user_text": ("string", "The person's latest message; the judged text itself on user_input."),
    "subject": ("string", "What is judged, `user_input` and so on."),
    "audience": ("string", "`general`, `minor` or `adult`."),
    "locale": ("string", "The turn's locale as given, `zh-CN`."),
    "tool": ("string", "Name of the called tool on `tool_call`, else empty."),
    "p": ("map(string, double)", "Highest probability any guard gave, by hazard: `p.hate`."),
    "call.plugin": ("string", "The plugin of the called tool; empty for a caller's own tool."),
    "call.effect": (
        "string",
        "What the tool leaves behind: `none`, `reversible`, `irreversible`, or `unknown`.",
    ),
    "call.egress": (
        "string",
        "Where the arguments may end up: `none`, `named`, `open` (wherever they say), `unknown`.",
    ),
    "call.influenced": (
        "bool",
        "Whether what came from data, not from the user or the operator, may have shaped the call.",
    ),
    "call.untrusted": ("list(string)", "Arguments that neither user nor operator wrote."),
    "call.targets": (
        "list(string)",
        "Those of `call.untrusted` that say where to, to whom, how much or which.",
    ),
    "call.sends": (
        "string",
        "The highest class of data in the arguments: `public`, `user`, `tenant` or `secret`.",
    ),
    "call.arguments": (
        "map(string, dyn)",
        "The arguments: `call.arguments.to`. An absent one refuses; ask `has(call.arguments.to)`.",
    ),
    "call.retried": ("bool", "Whether the turn may have done this before and nobody knows."),
    "call.tenant": ("string", "The tenant on whose behalf it is called; empty where unknown."),
    "call.user": ("string", "The tenant's user, as its application names them."),
}
"""Every variable a condition may use, with its CEL type and meaning, besides the phrase lists."""

_TYPES = {
    "string": cel.Type.STRING,
    "bool": cel.Type.BOOL,
    "list(string)": cel.Type.List(cel.Type.STRING),
    "map(string, double)": cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
    "map(string, dyn)": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
}
_WORDS: dict[str, frozenset[str]] = {
    "call.effect": frozenset({"none", "reversible", "irreversible", "unknown"}),
    "call.egress": frozenset({"none", "named", "open", "unknown"}),
    "call.sends": frozenset({"public", "user", "tenant", "secret"}),
}
"""All that these variables ever say; compared with anything else, a rule would never apply."""
_COMPARED = re.compile(
    r"(?<![\w.])(call\.(?:effect|egress|sends))\s*(?:[!=]=\s*|in\s*\[)((?:\s*,?\s*(?:'[^']*'|\"[^\"]*\"))+)"
)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_ARGUMENT = re.compile(r"(?<![\w.])call\.arguments(?:\.(\w+)|\[\s*(?:'([^']*)'|\"([^\"]*)\")\s*\])")
_ABSENT = re.compile(r'Key not found in map : "(.*)"')
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
        _check_words(expression)
        arguments = {name for names in _ARGUMENT.findall(expression) for name in names if name}
        for mentioned in (False, True):
            _try_out(program, needs, mentioned, arguments)
        return Condition(expression=expression, needs=needs, program=program)


def _check_words(expression: str) -> None:
    """Find the misspelt words that the compiler takes for any other text."""
    problems = []
    for comparison in _COMPARED.finditer(expression):
        variable = comparison[1]
        for word in _QUOTED.finditer(comparison[2]):
            said = word[1] if word[2] is None else word[2]
            if said not in _WORDS[variable]:
                known = ", ".join(sorted(_WORDS[variable]))
                before = expression[: comparison.start(2) + word.start()]
                line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
                message = f'{variable} is never "{said}", but one of: {known}'
                problems.append(Problem(line=line, column=column, message=message))
    if problems:
        raise ConditionError(problems)


_SAMPLES: dict[str, Any] = {
    "string": "sample",
    "list(string)": ["sample"],
    "map(string, double)": {hazard.value: 0.5 for hazard in Hazard},
    "map(string, dyn)": {},
}


def _try_out(
    program: Any, needs: Iterable[str], mentioned: bool, arguments: Collection[str]
) -> None:
    """Find what the compiler cannot see: a bad regular expression, a misspelt hazard.

    Nobody knows yet what a call's ``arguments`` will hold, so those may be absent.
    """
    samples: Mapping[str, Any] = {
        name: _SAMPLES.get(kind, mentioned) for name, (kind, _) in VARIABLES.items()
    }
    try:
        result = program.eval(data={name: samples.get(name, mentioned) for name in needs})
        value = result.value()
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConditionError([_at_start(f"cannot be evaluated: {error}")]) from None
    if value is not True and value is not False:
        reason = re.sub(r"^[A-Z_]+: ", "", str(value))
        absent = _ABSENT.fullmatch(reason)
        if absent is not None and absent[1] in arguments:
            return
        raise ConditionError([_at_start(f"cannot be evaluated: {reason}")])


def _at_start(message: str) -> Problem:
    return Problem(line=1, column=1, message=message)


def _problems(report: str) -> list[Problem]:
    found = [
        Problem(line=int(line), column=int(column), message=message)
        for line, column, message in _PROBLEM.findall(report)
    ]
    return found or [_at_start(report)]


_UNKNOWN = CallFacts(tool="")
"""What is known of a call that nobody has told anything about; its name is in the exchange."""


def called_tool(exchange: Exchange) -> str:
    """Name of the tool that the judged message calls; empty when it calls none."""
    calls = exchange.message.tool_calls
    return calls[0].name if calls else ""


class Facts:
    """The variables of one decision, each worked out when first asked for."""

    __slots__ = ("_call", "_exchange", "_lists", "_simple", "_verdict", "_wordings")

    def __init__(
        self,
        exchange: Exchange,
        verdict: PanelVerdict,
        audience: Audience,
        locale: str,
        lists: Mapping[str, PhraseList],
        call: CallFacts | None = None,
    ) -> None:
        self._call = call
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
        if name.startswith(CALL):
            return self._of_call(name)
        match name:
            case "text":
                return self._exchange.text
            case "user_text":
                return self._user_text()
            case "subject":
                return self._exchange.subject.value
            case "tool":
                return called_tool(self._exchange)
            case "p":
                return {hazard.value: self._verdict.probability(hazard) for hazard in Hazard}
            case _:
                return self._simple[name]

    def _of_call(self, name: str) -> Any:
        call = self._call
        if name == ARGUMENTS:
            return self._written_arguments() if call is None else dict(call.arguments)
        value = getattr(_UNKNOWN if call is None else call, name.removeprefix(CALL))
        return list(value) if isinstance(value, tuple) else value

    def _written_arguments(self) -> dict[str, Any]:
        """The arguments as the model wrote them, where nobody has given the parsed ones."""
        calls = self._exchange.message.tool_calls
        written = json.loads(calls[0].arguments or "{}") if calls else {}
        if not isinstance(written, dict):
            raise TypeError("arguments are not a JSON object")
        return written

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
