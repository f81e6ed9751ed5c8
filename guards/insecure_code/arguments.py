"""Code in a tool call's arguments: strings of its JSON that are code."""

import re
from dataclasses import replace

from guards.insecure_code.blocks import CodeBlock, Origin, find_blocks
from guards.insecure_code.languages import Language, detect_language, language_named

# A string that never ends ends with the text: so nothing is looked at twice.
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)(?:"(\s*:)?|\\?\Z)', re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_CODE_KEYS = re.compile(r"(?i)code|script|source|program|snippet|cell\Z")
_FIXED = {
    "sql": Language.SQL,
    "query": Language.SQL,
    "statement": Language.SQL,
    "command": Language.SHELL,
    "cmd": Language.SHELL,
    "bash": Language.SHELL,
    "shell": Language.SHELL,
}
_NAMING = frozenset({"language", "lang", "syntax"})


def find_code_arguments(arguments: str) -> list[CodeBlock]:
    """The strings of ``arguments`` that are code, decoded; origins lead into the raw JSON.

    A string is code when its key says so (``sql``, ``command``, ``python``), when another string
    under ``language`` names the language and its own key is one for code, when it holds fences,
    or when it plainly looks like code.
    """
    found = []
    strings = list(_keyed(arguments))
    named = next((language_named(raw) for key, raw, _ in strings if key.lower() in _NAMING), None)
    for key, raw, start in strings:
        text, origin = _decoded(raw, start)
        if "```" in text or "~~~" in text:
            found += [_rebased(block, origin) for block in find_blocks(text)]
            continue
        language = _FIXED.get(key.lower()) or language_named(key)
        if language is None and _CODE_KEYS.search(key):
            language = named or detect_language(text, bare=False)
        elif language in {Language.SQL, Language.SHELL} and "\n" in text:
            language = detect_language(text, bare=False) or language
        if language is None:
            language = detect_language(text, bare=True)
        if language is not None:
            found.append(CodeBlock(code=text, language=language, closed=True, origin=origin))
    return found


def _keyed(arguments: str) -> list[tuple[str, str, int]]:
    """Each string value with the key before it and where it begins."""
    found = []
    key = ""
    for match in _STRING.finditer(arguments):
        if match.group(2) is not None:
            key = match.group(1)[:64]
        elif match.group(1):
            found.append((key, match.group(1), match.start(1)))
    return found


def _decoded(raw: str, start: int) -> tuple[str, Origin]:
    origin = Origin()
    origin.add(0, start)
    pieces: list[str] = []
    length = at = 0
    for escape in _ESCAPE.finditer(raw):
        plain = raw[at : escape.start()]
        code = escape.group(1)
        char = chr(int(code, 16)) if code else _SHORT.get(escape.group(2), escape.group(2))
        pieces += (plain, char)
        length += len(plain)
        origin.add(length, start + escape.start())
        length += 1
        at = escape.end()
        origin.add(length, start + at)
    pieces.append(raw[at:])
    return "".join(pieces), origin


def _rebased(block: CodeBlock, outer: Origin) -> CodeBlock:
    return replace(block, closed=True, origin=block.origin.within(outer, len(block.code)))
