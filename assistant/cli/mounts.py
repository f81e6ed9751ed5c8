"""Groups of commands that are imported only when one of them is called."""

from importlib import import_module

import typer
from typer.core import TyperGroup
from typer.main import get_group

from assistant.cli.exits import Exit, Failed

MOUNTS = {
    "approval": ("assistant.cli.approval", "Answer the tool calls that wait for a person."),
    "audit": ("assistant.cli.audit", "Read the decision log and prove that its chain is whole."),
    "guard": ("assistant.cli.guard", "Ask the guards and the policy about a text."),
    "models": ("assistant.cli.models", "List, fetch and find the models that run on this machine."),
    "plugin": ("assistant.cli.plugin", "List, enable, make and test plugins."),
    "policy": ("assistant.cli.policy", "Check, test and explain policies."),
}
"""Group name to the module whose ``app`` it is, and its line in the help."""


class LazyGroup(TyperGroup):
    """Lists a mounted group by its line of help, and loads it when it is called.

    ``corral --help`` stays fast that way, and a group that cannot be imported breaks itself only.
    """

    def resolve_command(self, ctx, args):  # type: ignore[no-untyped-def] # the types are typer's private ones
        name, command, rest = super().resolve_command(ctx, args)
        if name in MOUNTS:
            command = load(name)
        return name, command, rest


def load(name: str) -> TyperGroup:
    """Import a mounted group.

    Raises:
        Failed: its module cannot be imported.
    """
    module, help_line = MOUNTS[name]
    try:
        app: typer.Typer = import_module(module).app
    except (ImportError, AttributeError) as error:
        raise Failed(
            f"`corral {name}` is not usable in this installation",
            hint="install Corral again, or set CORRAL_DEBUG=1 to see what is missing",
            code="command_unavailable",
            exit=Exit.UNAVAILABLE,
        ) from error
    app.rich_markup_mode = None  # the same plain help as everywhere
    group = get_group(app)
    group.name = name
    group.help = help_line
    return group
