"""`archgraph data`: commands about datasets."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

import typer

from archgraph.cli import data_check, data_show

app = typer.Typer(
    name="data",
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check datasets and look at them.",
)
COMMANDS: Mapping[str, ModuleType] = {"check": data_check, "show": data_show}
for name, command in COMMANDS.items():
    app.command(name, epilog=command.EXAMPLES)(command.COMMAND)
