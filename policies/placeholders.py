"""What stands for redacted values in a session: the same placeholder for the same value."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from guards.redaction import Cut, redact
from policies.decision import NUMBER, TEXT, Redaction, Rewrite

MOST = 1_000
"""Values that are told apart in one session. All others share the number 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """One value that was replaced.

    Attributes:
        template: the replacement with ``{number}`` in it.
        number: counts the values of one template from 1.
        digest: of the value, so that it is known again.
        value: as it was first written; kept only where a clause lets replies give it back.
    """

    template: str
    number: int
    digest: str
    value: str | None

    @property
    def text(self) -> str:
        """What stands for the value, ``[EMAIL_1]``."""
        return self.template.replace(NUMBER, str(self.number))


class Placeholders:
    """The placeholders of one session, or of one conversation that is not remembered.

    Numbers are given in the order in which values are first met, so deciding about the same
    conversation again gives the same placeholders.
    """

    def __init__(self, known: Iterable[Placeholder] = ()) -> None:
        self._known = {(entry.template, entry.digest): entry for entry in known}
        self._taken = {entry.text for entry in self._known.values()}
        self._last: dict[str, int] = {}

    @property
    def known(self) -> tuple[Placeholder, ...]:
        """Every value met so far, oldest first."""
        return tuple(self._known.values())

    @property
    def values(self) -> dict[str, str]:
        """The values that may be given back, by placeholder."""
        return {p.text: p.value for p in self._known.values() if p.value is not None}

    def rewritten(self, text: str, decision: Rewrite) -> str:
        """``text`` as ``decision`` has it."""
        return redact(text, self.cuts(text, decision))

    def cuts(self, text: str, decision: Rewrite) -> tuple[Cut, ...]:
        """What ``decision`` takes out of ``text``, and what stands there instead."""
        return tuple(
            Cut(span=redaction.span, replacement=self._replacement(text, redaction))
            for redaction in decision.redactions
        )

    def conceal(self, text: str) -> str:
        """``text`` with every value that replies give back replaced by its placeholder."""
        texts = {value: placeholder for placeholder, value in self.values.items()}
        if not texts:
            return text
        longest_first = sorted(texts, key=len, reverse=True)
        pattern = "|".join(map(_as_a_whole, longest_first))
        return re.sub(pattern, lambda match: texts[match[0]], text)

    def given_back(self, value: Any) -> Any:
        """A JSON value with every placeholder in its texts replaced by what it stands for."""
        values = self.values
        return _given_back(value, values) if values else value

    def _replacement(self, text: str, redaction: Redaction) -> str:
        template = redaction.replacement
        value = text[redaction.span.start : redaction.span.end]
        if NUMBER not in template:
            return template.replace(TEXT, value)
        key = (template, _digest(value))
        entry = self._known.get(key)
        if entry is None:
            if len(self._known) >= MOST:
                return template.replace(NUMBER, "0")
            entry = Placeholder(
                template=template, number=self._free(template, text), digest=key[1], value=None
            )
            self._taken.add(entry.text)
        if redaction.restore and entry.value is None:
            entry = Placeholder(
                template=template, number=entry.number, digest=entry.digest, value=value
            )
        self._known[key] = entry
        return entry.text

    def _free(self, template: str, text: str) -> int:
        """The next number; not one whose placeholder somebody wrote there themselves."""
        number = self._last.get(template, 0) + 1
        while (taken := template.replace(NUMBER, str(number))) in self._taken or taken in text:
            number += 1
        self._last[template] = number
        return number


def _given_back(value: Any, values: Mapping[str, str]) -> Any:
    match value:
        case str() as text:
            # The longest first, as one placeholder may begin another.
            for placeholder in sorted(values, key=len, reverse=True):
                text = text.replace(placeholder, values[placeholder])
            return text
        case dict() as fields:
            return {name: _given_back(inner, values) for name, inner in fields.items()}
        case list() as items:
            return [_given_back(inner, values) for inner in items]
        case _:
            return value


def _digest(value: str) -> str:
    """The same for all ways to write a value: letters of either case, digits however grouped."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    plain = folded if "@" in folded else "".join(filter(str.isalnum, folded)) or folded
    data = plain.encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=16, person=b"placeholder").hexdigest()


def _as_a_whole(value: str) -> str:
    """A pattern for ``value`` where it is no piece of a longer word or number."""
    before = r"(?<![^\W_])" if value[0].isascii() and value[0].isalnum() else ""
    after = r"(?![^\W_])" if value[-1].isascii() and value[-1].isalnum() else ""
    return f"{before}{re.escape(value)}{after}"
