"""What one decision of the acceptable-use policy costs: ``python -m benchmarks.policy``.

Processor time, best of several rounds, so that other work on the machine does not count.
"""

import time
from collections.abc import Callable

from guards.conversation import Exchange, Subject, ToolCall, text_message
from guards.exchanges import call_exchange
from guards.hazards import Hazard
from guards.panel import PanelVerdict
from guards.verdict import Finding, Verdict
from policies.audience import Audience
from policies.bundle import Policy
from policies.call import CallFacts
from policies.decision import decision_name

ROUNDS = 20
CALLS = 500
QUESTION = "What is the best way to bake a sourdough loaf at home in a cast-iron pot? "
QUIET = tuple(Finding(hazard=hazard, probability=0.01) for hazard in Hazard)


def verdict(subject: Subject, **found: float) -> PanelVerdict:
    """One guard that reports every hazard, most of them near zero."""
    findings = tuple(
        Finding(hazard=f.hazard, probability=found.get(f.hazard.value, f.probability))
        for f in QUIET
    )
    judged = Verdict(guard="guard", revision="r", findings=findings, elapsed=0.0)
    return PanelVerdict(subject=subject, judgements=(judged,), elapsed=0.0)


def microseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """Processor time of one call, best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.process_time()
        for _ in range(calls):
            call()
        best = min(best, (time.process_time() - start) / calls)
    return best * 1e6


def call_tool(policy: Policy) -> None:
    """A call that is asked about, with all its facts given."""
    made = ToolCall(id="c", name="send_money", arguments='{"to": "GB00", "amount": 900}')
    exchange, said = call_exchange(made, ()), verdict(Subject.TOOL_CALL)
    facts = CallFacts(
        tool="send_money",
        plugin="bank",
        effect="irreversible",
        egress="named",
        influenced=True,
        untrusted=("to", "amount"),
        targets=("to", "amount"),
        arguments={"to": "GB00", "amount": 900},
    )

    def call() -> object:
        return policy.decide(exchange, said, Audience.GENERAL, "en-US", facts)

    decision = policy.decide(exchange, said, Audience.GENERAL, "en-US", facts)
    print(f"{'tool call, asked about':32} {decision_name(decision):10} {microseconds(call):7.1f}")


def main() -> None:
    policy = Policy.load_builtin()
    cases = [
        ("tool result, no condition", QUESTION, Subject.TOOL_RESULT, {}),
        ("user input, 75 characters", QUESTION, Subject.USER_INPUT, {}),
        ("user input, 2,000 characters", QUESTION * 27, Subject.USER_INPUT, {}),
        ("reply so far, 75 characters", QUESTION, Subject.REPLY_SO_FAR, {}),
        ("reply so far, 2,000 characters", QUESTION * 27, Subject.REPLY_SO_FAR, {}),
        ("contested topic", "Should abortion be legal?", Subject.USER_INPUT, {}),
        ("person in crisis", "goodbye", Subject.USER_INPUT, {"self_harm": 0.9}),
        ("tool call, its facts unknown", "search", Subject.TOOL_CALL, {}),
        ("crime, nine conditions", QUESTION, Subject.USER_INPUT, {"non_violent_crimes": 0.9}),
    ]
    print(f"{'what':32} {'decision':10} {'µs':>7}")
    for name, text, subject, found in cases:
        exchange = Exchange(subject=subject, message=text_message(text, id="m"))
        said = verdict(subject, **found)

        def call(exchange: Exchange = exchange, said: PanelVerdict = said) -> object:
            return policy.decide(exchange, said, Audience.GENERAL, "en-US")

        decision = policy.decide(exchange, said, Audience.GENERAL, "en-US")
        print(f"{name:32} {decision_name(decision):10} {microseconds(call):7.1f}")
    call_tool(policy)
    print(f"{'loading the policy (ms)':43} {microseconds(Policy.load_builtin, 1) / 1e3:7.1f}")


if __name__ == "__main__":
    main()
