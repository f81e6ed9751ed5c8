"""YAML files read together with the place of everything in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policies.mistakes import Mistake, PolicyError

Location = tuple[str | int, ...]

_BOOL = {"true": True, "false": False}
_NULL = frozenset({"", "~", "null"})
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_DEEPEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a key or a value begins, counted from 1.

    ``lead`` is how many characters before a text's own first stand on its line: a quote, or
    nothing. It is ``None`` for a ``|`` or ``>`` text, which begins on the next line.
    """

    line: int
    column: int
    lead: int | None = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML file: its plain data, and a mark for every key and every value."""

    file: str
    data: Any
    keys: dict[Location, Mark]
    values: dict[Location, Mark]

    def mistake(self, location: Location, message: str, *, at_key: bool = False) -> Mistake:
        """A mistake at ``location``, or at the nearest place around it that is in the file."""
        mark = self.keys.get(location) if at_key else self.values.get(location)
        known = location
        while mark is None:
            known = known[:-1]
            mark = self.values.get(known, None if known else Mark(line=1, column=1))
        return Mistake(
            file=self.file,
            line=mark.line,
            column=mark.column,
            field=field_path(location),
            message=message,
        )


def field_path(location: Location) -> str:
    """``("clauses", 3, "hazards")`` as ``clauses[3].hazards``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{part}" if path else part
    return path


def read_document(path: Path, file: str) -> Document:
    """Read ``path``, to be called ``file`` in messages.

    Plain words follow YAML 1.2: only ``true`` and ``false`` are booleans, so that ``no`` is the
    language and not a falsehood; dates and times stay text. Anchors, tags and repeated keys are
    mistakes.

    Raises:
        PolicyError: the file cannot be read or is not YAML of this kind; names every place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise PolicyError([_whole(file, "the file is not UTF-8 text")]) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PolicyError([_whole(file, f"the file cannot be read: {reason}")]) from None
    return parse_document(text, file)


def parse_document(text: str, file: str) -> Document:
    """As :func:`read_document`, from text."""
    reader = _Reader(file)
    try:
        data = reader.read(yaml.parse(text, Loader=yaml.CSafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        mistake = Mistake(
            file=file,
            line=mark.line + 1 if mark else 1,
            column=mark.column + 1 if mark else 1,
            field="",
            message=f"not valid YAML: {error.problem or 'cannot be parsed'}",
        )
        raise PolicyError([mistake]) from None
    except yaml.YAMLError:
        message = "not valid YAML: it holds a character that may not stand in text"
        raise PolicyError([_whole(file, message)]) from None
    if reader.mistakes:
        raise PolicyError(reader.mistakes)
    return Document(file=file, data=data, keys=reader.keys, values=reader.values)


def _whole(file: str, message: str) -> Mistake:
    return Mistake(file=file, line=1, column=1, field="", message=message)


class _Reader:
    """Turns YAML events into plain data, collecting marks and mistakes on the way.

    Events rather than PyYAML's nodes: those follow nesting in C, where it ends the process.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[Location, Mark] = {}
        self.values: dict[Location, Mark] = {}
        self.mistakes: list[Mistake] = []

    def read(self, events: Iterator[yaml.Event]) -> Any:
        next(events)  # the stream begins
        if isinstance(next(events), yaml.StreamEndEvent):
            raise PolicyError([_whole(self.file, "the file is empty")])
        data = self._value(next(events), events, ())
        next(events)  # the document ends
        after = next(events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._wrong(after, (), "a second document begins here; one file holds one")
        return data

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], location: Location) -> Any:
        self.values[location] = _mark(event)
        if getattr(event, "anchor", None) is not None:
            self._wrong(event, location, "anchors and aliases are not read: write the value out")
        if getattr(event, "tag", None) is not None:
            self._wrong(event, location, "YAML tags are not read: write the plain value")
        if len(location) > _DEEPEST:
            self._wrong(event, location[:1], "nested too deeply")
            raise PolicyError(self.mistakes)
        match event:
            case yaml.MappingStartEvent():
                return dict(self._pairs(events, location))
            case yaml.SequenceStartEvent():
                return list(self._items(events, location))
            case yaml.ScalarEvent():
                return event.value if event.style else _plain(event.value)
            case _:
                return None  # an alias; reported above

    def _items(self, events: Iterator[yaml.Event], location: Location) -> Iterator[Any]:
        place = 0
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self._value(event, events, (*location, place))
            place += 1

    def _pairs(self, events: Iterator[yaml.Event], location: Location) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._wrong(event, location, "a key must be a word")
                raise PolicyError(self.mistakes)
            key, mark = event.value, _mark(event)
            here = (*location, key)
            if key in first:
                message = f'"{key}" stands here a second time (first on line {first[key]})'
                self._wrong(event, here, message)
            first.setdefault(key, mark.line)
            self.keys[here] = mark
            yield key, self._value(next(events), events, here)

    def _wrong(self, event: yaml.Event, location: Location, message: str) -> None:
        mark = _mark(event)
        self.mistakes.append(
            Mistake(
                file=self.file,
                line=mark.line,
                column=mark.column,
                field=field_path(location),
                message=message,
            )
        )


def _mark(event: yaml.Event) -> Mark:
    start = event.start_mark
    assert start is not None  # noqa: S101 - only events made by hand have no mark
    style = event.style if isinstance(event, yaml.ScalarEvent) else None
    lead = {"|": None, ">": None, '"': 1, "'": 1}.get(style or "", 0)
    return Mark(line=start.line + 1, column=start.column + 1, lead=lead)


def _plain(word: str) -> Any:
    """The value of an unquoted scalar."""
    if word in _NULL:
        return None
    if word in _BOOL:
        return _BOOL[word]
    if _INT.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word):
        return float(word)
    return word
