"""Several servers of the same model: who is asked first, and who is left alone for a while."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

FIRST_REST = 1.0
LONGEST_REST = 30.0
BUSY_REST = 1.0

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Replica(Generic[T]):
    """One server and what is known of it.

    Attributes:
        name: its address.
        server: what is asked.
        failures: in a row; zero after a success.
        rest_until: before this time (the clock's) it is asked only if nobody else is left.
        trouble: what failed last, empty when nothing did.
        tried: whether it was ever asked.
    """

    name: str
    server: T
    failures: int = 0
    rest_until: float = 0.0
    trouble: str = ""
    tried: bool = False


class Replicas(Generic[T]):
    """The servers in the order to ask them, learning from every answer.

    Rendezvous hashing keeps one affinity on one server, so that its prefix cache stays warm, and
    moves only the affinities of a server that is resting.

    Args:
        servers: by address.
        clock: seconds, monotonic; the event loop's own.
    """

    def __init__(self, servers: Mapping[str, T], *, clock: Callable[[], float]) -> None:
        if not servers:
            raise ValueError("at least one server is needed")
        self.all = tuple(Replica(name, server) for name, server in servers.items())
        self._clock = clock
        self._turn = 0

    def order(self, affinity: str | None) -> tuple[Replica[T], ...]:
        """All servers, best first; without an affinity they take turns.

        Resting servers come last, the one whose rest ends first before the others: when all
        rest, asking one is better than failing without having asked.
        """
        if len(self.all) == 1:
            return self.all
        now = self._clock()
        if affinity is None:
            self._turn += 1
            start = self._turn % len(self.all)
            ranked = list(self.all[start:] + self.all[:start])
        else:
            ranked = sorted(self.all, key=lambda replica: _weight(replica.name, affinity))
        # Sorting is stable: among those at work the ranking stays.
        return tuple(sorted(ranked, key=lambda r: r.rest_until if r.rest_until > now else 0.0))

    def succeeded(self, replica: Replica[T]) -> None:
        """It answered."""
        replica.failures = 0
        replica.rest_until = 0.0
        replica.trouble = ""
        replica.tried = True

    def failed(self, replica: Replica[T], trouble: str) -> None:
        """It did not answer; each failure in a row doubles its rest."""
        replica.tried = True
        replica.trouble = trouble
        rest = min(FIRST_REST * 2.0**replica.failures, LONGEST_REST)
        replica.failures = min(replica.failures + 1, 16)
        replica.rest_until = self._clock() + rest

    def busy(self, replica: Replica[T], retry_after: float | None) -> None:
        """It is well but wants to be left alone, for as long as it says."""
        replica.tried = True
        rest = BUSY_REST if retry_after is None else min(retry_after, LONGEST_REST)
        replica.rest_until = max(replica.rest_until, self._clock() + rest)


def _weight(name: str, affinity: str) -> bytes:
    return hashlib.blake2b(f"{name}\0{affinity}".encode(), digest_size=8).digest()
