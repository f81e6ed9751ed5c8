"""What is wrong with a policy, and where."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """One thing to put right in a policy's files.

    Attributes:
        file: the file as the caller named it, or relative to the policy's folder.
        line: counted from 1.
        column: counted from 1, in characters.
        field: dotted path of the field, ``clauses[3].hazards[0]``; empty for the whole file.
        message: what is wrong and what would be right.
    """

    file: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{self.file}:{self.line}:{self.column}: {field}{self.message}"


class PolicyError(ValueError):
    """A policy that cannot be used; carries every mistake found, in the order of the files."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))
