"""Whether a panel is able to judge."""

from guards.conversation import Exchange, Subject, text_message
from guards.panel import Panel


async def state(panel: Panel) -> str:
    """``"ok"``, or which guards of ``panel`` gave no verdict on a greeting, and why."""
    message = text_message("Good morning.", id="health")
    verdict = await panel.judge(Exchange(subject=Subject.USER_INPUT, message=message))
    if verdict.complete:
        return "ok"
    return ", ".join(f"{failure.guard}: {failure.reason}" for failure in verdict.unscanned)
