"""The deep tier: the rules of the fast one, and taint analysis of the finished reply."""

import time
from dataclasses import replace
from pathlib import Path

from guards.conversation import Exchange, Subject
from guards.detection import Hit, settle
from guards.hazards import Hazard
from guards.insecure_code.arguments import find_code_arguments
from guards.insecure_code.blocks import CodeBlock, find_blocks
from guards.insecure_code.flow import FlowScanner, Limits, find_engine, flow_rules
from guards.insecure_code.guard import InsecureCodeGuard
from guards.verdict import Failure, Finding, Judgement, Span, Unscanned, Verdict

MAX_BLOCKS = 20
"""A reply with more blocks of code than that is not judged."""


class DeepInsecureCodeGuard:
    """Judges a growing reply like the fast tier, and a whole one by taint analysis as well.

    A value that comes from a request is followed through assignments and calls to where it does
    harm. That takes a process and about a second for each block of code; if it fails or
    takes too long, the reply counts as not judged.

    Args:
        engine: Semgrep's engine; looked for when left out.

    Raises:
        ImportError: the engine is not installed.
    """

    hazards = InsecureCodeGuard.hazards
    subjects = InsecureCodeGuard.subjects

    def __init__(
        self,
        *,
        name: str = "insecure_code",
        engine: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._fast = InsecureCodeGuard(name=name)
        self._scanner = FlowScanner(engine or find_engine(), limits or Limits())
        self.name = name
        self.revision = f"{self._fast.revision}+flows-{flow_rules()[1]}"

    async def judge(self, exchange: Exchange) -> Judgement:
        """Judge the code in a reply or in a tool call's arguments.

        Raises:
            FlowError, TimeoutError: the taint analysis gave no answer.
        """
        start = time.perf_counter()
        judgement = await self._fast.judge(exchange)
        if isinstance(judgement, Unscanned):
            return replace(judgement, revision=self.revision)
        if exchange.subject is Subject.REPLY_SO_FAR:
            return replace(judgement, revision=self.revision)
        text = exchange.text
        arguments = exchange.subject is Subject.TOOL_CALL
        blocks = find_code_arguments(text) if arguments else find_blocks(text)
        if len(blocks) > MAX_BLOCKS:
            return Unscanned(
                guard=self.name,
                revision=self.revision,
                reason=Failure.TOO_LONG,
                detail=f"more than {MAX_BLOCKS} blocks of code",
                elapsed=time.perf_counter() - start,
            )
        hits = [hit for block in blocks for hit in await self._in_block(block)]
        return Verdict(
            guard=self.name,
            revision=self.revision,
            findings=_merged(judgement.findings, hits),
            elapsed=time.perf_counter() - start,
        )

    async def _in_block(self, block: CodeBlock) -> list[Hit]:
        if block.language is None:
            return []
        flows = await self._scanner.flows(block.code, block.language)
        return [
            Hit(
                start=block.origin.place(flow.start),
                end=block.origin.place(flow.end - 1) + 1,
                label=flow.label,
                probability=flow.probability,
            )
            for flow in flows
        ]


def _merged(findings: tuple[Finding, ...], hits: list[Hit]) -> tuple[Finding, ...]:
    """Both tiers' findings; of those at the same place, the most probable."""
    for finding in findings:
        if finding.span is None or finding.label is None:
            raise ValueError("the fast tier locates and labels every finding")
        hits.append(
            Hit(
                start=finding.span.start,
                end=finding.span.end,
                label=finding.label,
                probability=finding.probability,
            )
        )
    return tuple(
        Finding(
            hazard=Hazard.INSECURE_CODE,
            probability=hit.probability,
            span=Span(start=hit.start, end=hit.end),
            label=hit.label,
        )
        for hit in settle(hits)
    )
