"""The command `archgraph`: its commands, its exit codes, and what becomes of exceptions."""

from __future__ import annotations

import gc
import io
import shlex
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated

import typer

from archgraph import __version__
from archgraph.cli import (
    anchors,
    check,
    cost,
    data,
    demo,
    draw,
    emit,
    evaluate,
    explain,
    export_weights,
    fmt,
    import_weights,
    listing,
    new,
    passes,
    predict,
    report,
    schema,
    show,
    train,
    variants,
)
from archgraph.cli.output import print_diagnostics, write
from archgraph.errors import ArchgraphError, DataError, Diagnostic, InputOutputError

OK, INTERNAL_ERROR, INTERRUPTED = 0, 70, 130

_EPILOG = """
[bold]Examples[/]
  archgraph demo
  archgraph check neck.yaml
  archgraph passes bifpn --explain
  archgraph emit bifpn --set channels=64 --set cells=3 -o bifpn.py
  archgraph show efficientdet --variant d0 --summary

[bold]Exit codes[/]
  0 all is well     2 the command line is wrong        70 a bug in archgraph
  1 a spec is wrong 3 a file cannot be read or written 130 interrupted
"""

app = typer.Typer(
    name="archgraph",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
)
COMMANDS: Mapping[str, ModuleType] = {
    "check": check,
    "show": show,
    "passes": passes,
    "cost": cost,
    "variants": variants,
    "draw": draw,
    "emit": emit,
    "train": train,
    "eval": evaluate,
    "import-weights": import_weights,
    "export-weights": export_weights,
    "predict": predict,
    "report": report,
    "anchors": anchors,
    "new": new,
    "fmt": fmt,
    "list": listing,
    "explain": explain,
    "schema": schema,
    "demo": demo,
}
for name, command in COMMANDS.items():
    app.command(name, epilog=command.EXAMPLES)(command.COMMAND)
app.add_typer(data.app, name="data")


@dataclass
class Session:
    """What the options before the command say."""

    debug: bool = False


def _print_version(wanted: bool) -> None:
    if wanted:
        write(f"archgraph {__version__}\n")
        raise typer.Exit


@app.callback()
def _archgraph(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", callback=_print_version, is_eager=True
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of an internal error.")
    ] = False,
) -> None:
    """Compile YAML specs of feature pyramids and detectors to plain PyTorch."""
    session = context.obj
    if isinstance(session, Session):
        session.debug = debug


def main(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; no exception leaves."""
    session = Session()
    try:
        app(args=list(arguments), prog_name="archgraph", obj=session)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else OK
    except ArchgraphError as error:
        print_diagnostics(error.diagnostics, stderr=True)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        # Files of specs have errors of their own; what is left is our output: a full disk.
        message = f"cannot write the output: {error.strerror or error}"
        print_diagnostics([Diagnostic("E020", message)], stderr=True)
        return InputOutputError.exit_code
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which may not be imported here
            print_diagnostics([_out_of_memory(error)], stderr=True)
            return DataError.exit_code
        _report_bug(error, arguments, debug=session.debug)
        return INTERNAL_ERROR
    return OK


def collect_seldom() -> None:
    """Let Python look for cyclic garbage less often.

    A graph is many small objects that live until the end. Looking through them after every few
    hundred new ones takes a third of the time of a pass over 100,000 nodes.
    """
    gc.set_threshold(100_000, 50, 1000)


def run() -> None:
    """The entry point of the process."""
    collect_seldom()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name of a file, or the letters of a spec, must not end a command
            stream.reconfigure(errors="backslashreplace")
    if hasattr(signal, "SIGPIPE"):
        # `archgraph show bifpn | head` ends as every other program does there: at once, silently
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))


def _out_of_memory(error: Exception) -> Diagnostic:
    said = ". ".join(str(error).split(". ")[:2])
    hint = "take a smaller batch; to train, also precision=bfloat16, checkpoint=true or accumulate"
    return Diagnostic("E560", f"the device has too little memory: {said}", None, hint)


def _report_bug(error: Exception, arguments: Sequence[str], *, debug: bool) -> None:
    if debug:
        write("".join(traceback.format_exception(error)), stderr=True)
    what = " ".join(f"{type(error).__name__}: {error}".split())
    write(f"internal error: {what}\n", stderr=True)
    rerun = shlex.join(["archgraph", "--debug", *(a for a in arguments if a != "--debug")])
    write(
        "  help: this is a bug in archgraph, not in your spec; please report it with the spec and\n"
        f"        the output of: {rerun}\n",
        stderr=True,
    )
