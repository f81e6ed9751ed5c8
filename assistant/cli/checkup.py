"""What the doctor finds: one check, one state, one way to put it right."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works without, or not as well as it could."""
    FAIL = "fail"
    """Something will not work until it is put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. ``fix`` is what to do, in words or as a command; empty when ok."""

    name: str
    state: State
    detail: str
    fix: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": str(self.state),
            "detail": self.detail,
            "fix": self.fix,
        }


def ok(name: str, detail: str) -> Check:
    return Check(name=name, state=State.OK, detail=detail)


def warn(name: str, detail: str, fix: str) -> Check:
    return Check(name=name, state=State.WARN, detail=detail, fix=fix)


def fail(name: str, detail: str, fix: str) -> Check:
    return Check(name=name, state=State.FAIL, detail=detail, fix=fix)
