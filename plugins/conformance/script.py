"""What a developer tells conformance: examples of calls, and what the world answers to them."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, model_validator

from plugins.errors import PluginLoadError
from plugins.testing import Answer
from policies.document import read_document
from policies.mistakes import PolicyError
from policies.validation import validate

SCRIPT = "conformance.yaml"
"""The file's name, beside a plugin's ``pyproject.toml``."""


Excusable = Literal["access.effects", "access.processes", "import.quick", "isolation.opens"]
"""Checks of habits; what keeps users safe is not among them."""


class ScriptedAnswer(BaseModel):
    """What a server answers to requests whose URL begins with ``url``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    status: int = Field(200, ge=100, le=599)
    json_: Any = Field(None, alias="json")
    text: str | None = None

    @model_validator(mode="after")
    def _one_body(self) -> "ScriptedAnswer":
        if self.json_ is not None and self.text is not None:
            raise ValueError("an answer has either json or text")
        return self


class Script(BaseModel):
    """The file ``conformance.yaml``.

    Attributes:
        options: the operator's options that the plugin is opened with.
        examples: arguments by tool; each of them must give a result.
        answers: the servers; the answer with the longest fitting ``url`` is given.
        excused: checks that fail for a good reason, by id; the reason is in the report.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    options: dict[str, Any] = {}
    examples: dict[str, list[dict[str, Any]]] = {}
    answers: list[ScriptedAnswer] = []
    excused: dict[Excusable, Annotated[str, Field(min_length=10)]] = {}

    def answer(self, *, poison: str = "") -> Answer:
        """The servers as a function; ``poison`` is added to every text that they say."""

        def respond(request: httpx.Request) -> httpx.Response:
            fitting = [each for each in self.answers if str(request.url).startswith(each.url)]
            if not fitting:
                echo = {"method": request.method, "path": request.url.path, "said": poison}
                return httpx.Response(200, json=echo)
            chosen = max(fitting, key=lambda each: len(each.url))
            if chosen.text is not None:
                return httpx.Response(chosen.status, text=chosen.text + poison)
            return httpx.Response(chosen.status, json=_poisoned(chosen.json_, poison))

        return respond


def _poisoned(value: Any, poison: str) -> Any:
    match value:
        case str():
            return value + poison
        case list():
            return [_poisoned(each, poison) for each in value]
        case dict():
            return {name: _poisoned(each, poison) for name, each in value.items()}
        case _:
            return value


def load_script(path: Path) -> Script:
    """The script at ``path``, or an empty one where there is none.

    Raises:
        PluginLoadError: it has mistakes.
    """
    if not path.exists():
        return Script()
    try:
        script, mistakes = validate(read_document(path, path.name), Script)
    except PolicyError as error:
        raise PluginLoadError(path.parent.name, str(error)) from None
    if script is None:
        raise PluginLoadError(path.parent.name, "; ".join(str(mistake) for mistake in mistakes))
    try:
        json.dumps(script.model_dump())
    except (TypeError, ValueError):
        raise PluginLoadError(
            path.parent.name, f"{path.name}: holds what is no JSON; write dates in quotes"
        ) from None
    return script
