"""The tool calls of one turn, each on the only way there is (I4, I5)."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from guards.conversation import (
    Exchange,
    Integrity,
    Message,
    Provenance,
    Source,
    Subject,
    TextPart,
    ToolCall,
)
from guards.exchanges import call_exchange
from guards.panel import Panel
from plugins.access import Access, Person, Store
from plugins.approval import Grant, call_digest, canonical
from plugins.caller import Caller
from plugins.effects import Effects
from plugins.journal import CallStep, Journal, Stage
from plugins.judging import Fit, ResultJudge
from plugins.ledger import Ledger
from plugins.notes import Notes
from plugins.outcome import (
    Blocked,
    Failed,
    Failure,
    NeedsApproval,
    Outcome,
    Ran,
    failed,
    tool_message,
)
from plugins.provenance import trace
from plugins.registry import Bound, Catalogue
from plugins.result import Result
from plugins.running import Trouble, run_limited
from plugins.schemas import InvalidArgumentsError, compiled, parsed
from policies.bundle import Policy
from policies.call import CallFacts
from policies.decision import Allow, Ask, Blocking, Decision, Escalate, Refuse
from policies.placeholders import Placeholders
from policies.rulings import blocking_of

Progress = Callable[[ToolCall, str], None]
Stores = Callable[[str, Caller], Store]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all calls of a deployment share."""

    panel: Panel
    policy: Policy
    catalogue: Catalogue
    ledger: Ledger | None
    stores: Stores
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A call whose arguments are valid: what would run, and what is known of it."""

    call: ToolCall
    bound: Bound
    arguments: Mapping[str, Any]
    digest: str
    key: str
    facts: CallFacts
    context: tuple[Message, ...]

    @property
    def effect(self) -> bool:
        return self.bound.tool.effect


@dataclass(slots=True, kw_only=True)
class Calling:
    """Calls tools for one turn.

    Attributes:
        offered: names of the tools that the turn may call.
        progress: hears what a tool says that it is doing, once that was judged.
        effects: the turn's.
        tally: how often each plugin was called, and each call by its digest; a turn that was
            interrupted goes on with the tally it had.
    """

    desk: Desk
    caller: Caller
    journal: Journal
    offered: frozenset[str]
    placeholders: Placeholders
    progress: Progress
    effects: Effects
    tally: Counter[str] = field(default_factory=Counter)

    async def call(
        self, call: ToolCall, context: tuple[Message, ...], *, grant: Grant | None = None
    ) -> Outcome:
        """Validate, decide, ask, run, judge, label. ``context`` is all that led to the call.

        Raises:
            Exception: journal or ledger cannot be written; then nothing was started, or its end
                is unknown and will be asked about.
        """
        bound = self.desk.catalogue.bound.get(call.name) if call.name in self.offered else None
        if bound is None:
            known = ", ".join(sorted(self.offered)) or "none"
            return self._rejected(
                call, None, Failure.UNKNOWN_TOOL, f"there is no such tool; there are: {known}"
            )
        try:
            given = parsed(call.arguments, compiled(bound.tool.spec))
        except InvalidArgumentsError as error:
            return self._rejected(call, bound, Failure.INVALID_ARGUMENTS, str(error))
        most = bound.manifest.limits.calls_per_turn
        if self.tally[bound.manifest.name] >= most:
            return self._rejected(
                call, bound, Failure.TOO_MANY_CALLS, f"{most} calls are allowed in one turn"
            )
        self.tally[bound.manifest.name] += 1
        wanted = await self._wanted(call, bound, given, context)
        before = await self.effects.done(wanted.key) if wanted.effect else None
        if before is not None:
            self._step(wanted, Stage.REPLAYED)
            return await self._labelled(wanted, before)
        decision = await self._decided(wanted)
        if grant is not None and not await self._covers(grant, wanted):
            grant = None
        match decision:
            case Allow():
                if wanted.facts.retried and grant is None:
                    return self._denied(
                        wanted,
                        Failure.UNCERTAIN,
                        "this may have happened already and is not repeated without a person's "
                        "word",
                    )
            case Ask():
                if grant is None:
                    self._step(wanted, Stage.ASKED)
                    # It is counted when it runs, as the call that it is now.
                    self.tally.subtract((bound.manifest.name, wanted.digest))
                    return NeedsApproval(
                        call=call,
                        plugin=bound.manifest.name,
                        arguments=dict(wanted.arguments),
                        ask=decision,
                    )
            case Escalate():
                self._step(wanted, Stage.DENIED, reason=Failure.DENIED)
                return Blocked(call=call, decision=decision)
            case _:
                return self._denied(
                    wanted,
                    Failure.DENIED,
                    "the policy does not allow this call",
                    "do not repeat it",
                )
        return await self._performed(wanted, grant)

    def declined(self, call: ToolCall) -> Failed:
        """What the model reads of a call that a person did not approve."""
        self._step_of(call, None, Stage.DENIED, reason=Failure.DECLINED)
        return failed(
            call,
            Failure.DECLINED,
            "the person was asked and did not approve it",
            "do not try it another way",
        )

    async def _wanted(
        self,
        call: ToolCall,
        bound: Bound,
        given: dict[str, Any],
        context: tuple[Message, ...],
    ) -> _Wanted:
        tool, manifest = bound.tool, bound.manifest
        traced = trace(tool.name, given, context, content=tool.content, schema=tool.spec.parameters)
        arguments: dict[str, Any] = self.placeholders.given_back(given)
        digest = call_digest(tool.name, arguments)
        occurrence = self.tally[digest]
        self.tally[digest] += 1
        retried = tool.effect and await self.effects.uncertain()
        facts = CallFacts(
            tool=tool.name,
            plugin=manifest.name,
            effect=tool.side_effect.value,
            egress=bound.egress.value,
            influenced=traced.influenced,
            untrusted=traced.untrusted,
            targets=traced.targets,
            sends=traced.sends.value,
            arguments=arguments,
            retried=retried,
            tenant=self.caller.tenant,
            user=self.caller.user,
        )
        final = replace(call, arguments=canonical(arguments))
        return _Wanted(
            call=final,
            bound=bound,
            arguments=arguments,
            digest=digest,
            key=f"{digest}#{occurrence}",
            facts=facts,
            context=context,
        )

    async def _decided(self, wanted: _Wanted) -> Decision:
        """What the policy says of exactly these arguments; of an image's prompt too, if there
        is one: whatever does not allow it decides."""
        exchange = call_exchange(wanted.call, wanted.context)
        exchanges = [exchange]
        prompt = wanted.bound.tool.prompt
        if prompt is not None:
            text = str(wanted.arguments.get(prompt, ""))
            message = replace(exchange.message, parts=(TextPart(text=text),))
            exchanges.append(
                Exchange(subject=Subject.IMAGE_PROMPT, message=message, context=wanted.context)
            )
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.desk.panel.judge(e)) for e in exchanges]
        decisions = []
        for each, task in zip(exchanges, tasks, strict=True):
            decision = self.desk.policy.decide(
                each, task.result(), self.caller.audience, self.caller.locale, wanted.facts
            )
            self.journal.decided(each, decision)
            decisions.append(decision)
        stops = (blocking_of(self.desk.policy, d, self.caller.locale) for d in decisions[1:])
        return next((stop for stop in stops if stop is not None), decisions[0])

    async def _covers(self, grant: Grant, wanted: _Wanted) -> bool:
        """Whether a person's word covers exactly this call, and was not acted on before."""
        return (
            grant.digest == wanted.digest
            and self.desk.clock() < grant.expires
            and not (wanted.effect and await self.effects.spent(grant.approval))
        )

    async def _performed(self, wanted: _Wanted, grant: Grant | None) -> Outcome:
        approval = grant.approval if grant is not None else None
        self._step(wanted, Stage.STARTED, approval=approval)
        if wanted.effect:
            await self.journal.durable()
            if not await self.effects.begin(wanted.key, approval=approval):
                return self._denied(
                    wanted, Failure.UNCERTAIN, "this may be happening already and is not done twice"
                )
        loop = asyncio.get_running_loop()
        start = loop.time()
        notes = self._notes(wanted)
        try:
            result = await run_limited(
                wanted.bound, wanted.arguments, self._access(wanted, notes.take)
            )
        finally:
            await notes.end()
        elapsed = loop.time() - start
        if wanted.effect:
            await self.effects.end(wanted.key, result, approval=approval)
        if isinstance(result, Trouble):
            self._step(wanted, Stage.FAILED, reason=result.failure, elapsed=elapsed)
            if not result.known:
                return failed(wanted.call, result.failure, result.problem)
        else:
            self._step(wanted, Stage.FINISHED, elapsed=elapsed)
        return await self._labelled(wanted, result)

    async def _labelled(self, wanted: _Wanted, result: Result | Trouble) -> Outcome:
        """The result as data of its own class, after it was judged; so are a tool's own words
        about why it cannot."""
        tool, call = wanted.bound.tool, wanted.call
        found = result if isinstance(result, Result) else _error_result(result)
        provenance = Provenance(
            source=Source.TOOL,
            integrity=Integrity.UNTRUSTED,
            confidentiality=found.confidentiality or tool.reads,
        )
        judge = ResultJudge(panel=self.desk.panel, policy=self.desk.policy)
        fit = await judge.judge(
            tool_message(call, found.content, provenance),
            found,
            wanted.context,
            self.caller,
            self.journal,
            self.placeholders,
        )
        if isinstance(fit, Fit):
            if isinstance(result, Trouble):
                intact = fit.message.text == found.content
                return Failed(
                    call=call,
                    message=fit.message,
                    failure=result.failure,
                    problem=result.problem if intact else "",
                )
            return Ran(
                call=call,
                message=fit.message,
                artifact=fit.result.artifact,
                citations=fit.result.citations,
                images=fit.result.images,
                guidance=fit.guidance,
                direct=tool.direct,
            )
        return self._withheld(wanted, fit)

    def _withheld(self, wanted: _Wanted, decision: Blocking) -> Outcome:
        if isinstance(decision, Escalate):
            return Blocked(call=wanted.call, decision=decision)
        what = "the result" if isinstance(decision, Refuse) else "a sensitive result"
        return failed(wanted.call, Failure.WITHHELD, f"{what} was withheld by the policy", "say so")

    def _notes(self, wanted: _Wanted) -> Notes:
        return Notes(
            panel=self.desk.panel,
            policy=self.desk.policy,
            caller=self.caller,
            journal=self.journal,
            call=wanted.call,
            context=wanted.context,
            hear=lambda text: self.progress(wanted.call, text),
        )

    def _access(self, wanted: _Wanted, progress: Callable[[str], None]) -> Access:
        caller, bound = self.caller, wanted.bound
        scope = f"{caller.tenant}\0{caller.user}\0{caller.session}\0{caller.turn}\0{wanted.key}"
        return Access(
            http=bound.http,
            secrets=bound.secrets,
            person=Person(
                pseudonym=caller.pseudonym,
                tenant=caller.tenant,
                locale=caller.locale,
                audience=caller.audience.value,
            ),
            store=self.desk.stores(bound.manifest.name, caller),
            now=lambda: datetime.fromtimestamp(self.desk.clock(), UTC),
            progress=progress,
            key=hashlib.sha256(scope.encode(errors="surrogatepass")).hexdigest()[:32],
        )

    def _rejected(
        self, call: ToolCall, bound: Bound | None, failure: Failure, problem: str
    ) -> Failed:
        self._step_of(call, bound, Stage.REJECTED, reason=failure)
        return failed(call, failure, problem)

    def _denied(self, wanted: _Wanted, failure: Failure, problem: str, advice: str = "") -> Failed:
        self._step(wanted, Stage.DENIED, reason=failure)
        return failed(wanted.call, failure, problem, advice)

    def _step(self, wanted: _Wanted, stage: Stage, **more: Any) -> None:
        self._step_of(wanted.call, wanted.bound, stage, digest=wanted.digest, **more)

    def _step_of(self, call: ToolCall, bound: Bound | None, stage: Stage, **more: Any) -> None:
        manifest = bound.manifest if bound is not None else None
        self.journal.stepped(
            CallStep(
                stage=stage,
                # A name that is no tool's is the model's own text.
                tool=call.name if call.name in self.offered else "",
                plugin=manifest.name if manifest else "",
                version=manifest.version if manifest else "",
                call=call.id,
                **more,
            )
        )


def _error_result(trouble: Trouble) -> Result:
    text = orjson.dumps({"error": trouble.failure, "message": trouble.problem}).decode()
    return Result(content=text)
