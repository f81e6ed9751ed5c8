"""Keyed digests that stand for ids and texts in the decision log."""

import hmac
import os
from pathlib import Path

from assistant.errors import LogUnavailableError

_KEY_BYTES = 32


class Pseudonyms:
    """The same id or text always gives the same digest, and only the key's holder can tell which.

    Keyed, because what is digested can be guessed: an id may be a phone number, a text one word.

    Args:
        key: secret of this installation, at least 32 bytes (:func:`load_key`).
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _KEY_BYTES:
            raise ValueError(f"key must have at least {_KEY_BYTES} bytes")
        self._key = key

    def of(self, kind: str, *parts: str) -> str:
        """128 bits in hexadecimal. ``kind`` keeps a user's digest apart from a text's."""
        data = bytearray()
        for part in (kind, *parts):
            encoded = part.encode("utf-8", "surrogatepass")
            data += len(encoded).to_bytes(8, "big") + encoded
        return hmac.digest(self._key, data, "sha256").hex()[:32]


def load_key(path: Path) -> bytes:
    """Read the installation's key, making it at the first call; for its owner only.

    Raises:
        LogUnavailableError: it cannot be read or made, or is not a key.
    """
    try:
        if not path.exists():
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise LogUnavailableError(
            f"decision log: key {path} cannot be used ({error.strerror})"
        ) from error
    if len(key) != _KEY_BYTES:
        raise LogUnavailableError(f"decision log: key {path} must have {_KEY_BYTES} bytes")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole before it gets its name: another process may be looking for it.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(os.urandom(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
