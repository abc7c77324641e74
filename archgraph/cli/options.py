"""What commands have in common: the spec, `--set`, output files, and mistakes in using them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import typer

from archgraph.cli.output import STANDARD_OUTPUT
from archgraph.errors import ArchgraphError, Diagnostic, InputOutputError, SpecError

if TYPE_CHECKING:
    from archgraph.analysis import ImageSize
    from archgraph.ir import Graph
    from archgraph.spec import Arguments, ArgumentValue, Library

SPEC_HELP = "A name of the library (bifpn), a file (neck.yaml) or a document of it (neck.yaml#top)."
SpecArgument = Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP, show_default=False)]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A parameter: a scalar, a range, a list or a map. May be repeated.",
        show_default=False,
    ),
]
VariantOption = Annotated[
    str,
    typer.Option(
        "--variant", metavar="NAME", help="A variant of the spec: a row of its 'variants'."
    ),
]
SearchOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--search",
        metavar="DIR",
        help="A folder in which names are looked up before the library. May be repeated.",
        show_default=False,
    ),
]
ImageSizeOption = Annotated[
    str,
    typer.Option(
        "--image-size",
        metavar="H[xW]",
        help="Pixels of the image. \\[default: what the model is meant for, else 512]",
        show_default=False,
    ),
]
NamesOption = Annotated[
    Path | None,
    typer.Option(
        "--names",
        metavar="FILE.txt",
        help="What the classes are called, one on each line.",
        show_default=False,
    ),
]
SeenSizeOption = Annotated[
    str, typer.Option("--image-size", metavar="N|HxW", help="What a detector sees, in pixels.")
]
BadOption = Annotated[
    Literal["refuse", "skip"],
    typer.Option("--bad", help="What becomes of images and entries with errors."),
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="NAME", help="Where it runs: cpu, cuda, cuda:1, mps.")
]
NmsOption = Annotated[
    Literal["hard", "gaussian", "linear"],
    typer.Option("--nms", help="How boxes that overlap are thinned out."),
]
OverlapOption = Annotated[
    float, typer.Option("--iou", min=0, max=1, help="The overlap of boxes that is allowed.")
]
AgnosticOption = Annotated[
    bool, typer.Option("--agnostic", help="Boxes of different classes thin one another out too.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")]


class UsageError(ArchgraphError):
    """The command line itself is wrong."""

    exit_code: ClassVar[int] = 2


def parse_settings(texts: Sequence[str] | None, option: str = "--set") -> Arguments:
    """The values of every `--set`, or of another option like it.

    Raises:
        UsageError: every text that is not KEY=VALUE (E120), holds no YAML value, or sets a key
            for the second time (E120).
    """
    from archgraph.spec import parse_setting

    arguments: dict[str, ArgumentValue] = {}
    found: list[Diagnostic] = []
    for text in texts or ():
        try:
            key, value = parse_setting(text, option)
        except SpecError as error:
            found.extend(error.diagnostics)
            continue
        if key in arguments:
            message = f"'{key}' is set twice"
            found.append(Diagnostic("E120", message, value.location, "set it once"))
        arguments[key] = value
    if found:
        raise UsageError(found)
    return arguments


def refuse_with_run(
    settings: Sequence[str] | None, variant: str, search: Sequence[Path] | None = None
) -> None:
    """Refuse options about a spec where the folder of a run says it all.

    Raises:
        UsageError: E125.
    """
    said = {"--set": settings, "--variant": variant, "--search": search}
    given = next((name for name, value in said.items() if value), "")
    if given:
        message = f"the folder of a run says what its detector is; '{given}' is about a spec"
        raise UsageError(Diagnostic("E125", message, None, "leave it out"))


def given_size(text: str) -> ImageSize | None:
    """What `--image-size` says; None where it is not given.

    Raises:
        UsageError: E121, the text is no size.
    """
    from archgraph.analysis import parse_image_size

    try:
        return parse_image_size(text) if text else None
    except SpecError as error:
        raise UsageError(error.diagnostics) from None


def size_for(graph: Graph, given: ImageSize | None) -> ImageSize:
    """The image that a graph is looked at with: the given one, else the model's own, else 512."""
    from archgraph.analysis import image_size_of

    return given or image_size_of(graph) or (512, 512)


def make_library(search: Sequence[Path] | None) -> Library:
    """Where names are looked up: the folders of every `--search`, then the library.

    Raises:
        InputOutputError: E001, a folder is none.
    """
    from archgraph.spec import Library

    return Library(search=search or ())


def read_names(path: Path | None) -> list[str]:
    """The names of classes, one on each line; none where no file is given.

    Raises:
        InputOutputError: E001, the file cannot be read.
    """
    if path is None:
        return []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputOutputError(Diagnostic("E001", f"cannot read '{path}': {reason}")) from None
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]


def check_output(output: Path, suffix: str, content: str, *, stream: bool = True) -> Path:
    """An output file that this command can write, or `-` where it may go to standard output.

    Raises:
        UsageError: E122, the name does not end in `suffix`.
    """
    if output.suffix.lower() != suffix and not (stream and output == STANDARD_OUTPUT):
        message = f"cannot write {content} to '{output}'"
        stem = "result" if output == STANDARD_OUTPUT else output.stem or "result"
        hint = f"name a file that ends in {suffix}, such as '{stem}{suffix}'"
        hint += ", or '-' for standard output" if stream else ""
        raise UsageError(Diagnostic("E122", message, None, hint))
    return output
