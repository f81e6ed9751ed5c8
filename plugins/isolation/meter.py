"""How much a plugin's process may say."""

from collections.abc import Callable

_FRAMES = 10_000
_FRAMES_A_SECOND = 5_000
_BYTES = 64 * 1024 * 1024
_BYTES_A_SECOND = 32 * 1024 * 1024


class Meter:
    """Allows short bursts and no flood. ``clock`` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._frames = float(_FRAMES)
        self._bytes = float(_BYTES)

    def admits(self, size: int) -> bool:
        """Count one frame of ``size`` bytes; whether it is still within bounds."""
        now = self._clock()
        passed, self._at = now - self._at, now
        self._frames = min(_FRAMES, self._frames + passed * _FRAMES_A_SECOND) - 1
        self._bytes = min(_BYTES, self._bytes + passed * _BYTES_A_SECOND) - size
        return self._frames >= 0 and self._bytes >= 0
