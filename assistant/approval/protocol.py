"""The seam behind which questions to people, and the turns that wait for them, are kept."""

from typing import Protocol

from assistant.approval.asked import Approval, Asked
from assistant.memory.protocol import Lease
from assistant.turn import SessionKey
from policies.decision import Approver

RETENTION = 24 * 3600.0
"""Seconds that an approval is kept after it expired."""


class Approvals(Protocol):
    """Keeps what is asked until it is answered and its turn is finished.

    An id is only good together with its tenant: another tenant's is unknown (I11). Every method
    raises ``MemoryUnavailableError`` when the store does not answer in time.
    """

    async def ask(self, asked: Asked, suspended: bytes, lease: Lease | None) -> None:
        """Keep the question and the turn that waits for its answer.

        With a lease, the question becomes the session's open one and the session's lock is
        given back, in one atomic step with the rest. Asking again under the same lease changes
        nothing.

        Raises:
            SessionBusyError: the lease was lost; nothing was kept.
        """

    async def get(self, tenant: str, approval_id: str) -> Approval | None:
        """The approval, whatever became of it, until a day after it expired."""

    async def waiting(
        self,
        tenant: str,
        *,
        user: str | None = None,
        approver: Approver | None = None,
        limit: int = 100,
    ) -> tuple[Approval, ...]:
        """Those that can still be answered, newest first; of one user or approver if given."""

    async def of_turn(self, key: SessionKey, turn: str) -> Approval | None:
        """The latest one that the turn asked for, or that was asked under its lease: a message
        that answers one question may lead to the next, and come again."""

    async def open_question(self, key: SessionKey) -> Approval | None:
        """The one that the session's very last turn ended with, if it did.

        Any later commit of the session ends this, and so does :meth:`close`.
        """

    async def answer(
        self,
        tenant: str,
        approval_id: str,
        approved: bool,
        by: str,
        *,
        word: tuple[SessionKey, str] | None = None,
    ) -> Approval:
        """Set the answer, once and for all; giving the same one again is fine.

        ``word`` is the turn in the approval's session whose message it was: from now on
        :meth:`of_turn` names this approval for it, as that message is about no other.

        Raises:
            UnknownApprovalError: the tenant has none of that id, or its turn is finished.
            ApprovalExpiredError: it comes too late.
            ApprovalAnsweredError: another answer was given before.
        """

    async def suspended(self, tenant: str, approval_id: str) -> bytes:
        """The turn that waits, as it was handed to :meth:`ask`.

        Raises:
            UnknownApprovalError: the tenant has none of that id, or its turn is finished.
        """

    async def close(self, approval: Approval) -> None:
        """The turn is finished: forget it, and of the question the arguments and the text."""
