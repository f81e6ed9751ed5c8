"""On whose behalf a tool is called."""

from dataclasses import dataclass

from policies.audience import Audience


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One turn, as the broker knows it.

    Attributes:
        tenant, user, session: the scope of everything the call touches (I11).
        turn: id of the turn; the same again when the turn is taken up after a crash.
        audience, locale: for decisions and texts.
        pseudonym: stands for tenant and user towards tools and in logs.
    """

    tenant: str
    user: str
    session: str
    turn: str
    pseudonym: str
    audience: Audience = Audience.GENERAL
    locale: str = "en"
