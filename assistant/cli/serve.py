"""``corral serve``: the HTTP interface, until a signal asks to stop."""

from assistant.api.server import serve
from assistant.cli.terminal import Terminal
from assistant.settings import load_settings


def run_serve(*, host: str | None, port: int | None, workers: int, json_mode: bool) -> None:
    """Serve with the settings, of which ``host`` and ``port`` given here win."""
    terminal = Terminal(json_mode=json_mode)
    given = {"host": host, "port": port}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    serve(settings, workers, terminal.progress)
