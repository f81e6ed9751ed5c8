"""The ``corral`` command with the scripted guard and a plugin that asks, as a program of its own.

On a terminal it looks for reminders all the time, so that no test has to wait for one.
"""

import sys
from functools import partial

from assistant.bootstrap import assemble
from assistant.cli import reminding
from assistant.cli.main import main
from tests.assistant.approval.office import OFFICE
from tests.assistant.cli.stage import scripted_guard

if __name__ == "__main__":
    reminding.EVERY = 0.05
    with_tools = partial(assemble, guards=[scripted_guard()], plugins={"office": OFFICE})
    sys.exit(main(sys.argv[1:], assemble=with_tools))
