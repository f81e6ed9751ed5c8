"""``corral guard serve``: moderation over HTTP, without a model and a memory."""

from typing import Annotated

import typer

from assistant.api.server import serve_moderation
from assistant.cli.terminal import Terminal
from assistant.settings import load_settings


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on instead of CORRAL_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on instead of CORRAL_PORT.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Serve moderation by the guards and the policy over HTTP; no model, no memory."""
    terminal = Terminal(json_mode=json)
    given = {"host": host, "port": port}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    serve_moderation(settings, terminal.progress)
