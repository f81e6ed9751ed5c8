"""The guards of a deployment: built-in ones by name, others described in a file."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from guards.calibration import Calibrated, Calibration
from guards.descriptions import BUILT_IN, RosterFile
from guards.making import Description, Making, Workshop
from guards.panel import Seat


class RosterError(ValueError):
    """A guard that is not known, not described well, or cannot be made; the message names it."""


class Roster:
    """What guards there are, made only when they are asked for.

    Args:
        described: guards by name, beside the built-in ones and instead of those they name.
        folder: where the paths in descriptions start.
    """

    def __init__(self, described: Mapping[str, Description], folder: Path) -> None:
        self._described = {**BUILT_IN, **described}
        self._folder = folder

    @property
    def names(self) -> tuple[str, ...]:
        """Every guard there is, by name."""
        return tuple(sorted(self._described))

    def seats(self, names: Sequence[str], workshop: Workshop) -> list[Seat]:
        """The guards of ``names``, ready for a panel.

        Raises:
            RosterError: naming the guard and what is wrong.
        """
        # A guard that others are made of is made once, with its weights and what it remembers.
        made: dict[str, Seat] = {}
        return [self._seat(name, workshop, made, ()) for name in dict.fromkeys(names)]

    def _seat(
        self, name: str, workshop: Workshop, made: dict[str, Seat], above: tuple[str, ...]
    ) -> Seat:
        if name in above:
            raise RosterError(f"guard {name!r}: is part of itself")
        if name not in made:
            made[name] = self._made(
                Making(
                    name=name,
                    folder=self._folder,
                    workshop=workshop,
                    seat=lambda other: self._seat(other, workshop, made, (*above, name)),
                )
            )
        return made[name]

    def _made(self, making: Making) -> Seat:
        name, workshop = making.name, making.workshop
        description = self._described.get(name)
        if description is None:
            known = ", ".join(self.names)
            raise RosterError(f"no guard is called {name!r}; there are {known}")
        try:
            guard = description.make(making)
            if description.calibration is not None:
                fitted = Calibration.load(self._folder / description.calibration)
                guard = Calibrated(guard, fitted)
            subjects = description.subjects
            return Seat(
                guard=guard,
                subjects=guard.subjects if subjects is None else frozenset(subjects),
                deadline=description.deadline or workshop.deadline,
            )
        except RosterError:
            raise
        except (ValueError, ImportError) as error:
            raise RosterError(f"guard {name!r}: {error}") from error


def load_roster(path: Path | None, described: Mapping[str, Description]) -> Roster:
    """The built-in guards, ``described`` ones, and those that the YAML file at ``path`` describes.

    Where a name stands in several, the file has the last word.

    Raises:
        RosterError: naming the file and the field, and what would be right.
    """
    if path is None:
        return Roster(described, Path())
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RosterError(f"{path.name} cannot be read") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}" if mark is not None else ""
        raise RosterError(f"{path.name}{place}: is not YAML") from None
    try:
        in_file = RosterFile.model_validate(document).guards
    except ValidationError as error:
        lines = []
        for mistake in error.errors(include_input=False, include_url=False):
            # The third part of a guard's field is its kind, which is in no line of the file.
            field = ".".join(str(part) for i, part in enumerate(mistake["loc"]) if i != _KIND)
            lines.append(f"{path.name}: {field or 'the file'}: {mistake['msg']}")
        raise RosterError("\n".join(lines)) from None
    return Roster({**described, **in_file}, path.parent)


_KIND = 2
