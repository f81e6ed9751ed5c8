"""The ``corral`` command with the scripted guard, as a program of its own."""

import sys
from functools import partial

from assistant.bootstrap import assemble
from assistant.cli.main import main
from tests.assistant.cli.stage import scripted_guard

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], assemble=partial(assemble, guards=[scripted_guard()])))
