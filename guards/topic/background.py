"""What people ask any assistant: what a topic is told apart from."""

from dataclasses import dataclass
from importlib.resources import files

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """Messages in many languages.

    Attributes:
        small_talk: greetings, thanks, questions about the assistant itself; on every topic.
        requests: everyday requests about everything.
    """

    small_talk: tuple[str, ...]
    requests: tuple[str, ...]


def load_background() -> Background:
    """The messages that ship with the guard."""
    text = (files("guards.topic") / "background.yaml").read_text(encoding="utf-8")
    groups = yaml.load(text, Loader=yaml.CSafeLoader)
    return Background(
        small_talk=tuple(row for rows in groups["small_talk"].values() for row in rows),
        requests=tuple(row for rows in groups["requests"].values() for row in rows),
    )
