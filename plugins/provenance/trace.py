"""Which arguments of a tool call the user or the operator wrote, and what the others hold."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from guards.conversation import Confidentiality, Integrity, Message, Source
from plugins.provenance.amounts import amount, moment, names_amount, names_moment
from plugins.provenance.bounded import inside, is_bounded
from plugins.provenance.sending import Payload, class_of
from plugins.provenance.spelling import bare, plain, stands
from plugins.provenance.transcript import Transcript

MOST_LEAVES = 500
"""Values within one argument that are looked at; one with more is not taken as anybody's."""
_DEPTH = 12
_LONGEST = 20_000
"""Characters of a value that are looked for in what the user wrote."""
_WORK = 50_000_000
"""Characters read to trace one call; what is left after that is not taken as anybody's."""

_POINTERS = re.compile(
    r"https?://[^\s<>\"']+|www\.[^\s<>\"']+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}"
    r"|(?<![\w@.-])(?:[a-z0-9-]{1,63}\.){1,8}(?:ai|app|biz|cc|cn|co|com|de|dev|eu|fr|info|io|ly|me|net|org"
    r"|ru|site|top|uk|us|xyz)(?:/[^\s<>\"']*)?(?![\w@])"
    r"|(?<!\w)[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?(?!\w)"
    r"|(?<!\w)\+?\d(?:[ -]?\d){8,40}(?!\w)",
    re.ASCII,
)
"""What in a free text leads people somewhere: links, addresses, accounts, telephone numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """Where a call's arguments come from.

    Attributes:
        influenced: whether data is in the context that neither user nor operator wrote, and the
            call is not wholly theirs: an argument is not, or none at all is.
        untrusted: names of the arguments that neither wrote, targets first.
        targets: those of ``untrusted`` that say where to, to whom, how much or which. A free text
            is one as well where it leads people somewhere that neither wrote.
        sends: the highest class of what the arguments hold of the context.
    """

    influenced: bool
    untrusted: tuple[str, ...]
    targets: tuple[str, ...]
    sends: Confidentiality


def trace(
    tool_name: str,  # noqa: ARG001 - the seam's shape: no rule here may depend on a name
    arguments: Mapping[str, Any],
    context: tuple[Message, ...],
    *,
    content: frozenset[str],
    schema: Mapping[str, Any],
) -> Traced:
    """Trace ``arguments`` back to the messages of ``context``.

    Trusted messages are those of the user and the operator. The model's own are not, as it may
    repeat in them what it read elsewhere. ``content`` names the arguments that are free text.
    """
    transcript = Transcript(context)
    user, operator = _Words(transcript, Source.USER), _Words(transcript, Source.OPERATOR)
    targets: list[str] = []
    others: list[str] = []
    payloads: list[Payload] = []
    trusted = False
    for name, value in arguments.items():
        argument = _Argument(name=name, value=value, schema=schema, user=user, operator=operator)
        kind = argument.kind()
        trusted = trusted or kind is _Kind.TRUSTED
        free = name in content
        if kind is _Kind.UNTRUSTED:
            astray = not free or argument.points_elsewhere()
            (targets if astray else others).append(name)
        held = (*argument.foreign, *argument.lent)
        payloads += [Payload(text=text, content=free) for text in held]
    tainted = any(m.provenance.integrity is Integrity.UNTRUSTED for m in context)
    return Traced(
        influenced=tainted and (bool(targets or others) or not trusted),
        untrusted=(*targets, *others),
        targets=tuple(targets),
        sends=class_of(payloads, transcript, astray=bool(targets)),
    )


class _Kind(Enum):
    TRUSTED = auto()
    BOUNDED = auto()
    UNTRUSTED = auto()


class _Words:
    """What the user or the operator wrote, within the work that may be spent on one call."""

    __slots__ = ("_read", "_size", "_source", "_texts", "_transcript")

    def __init__(self, transcript: Transcript, source: Source) -> None:
        self._transcript = transcript
        self._source = source
        self._texts: list[str] | None = None
        self._size = 0
        self._read = 0

    @property
    def texts(self) -> list[str]:
        if self._texts is None:
            self._texts = self._transcript.by(self._source)
            self._size = sum(map(len, self._texts))
        return self._texts

    def hold(self, value: object) -> bool:
        """Whether one of the messages holds ``value``."""
        if self._read > _WORK or not self.texts:
            return False
        self._read += self._size
        match value:
            case str():
                return self._hold_text(value)
            case bool():
                return False
            case int() | float():
                return self._hold_amount(value)
            case _:
                return False

    def _hold_text(self, value: str) -> bool:
        if len(value) > _LONGEST:
            return False
        even = bare(plain(value))
        # A letter or digit alone stands in nearly any text, so it says nothing.
        if len(even) > 1 or not even.isascii():
            figures = len(even) < 3 and even.isdigit()  # which days and hours are full of
            if even and not figures and any(stands(even, text) for text in self.texts):
                return True
            when = moment(even)
            if when is not None:
                return any(names_moment(when, text) for text in self.texts)
            return self._hold_amount(even)
        return False

    def _hold_amount(self, value: object) -> bool:
        self._read += 10 * self._size  # there are as many ways to write one
        number = amount(value)
        return number is not None and any(names_amount(number, text) for text in self.texts)


@dataclass(slots=True, kw_only=True)
class _Argument:
    """One argument. ``foreign`` are the texts in it that neither user nor operator wrote;
    ``lent`` those of the operator, which may be confidential though they are trusted."""

    name: str
    value: Any
    schema: Mapping[str, Any]
    user: _Words
    operator: _Words
    foreign: list[str] = field(default_factory=list)
    lent: list[str] = field(default_factory=list)

    def kind(self) -> _Kind:
        """What the argument is, all leaves taken together."""
        own = inside(self.name, self.schema, self.schema)
        # An argument that no property names has a name of its maker's choice.
        strange = [] if own is not None else [self.name]
        kinds = {self._leaf(text, None) for text in strange}
        for count, (leaf, schema) in enumerate(self._leaves(self.value, own or {}, 0)):
            if count >= MOST_LEAVES:
                self.foreign.append(_all_text(self.value))
                return _Kind.UNTRUSTED
            kinds.add(self._leaf(leaf, schema))
        if _Kind.UNTRUSTED in kinds:
            return _Kind.UNTRUSTED
        return _Kind.TRUSTED if _Kind.TRUSTED in kinds else _Kind.BOUNDED

    def points_elsewhere(self) -> bool:
        """Whether the foreign texts hold a link, an address or an account that nobody who is
        trusted wrote."""
        return any(
            not (self.user.hold(found.group()) or self.operator.hold(found.group()))
            for text in self.foreign
            for found in _POINTERS.finditer(plain(text))
        )

    def _leaf(self, leaf: Any, schema: Mapping[str, Any] | None) -> _Kind:
        if self.user.hold(leaf):
            return _Kind.TRUSTED
        if self.operator.hold(leaf):
            self.lent.append(_all_text(leaf))
            return _Kind.TRUSTED
        if schema is not None and is_bounded(leaf, schema, self.schema):
            return _Kind.BOUNDED
        self.foreign.append(_all_text(leaf))
        return _Kind.UNTRUSTED

    def _leaves(
        self, value: Any, schema: Mapping[str, Any], depth: int
    ) -> Iterator[tuple[Any, Mapping[str, Any] | None]]:
        if depth > _DEPTH:
            yield value, None
            return
        match value:
            case dict() if value:
                for name, inner in value.items():
                    own = inside(name, schema, self.schema)
                    if own is None:
                        yield name, None
                    yield from self._leaves(inner, own or {}, depth + 1)
            case list() | tuple() if value:
                own = inside(None, schema, self.schema) or {}
                for inner in value:
                    yield from self._leaves(inner, own, depth + 1)
            case _:
                yield value, schema


def _all_text(value: Any) -> str:
    """Every text and number in ``value``, however deep; without recursion, which would be the
    caller's to exhaust."""
    found, pending = [], [value]
    while pending:
        match pending.pop():
            case dict() as fields:
                pending += [*fields.values(), *fields.keys()]
            case list() | tuple() as items:
                pending += reversed(items)
            case leaf:
                found.append(leaf if isinstance(leaf, str) else str(leaf))
    return " ".join(found)
