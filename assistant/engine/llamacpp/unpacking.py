"""Small packed models are unpacked once, because they then read prompts three times as fast."""

import ctypes
import fcntl
import os
from pathlib import Path

import llama_cpp

from assistant.engine.llamacpp.native import start_library

SMALL = 256 << 20
"""Bytes up to which a file is unpacked; larger ones would not gain what their memory costs."""


def unpacked(packed: Path, *, threads: int) -> Path:
    """The same weights as 16-bit floats, made beside ``packed`` if need be.

    llama.cpp computes with 16-bit floats several tokens at a time, with most packed formats one
    after the other; and it need not round what flows between layers to fit packed weights, so
    the answers are the better ones as well. Returns ``packed`` where it is large, is not packed,
    or lies in a folder that cannot be written.
    """
    start_library()
    target = packed.with_name(f"{packed.stem}.f16{packed.suffix}")
    if packed.stat().st_size > SMALL or not _is_packed(packed):
        return packed
    if _is_fresh(target, packed):
        return target
    unfinished = packed.with_name(f".{target.name}.unfinished")
    try:
        lock = unfinished.open("ab")
    except OSError:
        return packed
    with lock:
        # Whoever starts at the same time waits here, and then finds it done.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_fresh(target, packed) and _unpack(packed, unfinished, threads):
            unfinished.replace(target)
        else:
            unfinished.unlink(missing_ok=True)
    return target if _is_fresh(target, packed) else packed


def _is_fresh(target: Path, packed: Path) -> bool:
    return target.exists() and target.stat().st_mtime >= packed.stat().st_mtime


def _unpack(packed: Path, target: Path, threads: int) -> bool:
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_F16
    parameters.allow_requantize = True
    parameters.nthread = threads
    return not llama_cpp.llama_model_quantize(os.fsencode(packed), os.fsencode(target), parameters)


_PLAIN = frozenset({b"", b"0", b"1", b"32"})
"""llama.cpp's file types that are floats already: 32, 16 and brain 16 bits; or not said."""


def _is_packed(path: Path) -> bool:
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        return False
    try:
        value = ctypes.create_string_buffer(16)
        # The field, because the type itself is only known once the weights are loaded.
        llama_cpp.llama_model_meta_val_str(model, b"general.file_type", value, len(value))
        return value.value not in _PLAIN
    finally:
        llama_cpp.llama_model_free(model)
