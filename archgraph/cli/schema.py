"""`archgraph schema`: the language as JSON Schema, for completion and checks in an editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from archgraph.cli.options import check_output
from archgraph.cli.output import STANDARD_OUTPUT, write_result

EXAMPLES = """
[bold]Examples[/]
  archgraph schema -o archgraph.schema.json
  archgraph schema > archgraph.schema.json
"""


def schema(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE.json", help="Where to write; - is standard output."
        ),
    ] = STANDARD_OUTPUT,
) -> None:
    """Print the JSON Schema of the language, with which editors complete and check specs.

    Written beside a spec, its first line says so: # yaml-language-server: $schema=FILE.json
    """
    from archgraph.cli.vocabulary import words_for_editors
    from archgraph.spec import Library
    from archgraph.spec.schema import spec_schema

    check_output(output, ".json", "JSON Schema")
    found = spec_schema(words_for_editors(Library()))
    write_result(output, json.dumps(found, indent=2) + "\n")


COMMAND = schema
