"""Files moderated here and on Ray: ``python -m benchmarks.moderate_files [--lines N]``.

Decides the same lines with one process, with two, and on a local Ray with two actors; ends with 1
unless all three give the same bytes. Needs Ray (``pip install 'corral[ray]'``).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = ("how", "do", "I", "make", "bread", "bomb", "a", "the", "code", "of", "poem", "process")
WAYS = {
    "1 process": (),
    "2 processes": ("--processes", "2"),
    "Ray, 2 actors": ("--processes", "2", "--backend", "ray"),
}
CORRAL = (sys.executable, "-c", "from assistant.cli.main import run; run()")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.moderate_files", description=__doc__
    )
    parser.add_argument("--lines", type=int, default=5000)
    lines = parser.parse_args().lines
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "in.jsonl"
        with source.open("w") as file:
            for number in range(lines):
                text = " ".join(rng.choices(WORDS, k=rng.randint(5, 60)))
                bad = number % 997 == 996
                file.write("nonsense\n" if bad else json.dumps({"id": number, "text": text}) + "\n")
        results = {}
        for name, options in WAYS.items():
            target = Path(folder) / f"{len(results)}.jsonl"
            start = time.perf_counter()
            done = subprocess.run(
                [*CORRAL, "moderate", str(source), str(target), *options],
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.perf_counter() - start
            if not target.exists():
                print(f"{name}: {done.stderr.strip()}")
                return 1
            results[name] = target.read_bytes()
            decided = results[name].count(b"\n")
            print(f"{name:14} {decided} lines in {seconds:.1f} s, {decided / seconds:.0f} a second")
    same = len(set(results.values())) == 1
    print("the same bytes" if same else "DIFFERENT")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
