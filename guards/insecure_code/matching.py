"""Rules applied to code: parsed once, asked only for rules whose words stand in it."""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from guards.guard import GuardNonsenseError
from guards.insecure_code.languages import Language
from guards.insecure_code.rule import Rule, RuleBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A rule that applies to the line ``code[start:end]``, where what it is about begins."""

    rule: Rule
    start: int
    end: int


PIECE = 12_000
"""Code is taken in pieces of about this many characters, which bounds what a rule can cost."""

_LONGEST_LINE = 2_000
_KEPT = 512
_SURROGATES = re.compile("[\ud800-\udfff]")


class Matcher:
    """Finds matches of a rule book. Safe to use from several threads.

    Raises:
        ImportError: the package that parses code is not installed.

    What a piece of code came to is kept under a digest of it, so that a reply judged over and
    over while it grows costs its new pieces only. No code is kept.
    """

    def __init__(self, book: RuleBook) -> None:
        try:
            from ast_grep_py import SgRoot
        except ImportError as error:
            raise ImportError("needs ast-grep-py: pip install 'corral[code]'") from error

        self._parse = SgRoot
        self._book = book
        self._known: OrderedDict[bytes, tuple[Match, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def matches(self, code: str, language: Language, *, whole: bool) -> Iterator[Match]:
        """Every match in ``code``; rules that ask for something missing only if it is ``whole``.

        Raises:
            GuardNonsenseError: the parser broke down.
        """
        rules = self._book.by_language[language]
        for start, piece in pieces(code):
            for match in self._piece(piece, language, rules, whole=whole):
                yield Match(rule=match.rule, start=start + match.start, end=start + match.end)

    def _piece(
        self, code: str, language: Language, rules: tuple[Rule, ...], *, whole: bool
    ) -> tuple[Match, ...]:
        # Lone surrogates are no text a parser takes; the replacement keeps every offset.
        code = _SURROGATES.sub("\ufffd", code)
        key = blake2b(f"{language}{whole:d}{code}".encode(), digest_size=16).digest()
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        asked = [rule for rule in rules if _worth_asking(rule, code, whole=whole)]
        found = tuple(self._asked(code, language, asked)) if asked else ()
        with self._lock:
            self._known[key] = found
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return found

    def _asked(self, code: str, language: Language, rules: list[Rule]) -> Iterator[Match]:
        shift = 0
        source = code
        if language is Language.PHP and "<?" not in code:
            source = "<?php\n" + code
            shift = len(source) - len(code)
        root: Any = None
        for rule in rules:
            if rule.line is not None:
                yield from _in_lines(rule, rule.line, code)
                continue
            try:
                if root is None:
                    root = self._parse(source, language.value).root()
                ranges = [node.range() for node in root.find_all(dict(rule.config or {}))]
            except BaseException as error:
                # A panic of the parser is no Exception, so nothing else would catch it.
                if isinstance(error, Exception) or type(error).__name__ != "PanicException":
                    raise
                raise GuardNonsenseError("the parser of code broke down") from None
            for place in ranges:
                start = max(0, place.start.index - shift)
                end = min(place.end.index - shift, len(code))
                if start < end:
                    yield _on_line(rule, code, start, end)


def pieces(code: str) -> Iterator[tuple[int, str]]:
    """``code`` cut at lines that begin at the margin where possible, with where each begins.

    Where a piece ends depends on what stands before its end only, so that all but the last piece
    of a growing code stay the same.
    """
    start = 0
    while len(code) - start > 2 * PIECE:
        end = code.find("\n", start + PIECE, start + 2 * PIECE - 1) + 1
        margin = end
        while margin and code[margin : margin + 1] in " \t\n\r})]":
            margin = code.find("\n", margin, start + 2 * PIECE - 1) + 1
        end = margin or end or start + 2 * PIECE
        yield start, code[start:end]
        start = end
    yield start, code[start:]


def _worth_asking(rule: Rule, code: str, *, whole: bool) -> bool:
    model = rule.model
    if model.whole and not whole:
        return False
    if model.needs and not any(word in code for word in model.needs):
        return False
    return not any(word in code for word in model.unless)


def _in_lines(rule: Rule, pattern: re.Pattern[str], code: str) -> Iterator[Match]:
    begin = 0
    for line in code.splitlines(keepends=True):
        found = pattern.search(line, 0, _LONGEST_LINE)
        if found and found.end() > found.start():
            yield _on_line(rule, code, begin + found.start(), begin + found.end())
        begin += len(line)


def _on_line(rule: Rule, code: str, start: int, end: int) -> Match:
    """The line that ``start`` stands in, without the blanks around it."""
    begin = code.rfind("\n", 0, start) + 1
    newline = code.find("\n", start)
    line = code[begin : newline if newline >= 0 else len(code)]
    first, last = begin + len(line) - len(line.lstrip()), begin + len(line.rstrip())
    if first < last:
        start, end = first, last
    return Match(rule=rule, start=start, end=end)
