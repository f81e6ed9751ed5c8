"""Prints the tables of ``docs/explanation/taint.md``: ``python -m tests.plugins.agentdojo``."""

import argparse
import asyncio

from guards.embedded import load_embedded_guard
from tests.plugins.agentdojo.replay import Tried
from tests.plugins.agentdojo.suites import suites
from tests.plugins.agentdojo.table import (
    HEAD,
    WORDINGS,
    Share,
    asks_about_every_act,
    asks_about_private_reading,
    injected,
    legitimate,
    row,
    through,
)


async def print_tables(wording: str, reading: bool) -> None:
    """Replay everything and print it."""
    reader = load_embedded_guard() if reading else None
    own: list[Tried] = []
    foreign: list[Tried] = []
    cut = summarised = Share(part=0, whole=0)
    print(f"injections {wording}\n\n{HEAD}")
    for suite in suites():
        mine = await legitimate(suite)
        theirs, away = await injected(suite, WORDINGS[wording](), reader=reader)
        print(row(suite, mine, theirs), flush=True)
        summarised += Share.of(await legitimate(suite, retold=True), through)
        own, foreign, cut = own + mine, foreign + theirs, cut + away
    print(row("all", own, foreign))
    print(f"\ninjected calls stopped, readings included: {Share.of(foreign, lambda c: c.stopped)}")
    print(f"legitimate calls let through, with texts of a summary's length: {summarised}")
    if reader is not None:
        print(f"pairs in which the packaged guard cut the injection: {cut}")
    for name, rule in (
        ("as it is", lambda call: call.stopped),
        ("every influenced act asked about", asks_about_every_act),
        ("private reading asked about as well", asks_about_private_reading),
    ):
        kept = Share.of(own, lambda call, rule=rule: not rule(call))
        print(f"{name}: legitimate {kept}, injected {Share.of(foreign, rule)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.plugins.agentdojo")
    parser.add_argument("--wording", choices=[*WORDINGS], default="dressed up")
    parser.add_argument(
        "--reader", action="store_true", help="let the packaged guard judge results as well"
    )
    arguments = parser.parse_args()
    asyncio.run(print_tables(arguments.wording, arguments.reader))


if __name__ == "__main__":
    main()
