"""Server-sent events from raw socket chunks, however they are cut.

Source: WHATWG HTML, "Interpreting an event stream".
"""

MAX_EVENT_BYTES = 1 << 20

_BOM = b"\xef\xbb\xbf"


class EventTooLongError(ValueError):
    """One event is longer than :data:`MAX_EVENT_BYTES`."""


class EventParser:
    """Collects ``data`` payloads; comments and other fields are dropped.

    An event only counts once its blank line arrived, so a stream that breaks off never yields
    half a payload. Payloads are bytes: a character cut in two by the network is whole again here.
    """

    __slots__ = ("_data", "_pieces", "_size", "_started")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []
        self._size = 0
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The payloads completed by ``chunk``.

        Raises:
            EventTooLongError: what belongs to one event exceeds the cap.
        """
        if (
            chunk.startswith(b"data: ")
            and chunk.endswith(b"\n\n")
            and chunk.count(b"\n") == 2
            and not (self._pieces or self._data or b"\r" in chunk)
            and len(chunk) <= MAX_EVENT_BYTES
        ):
            # One whole event a chunk, which is how models stream.
            self._started = True
            return [chunk[6:-2]]
        if b"\n" not in chunk and b"\r" not in chunk and not self._ends_in_return():
            self._pieces.append(chunk)
            self._grow(len(chunk))
            return []
        if self._pieces:
            chunk = b"".join((*self._pieces, chunk))
        if not self._started:
            if _BOM.startswith(chunk[:3]) and len(chunk) < len(_BOM):
                self._pieces = [chunk]
                return []
            chunk = chunk.removeprefix(_BOM)
            self._started = True
        held = b""
        if b"\r" in chunk:
            if chunk.endswith(b"\r"):  # its \n may be the next chunk's first byte
                chunk, held = chunk[:-1], b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop() + held
        payloads = self._take(lines)
        self._pieces = [rest] if rest else []
        self._size = sum(map(len, self._data))
        self._grow(len(rest))
        return payloads

    def _take(self, lines: list[bytes]) -> list[bytes]:
        payloads: list[bytes] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    payloads.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
            elif line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line == b"data":
                data.append(b"")
        return payloads

    def _ends_in_return(self) -> bool:
        return bool(self._pieces) and self._pieces[-1].endswith(b"\r")

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLongError("an event exceeds the size cap")
