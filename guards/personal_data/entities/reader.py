"""The words of a whole text, window by window, each window read once."""

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

from guards.personal_data.entities.model import EntityModel, Word
from guards.personal_data.entities.windows import windows

CACHED_WINDOWS = 1_024


class Reader:
    """Reads windows through a cache. Safe to use from several threads.

    Keys are hashed with a key of this process, so no text is kept and none can be looked up.
    """

    def __init__(self, model: EntityModel) -> None:
        self._model = model
        self._secret = os.urandom(16)
        self._lock = threading.Lock()
        self._entries: OrderedDict[bytes, tuple[Word, ...]] = OrderedDict()

    def read(self, text: str, stopped: Callable[[], bool]) -> list[Word]:
        """The words of ``text`` that may be part of something, in order.

        ``stopped`` is asked before each window; where it says so, what is read so far is
        returned, for nobody.
        """
        found: list[Word] = []
        for window in windows(text):
            if stopped():
                break
            for word in self._window(text[window.start : window.end]):
                start = window.start + word.start
                if window.trusted <= start < window.until:
                    end = window.start + word.end
                    found.append(Word(start=start, end=end, shares=word.shares))
        return found

    def _window(self, piece: str) -> tuple[Word, ...]:
        key = hashlib.blake2b(
            piece.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret
        ).digest()
        with self._lock:
            known = self._entries.get(key)
            if known is not None:
                self._entries.move_to_end(key)
                return known
        words = tuple(word for word in self._model.words(piece) if word.part)
        with self._lock:
            self._entries[key] = words
            while len(self._entries) > CACHED_WINDOWS:
                self._entries.popitem(last=False)
        return words
