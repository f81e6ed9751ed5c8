"""Asking the servers of one guard model until one of them answers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from guards.guard import GuardNonsenseError
from guards.refusal import (
    OverloadedError,
    RejectedError,
    RejectionKind,
    TimedOutError,
    UpstreamError,
)
from guards.replicas import Replica, Replicas
from guards.served import served_models
from guards.upstream import Upstream

T = TypeVar("T")


class GuardServers:
    """The servers of one guard model, and which of them is asked when.

    Args:
        upstreams: replicas of the same model.
        clock: seconds, monotonic; the event loop's own.
        model: served name; empty takes the first the server lists.
    """

    def __init__(
        self, upstreams: Sequence[Upstream], *, clock: Callable[[], float], model: str
    ) -> None:
        self._replicas = Replicas({u.url: u for u in upstreams}, clock=clock)
        self._clock = clock
        self.model = model

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[object], T],
        *,
        affinity: str,
        deadline: float,
    ) -> T:
        """``read`` of the first answer there is to ``body``, which goes out with the model's name.

        Each server gets an equal share of the time that is left.

        Args:
            path: as in :class:`~guards.upstream.Upstream`.
            body: the request without its model.
            read: parses an answer; what it cannot is a ``GuardNonsenseError``.
            affinity: requests that begin alike should be asked with the same one, so that they
                meet a server that has their beginning cached.
            deadline: on the clock.

        Raises:
            GuardNonsenseError: what ``read`` raised; no other server is asked, the model would
                say the same.
            UpstreamError: no server answered.
        """
        order = self._replicas.order(affinity)
        for place, replica in enumerate(order):
            left = (deadline - self._clock()) / (len(order) - place)
            if left <= 0:
                break
            try:
                if not self.model:
                    self.model = (await served_models(replica.server, timeout=left))[0].name
                payload = await replica.server.post_json(
                    path, {"model": self.model, **body}, timeout=left
                )
                answer = read(payload)
            except (UpstreamError, GuardNonsenseError) as error:
                if (
                    not self._note(replica, error)
                    or replica is order[-1]
                    or self._clock() >= deadline
                ):
                    raise
            else:
                self._replicas.succeeded(replica)
                return answer
        raise TimedOutError("no guard server answered in time")

    def _note(self, replica: Replica[Upstream], error: UpstreamError | GuardNonsenseError) -> bool:
        """Learn from a failure; whether another server may do better."""
        match error:
            case GuardNonsenseError():
                return False
            case RejectedError(kind=RejectionKind.CONTEXT_TOO_LONG | RejectionKind.BAD_REQUEST):
                return False
            case OverloadedError():
                self._replicas.busy(replica, error.retry_after)
            case _:
                self._replicas.failed(replica, type(error).__name__)
        return True
