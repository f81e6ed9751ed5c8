"""A full disk and a killed process, each for real, in a process of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from assistant.audit.browse import find
from assistant.audit.segments import segments
from assistant.audit.verify import verify

FULL_DISK = """
import resource, sys
from pathlib import Path
from assistant.audit.log import FileDecisionLog
from assistant.clock import SystemClock
from assistant.errors import LogUnavailableError

def room(bytes_):
    # A file that may not grow answers as a full disk does: a short write, then an error.
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, resource.RLIM_INFINITY))

folder = Path(sys.argv[1])
rotating = sys.argv[2] == "rotating"
log = FileDecisionLog(
    folder, clock=SystemClock(), fsync=False, segment_bytes=1500 if rotating else 1 << 20
)
body = {"text": "x" * 500}
taken = [log.append("decision", body)]
refused = 0
for size in (0, 1, 700, 1200, 1400, 1401):
    room(size)
    try:
        for _ in range(10):
            taken.append(log.append("decision", body))
    except LogUnavailableError as error:
        assert "cannot be written" in str(error), error
        refused += 1
    (last,) = sorted(folder.glob("*.jsonl"))[-1:]
    assert last.read_bytes()[-1:] in (b"", b"\\n"), "half an entry was left behind"
    room(resource.RLIM_INFINITY)
    taken.append(log.append("decision", body))
log.close()
print(refused, *taken)
"""

KILLED = """
import sys
from pathlib import Path
from assistant.audit.log import FileDecisionLog
from assistant.clock import SystemClock

log = FileDecisionLog(
    Path(sys.argv[1]), clock=SystemClock(), fsync=False, segment_bytes=20_000
)
while True:
    print(log.append("decision", {"text": "x" * 300}), flush=True)
"""


def test_a_full_disk_is_an_error_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    for mode in ("one segment", "rotating"):
        folder = tmp_path / mode
        done = subprocess.run(
            [sys.executable, "-c", FULL_DISK, str(folder), mode],
            capture_output=True,
            check=False,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        refused, *taken = done.stdout.split()
        assert int(refused) >= 3
        report = verify(folder)
        assert report.sound
        assert report.entries == len(taken) + 2
        assert [find(folder, name) is not None for name in taken] == [True] * len(taken)


def test_a_full_disk_at_the_start_is_an_error(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from assistant.audit.log import FileDecisionLog\n"
        "from assistant.clock import SystemClock\n"
        "from assistant.errors import LogUnavailableError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, resource.RLIM_INFINITY))\n"
        "try:\n"
        "    FileDecisionLog(Path(sys.argv[1]), clock=SystemClock())\n"
        "except LogUnavailableError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, check=True, text=True
    )
    assert "cannot be written" in done.stdout
    assert verify(tmp_path).sound


def test_what_was_appended_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for lines in (1, 40, 90, 150):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            for _ in range(lines):
                acknowledged.append(process.stdout.readline().strip())
            os.kill(process.pid, signal.SIGKILL)
            acknowledged += process.stdout.read().split("\n")[:-1]
    report = verify(tmp_path)
    assert report.problems == ()
    assert len(segments(tmp_path)) == 1
    assert report.segments > 4
    assert len(acknowledged) >= 281
    assert all(find(tmp_path, name) for name in acknowledged[::10])
    assert report.entries >= len(acknowledged) + 4
