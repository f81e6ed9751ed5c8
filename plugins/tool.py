"""A tool: what a model is told about it, and how it runs."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from guards.conversation import Confidentiality
from plugins.access import Access
from plugins.manifest import SideEffect
from plugins.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool the model may call.

    Attributes:
        name: function name.
        description: what the model reads.
        parameters: JSON schema (draft 2020-12) of the arguments object.
    """

    name: str
    description: str
    parameters: dict[str, Any]


Run = Callable[[Mapping[str, Any], Access], Awaitable[Result]]
"""Runs one call with arguments that meet the schema. May raise ``ToolError`` for the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that Corral runs. Wrap it by replacing ``run``.

    Attributes:
        spec: what the model is told.
        run: does it.
        side_effect: the worst one call leaves behind.
        reads: class of the data it reads, which its results are labelled with.
        hosts: hosts that its calls may reach, among the manifest's; ``None`` is all of them.
        content: arguments that are free text the tool passes on or works on (a mail's body, a
            search query). All others are targets: they say where to, to whom, how much, which.
        prompt: the argument that an image is made from, judged as an image prompt too.
        command: the argument that takes the words after ``/name`` when a person calls the tool
            themselves; ``None`` when it has no command.
        aliases: further names of its command, ``("search",)`` for ``/search``.
        direct: whether the content of its result may stand as the reply to its command as it is,
            without a model's words around it.
    """

    spec: ToolSpec
    run: Run
    side_effect: SideEffect = SideEffect.NONE
    reads: Confidentiality = Confidentiality.PUBLIC
    hosts: tuple[str, ...] | None = None
    content: frozenset[str] = frozenset()
    prompt: str | None = None
    command: str | None = None
    aliases: tuple[str, ...] = ()
    direct: bool = False

    @property
    def name(self) -> str:
        """The function name."""
        return self.spec.name

    @property
    def effect(self) -> bool:
        """Whether a call leaves anything behind."""
        return self.side_effect is not SideEffect.NONE
