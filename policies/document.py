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
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_STANDARD_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where a key or a value begins, counted from 1. ``block`` tells a ``|`` or ``>`` text."""

    line: int
    column: int
    block: bool = False


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
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
        if root is None:
            raise PolicyError([_whole(file, "the file is empty")])
        reader = _Reader(file)
        data = reader.construct(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _whole(file, f"not valid YAML: {error.problem or 'cannot be parsed'}")
        if mark is not None:
            place = Mistake(
                file=file,
                line=mark.line + 1,
                column=mark.column + 1,
                field="",
                message=place.message,
            )
        raise PolicyError([place]) from None
    except yaml.YAMLError:
        message = "not valid YAML: it holds a character that may not stand in text"
        raise PolicyError([_whole(file, message)]) from None
    except RecursionError:
        raise PolicyError([_whole(file, "nested too deeply")]) from None
    if reader.mistakes:
        raise PolicyError(reader.mistakes)
    return Document(file=file, data=data, keys=reader.keys, values=reader.values)


def _whole(file: str, message: str) -> Mistake:
    return Mistake(file=file, line=1, column=1, field="", message=message)


class _Reader:
    """Turns nodes into plain data, collecting marks and mistakes on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.keys: dict[Location, Mark] = {}
        self.values: dict[Location, Mark] = {}
        self.mistakes: list[Mistake] = []
        self._seen: set[int] = set()

    def construct(self, node: yaml.Node, location: Location) -> Any:
        self.values[location] = _mark(node)
        if id(node) in self._seen:
            self._wrong(node, location, "anchors and aliases are not read: write the value out")
            return None
        self._seen.add(id(node))
        if not node.tag.startswith(_STANDARD_TAG):
            self._wrong(node, location, "YAML tags are not read: write the plain value")
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, location))
        if isinstance(node, yaml.SequenceNode):
            return [self.construct(n, (*location, i)) for i, n in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101 - the third and last kind there is
        return node.value if node.style else _plain(node.value)

    def _pairs(self, node: yaml.MappingNode, location: Location) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._wrong(key_node, location, "a key must be a word")
                continue
            key = key_node.value
            here = (*location, key)
            if key in first:
                message = f'"{key}" stands here a second time (first on line {first[key]})'
                self._wrong(key_node, here, message)
                continue
            mark = _mark(key_node)
            first[key] = mark.line
            self.keys[here] = mark
            yield key, self.construct(value_node, here)

    def _wrong(self, node: yaml.Node, location: Location, message: str) -> None:
        mark = _mark(node)
        self.mistakes.append(
            Mistake(
                file=self.file,
                line=mark.line,
                column=mark.column,
                field=field_path(location),
                message=message,
            )
        )


def _mark(node: yaml.Node) -> Mark:
    start = node.start_mark
    block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    return Mark(line=start.line + 1, column=start.column + 1, block=block)


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
