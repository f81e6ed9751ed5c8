"""Code in a reply: fenced blocks, also unclosed and nested ones, and replies that are all code."""

import re
from bisect import bisect_right
from dataclasses import dataclass

from guards.insecure_code.languages import Language, detect_language, language_named


class Origin:
    """Where each character of a block's code stands in the text it was taken from."""

    __slots__ = ("_code", "_text")

    def __init__(self) -> None:
        self._code: list[int] = []
        self._text: list[int] = []

    def add(self, code: int, text: int) -> None:
        """From offset ``code`` of the code on, characters follow ``text`` without a gap."""
        self._code.append(code)
        self._text.append(text)

    def place(self, offset: int) -> int:
        """The offset in the text of the character at ``offset`` of the code."""
        i = max(0, bisect_right(self._code, offset) - 1)
        return self._text[i] + offset - self._code[i]

    def within(self, outer: "Origin", length: int) -> "Origin":
        """The same for ``length`` characters, where the text is itself code from ``outer``."""
        origin = Origin()
        for offset in range(length + 1):
            place = outer.place(self.place(offset))
            if not offset or place != origin.place(offset):
                origin.add(offset, place)
        return origin


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """Code found in a text.

    Attributes:
        code: the code itself, without the indentation or quotation marks of what it stands in.
        language: ``None`` where neither a name nor the content tells.
        closed: whether the block's end has been seen.
        origin: from offsets of ``code`` to offsets of the text.
    """

    code: str
    language: Language | None
    closed: bool
    origin: Origin


_LINES = re.compile(r"[^\n]*\n|[^\n]+\Z")
_CONTAINER = re.compile(r"[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]{1,8}[ \t>]*)*\Z")
_MARK = re.compile(r"`{3,}|~{3,}")
_DEEPEST = 64
"""Characters of list markers, quotation marks and blanks that may stand before a fence."""
_NAME = re.compile(r"[{.\s]*([A-Za-z0-9_+#-]*)")
_PROMPT = re.compile(r"(?:>>>|\.\.\.|\$) ")


def find_blocks(text: str) -> list[CodeBlock]:
    """The code blocks of ``text`` that are not empty, in order.

    Fences may be indented, nested in lists or quotations, and a last one may still be open. A
    text without any fence is one block when it is plainly code from its first line to its last.
    """
    if "```" not in text and "~~~" not in text:
        language = detect_language(text, bare=True)
        return [] if language is None else [_taken(text, [(0, len(text))], language, closed=False)]
    found = []
    opening: _Fence | None = None
    lines: list[tuple[int, int]] = []
    for line in _LINES.finditer(text):
        fence = _fence(line.group())
        if opening is None:
            if fence is not None and fence.opens:
                opening, lines = fence, []
        elif fence is not None and fence.closes(opening):
            if lines:
                found.append(_block(text, opening, lines, closed=True))
            opening = None
        else:
            begin = line.start()
            most = min(begin + opening.depth, line.end())
            while begin < most and text[begin] in " \t>":
                begin += 1
            lines.append((begin, line.end()))
    if opening is not None and lines:
        found.append(_block(text, opening, lines, closed=False))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fence:
    depth: int
    mark: str
    info: str

    @property
    def opens(self) -> bool:
        return self.mark[0] == "~" or "`" not in self.info

    def closes(self, opening: "_Fence") -> bool:
        same = self.mark[0] == opening.mark[0] and len(self.mark) >= len(opening.mark)
        return same and not self.info.strip()


def _fence(line: str) -> _Fence | None:
    if "```" not in line and "~~~" not in line:
        return None
    mark = _MARK.search(line)
    if mark is None or mark.start() > _DEEPEST or not _CONTAINER.match(line[: mark.start()]):
        return None
    return _Fence(depth=mark.start(), mark=mark.group(), info=line[mark.end() :])


def _block(text: str, opening: _Fence, lines: list[tuple[int, int]], *, closed: bool) -> CodeBlock:
    match = _NAME.match(opening.info)
    name = match.group(1) if match else ""
    language = language_named(name)
    if language is None and not name:
        code = "".join(text[begin:end] for begin, end in lines)
        language = detect_language(code, bare=False)
    return _taken(text, lines, language, closed=closed)


def _taken(
    text: str, lines: list[tuple[int, int]], language: Language | None, *, closed: bool
) -> CodeBlock:
    origin = Origin()
    pieces = []
    length = 0
    prompts = language in {Language.PYTHON, Language.SHELL}
    for line, stop in lines:
        begin = line
        if prompts and (prompt := _PROMPT.match(text, begin, stop)):
            begin = prompt.end()
        origin.add(length, begin)
        pieces.append(text[begin:stop])
        length += stop - begin
    return CodeBlock(code="".join(pieces), language=language, closed=closed, origin=origin)
