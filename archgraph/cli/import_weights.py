"""`archgraph import-weights`: a checkpoint of another project as a file of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archgraph.cli.options import (
    NamesOption,
    SearchOption,
    SetOption,
    UsageError,
    VariantOption,
    make_library,
    parse_settings,
    read_names,
)
from archgraph.cli.output import count, note, progress
from archgraph.errors import DataError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archgraph.weights import Network, Report

EXAMPLES = """
[bold]Examples[/]
  archgraph import-weights b0.pth --model efficientnet -o b0.safetensors
  archgraph import-weights d0.pth --model efficientdet -o d0.safetensors
  archgraph import-weights last.pth --ema --model d.yaml -o d.safetensors
"""
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .pth, .pt or .safetensors file.")
]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="SPEC", help="The spec that the weights are for.")
]


def import_weights(
    file: FileArgument,
    model: ModelOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.safetensors", help="Where to write.")
    ],
    settings: SetOption = None,
    variant: VariantOption = "",
    search: SearchOption = None,
    names: NamesOption = None,
    averaged: Annotated[
        bool, typer.Option("--ema", help="Take the moving average of the weights.")
    ] = False,
) -> None:
    """Turn a checkpoint of effdet, timm, efficientnet-pytorch or archgraph into weights for a spec.

    All of them fit, or a report says which do not and nothing is written.
    Only the number of classes may differ.
    """
    check_weights_output(output, (".safetensors",))
    called = read_names(names)
    network = compile_network(model, settings, variant, search)
    if called:
        check_names(network, called)
    with progress(f"reading {file}"):
        from archgraph import weights

        origin: dict[str, object] = {"model": model, "variant": variant}
        origin["set"] = sorted(settings or ())
        if called:
            origin["class_names"] = called
        found = weights.import_weights(file, network, output, origin, averaged=averaged)
    say(output, found)


COMMAND = import_weights


def check_names(network: Network, names: Sequence[str]) -> None:
    """Refuse names that are not as many as the classes of a detector.

    Raises:
        CodegenError: E414, it is no detector.
        DataError: E540, it tells another number of classes apart.
    """
    from archgraph.codegen.standalone import detector_settings

    classes = detector_settings(network.graph).classes
    if len(names) != classes:
        message = (
            f"'{network.name}' tells {classes} classes apart, and there are {len(names)} names"
        )
        hint = f"set classes={len(names)}, or give a name for each class, in order"
        raise DataError(Diagnostic("E540", message, None, hint))


def check_weights_output(output: Path, suffixes: Sequence[str]) -> None:
    """Refuse a name that does not say what is written.

    Raises:
        UsageError: E122, the name ends in none of `suffixes`.
    """
    if output.suffix not in suffixes:
        hint = f"name a file that ends in {' or '.join(suffixes)}"
        raise UsageError(Diagnostic("E122", f"cannot write weights to '{output}'", None, hint))


def compile_network(
    model: str, settings: Sequence[str] | None, variant: str, search: Sequence[Path] | None
) -> Network:
    """The network that a command line means, and what it is called there."""
    from archgraph.compiler import compile_spec
    from archgraph.weights import Network

    arguments = parse_settings(settings)
    with progress(f"compiling {model}"):
        compilation = compile_spec(model, arguments, make_library(search), variant)
    name = " ".join([compilation.name, *([variant] if variant else [])])
    return Network(compilation.operators.graph, name)


def say(output: Path, found: Report) -> None:
    """What became of a file, on standard error."""
    tensors = count(found.tensors, "tensor")
    note(f"wrote {output} ({tensors}, {found.numbers:,} numbers; names of {found.names})")
    for line in found.notes:
        note(f"  note: {line}")
