"""The guard that finds insecure code in replies and in the arguments of tool calls."""

import importlib.metadata
import re

from guards.conversation import Exchange, Subject
from guards.detection import Hit, judge_by_rules, settle
from guards.hazards import Hazard
from guards.insecure_code.arguments import find_code_arguments
from guards.insecure_code.blocks import CodeBlock, find_blocks
from guards.insecure_code.matching import Matcher
from guards.insecure_code.rule import rule_book
from guards.verdict import Judgement

REVISION = "1"
"""Raised with every change beside the rules that could change an answer."""

_HELD_LINES = 30
_HELD_CHARS = 3_000
_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`\n]*`")


class InsecureCodeGuard:
    """Finds weaknesses in code and labels them by CWE: see ``rules/`` for which.

    A finding spans the line on which what a rule is about begins. The code of a reply
    that still grows is judged up to its last finished statement.
    """

    hazards = frozenset({Hazard.INSECURE_CODE})
    subjects = frozenset({Subject.REPLY, Subject.REPLY_SO_FAR, Subject.TOOL_CALL})

    def __init__(self, *, name: str = "insecure_code") -> None:
        book = rule_book()
        self.name = name
        engine = importlib.metadata.version("ast-grep-py")
        self.revision = f"rules-{REVISION}-{book.digest}+ast-grep-{engine}"
        self._matcher = Matcher(book)

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the code in a reply or in a tool call's arguments."""
        subject = exchange.subject

        def detect(text: str) -> list[Hit]:
            return self.find(text, subject)

        return await judge_by_rules(
            exchange,
            guard=self.name,
            revision=self.revision,
            hazard=Hazard.INSECURE_CODE,
            detect=detect,
            hold=unfinished,
        )

    def find(self, text: str, subject: Subject = Subject.REPLY) -> list[Hit]:
        """Every weakness in the code of ``text``, in order, none overlapping another."""
        blocks = find_code_arguments(text) if subject is Subject.TOOL_CALL else find_blocks(text)
        growing = subject is Subject.REPLY_SO_FAR
        return settle(hit for block in blocks for hit in self._in_block(block, growing=growing))

    def _in_block(self, block: CodeBlock, *, growing: bool) -> list[Hit]:
        if block.language is None:
            return []
        finished = block.closed or not growing
        code = block.code if finished else block.code[: _statement(block.code)]
        hits = []
        for match in self._matcher.matches(code, block.language, whole=finished):
            model = match.rule.model
            hits.append(
                Hit(
                    start=block.origin.place(match.start),
                    end=block.origin.place(match.end - 1) + 1,
                    label=match.rule.label,
                    probability=model.probability,
                )
            )
        return hits


def unfinished(text: str) -> int:
    """Where the last statement of a code block that still grows begins; else the text's end."""
    blocks = find_blocks(text)
    if not blocks or blocks[-1].closed or blocks[-1].language is None:
        return len(text)
    last = blocks[-1]
    start = _statement(last.code)
    return last.origin.place(start) if start < len(last.code) else len(text)


def _statement(code: str) -> int:
    """Where the statement that may still go on begins: its line has no end, or a bracket in it
    is open. Looks back so many lines and characters, and no further."""
    lines = code[-_HELD_CHARS:].split("\n")[-_HELD_LINES:]
    begin = len(code) - len(lines[-1])
    opened = 0
    at = len(code)
    for line in reversed(lines):
        at -= len(line)
        bare = _QUOTED.sub("", line)
        opened += sum(map(bare.count, "([")) - sum(map(bare.count, ")]"))
        if opened > 0:
            begin, opened = at, 0
        at -= 1
    return begin
