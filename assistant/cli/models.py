"""``corral models``: list, pull and locate the models of this machine."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Table

from assistant.engine.models import ModelEntry, ModelStore
from assistant.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="The models on this machine.")

Reference = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A name from `corral models list`, or a Hugging Face org/name or org/name:file.gguf.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def _store() -> ModelStore:
    return ModelStore(load_settings().cache_dir / "models")


def _entry(entry: ModelEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "title": entry.title,
        "licence": entry.licence,
        "size": entry.size,
        "path": str(entry.path) if entry.path else None,
    }


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Show the models Corral knows, and which of them are here."""
    entries = _store().entries()
    if as_json:
        typer.echo(json.dumps([_entry(entry) for entry in entries], indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "what", "licence", "MB", "here"):
        table.add_column(column, justify="right" if column == "MB" else "left")
    for entry in entries:
        megabytes = f"{entry.size / 1e6:.0f}"
        here = "yes" if entry.path else "no"
        table.add_row(entry.name, entry.title, entry.licence, megabytes, here)
    Console().print(table)


@app.command("pull")
def pull_model(model: Reference, as_json: AsJson = False) -> None:
    """Fetch a model, check it, and print where it lies."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
        disable=as_json or not sys.stderr.isatty(),
        transient=True,
    ) as progress:
        task = progress.add_task(model, total=None)
        path = _store().pull(
            model, lambda done, total: progress.update(task, completed=done, total=total)
        )
    typer.echo(json.dumps({"name": model, "path": str(path)}) if as_json else str(path))


@app.command("path")
def model_path(model: Reference, as_json: AsJson = False) -> None:
    """Print where a pulled model lies; fails if it is not here or not what it should be."""
    path = _store().path(model)
    typer.echo(json.dumps({"name": model, "path": str(path)}) if as_json else str(path))
