"""A program's text, made to end in text."""

import ast
import re
import warnings
from dataclasses import dataclass

from plugins.errors import ToolError

LONGEST = 10_000
"""Characters of a program."""

_FENCED = re.compile(r"\s*```[a-zA-Z0-9]*[ \t]*\n(.*?)\n?```\s*", re.DOTALL)
_NO_VALUE = "\n\nNone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """``source`` ends in an expression that is text or ``None``, whatever the program does."""

    source: str


def read_program(code: str, *, value_chars: int) -> Program:
    """Take the marks of a code block off, and have the last value shown as text.

    Values stay in the sandbox: only the first ``value_chars`` characters of what they look like
    come out, so that no size or shape of them can burden this process.

    Raises:
        ToolError: there is no program, or it is too long.
    """
    fenced = _FENCED.fullmatch(code)
    text = fenced[1] if fenced else code
    if not text.strip():
        raise ToolError("code: is empty; write a program, such as print(2 + 2)")
    if len(text) > LONGEST:
        raise ToolError(f"code: has {len(text)} characters, at most {LONGEST} are run")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ToolError("code: holds characters that are no text") from None
    start = _last_expression(text)
    if start is None:
        return Program(source=text + _NO_VALUE)
    before, expression = start
    shown = f'None if __value__ is None else f"{{__value__!r:.{value_chars}}}"'
    return Program(source=f"{before}__value__ = ({expression}\n)\n{shown}")


def _last_expression(text: str) -> tuple[str, str] | None:
    """What stands before the expression that a program ends in, and the expression.

    ``None`` where it ends otherwise, or is beyond this interpreter; the sandbox has its own word
    on that.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = compile(
                text,
                "program",
                "exec",
                ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
                dont_inherit=True,
            )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    last = tree.body[-1] if tree.body else None
    if not isinstance(last, ast.Expr):
        return None
    expression = ast.get_source_segment(text, last)
    lines = text.splitlines(keepends=True)
    if expression is None or any(mark in text for mark in "\f\v\x1c\x1d\x1e\x85\u2028\u2029\r"):
        return None
    first = lines[last.lineno - 1].encode()[: last.col_offset].decode()
    return "".join(lines[: last.lineno - 1]) + first, expression
