"""The ``corral`` command. Only what parsing needs is imported here; commands load the rest."""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.main import get_command

from assistant.cli.exits import Complaint, Exit
from assistant.cli.mounts import MOUNTS, LazyGroup
from policies.audience import Audience

app = typer.Typer(
    cls=LazyGroup,
    name="corral",
    help="Put a Llama-family model in front of the public safely.",
    epilog="Exit codes: 0 ok, 1 a check failed, 2 wrong usage or settings, 3 blocked by policy, "
    "4 something needed is not available, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, (_module, _help) in MOUNTS.items():
    app.add_typer(typer.Typer(), name=_name, help=_help)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Session = Annotated[str, typer.Option(help="Name under which the conversation is remembered.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"corral {version('corral')}")
        raise typer.Exit


@app.callback()
def root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
) -> None:
    """Put a Llama-family model in front of the public safely."""
    del show_version  # handled by its callback before anything else


@app.command()
def ask(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(help="The question; - reads standard input.")],
    session: Annotated[
        str | None, typer.Option(help="Remember the conversation under this name.")
    ] = None,
    json: Json = False,
) -> None:
    """Ask one question and print the guarded answer."""
    from assistant.cli.ask import run_ask

    run_ask(ctx.obj, text, session=session, json_mode=json)


@app.command()
def chat(ctx: typer.Context, session: Session = "cli", json: Json = False) -> None:
    """Talk with the model; every turn shows what the guards said. Reads a pipe line by line."""
    from assistant.cli.chat import run_chat

    run_chat(ctx.obj, session=session, json_mode=json)


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on instead of CORRAL_HOST.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port to listen on instead of CORRAL_PORT.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Server processes.")] = 1,
    json: Json = False,
) -> None:
    """Serve the OpenAI-compatible HTTP interface."""
    from assistant.cli.serve import run_serve

    run_serve(host=host, port=port, workers=workers, json_mode=json)


@app.command()
def moderate(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="File of JSON lines, also .gz; - reads a pipe.")
    ],
    target: Annotated[
        Path, typer.Argument(metavar="OUT", help="File for the decisions, also .gz; - prints them.")
    ],
    guard: Annotated[
        list[str] | None,
        typer.Option(help="Guard that must judge, may be repeated [those of CORRAL_GUARDS]."),
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field with the text.")] = "text",
    subject: Annotated[
        Literal["user_input", "reply", "tool_result", "document"],
        typer.Option(help="What lines are that do not say so."),
    ] = "user_input",
    audience: Annotated[
        Audience, typer.Option(help="Whom it is decided for: general, minor or adult.")
    ] = Audience.GENERAL,
    locale: Annotated[
        str | None,
        typer.Option(
            help="Language of the policy's text; by default the text's own, else CORRAL_LOCALE."
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Lines judged at a time.")] = 8,
    processes: Annotated[
        int, typer.Option(min=1, max=1024, help="Processes or Ray actors, each with those jobs.")
    ] = 1,
    backend: Annotated[
        Literal["local", "ray"], typer.Option(help="Where it runs: ray for many machines.")
    ] = "local",
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew instead of going on after the last line.")
    ] = False,
    json: Json = False,
) -> None:
    """Decide every line of a file by the policy. Ends with 1 if a line gave an error."""
    from assistant.cli.moderate import moderate_files
    from guards.conversation import Subject

    moderate_files(
        source,
        target,
        guards=guard,
        text_field=text_field,
        subject=Subject(subject),
        audience=audience,
        locale=locale,
        jobs=jobs,
        processes=processes,
        on_ray=backend == "ray",
        fresh=fresh,
        json_mode=json,
    )


@app.command()
def doctor(json: Json = False) -> None:
    """Look at everything Corral needs: what is missing and how to get it."""
    from assistant.cli.doctor import run_doctor

    run_doctor(json_mode=json)


@app.command()
def demo(ctx: typer.Context, json: Json = False) -> None:
    """Hold five real turns and show what the guards said; then chat, on a terminal."""
    from assistant.cli.demo import run_demo

    run_demo(ctx.obj, json_mode=json)


def main(args: Sequence[str], *, assemble: object = None) -> int:
    """Run one command and return its exit code; no error leaves it as a traceback.

    ``assemble`` replaces :func:`assistant.bootstrap.assemble`, for tests.
    """
    from typer._click.exceptions import ClickException, NoArgsIsHelpError

    try:
        code = get_command(app).main(
            args=list(args), prog_name="corral", standalone_mode=False, obj=assemble
        )
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except NoArgsIsHelpError as error:
        typer.echo(error.format_message())
        return Exit.USAGE
    except ClickException as error:
        context = getattr(error, "ctx", None)
        place = context.command_path if context is not None else "corral"
        complaint = Complaint(
            message=error.format_message(),
            hint=f"`{place} --help` shows how it is used",
            code="usage_error",
            exit=Exit.USAGE,
        )
    except Exception as error:  # noqa: BLE001 - the process edge: nobody above could say it better
        if os.environ.get("CORRAL_DEBUG") == "1":
            traceback.print_exception(error)
        complaint = Complaint.about(error)
    else:
        return code if isinstance(code, int) else Exit.OK
    from assistant.cli.terminal import Terminal

    complaint.show(Terminal(json_mode="--json" in args))
    return complaint.exit


def run() -> None:
    """Console entry point."""
    for stream in (sys.stdout, sys.stderr):
        # What the terminal's encoding cannot show appears as an escape instead of an error.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # the standard streams are TextIOWrapper
    code = main(sys.argv[1:])
    if code == Exit.INTERRUPTED and sys.stderr.isatty():
        sys.stderr.write("\n")  # the shell's prompt begins on a line of its own
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader went away (`corral … | head`); keep the interpreter's own flush quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
