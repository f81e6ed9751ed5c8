"""One line of the decision log: how it is sealed, and how it is read back.

A line is ``{"hash":"<64 hex digits>","entry":<JSON object>}``. The hash is the SHA-256 of the
entry's bytes as they stand in the file, and the entry names the hash of the one before it, so
checking needs no canonical form and there is no byte of a line that is not covered.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

FORMAT = 1
START = "0" * 64
"""What the first entry of a writer names as the hash before it."""

OPENED = "opened"
"""Kind of the entry by which a process begins to write."""
CLOSED = "closed"
"""Kind of the entry by which a process ends in good order."""

_HEAD = b'{"hash":"'
_MIDDLE = b'","entry":'
_HASH_END = len(_HEAD) + 64
_ENTRY_START = _HASH_END + len(_MIDDLE)
_FIELDS = {"v", "writer", "seq", "at", "kind", "body", "prev"}


class BrokenEntryError(ValueError):
    """A line that is not a sealed entry; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry as it was recorded.

    Attributes:
        writer: the chain it belongs to.
        seq: its place in that chain, from 0.
        at: seconds since the epoch, UTC.
        kind, body: what the program recorded.
        prev: hash of the entry before it in the chain.
        hash: its own hash, 64 hexadecimal digits.
    """

    writer: str
    seq: int
    at: float
    kind: str
    body: dict[str, Any]
    prev: str
    hash: str

    @property
    def id(self) -> str:
        """The name the log gave it when it was appended."""
        return entry_id(self.writer, self.seq)


def entry_id(writer: str, seq: int) -> str:
    """The name of an entry, as ``Finished.log_id`` carries it."""
    return f"{writer}-{seq}"


def seal(
    *, writer: str, seq: int, prev: str, at: float, kind: str, body: dict[str, Any]
) -> tuple[bytes, str]:
    """The line of an entry, with its newline, and the entry's hash.

    Lone surrogates, which UTF-8 cannot hold, are written as visible ``\\udXXX`` escapes.

    Raises:
        TypeError: ``body`` is not JSON-able.
    """
    record = {
        "v": FORMAT,
        "writer": writer,
        "seq": seq,
        "at": at,
        "kind": kind,
        "body": body,
        "prev": prev,
    }
    try:
        data = orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        data = orjson.dumps(_without_surrogates(record), option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256(data).hexdigest()
    return b"".join((_HEAD, digest.encode(), _MIDDLE, data, b"}\n")), digest


def read(line: bytes) -> Entry:
    """The inverse of :func:`seal`; ``line`` without its newline.

    Proves the line itself, not its place in the chain.

    Raises:
        BrokenEntryError: the line is not exactly what :func:`seal` wrote.
    """
    if line[: len(_HEAD)] != _HEAD or line[_HASH_END:_ENTRY_START] != _MIDDLE or line[-1:] != b"}":
        raise BrokenEntryError("not a line of a decision log")
    data = line[_ENTRY_START:-1]
    digest = hashlib.sha256(data).hexdigest()
    if line[len(_HEAD) : _HASH_END] != digest.encode():
        raise BrokenEntryError("hash mismatch: the entry or its hash was changed")
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise BrokenEntryError("not JSON, though its hash fits") from None
    return _entry(record, digest)


def _entry(record: Any, digest: str) -> Entry:
    if not isinstance(record, dict) or record.keys() != _FIELDS:
        raise BrokenEntryError("not an entry, though its hash fits")
    if record["v"] != FORMAT:
        raise BrokenEntryError(f"of a format other than {FORMAT}")
    match record:
        case {
            "writer": str(writer),
            "seq": int(seq),
            "at": float(at) | int(at),
            "kind": str(kind),
            "body": dict(body),
            "prev": str(prev),
        }:
            return Entry(
                writer=writer, seq=seq, at=at, kind=kind, body=body, prev=prev, hash=digest
            )
        case _:
            raise BrokenEntryError("a field is of the wrong type, though the hash fits")


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list() | tuple():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(v) for key, v in value.items()}
        case _:
            return value
