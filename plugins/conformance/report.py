"""What conformance found."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    EXCUSED = "excused"
    """It failed, and the developer says in ``conformance.yaml`` why that is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. ``detail`` says of a failure how to mend it, line by line."""

    id: str
    title: str
    outcome: Outcome
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every check of one plugin, in the order in which they were made."""

    plugin: str
    version: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.outcome is not Outcome.FAILED for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """What failed."""
        return tuple(check for check in self.checks if check.outcome is Outcome.FAILED)

    def with_checks(self, *more: Check) -> "Report":
        """This report and further checks."""
        return Report(plugin=self.plugin, version=self.version, checks=(*self.checks, *more))

    def excusing(self, reasons: Mapping[Any, str]) -> "Report":
        """This report with failures excused, by the id of the check and the reason."""
        return Report(
            plugin=self.plugin,
            version=self.version,
            checks=tuple(
                replace(check, outcome=Outcome.EXCUSED, detail=reasons[check.id])
                if check.outcome is Outcome.FAILED and check.id in reasons
                else check
                for check in self.checks
            ),
        )

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**asdict(self), "passed": self.passed}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Report":
        """What :meth:`as_json` gave."""
        checks = [{**check, "outcome": Outcome(check["outcome"])} for check in value["checks"]]
        return cls(
            plugin=value["plugin"],
            version=value["version"],
            checks=tuple(Check(**check) for check in checks),
        )


def judged(id: str, title: str, problems: list[str], *, applies: bool = True) -> Check:  # noqa: A002 - the field's own name
    """A check that failed if there are problems; only the first few are told."""
    if not applies:
        return Check(id=id, title=title, outcome=Outcome.NOT_APPLICABLE)
    if not problems:
        return Check(id=id, title=title, outcome=Outcome.PASSED)
    told = list(dict.fromkeys(problems))
    more = [f"and {len(told) - 3} more like it"] if len(told) > 3 else []
    detail = "\n".join([*told[:3], *more])
    return Check(id=id, title=title, outcome=Outcome.FAILED, detail=detail)
