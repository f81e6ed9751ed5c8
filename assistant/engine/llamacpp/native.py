"""llama.cpp itself, set up once in a process."""

import ctypes
import sys

import llama_cpp

_WARNING = 3  # ggml's level


@llama_cpp.llama_log_callback  # type: ignore[untyped-decorator] # its own lacks types
def _log(level: int, text: bytes, _user_data: object) -> None:
    if level >= _WARNING:
        sys.stderr.write(text.decode("utf-8", "replace"))


def start_library() -> None:
    """Make llama.cpp ready; it says warnings and errors only, not pages at each start."""
    llama_cpp.llama_log_set(_log, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
