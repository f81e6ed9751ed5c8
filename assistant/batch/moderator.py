"""One line of a file in, one line with the policy's decision out."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from assistant.bootstrap import load_policy, open_guards
from assistant.locale import locale_of
from assistant.settings import Settings
from guards.conversation import Exchange, Subject
from guards.evaluate.datasets import SUBJECTS, Row, exchange_of
from guards.evaluate.workers import Work
from guards.panel import Panel, PanelVerdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.decision import Decision, decision_name
from policies.moderation import blocks

ERROR = "error"
"""The outcome of a line that could not be read; the others are the names of decisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the input as it was read.

    ``number`` counts from 1. ``problem`` is what kept it from being read; there is no ``raw`` then.
    """

    number: int
    raw: bytes = b""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a line.

    Attributes:
        name: the decision's, or :data:`ERROR`.
        failed: whether a guard gave no verdict.
        output: JSON on one line, with its end.
    """

    number: int
    name: str
    failed: bool
    output: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is decided, and how lines are read.

    Attributes:
        guards: names of the guards that all must judge.
        text_field: the field with the text.
        subject: what lines are that have neither ``subject`` nor ``response``.
        locale: language of the policy; by default the text's own, else that of the settings.
    """

    settings: Settings
    guards: tuple[str, ...]
    text_field: str = "text"
    subject: Subject = Subject.USER_INPUT
    audience: Audience = Audience.GENERAL
    locale: str | None = None


OpenModerator = Callable[[], AbstractAsyncContextManager[Work[Line, Outcome]]]


@asynccontextmanager
async def open_moderator(terms: Terms) -> AsyncIterator[Work[Line, Outcome]]:
    """The guards and the policy, ready to decide lines.

    Raises:
        CorralError: a guard cannot be made.
        PolicyError: the policy has mistakes.
    """
    policy = load_policy(terms.settings)
    async with open_guards(terms.settings, terms.guards) as seats:
        panel = Panel(seats)
        yield partial(_moderate, terms, policy, panel, _basis(policy, panel))


def _basis(policy: Policy, panel: Panel) -> dict[str, Any]:
    return {
        "policy": policy.label,
        "digest": policy.digest,
        "guards": {seat.guard.name: seat.guard.revision for seat in panel.seats},
    }


async def basis_of(terms: Terms) -> dict[str, Any]:
    """What every decision rests on: the policy with its digest, and each guard's revision."""
    policy = load_policy(terms.settings)
    async with open_guards(terms.settings, terms.guards) as seats:
        return _basis(policy, Panel(seats))


async def _moderate(
    terms: Terms, policy: Policy, panel: Panel, basis: Mapping[str, Any], line: Line
) -> Outcome:
    try:
        asked = _parse(line, terms)
    except _LineError as error:
        told = {"line": line.number, "error": {"field": error.field, "message": str(error)}}
        return _outcome(line, ERROR, told, failed=False)
    exchange = asked.exchange
    verdict = await panel.judge(exchange)
    locale = terms.locale or locale_of(exchange.text, terms.settings.locale)
    decision = policy.decide(exchange, verdict, terms.audience, locale)
    told = {"line": line.number, **asked.identity, **_told(decision, verdict), **basis}
    return _outcome(line, decision_name(decision), told, failed=bool(verdict.unscanned))


def _outcome(line: Line, name: str, told: Mapping[str, Any], *, failed: bool) -> Outcome:
    return Outcome(number=line.number, name=name, failed=failed, output=orjson.dumps(told) + b"\n")


def _told(decision: Decision, verdict: PanelVerdict) -> dict[str, Any]:
    basis = decision.basis
    hazards = {
        hazard.value: round(verdict.probability(hazard), 6)
        for hazard in dict.fromkeys(finding.hazard for finding in verdict.findings)
    }
    return {
        "decision": decision_name(decision),
        "blocked": blocks(decision),
        "clause": basis.clause,
        "reason": basis.reason,
        "degraded": basis.degraded,
        "hazards": hazards,
        "failures": [
            {"guard": one.guard, "reason": one.reason.value, "detail": one.detail}
            for one in verdict.unscanned
        ],
    }


class _LineError(ValueError):
    """A line that cannot be read; says what would be right and quotes nothing."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    exchange: Exchange
    identity: dict[str, str | int]


def _parse(line: Line, terms: Terms) -> _Asked:
    if line.problem is not None:
        raise _LineError("line", line.problem)
    try:
        body = json.loads(line.raw.decode())
    except UnicodeDecodeError:
        raise _LineError("line", "must be valid UTF-8") from None
    except (ValueError, RecursionError):
        raise _LineError("line", "must be a JSON object on one line") from None
    if not isinstance(body, dict):
        raise _LineError("line", "must be a JSON object")
    text, response = body.get(terms.text_field), body.get("response")
    if response is not None and not isinstance(response, str):
        raise _LineError("response", "must be a text")
    if not isinstance(text, str | None) or not (text or response):
        raise _LineError(terms.text_field, "must be a text that is not empty")
    row = Row(
        text=text or "",
        response=response or None,
        label=False,
        subject=_subject(body.get("subject"), response, terms),
        file="",
        line=0,
    )
    return _Asked(exchange=exchange_of(row), identity=_identity(body.get("id")))


def _subject(value: object, response: str | None, terms: Terms) -> Subject:
    if value is None:
        return Subject.REPLY if response else terms.subject
    if value not in SUBJECTS:
        raise _LineError("subject", f"must be one of {', '.join(SUBJECTS)}")
    subject = Subject(str(value))
    if response and subject is not Subject.REPLY:
        raise _LineError("subject", "must be reply, because the line has a response")
    return subject


def _identity(value: object) -> dict[str, str | int]:
    match value:
        case None:
            return {}
        case bool():
            pass
        case str():
            return {"id": value.encode("utf-8", "replace").decode()}
        case int() if -(2**63) <= value < 2**63:
            return {"id": value}
    raise _LineError("id", "must be a text or a whole number")
