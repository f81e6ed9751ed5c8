"""What people ask any assistant: what a topic is told apart from."""

from collections.abc import Container
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


def load_background(languages: Container[str] | None = None) -> Background:
    """The messages that ship with the guard, in ``languages`` or in all of them."""
    text = (files("guards.topic") / "background.yaml").read_text(encoding="utf-8")
    groups = yaml.load(text, Loader=yaml.CSafeLoader)
    chosen = {
        group: tuple(
            row
            for language, rows in by_language.items()
            if languages is None or language in languages
            for row in rows
        )
        for group, by_language in groups.items()
    }
    return Background(small_talk=chosen["small_talk"], requests=chosen["requests"])
