"""Replay one seed, or simulate many turns: ``python -m tests.simulation --help``."""

import argparse
import sys

from tests.simulation.soak import replay, soak


def main() -> int:
    """Run as the arguments say; 1 when an invariant was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this seed and print everything it did")
    parser.add_argument("--turns", type=int, default=20_000, help="how many turns to simulate")
    parser.add_argument("--start", type=int, default=0, help="first seed")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    return soak(options.turns, options.start, options.processes)


if __name__ == "__main__":
    sys.exit(main())
